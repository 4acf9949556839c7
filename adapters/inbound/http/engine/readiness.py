"""When a socket has something to read, told to one who asks at a time."""

import asyncio
import socket
from collections.abc import Callable


class Readiness:
    """Stays with the event loop from one question to the next: to come and go is two system calls a chunk.

    ``close`` it before the socket is closed or becomes somebody else's.
    """

    def __init__(self, source: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = source.fileno()
        self._on_ready: Callable[[], None] | None = None
        self._is_listening = False

    def ask(self, on_ready: Callable[[], None]) -> None:
        """Call ``on_ready`` once there is something, and again until ``rest``; now and then in vain."""
        self._on_ready = on_ready
        if not self._is_listening:
            self._is_listening = True
            self._loop.add_reader(self._fd, self._tell)

    def rest(self) -> None:
        self._on_ready = None

    def close(self) -> None:
        self._on_ready = None
        if self._is_listening:
            self._is_listening = False
            self._loop.remove_reader(self._fd)

    def _tell(self) -> None:
        if self._on_ready is not None:
            self._on_ready()
        else:
            self.close()  # it would be told again and again
