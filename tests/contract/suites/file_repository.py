"""What every file repository promises (ports/file_repository.py)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.access import Principal, Visibility
from domain.errors import FileNotFound
from domain.file import File
from domain.ids import BlobKey
from tests.contract.suites.stores import Process, Store, StoreSuite
from tests.support.builders import ADMIN, ALICE, BOB, NOW, a_file

SHA256 = bytes(range(32))


async def add(process: Process, *files: File) -> None:
    async with process.unit_of_work() as work:
        for file in files:
            await work.files.add(file)
        await work.commit()


async def get(process: Process, file: File, principal: Principal) -> File:
    async with process.unit_of_work() as work:
        return await work.files.get(file.id, principal)


async def find_same(process: Process, who: Principal, size: int | None = None, sha256: bytes = SHA256) -> File | None:
    async with process.unit_of_work() as work:
        return await work.files.find_same(who.owner, sha256, size)


async def undigested(process: Process, after: File | None = None, limit: int = 10) -> list[File]:
    start = (after.created_at, after.id) if after else None
    async with process.unit_of_work() as work:
        return list(await work.files.list_undigested(after=start, limit=limit))


async def delete(process: Process, file: File) -> BlobKey | None:
    async with process.unit_of_work() as work:
        key = await work.files.delete(file.id)
        await work.commit()
    return key


class FileRepositorySuite(StoreSuite):
    @pytest.mark.parametrize("crc64", [None, 0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
    async def test_a_file_comes_back_as_it_was_added(self, process: Process, crc64: int | None) -> None:
        file = a_file(owner=ALICE, name="Ürlaub \U0001f3d6 'x' \"y\".mov", size=5 * 1024**4, crc64=crc64)
        await add(process, file)
        assert await get(process, file, ALICE) == file

    async def test_adding_a_file_twice_keeps_the_first(self, process: Process) -> None:
        first = a_file(owner=ALICE)
        await add(process, first)
        await add(process, a_file(id=first.id, owner=BOB, name="other"))
        assert await get(process, first, ALICE) == first

    async def test_another_owners_file_looks_like_none(self, process: Process) -> None:
        file = a_file(owner=ALICE)
        await add(process, file)
        with pytest.raises(FileNotFound) as theirs:
            await get(process, file, BOB)
        with pytest.raises(FileNotFound) as unknown:
            await get(process, a_file(), BOB)
        assert theirs.value.detail == unknown.value.detail

    async def test_an_administrator_sees_every_file(self, process: Process) -> None:
        file = a_file(owner=ALICE)
        await add(process, file)
        assert await get(process, file, ADMIN) == file

    async def test_a_deleted_file_is_gone_and_deleting_again_does_nothing(self, process: Process) -> None:
        file, other = a_file(owner=ALICE), a_file(owner=ALICE)
        await add(process, file, other)
        for _ in range(2):
            async with process.unit_of_work() as work:
                await work.files.delete(file.id)
                await work.commit()
        with pytest.raises(FileNotFound):
            await get(process, file, ALICE)
        assert await get(process, other, ALICE) == other

    async def test_who_may_open_a_file_and_what_is_told_with_it_come_back(self, process: Process) -> None:
        odd = {"k": "v", "Ü\0": "'\"\n\ud800", "": ""}
        file = a_file(owner=ALICE, credential=odd, detail=dict(reversed(odd.items())), sha256=SHA256)
        open_to_all = a_file(owner=ALICE, visibility=Visibility.PUBLIC, detail={})
        await add(process, file, open_to_all)
        kept = await get(process, file, ALICE)
        assert kept == file
        assert kept.detail is not None and list(kept.detail) == ["", "Ü\0", "k"], "in the order given"
        assert await get(process, open_to_all, ALICE) == open_to_all

    async def test_a_file_is_found_whoever_asks(self, process: Process) -> None:
        file = a_file(owner=ALICE)
        await add(process, file)
        async with process.unit_of_work() as work:
            assert await work.files.find(file.id) == file
            with pytest.raises(FileNotFound):
                await work.files.find(a_file().id)

    async def test_the_owners_file_with_the_same_bytes_is_found(self, process: Process) -> None:
        file, later = (
            a_file(owner=ALICE, sha256=SHA256),
            a_file(owner=ALICE, sha256=SHA256, created_at=NOW + timedelta(1)),
        )
        await add(process, later, file, a_file(owner=ALICE), a_file(owner=ALICE, sha256=bytes(32)))
        assert await find_same(process, ALICE) == file
        assert await find_same(process, ALICE, 1000) == file
        assert await find_same(process, ALICE, 999) is None
        assert await find_same(process, ALICE, sha256=bytes(31) + b"1") is None

    async def test_nobody_elses_file_is_found_for_its_bytes(self, process: Process) -> None:
        await add(process, a_file(owner=ALICE, sha256=SHA256))
        assert await find_same(process, BOB) is None
        assert await find_same(process, ADMIN) is None

    async def test_a_file_without_a_credential_is_found_first(self, process: Process) -> None:
        guarded, free = (
            a_file(credential={"k": "v"}, sha256=SHA256),
            a_file(sha256=SHA256, created_at=NOW + timedelta(1)),
        )
        await add(process, guarded, free)
        async with process.unit_of_work() as work:
            assert await work.files.find_same(free.owner, SHA256, None) == free
            await work.files.delete(free.id)
            assert await work.files.find_same(free.owner, SHA256, None) == guarded

    async def test_files_without_a_sha256_are_listed_oldest_first(self, process: Process) -> None:
        files = [a_file(created_at=NOW + timedelta(seconds=number // 2)) for number in range(6)]
        wanted = sorted(files, key=lambda file: (file.created_at, file.id))
        await add(process, *reversed(files), a_file(sha256=SHA256))
        assert await undigested(process) == wanted
        assert await undigested(process, limit=2) == wanted[:2]
        assert await undigested(process, after=wanted[2]) == wanted[3:]

    async def test_a_digest_is_noted_once(self, process: Process) -> None:
        file, known, gone = a_file(owner=ALICE), a_file(owner=ALICE, sha256=bytes(32)), a_file(owner=ALICE)
        await add(process, file, known)
        async with process.unit_of_work() as work:
            await work.files.save_digests(dict.fromkeys((file.id, known.id, gone.id), SHA256))
            await work.files.save_digests({})
            await work.commit()
        assert await get(process, file, ALICE) == replace(file, sha256=SHA256)
        assert await get(process, known, ALICE) == known
        assert await undigested(process) == []

    async def test_a_crc32_is_noted_once_beside_the_digest(self, process: Process) -> None:
        file, known, gone = a_file(owner=ALICE), a_file(owner=ALICE, crc32=0), a_file(owner=ALICE)
        await add(process, file, known)
        async with process.unit_of_work() as work:
            await work.files.save_digests({file.id: SHA256})
            await work.files.save_crc32s(dict.fromkeys((file.id, known.id, gone.id), 0xFFFF_FFFF))
            await work.files.save_crc32s({})
            await work.commit()
        assert await get(process, file, ALICE) == replace(file, sha256=SHA256, crc32=0xFFFF_FFFF)
        assert await get(process, known, ALICE) == known

    async def test_of_many_those_are_found_that_are_there(self, process: Process) -> None:
        files = [a_file(owner=owner) for owner in (ALICE, BOB)]
        await add(process, *files, a_file())
        async with process.unit_of_work() as work:
            found = await work.files.find_many([*(file.id for file in files), *(a_file().id for _ in range(498))])
            assert found == {file.id: file for file in files}
            assert await work.files.find_many([]) == {}

    async def test_the_bytes_go_with_the_last_file_that_has_them(self, process: Process) -> None:
        first = a_file(owner=ALICE)
        second, third = (a_file(owner=ALICE, blob_key=first.blob_key) for _ in range(2))
        await add(process, first, second, third)
        assert [await delete(process, file) for file in (first, third)] == [None, None]
        assert await delete(process, first) is None
        assert await get(process, second, ALICE) == second
        assert await delete(process, second) == first.blob_key

    async def test_of_sharing_files_deleted_side_by_side_one_takes_the_bytes(self, store: Store) -> None:
        processes = [store.process() for _ in range(4)]
        for _ in range(5):
            first = a_file(owner=ALICE)
            files = [first, *(a_file(owner=ALICE, blob_key=first.blob_key) for _ in range(3))]
            await add(processes[0], *files)
            keys = await asyncio.gather(*map(delete, processes, files))
            assert sorted(map(str, keys)) == sorted([first.blob_key, "None", "None", "None"])

    async def test_a_file_found_for_its_bytes_keeps_them_till_the_commit(self, store: Store) -> None:
        finder, deleter = store.process(), store.process()
        file = a_file(owner=ALICE, sha256=SHA256)
        await add(finder, file)
        async with finder.unit_of_work() as work:
            copy = a_file(owner=ALICE, blob_key=file.blob_key)
            await work.files.add(copy)
            assert await work.files.find_same(ALICE.owner, SHA256, None) == file
            if not store.keeps_others_out:
                await work.commit()  # in memory nothing comes between: a commit is a step of its own
            deleting = asyncio.create_task(delete(deleter, file))
            await asyncio.sleep(0.1)
            await work.commit()
        assert await deleting is None, "the copy has the bytes now"
        assert await delete(finder, copy) == file.blob_key
