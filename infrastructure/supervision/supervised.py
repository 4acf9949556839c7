"""What a server knows of its supervisor: which of the servers it is, where it listens, and a link.

The link is a socket pair. The server says on it that it serves; the supervisor says that another one has taken its
berth, and by the link's end that it is to stop. The end comes also if the supervisor is killed, so no server is ever
left without one.
"""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

VARIABLE = "LONGSHORE_SUPERVISED"
SERVES = b"+"
RELIEVED = b"-"
COUNT_BYTES = 4
"""Of each process's in ``connections``."""


@dataclass(frozen=True, slots=True)
class Supervised:
    """``berth``: the server's number, which the next process in its place has again."""

    berth: int
    listening: Sequence[int]
    link: int
    figures: Sequence[int]
    """A file for each berth, in which its process writes what it counts,"""
    connections: int
    """and one for all, in which each writes how many connections it has."""
    bell: int
    """What others ring here,"""
    bells: Sequence[int]
    """and where to ring for each berth."""

    @classmethod
    def here(cls) -> Self | None:
        """None: this process has no supervisor. Asked once: what it starts itself is not to think that it has."""
        text = os.environ.pop(VARIABLE, None)
        if text is None:
            return None
        order = cls(**json.loads(text))
        for descriptor in order.descriptors:
            os.set_inheritable(descriptor, False)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is for the supervisor, even if all of us are sent it
        return order

    @property
    def is_first(self) -> bool:
        """What one of them has to say for all."""
        return self.berth == 1

    @property
    def descriptors(self) -> Sequence[int]:
        return (*self.listening, self.link, *self.figures, self.connections, self.bell, *self.bells)

    def environment(self) -> Mapping[str, str]:
        """Of the process that is to be it."""
        return {VARIABLE: json.dumps(asdict(self))}

    def sockets(self) -> Sequence[socket.socket]:
        return [socket.socket(fileno=number) for number in self.listening]


class Link:
    """This end of it, on the event loop."""

    def __init__(self, supervised: Supervised, *, relieved: asyncio.Event, stopping: asyncio.Event) -> None:
        self._socket = socket.socket(fileno=supervised.link)
        self._socket.setblocking(False)
        self._relieved = relieved
        self._stopping = stopping
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._hear)

    def serves(self) -> None:
        try:
            self._socket.send(SERVES)
        except OSError:  # the supervisor is gone: the link's end says so
            self._stopping.set()

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _hear(self) -> None:
        try:
            told = self._socket.recv(1)
        except BlockingIOError:
            return
        except OSError:
            told = b""
        if told:
            self._relieved.set()
        else:
            self._loop.remove_reader(self._socket)
            self._stopping.set()
