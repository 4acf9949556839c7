"""kill -9 while uploads run: nothing acknowledged is lost, every file is right, and there is one of each."""

import contextlib
import random
import signal
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.client import Fleet, ResumingUpload, mixed_chunk_sizes
from tests.chaos.content import Content
from tests.chaos.settings import CHAOS
from tests.chaos.trace import RENAMES, SYNCS, Call, Strace, Trace, is_log
from tests.chaos.verify import doubled_files, file_rows, lost_promises, staged_file, wrong_content
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.serial]

Record = Callable[[str, object], None]

_CLIENTS = 12
_RESTART_SECONDS = 10.0  # a bound for a loaded machine; the figure itself is printed


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
    tmp_path: Path, postgres_url: str, record_property: Record
) -> None:
    with ServerProcess(tmp_path / "data", {**CHAOS, "DATABASE_URL": postgres_url}) as server:
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
            _wait_for(partial(_goes_on, fleet, before), "no upload went on after a kill")
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
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        names, number = _rehearse(server, tmp_path, step)
        upload = _all_but_the_last_chunk(server, seed=2)
        fault = [f"{','.join(names)}:signal=SIGKILL:when={number}"]
        with Strace(server.pid, tmp_path / "trace", calls=names, inject=fault):
            _send_the_last_chunk(upload)
            _wait_for(lambda: not server.alive, "the step that was to be the last one never came")
        _is_finished_once_after_restart(server, upload)


@pytest.mark.timeout(90)
def test_a_kill_between_commit_and_answer_leaves_one_right_file(tmp_path: Path) -> None:
    """The kernel has synced the database's log, strace holds back the return: the kill comes just there."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        names, number = _rehearse(server, tmp_path, _last_commit)
        upload = _all_but_the_last_chunk(server, seed=2)
        fault = [f"{','.join(names)}:delay_exit=30000000:when={number}"]
        with Strace(server.pid, tmp_path / "trace", calls=names, inject=fault) as strace:
            last = threading.Thread(target=_send_the_last_chunk, args=(upload,), daemon=True)
            last.start()
            _wait_for(lambda: strace.begun() >= number, "the commit never came")
            time.sleep(0.5)  # the sync itself takes milliseconds
            assert upload.promised < upload.content.length, "the answer did not wait for the commit"
            server.signal(signal.SIGKILL)
            strace.kill()  # it would keep the dead process until the delay is over
        last.join(30)
        _is_finished_once_after_restart(server, upload)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_kill_at_any_call_of_completion_leaves_one_right_file(tmp_path: Path) -> None:
    """The n-th call of all that matter while the last chunk is taken, for every n there is."""
    names = ("pwrite64", "write", "writev", "splice", "sendto", "sendmsg", "openat", *SYNCS, *RENAMES)
    missed = 0
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        for number in range(1, 300):
            upload = _all_but_the_last_chunk(server, seed=number)
            fault = [f"{','.join(names)}:signal=SIGKILL:when={number}"]
            with Strace(server.pid, tmp_path / "trace", calls=names, inject=fault):
                _send_the_last_chunk(upload)
                time.sleep(0.05)
            missed += server.alive
            _is_finished_once_after_restart(server, upload)
            if missed == 3:
                print(f"a completion has about {number - missed} calls; it was killed at each")
                return
    pytest.fail("a completion of 300 calls is not what this test was made for")


def _all_but_the_last_chunk(server: ServerProcess, *, seed: int) -> ResumingUpload:
    upload = ResumingUpload(server.url, Content(seed, 500_000), chunk_sizes=[400_000])
    upload.create()
    upload.send(0)
    return upload


def _send_the_last_chunk(upload: ResumingUpload) -> None:
    with contextlib.suppress(OSError):
        upload.send(upload.promised)


def _rehearse(server: ServerProcess, tmp_path: Path, step: Step) -> tuple[tuple[str, ...], int]:
    """Complete an upload unharmed: the kernel's name of ``step`` and how many of that name come until it."""
    upload = _all_but_the_last_chunk(server, seed=1)
    staged = staged_file(server.data_dir / "storage", upload)
    with Strace(server.pid, tmp_path / "rehearsal") as strace:
        _send_the_last_chunk(upload)
    upload.close()
    trace = strace.trace()
    wanted = step(trace, staged, trace.answers(upload.acknowledgements[-1].client_port)[-1])
    before = [call for call in trace.calls if call.name == wanted.name and call.entered <= wanted.entered]
    return (wanted.name,), len(before)


def _goes_on(fleet: Fleet, acknowledgements: int) -> bool:
    return fleet.acknowledgements > acknowledgements


def _is_finished_once_after_restart(server: ServerProcess, upload: ResumingUpload) -> None:
    server.restart()
    upload.run(within=30)
    assert upload.broken_promises == []
    assert upload.surprises == {}
    assert wrong_content(server.url, [upload]) == []
    assert doubled_files(server.data_dir / "storage", [upload]) == []


def _wait_for(true: Callable[[], bool], else_say: str, *, within: float = 30) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, else_say
        time.sleep(0.01)
