"""WebSockets that are opened by whom they are not for, that say too much, or that outlive their token."""

import contextlib
import json
import time
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tests.e2e.attacks.besieged import Attack, Besieged, Told, told
from tests.e2e.image_client import ImageClient
from tests.e2e.test_foreign_pages import UPGRADE
from tests.e2e.test_owners import UNKNOWN
from tests.e2e.tus import Tus, id_of
from tests.support.tokens import BERT
from tests.support.wire import Closed, Header, WebSocket

PROGRESS, RECEIVER = "adapters/test_websocket_progress.py", "e2e/test_image_receiver.py"
PAGES, TOKENS = "e2e/test_foreign_pages.py", "e2e/test_tokens.py"
WATCH, RECEIVE = "/ws/progress", "/image/upload"
CUT = 1006
"""RFC 6455 §7.4.1: the connection ended without a close."""


def opened(target: str, *headers: Header, guarded: bool = False) -> Callable[[Besieged], Told]:
    """The handshake alone."""

    def tried(besieged: Besieged) -> Told:
        with (besieged.nobody if guarded else besieged.http).connect() as connection:
            connection.send_head("GET", target, [*UPGRADE, *headers])
            return told(connection.receive())

    return tried


def said(target: str, say: Callable[[WebSocket], None]) -> Callable[[Besieged], Told]:
    """What closes the socket after that."""

    def tried(besieged: Besieged) -> Told:
        socket = WebSocket.open(besieged.http, target)
        with contextlib.suppress(OSError):  # it has heard enough
            say(socket)
        return 101, str(_close_code(socket))

    return tried


def answered(message: object) -> Callable[[Besieged], Told]:
    """To a message that is refused, on a socket that stays."""

    def tried(besieged: Besieged) -> Told:
        socket = WebSocket.open(besieged.http, WATCH)
        socket.send_frame(0x1, message if isinstance(message, bytes) else json.dumps(message).encode())
        code = next(socket.messages(within=5))["code"]
        socket.send_json({"action": "ping"})
        assert next(socket.messages(within=5)) == {"type": "pong"}
        socket.close()
        return 101, str(code)

    return tried


def anothers_upload(besieged: Besieged) -> Told:
    """What is told of it, and whether the same is told of one that does not exist."""
    theirs = id_of(Tus(besieged.user()).created(10))
    answers = []
    for upload_id in (theirs, UNKNOWN):
        socket = WebSocket.open(besieged.user(BERT), f"{WATCH}?upload_id={upload_id}")
        answers.append({**next(socket.messages(within=5)), "upload_id": ""})
        socket.close()
    return 101, str(answers[0]["code"] if answers[0] == answers[1] else answers)


def anothers_session(besieged: Besieged) -> Told:
    with ImageClient(besieged.user(BERT)) as client:
        return 101, str(client.begin(0, user_id="0" * 24)["message"])


def expiring(target: str) -> Callable[[Besieged], Told]:
    def tried(besieged: Besieged) -> Told:
        socket = WebSocket.open(besieged.user(exp=datetime.now(UTC).timestamp() + 0.4), target)
        return 101, str(_close_code(socket))

    return tried


def twice(besieged: Besieged) -> Told:
    """By one ticket."""
    ticket = besieged.user().request("POST", "/tickets").json()["ticket"]
    WebSocket.open(besieged.nobody, f"{WATCH}?ticket={ticket}").close()
    return told(WebSocket.asked(besieged.nobody, f"{WATCH}?ticket={ticket}").connection.receive())


def compressing(besieged: Besieged) -> Told:
    """What of permessage-deflate is agreed to."""
    offer: Header = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
    answer = WebSocket.asked(besieged.http, WATCH, offer).connection.receive()
    return answer.status, answer.header("Sec-WebSocket-Extensions") or ""


def _deflated(socket: WebSocket) -> None:
    socket.send_frame(0x41, zlib.compress(bytes(8 * 2**20), 9)[2:-4])


def _flood(opcode: int) -> Callable[[WebSocket], None]:
    def say(socket: WebSocket) -> None:
        for _ in range(2000):
            socket.send_frame(opcode, b'{"action":"ping"}')

    return say


def _giant(socket: WebSocket) -> None:
    socket.send_frame(0x1, b"", announced=2**40)


def _unmasked(socket: WebSocket) -> None:
    socket.connection.send(b"\x81\x02hi")


def _close_code(socket: WebSocket, *, within: float = 10.0) -> int:
    until = time.monotonic() + within
    try:
        while socket.close_code is None and time.monotonic() < until:
            list(socket.messages(within=until - time.monotonic()))
    except (Closed, ConnectionError):
        return CUT
    assert socket.close_code is not None, "it is open still"
    return socket.close_code


EVIL, NULL = (("Origin", origin) for origin in ("https://evil.example", "null"))
ATTACKS: Sequence[Attack] = (
    Attack("a page of others watches", opened(WATCH, EVIL), (403, "forbidden"), PAGES),
    Attack("a page of nobody's sends pictures", opened(RECEIVE, NULL), (403, "forbidden"), PAGES),
    Attack(
        "a page that lies about its site",
        opened(WATCH, EVIL, ("Sec-Fetch-Site", "same-origin")),
        (403, "forbidden"),
        PAGES,
    ),
    Attack("a handshake by another name", opened(WATCH, ("Host", "evil.test")), (421, "misdirected_request"), PAGES),
    Attack(
        "a handshake of another version",
        opened(WATCH, ("Sec-WebSocket-Version", "99")),
        (426, "upgrade_required"),
        PROGRESS,
    ),
    Attack("a handshake without a token", opened(WATCH, guarded=True), (401, "unauthenticated"), TOKENS),
    Attack("a token in the address", opened(f"{WATCH}?access_token=x", guarded=True), (401, "unauthenticated"), TOKENS),
    Attack(
        "a ticket that was guessed",
        opened(f"{RECEIVE}?ticket={UNKNOWN}", guarded=True),
        (401, "unauthenticated"),
        TOKENS,
    ),
    Attack("a ticket for the second time", twice, (401, "unauthenticated"), TOKENS),
    Attack("another's upload", anothers_upload, (101, "not_found"), PROGRESS),
    Attack("another's session", anothers_session, (101, "user_id is not the caller's"), RECEIVER),
    Attack("a token that ends while it watches", expiring(WATCH), (101, "4401"), TOKENS),
    Attack("a token that ends while it sends", expiring(RECEIVE), (101, "4401"), TOKENS),
    Attack("compression is offered", compressing, (101, ""), PROGRESS),
    Attack("a bomb in a frame", said(WATCH, _deflated), (101, "1002"), PROGRESS),
    Attack("a bomb in a frame, for pictures", said(RECEIVE, _deflated), (101, "1002"), RECEIVER),
    Attack("a frame of a terabyte", said(WATCH, _giant), (101, "1009"), PROGRESS),
    Attack("the same for pictures", said(RECEIVE, _giant), (101, "1009"), RECEIVER),
    Attack("a frame without a mask", said(WATCH, _unmasked), (101, "1002"), PROGRESS),
    Attack("a frame without a mask, for pictures", said(RECEIVE, _unmasked), (101, "1002"), RECEIVER),
    Attack("a flood of words", said(WATCH, _flood(0x1)), (101, "1008"), PROGRESS),
    Attack("a flood of pings", said(RECEIVE, _flood(0x9)), (101, "1008"), PROGRESS),
    Attack("words as deep as a well", answered(b"[" * 100_000), (101, "invalid_request"), PROGRESS),
    Attack(
        "words that are none",
        answered(b'{"action": "subscribe", "upload_ids": {"$gt": ""}}'),
        (101, "invalid_request"),
        PROGRESS,
    ),
    Attack(
        "1,001 uploads at once",
        answered({"action": "subscribe", "upload_ids": [f"{at:032x}" for at in range(1001)]}),
        (101, "too_many_watched"),
        PROGRESS,
    ),
)
