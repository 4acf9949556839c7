"""Disks that are full, read-only, broken or the wrong ones: a clear refusal, nothing lost, and on it goes
afterwards.

RELIABILITY "Answer": full → 507, away → 503, never a 500; what failed can be tried again and gives the same
result.
"""

import contextlib
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.rig.client import TUS, Answer, ResumingUpload, ask
from tests.chaos.rig.content import Content
from tests.chaos.rig.disk import LoopDisk, fill, small_tmpfs
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import doubled_files, lost_promises, staged_file, wrong_content
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.processes.strace import FILE_WRITES, SYNCS, Strace, Trace

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(90)]

_KIB = 1024
_MIB = 1024 * 1024
# One body that is small enough to be taken whole, one that is streamed.
BODIES = pytest.mark.parametrize("body", [64 * _KIB, 1 * _MIB])


@BODIES
def test_a_full_volume_answers_507_and_goes_on_when_there_is_room(tmp_path: Path, mounts: Path, body: int) -> None:
    with small_tmpfs(mounts / "small", size=24 * _MIB) as small, _server(tmp_path, small) as server:
        upload = _begun(server, body=body)
        fill(small / "ballast")
        answer = _patch(server, upload, body)
        assert answer.status == 507
        _is_a_plain_problem(answer)
        assert server.alive

        (small / "ballast").unlink()
        _goes_on_to_the_end(server, upload)


def test_parts_that_do_not_fit_are_refused_before_the_first_is_copied(tmp_path: Path, mounts: Path) -> None:
    with small_tmpfs(mounts / "small", size=24 * _MIB) as small, _server(tmp_path, small) as server:
        headers = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
        part = {**headers, "Upload-Concat": "partial", "Upload-Length": str(4 * _MIB)}
        created = ask(server.url, "POST", "/uploads", part, b"x" * (4 * _MIB))
        url = created.header("Location")
        for times, status in ((50, 507), (2, 201)):
            before = shutil.disk_usage(small).used
            final = {"Tus-Resumable": "1.0.0", "Upload-Concat": "final;" + " ".join([url] * times)}
            assert ask(server.url, "POST", "/uploads", final).status == status
            assert shutil.disk_usage(small).used - before == (times * 4 * _MIB if status == 201 else 0)


@BODIES
def test_a_volume_that_fills_up_within_a_body_keeps_what_was_acknowledged(
    tmp_path: Path, mounts: Path, body: int
) -> None:
    """The kernel writes as much as there is room for: a short write, then ENOSPC."""
    with small_tmpfs(mounts / "small", size=24 * _MIB) as small, _server(tmp_path, small) as server:
        upload = _begun(server, body=body)
        fill(small / "ballast")
        with (small / "ballast").open("r+b") as ballast:
            ballast.truncate((small / "ballast").stat().st_size - body // 2)
        answer = _patch(server, upload, body)
        assert answer.status == 507

        (small / "ballast").unlink()
        _goes_on_to_the_end(server, upload)


def test_a_full_disk_under_volume_and_database_is_no_500(tmp_path: Path, mounts: Path) -> None:
    disk = LoopDisk(mounts / "disk.img", mounted_at=mounts / "disk")
    disk.format(40 * _MIB)
    with disk, ServerProcess(disk.path / "data", CHAOS, log_path=tmp_path / "server.log") as server:
        upload = _begun(server, body=_MIB)
        fill(disk.path / "ballast")
        # The log of the database may still have room of its own: then the volume refuses, and the other way
        # round.
        statuses = {_patch(server, upload, size).status for size in (64 * _KIB, _MIB)}
        assert statuses <= {507, 503}
        created = ask(server.url, "POST", "/uploads", {**TUS, "Upload-Length": "5"})
        assert created.status in (201, 507, 503)
        assert server.alive

        (disk.path / "ballast").unlink()
        _goes_on_to_the_end(server, upload)


def test_a_volume_without_inodes_answers_507_and_running_uploads_go_on(tmp_path: Path, mounts: Path) -> None:
    with small_tmpfs(mounts / "small", size=24 * _MIB, inodes=1500) as small, _server(tmp_path, small) as server:
        running = _begun(server, body=_MIB)
        late = ResumingUpload(server.url, Content(9, 300_000), chunk_sizes=[100_000])
        with _no_inodes_left(small):
            assert _patch(server, running, _MIB).status == 204
            created = ask(server.url, "POST", "/uploads", {**TUS, "Upload-Length": "300000"})
            if created.status == 201:
                late.location = created.header("location")
                created = _patch(server, late, 100_000)
            assert created.status == 507
        _goes_on_to_the_end(server, running)
        late.run(within=30)
        assert wrong_content(server.url, [late]) == []


def test_a_volume_that_turned_read_only_answers_503_and_goes_on_when_it_is_writable(
    tmp_path: Path, mounts: Path
) -> None:
    disk = LoopDisk(mounts / "disk.img", mounted_at=mounts / "disk")
    disk.format(64 * _MIB)
    with disk, _server(tmp_path, disk.path) as server:
        upload = _begun(server, body=_MIB)
        disk.remount("ro")
        for size in (64 * _KIB, _MIB):
            answer = _patch(server, upload, size)
            assert answer.status in (503, 507)
            assert answer.status == 507 or answer.header("retry-after")
            _is_a_plain_problem(answer)
        assert ask(server.url, "GET", "/health").status == 503
        assert ask(server.url, "HEAD", upload.location, TUS).status == 200

        disk.remount("rw")
        assert ask(server.url, "GET", "/health").status == 200
        _goes_on_to_the_end(server, upload)


def test_on_a_read_only_volume_the_server_refuses_to_start_or_says_so(tmp_path: Path, mounts: Path) -> None:
    disk = LoopDisk(mounts / "disk.img", mounted_at=mounts / "disk")
    disk.format(64 * _MIB)
    with disk:
        with _server(tmp_path, disk.path) as server:
            upload = _begun(server, body=_MIB)
        disk.remount("ro")
        server.start(wait=False)
        try:
            if not _refused_to_start(server, within=20):
                assert ask(server.url, "GET", "/health").status == 503
            assert "Traceback" not in server.log()
        finally:
            server.kill()
        disk.remount("rw")
        with server:
            _goes_on_to_the_end(server, upload)


@BODIES
def test_a_failed_sync_of_the_bytes_is_no_success_and_its_descriptor_is_not_used_again(
    tmp_path: Path, body: int
) -> None:
    """EIO from fdatasync: the kernel may have dropped the pages, so asking once more proves nothing."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = _begun(server, body=body)
        staged = staged_file(server.data_dir / "storage", upload)
        faults = [f"{','.join(SYNCS)}:error=EIO:when=1"]
        calls = (*FILE_WRITES, *SYNCS, "openat", "close")
        with Strace(server.pid, tmp_path / "trace", calls=calls, paths=[staged], inject=faults) as strace:
            answer = _patch(server, upload, body)
            assert answer.status == 503
            _is_a_plain_problem(answer)
            assert int(ask(server.url, "HEAD", upload.location, TUS).header("upload-offset")) == upload.promised
        assert _uses_after_failed_sync(strace.trace()) == []
        _goes_on_to_the_end(server, upload)


def test_a_failed_sync_of_the_database_is_no_success(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = _begun(server, body=64 * _KIB)
        log = server.data_dir / "files.db-wal"
        faults = [f"{','.join(SYNCS)}:error=EIO:when=1"]
        with Strace(server.pid, tmp_path / "trace", calls=SYNCS, paths=[log], inject=faults) as strace:
            answer = _patch(server, upload, 64 * _KIB)
        assert [call.result for call in strace.trace().calls][:1] == [-1], "the fault was never put in"
        assert answer.status == 503
        _is_a_plain_problem(answer)
        assert lost_promises(server.url, [upload]) == []
        _goes_on_to_the_end(server, upload)


def test_a_failed_sync_of_the_folder_is_not_answered_as_complete(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = ResumingUpload(server.url, Content(3, 500_000), chunk_sizes=[400_000])
        upload.create()
        upload.send(0)
        upload.close()
        # Folders are synced by fsync; the staged file and the database's log by fdatasync, which is let
        # through.
        faults = ["fsync:error=EIO:when=1"]
        with Strace(server.pid, tmp_path / "trace", calls=["fsync"], inject=faults) as strace:
            answer = _patch(server, upload, 100_000)
        assert [call.result for call in strace.trace().calls][:1] == [-1], "the completion synced no folder"
        assert answer.status == 503
        _goes_on_to_the_end(server, upload)


@BODIES
def test_a_short_write_is_gone_on_with_and_a_refused_one_reported(tmp_path: Path, body: int) -> None:
    """RLIMIT_FSIZE: the kernel writes up to the limit (less than asked), then nothing (EFBIG)."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = _begun(server, body=3 * _MIB)
        limit = 3 * _MIB + body // 2 + 123
        with _no_file_longer_than(server.pid, limit):
            answer = _patch(server, upload, body)
            assert answer.status in (503, 507)
            _is_a_plain_problem(answer)
            offset = int(ask(server.url, "HEAD", upload.location, TUS).header("upload-offset"))
            assert upload.promised <= offset <= limit
        _goes_on_to_the_end(server, upload)


@pytest.mark.parametrize("wrong", ["empty folder", "another server's volume", "somebody's files"])
def test_with_the_wrong_folder_mounted_the_server_does_not_start(tmp_path: Path, wrong: str) -> None:
    volume = tmp_path / "volume"
    with _server(tmp_path, tmp_path, storage=volume) as server:
        upload = _begun(server, body=_MIB)
    volume.rename(tmp_path / "right")
    volume.mkdir()
    if wrong == "another server's volume":
        volume.rmdir()
        with ServerProcess(tmp_path / "other", {**CHAOS, "STORAGE_PATH": str(volume)}):
            pass
    elif wrong == "somebody's files":
        (volume / "holiday.jpg").write_bytes(b"\xff\xd8\xff")
    before = sorted(volume.rglob("*"))
    told_before = len(server.log().splitlines())

    server.start(wait=False)
    try:
        assert _refused_to_start(server, within=20), "it started on the wrong folder"
    finally:
        server.kill()
    told = server.log().splitlines()[told_before:]
    assert len(told) == 1, "\n".join(told)
    assert "Traceback" not in told[0]
    assert sorted(volume.rglob("*")) == before, "the wrong folder was written to"

    for path in sorted(volume.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    volume.rmdir()
    (tmp_path / "right").rename(volume)
    with server:
        _goes_on_to_the_end(server, upload)


def test_a_file_that_was_taken_away_answers_410(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = ResumingUpload(server.url, Content(4, 300_000), chunk_sizes=[_MIB])
        upload.run()
        staged_file(server.data_dir / "storage", upload).unlink()
        for path in (upload.location, f"/files/{upload.id}/content"):
            answer = ask(server.url, "GET", path)
            assert answer.status == 410, path
            _is_a_plain_problem(answer)


def test_staged_bytes_that_were_taken_away_are_no_500(tmp_path: Path) -> None:
    """The rows say half a megabyte is there. Whatever is answered, a file with a hole is never called
    complete.
    """
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        upload = ResumingUpload(server.url, Content(4, 1_000_000), chunk_sizes=[500_000])
        upload.create()
        upload.send(0)
        upload.close()
        staged_file(server.data_dir / "storage", upload).unlink()
        answer = _patch(server, upload, 500_000)
        assert answer.status in (409, 410)
        assert ask(server.url, "GET", f"/files/{upload.id}/content").status == 404


def test_a_flipped_bit_is_found_by_the_scrub(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        uploads = [ResumingUpload(server.url, Content(seed, 300_000), chunk_sizes=[100_000]) for seed in (1, 2)]
        for upload in uploads:
            upload.run()
        assert run_verb("doctor", "--scrub", data_dir=server.data_dir, env=CHAOS).returncode == 0
        blob = staged_file(server.data_dir / "storage", uploads[0])
        with blob.open("r+b") as file:
            file.seek(150_000)
            byte = file.read(1)[0]
            file.seek(150_000)
            file.write(bytes([byte ^ 0x10]))
        found = run_verb("doctor", "--scrub", data_dir=server.data_dir, env=CHAOS)
    assert found.returncode != 0
    assert uploads[0].id in found.stdout
    assert uploads[1].id not in found.stdout


def _server(tmp_path: Path, disk: Path, *, storage: Path | None = None) -> ServerProcess:
    """A server whose volume is on ``disk`` and whose database and log are not."""
    env = {**CHAOS, "STORAGE_PATH": str(storage or disk / "storage")}
    return ServerProcess(tmp_path / "data", env, log_path=tmp_path / "server.log")


def _begun(server: ServerProcess, *, body: int) -> ResumingUpload:
    """An upload whose first ``body`` bytes are acknowledged and which has many more to come."""
    upload = ResumingUpload(server.url, Content(body, 5 * _MIB + 3), chunk_sizes=[body])
    upload.create()
    upload.send(0)
    upload.close()
    assert upload.promised == body
    return upload


def _patch(server: ServerProcess, upload: ResumingUpload, size: int) -> Answer:
    """The upload's next ``size`` bytes, from where the server says it is or, if it cannot say, was."""
    told = ask(server.url, "HEAD", upload.location, TUS)
    assert told.status in (200, 503, 507)
    offset = int(told.header("upload-offset") or upload.promised)
    assert offset >= upload.promised
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    answer = ask(server.url, "PATCH", upload.location, headers, upload.content.read(offset, offset + size))
    if answer.status == 204:
        upload.promised = int(answer.header("upload-offset"))
    return answer


def _goes_on_to_the_end(server: ServerProcess, upload: ResumingUpload) -> None:
    upload.run(within=30)
    assert upload.broken_promises == []
    assert upload.surprises == {}
    assert wrong_content(server.url, [upload]) == []
    volume = Path(server.env.get("STORAGE_PATH", server.data_dir / "storage"))
    assert doubled_files(volume, [upload]) == []


def _is_a_plain_problem(answer: Answer) -> None:
    """RFC 9457, and nothing of the inside in it (docs/http.md, Errors)."""
    assert answer.header("content-type").startswith("application/problem+json")
    text = answer.body.decode().lower()
    for word in ("traceback", "errno", "/storage", "sqlite", "select ", ".db"):
        assert word not in text


def _refused_to_start(server: ServerProcess, *, within: float) -> bool:
    """Whether it ended with an error; False as soon as it answers, whatever that is."""
    deadline = time.monotonic() + within
    while server.alive and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            ask(server.url, "GET", "/health")
            return False
        time.sleep(0.05)
    return not server.alive and server.wait() != 0


def _uses_after_failed_sync(trace: Trace) -> list[str]:
    """Calls on the descriptor whose sync failed, before it was closed."""
    failed = next(call for call in trace.calls if call.name in SYNCS and not call.succeeded)
    number = failed.descriptors[0][0]
    uses: list[str] = []
    for call in trace.calls:
        if call.entered <= failed.left or not call.descriptors or call.descriptors[0][0] != number:
            continue
        if call.name == "close":
            return uses
        uses.append(f"{call.name}({call.arguments[:60]})")
    return [*uses, "it was never closed"]


@contextlib.contextmanager
def _no_inodes_left(folder: Path) -> Iterator[None]:
    taken = folder / "ballast"
    taken.mkdir()
    number = 0
    with contextlib.suppress(OSError):
        while True:
            (taken / str(number)).touch()
            number += 1
    yield
    for path in taken.iterdir():
        path.unlink()
    taken.rmdir()


@contextlib.contextmanager
def _no_file_longer_than(pid: int, size: int) -> Iterator[None]:
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
