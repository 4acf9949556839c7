"""How far a run is: bars of two tones at a terminal (what is sent, what is stored), else a line now and then."""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, Protocol

from longshore.client.command.output import Output, plain, size_of
from longshore.client.records import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import Task

_LINE_SECONDS = 10.0
# In letters: a name, a bar, "572.2 MiB of 1023.9 MiB", and all that is beside these three.
_LABEL, _BAR, _AMOUNT, _OTHERS = 28, (10, 40), 24, 29
_ROOMY = 100


class Shown(Protocol):
    """Rows come and go by ``begin`` and ``end``; what is printed meanwhile is printed ``aside``."""

    def begin(self, label: str, size: int) -> int: ...

    def move(self, row: int, progress: Progress) -> None: ...

    def end(self, row: int, *, is_stored: bool) -> None: ...

    def note(self, words: str) -> None: ...

    def aside(self) -> AbstractContextManager[object]: ...


@contextmanager
def shown(output: Output, *, count: int, size: int) -> Iterator[Shown]:
    if output.is_json or output.is_quiet:
        yield Nothing()
        return
    if output.shows_bars:
        try:
            from rich.console import Console  # noqa: PLC0415 -- nobody needs it where there is no terminal

            with bars(Console(stderr=True), count=count, size=size) as view:
                yield view
            return
        except ModuleNotFoundError as error:
            if error.name != "rich":
                raise
    yield Lines(count=count, size=size)


class Nothing:
    def begin(self, label: str, size: int) -> int:
        return 0

    def move(self, row: int, progress: Progress) -> None:
        pass

    def end(self, row: int, *, is_stored: bool) -> None:
        pass

    def note(self, words: str) -> None:
        pass

    def aside(self) -> AbstractContextManager[object]:
        return nullcontext()


class Sums:
    """Over all rows; of those that are over only the sum is kept."""

    def __init__(self) -> None:
        self.over = 0
        self.files = 0
        self._rows: dict[int, Progress] = {}
        self._next = 0

    def begin(self) -> int:
        self._next += 1
        self._rows[self._next] = Progress(0, 0, 0)
        return self._next

    def move(self, row: int, progress: Progress) -> None:
        if row in self._rows:
            self._rows[row] = progress

    def end(self, row: int, *, is_stored: bool) -> None:
        last = self._rows.pop(row)
        self.over += last.stored
        self.files += is_stored

    @property
    def sent(self) -> int:
        return self.over + sum(each.sent for each in self._rows.values())

    @property
    def stored(self) -> int:
        return self.over + sum(each.stored for each in self._rows.values())


class Lines(Nothing):
    """For logs: how far all is together, every ten seconds, on stderr."""

    def __init__(self, *, count: int, size: int, seconds: float = _LINE_SECONDS) -> None:
        self._count, self._size, self._seconds = count, size, seconds
        self._sums = Sums()
        self._told_at = time.monotonic()

    def begin(self, label: str, size: int) -> int:
        return self._sums.begin()

    def move(self, row: int, progress: Progress) -> None:
        self._sums.move(row, progress)
        now = time.monotonic()
        if now - self._told_at >= self._seconds:
            self._told_at = now
            sums = self._sums
            percent = 100 * sums.stored // max(self._size, 1)
            self.note(
                f"{percent} % stored: {size_of(sums.stored)} of {size_of(self._size)}, "
                f"{sums.files} of {self._count} files ({size_of(max(0, sums.sent - sums.stored))} under way)"
            )

    def end(self, row: int, *, is_stored: bool) -> None:
        self._sums.end(row, is_stored=is_stored)

    def note(self, words: str) -> None:
        print(plain(words), file=sys.stderr, flush=True)


@contextmanager
def bars(console: "Console", *, count: int, size: int) -> Iterator[Shown]:
    """A bar for each file that is under way, and one for all if there are several."""
    from rich.progress import Progress as RichProgress  # noqa: PLC0415
    from rich.progress import ProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.table import Column  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    amount = _AMOUNT if console.width >= _ROOMY else _AMOUNT // 2
    least, most = _BAR
    label = max(least, min(_LABEL, console.width - amount - _OTHERS - least))

    class TwoTones(ProgressColumn):
        """Stored, then what is sent and not stored yet, then the rest; by letter as well as by colour."""

        def render(self, task: "Task") -> Text:
            width = max(least, min(most, console.width - label - amount - _OTHERS))
            total = task.total or 1
            stored = min(width, round(width * task.completed / total))
            sent = max(stored, min(width, round(width * task.fields["sent"] / total)))
            text = Text("━" * stored, "green")
            text.append("╍" * (sent - stored), "yellow")
            return text.append("─" * (width - sent), "bright_black")

    class Amount(ProgressColumn):
        def render(self, task: "Task") -> Text:
            of = f" of {size_of(task.total or 0)}" if amount == _AMOUNT else ""
            return Text(f"{size_of(task.completed)}{of}", "bright_black")

    class Speed(ProgressColumn):
        def render(self, task: "Task") -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{size_of(speed)}/s" if speed else "", "bright_black")

    # A line each, whatever the terminal has room for.
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        TwoTones(Column(no_wrap=True)),
        TextColumn("{task.percentage:>3.0f} %", markup=False, table_column=Column(no_wrap=True)),
        Amount(Column(no_wrap=True)),
        Speed(Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
    )
    with RichProgress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        yield Bars(progress, count=count, size=size, label=label)


class Bars(Nothing):
    def __init__(self, progress: "RichProgress", *, count: int, size: int, label: int) -> None:
        """``label``: how many letters of a name are shown."""
        self._progress = progress
        self._label = label
        self._sums = Sums()
        self._tasks: dict[int, Any] = {}
        self._count = count
        self._all = progress.add_task(self._words(), total=size or 1, sent=0) if count > 1 else None

    def begin(self, label: str, size: int) -> int:
        row = self._sums.begin()
        name = plain(label)
        room = self._label
        name = name if len(name) <= room else f"{name[: room // 2 - 1]}…{name[room // 2 - room :]}"
        self._tasks[row] = self._progress.add_task(f"{name:<{room}}", total=size or 1, sent=0)
        return row

    def move(self, row: int, progress: Progress) -> None:
        self._sums.move(row, progress)
        self._progress.update(self._tasks[row], completed=progress.stored, total=progress.size or 1, sent=progress.sent)
        self._tell_all()

    def end(self, row: int, *, is_stored: bool) -> None:
        self._sums.end(row, is_stored=is_stored)
        self._progress.remove_task(self._tasks.pop(row))
        self._tell_all()

    def note(self, words: str) -> None:
        self._progress.console.print(plain(words), markup=False, highlight=False)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """It comes above the bars; what goes to stdout does so only if that is the terminal, too."""
        said, complained = io.StringIO(), io.StringIO()
        with redirect_stderr(complained), redirect_stdout(said) if sys.stdout.isatty() else nullcontext():
            yield
        for text in (said.getvalue(), complained.getvalue()):
            if text:
                self._progress.console.print(text.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)

    def _tell_all(self) -> None:
        if self._all is not None:
            sums = self._sums
            self._progress.update(self._all, completed=sums.stored, sent=sums.sent, description=self._words())

    def _words(self) -> str:
        return f"{self._sums.files} of {self._count} files".ljust(self._label)
