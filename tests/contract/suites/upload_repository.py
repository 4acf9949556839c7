"""What every upload repository promises (ports/upload_repository.py)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.access import Principal
from domain.byte_range import ByteRange
from domain.errors import FileNotFound, TooManyOpenUploads, UploadNotFound, UploadTakenOver
from domain.events import EventType
from domain.file import File
from domain.ids import BlobKey, OwnerId, UploadId, file_id_of
from domain.metadata import Metadata
from domain.upload import Upload
from domain.upload_policy import UploadPolicy, Usage
from domain.upload_state import OPEN_STATES, UploadKind, UploadState
from ports.upload_repository import UploadRepository
from tests.contract.suites.stores import Process, Store, StoreSuite, added, kept
from tests.support.builders import ADMIN, ALICE, BOB, NOW, a_file, an_id, an_upload, counted, extent, told

HOUR = timedelta(hours=1)


async def file_of(process: Process, upload: Upload) -> File:
    async with process.unit_of_work() as work:
        return await work.files.get(file_id_of(upload.id), ADMIN)


async def save(process: Process, upload: Upload) -> None:
    async with process.unit_of_work() as work:
        await work.uploads.save(upload)
        await work.commit()


KEYS = st.text(st.characters(codec="ascii", exclude_characters=" ,"), min_size=1, max_size=20)
PAIRS = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=50)), unique_by=lambda pair: pair[0], max_size=8)


async def received_out_of_order(process: Process) -> Upload:
    """Three ranges, written down one by one."""
    upload = await added(process, an_upload(length=30))
    async with process.lock.hold(upload.id, on_wanted=lambda: None) as lease:
        for number, start in enumerate((0, 20, 10)):
            for receipt in counted(upload, extent(start, start + 10, number), in_order=False):
                await process.ledger.record(receipt, lease)
    return upload


Seen = Callable[[UploadRepository, Upload, Principal], Awaitable[bool]]


async def _get(uploads: UploadRepository, upload: Upload, principal: Principal) -> bool:
    try:
        return (await uploads.get(upload.id, principal)).id == upload.id
    except UploadNotFound:
        return False


async def _find_watched(uploads: UploadRepository, upload: Upload, principal: Principal) -> bool:
    return bool(await uploads.find_watched([(upload.watch_id, principal)]))


async def _list_open(uploads: UploadRepository, upload: Upload, principal: Principal) -> bool:
    return bool(await uploads.list_open(principal, limit=10))


async def usage_of_alice(process: Process) -> Usage:
    async with process.unit_of_work() as work:
        return await work.uploads.usage(ALICE.owner)


async def _usage(uploads: UploadRepository, upload: Upload, principal: Principal) -> bool:
    return await uploads.usage(principal.owner) != Usage(0, 0, 0)


class UploadRepositorySuite(StoreSuite):
    async def test_an_upload_comes_back_as_it_was_added(self, process: Process) -> None:
        upload = an_upload(
            owner=ALICE,
            length=50 * 1024**3,
            metadata=Metadata(
                (("filename", "Ü\U0001f3d6.mov".encode()), ("bare", None), ("raw", b"\0\xff"), ("empty", b""))
            ),
            updated_at=NOW + HOUR,
            kind=UploadKind.FINAL,
            parts=(UploadId(an_id()), UploadId(an_id())),
            state=UploadState.ASSEMBLING,
            watch_id="0f8fad5b-d9cb-469f-a165-70867728950e",
            sha256=bytes(range(32)),
            sha512=bytes(range(64)),
            received=(extent(0, 10, (1 << 64) - 1), extent(20, 30)),
        )
        await added(process, upload)
        assert told(await kept(process, upload.id, ALICE)) == told(upload)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(pairs=PAIRS)
    async def test_metadata_is_kept_to_the_letter_and_in_order(
        self, process: Process, pairs: list[tuple[str, bytes | None]]
    ) -> None:
        upload = await added(process, an_upload(metadata=Metadata(tuple(pairs))))
        assert (await kept(process, upload.id)).draft.metadata.pairs == tuple(pairs)

    async def test_an_entity_is_not_the_kept_one(self, process: Process) -> None:
        upload = await added(process)
        upload.abort(NOW)
        upload.received.add(extent(0, 10))
        first = await kept(process, upload.id)
        assert first.state is UploadState.PENDING and first.offset == 0
        first.abort(NOW)
        assert (await kept(process, upload.id)).state is UploadState.PENDING

    async def test_saving_writes_what_changed_but_not_the_received_ranges(self, process: Process) -> None:
        upload = await added(process, an_upload(length=None, received=(extent(0, 10, 7),)))
        upload.length = 500
        upload.state = UploadState.RECEIVING
        upload.updated_at += HOUR
        upload.expires_at += HOUR
        upload.received.add(extent(10, 400))
        await save(process, upload)
        saved = await kept(process, upload.id)
        assert (saved.length, saved.state) == (500, UploadState.RECEIVING)
        assert (saved.updated_at, saved.expires_at) == (upload.updated_at, upload.expires_at)
        assert list(saved.received) == [extent(0, 10, 7)]

    async def test_saving_an_unknown_upload_is_refused(self, process: Process) -> None:
        with pytest.raises(UploadNotFound):
            await save(process, an_upload())

    async def test_what_has_ended_is_not_brought_back_by_one_who_was_thought_dead(self, process: Process) -> None:
        upload = await added(process, an_upload(length=10, received=(extent(0, 10, 7),)))
        upload.assemble()
        await save(process, upload)
        theirs = await kept(process, upload.id)
        theirs.abort(NOW)
        await save(process, theirs)

        async def complete() -> None:
            async with process.unit_of_work() as work:
                await work.files.add(upload.complete(blob_key=BlobKey(upload.id), now=NOW))
                await work.uploads.save(upload)
                work.announce(upload.event(EventType.COMPLETED, NOW))
                await work.commit()

        with pytest.raises(UploadTakenOver):
            await complete()
        with pytest.raises(FileNotFound):
            await file_of(process, upload)
        assert (await kept(process, upload.id)).state is UploadState.ABORTED

    async def test_a_deleted_upload_is_gone_with_its_ranges(self, process: Process) -> None:
        upload = await added(process, an_upload(received=(extent(0, 10, 7),)))
        for _ in range(2):
            async with process.unit_of_work() as work:
                await work.uploads.delete(upload.id)
                await work.commit()
        with pytest.raises(UploadNotFound):
            await kept(process, upload.id)
        again = await added(process, an_upload(id=upload.id))
        assert (await kept(process, again.id)).offset == 0

    async def test_the_newest_upload_of_a_watch_id_is_found(self, process: Process) -> None:
        watch_id = "0f8fad5b-d9cb-469f-a165-70867728950e"
        for hours in (2, 3, 1):
            await added(process, an_upload(owner=ALICE, watch_id=watch_id, created_at=NOW + hours * HOUR))
        await added(process, an_upload(owner=ALICE, created_at=NOW + 9 * HOUR))
        async with process.unit_of_work() as work:
            found = await work.uploads.find_watched([(watch_id, ALICE)])
        assert [upload.created_at for upload in found.values()] == [NOW + 3 * HOUR]

    async def test_an_upload_is_watched_under_its_own_id_when_none_was_chosen(self, process: Process) -> None:
        upload = await added(process, an_upload(received=(extent(0, 5),)))
        async with process.unit_of_work() as work:
            found = await work.uploads.find_watched([(upload.id, ADMIN)])
        assert [told(one) for one in found.values()] == [told(upload)]

    async def test_many_who_watch_are_answered_together_each_with_what_they_may_see(self, process: Process) -> None:
        shared, missing = "0f8fad5b-d9cb-469f-a165-70867728950e", an_id()
        old = await added(process, an_upload(owner=ALICE, watch_id=shared, received=(extent(0, 5),)))
        alices = await added(process, an_upload(owner=ALICE, watch_id=shared, created_at=NOW + HOUR))
        bobs = await added(process, an_upload(owner=BOB, watch_id=shared, created_at=NOW + 2 * HOUR))
        other = await added(process, an_upload(owner=BOB, state=UploadState.COMPLETED, received=(extent(0, 7),)))
        wanted = [(id_, by) for id_ in (shared, other.id, old.id, missing) for by in (ALICE, BOB, ADMIN)]
        async with process.unit_of_work() as work:
            mine = await work.uploads.find_watched([one for one in wanted if not one[1].is_admin])
            found = await work.uploads.find_watched(wanted)
            assert await work.uploads.find_watched([]) == {}
        assert {one: upload.id for one, upload in mine.items()} == {
            (shared, ALICE): alices.id,
            (shared, BOB): bobs.id,
            (other.id, BOB): other.id,
        }
        assert {one: upload.id for one, upload in found.items()} == {
            **{one: upload.id for one, upload in mine.items()},
            (shared, ADMIN): bobs.id,
            (other.id, ADMIN): other.id,
        }
        assert found[other.id, ADMIN].offset == 7

    async def test_open_uploads_are_listed_newest_first_and_only_so_many(self, process: Process) -> None:
        uploads = [
            await added(process, an_upload(owner=ALICE, state=state, created_at=NOW + hours * HOUR))
            for hours, state in enumerate(UploadState)
        ]
        wanted = [upload.id for upload in reversed(uploads) if upload.state in OPEN_STATES]
        async with process.unit_of_work() as work:
            assert [upload.id for upload in await work.uploads.list_open(ALICE, limit=100)] == wanted
            assert [upload.id for upload in await work.uploads.list_open(ALICE, limit=2)] == wanted[:2]

    async def test_listed_uploads_know_their_own_ranges(self, process: Process) -> None:
        uploads = [await added(process, an_upload(received=(extent(0, size),))) for size in (1, 2, 3)]
        async with process.unit_of_work() as work:
            listed = await work.uploads.list_open(Principal(OwnerId("nobody")), limit=10)
        assert {upload.id: upload.offset for upload in listed} == {upload.id: upload.offset for upload in uploads}

    async def test_usage_counts_open_uploads_their_lengths_and_files(self, process: Process) -> None:
        await added(process, an_upload(owner=ALICE, length=100))
        await added(process, an_upload(owner=ALICE, length=None))
        await added(process, an_upload(owner=ALICE, length=1000, state=UploadState.COMPLETED))
        await added(process, an_upload(owner=ALICE, length=None, state=UploadState.COMPLETED, received=(extent(0, 7),)))
        await added(process, an_upload(owner=ALICE, length=2000, state=UploadState.ABORTED))
        await added(process, an_upload(owner=ALICE, length=500, kind=UploadKind.PARTIAL))
        await added(process, an_upload(owner=BOB, length=4000))
        async with process.unit_of_work() as work:
            await work.files.add(a_file(owner=ALICE, size=10))
            await work.files.add(a_file(owner=ALICE, size=20))
            await work.files.add(a_file(owner=BOB, size=40))
            assert await work.uploads.usage(ALICE.owner) == Usage(open_uploads=3, files=4, bytes=630)
            await work.commit()
        async with process.unit_of_work() as work:
            assert await work.uploads.usage(ALICE.owner) == Usage(open_uploads=3, files=4, bytes=630)
            assert await work.uploads.usage(OwnerId("user:new")) == Usage(open_uploads=0, files=0, bytes=0)

    async def test_usage_counts_what_has_come_of_an_upload_without_a_length(self, process: Process) -> None:
        await added(process, an_upload(owner=ALICE, length=None, received=(extent(0, 70), extent(100, 130))))
        await added(process, an_upload(owner=ALICE, length=500, received=(extent(0, 70),)))
        await added(process, an_upload(owner=BOB, length=None, received=(extent(0, 4000),)))
        async with process.unit_of_work() as work:
            assert await work.uploads.usage(ALICE.owner) == Usage(open_uploads=2, files=2, bytes=600)

    async def test_usage_goes_with_whatever_becomes_of_uploads_and_files(self, process: Process) -> None:
        whole, ended = [await added(process, an_upload(owner=ALICE, length=None)) for _ in range(2)]
        deleted = await added(process, an_upload(owner=ALICE, length=70))
        whole.length = 100
        await save(process, whole)
        assert await usage_of_alice(process) == Usage(open_uploads=3, files=3, bytes=170)
        ended.abort(NOW)
        await save(process, ended)
        async with process.unit_of_work() as work:
            await work.uploads.delete(deleted.id)
            await work.uploads.delete(ended.id)
            await work.commit()
        assert await usage_of_alice(process) == Usage(open_uploads=1, files=1, bytes=100)

        async with process.unit_of_work() as work:  # what is not committed does not count, nor what is there already
            whole.state = UploadState.ASSEMBLING
            await work.uploads.save(whole)
            await work.files.add(a_file(owner=ALICE, size=1000))
        async with process.unit_of_work() as work:
            whole.state = UploadState.COMPLETED
            await work.uploads.save(whole)
            for _ in range(2):
                await work.files.add(a_file(id=whole.id, owner=ALICE, size=90))
            await work.commit()
        assert await usage_of_alice(process) == Usage(open_uploads=0, files=1, bytes=90)
        for _ in range(2):
            async with process.unit_of_work() as work:
                await work.files.delete(file_id_of(whole.id))
                await work.uploads.delete(whole.id)
                assert await work.uploads.usage(ALICE.owner) == Usage(0, 0, 0)
                await work.commit()
        assert await usage_of_alice(process) == Usage(0, 0, 0)

    async def test_of_many_uploads_added_at_once_as_many_are_kept_as_the_owner_may_have(self, store: Store) -> None:
        processes = [store.process(), store.process()]
        policy = UploadPolicy(max_open_uploads=5)

        async def add(number: int) -> None:
            upload = an_upload(owner=ALICE)
            async with processes[number % 2].unit_of_work() as work:
                await work.uploads.add(upload)
                await work.uploads.check_usage(ALICE.owner, policy)
                await work.commit()

        answers = await asyncio.gather(*map(add, range(20)), return_exceptions=True)
        assert [type(answer) for answer in answers if answer] == [TooManyOpenUploads] * 15
        async with processes[0].unit_of_work() as work:
            assert (await work.uploads.usage(ALICE.owner)).open_uploads == 5

    @pytest.mark.parametrize("is_read_anew", [False, True])
    async def test_a_complete_upload_keeps_one_range_in_place_of_its_many(
        self, process: Process, is_read_anew: bool
    ) -> None:
        upload, other = await received_out_of_order(process), await received_out_of_order(process)
        if is_read_anew:
            upload = await kept(process, upload.id)
        await save(process, upload)
        assert (await kept(process, upload.id))._unfolded == 3
        upload.assemble()
        upload.complete(blob_key=BlobKey(upload.id), now=NOW)
        await save(process, upload)
        seen = await kept(process, upload.id)
        assert list(seen.received) == [extent(0, 30, other.received.crc64())]
        assert (seen.offset, seen._unfolded) == (30, 1)
        assert (await kept(process, other.id))._unfolded == 3

    async def test_an_empty_upload_is_complete_without_a_range(self, process: Process) -> None:
        upload = await added(process, an_upload(length=0))
        upload.assemble()
        upload.complete(blob_key=BlobKey(upload.id), now=NOW)
        await save(process, upload)
        assert list((await kept(process, upload.id)).received) == []

    @pytest.mark.parametrize("seen", [_get, _find_watched, _list_open, _usage])
    async def test_every_query_hides_other_owners_uploads(self, process: Process, seen: Seen) -> None:
        upload = await added(process, an_upload(owner=ALICE, watch_id="0f8fad5b-d9cb-469f-a165-70867728950e"))
        async with process.unit_of_work() as work:
            assert await seen(work.uploads, upload, ALICE)
            assert not await seen(work.uploads, upload, BOB)

    @pytest.mark.parametrize(("seen", "expected"), [(_get, True), (_find_watched, True), (_list_open, False)])
    async def test_an_administrator_sees_all_but_lists_their_own(
        self, process: Process, seen: Seen, expected: bool
    ) -> None:
        upload = await added(process, an_upload(owner=ALICE))
        async with process.unit_of_work() as work:
            assert await seen(work.uploads, upload, ADMIN) is expected

    async def test_what_was_recorded_near_a_range_is_told(self, process: Process) -> None:
        known = (extent(0, 10, 1), extent(20, 30, 2), extent(40, 50, 3))
        upload = await added(process, an_upload(received=known))
        await added(process, an_upload(received=(extent(0, 1000),)))

        async def within(start: int, end: int) -> list[int | None]:
            async with process.unit_of_work() as work:
                return [one.crc64 for one in await work.uploads.received_within(upload.id, ByteRange(start, end))]

        assert await within(10, 20) == []
        assert await within(9, 21) == [1, 2]
        assert await within(22, 23) == [2]
        assert await within(0, 1000) == [1, 2, 3]
        assert await within(50, 1000) == []

    async def test_the_first_size_of_chunks_stays(self, store: Store) -> None:
        ours, theirs = store.process(), store.process()
        upload = await added(ours)
        settled = []
        for process, size in ((ours, 10), (theirs, 20), (ours, 30)):
            async with process.unit_of_work() as work:
                settled.append(await work.uploads.settle_chunk_size(upload.id, size))
                await work.commit()
        assert settled == [10, 10, 10]
        assert (await kept(theirs, upload.id)).chunk_size == 10
        async with ours.unit_of_work() as work:
            assert await work.uploads.settle_chunk_size(UploadId(an_id()), 10) is None
