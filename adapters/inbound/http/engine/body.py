"""A request's body as the core's byte source, read from the connection itself: nothing of it is read before it is
asked for, so TCP slows a client down that is faster than the disk."""

import asyncio
from abc import abstractmethod
from concurrent.futures import Executor
from contextlib import suppress

from adapters.inbound.http.engine.framing import Unreadable
from adapters.inbound.http.engine.wire.connection import Connection, Waiting
from ports.byte_source import ByteSource

_BUFFER_BYTES = 256 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Body(ByteSource):
    """What is common to bodies of a known length (``socket_body.py``) and chunked ones (``chunked_body.py``), and what
    an exchange and its watchdog have to know of them.

    Lives on the event loop; only ``pour`` uses threads, and waits for them.
    """

    is_cut = False

    def __init__(self, connection: Connection, *, awaits_continue: bool, executor: Executor) -> None:
        self._connection = connection
        self._socket = connection.socket
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._waiting = Waiting(connection.readiness)
        self._is_stopped = False
        self.awaits_continue = awaits_continue
        """Whether the client still waits for our word before it sends the body."""
        self.untold = b""
        """What the socket did not take of the last interim response; the reply follows it."""
        self.received = 0
        """Bytes that have come from the client."""
        self.fault: Unreadable | None = None
        """Why what comes can't be read as a body."""

    @property
    @abstractmethod
    def has_ended(self) -> bool:
        """Whether all of it has come from the client."""

    @abstractmethod
    async def discard(self, limit: int) -> None:
        """Read what still comes and throw it away, about ``limit`` bytes of it, until the body has ended."""

    @property
    def is_awaited(self) -> bool:
        """Whether the core waits for the client right now."""
        return self._waiting.is_under_way

    def stop(self) -> None:
        # A body that has arrived whole stays whole.
        if not self.has_ended:
            self.is_cut = True
        self._is_stopped = True
        self._waiting.wake()

    def begin(self) -> None:
        """Before the first byte is waited for: say that it is wanted."""
        if self.awaits_continue:
            self.awaits_continue = False
            self.tell(_CONTINUE)

    def tell(self, data: bytes) -> None:
        """See ``RunningExchange.tell``. Threads only read from the socket."""
        if not self.untold:
            with suppress(OSError):  # no room: not now; the client is gone: the next read will tell
                self.untold = data[self._socket.send(data) :]

    def close(self) -> None:
        self.stop()
        self._connection.close()

    async def drain(self, limit: int) -> None:
        """Read whatever still comes, about ``limit`` bytes, until the client has nothing more to say."""
        self._is_stopped = self.awaits_continue = False
        while limit > 0 and (block := await self._receive(_BUFFER_BYTES)):
            limit -= len(block)

    async def _receive(self, limit: int, *, until: float | None = None) -> bytes | None:
        """Some bytes; none once no more will come; None if none came ``until`` then, by the loop's clock."""
        self.begin()
        if self._connection.ahead:
            return self._connection.take_ahead(limit)
        while not self._is_stopped:
            try:
                return self._socket.recv(min(limit, _BUFFER_BYTES))
            except BlockingIOError:
                if until is not None and self._loop.time() >= until:
                    return None
                await self._waiting.wait(until=until)
            except OSError:
                break
        return b""
