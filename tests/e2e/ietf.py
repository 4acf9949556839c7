"""The IETF draft's requests as the tests speak them: every header visible, nothing retried, nothing assumed."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from tests.e2e.tus import target_of
from tests.support.wire import TIMEOUT, Connection, Header, Http, Response

PARTIAL: Header = ("Content-Type", "application/partial-upload")
COMPLETE: Header = ("Upload-Complete", "?1")
MORE: Header = ("Upload-Complete", "?0")
EXPECT: Header = ("Expect", "100-continue")
CHUNKED: Header = ("Transfer-Encoding", "chunked")
TYPES = "https://iana.org/assignments/http-problem-types#"


def interop(version: int | str) -> Header:
    return ("Upload-Draft-Interop-Version", str(version))


def digest(content: bytes, algorithm: str = "sha-256") -> str:
    value = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(value).decode()}:"


def limits_of(answer: Response) -> dict[str, int]:
    """The members of Upload-Limit, all of them integers."""
    members = (member.strip().partition("=") for member in (answer.header("Upload-Limit") or "").split(","))
    return {key: int(value) for key, _, value in members}


def problem_of(answer: Response) -> dict[str, Any]:
    assert answer.header("Content-Type") == "application/problem+json"
    about: dict[str, Any] = answer.json()
    assert about["status"] == answer.status
    return about


def assert_inconsistent(answer: Response) -> None:
    """§Inconsistent Length."""
    about = problem_of(answer)
    assert (answer.status, about["type"]) == (400, TYPES + "inconsistent-upload-length")
    assert answer.header("Upload-Complete") == "?0"


@dataclass(frozen=True, slots=True)
class Ietf:
    """Requests to one server, in the words of one interop version; None announces none."""

    http: Http
    version: int | None = 8

    @property
    def spoken(self) -> list[Header]:
        return [] if self.version is None else [interop(self.version)]

    def create(self, body: bytes | None, *headers: Header, within: float = TIMEOUT) -> Response:
        return self.http.request("POST", "/uploads", [*self.spoken, *headers], body, within=within)

    def created(self, *headers: Header, body: bytes = b"") -> str:
        """The target of a new upload that goes on after ``body``."""
        answer = self.create(body, MORE, *headers)
        assert answer.header("Upload-Complete") == "?0"
        return target_of(answer)

    def head(self, target: str, *headers: Header) -> Response:
        return self.http.request("HEAD", target, [*self.spoken, *headers])

    def stands(self, target: str) -> tuple[str | None, int]:
        """Completeness and offset, as a HEAD tells them."""
        answer = self.head(target)
        assert answer.status == 204, answer
        return answer.header("Upload-Complete"), int(answer.header("Upload-Offset") or -1)

    def patch(self, target: str, at: int | str, body: bytes, *headers: Header) -> Response:
        offset: Header = ("Upload-Offset", str(at))
        return self.http.request("PATCH", target, [*self.spoken, PARTIAL, offset, *headers], body)

    def delete(self, target: str, *headers: Header) -> Response:
        return self.http.request("DELETE", target, [*self.spoken, *headers])

    def content(self, target: str) -> bytes:
        answer = self.http.get(target)
        assert answer.status == 200, answer
        return answer.body

    def begin(self, method: str, target: str, *headers: Header, sent: bytes = b"") -> Connection:
        """A request that the caller goes on with, waits for or cuts; its framing is among the headers."""
        connection = self.http.connect()
        connection.send(connection.head_bytes(method, target, [*self.spoken, *headers]) + sent)
        return connection

    def begin_patch(self, target: str, at: int, *headers: Header, sent: bytes = b"") -> Connection:
        return self.begin("PATCH", target, PARTIAL, ("Upload-Offset", str(at)), *headers, sent=sent)
