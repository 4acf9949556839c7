"""What every list of blob deletions promises (ports/blob_deletions.py)."""

import asyncio
from datetime import datetime, timedelta

import pytest

from domain.errors import FileNotFound, StorageUnavailable
from domain.file import File
from domain.ids import BlobKey
from tests.contract.suites.stores import Process, Store, StoreSuite
from tests.support.builders import ALICE, NOW, a_file, an_id, an_upload

SHA256 = bytes(range(32))
LATER = NOW + timedelta(hours=1)


def keys(count: int) -> list[BlobKey]:
    return sorted(BlobKey(an_id()) for _ in range(count))


async def note(process: Process, *noted: BlobKey, now: datetime = NOW) -> None:
    async with process.unit_of_work() as work:
        for key in noted:
            await work.blob_deletions.add(key, now)
        await work.commit()


async def left(
    process: Process, *, before: datetime = LATER, after: BlobKey | None = None, limit: int = 100
) -> list[BlobKey]:
    async with process.unit_of_work() as work:
        return list(await work.blob_deletions.list_left(before=before, after=after, limit=limit))


async def remove(process: Process, key: BlobKey) -> bool:
    async with process.unit_of_work() as work:
        was_noted = await work.blob_deletions.remove(key)
        await work.commit()
    return was_noted


async def _keep(process: Process, file: File) -> None:
    async with process.unit_of_work() as work:
        await work.files.add(file)
        await work.blob_deletions.withdraw(file.blob_key)
        await work.commit()


class BlobDeletionsSuite(StoreSuite):
    async def test_what_was_noted_is_listed_by_key_until_it_is_removed(self, process: Process) -> None:
        noted = keys(5)
        await note(process, *reversed(noted))
        assert await left(process) == noted
        assert await left(process, limit=2) == noted[:2]
        assert await left(process, after=noted[1], limit=2) == noted[2:4]
        assert await remove(process, noted[0])
        assert not await remove(process, noted[0])
        assert not await remove(process, BlobKey(an_id()))
        assert await left(process) == noted[1:]

    async def test_only_what_was_noted_before_is_listed(self, process: Process) -> None:
        early, late = BlobKey(an_id()), BlobKey(an_id())
        await note(process, early)
        await note(process, late, now=NOW + timedelta(microseconds=1))
        assert await left(process, before=NOW) == []
        assert await left(process, before=NOW + timedelta(microseconds=1)) == [early]

    async def test_noted_again_the_first_time_stands(self, process: Process) -> None:
        key = BlobKey(an_id())
        await note(process, key)
        await note(process, key, key, now=LATER)
        assert await left(process, before=LATER) == [key]
        assert await remove(process, key)
        assert await left(process) == []

    async def test_what_a_file_has_is_never_listed(self, process: Process) -> None:
        file = a_file()
        await note(process, file.blob_key)
        async with process.unit_of_work() as work:
            await work.files.add(file)
            await work.commit()
        assert await left(process) == []
        async with process.unit_of_work() as work:
            await work.files.delete(file.id)
            await work.commit()
        assert await left(process) == [file.blob_key]

    async def test_a_note_stands_and_falls_with_the_change_it_belongs_to(self, process: Process) -> None:
        file = a_file()
        async with process.unit_of_work() as work:
            await work.files.add(file)
            await work.commit()
        async with process.unit_of_work() as work:
            await work.files.delete(file.id)
            await work.blob_deletions.add(file.blob_key, NOW)
            assert await work.blob_deletions.list_left(before=LATER, after=None, limit=1) == [file.blob_key]
        assert await left(process) == []
        async with process.unit_of_work() as work:
            assert await work.files.find(file.id) == file

    async def test_a_note_is_withdrawn_with_the_change_that_refers_to_the_blob(self, process: Process) -> None:
        kept, other = keys(2)
        await note(process, kept, other)
        async with process.unit_of_work() as work:
            await work.blob_deletions.withdraw(kept)
        assert await left(process) == sorted([kept, other])
        async with process.unit_of_work() as work:
            await work.blob_deletions.withdraw(kept)
            await work.files.add(a_file(blob_key=kept))
            await work.commit()
        assert await left(process) == [other]
        assert not await remove(process, kept)

    async def test_of_a_blob_that_was_deleted_meanwhile_no_note_can_be_withdrawn(self, process: Process) -> None:
        [key] = keys(1)
        await note(process, key)
        await remove(process, key)
        file = a_file(blob_key=key)
        with pytest.raises(StorageUnavailable):
            await _keep(process, file)
        async with process.unit_of_work() as work:
            with pytest.raises(FileNotFound):
                await work.files.find(file.id)

    async def test_what_was_withdrawn_can_be_noted_again(self, process: Process) -> None:
        [key] = keys(1)
        await note(process, key)
        async with process.unit_of_work() as work:
            await work.blob_deletions.withdraw(key)
            await work.blob_deletions.add(key, LATER)
            await work.commit()
        assert await left(process, before=LATER) == []
        assert await left(process, before=LATER + timedelta(seconds=1)) == [key]

    async def test_two_processes_note_and_remove_the_same_side_by_side(self, store: Store) -> None:
        one, two = store.process(), store.process()
        for key in keys(10):
            await asyncio.gather(note(one, key), note(two, key))
            assert await left(one) == [key]
            assert sorted(await asyncio.gather(remove(one, key), remove(two, key))) == [False, True]

    async def test_bytes_are_noted_if_and_only_if_no_file_has_them_however_many_come_and_go(self, store: Store) -> None:
        """Duplicates are made while the files they are found by are deleted."""
        processes = [store.process() for _ in range(4)]

        async def make(process: Process, copy: File) -> None:
            async with process.unit_of_work() as work:
                known = await work.files.find_same(ALICE.owner, SHA256, None)
            if known is None:
                return
            async with process.unit_of_work() as work:
                await work.uploads.add(an_upload(id=copy.id))
                if await work.files.find_same(ALICE.owner, SHA256, None) != known:
                    return
                await work.files.add(copy)
                await work.commit()

        async def delete(process: Process, file: File) -> None:
            async with process.unit_of_work() as work:
                key = await work.files.delete(file.id)
                if key is not None:
                    await work.blob_deletions.add(key, NOW)
                await work.commit()

        for _ in range(20):
            first = a_file(owner=ALICE, sha256=SHA256)
            async with processes[0].unit_of_work() as work:
                await work.files.add(first)
                await work.commit()
            copies = [a_file(owner=ALICE, sha256=SHA256, blob_key=first.blob_key) for _ in range(3)]
            await asyncio.gather(
                delete(processes[0], first),
                *(make(process, copy) for process, copy in zip(processes[1:], copies, strict=True)),
            )
            async with processes[0].unit_of_work() as work:
                is_kept = await work.files.find_same(ALICE.owner, SHA256, None) is not None
            assert await remove(processes[0], first.blob_key) is not is_kept
            await asyncio.gather(*map(delete, processes[1:], copies))
            assert await remove(processes[0], first.blob_key) is is_kept
