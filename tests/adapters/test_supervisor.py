"""Who looks after the servers of ``serve --processes N``: a process of its own, over servers that only say so."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infrastructure.supervision.order import Order, supervisor_command
from tests.support.processes import supervised
from tests.support.processes.process import ChildProcess
from tests.support.until import until

_PATIENCE = {"first_pause_seconds": 0.01, "end_seconds": 0.2}
_ENDS = 10.0


@dataclass
class Watched:
    """A supervisor of two."""

    folder: Path
    process: ChildProcess

    def behave(self, *words: str) -> None:
        (self.folder / "behaviour").write_text(" ".join(words))

    def notes(self, what: str) -> list[tuple[int, int]]:
        """Of which berth, by which process; in their order."""
        path = self.folder / "notes"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(int(berth), int(pid)) for said, berth, pid in lines if said == what]

    def serving(self, count: int = 2) -> dict[int, int]:
        """The processes that serve, by their berths, once so many have said so."""
        until(lambda: len(self.notes("serves")) >= count)
        return dict(self.notes("serves"))


@contextmanager
def _watched(folder: Path, *behaviour: str, **patience: float) -> Iterator[Watched]:
    order = Order(
        command=[sys.executable, "-I", "-S", supervised.__file__],
        processes=2,
        listening=[],
        log_level="INFO",
        log_format="json",
        greeting="here we are",
        patience={**_PATIENCE, **patience},
    )
    process = ChildProcess(supervisor_command(order), name="the supervisor", cwd=folder, log_path=folder / "log")
    watched = Watched(folder, process)
    watched.behave(*behaviour)
    with process:
        yield watched


def _are_gone(*pids: int) -> bool:
    return not any(Path("/proc", str(pid)).exists() for pid in pids)


def test_all_serve_then_it_greets_and_sigterm_ends_them_in_order(tmp_path: Path) -> None:
    with _watched(tmp_path) as watched:
        servers = watched.serving()
        until(lambda: "here we are" in watched.process.log())
        watched.process.signal(signal.SIGTERM)
        assert watched.process.wait(_ENDS) == 0
        assert sorted(watched.notes("stops")) == sorted(servers.items())


def test_the_first_one_serves_before_another_is_started(tmp_path: Path) -> None:
    with _watched(tmp_path, "fails") as watched:
        assert watched.process.wait(_ENDS) == 3, "what the only one that was tried ended with"


def test_one_that_is_killed_is_started_again_in_its_berth(tmp_path: Path) -> None:
    with _watched(tmp_path) as watched:
        servers = watched.serving()
        os.kill(servers[1], signal.SIGKILL)
        assert watched.serving(3)[2] == servers[2]
        assert watched.serving(3)[1] != servers[1]


def test_it_gives_up_once_all_of_them_die_again_and_again(tmp_path: Path) -> None:
    with _watched(tmp_path, failures=3) as watched:
        servers = watched.serving()
        watched.behave("fails")
        os.kill(servers[1], signal.SIGKILL)
        until(lambda: watched.process.log().count("a server ended by itself") >= 4, "it goes on trying: one serves")
        os.kill(servers[2], signal.SIGKILL)
        assert watched.process.wait(_ENDS) == 1
        assert "giving up" in watched.process.log()


def test_sighup_replaces_one_after_the_other_the_next_once_the_last_serves(tmp_path: Path) -> None:
    with _watched(tmp_path) as watched:
        servers = watched.serving()
        watched.process.signal(signal.SIGHUP)
        after = watched.serving(4)
        until(lambda: len(watched.notes("relieved")) == 2)
        assert [berth for berth, _ in watched.notes("serves")] == [1, 2, 1, 2]
        assert watched.notes("relieved") == [(1, servers[1]), (2, servers[2])]
        assert not set(after.values()) & set(servers.values())


def test_a_new_one_that_cannot_start_leaves_the_old_ones_in_peace(tmp_path: Path) -> None:
    with _watched(tmp_path) as watched:
        servers = watched.serving()
        watched.behave("fails")
        watched.process.signal(signal.SIGHUP)
        until(lambda: "none is replaced" in watched.process.log())
        assert watched.notes("relieved") == []
        assert not _are_gone(*servers.values())
        watched.behave()
        watched.process.signal(signal.SIGHUP)
        watched.serving(4)


@pytest.mark.parametrize("impatient", [False, True], ids=["in time", "at once"])
def test_whoever_does_not_end_is_killed(tmp_path: Path, impatient: bool) -> None:
    with _watched(tmp_path, "lingers", end_seconds=60.0 if impatient else 0.1) as watched:
        servers = watched.serving()
        watched.process.signal(signal.SIGTERM)
        until(lambda: len(watched.notes("stops")) == 2)
        if impatient:
            watched.process.signal(signal.SIGTERM)
        assert watched.process.wait(_ENDS) == 0
        assert _are_gone(*servers.values())


def test_when_it_is_killed_itself_all_of_them_end(tmp_path: Path) -> None:
    with _watched(tmp_path) as watched:
        servers = watched.serving()
        watched.process.kill()
        until(lambda: _are_gone(*servers.values()))
        assert sorted(watched.notes("stops")) == sorted(servers.items())
