"""kill -9 while uploads run: nothing acknowledged is lost, every file is right, and there is one of each."""

import contextlib
import itertools
import random
import signal
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.chaos.rig.client import Fleet, ResumingUpload, mixed_chunk_sizes
from tests.chaos.rig.content import Content
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import doubled_files, file_rows, lost_promises, staged_file, wrong_content
from tests.chaos.rig.writer import has_ended, writer_of, written_by
from tests.support.processes.server import ServerProcess
from tests.support.processes.strace import RENAMES, SYNCS, Call, Strace, Trace, is_log
from tests.support.until import until

pytestmark = [pytest.mark.chaos, pytest.mark.serial]

Record = Callable[[str, object], None]

_CLIENTS = 12
_RESTART_SECONDS = 15.0  # a bound for a loaded machine; the figure itself is printed


@pytest.mark.timeout(150)
def test_no_kill_loses_an_acknowledged_byte(tmp_path: Path, record_property: Record) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        files = _survives(server, kills=8, record=record_property)
        assert file_rows(server.data_dir / "files.db") == files


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_no_kill_of_a_hundred_loses_an_acknowledged_byte(tmp_path: Path, record_property: Record) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        files = _survives(server, kills=100, record=record_property)
        assert file_rows(server.data_dir / "files.db") == files


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_kill_loses_an_acknowledged_byte_on_postgres(
    tmp_path: Path, server_postgres_url: str, record_property: Record
) -> None:
    with ServerProcess(tmp_path / "data", {**CHAOS, "DATABASE_URL": server_postgres_url}) as server:
        _survives(server, kills=25, record=record_property)


def _survives(server: ServerProcess, *, kills: int, record: Record, seed: int = 2026) -> int:
    """Kill the server ``kills`` times under uploads, check everything; how many files it has then."""
    draw = random.Random(seed)
    lengths = [200_000, 700_001, 1_500_000, 4_000_003]

    def upload(number: int) -> ResumingUpload:
        return ResumingUpload(
            server.url,
            Content(seed + number, lengths[number % len(lengths)]),
            chunk_sizes=mixed_chunk_sizes(number),
            pause=0.02,
        )

    fleet = Fleet(_CLIENTS, upload)
    restarts = []
    fleet.start()
    try:
        for _ in range(kills):
            time.sleep(draw.uniform(0.1, 1.2))
            before = fleet.acknowledgements
            restarts.append(server.restart())
            until(partial(_goes_on, fleet, before), "no upload went on after a kill")
    finally:
        fleet.finish()

    median = statistics.median(restarts)
    told = (
        f"{kills} kills, {len(fleet.uploads)} uploads, {fleet.acknowledgements} acknowledgements, "
        f"{fleet.cuts} cut requests; spawn to healthy: median {median:.2f} s, worst {max(restarts):.2f} s"
    )
    print(told)
    record("restart_seconds_median", round(median, 3))
    assert fleet.errors == []
    assert fleet.broken_promises == []
    assert fleet.surprises == {}
    assert lost_promises(server.url, fleet.uploads) == []
    assert wrong_content(server.url, fleet.uploads) == []
    assert doubled_files(server.data_dir / "storage", fleet.uploads) == []
    assert max(restarts) < _RESTART_SECONDS
    return len(fleet.uploads)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("victim", ["server", "writer"])
def test_no_kill_loses_a_chunk_that_is_written_beside(tmp_path: Path, victim: str) -> None:
    """64 KiB each on a dozen connections, which keep the process that writes them busy. With the server it ends."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        fleet = Fleet(
            _CLIENTS,
            lambda number: ResumingUpload(server.url, Content(number, 6_400_001), chunk_sizes=[64 * 1024]),
        )
        fleet.start()
        try:
            for kills in range(4 if victim == "server" else 1):
                writer = _busy_writer(server)
                time.sleep(0.05 * kills)
                before = fleet.acknowledgements
                if victim == "writer":
                    writer.kill()
                else:
                    server.kill()
                until(partial(has_ended, writer), "the writer is still there", within=3)
                if victim == "server":
                    server.start()
                until(lambda: fleet.acknowledgements > before + 50, "no upload went on after a kill")  # noqa: B023
        finally:
            fleet.finish()
        assert "Traceback" not in server.log()
        assert fleet.errors == []
        assert fleet.broken_promises == []
        assert fleet.surprises == {}
        assert fleet.cuts == 0 or victim == "server", "clients noticed"
        assert lost_promises(server.url, fleet.uploads) == []
        assert wrong_content(server.url, fleet.uploads) == []
        assert doubled_files(server.data_dir / "storage", fleet.uploads) == []
        assert file_rows(server.data_dir / "files.db") == len(fleet.uploads)


def _busy_writer(server: ServerProcess) -> psutil.Process:
    """The server's, once it has written some megabytes."""
    writer = until(lambda: writer_of(server.pid), "no process came to write the chunks", within=30)
    assert writer is not None
    until(lambda: written_by(writer) > 4 * 1024**2, "the process is hardly asked")
    return writer


# From here on: one kill at one step. A rehearsal on the same server tells which call of the kernel is which
# step.

Step = Callable[[Trace, Path, Call], Call]


def _sync_of_the_bytes(trace: Trace, staged: Path, _: Call) -> Call:
    return trace.syncs_of(str(staged))[0]


def _rename(trace: Trace, staged: Path, _: Call) -> Call:
    return trace.select(*RENAMES, where=lambda call: str(staged) in call.paths)[0]


def _sync_of_the_folder(trace: Trace, staged: Path, answer: Call) -> Call:
    folder = Path(_rename(trace, staged, answer).paths[-1]).parent
    return trace.syncs_of(str(folder))[0]


def _last_commit(trace: Trace, _: Path, answer: Call) -> Call:
    return trace.select(*SYNCS, where=lambda call: is_log(call.target) and call.left < answer.entered)[-1]


@pytest.mark.parametrize("step", [_sync_of_the_bytes, _rename, _sync_of_the_folder, _last_commit])
@pytest.mark.timeout(90)
def test_a_kill_before_a_step_leaves_one_right_file(tmp_path: Path, step: Step) -> None:
    """Killed when the kernel has been asked and has not begun."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = _all_but_the_last_chunk(server, seed=2)
        _kill_at(server, upload, _rehearse(server, tmp_path, step, upload), "delay_enter", tmp_path)
        assert upload.promised < upload.content.length, "the answer did not wait for this step"
        _is_finished_once_after_restart(server, upload)


@pytest.mark.timeout(90)
def test_a_kill_between_commit_and_answer_leaves_one_right_file(tmp_path: Path) -> None:
    """Killed when the kernel has synced the database's log and has not told so."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = _all_but_the_last_chunk(server, seed=2)
        _kill_at(server, upload, _rehearse(server, tmp_path, _last_commit, upload), "delay_exit", tmp_path)
        assert upload.promised < upload.content.length, "the answer did not wait for the commit"
        _is_finished_once_after_restart(server, upload)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_kill_at_any_call_of_completion_leaves_one_right_file(tmp_path: Path) -> None:
    """At every call of the kernel that has to do with files or the answer, while the last chunk is taken.

    strace counts the calls of each thread by itself; a rehearsal on the same process tells whose how-manieth
    it is.
    """
    names = ("pwrite64", "pwritev", "splice", "openat", "sendto", "sendmsg", "unlink", *SYNCS, *RENAMES)
    killed = 0
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        for number in itertools.count():
            calls = _calls_of_a_completion(server, tmp_path, names)
            if number >= len(calls):
                break
            same_thread = [call for call in calls[: number + 1] if call.thread == calls[number].thread]
            upload = _all_but_the_last_chunk(server, seed=number + 2)
            fault = [f"{','.join(names)}:signal=SIGKILL:when={len(same_thread)}"]
            with Strace(calls[number].thread, tmp_path / "trace", calls=names, inject=fault, only_thread=True):
                _send_the_last_chunk(upload)
                time.sleep(0.05)
            killed += not server.alive
            _is_finished_once_after_restart(server, upload)
    print(f"killed at {killed} of {number} calls; at the others another thread of the pool did the work")
    assert killed > number / 2


def _kill_at(server: ServerProcess, upload: ResumingUpload, moment: "_Moment", delay: str, tmp_path: Path) -> None:
    """Send the last chunk; strace holds each such call back for a second, and the kill comes within the right
    one.
    """
    name, number, paths = moment
    last = threading.Thread(target=_send_the_last_chunk, args=(upload,), daemon=True)
    fault = [f"{name}:{delay}=1000000"]
    with Strace(server.pid, tmp_path / "trace", calls=[name], paths=paths, inject=fault) as strace:
        last.start()
        until(lambda: strace.begun() >= number, "the step never came")
        time.sleep(0.3)  # the call itself takes milliseconds
        server.signal(signal.SIGKILL)
        strace.kill()  # else it would keep the dead process until the delay is over
    last.join(30)


def _calls_of_a_completion(server: ServerProcess, tmp_path: Path, names: Sequence[str]) -> list[Call]:
    upload = _all_but_the_last_chunk(server, seed=1)
    with Strace(server.pid, tmp_path / "rehearsal", calls=names) as strace:
        _send_the_last_chunk(upload)
    upload.close()
    trace = strace.trace()
    answer = trace.answers(upload.acknowledgements[-1].client_port)[-1]
    return [call for call in trace.calls if call.entered <= answer.entered]


def _all_but_the_last_chunk(server: ServerProcess, *, seed: int) -> ResumingUpload:
    upload = ResumingUpload(server.url, Content(seed, 500_000), chunk_sizes=[400_000])
    upload.create()
    upload.send(0)
    return upload


def _send_the_last_chunk(upload: ResumingUpload) -> None:
    with contextlib.suppress(OSError):
        upload.send(upload.promised)


class _Moment(NamedTuple):
    """The ``number``-th call of that name; with ``paths`` only those that concern these files are counted."""

    name: str
    number: int
    paths: Sequence[Path]


def _rehearse(server: ServerProcess, tmp_path: Path, step: Step, upload: ResumingUpload) -> _Moment:
    """Complete another upload unharmed, and see when ``step`` comes; it will come to ``upload`` so."""
    storage = server.data_dir / "storage"
    other = _all_but_the_last_chunk(server, seed=1)
    staged = staged_file(storage, other)
    with Strace(server.pid, tmp_path / "rehearsal") as strace:
        _send_the_last_chunk(other)
    other.close()
    trace = strace.trace()
    wanted = step(trace, staged, trace.answers(other.acknowledgements[-1].client_port)[-1])
    same = [call for call in trace.calls if call.name == wanted.name and call.entered <= wanted.entered]
    if is_log(wanted.target):
        # The first commit of a connection also syncs the database's folder: that one must not count.
        same = [call for call in same if call.target == wanted.target]
        return _Moment(wanted.name, len(same), [Path(wanted.target)])
    if step is _sync_of_the_folder:
        # Where the folder is new, the one that it lies in is synced, too: that one must not count.
        same = [call for call in same if call.target == wanted.target]
        return _Moment(wanted.name, len(same), [storage / "blobs" / staged_file(storage, upload).name[:2]])
    return _Moment(wanted.name, len(same), [])


def _goes_on(fleet: Fleet, acknowledgements: int) -> bool:
    return fleet.acknowledgements > acknowledgements


def _is_finished_once_after_restart(server: ServerProcess, upload: ResumingUpload) -> None:
    server.restart()
    upload.run(within=30)
    upload.close()
    assert upload.broken_promises == []
    assert upload.surprises == {}
    assert wrong_content(server.url, [upload]) == []
    assert doubled_files(server.data_dir / "storage", [upload]) == []
