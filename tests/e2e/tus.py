"""The tus 1.0.0 requests as the tests speak them: every header visible, nothing retried, nothing assumed."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.support.wire import Connection, Header, Http, Response

VERSION: Header = ("Tus-Resumable", "1.0.0")
BYTES: Header = ("Content-Type", "application/offset+octet-stream")


def metadata(**pairs: str | bytes) -> Header:
    """An Upload-Metadata header of ``pairs``."""
    encoded = (
        f"{key} {base64.b64encode(value.encode() if isinstance(value, str) else value).decode()}"
        for key, value in pairs.items()
    )
    return ("Upload-Metadata", ",".join(encoded))


def target_of(response: Response, *, base: str = "/uploads") -> str:
    """The request target that the Location of a 201 names."""
    location = response.header("Location")
    assert response.status == 201, f"expected 201, got {response.status}: {response.body[:300]!r}"
    assert location, "a 201 without Location"
    return urlsplit(urljoin(f"http://host{base}", location)).path


def id_of(target: str) -> str:
    return target.rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Tus:
    """Requests to the upload resources of one server; ``headers`` replace nothing, they are added."""

    http: Http

    def create(self, length: int | str | None, *headers: Header, body: bytes | None = None) -> Response:
        """POST /uploads; ``length`` None sends no Upload-Length."""
        announced: list[Header] = [] if length is None else [("Upload-Length", str(length))]
        content: list[Header] = [BYTES] if body is not None else []
        return self.http.request("POST", "/uploads", [VERSION, *announced, *content, *headers], body)

    def created(self, length: int | None, *headers: Header, body: bytes | None = None) -> str:
        """The target of a new upload."""
        return target_of(self.create(length, *headers, body=body))

    def completed(self, content: bytes, *headers: Header) -> str:
        """The target of a new upload that holds all of ``content``."""
        target = self.created(len(content), *headers)
        if content:
            assert self.patch(target, 0, content).status == 204
        return target

    def head(self, target: str, *headers: Header) -> Response:
        return self.http.request("HEAD", target, [VERSION, *headers])

    def offset(self, target: str) -> int:
        answer = self.head(target)
        offset = answer.header("Upload-Offset")
        assert answer.status == 200 and offset is not None, f"HEAD {target}: {answer}"
        return int(offset)

    def patch(self, target: str, offset: int | str, body: bytes, *headers: Header) -> Response:
        return self.http.request("PATCH", target, [VERSION, BYTES, ("Upload-Offset", str(offset)), *headers], body)

    def begin_patch(self, target: str, offset: int, announced: int, sent: bytes, *headers: Header) -> Connection:
        """A PATCH that has announced more bytes than it has sent; the caller goes on, waits or cuts."""
        connection = self.http.connect()
        framing: list[Header] = [("Upload-Offset", str(offset)), ("Content-Length", str(announced))]
        head = connection.head_bytes("PATCH", target, [*self.http.headers, VERSION, BYTES, *framing, *headers])
        connection.send(head + sent)
        return connection

    def delete(self, target: str, *headers: Header) -> Response:
        return self.http.request("DELETE", target, [VERSION, *headers])

    def options(self, *headers: Header, target: str = "/uploads") -> Response:
        return self.http.request("OPTIONS", target, headers)

    def extensions(self) -> set[str]:
        return self.options().words("Tus-Extension")

    def content(self, target: str) -> bytes:
        answer = self.http.get(target)
        assert answer.status == 200, f"GET {target}: {answer.status} {answer.body[:300]!r}"
        return answer.body

    def open_uploads(self) -> dict[str, Mapping[str, Any]]:
        """What ``GET /uploads?state=open`` lists, by id."""
        answer = self.http.get("/uploads?state=open")
        assert answer.status == 200, f"GET /uploads?state=open: {answer.status} {answer.body[:300]!r}"
        return {str(entry["id"]): entry for entry in answer.json()["uploads"]}


def odd_pieces(content: bytes) -> Iterator[bytes]:
    """``content`` cut at places that no buffer size divides."""
    start, size = 0, 1
    while start < len(content):
        yield content[start : start + size]
        start, size = start + size, size * 3 + 1
