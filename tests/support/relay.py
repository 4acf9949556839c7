"""A relay as tunnels and hotel networks are: it passes bytes on, and once in a while it does not for some time."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class StallingRelay:
    """Passes on what clients send to ``port``, and the replies; the first ``after`` bytes up, then nothing for
    ``seconds`` in either direction, then everything, if there is still somebody to pass it on to."""

    def __init__(self, port: int, *, after: int, seconds: float) -> None:
        self.passed_up = 0
        self.has_stalled = False
        self._port = port
        self._after = after
        self._seconds = seconds
        self._flows = threading.Event()
        self._flows.set()
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds = 0
        self._flows.set()
        _hang_up(self._listening)
        for end in self._ends:
            _hang_up(end)
        for thread in self._threads:
            thread.join(10)

    def go_on(self) -> None:
        """Before its time."""
        self._flows.set()

    def _begin(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._port))
                except OSError:  # it is away: so is what its clients asked for
                    client.close()
                    continue
                self._ends += [client, server]
                self._begin(self._pass_on, client, server, True)
                self._begin(self._pass_on, server, client, False)

    def _pass_on(self, from_: socket.socket, to: socket.socket, is_up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := from_.recv(64 * 1024):
                if is_up:
                    self.passed_up += len(data)
                    self._stall_once()
                self._flows.wait()
                to.sendall(data)
        # An end is an end for both, as it is to most relays.
        for end in (from_, to):
            _hang_up(end)

    def _stall_once(self) -> None:
        if not self.has_stalled and self.passed_up > self._after:
            self._flows.clear()
            self.has_stalled = True  # in this order: who waits for it may say at once that it goes on
            timer = threading.Timer(self._seconds, self._flows.set)
            timer.daemon = True
            timer.start()


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
