"""What every upload repository promises to those who tidy up (ports/upload_repository.py)."""

import asyncio
from datetime import datetime, timedelta

import pytest

from domain.errors import UploadNotFound
from domain.ids import UploadId
from domain.upload import Upload
from domain.upload_state import OPEN_STATES, UploadKind, UploadState
from tests.contract.suites.stores import Process, Store, StoreSuite, added, kept
from tests.support.builders import NOW, an_id, an_upload, extent

HOUR = timedelta(hours=1)


async def forget(process: Process, *, before: datetime, limit: int = 100) -> int:
    async with process.unit_of_work() as work:
        count = await work.uploads.forget_ended(before=before, limit=limit)
        await work.commit()
    return count


async def is_known(process: Process, upload: Upload) -> bool:
    try:
        await kept(process, upload.id)
    except UploadNotFound:
        return False
    return True


class UploadUpkeepSuite(StoreSuite):
    async def test_expired_uploads_are_listed_oldest_first(self, process: Process) -> None:
        offsets = (3, 1, 2, -1, 0)
        uploads = {
            n: await added(process, an_upload(expires_at=NOW - n * HOUR, created_at=NOW - 9 * HOUR)) for n in offsets
        }
        await added(process, an_upload(expires_at=NOW - HOUR, state=UploadState.COMPLETED))
        async with process.unit_of_work() as work:
            listed = [upload.id for upload in await work.uploads.list_expired(NOW, limit=10)]
            assert listed == [uploads[n].id for n in (3, 2, 1, 0)]
            assert [upload.id for upload in await work.uploads.list_expired(NOW, limit=1)] == listed[:1]

    async def test_what_left_no_file_is_forgotten_and_nothing_else(self, process: Process) -> None:
        uploads = [
            await added(process, an_upload(state=state, kind=kind, received=(extent(0, 5),)))
            for state in UploadState
            for kind in UploadKind
        ]
        over = [upload for upload in uploads if upload.state in (UploadState.ABORTED, UploadState.EXPIRED)]
        over += [
            upload for upload in uploads if (upload.state, upload.kind) == (UploadState.COMPLETED, UploadKind.PARTIAL)
        ]
        assert await forget(process, before=NOW + HOUR) == len(over) == 7
        assert [upload for upload in uploads if not await is_known(process, upload)] == [
            upload for upload in uploads if upload in over
        ]
        again = await added(process, an_upload(id=over[0].id))
        assert (await kept(process, again.id)).offset == 0

    async def test_what_has_just_ended_is_remembered(self, process: Process) -> None:
        hours = {
            n: await added(process, an_upload(state=UploadState.ABORTED, updated_at=NOW + n * HOUR)) for n in (1, 2)
        }
        assert await forget(process, before=NOW + HOUR) == 0
        assert await forget(process, before=NOW + 2 * HOUR) == 1
        assert not await is_known(process, hours[1]) and await is_known(process, hours[2])

    async def test_no_more_is_forgotten_at_once_than_was_asked_for(self, process: Process) -> None:
        for _ in range(5):
            await added(process, an_upload(state=UploadState.EXPIRED))
        assert [await forget(process, before=NOW + HOUR, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    async def test_two_processes_may_forget_the_same(self, store: Store) -> None:
        processes = [store.process() for _ in range(3)]
        for _ in range(40):
            await added(processes[0], an_upload(state=UploadState.EXPIRED))
        counts = await asyncio.gather(*(forget(process, before=NOW + HOUR) for process in processes))
        assert sum(counts) == 40

    async def test_whole_uploads_that_a_crash_left_unfinished_are_listed(self, process: Process) -> None:
        whole = (extent(0, 400), extent(400, 1000))
        left = {
            (await added(process, upload)).id
            for upload in (
                an_upload(received=whole, state=UploadState.ASSEMBLING),
                an_upload(received=whole, state=UploadState.RECEIVING),
                an_upload(received=whole, state=UploadState.FAILED),
                an_upload(length=0),
                an_upload(received=whole, state=UploadState.ASSEMBLING, kind=UploadKind.FINAL),
                an_upload(received=whole, state=UploadState.ASSEMBLING, completes_on_request=True),
            )
        }
        for upload in (
            an_upload(received=whole, state=UploadState.COMPLETED),
            an_upload(received=whole, state=UploadState.ABORTED),
            an_upload(received=whole, state=UploadState.ASSEMBLING, kind=UploadKind.PARTIAL),
            an_upload(received=(extent(0, 600), extent(500, 900)), state=UploadState.RECEIVING),
            an_upload(received=whole, length=None, state=UploadState.RECEIVING),
            an_upload(received=whole, state=UploadState.RECEIVING, completes_on_request=True),
            an_upload(),
        ):
            await added(process, upload)
        async with process.unit_of_work() as work:
            found, end = await work.uploads.list_assembling(after=None, limit=100)
            assert ({upload.id for upload in found}, end) == (left, None)
            few, end = await work.uploads.list_assembling(after=None, limit=2)
            met = {upload.id for upload in few}
            while end is not None:
                few, end = await work.uploads.list_assembling(after=end, limit=2)
                met |= {upload.id for upload in few}
                assert len(few) <= 2
            assert met == left

    @pytest.mark.parametrize("state", UploadState)
    async def test_only_an_unfinished_upload_owns_staged_bytes(self, process: Process, state: UploadState) -> None:
        upload = await added(process, an_upload(state=state))
        async with process.unit_of_work() as work:
            open_ = {upload.id} if state in OPEN_STATES else set()
            assert await work.uploads.open_among([upload.id, UploadId(an_id())]) == open_
            assert await work.uploads.is_known(upload.id) and not await work.uploads.is_known(UploadId(an_id()))
