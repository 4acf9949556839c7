"""Contract of ports/room.py, run over memory and disks; and what only disks have."""

import asyncio
import logging
import os
import threading
from pathlib import Path

import pytest

from adapters.outbound.memory.room import MemoryRoom
from adapters.outbound.system.ballast import Ballast
from adapters.outbound.system.disks import Disk
from adapters.outbound.system.room import DiskRoom
from domain.errors import StorageFull
from domain.size import MAX_SIZE
from ports.room import Room

MIB = 1024**2
TOO_MUCH = MAX_SIZE


@pytest.fixture(params=["memory", "system"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    return MemoryRoom() if request.param == "memory" else DiskRoom([tmp_path], least=0)


async def test_where_there_is_room_bytes_may_come(room: Room) -> None:
    for size in (0, 1, MIB, 1):
        await room.check(size)


async def test_what_would_not_leave_enough_is_refused_and_less_is_not(tmp_path: Path) -> None:
    room = DiskRoom([tmp_path], least=MIB)
    with pytest.raises(StorageFull):
        await room.check(TOO_MUCH)
    await room.check(1)


async def test_where_too_little_is_left_nothing_may_come_and_the_log_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    room = DiskRoom([tmp_path], least=TOO_MUCH)
    for size in (0, 1, 0):
        with pytest.raises(StorageFull):
            await room.check(size)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_disk_beside_has_to_have_room_and_is_no_measure_of_a_body(tmp_path: Path) -> None:
    with pytest.raises(StorageFull):
        await DiskRoom([], [tmp_path], least=TOO_MUCH).check(0)
    await DiskRoom([], [tmp_path], least=0).check(TOO_MUCH)


async def test_a_disk_that_is_away_is_left_out_of_account(tmp_path: Path) -> None:
    await DiskRoom([tmp_path / "unmounted"], least=TOO_MUCH).check(TOO_MUCH)


@pytest.mark.parametrize(
    ("size", "least"), [(40 * 10**6, 2 * 10**6), (5 * 1024**3, 256 * MIB), (10**13, 256 * MIB), (0, 0)]
)
def test_a_small_disk_is_to_have_less_left_unless_somebody_says_how_much(size: int, least: int) -> None:
    disk = Disk(size, free=least + 5)
    assert (disk.least(None), disk.left(None)) == (least, 5)
    assert Disk(40 * 10**6, free=0).least(256 * MIB) == 256 * MIB


def test_the_ballast_is_made_of_room_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / "ballast"
    room = DiskRoom([tmp_path], least=3 * MIB, ballast=Ballast(path, least=3 * MIB))
    for _ in range(2):
        asyncio.run(room.look())
        assert path.stat().st_size == 3 * MIB <= path.stat().st_blocks * 512
        os.truncate(path, MIB)


def test_no_ballast_is_made_where_it_would_take_the_room_of_others(tmp_path: Path) -> None:
    room = DiskRoom([tmp_path], least=TOO_MUCH, ballast=Ballast(tmp_path / "ballast", least=TOO_MUCH))
    asyncio.run(room.look())
    assert list(tmp_path.iterdir()) == []


def test_the_ballast_stays_as_long_as_there_is_room(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "ballast", least=MIB)
    ballast.restore()
    assert not ballast.give_way()
    assert (tmp_path / "ballast").stat().st_size == MIB


async def test_a_disk_is_asked_in_a_thread(tmp_path: Path) -> None:
    asked: list[threading.Thread] = []

    class Noting(Ballast):
        def restore(self) -> None:
            asked.append(threading.current_thread())

    await DiskRoom([tmp_path], least=0, ballast=Noting(tmp_path / "ballast")).check(0)
    assert threading.main_thread() not in asked and asked


async def test_of_a_crowd_one_asks_the_disk_again(tmp_path: Path) -> None:
    asked: list[None] = []

    class Counting(Ballast):
        def restore(self) -> None:
            asked.append(None)

    room = DiskRoom([tmp_path], least=0, ballast=Counting(tmp_path / "ballast"), fresh_seconds=0.05)
    await room.check(0)
    await asyncio.sleep(0.06)
    await asyncio.gather(*(room.check(1) for _ in range(50)))
    assert len(asked) == 2
