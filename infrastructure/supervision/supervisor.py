"""Starts N servers behind one listening socket and looks after them: a program that waits, and does no work itself.

It holds the listening socket for as long as it lives, so whoever has connected is served by the next server when one
ends. SIGTERM and SIGINT stop all of them in order; SIGHUP replaces one after the other, by processes that read the
program and the settings anew.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NoReturn

import structlog

from infrastructure.logging import configure_logging
from infrastructure.supervision.child import Child
from infrastructure.supervision.order import Order
from infrastructure.supervision.shared import Shared

log = structlog.get_logger(__name__)

_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(frozen=True, slots=True)
class Patience:
    steady_seconds: float = 10.0
    """Who ends sooner than that after its start has failed."""
    first_pause_seconds: float = 0.5
    """Before who failed is started again; each time twice as long,"""
    longest_pause_seconds: float = 30.0
    """up to this."""
    failures: int = 5
    """Once all have failed so often in a row, it is given up."""
    end_seconds: float = 45.0
    """For the drain of all of them."""


@dataclass(slots=True)
class Berth:
    """One of the N. ``successor``: it starts while the old one serves."""

    number: int
    child: Child | None = None
    successor: Child | None = None
    failures: int = 0
    due: float = 0.0


def _has_terminal() -> bool:
    """SIGHUP is also what tells of the end of a terminal: then there is none any more. Not to whoever ignores it
    (``nohup``)."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


@dataclass(slots=True)
class Supervisor:
    """``start`` begins a process for the berth of that number; ``on_serving`` is called once all of them serve."""

    start: Callable[[int], Child]
    berths: Sequence[Berth]
    on_serving: Callable[[], None] = lambda: None
    patience: Patience = field(default_factory=Patience)
    _leaving: list[Child] = field(default_factory=list)
    _to_replace: list[Berth] = field(default_factory=list)
    _asked_at: float = 0.0
    """Who began before that may have read the program and the settings as they were."""
    _has_served: bool = False
    _has_told: bool = False
    _stops_at: float | None = None
    _code: int = 0
    _terminal: bool = field(default_factory=_has_terminal)

    def run(self) -> int:
        """Return the exit code once all processes have ended."""
        with _signals() as heard:
            while self._stops_at is None or self._children():
                self._start_who_is_due()
                self._wait(heard)
                for number in _read(heard):
                    self._take_signal(number)
                self._bury()
        return self._code

    def _children(self) -> list[Child]:
        places = [child for berth in self.berths for child in (berth.child, berth.successor) if child is not None]
        return [*places, *self._leaving]

    # What is to be done

    def _start_who_is_due(self) -> None:
        if self._stops_at is not None:
            return
        now = time.monotonic()
        for berth in self.berths:
            if berth.child is None and berth.due <= now:
                self._begin(berth)
            if not self._has_served:
                return  # the first one migrates, and shows whether one can start at all
        if self._to_replace:
            next_ = self._to_replace[0]
            if next_.successor is None and next_.child is not None and next_.child.serves:
                self._begin(next_)

    def _begin(self, berth: Berth) -> None:
        try:
            child = self.start(berth.number)
        except OSError as error:
            log.warning("a server cannot be started", berth=berth.number, error=str(error))
            self._fail(berth)
            return
        if berth.child is None:
            berth.child = child
        else:
            berth.successor = child

    def _wait(self, heard: socket.socket) -> None:
        children = [child for child in self._children() if not child.serves and not child.is_silent]
        ready, _, _ = select.select([heard, *(child.link for child in children)], [], [], self._seconds_left())
        for child in children:
            if child.link in ready and child.hear():
                self._take_in(child)

    def _seconds_left(self) -> float | None:
        """Until something is to be done that nobody will tell of."""
        now = time.monotonic()
        if self._stops_at is not None:
            if now >= self._stops_at:
                log.error("servers that have not ended in time are killed")
                self._kill_all()
            return 1.0
        due = [berth.due - now for berth in self.berths if berth.child is None]
        return max(0.0, min(due)) if due else None

    # What is heard

    def _take_in(self, child: Child) -> None:
        """It serves."""
        self._has_served = True
        berth = self.berths[child.berth - 1]
        if berth.successor is child:
            if berth.child is not None:
                berth.child.relieve()
                self._leaving.append(berth.child)
            berth.child, berth.successor = child, None
        if berth in self._to_replace and child.began >= self._asked_at:
            self._to_replace.remove(berth)
            log.info("replaced", berth=berth.number, pid=child.process.pid, left=len(self._to_replace))
        if not self._has_told and all(berth.child and berth.child.serves for berth in self.berths):
            self._has_told = True
            self.on_serving()

    def _take_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            return
        if number == signal.SIGHUP and not (self._terminal and not _has_terminal()):
            if self._stops_at is None:
                log.info("replacing all servers, one after the other")
                self._to_replace, self._asked_at = [*self.berths], time.monotonic()
            return
        if self._stops_at is None:
            self._stop(0)
        else:
            self._kill_all()

    def _bury(self) -> None:
        """Take note of who has ended."""
        for child in self._children():
            code = child.process.poll()
            if code is None:
                continue
            child.link.close()
            berth = self.berths[child.berth - 1]
            if child in self._leaving:
                self._leaving.remove(child)
                if code != 0:
                    log.error("a server that was replaced did not end well", pid=child.process.pid, code=code)
            elif child is berth.successor:
                berth.successor = None
                self._give_up_replacing(code)
            elif self._stops_at is not None:
                berth.child = None
            else:
                self._lose(berth, child, code)

    def _lose(self, berth: Berth, child: Child, code: int) -> None:
        berth.child, berth.successor = berth.successor, None
        if not self._has_served:
            self._stop(code if code > 0 else 1)  # it has said why
            return
        log.warning("a server ended by itself", berth=berth.number, pid=child.process.pid, code=code)
        if berth.child is None:
            self._fail(berth, has_failed=time.monotonic() - child.began < self.patience.steady_seconds)

    def _fail(self, berth: Berth, *, has_failed: bool = True) -> None:
        berth.failures = berth.failures + 1 if has_failed else 0
        pause = self.patience.first_pause_seconds * 2 ** (berth.failures - 1) if berth.failures else 0.0
        berth.due = time.monotonic() + min(pause, self.patience.longest_pause_seconds)
        if all(each.child is None and each.failures >= self.patience.failures for each in self.berths):
            log.critical("no server stays up: giving up", failures=self.patience.failures)
            self._stop(1)

    def _give_up_replacing(self, code: int) -> None:
        if self._stops_at is None:
            log.error("a new server ended before it served: those that run go on, none is replaced", code=code)
        self._to_replace.clear()

    # The end

    def _stop(self, code: int) -> None:
        self._code = code
        self._stops_at = time.monotonic() + self.patience.end_seconds
        self._to_replace.clear()
        for child in self._children():
            child.stop()

    def _kill_all(self) -> None:
        for child in self._children():
            child.kill()


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Where the number of each signal is to be read."""
    ours, its = socket.socketpair()
    with ours, its:
        ours.setblocking(False)
        its.setblocking(False)
        signal.set_wakeup_fd(its.fileno())
        for number in _HEARD:
            signal.signal(number, lambda *_: None)
        yield ours
        signal.set_wakeup_fd(-1)


def _read(heard: socket.socket) -> bytes:
    try:
        return heard.recv(64)
    except BlockingIOError:
        return b""


def main() -> NoReturn:
    """The order is the first argument."""
    order = Order(**json.loads(sys.argv[1]))
    configure_logging(order.log_level, order.log_format)
    shared = Shared.made(order.listening, order.processes)

    def start(berth: int) -> Child:
        return Child.start(order.command, berth, shared)

    def greet() -> None:
        with suppress(OSError):
            print(order.greeting, flush=True)  # noqa: T201 -- for the person at the terminal

    berths = [Berth(number) for number in range(1, order.processes + 1)]
    sys.exit(Supervisor(start, berths, greet, Patience(**order.patience)).run())
