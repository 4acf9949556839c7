"""What all of several servers have open, made by their supervisor once, before the first of them."""

import os
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from infrastructure.supervision.supervised import COUNT_BYTES, Supervised


@dataclass(frozen=True, slots=True)
class Shared:
    """Descriptors; they live as long as the supervisor."""

    listening: Sequence[int]
    figures: Sequence[int]
    connections: int
    heard: Sequence[int]
    """The end of each berth's bell that its process has,"""
    rung: Sequence[int]
    """and the one that all others have."""

    @classmethod
    def made(cls, listening: Sequence[int], berths: int) -> Self:
        bells = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(berths)]
        return cls(
            listening,
            figures=[_new_file() for _ in range(berths)],
            connections=_new_file(berths * COUNT_BYTES),
            heard=[heard.detach() for heard, _ in bells],
            rung=[rung.detach() for _, rung in bells],
        )

    def with_link(self, berth: int, link: int) -> Supervised:
        return Supervised(
            berth=berth,
            listening=self.listening,
            link=link,
            figures=self.figures,
            connections=self.connections,
            bell=self.heard[berth - 1],
            bells=self.rung,
        )


def _new_file(size: int = 0) -> int:
    """One without a name, in memory where that can be; it goes with the last process that has it open."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("longshore")
    else:
        with tempfile.TemporaryFile() as named:
            file = os.dup(named.fileno())
    os.ftruncate(file, size)
    return file
