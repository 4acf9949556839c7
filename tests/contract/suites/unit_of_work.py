"""What every unit of work promises (ports/unit_of_work.py)."""

import asyncio

import pytest

from domain.access import ANYBODY
from domain.errors import FileNotFound, UploadNotFound
from domain.events import EventType
from domain.ids import BlobKey
from domain.upload import Upload
from tests.contract.suites.stores import Process, Store, StoreSuite, added, kept
from tests.support.builders import NOW, RememberingNotifier, a_file, an_event, an_upload, extent


class UnitOfWorkSuite(StoreSuite):
    async def test_nothing_is_kept_without_a_commit(self, process: Process) -> None:
        upload, file = an_upload(), a_file()
        async with process.unit_of_work() as work:
            await work.uploads.add(upload)
            await work.files.add(file)
        async with process.unit_of_work() as work:
            with pytest.raises(UploadNotFound):
                await work.uploads.get(upload.id, ANYBODY)
            with pytest.raises(FileNotFound):
                await work.files.get(file.id, ANYBODY)

    async def test_an_error_undoes_everything(self, process: Process) -> None:
        upload = an_upload()

        async def fail() -> None:
            async with process.unit_of_work() as work:
                await work.uploads.add(upload)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        with pytest.raises(UploadNotFound):
            await kept(process, upload.id)

    async def test_a_unit_of_work_sees_its_own_changes_and_others_see_them_at_the_commit(self, store: Store) -> None:
        ours, theirs = store.process(), store.process()
        upload = an_upload()
        async with ours.unit_of_work() as work:
            await work.uploads.add(upload)
            assert (await work.uploads.get(upload.id, ANYBODY)).id == upload.id
            with pytest.raises(UploadNotFound):
                await kept(theirs, upload.id)
            await work.commit()
            assert (await kept(theirs, upload.id)).id == upload.id

    async def test_upload_and_file_change_together(self, store: Store) -> None:
        process = store.process()
        upload = await added(process, an_upload(length=10, received=(extent(0, 10, 5),)))
        upload.assemble()
        async with process.unit_of_work() as work:
            await work.files.add(upload.complete(blob_key=BlobKey("b"), now=NOW))
            await work.uploads.save(upload)
            await work.commit()
        async with process.unit_of_work() as work:
            file = await work.files.get(a_file(id=upload.id).id, ANYBODY)
            assert (file.size, file.crc64) == (10, 5)

    async def test_announced_events_reach_the_notifier_after_the_commit_in_order(self, store: Store) -> None:
        notifier = RememberingNotifier()
        process = store.process(notifier)
        upload = an_upload()
        events = [an_event(upload, EventType.CREATED), an_event(upload, EventType.ABORTED)]
        async with process.unit_of_work() as work:
            await work.uploads.add(upload)
            for event in events:
                work.announce(event)
            assert notifier.events == []
            await work.commit()
        assert notifier.events == events

    async def test_events_of_an_undone_change_reach_nobody(self, store: Store) -> None:
        notifier = RememberingNotifier()
        process = store.process(notifier)
        async with process.unit_of_work() as work:
            upload = an_upload()
            await work.uploads.add(upload)
            work.announce(an_event(upload))
        await added(process)
        assert notifier.events == []

    async def test_an_event_without_a_change_is_announced_too(self, store: Store) -> None:
        notifier = RememberingNotifier()
        process = store.process(notifier)
        event = an_event(an_upload())
        async with process.unit_of_work() as work:
            work.announce(event)
            await work.commit()
        assert notifier.events == [event]

    async def test_work_can_go_on_after_a_commit(self, process: Process) -> None:
        first, second = an_upload(), an_upload()
        async with process.unit_of_work() as work:
            await work.uploads.add(first)
            await work.commit()
            await work.uploads.add(second)
        assert (await kept(process, first.id)).id == first.id
        with pytest.raises(UploadNotFound):
            await kept(process, second.id)

    async def test_many_tasks_write_at_once(self, store: Store) -> None:
        processes = [store.process(), store.process()]
        uploads = [an_upload() for _ in range(40)]
        await asyncio.gather(*(added(processes[n % 2], upload) for n, upload in enumerate(uploads)))
        for upload in uploads:
            assert (await kept(processes[0], upload.id)).id == upload.id

    async def test_units_that_fail_harm_none_of_those_committed_beside_them(self, store: Store) -> None:
        process = store.process()
        uploads, unknown = [an_upload() for _ in range(20)], an_upload()

        async def add(upload: Upload, *, also: Upload | None) -> None:
            async with process.unit_of_work() as work:
                await work.uploads.add(upload)
                if also:
                    await work.uploads.save(also)
                await work.commit()

        adding = [add(upload, also=unknown if n % 3 == 0 else None) for n, upload in enumerate(uploads)]
        answers = await asyncio.gather(*adding, return_exceptions=True)
        expected = [UploadNotFound if n % 3 == 0 else type(None) for n in range(20)]
        assert [type(answer) for answer in answers] == expected
        for upload, answer in zip(uploads, expected, strict=True):
            if answer is UploadNotFound:
                with pytest.raises(UploadNotFound):
                    await kept(process, upload.id)
            else:
                assert (await kept(process, upload.id)).id == upload.id

    async def test_a_unit_of_work_that_was_cancelled_at_its_commit_is_kept_whole_or_not_at_all(
        self, store: Store
    ) -> None:
        process = store.process()
        uploads = [an_upload(received=(extent(0, 10),)) for _ in range(100)]
        tasks = [asyncio.create_task(added(process, upload)) for upload in uploads]
        await asyncio.sleep(0.002)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for n, upload in enumerate(uploads):
            try:
                assert (await kept(process, upload.id)).offset == 10
            except UploadNotFound:
                assert n % 2 == 0

    async def test_a_cancelled_unit_of_work_leaves_nothing_and_blocks_nobody(self, process: Process) -> None:
        upload = an_upload()
        written = asyncio.Event()

        async def hang() -> None:
            async with process.unit_of_work() as work:
                await work.uploads.add(upload)
                written.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(hang())
        await written.wait()
        task.cancel()
        await asyncio.wait({task})
        async with asyncio.timeout(5):
            other = await added(process)
        assert (await kept(process, other.id)).id == other.id
        with pytest.raises(UploadNotFound):
            await kept(process, upload.id)
