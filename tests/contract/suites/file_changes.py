"""What every file repository promises of changes, of the bin, and of the end (ports/file_repository.py)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.access import Visibility
from domain.errors import FileNotFound
from domain.file import File
from domain.file_list import FileOrder, FileSelection
from domain.ids import UploadId
from domain.upload_state import UploadState
from tests.contract.suites.file_repository import SHA256, add, find_same, get
from tests.contract.suites.stores import Process, Store, StoreSuite, added, kept
from tests.support.builders import ALICE, NOW, a_file, an_id, an_upload

SOON = NOW + timedelta(minutes=1)


async def saved(process: Process, file: File, was: File) -> bool:
    async with process.unit_of_work() as work:
        is_saved = await work.files.save(file, was=was)
        await work.commit()
    return is_saved


async def binned(process: Process, file: File) -> bool:
    async with process.unit_of_work() as work:
        is_binned = await work.files.bin(file.id, SOON)
        await work.commit()
    return is_binned


class FileChangeSuite(StoreSuite):
    async def test_what_an_owner_may_change_is_kept_and_nothing_else(self, process: Process) -> None:
        file = a_file(owner=ALICE, path="d/a.txt", sha256=SHA256, credential={"k": "v"})
        await add(process, file)
        wanted = replace(file, name="Über.txt", path="d/Über.txt", visibility=Visibility.PUBLIC, expires_at=SOON)
        assert await saved(process, replace(wanted, size=7, sha256=None), file)
        assert await get(process, file, ALICE) == wanted
        async with process.unit_of_work() as work:
            selection = FileSelection(ALICE.owner, name="über")
            assert list((await work.files.list(selection, FileOrder.NEWEST, after=None, now=NOW, limit=1)).files)

    async def test_a_change_of_what_was_changed_meanwhile_changes_nothing(self, process: Process) -> None:
        file = a_file(owner=ALICE)
        await add(process, file)
        for change in ({"name": "b"}, {"path": "d/b"}, {"visibility": Visibility.PUBLIC}, {"expires_at": SOON}):
            was = replace(file, **change)
            assert not await saved(process, replace(file, name="c"), was)
        assert await saved(process, file, file)
        await binned(process, file)
        assert not await saved(process, replace(file, name="c"), file)
        assert not await saved(process, a_file(), a_file())
        assert (await get(process, file, ALICE)).name == file.name

    async def test_of_those_who_change_it_side_by_side_one_does(self, store: Store) -> None:
        processes = [store.process() for _ in range(3)]
        file = a_file(owner=ALICE)
        await add(processes[0], file)
        changes = (saved(one, replace(file, name=f"{n}"), file) for n, one in enumerate(processes))
        assert sorted(await asyncio.gather(*changes)) == [False, False, True]

    async def test_a_file_in_the_bin_is_kept_until_it_is_restored_or_ended(self, process: Process) -> None:
        file = a_file(owner=ALICE, sha256=SHA256)
        await add(process, file)
        assert await binned(process, file)
        assert not await binned(process, file)
        assert await get(process, file, ALICE) == replace(file, restorable_until=SOON)
        assert await find_same(process, ALICE) is None
        async with process.unit_of_work() as work:
            assert (await work.uploads.usage(ALICE.owner)).files == 1
            assert not await work.files.restore(file.id, SOON), "too late"
            assert await work.files.restore(file.id, SOON - timedelta(microseconds=1))
            assert not await work.files.restore(file.id, NOW), "it is there"
            assert not await work.files.restore(a_file().id, NOW)
            await work.commit()
        assert await get(process, file, ALICE) == file
        assert await find_same(process, ALICE) == file

    async def test_what_is_over_is_listed_and_what_is_not_is_not(self, process: Process) -> None:
        lasting, over = a_file(owner=ALICE, expires_at=SOON), a_file(owner=ALICE, expires_at=NOW)
        deleted, gone = a_file(restorable_until=SOON), a_file(restorable_until=NOW)
        both = a_file(expires_at=NOW, restorable_until=NOW)
        await add(process, a_file(), lasting, over, deleted, gone, both)
        async with process.unit_of_work() as work:
            ended = await work.files.list_ended(NOW, limit=10)
            assert sorted(file.id for file in ended) == sorted(file.id for file in (over, gone, both))
            assert len(await work.files.list_ended(NOW, limit=2)) == 2
            for file, is_ended in ((lasting, False), (over, True), (deleted, False), (gone, True), (a_file(), False)):
                assert await work.files.is_ended(file.id, NOW) is is_ended

    async def test_restored_or_ended_but_not_both(self, store: Store) -> None:
        restorer, ender = store.process(), store.process()
        for _ in range(5):
            file = a_file(owner=ALICE, restorable_until=SOON)
            await add(restorer, file)

            async def restore(file: File = file) -> bool:
                async with restorer.unit_of_work() as work:
                    is_restored = await work.files.restore(file.id, NOW)
                    await work.commit()
                return is_restored

            async def end(file: File = file) -> bool:
                async with ender.unit_of_work() as work:
                    is_ended = await work.files.is_ended(file.id, SOON)
                    if is_ended:
                        await work.files.delete(file.id)
                    await work.commit()
                return is_ended

            assert sorted(await asyncio.gather(restore(), end())) == [False, True]

    async def test_an_upload_becomes_what_its_file_does(self, process: Process) -> None:
        upload = await added(process, an_upload(owner=ALICE, state=UploadState.COMPLETED))
        later = NOW + timedelta(hours=1)
        for state in (UploadState.ABORTED, UploadState.COMPLETED, UploadState.EXPIRED):
            async with process.unit_of_work() as work:
                await work.uploads.follow_file(upload.id, state, later)
                await work.uploads.follow_file(UploadId(an_id()), state, later)
                await work.commit()
            there = await kept(process, upload.id, ALICE)
            assert (there.state, there.updated_at) == (state, later)
        async with process.unit_of_work() as work:
            with pytest.raises(FileNotFound):
                await work.files.find(a_file().id)
            assert (await work.uploads.usage(ALICE.owner)).open_uploads == 0
