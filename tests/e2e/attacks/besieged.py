"""What an attack is, the servers that are attacked, and the plain ways to try one."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.test_tokens import bearing, ours
from tests.e2e.tus import Tus
from tests.support.processes.server import ServerProcess
from tests.support.tokens import ANNA, rsa_pair, signed
from tests.support.wire import Closed, Header, Http, Response

FRIEND = "https://app.example"
KEY_ID = "1"
LINK_SECRET = "8f1d3b5a7c9e0f2d4b6a8c0e1f3d5b7a"
Told = tuple[int, str]
"""A status and, of a refusal, its code; of what is taken, whatever shows that it does no harm."""


@dataclass(frozen=True, slots=True)
class Attack:
    what: str
    tried: Callable[["Besieged"], Told]
    told: Told
    deeper: str = ""
    """Where tests go further into it, below ``tests``."""


@dataclass(frozen=True, slots=True)
class Besieged:
    open: ServerProcess
    """Everybody is one user; pages of ``FRIEND`` may call."""
    guarded: ServerProcess
    """By tokens that are signed by ``rsa_pair``; an owner has five open uploads and 4 MiB."""
    fronted: ServerProcess
    """Behind a gateway elsewhere; five requests an hour."""
    around: Path
    """The folder that has their data folders and much that is none of theirs."""

    @property
    def http(self) -> Http:
        return Http(self.open.port)

    @property
    def tus(self) -> Tus:
        return Tus(self.http)

    @property
    def nobody(self) -> Http:
        return Http(self.guarded.port)

    def by(self, token: str) -> Http:
        return bearing(self.nobody, token)

    def user(self, user_id: str = ANNA, **claims: object) -> Http:
        return self.by(signed(ours(user_id, **claims), rsa_pair(), "RS256", kid=KEY_ID))


def told(answer: Response) -> Told:
    """Each dialect's own word for what is wrong."""
    if answer.status < 400 or not (answer.header("Content-Type") or "").partition(";")[0].endswith("json"):
        return answer.status, ""
    body = answer.json()
    errors = body.get("errors") or []
    if "code" in body:
        return answer.status, str(body["code"])
    if errors and isinstance(errors[0], dict):
        return answer.status, str(errors[0]["code"])
    return answer.status, str((errors or [body["message"]])[0])


def asked(
    method: str, target: str, *headers: Header, body: bytes | Callable[[], bytes] | None = None
) -> Callable[[Besieged], Told]:
    """``body``: or who makes it, where that takes its time."""

    def tried(besieged: Besieged) -> Told:
        return told(besieged.http.request(method, target, headers, body() if callable(body) else body))

    return tried


def sent(text: bytes) -> Callable[[Besieged], Told]:
    """Bytes that are no good request: answered once, and nothing behind them is read as another one."""

    def tried(besieged: Besieged) -> Told:
        with besieged.http.connect() as connection:
            with contextlib.suppress(OSError):  # it has heard enough
                connection.send(text)
            answer = connection.receive(within=5)
            try:
                more = connection.receive_head(within=5).status
            except (Closed, ConnectionError):
                return told(answer)
            return more, "a second answer"

    return tried
