"""Contract of ports/spool.py, in memory and on a disk."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from adapters.outbound.memory.spool import MemorySpool
from adapters.outbound.system.spool import DiskSpool
from domain.byte_range import ByteRange
from domain.errors import FileGone, StorageFull, StorageUnavailable
from ports.spool import Spool, Spooled
from tests.support.processes.process import ROOT

DATA = os.urandom(600 * 1024)


@pytest.fixture(params=["memory", "system"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    return MemorySpool() if request.param == "memory" else DiskSpool(tmp_path)


async def read(spooled: Spooled, start: int = 0, end: int | None = None) -> bytes:
    blocks = [block async for block in spooled.blocks(ByteRange(start, spooled.size if end is None else end))]
    assert all(len(block) <= 256 * 1024 for block in blocks)
    return b"".join(blocks)


async def test_it_begins_empty_and_grows_at_its_end(spool: Spool) -> None:
    async with spool.open() as spooled:
        assert spooled.size == 0
        for at in range(0, len(DATA), 200 * 1024):
            await spooled.append(DATA[at : at + 200 * 1024])
            assert await read(spooled) == DATA[: spooled.size]
        assert spooled.size == len(DATA)
        assert await read(spooled, 5, 300_000) == DATA[5:300_000]
        assert await spooled.link(disposition="inline", media_type="image/jpeg") is None


async def test_where_there_is_a_local_file_its_descriptor_has_the_bytes(spool: Spool) -> None:
    async with spool.open() as spooled:
        await spooled.append(DATA)
        if spooled.fd is not None:
            assert os.pread(spooled.fd, len(DATA), 0) == DATA


async def test_reading_past_the_end_says_that_bytes_are_gone(spool: Spool) -> None:
    async with spool.open() as spooled:
        await spooled.append(b"short")
        with pytest.raises(FileGone):
            await read(spooled, 0, 6)


async def test_two_are_two(spool: Spool) -> None:
    async with spool.open() as one, spool.open() as two:
        await one.append(b"one")
        await two.append(b"two and more")
        assert (await read(one), await read(two)) == (b"one", b"two and more")


async def test_closed_sooner_than_its_block_it_is_closed_once(spool: Spool) -> None:
    async with spool.open() as spooled:
        await spooled.close()


async def test_on_a_disk_nothing_has_a_name_and_nothing_stays_open(tmp_path: Path) -> None:
    before = _open_descriptors()
    async with DiskSpool(tmp_path).open() as spooled:
        await spooled.append(DATA)
        assert not _names_in(tmp_path)
    assert _open_descriptors() <= before


def _open_descriptors() -> set[str]:
    return _names_in(Path("/dev/fd"))


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_folder_that_is_away_is_storage_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        async with DiskSpool(tmp_path / "none").open():
            pass


async def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with DiskSpool(tmp_path).open() as spooled:
        await spooled.append(b"before")

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", full)
            with pytest.raises(StorageFull):
                await spooled.append(b"lost")
        assert await read(spooled) == b"before"


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    program = """
        import asyncio, os, signal, sys
        from pathlib import Path
        from adapters.outbound.system.spool import DiskSpool

        async def spool():
            async with DiskSpool(Path(sys.argv[1])).open() as spooled:
                await spooled.append(bytes(1000))
                os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(spool())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
