"""The access log: a line for each request on standard output, whatever becomes of that.

Lines are gathered for a moment and written together by a thread of their own, so that neither a disk nor a reader that
is slow is waited for in the event loop. Who reads too slowly for long loses lines, and is told how many.
What the server says about itself goes to standard error (``infrastructure/logging.py``); ``request_id`` is in both.
"""

import asyncio
import json
import os
import select
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from queue import SimpleQueue

from adapters.inbound.common.visits import Visit
from domain.access import NOBODY, STRANGER

_GATHERED_SECONDS = 0.1
_MAX_GATHERED = 512
_MAX_WAITING_BYTES = 4 * 1024 * 1024
_END_SECONDS = 1.0
_PIPE_BYTES = select.PIPE_BUF
_MAX_PATH = 256
_MAX_METHOD = 32
_MAX_CLIENT = 64
_quoted: Callable[[str], str] = json.encoder.encode_basestring_ascii
_UNNAMED = (None, NOBODY, STRANGER.owner)


class AccessLog:
    """Lives on the event loop; ``close`` it at the end."""

    def __init__(
        self,
        fd: int = 1,
        *,
        as_console: bool = False,
        is_shared: bool = False,
        max_waiting_bytes: int = _MAX_WAITING_BYTES,
    ) -> None:
        """``is_shared``: other processes write there, too."""
        self._line = _console_line if as_console else _json_line
        self._lost_line = _lost_console_line if as_console else _lost_json_line
        self._spout = _Spout(fd, max_waiting_bytes, is_shared=is_shared)
        self._lines: list[str] = []
        self._lost = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def tell(self, visit: Visit) -> None:
        lines = self._lines
        if not lines:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_later(_GATHERED_SECONDS, self._hand_over)
        lines.append(self._line(visit))
        if len(lines) >= _MAX_GATHERED:
            self._hand_over()

    async def close(self) -> None:
        """Return once all is written, or after a second."""
        self._hand_over()
        if not self._spout.is_empty:
            until = time.monotonic() + _END_SECONDS
            while not self._spout.is_empty and time.monotonic() < until:  # noqa: ASYNC110 -- a thread's to say
                await asyncio.sleep(0.01)

    def _hand_over(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        if self._lost:
            lines.insert(0, self._lost_line(self._lost))
        if self._spout.put("".join(lines).encode("ascii")):
            self._lost = 0
        else:
            self._lost += len(lines) - bool(self._lost)


class _Spout:
    """A thread that writes what it is given, in order; it may stand still for ever without anybody minding."""

    def __init__(self, fd: int, max_waiting_bytes: int, *, is_shared: bool) -> None:
        self._fd = fd
        self._is_shared = is_shared
        self._max_waiting_bytes = max_waiting_bytes
        self._blocks: SimpleQueue[bytes] = SimpleQueue()
        self._put_bytes = 0  # the loop's to count; the next is the thread's
        self._written_bytes = 0
        self._thread: threading.Thread | None = None

    @property
    def is_empty(self) -> bool:
        return self._put_bytes == self._written_bytes

    def put(self, block: bytes) -> bool:
        """Whether there was room for it."""
        if self._put_bytes - self._written_bytes > self._max_waiting_bytes:
            return False
        if self._thread is None:
            # A daemon: Python does not wait for it as the process ends.
            self._thread = threading.Thread(target=self._run, name="access_log", daemon=True)
            self._thread.start()
        self._put_bytes += len(block)
        self._blocks.put(block)
        return True

    def _run(self) -> None:
        while True:
            block = self._blocks.get()
            left = memoryview(block)
            try:
                while left:
                    size = _size_of_lines(left) if self._is_shared else len(left)
                    left = left[os.write(self._fd, left[:size]) :]
            except OSError:  # nobody reads it any more, or its disk is full: the next one may fare better
                time.sleep(0.01)
            self._written_bytes += len(block)


def _size_of_lines(left: memoryview) -> int:
    """Of whole lines, as much as a pipe takes in one piece: of more, others' lines could come into the middle."""
    if len(left) <= _PIPE_BYTES:
        return len(left)
    return bytes(left[:_PIPE_BYTES]).rfind(b"\n") + 1 or _PIPE_BYTES


def _json_line(visit: Visit) -> str:
    owner = visit.caller
    user = "null" if owner in _UNNAMED else _quoted(str(owner).removeprefix("user:"))
    return (
        f'{{"timestamp":"{_now()}","logger":"access","method":{_quoted(visit.method[:_MAX_METHOD])},'
        f'"path":{_quoted(harmless(visit.path))},"status":{visit.status},'
        f'"bytes_in":{visit.bytes_in},"bytes_out":{visit.bytes_out},'
        f'"milliseconds":{visit.seconds * 1000:.1f},"client_address":{_quoted(visit.client[:_MAX_CLIENT])},'
        f'"user_id":{user},"request_id":{_quoted(visit.request_id)}{_trace(visit)}{_cut(visit)}}}\n'
    )


def _trace(visit: Visit) -> str:
    return f',"trace_id":"{visit.trace.trace_id}"' if visit.trace else ""


def _cut(visit: Visit) -> str:
    return ',"cut":true' if visit.is_cut else ""


def _console_line(visit: Visit) -> str:
    """The same for people."""
    owner = visit.caller
    user = "-" if owner in _UNNAMED else str(owner).removeprefix("user:")
    words = (
        f"{_now()} {visit.client[:_MAX_CLIENT]} {user} {visit.method[:_MAX_METHOD]} {harmless(visit.path)} "
        f"{visit.status} in={visit.bytes_in} out={visit.bytes_out} {visit.seconds * 1000:.1f}ms {visit.request_id}"
        f"{' trace=' + visit.trace.trace_id if visit.trace else ''}{' cut' if visit.is_cut else ''}"
    )
    return f"{_quoted(words)[1:-1]}\n"


def _lost_json_line(count: int) -> str:
    return f'{{"timestamp":"{_now()}","logger":"access","lost_lines":{count}}}\n'


def _lost_console_line(count: int) -> str:
    return f"{_now()} lost_lines={count}\n"


def harmless(path: str) -> str:
    """Bounded, and without a query that somebody escaped: it may have a signature."""
    if "%" in path:
        path = path.partition("%3F")[0].partition("%3f")[0]
    return path if len(path) <= _MAX_PATH else f"{path[:_MAX_PATH]}..."


def _now() -> str:
    now = time.time()
    second = int(now)
    return f"{_second(second)}.{int((now - second) * 1000):03}Z"


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
