"""The bell of the locks, rung from one of several servers to the others."""

import asyncio
import socket
from contextlib import suppress

from adapters.outbound.sql.locks.bell import Bell
from infrastructure.supervision.supervised import Supervised


class Bells:
    """A datagram socket for each berth: its process reads it, all others may write to it."""

    def __init__(self, supervised: Supervised, bell: Bell) -> None:
        self._bell = bell
        self._own = socket.socket(fileno=supervised.bell)
        numbers = [*supervised.bells]
        numbers.pop(supervised.berth - 1)
        self._others = [socket.socket(fileno=number) for number in numbers]
        for each in (self._own, *self._others):
            each.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._own, self._hear)
        bell.ring = self._ring

    def close(self) -> None:
        self._loop.remove_reader(self._own)
        self._bell.ring = lambda: None
        for each in (self._own, *self._others):
            each.close()

    def _ring(self) -> None:
        for each in self._others:
            with suppress(OSError):  # so many have rung that it will look anyway
                each.send(b"!")

    def _hear(self) -> None:
        with suppress(OSError):
            while self._own.recv(16):
                pass
        self._bell.heard()
