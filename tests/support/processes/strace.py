"""What a running server asks of the kernel, by strace: in which order, and with faults put in.

strace is one process that watches all threads, so the lines of its log are in the order things happened: a
call whose exit comes before another's entry was over before the other began.
"""

import contextlib
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.processes.process import ChildProcess
from tests.support.processes.services import require, require_program
from tests.support.until import until

FILE_WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2", "splice", "sendfile", "copy_file_range")
SYNCS = ("fdatasync", "fsync")
RENAMES = ("rename", "renameat", "renameat2", "link", "linkat")
_TRACED = (
    *FILE_WRITES, *SYNCS, *RENAMES, "sendto", "sendmsg", "open", "openat", "creat", "mkdir", "mkdirat",
    "close", "ftruncate", "fallocate", "sync_file_range",
)  # fmt: skip
_LINE = re.compile(r"^(\d+)\s+(\d+\.\d+) (.*)$")
_BEGUN = re.compile(r"^\d+\s+\d+\.\d+ \w+\(", re.MULTILINE)
_UNFINISHED = re.compile(r"^(\w+)\((.*) <(?:unfinished|detached) \.\.\.>$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_WHOLE = re.compile(r"^(\w+)\((.*)$")
_RESULT = re.compile(r"^(.*)\)\s+= (-?\d+|\?)(.*)$", re.DOTALL)
_DESCRIPTOR = re.compile(r"(?:^|, |\[)(-?\d+|AT_FDCWD)<(.*?)>(?=[,)(]|$)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ANSWER = re.compile(r'"HTTP/1\.[01] (\d{3})')
_PEER = re.compile(r"<TCP:\[[^\]]*->[^\]]*:(\d+)\]>")
_ATTACH_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Call:
    """One system call; ``entered`` and ``left`` are places in the log, comparable over all threads.

    What was under way when strace left has result 0 and ends after everything else: an answer that a client has
    read is one like any other, and a sync is one that nothing waited for.
    """

    thread: int
    name: str
    arguments: str
    result: int
    entered: int
    left: int

    @property
    def succeeded(self) -> bool:
        return self.result >= 0

    @property
    def descriptors(self) -> list[tuple[int, str]]:
        """The open files it names, in order: number and path."""
        return [(int(number), path) for number, path in _DESCRIPTOR.findall(self.arguments) if number != "AT_FDCWD"]

    @property
    def target(self) -> str:
        """The path of the file it writes to or syncs; empty when it names none."""
        files = [path for _, path in self.descriptors]
        position = 1 if self.name in ("splice", "copy_file_range") else 0
        return files[position] if len(files) > position else ""

    @property
    def paths(self) -> list[str]:
        """The paths it names as text: of a rename the old one and the new one."""
        folders = [path for _, path in _DESCRIPTOR.findall(self.arguments)]
        names = _STRING.findall(self.arguments)
        if not self.name.endswith("at") and not self.name.endswith("at2"):
            return names
        # ``renameat(5</a>, "b", 6</c>, "d")`` and ``openat(AT_FDCWD</cwd>, "/a/b", …)``; an absolute name
        # wins.
        bases = [folders[min(place, len(folders) - 1)] if folders else "" for place in range(len(names))]
        return [str(Path(base, name)) for base, name in zip(bases, names, strict=True)]

    @property
    def answer(self) -> int:
        """The status of the HTTP answer it begins to send; 0 when it sends something else."""
        found = _ANSWER.search(self.arguments)
        return int(found[1]) if found else 0

    @property
    def peer_port(self) -> int:
        """The client's port, when it writes to a TCP connection."""
        found = _PEER.search(self.arguments)
        return int(found[1]) if found else 0


class Trace:
    """All calls of one log, in the order in which they began."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = list(calls)

    def select(self, *names: str, where: Callable[[Call], bool] = lambda _: True) -> list[Call]:
        return [call for call in self.calls if call.name in names and call.succeeded and where(call)]

    def answers(self, client_port: int) -> list[Call]:
        """The answers sent to the client at that port; an interim 1xx is none."""
        return [call for call in self.calls if call.peer_port == client_port and call.answer >= 200]

    def writes_to(self, path: str) -> list[Call]:
        return self.select(*FILE_WRITES, where=lambda call: call.target == path)

    def syncs_of(self, path: str) -> list[Call]:
        return self.select(*SYNCS, where=lambda call: call.target == path)


def parse(log: str) -> Trace:
    """The calls of ``strace -f -ttt`` output; lines cut in two by another thread are put together."""
    begun: dict[int, tuple[str, str, int]] = {}
    calls: list[Call] = []
    for place, line in enumerate(log.splitlines()):
        found = _LINE.match(line)
        if found is None:
            continue
        thread, text = int(found[1]), found[3]
        if unfinished := _UNFINISHED.match(text):
            begun[thread] = (unfinished[1], unfinished[2], place)
            continue
        if resumed := _RESUMED.match(text):
            # Begun before strace was there: nothing is known about its start.
            if thread not in begun:
                continue
            name, arguments, entered = begun.pop(thread)
            rest = resumed[2]
        elif whole := _WHOLE.match(text):
            name, arguments, entered, rest = whole[1], "", place, whole[2]
        else:
            continue  # signals and exits
        if ended := _RESULT.match(rest):
            result = int(ended[2]) if ended[2] != "?" else -1
            calls.append(Call(thread, name, arguments + ended[1], result, entered, place))
    for thread, (name, arguments, entered) in begun.items():
        calls.append(Call(thread, name, arguments, 0, entered, sys.maxsize))
    return Trace(sorted(calls, key=lambda call: call.entered))


def is_log(path: str) -> bool:
    """Whether SQLite makes its commits durable in that file."""
    return path.endswith(("-wal", "-journal"))


class Strace:
    """strace on all threads of a running process, from entering the block until leaving it; then it goes on
    alone.
    """

    def __init__(
        self,
        pid: int,
        log: Path,
        *,
        calls: Sequence[str] = _TRACED,
        paths: Sequence[Path] = (),
        inject: Sequence[str] = (),
        only_thread: bool = False,
        others: Sequence[int] = (),
    ) -> None:
        """``inject`` is strace's own syntax (``fsync:error=EIO:when=1``); it counts in each thread by itself.

        With ``paths`` only calls that concern these files are seen, counted and hit. With ``only_thread`` the
        process id is one thread's and the others are left alone. ``others`` are watched, too: a process that was
        there before strace is not followed from its parent.
        """
        self._only_thread = only_thread
        self._pids = (pid, *others)
        self._log = log
        command = [
            require_program("strace"), *([] if only_thread else ["-f"]),
            "-yy", "-ttt", "-s", "160", "-o", str(log), "-e", f"trace={','.join(calls)}",
            *[word for path in paths for word in ("-P", str(path))],
            *[word for fault in inject for word in ("-e", f"inject={fault}")],
            *[word for one in self._pids for word in ("-p", str(one))],
        ]  # fmt: skip
        self._process = ChildProcess(command, name="strace", log_path=log.with_suffix(".err"))

    def __enter__(self) -> Self:
        self._process.launch()
        try:
            until(
                lambda: not self._process.alive or self._watches_every_thread(),
                lambda: f"strace did not attach within {_ATTACH_SECONDS:.0f} s: {self._process.log_tail()}",
                within=_ATTACH_SECONDS,
                every=0.01,
            )
        except BaseException:
            self._detach()
            raise
        if not self._process.alive:
            text = self._process.log()
            if "Operation not permitted" in text:
                require("strace", text.strip())
            raise RuntimeError(f"strace ended at once: {text}")
        return self

    def __exit__(self, *_: object) -> None:
        self._detach()

    def trace(self) -> Trace:
        """What has been seen; complete after the block."""
        return parse(self._log.read_text(errors="replace"))

    def begun(self) -> int:
        """How many calls have been entered so far, the one under way included."""
        return len(_BEGUN.findall(self._log.read_text(errors="replace")))

    def kill(self) -> None:
        """End strace at once, a call that it holds back is let go. Its log may lack the last lines."""
        self._process.kill()

    def _detach(self) -> None:
        self._process.end(signal.SIGINT, within=10)

    def _watches_every_thread(self) -> bool:
        with contextlib.suppress(FileNotFoundError):  # a thread ended while we looked
            processes = [Path(f"/proc/{pid}") for pid in self._pids]
            tasks = [task for process in processes for task in process.joinpath("task").iterdir()]
            tracers = {_tracer(task) for task in (processes if self._only_thread else tasks)}
            return tracers == {self._process.pid}
        return False


def _tracer(task: Path) -> int:
    for line in (task / "status").read_text().splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])
    return 0
