"""A client's connection: its socket, what has been read of it ahead, and who is at the other end."""

import asyncio
import socket as sockets
from contextlib import suppress
from dataclasses import dataclass

from tornado.httputil import HTTPServerRequest

from adapters.inbound.http.engine.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Client:
    """What Tornado calls a connection's context, by its names."""

    address: object
    remote_ip: str
    protocol: str = "http"


@dataclass(slots=True, eq=False)
class Connection:
    """``context``: what requests look for by this name."""

    socket: sockets.socket
    readiness: Readiness
    context: Client
    ahead: bytes = b""
    """Read from the socket, and nobody's yet: it comes before what the socket has."""
    since: float = 0.0
    request: HTTPServerRequest | None = None
    """The last chunk that was parsed here."""
    before: bytes = b""
    after: bytes = b""
    """That chunk's head without the digits of its Upload-Offset: the next one mostly differs in nothing else."""

    @classmethod
    def of(cls, source: sockets.socket, address: object) -> "Connection":
        source.setblocking(False)
        is_internet = source.family in (sockets.AF_INET, sockets.AF_INET6)
        if is_internet:
            # A reply is one write mostly; the second of several is not to wait until the first is acknowledged.
            with suppress(OSError):  # the client is gone already: the first read will tell
                source.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        remote_ip = str(address[0]) if is_internet and isinstance(address, tuple) else "0.0.0.0"  # noqa: S104 -- as Tornado has it
        return cls(source, Readiness(source), Client(address, remote_ip))

    def take_ahead(self, limit: int) -> bytes:
        taken, self.ahead = self.ahead[:limit], self.ahead[limit:]
        return taken

    def close(self) -> None:
        self.request = None  # it knows us: neither would be gone before somebody looks for garbage, which is rarely
        self.readiness.close()
        self.socket.close()


class Waiting:
    """Wait for a socket to have something, in one place at a time; ``wake`` ends the wait from elsewhere."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._loop = asyncio.get_running_loop()
        self._coming: asyncio.Future[None] | None = None

    @property
    def is_under_way(self) -> bool:
        return self._coming is not None

    async def wait(self, *, until: float | None = None) -> None:
        """Return once there is something, now and then in vain, or at ``until`` by the loop's clock."""
        self._coming = self._loop.create_future()
        self._readiness.ask(self.wake)
        alarm = self._loop.call_at(until, self.wake) if until is not None else None
        try:
            await self._coming
        finally:
            self._coming = None
            self._readiness.rest()
            if alarm:
                alarm.cancel()

    def wake(self) -> None:
        if self._coming and not self._coming.done():
            self._coming.set_result(None)
