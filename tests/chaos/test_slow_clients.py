"""Clients that hold a connection and hardly use it are ended; honest slow ones are not.

RELIABILITY "Defaults": header timeout 20 s, body watchdog 1 KiB/s over 30 s. The cuts themselves are in
tests/e2e/test_slow_clients.py; here it is who must not be cut, and what the cut ones can go on with.
"""

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.chaos.rig.client import TUS, HangingPatch, ResumingUpload, ask
from tests.chaos.rig.content import Content
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import wrong_content
from tests.support.processes.server import ServerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.long, pytest.mark.timeout(150)]

_HEADER_SECONDS = 20.0
_WATCH_SECONDS = 30.0
_MARGIN_SECONDS = 10.0


def test_slow_headers_and_bodies_are_ended_and_an_honest_slow_client_is_not(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        begun = time.monotonic()
        over = threading.Event()
        header = _SlowSender(_half_a_request(server), over, each=b"X-Slow: 1\r\n")
        slow = _PatchSender(server, over, seed=1, bytes_a_second=100)
        honest = _PatchSender(server, over, seed=2, bytes_a_second=4 * 1024)
        silent = HangingPatch(server.url, _created(server, 3).location, offset=0, announced=50_000, sent=b"abc")
        try:
            assert header.ended_by(begun + _HEADER_SECONDS + _MARGIN_SECONDS), "half a request was waited for"
            assert slow.ended_by(begun + _WATCH_SECONDS + _MARGIN_SECONDS), "100 bytes/s were put up with"
            left = begun + _WATCH_SECONDS + _MARGIN_SECONDS - time.monotonic()
            assert silent.ended_within(max(left, 0.1)) is not None, "a silent body was waited for"
            assert not honest.ended.is_set(), "4 KiB/s were taken for an attack"
            assert ask(server.url, "GET", "/health").status == 200
        finally:
            over.set()
            for sender in (header, slow, honest):
                sender.close()
            silent.close()
        for sender in (slow, honest):
            offset = int(ask(server.url, "HEAD", sender.upload.location, TUS).header("upload-offset"))
            assert offset > 0, "a cut body did not keep its prefix"
            sender.upload.run(within=30)
            assert sender.upload.broken_promises == []
        assert wrong_content(server.url, [slow.upload, honest.upload]) == []


class _SlowSender:
    """Sends ``each`` once a second until the server ends the connection."""

    def __init__(self, connection: socket.socket, over: threading.Event, *, each: bytes) -> None:
        self.ended = threading.Event()
        self._socket = connection
        self._over = over
        self._each = each
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ended_by(self, moment: float) -> bool:
        return self.ended.wait(max(moment - time.monotonic(), 0.1))

    def close(self) -> None:
        self._thread.join(10)
        self._socket.close()

    def _next(self) -> bytes:
        return self._each

    def _run(self) -> None:
        self._socket.settimeout(1.0)
        while not self._over.is_set():
            try:
                self._socket.sendall(self._next())
                self._socket.recv(1)
            except TimeoutError:
                continue
            except OSError:
                pass
            self.ended.set()
            return


class _PatchSender(_SlowSender):
    def __init__(self, server: ServerProcess, over: threading.Event, *, seed: int, bytes_a_second: int) -> None:
        self.upload = _created(server, seed)
        self._at = 0
        self._step = bytes_a_second
        length = self.upload.content.length
        patch = HangingPatch(server.url, self.upload.location, offset=0, announced=length, sent=b"")
        super().__init__(patch.socket, over, each=b"")

    def _next(self) -> bytes:
        self._at += self._step
        return self.upload.content.read(self._at - self._step, self._at)


def _created(server: ServerProcess, seed: int) -> ResumingUpload:
    upload = ResumingUpload(server.url, Content(seed, 1_000_000), chunk_sizes=[1 << 20])
    upload.create()
    upload.close()
    return upload


def _half_a_request(server: ServerProcess) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with contextlib.suppress(OSError):
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
    return connection
