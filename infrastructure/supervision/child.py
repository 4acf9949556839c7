"""A server as its supervisor sees it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from infrastructure.supervision.shared import Shared
from infrastructure.supervision.supervised import RELIEVED


@dataclass(slots=True, eq=False)
class Child:
    berth: int
    process: "subprocess.Popen[bytes]"
    link: socket.socket
    serves: bool = False
    is_silent: bool = False
    """It has closed its end of the link: it will say no more, and mostly is about to end."""
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, command: Sequence[str], berth: int, shared: Shared) -> Self:
        """Raises:
        OSError: the machine has no room for it, or its program is gone.
        """
        ours, its = socket.socketpair()
        with its:
            supervised = shared.with_link(berth, its.fileno())
            try:
                process = subprocess.Popen(
                    command, env={**os.environ, **supervised.environment()}, pass_fds=supervised.descriptors
                )
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        return cls(berth, process, ours)

    def hear(self) -> bool:
        """Whether it has just said that it serves."""
        try:
            told = self.link.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            told = b""
        self.serves, self.is_silent = self.serves or bool(told), not told
        return bool(told)

    def relieve(self) -> None:
        """Another one serves in its place: it is to end what it has begun, without haste."""
        with suppress(OSError):  # it has ended
            self.link.send(RELIEVED)

    def stop(self) -> None:
        """It is to drain."""
        self.link.close()
        self.is_silent = True

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
