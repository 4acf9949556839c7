"""Contract of ports/file_repository.py, on every database."""

import pytest

from domain.access import Principal
from domain.errors import FileNotFound
from domain.file import File
from tests.support.builders import ADMIN, ALICE, BOB, a_file
from tests.support.stores import Process


async def add(process: Process, *files: File) -> None:
    async with process.unit_of_work() as work:
        for file in files:
            await work.files.add(file)
        await work.commit()


async def get(process: Process, file: File, principal: Principal) -> File:
    async with process.unit_of_work() as work:
        return await work.files.get(file.id, principal)


@pytest.mark.parametrize("crc64", [None, 0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
async def test_a_file_comes_back_as_it_was_added(process: Process, crc64: int | None) -> None:
    file = a_file(owner=ALICE, name="Ürlaub \U0001f3d6 'x' \"y\".mov", size=5 * 1024**4, crc64=crc64)
    await add(process, file)
    assert await get(process, file, ALICE) == file


async def test_adding_a_file_twice_keeps_the_first(process: Process) -> None:
    first = a_file(owner=ALICE)
    await add(process, first)
    await add(process, a_file(id=first.id, owner=BOB, name="other"))
    assert await get(process, first, ALICE) == first


async def test_another_owners_file_looks_like_none(process: Process) -> None:
    file = a_file(owner=ALICE)
    await add(process, file)
    with pytest.raises(FileNotFound) as theirs:
        await get(process, file, BOB)
    with pytest.raises(FileNotFound) as unknown:
        await get(process, a_file(), BOB)
    assert theirs.value.detail == unknown.value.detail


async def test_an_administrator_sees_every_file(process: Process) -> None:
    file = a_file(owner=ALICE)
    await add(process, file)
    assert await get(process, file, ADMIN) == file


async def test_a_deleted_file_is_gone_and_deleting_again_does_nothing(process: Process) -> None:
    file, other = a_file(owner=ALICE), a_file(owner=ALICE)
    await add(process, file, other)
    for _ in range(2):
        async with process.unit_of_work() as work:
            await work.files.delete(file.id)
            await work.commit()
    with pytest.raises(FileNotFound):
        await get(process, file, ALICE)
    assert await get(process, other, ALICE) == other
