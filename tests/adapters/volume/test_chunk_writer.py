"""Small chunks that a process beside ours writes: it may be late, stopped, killed or out of luck, and loses nothing."""

import asyncio
import gc
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest

from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.staged_files import KEPT_SECONDS
from adapters.outbound.volume.staging import Durability
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from adapters.outbound.volume.writing import process as writer_process
from adapters.outbound.volume.writing import writer
from adapters.outbound.volume.writing.orders import ORDER, OUTCOME, SEAT_BYTES, SEATS, Kind, Order, Outcome
from adapters.outbound.volume.writing.writer import PATIENCE, ChunkWriter, Patience
from domain.errors import FileGone, StorageFull, StorageUnavailable, UploadTakenOver
from domain.ids import BlobKey, UploadId
from tests.support.processes.process import ROOT
from tests.support.processes.strace import Strace
from tests.support.processes.writing_process import DATA, WritingProcess
from tests.support.sources import source_of
from tests.support.storages import no_permit

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the writer is Linux's alone")

KIB = 1024
MANY = 12


def upload_ids(count: int, *, seed: str = "0") -> list[UploadId]:
    return [UploadId(f"{number % 256:02x}{seed}{number:029x}") for number in range(count)]


class Bench:
    """A volume whose small chunks may be written beside."""

    def __init__(
        self,
        root: Path,
        durability: Durability = Durability.ACK,
        *,
        patience: Patience = PATIENCE,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self.volume = Volume(root)
        self.volume.prepare()
        self.threads = Threads("test-volume")
        self.writer = ChunkWriter(self.volume, durability, patience=patience, kept_seconds=kept_seconds)
        self.chunks = VolumeChunkStorage(
            self.volume, self.threads, durability=durability, writer=self.writer, kept_seconds=kept_seconds
        )
        self.blobs = VolumeBlobStorage(self.volume, self.threads)

    @property
    def pid(self) -> int:
        assert self.writer._process is not None
        return self.writer._process._process.pid

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)

    async def close(self) -> None:
        await self.writer.close()
        self.threads.close()
        self.chunks.close()

    async def write(
        self, upload_id: UploadId, data: bytes, *, at: int = 0, permit: Callable[[], None] = lambda: None
    ) -> None:
        writing = self.chunks.write(upload_id, at=at, source=source_of(data), limit=None, hasher=None, permit=permit)
        (extent,) = [extent async for extent in writing]
        assert (extent.range.start, extent.range.end) == (at, at + len(data))

    async def write_many(
        self, ids: Sequence[UploadId], data: bytes = b"x", *, at: int = 0
    ) -> list[BaseException | None]:
        """At once; what came of each."""
        return await asyncio.gather(*(self.write(one, data, at=at) for one in ids), return_exceptions=True)

    async def wake(self) -> None:
        """Have the process started, by enough chunks at once, and up."""
        assert await self.write_many(upload_ids(MANY, seed="f")) == [None] * MANY
        assert await becomes(lambda: self.writer.is_ready)
        assert await becomes(lambda: sleeps(self.pid))

    def staged(self, upload_id: UploadId) -> bytes:
        return self.volume.staged_path(upload_id).read_bytes()


def patient(**seconds: float) -> pytest.MarkDecorator:
    """With a bench of another patience than a server's."""
    ids = [",".join(f"{name}={value:g}" for name, value in seconds.items())]
    return pytest.mark.parametrize("bench", [Patience(**seconds)], indirect=True, ids=ids)


async def becomes(is_so: Callable[[], bool], *, within: float = 5.0) -> bool:
    until = time.monotonic() + within
    while not is_so() and time.monotonic() < until:
        await asyncio.sleep(0.005)
    return is_so()


def sleeps(pid: int) -> bool:
    """Whether it is up and waits for orders."""
    return psutil.Process(pid).status() == psutil.STATUS_SLEEPING and signal.SIGTERM in _ignored(pid)


def _ignored(pid: int) -> set[int]:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn")]
    mask = int(line.split()[1], 16)
    return {number for number in range(1, 64) if mask >> number - 1 & 1}


def written_by(pid: int) -> int:
    """Bytes it has handed to ``write`` and its like, what goes out by sockets left out."""
    return int(psutil.Process(pid).io_counters().write_chars)


def writers() -> list[psutil.Process]:
    """Those of this process; it may have other children: servers that other tests share."""
    return [child for child in psutil.Process().children() if writer_process.__name__ in child.cmdline()]


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


def has_ended(pid: int) -> bool:
    """An orphan's parent is init, which takes its time."""
    return is_gone(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def open_files(pid: int) -> list[str]:
    return [one.path for one in psutil.Process(pid).open_files()]


def descriptors() -> set[tuple[str, str]]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
        except FileNotFoundError:
            continue
    return found


@pytest.fixture
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "volume", patience=getattr(request, "param", PATIENCE))
    yield bench
    await bench.close()


class TestWhenItIsThere:
    async def test_few_chunks_at_once_start_no_process(self, bench: Bench) -> None:
        for turn in range(30):
            assert await bench.write_many(upload_ids(writer._MANY - 1), bytes(1000), at=turn * 1000) == [None] * 3
        await asyncio.sleep(0.1)
        assert not bench.writer.is_ready
        assert writers() == []

    async def test_many_do_and_then_it_writes_them(self, bench: Bench) -> None:
        await bench.wake()
        before = written_by(bench.pid)
        assert await bench.write_many(upload_ids(20), bytes(64 * KIB)) == [None] * 20
        assert written_by(bench.pid) - before == 20 * 64 * KIB
        await bench.write(upload_ids(1)[0], b"a single one", at=64 * KIB)
        assert written_by(bench.pid) - before == 20 * 64 * KIB + 12

    async def test_large_bodies_and_those_with_a_checksum_are_not_its_business(self, bench: Bench) -> None:
        await bench.wake()
        before = written_by(bench.pid)
        ids = upload_ids(3)
        await bench.write(ids[0], bytes(256 * KIB))
        assert written_by(bench.pid) - before == 256 * KIB
        await bench.write(ids[1], bytes(256 * KIB + 1))
        assert written_by(bench.pid) - before == 256 * KIB
        assert bench.staged(ids[1]) == bytes(256 * KIB + 1)

    async def test_one_that_does_not_start_is_done_without(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        for turn in range(5):
            assert await bench.write_many(upload_ids(MANY), b"abc", at=turn * 3) == [None] * MANY
        assert await becomes(lambda: bench.writer._starting is None)
        assert {bench.staged(one) for one in upload_ids(MANY)} == {b"abc" * 5}
        assert len([record for record in caplog.records if "does not start" in record.message]) == 1

    async def test_one_that_does_not_start_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer.log, "disabled", True)  # or pytest keeps the error, and that all it went through
        before = descriptors()
        bench = Bench(tmp_path / "volume")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/nowhere/python")
            bench.writer.consider(MANY)
            assert await becomes(lambda: bench.writer._starting is None)
        await bench.close()
        gc.collect()
        assert descriptors() <= before

    async def test_one_that_ends_at_once_is_done_without(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        program = tmp_path / "python"
        program.write_text("#!/bin/sh\nexit 3\n")
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))
        for turn in range(20):
            assert await bench.write_many(upload_ids(MANY), b"abc", at=turn * 3) == [None] * MANY
        assert {bench.staged(one) for one in upload_ids(MANY)} == {b"abc" * 20}
        assert await becomes(lambda: not bench.writer.is_ready and bench.writer._starting is None)
        assert writers() == []


class TestWhatItWrites:
    async def test_every_byte_is_where_it_belongs(self, bench: Bench) -> None:
        """Uploads side by side, each in chunks of other sizes, some written by threads before and in between."""
        ids = upload_ids(30)
        sizes = [1, 7, 4096, 65_536, 100_000, 256 * KIB, 256 * KIB + 1, 3, 512 * KIB]
        files = [random.Random(number).randbytes(sum(sizes)) for number in range(30)]
        await bench.write_many(ids[:8], files[0][:1])  # by threads; written anew by the process
        await bench.wake()
        before = written_by(bench.pid)

        async def send(upload_id: UploadId, data: bytes, sizes: Sequence[int]) -> None:
            at = 0
            for size in sizes:
                await bench.write(upload_id, data[at : at + size], at=at)
                at += size

        turned = [sizes[number % 9 :] + sizes[: number % 9] for number in range(30)]
        await asyncio.gather(*map(send, ids, files, turned))
        assert [bench.staged(one) for one in ids] == files
        small = sum(size for size in sizes if size <= 256 * KIB)
        assert written_by(bench.pid) - before == 30 * small
        key = await bench.chunks.seal(ids[0], size=sum(sizes))
        assert bench.volume.blob_path(key).read_bytes() == files[0]

    async def test_nobody_else_can_read_it(self, bench: Bench) -> None:
        await bench.wake()
        (one,) = upload_ids(1)
        await bench.write(one, b"secret")
        found = bench.volume.staged_path(one).stat()
        assert (found.st_mode & 0o777, found.st_uid) == (0o600, os.getuid())
        assert bench.volume.staged_path(one).parent.stat().st_mode & 0o777 == 0o700

    async def test_not_through_a_link_either(self, bench: Bench, tmp_path: Path) -> None:
        await bench.wake()
        (tmp_path / "precious").write_bytes(b"precious")
        (one,) = upload_ids(1)
        bench.volume.make_shard(bench.volume.staged_path(one))
        bench.volume.staged_path(one).symlink_to(tmp_path / "precious")
        with pytest.raises(StorageUnavailable):
            await bench.write(one, b"x")
        assert (tmp_path / "precious").read_bytes() == b"precious"

    async def test_more_at_once_than_it_has_room_for_wait(self, bench: Bench) -> None:
        await bench.wake()
        before, ids = written_by(bench.pid), upload_ids(5 * SEATS // 2)
        for turn in range(3):
            data = os.urandom(5000)
            assert await bench.write_many(ids, data, at=5000 * turn) == [None] * len(ids)
            assert {bench.staged(one)[5000 * turn :] for one in ids} == {data}
        assert written_by(bench.pid) - before == 3 * 5000 * len(ids), "threads did some of it"
        assert bench.writer._process is not None
        assert sorted(bench.writer._process._free) == list(range(SEATS))
        assert bench.writer._process._under_way == {}

    async def test_whoever_gives_up_waiting_for_room_keeps_nobody_from_it(self, bench: Bench) -> None:
        await bench.wake()
        ids, process = upload_ids(SEATS + 20), bench.process
        process.suspend()
        writes = [asyncio.create_task(bench.write(one, b"there")) for one in ids]
        await asyncio.sleep(0.05)
        for write in writes[SEATS : SEATS + 10]:
            write.cancel()
        process.resume()
        outcomes = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 5)
        assert outcomes[:SEATS] + outcomes[SEATS + 10 :] == [None] * (SEATS + 10)
        assert {bench.staged(one) for one in ids[:SEATS] + ids[SEATS + 10 :]} == {b"there"}

    @patient(order=10.0, answer=10.0)  # what is traced is slow
    async def test_bytes_folder_and_shard_are_synced_before_it_says_so(self, bench: Bench, tmp_path: Path) -> None:
        await bench.wake()
        one, other = (UploadId(f"ee{number:030x}") for number in range(2))  # in a folder of their own
        path = bench.volume.staged_path(one)
        with Strace(bench.pid, tmp_path / "trace") as strace:
            await bench.write(one, b"a" * 100)
            await bench.write(other, b"b" * 100)
            await bench.write(one, b"c" * 100, at=100)
        trace = strace.trace()
        told = trace.select("sendto")
        assert len(told) == 3
        made = [(Path(call.paths[-1]), call) for call in trace.select("mkdir", "mkdirat")]
        assert path.parent in [folder for folder, _ in made]
        for folder, call in made:
            assert any(call.left < sync.entered < told[0].entered for sync in trace.syncs_of(str(folder.parent)))
        first, second = trace.syncs_of(str(path))
        write, again = trace.writes_to(str(path))
        assert write.left < first.entered
        assert first.left < told[0].entered
        assert told[1].left < again.entered
        assert again.left < second.entered
        assert second.left < told[2].entered
        assert any(first.left < sync.entered < told[0].entered for sync in trace.syncs_of(str(path.parent)))

    async def test_without_durability_it_syncs_nothing(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "volume", Durability.NONE)
        await bench.wake()
        (one,) = upload_ids(1)
        await bench.write(one, b"a" * 100)
        with Strace(bench.pid, tmp_path / "trace") as strace:
            await bench.write(one, b"b" * 100, at=100)
        assert len(strace.trace().writes_to(str(bench.volume.staged_path(one)))) == 1
        assert strace.trace().select("fdatasync", "fsync") == []
        await bench.close()


class TestFilesChangedBehindItsBack:
    @pytest.fixture(params=["beside", "threads"])
    async def begun(self, request: pytest.FixtureRequest, bench: Bench) -> UploadId:
        """An upload of 1000 bytes whose next chunk is written so."""
        if request.param == "beside":
            await bench.wake()
        (one,) = upload_ids(1)
        await bench.write(one, bytes(1000))
        return one

    async def test_one_that_was_taken_away_is_gone(self, bench: Bench, begun: UploadId) -> None:
        bench.volume.staged_path(begun).unlink()
        for _ in range(2):
            with pytest.raises(FileGone):
                await bench.write(begun, b"x", at=1000)
        assert not bench.volume.staged_path(begun).exists()

    async def test_one_that_was_cut_short_is_gone(self, bench: Bench, begun: UploadId) -> None:
        os.truncate(bench.volume.staged_path(begun), 999)
        for _ in range(2):
            with pytest.raises(FileGone):
                await bench.write(begun, b"x", at=1000)
        assert bench.staged(begun) == bytes(999)

    async def test_one_that_came_back_goes_on(self, bench: Bench, begun: UploadId) -> None:
        path = bench.volume.staged_path(begun)
        path.rename(path.with_suffix(".away"))
        with pytest.raises(FileGone):
            await bench.write(begun, b"x", at=1001)
        path.with_suffix(".away").rename(path)
        await bench.write(begun, b"x", at=1000)
        assert bench.staged(begun) == bytes(1000) + b"x"

    async def test_one_that_was_replaced_is_written_where_it_is_now(self, bench: Bench, begun: UploadId) -> None:
        path = bench.volume.staged_path(begun)
        path.with_suffix(".new").write_bytes(b"n" * 1000)
        path.with_suffix(".new").rename(path)
        await bench.write(begun, b"x", at=1000)
        assert bench.staged(begun) == b"n" * 1000 + b"x"

    async def test_a_volume_that_is_away_is_no_lost_file(self, bench: Bench, begun: UploadId) -> None:
        root = bench.volume.root
        root.rename(root.with_suffix(".away"))
        other = upload_ids(2)[1]
        with pytest.raises(StorageUnavailable):
            await bench.write(other, b"x", at=1)
        root.with_suffix(".away").rename(root)
        await bench.write(begun, b"x", at=1000)


class TestDisksThatFail:
    async def test_a_full_disk_is_full(self, small_filesystem: Path) -> None:
        bench = Bench(small_filesystem)
        await bench.wake()
        one, other, ballast = upload_ids(3)
        await bench.write(one, b"1" * 1000)
        with bench.volume.staged_path(ballast).open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError:
                    break
        outcomes = await bench.write_many([one], bytes(100_000), at=1000) + await bench.write_many([other])
        assert [type(outcome) for outcome in outcomes] == [StorageFull] * 2
        bench.volume.staged_path(ballast).unlink()
        before = written_by(bench.pid)
        await bench.write(one, b"2" * 1000, at=1000)
        assert bench.staged(one)[:2000] == b"1" * 1000 + b"2" * 1000
        assert written_by(bench.pid) - before == 1000
        await bench.close()

    async def test_an_error_of_its_fdatasync_fails_that_chunk_and_that_descriptor_is_used_no_more(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        await bench.wake()
        ids = upload_ids(MANY)
        assert await bench.write_many(ids, b"1" * 1000) == [None] * MANY
        pid, faults = bench.pid, ["fdatasync:error=EIO:when=3"]
        calls = ("pwrite64", "fdatasync", "close")
        with Strace(pid, tmp_path / "trace", calls=calls, inject=faults) as strace:
            outcomes = await bench.write_many(ids, b"2" * 1000, at=1000)
            failed = [outcome for outcome in outcomes if outcome is not None]
            assert [type(outcome) for outcome in failed] == [StorageUnavailable]
            (again,) = [one for one, outcome in zip(ids, outcomes, strict=True) if outcome]
            await bench.write(again, b"3" * 1000, at=1000)
        assert bench.pid == pid
        trace = strace.trace()
        (fault,) = [call for call in trace.calls if call.name == "fdatasync" and not call.succeeded]
        (number, path) = fault.descriptors[0]
        assert path == str(bench.volume.staged_path(again))
        later = [call for call in trace.calls if call.entered > fault.left and call.descriptors[0] == (number, path)]
        assert later[0].name == "close"
        for one in ids:
            assert bench.staged(one)[1000:] == (b"3" if one is again else b"2") * 1000

    async def test_a_kept_descriptor_that_went_bad_is_opened_anew(self, bench: Bench, tmp_path: Path) -> None:
        """As when a file server has been away (ESTALE)."""
        await bench.wake()
        pid, (one,) = bench.pid, upload_ids(1)
        await bench.write(one, b"1" * 1000)
        call = "fstat,newfstatat"
        with Strace(pid, tmp_path / "trace", calls=call.split(","), inject=[f"{call}:error=ESTALE:when=1"]) as strace:
            await bench.write(one, b"2" * 1000, at=1000)
        assert [trace_call.succeeded for trace_call in strace.trace().calls] == [False, True]
        assert bench.pid == pid
        assert bench.staged(one) == b"1" * 1000 + b"2" * 1000

    @pytest.mark.parametrize("call", ["pwrite64", "openat", "fsync"])
    async def test_an_error_of_any_call_of_its_is_told_and_it_goes_on(
        self, bench: Bench, tmp_path: Path, call: str
    ) -> None:
        await bench.wake()
        pid, (one, other) = bench.pid, upload_ids(2)
        await bench.write(one, b"1" * 1000)
        strace = Strace(pid, tmp_path / "trace", calls=[call], inject=[f"{call}:error=EIO:when=1"])
        with strace, pytest.raises(StorageUnavailable):
            await bench.write(one if call == "pwrite64" else other, b"2")
        assert not strace.trace().calls[0].succeeded
        assert await bench.write_many([one, other], b"3" * 1000) == [None] * 2
        assert bench.pid == pid
        assert [bench.staged(one), bench.staged(other)] == [b"3" * 1000] * 2


class TestStopped:
    """SIGSTOP stands for a machine with more to do than it can, or a writer that is paged out."""

    @patient(order=0.2)
    async def test_what_it_is_late_with_others_do(self, bench: Bench) -> None:
        await bench.wake()
        ids = upload_ids(MANY)
        bench.process.suspend()
        before = written_by(bench.pid)
        writes = asyncio.create_task(bench.write_many(ids, b"late" * 100))
        await asyncio.sleep(0.3)
        assert not writes.done()
        bench.process.resume()
        assert await asyncio.wait_for(writes, 5) == [None] * MANY
        assert written_by(bench.pid) == before
        assert {bench.staged(one) for one in ids} == {b"late" * 100}

    @patient(order=0.2)
    async def test_nothing_is_written_when_the_lease_is_gone_meanwhile(self, bench: Bench) -> None:
        """Another process holds it, and has written other bytes, or ended the upload."""
        await bench.wake()
        replaced, ended = upload_ids(2)
        is_lost = False

        def check() -> None:
            if is_lost:
                no_permit()

        bench.process.suspend()
        late = [asyncio.create_task(bench.write(one, b"late" * 100, permit=check)) for one in (replaced, ended)]
        await asyncio.sleep(0.3)
        is_lost = True
        other = Bench(bench.volume.root)
        await other.write(replaced, b"right" * 50)
        bench.process.resume()
        outcomes = await asyncio.wait_for(asyncio.gather(*late, return_exceptions=True), 5)
        assert [type(outcome) for outcome in outcomes] == [UploadTakenOver] * 2
        assert bench.staged(replaced) == b"right" * 50
        assert not bench.volume.staged_path(ended).exists()
        await other.close()

    async def test_it_is_asked_for_nothing_where_the_lease_is_gone_already(self, bench: Bench) -> None:
        await bench.wake()
        before, (one,) = written_by(bench.pid), upload_ids(1)
        with pytest.raises(UploadTakenOver):
            await bench.write(one, b"x", permit=no_permit)
        assert not bench.volume.staged_path(one).exists()
        assert written_by(bench.pid) == before

    async def test_a_cancelled_caller_goes_on_only_when_nothing_can_come_any_more(self, bench: Bench) -> None:
        await bench.wake()
        (one,) = upload_ids(1)
        bench.process.suspend()
        write = asyncio.create_task(bench.write(one, b"cancelled"))
        await asyncio.sleep(0.05)
        for _ in range(3):
            write.cancel()
            await asyncio.sleep(0.05)
            assert not write.done()
        bench.process.resume()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(write, 5)
        staged = bench.volume.staged_path(one)
        held = staged.read_bytes() if staged.exists() else b""
        await asyncio.sleep(0.1)
        assert (staged.read_bytes() if staged.exists() else b"") == held

    async def test_a_cancelled_caller_leaves_the_place_of_its_bytes_to_the_next(self, bench: Bench) -> None:
        """Cancelled, answered, and its seat given to somebody else, all before it gets to know."""
        await bench.wake()
        one, other = upload_ids(2)
        process = bench.writer._process
        assert process is not None
        bench.process.suspend()
        cancelled = asyncio.create_task(bench.write(one, b"cancelled"))
        await asyncio.sleep(0.05)
        bench.process.resume()
        assert select.select([process._socket], [], [], 5)[0]
        next_one = asyncio.create_task(process.order(Order(Kind.CHUNK, other, 0, b"next")))
        cancelled.cancel()
        process._on_outcomes()
        assert await asyncio.wait_for(next_one, 5) == (Outcome.DONE, 0)
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert bench.staged(other) == b"next"

    @patient(answer=1.0)
    async def test_one_that_was_idle_is_given_its_time_anew(self, bench: Bench) -> None:
        await bench.wake()
        pid, process = bench.pid, bench.process
        await bench.write_many(upload_ids(MANY), b"before")
        await asyncio.sleep(0.8)
        process.suspend()
        writing = asyncio.create_task(bench.write_many(upload_ids(MANY), b"after", at=6))
        await asyncio.sleep(0.5)
        process.resume()
        assert await writing == [None] * MANY
        assert (bench.writer.is_ready, bench.pid) == (True, pid)

    @patient(answer=0.5)
    async def test_one_that_hangs_is_done_without(self, bench: Bench) -> None:
        await bench.wake()
        pid, ids = bench.pid, upload_ids(MANY)
        bench.process.suspend()
        assert await asyncio.wait_for(bench.write_many(ids, b"in time" * 100), 10) == [None] * MANY
        assert {bench.staged(one) for one in ids} == {b"in time" * 100}
        assert is_gone(pid)


class TestKilled:
    async def test_what_it_had_under_way_threads_do(self, bench: Bench) -> None:
        await bench.wake()
        ids, process = upload_ids(70), bench.process
        process.suspend()
        writes = asyncio.create_task(bench.write_many(ids, b"under way" * 100))
        await asyncio.sleep(0.05)
        process.kill()
        assert await asyncio.wait_for(writes, 10) == [None] * 70
        assert {bench.staged(one) for one in ids} == {b"under way" * 100}
        assert not bench.writer.is_ready
        assert is_gone(process.pid)
        assert writers() == []

    @patient(rest=0.0)
    async def test_in_the_middle_of_everything_nothing_is_lost(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        ids = upload_ids(16)
        files = [random.Random(number).randbytes(300_000) for number in range(16)]

        async def send(upload_id: UploadId, data: bytes) -> None:
            for at in range(0, len(data), 5000):
                await bench.write(upload_id, data[at : at + 5000], at=at)

        async def kill() -> None:
            for _ in range(6):
                assert await becomes(lambda: bench.writer.is_ready)
                pid = bench.pid
                await asyncio.sleep(random.uniform(0.06, 0.12))
                bench.process.kill()
                assert await becomes(partial(is_gone, pid))

        killing = asyncio.create_task(kill())
        while not killing.done():
            await asyncio.gather(*map(send, ids, files))
            assert [bench.staged(one) for one in ids] == files
        await killing
        assert len([record for record in caplog.records if "has died" in record.message]) == 6

    @patient(rest=1.0)
    async def test_it_comes_back_after_a_rest(self, bench: Bench) -> None:
        begun = time.monotonic()
        await bench.wake()
        pid = bench.pid
        bench.process.kill()
        assert await becomes(lambda: not bench.writer.is_ready)
        while not bench.writer.is_ready and time.monotonic() < begun + 10:
            await bench.write_many(upload_ids(MANY))
        assert time.monotonic() - begun >= 1.0
        await bench.wake()
        assert bench.pid != pid
        before = written_by(bench.pid)
        await bench.write_many(upload_ids(MANY), b"again")
        assert written_by(bench.pid) - before == 5 * MANY

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_it_serves_on_while_its_parent_drains(self, bench: Bench, number: int) -> None:
        """A terminal's or an init system's signal reaches both."""
        await bench.wake()
        bench.process.send_signal(number)
        before = written_by(bench.pid)
        await bench.write_many(upload_ids(MANY), b"still")
        assert written_by(bench.pid) - before == 5 * MANY


class TestClosing:
    async def test_nothing_is_left(self, tmp_path: Path) -> None:
        before = descriptors()
        bench = Bench(tmp_path / "volume")
        await bench.wake()
        await bench.write_many(upload_ids(MANY), bytes(1000))
        pid = bench.pid
        await bench.close()
        await bench.close()
        assert is_gone(pid), "not even a zombie"
        assert descriptors() <= before
        assert "longshore-chunks" not in Path("/proc/self/maps").read_text()

    async def test_what_is_under_way_is_ended_or_not_begun(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        bench = Bench(tmp_path / "volume")
        await bench.wake()
        pid = bench.pid
        writes = asyncio.create_task(bench.write_many(upload_ids(40), b"under way" * 1000))
        await asyncio.sleep(0.01)
        await bench.writer.close()
        assert is_gone(pid)
        assert await asyncio.wait_for(writes, 5) == [None] * 40
        assert {bench.staged(one) for one in upload_ids(40)} == {b"under way" * 1000}
        await bench.close()
        assert capfd.readouterr().err == ""

    async def test_one_that_hangs_is_killed_and_nobody_else_waits_for_it(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "volume", patience=Patience(end=0.3))
        await bench.wake()
        pid, turns = bench.pid, 0
        bench.process.suspend()
        closing = asyncio.create_task(bench.close())
        while not closing.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 5, "the loop stood still"
        assert is_gone(pid)

    async def test_what_it_may_still_do_is_not_given_up_before_it_is_gone(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "volume", patience=Patience(end=0.4))
        await bench.wake()
        pid, (one, other) = bench.pid, upload_ids(2)
        bench.process.suspend()
        cancelled, refused = (asyncio.create_task(bench.write(upload, b"under way")) for upload in (one, other))
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(bench.writer.close())
        await asyncio.sleep(0.05)
        cancelled.cancel()
        await asyncio.sleep(0.05)
        assert (is_gone(pid), cancelled.done(), refused.done()) == (False, False, False)
        await closing
        assert is_gone(pid)
        await asyncio.wait_for(refused, 5)
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert bench.staged(other) == b"under way"
        assert not bench.volume.staged_path(one).exists()
        await bench.close()

    async def test_one_that_is_starting_is_not_left_behind(self, tmp_path: Path) -> None:
        before = descriptors()
        bench = Bench(tmp_path / "volume")
        bench.writer.consider(MANY)
        assert bench.writer._starting is not None
        await bench.close()
        assert await becomes(lambda: bench.writer._starting is None)
        assert not bench.writer.is_ready
        assert writers() == []
        assert descriptors() <= before

    async def test_a_closed_one_never_starts_again(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path / "volume")
        await bench.writer.close()
        assert await bench.write_many(upload_ids(MANY)) == [None] * MANY
        assert bench.writer._starting is None
        await bench.close()


class TestItsParent:
    @pytest.fixture
    def log(self, tmp_path: Path) -> Path:
        return tmp_path / "stderr"

    @pytest.fixture
    def volume(self, tmp_path: Path) -> Volume:
        volume = Volume(tmp_path / "volume")
        volume.prepare()
        return volume

    async def test_it_ends_when_its_parent_does(self, volume: Volume, log: Path) -> None:
        with WritingProcess(volume, log) as parent:
            parent.order(upload_ids(20))
            assert parent.told() == "20"
            parent.leave()
            assert is_gone(parent.writer_pid)
        assert log.read_text() == ""

    async def test_it_ends_when_its_parent_is_killed(self, volume: Volume, log: Path) -> None:
        with WritingProcess(volume, log) as parent:
            parent.order(upload_ids(20))
            parent.kill()
            assert await becomes(partial(has_ended, parent.writer_pid), within=2)
        assert log.read_text() == ""

    async def test_what_a_killed_parent_had_ordered_is_not_written(self, volume: Volume, log: Path) -> None:
        """The next one may be up, and have given the lease to somebody else."""
        with WritingProcess(volume, log) as parent:
            process = psutil.Process(parent.writer_pid)
            process.suspend()
            parent.order(upload_ids(20))
            parent.kill()
            process.resume()
            assert await becomes(partial(has_ended, parent.writer_pid), within=2)
        assert log.read_text() == ""
        assert not any(path.is_file() for path in volume.staged.rglob("*"))

    async def test_of_many_orders_none_is_written_once_the_parent_is_gone(
        self, volume: Volume, log: Path, tmp_path: Path
    ) -> None:
        """Killed while the first of them is written."""
        with WritingProcess(volume, log) as parent:
            delay = ["pwrite64:delay_enter=100000"]
            with Strace(parent.writer_pid, tmp_path / "trace", calls=["pwrite64"], inject=delay) as strace:
                parent.order(upload_ids(20))
                assert await becomes(lambda: strace.begun() > 0)
                parent.kill()
                assert await becomes(partial(has_ended, parent.writer_pid), within=5)
        assert len(strace.trace().calls) <= 2
        assert log.read_text() == ""

    async def test_an_outcome_that_nobody_hears_is_no_trouble(self, volume: Volume, log: Path, tmp_path: Path) -> None:
        """Killed while the writer syncs."""
        with WritingProcess(volume, log) as parent:
            delay = ["fdatasync:delay_enter=300000"]
            with Strace(parent.writer_pid, tmp_path / "trace", calls=["fdatasync"], inject=delay) as strace:
                parent.order(upload_ids(1))
                assert await becomes(lambda: strace.begun() == 1)
                parent.kill()
                assert await becomes(partial(has_ended, parent.writer_pid), within=3)
        assert log.read_text() == ""

    async def test_not_even_if_it_was_killed_before_the_writer_was_up(self, volume: Volume) -> None:
        """A parent that starts it, orders, and is gone in the same moment; we keep its end of the socket open."""
        memory = os.memfd_create("test-chunks")
        os.truncate(memory, SEATS * SEAT_BYTES)
        os.pwrite(memory, DATA, 0)
        ours, its = socket.socketpair()
        (one,) = upload_ids(1)
        ours.send(ORDER.pack(Kind.CHUNK, 0, len(DATA), 0, 0, time.monotonic() + 60, one.encode(), b"", 0))
        words = ["--memory", memory, "--orders", its.fileno(), "--root", volume.root, "--durability", "ack"]
        program = (
            "import os, subprocess, sys\n"
            f"words = {[str(word) for word in words]!r} + PARENT\n"
            f"subprocess.Popen([sys.executable, '-S', '-m', {writer_process.__name__!r}, *words], close_fds=False)\n"
            "os._exit(0)\n"
        ).replace("PARENT", "['--parent', str(os.getpid())]")
        fds = (memory, its.fileno())
        subprocess.run([sys.executable, "-c", program], pass_fds=fds, cwd=ROOT, check=True, timeout=20)
        its.close()
        ours.settimeout(10)
        assert ours.recv(OUTCOME.size) in (b"", OUTCOME.pack(0, Outcome.REFUSED, 0))
        assert not volume.staged_path(one).exists()
        ours.close()
        os.close(memory)

    async def test_orders_in_pieces_are_put_together(self, volume: Volume) -> None:
        """A socket is a stream."""
        memory = os.memfd_create("test-chunks")
        os.truncate(memory, SEATS * SEAT_BYTES)
        ours, its = socket.socketpair()
        words = ["--memory", memory, "--orders", its.fileno(), "--root", volume.root, "--durability", "ack"]
        process = subprocess.Popen(
            [sys.executable, "-S", "-m", writer_process.__name__, *map(str, words), "--parent", str(os.getpid())],
            pass_fds=(memory, its.fileno()),
            cwd=ROOT,
        )
        its.close()
        ours.settimeout(10)
        ids = upload_ids(3)
        for seat in range(3):
            os.pwrite(memory, DATA, seat * SEAT_BYTES)
        orders = b"".join(
            ORDER.pack(Kind.CHUNK, seat, len(DATA), 0, 0, time.monotonic() + 60, one.encode(), b"", 0)
            for seat, one in enumerate(ids)
        )
        for start in range(0, len(orders), 7):
            ours.send(orders[start : start + 7])
            time.sleep(0.001)
        told = b""
        while len(told) < 3 * OUTCOME.size:
            told += ours.recv(100)
        assert list(OUTCOME.iter_unpack(told)) == [(seat, Outcome.DONE, 0) for seat in range(3)]
        assert {volume.staged_path(one).read_bytes() for one in ids} == {DATA}
        ours.close()
        assert process.wait(5) == 0
        os.close(memory)


@pytest.mark.parametrize("who", ["beside", "threads"])
async def test_a_sealed_or_deleted_file_is_not_held_for_long(tmp_path: Path, who: str) -> None:
    """Its room is free only when nobody has it open."""
    bench = Bench(tmp_path / "volume", kept_seconds=1.5)
    if who == "beside":
        await bench.wake()
    pid = bench.pid if who == "beside" else os.getpid()
    sealed, deleted, _ = ids = upload_ids(3)
    await bench.write_many(ids, bytes(1000))

    def held() -> list[str]:
        return [path for path in open_files(pid) if path.startswith(str(bench.volume.root))]

    assert len(held()) >= 3
    await bench.chunks.seal(sealed, size=1000)
    await bench.chunks.discard(deleted)
    assert await becomes(lambda: held() == [])
    assert bench.volume.blob_path(BlobKey(sealed)).read_bytes() == bytes(1000)
    await bench.close()
