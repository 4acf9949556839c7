"""A body of a known length: large ones go from the socket to the file in a thread, in bursts."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress

from adapters.inbound.common.writing import write_blocks
from adapters.inbound.http.engine.body import Body
from adapters.inbound.http.engine.wire.bursts import Burst, move
from adapters.inbound.http.engine.wire.connection import Connection

_SMALL_BYTES = 256 * 1024
_DISCARD_BYTES = 64 * 1024


class SocketBody(Body):
    length = 0

    def __init__(self, connection: Connection, *, length: int, awaits_continue: bool, executor: Executor) -> None:
        super().__init__(connection, awaits_continue=awaits_continue, executor=executor)
        self.length = length
        self._is_bursting = False
        self._prefix = connection.take_ahead(length)  # what has been read of the body already
        self.received = len(self._prefix)
        self.left = length - self.received
        """Bytes that are still to come from the client."""
        if 0 < self.left <= _SMALL_BYTES and not awaits_continue:
            self._take_what_came()

    @property
    def has_ended(self) -> bool:
        return not self.left

    @property
    def is_awaited(self) -> bool:
        # A thread in a burst waits for the client too; were it not said, a trickle would never be seen.
        return super().is_awaited or self._is_bursting

    async def read(self, limit: int) -> bytes:
        if self._prefix:
            return self._take_prefix(limit)
        block = await self._receive(min(limit, self.left)) if self.left else b""
        if block:
            self._count(len(block))
            return block
        self.is_cut = self.is_cut or self.left > 0
        return b""

    async def gather(self, limit: int) -> bytes:
        first = await self.read(limit)
        if len(first) == limit or not first:
            return first
        blocks = [first]
        limit -= len(first)
        while limit and (block := await self.read(limit)):
            blocks.append(block)
            limit -= len(block)
        return b"".join(blocks)

    async def whole(self, limit: int, *, seconds: float) -> bytes | None:
        if self.length > limit:
            return None
        until = self._loop.time() + seconds
        while self.left and (block := await self._receive(self.left, until=until)):
            self._prefix += block
            self._count(len(block))
        return None if self.left else self._take_prefix(limit)

    async def pour(self, fd: int, *, at: int, limit: int, seconds: float, permit: Callable[[], None]) -> int:
        self.begin()
        deadline = self._loop.time() + seconds
        poured = 0
        if self._prefix:
            poured = await write_blocks(self._executor, fd, [self._take_prefix(limit)], at, permit)
        while self.left and poured < limit and not self._is_stopped:
            if poured and self._loop.time() >= deadline:
                return poured
            moved, is_ended = await self._burst(fd, at + poured, min(limit - poured, self.left), deadline, permit)
            self._count(moved)
            poured += moved
            if is_ended:
                self.stop()
            elif not moved and not self._is_stopped:  # it may have been, while the thread was at it
                await self._waiting.wait(until=deadline if poured else None)
        if not poured and self.left:
            self.is_cut = True
        return poured

    async def discard(self, limit: int) -> None:
        self._is_stopped = False
        while limit > 0 and (block := await self.read(_DISCARD_BYTES)):
            limit -= len(block)

    def _take_what_came(self) -> None:
        """Read what is there of a small body, before anybody asks: then nothing will be told of it."""
        with suppress(OSError):  # nothing yet; or the client is gone: the next read will tell
            came = self._socket.recv(self.left)
            self._prefix += came
            self._count(len(came))

    async def _burst(
        self, fd: int, at: int, limit: int, deadline: float, permit: Callable[[], None]
    ) -> tuple[int, bool]:
        seconds = max(0.0, deadline - self._loop.time())
        burst = Burst(self._socket, fd, at, limit, seconds, permit, lambda: self._is_stopped)
        work = self._loop.run_in_executor(self._executor, move, burst)
        self._is_bursting = True
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._is_stopped = True
            await asyncio.wait([work])  # the descriptor is the caller's to close, but not under our thread
            raise
        finally:
            self._is_bursting = False

    def _take_prefix(self, limit: int) -> bytes:
        block, self._prefix = self._prefix[:limit], self._prefix[limit:]
        return block

    def _count(self, size: int) -> None:
        self.received += size
        self.left -= size
