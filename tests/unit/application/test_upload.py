"""Bringing files in, over the memory adapters: what counts, what is refused, and what a fault leaves behind."""

import asyncio
import hashlib
import zlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from adapters.inbound.common.block_source import BlockSource, IterableSource
from application.views import UploadView
from domain.access import Principal
from domain.checksum import Checksum
from domain.errors import (
    BytesMissing,
    ChecksumMismatch,
    FileGone,
    FileNotFound,
    InconsistentLength,
    InvalidParts,
    LengthExceeded,
    LongshoreError,
    OffsetMismatch,
    QuotaExceeded,
    RepositoryUnavailable,
    StorageFull,
    StorageUnavailable,
    TooManyOpenUploads,
    TooManyParts,
    UploadBusy,
    UploadCompleted,
    UploadExpired,
    UploadGone,
    UploadIsFinal,
    UploadNotFound,
    UploadNotOpen,
    UploadTakenOver,
    UploadTooLarge,
)
from domain.events import EventType
from domain.file_draft import FileDraft
from domain.ids import BlobKey, UploadId, file_id_of
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadKind, UploadState
from tests.support.builders import ADMIN, ALICE, BOB, an_id
from tests.support.deployment import NAME, Deployment, Process
from tests.support.faults import Died, Point
from tests.support.sources import CutSource, HangingSource, source_of
from tests.support.virtual_time import run_virtually

KIB = 1024
STRETCH = 64 * KIB  # what the memory storage makes durable at a time
LARGE = 100 * KIB  # too large to be held until all of it is there
CREATED, PROGRESS, COMPLETED = EventType.CREATED, EventType.PROGRESS, EventType.COMPLETED
FAILED, ABORTED, EXPIRED = EventType.FAILED, EventType.ABORTED, EventType.EXPIRED


@pytest.fixture(params=[False, True], ids=["apart", "together"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    return Deployment(has_intake=request.param)


@pytest.fixture
def process(deployment: Deployment) -> Process:
    return deployment.process()


def limited(*, length: int | None = None, uploads: int | None = None, bytes_: int | None = None) -> Process:
    """A process whose policy is strict in one way."""
    policy = UploadPolicy(max_length_bytes=length or 10**9, max_open_uploads=uploads, max_bytes=bytes_)
    return Deployment(policy).process()


async def offset_of(process: Process, upload_id: UploadId, who: Principal = ALICE) -> int:
    return (await process.uploads.look_at(who, upload_id)).offset


async def hang(
    process: Process, upload_id: UploadId, data: bytes, *, announced: int | None = 1000
) -> tuple[HangingSource, "asyncio.Task[UploadView]"]:
    """A request that has sent ``data`` from byte 0 on and now keeps silent."""
    source = HangingSource([data], length=announced)
    request = asyncio.create_task(process.uploads.append(ALICE, upload_id, at=0, source=source))
    await asyncio.wait_for(source.hangs.wait(), 2)
    return source, request


class StalledSource(BlockSource):
    """Sends its first block, then stalls until it ``goes_on``."""

    def __init__(self, blocks: list[bytes], *, length: int) -> None:
        super().__init__(length=length)
        self._blocks = blocks
        self.stalls = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def next_block(self) -> bytes:
        if len(self._blocks) == 1:
            self.stalls.set()
            await self.goes_on.wait()
        return self._blocks.pop(0) if self._blocks else b""


def sha256(data: bytes) -> Checksum:
    return Checksum("sha256", hashlib.sha256(data).digest())


class TestCreating:
    async def test_a_new_upload_waits_for_its_first_byte(self, deployment: Deployment, process: Process) -> None:
        view = await process.uploads.create(ALICE, NAME, length=1000)
        assert (view.state, view.offset, view.length) == (UploadState.PENDING, 0, 1000)
        assert (view.owner, view.metadata, view.kind, view.file_id) == (
            ALICE.owner,
            NAME.metadata,
            UploadKind.WHOLE,
            None,
        )
        assert view.expires_at - view.created_at == timedelta(hours=24)
        assert deployment.told(view.id) == [CREATED]

    async def test_an_empty_upload_is_complete_at_once(self, deployment: Deployment, process: Process) -> None:
        view = await process.begin(0)
        assert view.state is UploadState.COMPLETED
        assert view.file_id == file_id_of(view.id)
        assert await process.content(view.id) == b""
        assert deployment.told(view.id) == [CREATED, COMPLETED]

    async def test_an_empty_part_becomes_no_file(self, process: Process) -> None:
        view = await process.begin(0, kind=UploadKind.PARTIAL)
        assert (view.state, view.file_id) == (UploadState.PENDING, None)

    async def test_progress_is_shown_under_the_id_that_the_client_chose(
        self, deployment: Deployment, process: Process
    ) -> None:
        view = await process.uploads.create(ALICE, NAME, length=1, watch_id="mine")
        await process.send(view.id, b"x")
        assert {event.watch_id for event in deployment.events} == {"mine"}

    async def test_an_upload_over_the_largest_length_is_not_begun(self) -> None:
        process = limited(length=1000)
        with pytest.raises(UploadTooLarge):
            await process.begin(1001)
        assert await process.uploads.list_open(ALICE) == []
        assert (await process.begin(1000)).length == 1000

    async def test_one_owner_may_have_so_many_open_uploads(self) -> None:
        process = limited(uploads=2)
        first, _ = await process.begin(1), await process.begin(1)
        with pytest.raises(TooManyOpenUploads):
            await process.begin(1)
        await process.begin(1, BOB)
        await process.send(first.id, b"x")
        await process.begin(1)

    async def test_files_and_announced_lengths_count_against_the_quota(self) -> None:
        process = limited(bytes_=1000)
        stored = await process.begin(400)
        await process.send(stored.id, bytes(400))
        await process.begin(400)
        with pytest.raises(QuotaExceeded):
            await process.begin(201)
        await process.begin(1000, BOB)
        assert (await process.begin(200)).length == 200

    async def test_a_length_told_later_counts_against_the_quota_too(self) -> None:
        process = limited(bytes_=1000)
        await process.begin(600)
        upload = await process.begin(None)
        await process.send(upload.id, b"abc")
        with pytest.raises(QuotaExceeded):
            await process.send(upload.id, b"de", at=3, length=401)
        view = await process.uploads.look_at(ALICE, upload.id)
        assert (view.length, view.offset) == (None, 3)
        assert (await process.send(upload.id, b"de", at=3, length=400)).length == 400

    @pytest.mark.parametrize("announced", [True, False])
    async def test_a_file_by_one_request_over_the_quota_is_not_kept(self, announced: bool) -> None:
        process = limited(bytes_=1000)
        await process.begin(600)
        for size in (401, 400):
            storing = process.uploads.store(
                ALICE,
                NAME,
                source=source_of(bytes(size), announced=announced),
                length=size if announced else None,
            )
            if size == 401:
                with pytest.raises(QuotaExceeded):
                    await storing
            else:
                assert await storing is not None
        assert [file.size for file in process.deployment.database.files.values()] == [400]
        assert process.deployment.memory.staged == {}


class TestQuotaOfUnannouncedBodies:
    """Whose length nobody has told: what comes of them counts as it comes."""

    async def test_a_body_is_stopped_where_the_quota_ends(self) -> None:
        process = limited(bytes_=300_000)
        await process.begin(100_000)
        upload = await process.begin(None)
        with pytest.raises(QuotaExceeded):
            await process.send(upload.id, bytes(200_001), announced=False)
        view = await process.uploads.look_at(ALICE, upload.id)
        assert view.offset <= 200_000
        assert len(process.deployment.memory.staged[upload.id]) == 200_000
        await process.begin(300_000, BOB)

    async def test_a_body_that_just_fits_is_taken(self) -> None:
        process = limited(bytes_=200_000)
        upload = await process.begin(None)
        assert (await process.send(upload.id, bytes(200_000), announced=False)).offset == 200_000
        assert (await process.send(upload.id, b"", at=200_000, announced=False)).offset == 200_000
        with pytest.raises(QuotaExceeded):
            await process.send(upload.id, b"x", at=200_000, announced=False)
        with pytest.raises(QuotaExceeded):
            await process.send(upload.id, b"x", at=200_000)

    async def test_an_announced_body_that_is_too_long_is_refused_before_its_first_byte(self) -> None:
        process = limited(bytes_=1000)
        upload = await process.begin(None)
        source = HangingSource([], length=1001)
        with pytest.raises(QuotaExceeded):
            await process.uploads.append(ALICE, upload.id, at=0, source=source)
        assert not source.hangs.is_set()
        assert (await process.send(upload.id, bytes(1000))).offset == 1000

    async def test_bodies_side_by_side_share_what_is_left(self) -> None:
        process = limited(bytes_=1_000_000)
        uploads = [await process.begin(None) for _ in range(4)]
        sending = (process.send(upload.id, bytes(900_000), announced=False) for upload in uploads)
        results = await asyncio.gather(*sending, return_exceptions=True)
        assert any(isinstance(result, QuotaExceeded) for result in results)
        views = [await process.uploads.look_at(ALICE, upload.id) for upload in uploads]
        assert sum(view.offset for view in views) <= 1_000_000 + 4 * STRETCH

    async def test_so_do_processes(self) -> None:
        deployment = Deployment(UploadPolicy(max_bytes=20_000_000))
        ours, theirs = deployment.process(), deployment.process()
        uploads = [await ours.begin(None) for _ in range(2)]
        results = await asyncio.gather(
            ours.send(uploads[0].id, bytes(19_000_000), announced=False),
            theirs.send(uploads[1].id, bytes(19_000_000), announced=False),
            return_exceptions=True,
        )
        assert any(isinstance(result, QuotaExceeded) for result in results)
        views = [await ours.uploads.look_at(ALICE, upload.id) for upload in uploads]
        assert sum(view.offset for view in views) <= 20_000_000 + 2 * (8 * KIB * KIB + STRETCH)

    async def test_room_that_was_made_is_found_at_once(self) -> None:
        process = limited(bytes_=1000)
        other, upload = await process.begin(600), await process.begin(None)
        with pytest.raises(QuotaExceeded):
            await process.send(upload.id, bytes(401))
        await process.uploads.abort(ALICE, other.id)
        assert (await process.send(upload.id, bytes(1000))).offset == 1000

    async def test_small_chunks_are_not_each_asked_about(self) -> None:
        process = limited(bytes_=1_000_000)
        upload = await process.begin(None)
        await process.send(upload.id, b"x")
        process.faults.put(Point.READ, RepositoryUnavailable())
        for at in range(1, 100):
            await process.send(upload.id, b"x", at=at)

    async def test_a_form_of_unknown_size_is_stopped_where_the_quota_ends(self) -> None:
        process = limited(bytes_=100_000)
        taken = 0

        def blocks() -> Iterator[bytes]:
            nonlocal taken
            for _ in range(1000):
                taken += 10_000
                yield bytes(10_000)

        with pytest.raises(QuotaExceeded):
            await process.uploads.store(ALICE, NAME, source=IterableSource(blocks()))
        assert taken <= 120_000
        assert process.deployment.memory.staged == {} and process.deployment.database.files == {}


class TestAppending:
    async def test_chunks_follow_one_another_until_the_file_is_whole(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(10)
        first = await process.send(upload.id, b"0123")
        assert (first.state, first.offset) == (UploadState.RECEIVING, 4)
        second = await process.send(upload.id, b"456789", at=4)
        assert (second.state, second.offset, second.file_id) == (UploadState.COMPLETED, 10, file_id_of(upload.id))
        assert await process.content(upload.id) == b"0123456789"
        assert deployment.told(upload.id) == [CREATED, PROGRESS, PROGRESS, COMPLETED]

    async def test_every_stretch_is_counted_and_told_as_it_becomes_durable(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(3 * STRETCH)
        await process.send(upload.id, bytes(3 * STRETCH))
        offsets = [event.offset for event in deployment.events if event.type is PROGRESS]
        assert offsets == [STRETCH, 2 * STRETCH, 3 * STRETCH]

    async def test_the_file_has_the_name_type_size_and_checksum_of_the_upload(self, process: Process) -> None:
        upload = await process.begin(9)
        await process.send(upload.id, b"123456789")
        file = await process.downloads.describe(ALICE, file_id_of(upload.id))
        assert (file.name, file.media_type, file.size) == ("holiday.mov", "video/quicktime", 9)
        assert file.checksum == "crc64nvme:ae8b14860a799888"  # the check value of the CRC's definition

    @pytest.mark.parametrize("at", [0, 3, 5, 11])
    @pytest.mark.parametrize("data", [b"", b"x"])
    async def test_a_chunk_at_any_other_place_is_refused(self, process: Process, at: int, data: bytes) -> None:
        upload = await process.begin(10)
        await process.send(upload.id, b"0123")
        with pytest.raises(OffsetMismatch) as refusal:
            await process.send(upload.id, data, at=at)
        assert (refusal.value.expected, refusal.value.actual) == (4, at)
        assert await offset_of(process, upload.id) == 4

    async def test_a_chunk_for_a_complete_upload_is_refused(self, deployment: Deployment, process: Process) -> None:
        upload = await process.begin(3)
        await process.send(upload.id, b"abc")
        with pytest.raises(LengthExceeded):
            await process.send(upload.id, b"d", at=3)
        with pytest.raises(LengthExceeded):
            await process.send(upload.id, b"d", at=3, announced=False)
        with pytest.raises(OffsetMismatch):
            await process.send(upload.id, b"abc")
        assert await process.content(upload.id) == b"abc"
        assert deployment.told(upload.id).count(COMPLETED) == 1

    @pytest.mark.parametrize("announced", [True, False])
    async def test_an_empty_chunk_at_the_end_completes_nothing_twice(
        self, deployment: Deployment, process: Process, announced: bool
    ) -> None:
        upload = await process.begin(3)
        await process.send(upload.id, b"abc")
        view = await process.send(upload.id, b"", at=3, announced=announced)
        assert (view.state, view.offset) == (UploadState.COMPLETED, 3)
        assert deployment.told(upload.id).count(COMPLETED) == 1

    @pytest.mark.parametrize("announced", [True, False])
    async def test_an_empty_chunk_in_between_changes_nothing(self, process: Process, announced: bool) -> None:
        upload = await process.begin(3)
        view = await process.send(upload.id, b"", announced=announced)
        assert (view.state, view.offset) == (UploadState.PENDING, 0)

    async def test_a_part_that_is_whole_stays_open_and_takes_no_more(self, process: Process) -> None:
        part = await process.part(b"abc")
        view = await process.uploads.inspect(ALICE, part)
        assert (view.state.is_open, view.offset, view.file_id) == (True, 3, None)
        assert (await process.send(part, b"", at=3)).offset == 3
        with pytest.raises(LengthExceeded):
            await process.send(part, b"d", at=3)
        with pytest.raises(FileNotFound):
            await process.content(part)

    async def test_receiving_puts_the_expiry_off(self, deployment: Deployment, process: Process) -> None:
        upload = await process.begin(10)
        deployment.clock.pass_by(timedelta(hours=23))
        view = await process.send(upload.id, b"x")
        assert view.expires_at == deployment.clock.now() + timedelta(hours=24)
        assert (await deployment.process().uploads.look_at(ALICE, upload.id)).expires_at == view.expires_at

    async def test_two_uploads_are_written_side_by_side(self, process: Process) -> None:
        one, two = await process.begin(1000), await process.begin(3)
        source, request = await hang(process, one.id, b"x")
        await process.send(two.id, b"abc")
        assert await process.content(two.id) == b"abc"
        source.stop()
        assert (await request).offset == 1


class TestTooMuch:
    async def test_a_body_announced_too_long_is_refused_before_its_first_byte(self, process: Process) -> None:
        upload = await process.begin(10)
        source = source_of(b"0123456789x")
        with pytest.raises(LengthExceeded):
            await process.uploads.append(ALICE, upload.id, at=0, source=source)
        assert await source.read(1) == b"0"
        assert await offset_of(process, upload.id) == 0

    async def test_a_body_that_runs_over_unannounced_is_not_counted(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(10)
        with pytest.raises(LengthExceeded):
            await process.send(upload.id, b"0123456789x", announced=False)
        assert await offset_of(process, upload.id) == 0
        assert deployment.told(upload.id) == [CREATED]
        assert (await process.send(upload.id, b"0123456789")).state is UploadState.COMPLETED

    async def test_of_a_long_body_that_runs_over_the_last_stretch_alone_is_not_counted(self, process: Process) -> None:
        upload = await process.begin(STRETCH + 10)
        with pytest.raises(LengthExceeded):
            await process.send(upload.id, bytes(STRETCH + 11), announced=False)
        assert await offset_of(process, upload.id) == STRETCH

    async def test_nothing_past_the_length_is_ever_stored(self, deployment: Deployment, process: Process) -> None:
        upload = await process.begin(10)
        with pytest.raises(LengthExceeded):
            await process.send(upload.id, b"0123456789" + b"x" * 1000, announced=False)
        assert len(deployment.memory.staged[upload.id]) == 10

    @pytest.mark.parametrize("announced", [True, False])
    async def test_an_upload_of_unknown_length_ends_at_the_largest_one(self, announced: bool) -> None:
        process = limited(length=10)
        upload = await process.begin(None)
        assert (await process.send(upload.id, b"01234")).offset == 5
        with pytest.raises(UploadTooLarge):
            await process.send(upload.id, b"56789x", at=5, announced=announced)
        assert await offset_of(process, upload.id) == 5
        assert (await process.send(upload.id, b"56789", at=5, announced=announced)).offset == 10
        with pytest.raises(UploadTooLarge):
            await process.send(upload.id, b"x", at=10, announced=announced)


class TestDeferredLength:
    async def test_a_length_may_come_with_the_last_chunk(self, process: Process) -> None:
        upload = await process.begin(None)
        assert (await process.send(upload.id, b"abc")).state is UploadState.RECEIVING
        view = await process.send(upload.id, b"de", at=3, length=5)
        assert (view.state, view.length) == (UploadState.COMPLETED, 5)
        assert await process.content(upload.id) == b"abcde"

    async def test_a_length_may_come_when_every_byte_is_there_already(self, process: Process) -> None:
        upload = await process.begin(None)
        await process.send(upload.id, b"abc")
        assert (await process.send(upload.id, b"", at=3, length=3)).state is UploadState.COMPLETED

    async def test_a_length_may_come_before_the_bytes_and_is_kept(self, deployment: Deployment) -> None:
        process = deployment.process()
        upload = await process.begin(None)
        assert (await process.send(upload.id, b"", length=5)).length == 5
        view = await deployment.process().uploads.look_at(ALICE, upload.id)
        assert (view.length, view.state.is_open) == (5, True)

    async def test_a_length_is_said_once(self, process: Process) -> None:
        upload = await process.begin(None)
        await process.send(upload.id, b"abc", length=5)
        with pytest.raises(InconsistentLength):
            await process.send(upload.id, b"de", at=3, length=6)
        assert (await process.send(upload.id, b"d", at=3, length=5)).offset == 4

    async def test_a_length_below_what_has_come_is_refused(self, process: Process) -> None:
        upload = await process.begin(None)
        await process.send(upload.id, b"abc")
        with pytest.raises(InconsistentLength):
            await process.send(upload.id, b"", at=3, length=2)
        assert (await process.uploads.look_at(ALICE, upload.id)).length is None

    async def test_a_length_below_the_body_that_brings_it_is_refused_and_not_kept(self, process: Process) -> None:
        upload = await process.begin(None)
        with pytest.raises(LengthExceeded):
            await process.send(upload.id, b"abc", length=2)
        view = await process.uploads.look_at(ALICE, upload.id)
        assert (view.length, view.offset) == (None, 0)
        assert (await process.send(upload.id, b"abc", length=3)).state is UploadState.COMPLETED

    async def test_a_length_over_the_largest_one_is_refused(self) -> None:
        process = limited(length=10)
        upload = await process.begin(None)
        with pytest.raises(UploadTooLarge):
            await process.send(upload.id, b"abc", length=11)
        assert (await process.uploads.look_at(ALICE, upload.id)).length is None

    async def test_an_empty_upload_may_defer_its_length(self, process: Process) -> None:
        upload = await process.begin(None)
        assert (await process.send(upload.id, b"", length=0)).state is UploadState.COMPLETED
        assert await process.content(upload.id) == b""


class TestCompletingOnRequest:
    """What IETF's Upload-Complete and the chunk API's complete are made of."""

    async def test_the_last_byte_does_not_complete_it(self, process: Process) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=3, completes_on_request=True)
        view = await process.send(upload.id, b"abc")
        assert (view.state, view.file_id) == (UploadState.RECEIVING, None)
        assert (await process.uploads.inspect(ALICE, upload.id)).state is UploadState.RECEIVING
        await process.reconcile.run()
        assert (await process.uploads.look_at(ALICE, upload.id)).state is UploadState.RECEIVING

    async def test_not_even_an_empty_one_is_complete_at_once(self, process: Process) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=0, completes_on_request=True)
        assert upload.file_id is None
        await process.uploads.complete(ALICE, upload.id)
        assert await process.content(upload.id) == b""

    @pytest.mark.parametrize("announced", [3, None])
    async def test_its_client_completes_it(self, process: Process, announced: int | None) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=announced, completes_on_request=True)
        await process.send(upload.id, b"abc")
        first = await process.uploads.complete(ALICE, upload.id)
        again = await process.uploads.complete(ALICE, upload.id)
        assert first == again and first.length == 3
        assert await process.content(upload.id) == b"abc"

    async def test_missing_bytes_are_named(self, process: Process) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=5, completes_on_request=True)
        await process.send(upload.id, b"abc")
        with pytest.raises(BytesMissing) as refused:
            await process.uploads.complete(ALICE, upload.id)
        assert refused.value.gaps == ((3, 5),)

    async def test_another_length_than_was_announced_is_refused(self, process: Process) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=5, completes_on_request=True)
        with pytest.raises(InconsistentLength):
            await process.uploads.complete(ALICE, upload.id, length=4)


class TestTheEndOfABody:
    """``ends``: whether the body's end is the file's."""

    @pytest.mark.parametrize("length", [6, None])
    @pytest.mark.parametrize("announced", [True, False])
    async def test_it_completes_the_upload(self, process: Process, length: int | None, announced: bool) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=length, completes_on_request=True)
        view = await process.send(upload.id, b"abc", ends=False, announced=announced)
        assert (view.state, view.offset, view.length) == (UploadState.RECEIVING, 3, length)
        view = await process.send(upload.id, b"def", at=3, ends=True, announced=announced)
        assert (view.state, view.length) == (UploadState.COMPLETED, 6)
        assert await process.content(upload.id) == b"abcdef"

    async def test_an_empty_body_has_an_end_too(self, process: Process) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=None, completes_on_request=True)
        assert (await process.send(upload.id, b"", ends=True)).state is UploadState.COMPLETED
        assert await process.content(upload.id) == b""

    @pytest.mark.parametrize("announced", [True, False])
    async def test_before_the_announced_length_it_completes_nothing(self, process: Process, announced: bool) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=6, completes_on_request=True)
        with pytest.raises(InconsistentLength):
            await process.send(upload.id, b"abc", ends=True, announced=announced)
        view = await process.uploads.inspect(ALICE, upload.id)
        assert (view.state, view.offset) == (UploadState.RECEIVING, 3)
        assert (await process.send(upload.id, b"def", at=3, ends=True)).state is UploadState.COMPLETED

    @pytest.mark.parametrize("length", [6, None])
    async def test_that_never_comes_completes_nothing(self, process: Process, length: int | None) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=length, completes_on_request=True)
        for announced in (9, None):
            source = CutSource([b"abc"], length=announced if length is None else None)
            at = (await process.uploads.look_at(ALICE, upload.id)).offset
            view = await process.uploads.append(ALICE, upload.id, at=at, source=source, ends=True)
            assert (view.state, view.offset) == (UploadState.RECEIVING, at + 3)
        assert (await process.send(upload.id, b"", at=6, ends=True)).state is UploadState.COMPLETED

    async def test_a_completed_upload_has_had_its_end(self, process: Process) -> None:
        upload = await process.uploads.create(ALICE, FileDraft(), length=3, completes_on_request=True)
        await process.send(upload.id, b"abc", ends=True)
        for data, ends in ((b"", True), (b"", False), (b"d", True)):
            with pytest.raises(UploadCompleted):
                await process.send(upload.id, data, at=3, ends=ends)
        with pytest.raises(OffsetMismatch):
            await process.send(upload.id, b"abc", ends=True)
        assert await process.content(upload.id) == b"abc"

    async def test_an_upload_that_completes_by_itself_does_so_whatever_is_said(self, process: Process) -> None:
        upload = await process.begin(3)
        assert (await process.send(upload.id, b"abc", ends=False)).state is UploadState.COMPLETED

    async def test_a_part_of_a_joined_file_stays_a_part(self, process: Process) -> None:
        part = await process.begin(3, kind=UploadKind.PARTIAL)
        assert (await process.send(part.id, b"abc", ends=True)).file_id is None
        final = await process.uploads.join(ALICE, [part.id], FileDraft())
        assert await process.content(final.id) == b"abc"

    async def test_whoever_listens_hears_the_offset_of_what_counts(self, process: Process) -> None:
        heard: list[int] = []
        upload = await process.begin(3)
        await process.uploads.append(
            ALICE, upload.id, at=0, source=source_of(b"ab", announced=False), on_received=heard.append
        )
        assert heard == [2]


class TestChecksums:
    @pytest.mark.parametrize(
        "checksum",
        [
            sha256(b"abc"),
            Checksum("sha1", hashlib.sha1(b"abc", usedforsecurity=False).digest()),
            Checksum("md5", hashlib.md5(b"abc", usedforsecurity=False).digest()),
            Checksum("crc32", zlib.crc32(b"abc").to_bytes(4, "big")),
        ],
        ids=lambda checksum: checksum.algorithm,
    )
    async def test_a_body_with_its_checksum_counts(self, process: Process, checksum: Checksum) -> None:
        upload = await process.begin(3)
        assert (await process.send(upload.id, b"abc", checksums=[checksum])).state is UploadState.COMPLETED
        other = await process.begin(3)
        with pytest.raises(ChecksumMismatch):
            await process.send(other.id, b"abd", checksums=[checksum])

    @pytest.mark.parametrize("announced", [True, False])
    @pytest.mark.parametrize("size", [3, 3 * STRETCH])
    async def test_a_body_with_another_checksum_does_not_count(
        self, deployment: Deployment, process: Process, size: int, announced: bool
    ) -> None:
        upload = await process.begin(size + 10)
        await process.send(upload.id, b"x" * 10)
        with pytest.raises(ChecksumMismatch):
            await process.send(upload.id, bytes(size), at=10, checksums=[sha256(b"other")], announced=announced)
        assert await offset_of(process, upload.id) == 10
        assert deployment.told(upload.id) == [CREATED, PROGRESS]
        right = bytes(range(256)) * (size // 256) + b"y" * (size % 256)
        await process.send(upload.id, right, at=10, checksums=[sha256(right)])
        assert await process.content(upload.id) == b"x" * 10 + right

    @pytest.mark.parametrize("data", [b"abc", b"", bytes(2 * STRETCH)], ids=len)
    async def test_of_several_checksums_each_has_to_be_right(self, process: Process, data: bytes) -> None:
        right = [sha256(data), Checksum("sha512", hashlib.sha512(data).digest())]
        upload = await process.begin(len(data) + 1)
        for wrong in ([sha256(b"other"), right[1]], [right[0], Checksum("sha512", bytes(64))]):
            with pytest.raises(ChecksumMismatch):
                await process.send(upload.id, data, checksums=wrong)
            assert await offset_of(process, upload.id) == 0
        assert (await process.send(upload.id, data, checksums=right)).offset == len(data)

    async def test_a_cut_body_with_a_checksum_counts_not_at_all(self, process: Process) -> None:
        upload = await process.begin(10)
        source = CutSource([b"0123"], length=10)
        view = await process.uploads.append(ALICE, upload.id, at=0, source=source, checksums=[sha256(b"0123")])
        assert (view.offset, await offset_of(process, upload.id)) == (0, 0)

    async def test_a_body_with_a_checksum_that_runs_over_counts_not_at_all(self, process: Process) -> None:
        data = bytes(STRETCH + 11)
        upload = await process.begin(STRETCH + 10)
        with pytest.raises(LengthExceeded):
            await process.send(upload.id, data, checksums=[sha256(data)], announced=False)
        assert await offset_of(process, upload.id) == 0

    async def test_an_empty_body_with_a_checksum_changes_nothing(self, process: Process) -> None:
        upload = await process.begin(3)
        assert (await process.send(upload.id, b"", checksums=[sha256(b"")])).offset == 0


class TestCutBodies:
    @pytest.mark.parametrize("announced", [10, None])
    async def test_a_cut_body_keeps_its_prefix(self, process: Process, announced: int | None) -> None:
        upload = await process.begin(10)
        source = CutSource([b"012", b"3"], length=announced)
        view = await process.uploads.append(ALICE, upload.id, at=0, source=source)
        assert (view.offset, view.state) == (4, UploadState.RECEIVING)
        await process.send(upload.id, b"456789", at=4)
        assert await process.content(upload.id) == b"0123456789"

    async def test_a_body_cut_before_its_first_byte_changes_nothing(self, process: Process) -> None:
        upload = await process.begin(10)
        view = await process.uploads.append(ALICE, upload.id, at=0, source=CutSource([], length=10))
        assert (view.offset, view.state) == (0, UploadState.PENDING)

    async def test_a_connection_cut_right_behind_the_last_byte_loses_nothing(self, process: Process) -> None:
        upload = await process.begin(4)
        view = await process.uploads.append(ALICE, upload.id, at=0, source=CutSource([b"0123"], length=None))
        assert view.state is UploadState.COMPLETED

    async def test_a_request_that_is_cancelled_lets_the_next_one_go_on(self, process: Process) -> None:
        upload = await process.begin(LARGE)
        _, request = await hang(process, upload.id, b"0123", announced=LARGE)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert await offset_of(process, upload.id) == 4
        assert (await process.send(upload.id, bytes(LARGE - 4), at=4)).state is UploadState.COMPLETED

    async def test_of_a_small_chunk_nothing_counts_before_it_is_there(self) -> None:
        process = Deployment(has_intake=True).process()
        upload = await process.begin(10)
        _, request = await hang(process, upload.id, b"0123", announced=10)
        assert await offset_of(process, upload.id) == 0
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert await offset_of(process, upload.id) == 0
        assert (await process.send(upload.id, b"0123456789")).state is UploadState.COMPLETED


class TestTakingOver:
    async def test_the_newest_request_wins_and_the_older_ones_bytes_count(self, process: Process) -> None:
        upload = await process.begin(10)
        source, older = await hang(process, upload.id, b"0123", announced=10)
        view = await process.send(upload.id, b"456789", at=4)
        assert view.state is UploadState.COMPLETED
        with pytest.raises(UploadTakenOver):
            await older
        assert source.is_cut
        assert await process.content(upload.id) == b"0123456789"

    async def test_a_request_of_another_process_takes_over_too(self, deployment: Deployment) -> None:
        one, two = deployment.process(), deployment.process()
        upload = await one.begin(10)
        _, older = await hang(one, upload.id, b"0123", announced=10)
        assert (await two.uploads.inspect(ALICE, upload.id)).offset == 4
        with pytest.raises(UploadTakenOver):
            await older
        assert (await two.send(upload.id, b"456789", at=4)).state is UploadState.COMPLETED

    @pytest.mark.parametrize("why", [UploadTakenOver(), RepositoryUnavailable()])
    async def test_who_loses_the_lease_hears_why(self, process: Process, why: LongshoreError) -> None:
        """No newer request has come where the database was only too slow to renew it."""
        upload = await process.begin(LARGE)
        source, request = await hang(process, upload.id, b"0123", announced=LARGE)
        process.lock.lose(why)
        with pytest.raises(type(why)):
            await request
        assert source.is_cut
        assert await offset_of(process, upload.id) == 4

    async def test_inspecting_ends_a_hanging_request(self, process: Process) -> None:
        upload = await process.begin(10)
        _, older = await hang(process, upload.id, b"0123", announced=10)
        assert (await process.uploads.inspect(ALICE, upload.id)).offset == 4
        with pytest.raises(UploadTakenOver):
            await older

    async def test_those_who_ask_at_the_same_time_all_get_an_answer(self, process: Process) -> None:
        upload = await process.begin(10)
        _, older = await hang(process, upload.id, b"0123", announced=10)
        asking = [process.uploads.inspect(who, upload.id) for who in (ALICE, ALICE, ADMIN, BOB, ALICE)]
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [getattr(answer, "offset", type(answer)) for answer in answers] == [4, 4, 4, UploadNotFound, 4]
        with pytest.raises(UploadTakenOver):
            await older

    async def test_one_who_asks_and_is_gone_leaves_the_others_their_answer(self, process: Process) -> None:
        upload = await process.begin(10)
        asking = [asyncio.create_task(process.uploads.inspect(ALICE, upload.id)) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        _, *answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [getattr(answer, "offset", answer) for answer in answers] == [0, 0]

    async def test_looking_disturbs_nobody(self, process: Process) -> None:
        upload = await process.begin(LARGE)
        source, request = await hang(process, upload.id, b"0123", announced=LARGE)
        assert await offset_of(process, upload.id) == 4
        assert not request.done()
        assert not source.is_cut
        source.stop()
        assert (await request).offset == 4

    async def test_a_stranger_ends_nobodys_request(self, process: Process) -> None:
        upload = await process.begin(10)
        source, request = await hang(process, upload.id, b"0123", announced=10)
        strangers: list[Callable[[], Awaitable[object]]] = [
            lambda: process.send(upload.id, b"x", at=4, who=BOB),
            lambda: process.uploads.inspect(BOB, upload.id),
            lambda: process.uploads.abort(BOB, upload.id),
            lambda: process.uploads.expire(BOB, upload.id),
        ]
        for intrude in strangers:
            with pytest.raises(UploadNotFound):
                await intrude()
        assert not source.is_cut
        source.stop()
        assert (await request).offset == 4

    async def test_a_request_whose_body_had_come_whole_is_not_called_taken_over(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(4)
        gate = process.faults.hold_up(Point.RECORDED)
        older = asyncio.create_task(process.send(upload.id, b"0123", announced=False))
        await asyncio.sleep(0.01)
        newer = asyncio.create_task(process.uploads.inspect(ALICE, upload.id))
        await asyncio.sleep(0.01)
        assert not older.done()
        gate.set()
        for view in await asyncio.gather(older, newer):
            assert view.state is UploadState.COMPLETED
        assert deployment.told(upload.id) == [CREATED, PROGRESS, COMPLETED]

    def test_what_is_still_being_made_a_file_of_is_not_called_whole(self, deployment: Deployment) -> None:
        """A client that hears of all bytes takes the file for stored, and might delete it before it is there."""

        async def ask_meanwhile() -> None:
            one, two = deployment.process(), deployment.process()
            upload = await one.begin(4)
            gate = one.faults.hold_up(Point.SEAL)
            last = asyncio.create_task(one.send(upload.id, b"0123"))
            await asyncio.sleep(1)
            assert (await two.uploads.look_at(ALICE, upload.id)).offset == 4
            for process in (one, two):
                with pytest.raises(UploadBusy):
                    await process.uploads.inspect(ALICE, upload.id)
            gate.set()
            await asyncio.gather(last, return_exceptions=True)
            assert (await two.uploads.inspect(ALICE, upload.id)).state is UploadState.COMPLETED

        run_virtually(ask_meanwhile())

    async def test_of_three_at_once_the_newest_is_served(self, process: Process) -> None:
        upload = await process.begin(10)
        _, oldest = await hang(process, upload.id, b"0123", announced=10)
        middle = asyncio.create_task(process.send(upload.id, b"4", at=4))
        await asyncio.sleep(0)
        newest = asyncio.create_task(process.send(upload.id, b"456789", at=4))
        outcomes = await asyncio.gather(oldest, middle, newest, return_exceptions=True)
        assert isinstance(outcomes[0], UploadTakenOver)
        assert isinstance(outcomes[1], UploadBusy | OffsetMismatch)
        assert isinstance(outcomes[2], UploadView)
        assert await process.content(upload.id) == b"0123456789"

    async def test_a_holder_that_does_not_let_go_is_not_written_under(self, process: Process) -> None:
        class DeafSource(HangingSource):
            def stop(self) -> None:
                """Hears nothing."""

        upload = await process.begin(10)
        source = DeafSource([b"0123"], length=10)
        request = asyncio.create_task(process.uploads.append(ALICE, upload.id, at=0, source=source))
        await source.hangs.wait()
        with pytest.raises(UploadBusy):
            await process.send(upload.id, b"456789", at=4)
        HangingSource.stop(source)
        with pytest.raises(UploadTakenOver):
            await request
        assert await offset_of(process, upload.id) == 4


class TestOwners:
    async def test_someone_elses_upload_is_as_unknown(self, process: Process) -> None:
        upload, unknown = await process.begin(10), UploadId(an_id())
        for who, upload_id in ((BOB, upload.id), (ALICE, unknown)):
            attempts: list[Callable[[], Awaitable[object]]] = [
                lambda who=who, id_=upload_id: process.send(id_, b"x", who=who),  # type: ignore[misc]
                lambda who=who, id_=upload_id: process.uploads.inspect(who, id_),  # type: ignore[misc]
                lambda who=who, id_=upload_id: process.uploads.look_at(who, id_),  # type: ignore[misc]
                lambda who=who, id_=upload_id: process.uploads.abort(who, id_),  # type: ignore[misc]
                lambda who=who, id_=upload_id: process.uploads.expire(who, id_),  # type: ignore[misc]
                lambda who=who, id_=upload_id: process.uploads.join(who, [id_], NAME),  # type: ignore[misc]
            ]
            for attempt in attempts:
                with pytest.raises(UploadNotFound) as refusal:
                    await attempt()
                assert refusal.value.detail == "no such upload"
        assert await offset_of(process, upload.id) == 0

    async def test_someone_elses_upload_is_unknown_while_its_entity_is_warm(self, process: Process) -> None:
        upload = await process.begin(10)
        await process.send(upload.id, b"0123")
        with pytest.raises(UploadNotFound):
            await process.send(upload.id, b"456789", at=4, who=BOB)
        assert await offset_of(process, upload.id) == 4

    async def test_someone_elses_finished_file_is_unknown(self, process: Process) -> None:
        upload = await process.begin(1)
        await process.send(upload.id, b"x")
        with pytest.raises(UploadNotFound):
            await process.uploads.inspect(BOB, upload.id)
        with pytest.raises(FileNotFound):
            await process.content(upload.id, BOB)

    async def test_an_administrator_may_inspect_and_abort(self, process: Process) -> None:
        upload = await process.begin(10)
        assert (await process.uploads.inspect(ADMIN, upload.id)).owner == ALICE.owner
        await process.uploads.abort(ADMIN, upload.id)
        with pytest.raises(UploadGone):
            await process.uploads.inspect(ALICE, upload.id)

    async def test_everybody_sees_a_list_of_their_own(self, deployment: Deployment, process: Process) -> None:
        first = await process.begin(10)
        deployment.clock.pass_by(timedelta(seconds=1))
        second = await process.begin(10)
        await process.begin(10, BOB)
        done = await process.begin(1)
        await process.send(done.id, b"x")
        assert [view.id for view in await process.uploads.list_open(ALICE)] == [second.id, first.id]
        assert [view.id for view in await process.uploads.list_open(ALICE, limit=1)] == [second.id]
        assert await process.uploads.list_open(ADMIN) == []


class TestEnding:
    async def test_an_aborted_upload_is_gone_with_its_bytes(self, deployment: Deployment, process: Process) -> None:
        upload = await process.begin(10)
        await process.send(upload.id, b"0123")
        await process.uploads.abort(ALICE, upload.id)
        assert deployment.memory.staged == {}
        assert deployment.told(upload.id)[-1] is ABORTED
        await self._is_over(process, upload.id, UploadGone)

    async def test_an_upload_whose_time_has_run_out_takes_nothing_more(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(10)
        await process.send(upload.id, b"0123")
        deployment.clock.pass_by(timedelta(hours=24))
        await self._is_over(process, upload.id, UploadExpired)
        assert await process.uploads.list_open(ALICE) == []

    async def test_expiring_frees_the_bytes(self, deployment: Deployment, process: Process) -> None:
        upload = await process.begin(10)
        await process.send(upload.id, b"0123")
        assert not await process.uploads.expire(ALICE, upload.id)
        deployment.clock.pass_by(timedelta(hours=24))
        assert await process.uploads.expire(ALICE, upload.id)
        assert deployment.memory.staged == {}
        assert deployment.told(upload.id)[-1] is EXPIRED
        assert not await process.uploads.expire(ALICE, upload.id)
        await self._is_over(process, upload.id, UploadExpired)

    async def test_a_complete_upload_neither_expires_nor_can_be_aborted(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(1)
        await process.send(upload.id, b"x")
        deployment.clock.pass_by(timedelta(days=365))
        assert not await process.uploads.expire(ALICE, upload.id)
        with pytest.raises(UploadNotOpen):
            await process.uploads.abort(ALICE, upload.id)
        assert (await process.uploads.inspect(ALICE, upload.id)).state is UploadState.COMPLETED
        assert await process.content(upload.id) == b"x"

    async def test_aborting_ends_a_hanging_request_whose_bytes_go_too(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(10)
        _, request = await hang(process, upload.id, b"0123", announced=10)
        await process.uploads.abort(ALICE, upload.id)
        with pytest.raises(UploadTakenOver):
            await request
        assert deployment.memory.staged == {}

    @staticmethod
    async def _is_over(process: Process, upload_id: UploadId, error: type[LongshoreError]) -> None:
        attempts: list[Callable[[], Awaitable[object]]] = [
            lambda: process.send(upload_id, b"x", at=4),
            lambda: process.uploads.inspect(ALICE, upload_id),
            lambda: process.uploads.look_at(ALICE, upload_id),
            lambda: process.uploads.abort(ALICE, upload_id),
            lambda: process.uploads.join(ALICE, [upload_id], NAME),
        ]
        for attempt in attempts:
            with pytest.raises(error):
                await attempt()


class TestJoining:
    async def test_parts_become_one_file_in_the_order_named(self, deployment: Deployment, process: Process) -> None:
        one, two, none = await process.part(b"one,"), await process.part(b"two"), await process.part(b"")
        view = await process.uploads.join(ALICE, [one, none, two, one], NAME)
        assert (view.state, view.length, view.kind) == (UploadState.COMPLETED, 11, UploadKind.FINAL)
        assert view.parts == (one, none, two, one)
        assert await process.content(view.id) == b"one,twoone,"
        file = await process.downloads.describe(ALICE, file_id_of(view.id))
        whole = await process.begin(11)
        await process.send(whole.id, b"one,twoone,")
        assert file.checksum == (await process.downloads.describe(ALICE, file_id_of(whole.id))).checksum
        assert deployment.told(view.id)[-1] is COMPLETED

    async def test_only_empty_parts_become_an_empty_file(self, process: Process) -> None:
        view = await process.uploads.join(ALICE, [await process.part(b"")], NAME)
        assert (view.state, await process.content(view.id)) == (UploadState.COMPLETED, b"")

    async def test_parts_wait_for_a_repeated_request(self, process: Process) -> None:
        parts = [await process.part(b"one,"), await process.part(b"two")]
        first = await process.uploads.join(ALICE, parts, NAME)
        again = await process.uploads.join(ALICE, parts, NAME)
        assert await process.content(again.id) == await process.content(first.id) == b"one,two"

    async def test_joined_parts_are_no_unfinished_uploads(self, process: Process) -> None:
        parts = [await process.part(b"one,"), await process.part(b"")]
        await process.uploads.join(ALICE, parts, NAME)
        assert await process.uploads.list_open(ALICE) == []
        await process.uploads.join(ALICE, [*parts, await process.part(b"two")], NAME)
        assert await process.uploads.list_open(ALICE) == [], "nor is a new one beside those that were joined before"

    async def test_a_joined_part_can_be_ended_and_the_final_upload_stays(
        self, deployment: Deployment, process: Process
    ) -> None:
        part = await process.part(b"one")
        final = await process.uploads.join(ALICE, [part], NAME)
        await process.uploads.abort(ALICE, part)
        with pytest.raises(UploadNotFound):
            await process.uploads.abort(ALICE, part)
        assert await process.content(final.id) == b"one"
        assert part not in deployment.memory.staged

    async def test_a_final_upload_tells_its_parts_as_they_were_named(self, process: Process) -> None:
        view = await process.uploads.join(ALICE, [await process.part(b"one")], NAME, names=["HTTP://us/uploads/1"])
        assert (await process.uploads.inspect(ALICE, view.id)).parts == ("HTTP://us/uploads/1",)

    async def test_a_final_upload_takes_no_bytes(self, process: Process) -> None:
        view = await process.uploads.join(ALICE, [await process.part(b"one")], NAME)
        for data in (b"", b"x"):
            with pytest.raises(UploadIsFinal):
                await process.send(view.id, data, at=3)

    async def test_what_is_no_whole_part_can_not_be_joined(self, process: Process) -> None:
        part, whole = await process.part(b"one"), await process.begin(3)
        await process.send(whole.id, b"two")
        unfinished = await process.begin(3, kind=UploadKind.PARTIAL)
        endless = await process.begin(None, kind=UploadKind.PARTIAL)
        final = await process.uploads.join(ALICE, [part], NAME)
        for wrong in (whole.id, unfinished.id, endless.id, final.id):
            with pytest.raises(InvalidParts):
                await process.uploads.join(ALICE, [part, wrong], NAME)
        with pytest.raises(InvalidParts):
            await process.uploads.join(ALICE, [], NAME)

    async def test_the_names_of_parts_are_bounded_for_they_are_told_again(self, process: Process) -> None:
        part = await process.part(b"one")
        long = "https://" + "a" * 200 + f"/uploads/{part}"
        await process.uploads.join(ALICE, [part] * 30, NAME, names=[long] * 30)
        with pytest.raises(TooManyParts):
            await process.uploads.join(ALICE, [part] * 40, NAME, names=[long] * 40)

    async def test_foreign_parts_are_unknown(self, process: Process) -> None:
        mine, yours = await process.part(b"one"), await process.part(b"two", BOB)
        for part in (yours, UploadId(an_id())):
            with pytest.raises(UploadNotFound):
                await process.uploads.join(ALICE, [mine, part], NAME)
        assert [view.id for view in await process.uploads.list_open(ALICE)] == [mine]

    async def test_a_refused_join_begins_nothing(self) -> None:
        process = limited(length=5)
        parts = [await process.part(b"one"), await process.part(b"two")]
        with pytest.raises(UploadTooLarge):
            await process.uploads.join(ALICE, parts, NAME)
        assert len(await process.uploads.list_open(ALICE)) == 2

    @pytest.mark.parametrize("point", [Point.JOIN, Point.RECORD, Point.SEAL, Point.COMPLETE])
    async def test_a_join_that_fails_leaves_nothing_and_can_be_tried_again(
        self, deployment: Deployment, process: Process, point: Point
    ) -> None:
        parts = [await process.part(b"one,"), await process.part(b"two")]
        process.faults.put(point, StorageFull())
        with pytest.raises(StorageFull):
            await process.uploads.join(ALICE, parts, NAME)
        process.faults.heal()
        assert {view.id for view in await process.uploads.list_open(ALICE)} == set(parts)
        view = await process.uploads.join(ALICE, parts, NAME)
        assert await process.content(view.id) == b"one,two"
        deployment.clock.pass_by(timedelta(minutes=5))
        await process.reconcile.run()
        assert len(deployment.database.files) == 1

    async def test_a_join_whose_parts_can_not_be_released_is_a_join_all_the_same(
        self, deployment: Deployment, process: Process
    ) -> None:
        parts = [await process.part(b"one,"), await process.part(b"two")]
        process.faults.put(Point.SAVE, RepositoryUnavailable())
        view = await process.uploads.join(ALICE, parts, NAME)
        assert (view.state, await process.content(view.id)) == (UploadState.COMPLETED, b"one,two")

    async def test_a_part_whose_bytes_are_gone_ends_the_join(self, deployment: Deployment, process: Process) -> None:
        part = await process.part(b"one")
        del deployment.memory.staged[part]
        with pytest.raises(FileGone):
            await process.uploads.join(ALICE, [part], NAME)
        assert [view.id for view in await process.uploads.list_open(ALICE)] == [part]


class TestStoring:
    @pytest.mark.parametrize(("announced", "length"), [(True, 3), (True, None), (False, None), (False, 3)])
    async def test_one_request_brings_a_file_in(
        self, deployment: Deployment, process: Process, announced: bool, length: int | None
    ) -> None:
        source = source_of(b"abc", announced=announced)
        view = await process.uploads.store(ALICE, NAME, source=source, length=length, watch_id="form")
        assert view is not None
        assert (view.state, view.length) == (UploadState.COMPLETED, 3)
        assert await process.content(view.id) == b"abc"
        assert deployment.told(view.id) == [CREATED, PROGRESS, COMPLETED]
        assert {event.watch_id for event in deployment.events} == {"form"}

    @pytest.mark.parametrize("length", [0, None])
    async def test_an_empty_file_is_a_file(self, process: Process, length: int | None) -> None:
        view = await process.uploads.store(ALICE, NAME, source=source_of(b""), length=length)
        assert view is not None
        assert await process.content(view.id) == b""

    @pytest.mark.parametrize("length", [10, None])
    async def test_of_a_cut_body_nothing_is_kept(
        self, deployment: Deployment, process: Process, length: int | None
    ) -> None:
        source = CutSource([b"0123"], length=length)
        assert await process.uploads.store(ALICE, NAME, source=source, length=length) is None
        assert await self._left(deployment, process) == ([], {}, {})

    async def test_a_file_that_had_come_whole_is_kept_however_its_body_ended(self, process: Process) -> None:
        source = CutSource([b"0123"], length=None)
        view = await process.uploads.store(ALICE, NAME, source=source, length=4)
        assert view is not None
        assert await process.content(view.id) == b"0123"

    async def test_a_body_longer_or_shorter_than_was_said_is_refused(
        self, deployment: Deployment, process: Process
    ) -> None:
        with pytest.raises(LengthExceeded):
            await process.uploads.store(ALICE, NAME, source=source_of(b"01234"), length=4)
        unannounced = source_of(b"01234", announced=False)
        with pytest.raises(LengthExceeded):
            await process.uploads.store(ALICE, NAME, source=unannounced, length=4)
        with pytest.raises(InconsistentLength):
            await process.uploads.store(ALICE, NAME, source=source_of(b"012"), length=4)
        assert await self._left(deployment, process) == ([], {}, {})

    @pytest.mark.parametrize("announced", [True, False])
    async def test_a_body_over_the_largest_length_is_refused(self, announced: bool) -> None:
        process = limited(length=10)
        source = source_of(bytes(11), announced=announced)
        with pytest.raises(UploadTooLarge):
            await process.uploads.store(ALICE, NAME, source=source)
        assert await self._left(process.deployment, process) == ([], {}, {})

    @pytest.mark.parametrize("point", [Point.WRITE, Point.WRITTEN, Point.RECORD, Point.SEAL, Point.COMPLETE])
    async def test_a_failure_leaves_nothing(self, point: Point) -> None:
        process = Deployment().process()
        process.faults.put(point, StorageUnavailable())
        with pytest.raises(StorageUnavailable):
            await process.uploads.store(ALICE, NAME, source=source_of(b"abc", announced=False))
        assert (await process.uploads.list_open(ALICE), process.deployment.database.files) == ([], {})

    @pytest.mark.parametrize("point", [Point.READ, Point.COMPLETE])
    async def test_a_failure_leaves_nothing_of_a_small_file(self, point: Point) -> None:
        process = Deployment(has_intake=True).process()
        process.faults.put(point, StorageUnavailable())
        with pytest.raises(StorageUnavailable):
            await process.uploads.store(ALICE, NAME, source=source_of(b"abc"))
        process.faults.heal()
        assert await self._left(process.deployment, process) == ([], {}, {})
        assert process.deployment.memory.blobs == {}

    async def test_a_small_file_that_was_not_told_of_is_told_of_by_another_process(self) -> None:
        deployment = Deployment(has_intake=True)
        process = deployment.process()
        process.faults.put(Point.ANNOUNCE, Died())
        with pytest.raises(Died):
            await process.uploads.store(ALICE, NAME, source=source_of(b"abc"))
        assert deployment.events == []
        deployment.clock.pass_by(timedelta(minutes=1))
        other = deployment.process()
        await other.reconcile.run()
        [file] = deployment.database.files.values()
        assert await other.content(UploadId(file.id)) == b"abc"
        assert deployment.told(UploadId(file.id)) == [CREATED, PROGRESS, COMPLETED]

    async def test_a_small_file_waits_for_nothing_but_its_own_commit(self) -> None:
        """One transaction: no lease, no receipt, no second look."""
        process = Deployment(has_intake=True).process()
        for point in (Point.WRITE, Point.RECORD, Point.SEAL, Point.SAVE):
            process.faults.put(point, RepositoryUnavailable())
        process.faults.put(Point.READ, RepositoryUnavailable(), after=1)
        view = await process.uploads.store(ALICE, NAME, source=source_of(b"abc"))
        assert view is not None and view.state is UploadState.COMPLETED

    async def test_a_small_file_is_compared_with_its_checksum_on_the_way(self) -> None:
        process = Deployment(has_intake=True).process()
        process.faults.put(Point.WRITE, RepositoryUnavailable())
        right, wrong = sha256(b"abc"), sha256(b"abd")
        view = await process.uploads.store(ALICE, NAME, source=source_of(b"abc"), checksums=[right], in_one_step=True)
        assert view is not None and view.state is UploadState.COMPLETED
        with pytest.raises(ChecksumMismatch):
            await process.uploads.store(ALICE, NAME, source=source_of(b"abc"), checksums=[wrong], in_one_step=True)
        assert len(process.deployment.database.files) == 1

    async def test_what_can_not_be_stored_at_once_is_left_as_it_was(self) -> None:
        process = Deployment(has_intake=True).process()
        large = bytes(40_000)
        for source, held in (
            (CutSource([b"0123"], length=10), b"0123"),
            (CutSource([b"0123"], length=None), b"0123"),
            (source_of(large), large),
            (source_of(large, announced=False), large),
        ):
            assert await process.uploads.store(ALICE, NAME, source=source, in_one_step=True) is None
            assert await source.gather(50_000) == held

    async def test_a_cancelled_request_leaves_nothing(self, deployment: Deployment, process: Process) -> None:
        source = HangingSource([b"0123"], length=None)
        request = asyncio.create_task(process.uploads.store(ALICE, NAME, source=source))
        await source.hangs.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert await self._left(deployment, process) == ([], {}, {})

    async def test_what_can_not_even_be_dropped_expires(self) -> None:
        deployment = Deployment()
        process = deployment.process()
        process.faults.put(Point.WRITE, StorageUnavailable())
        process.faults.put(Point.READ, RepositoryUnavailable(), after=1)
        with pytest.raises(StorageUnavailable):
            await process.uploads.store(ALICE, NAME, source=source_of(b"abc", announced=False))
        process.faults.heal()
        assert len(await process.uploads.list_open(ALICE)) == 1
        deployment.clock.pass_by(timedelta(hours=25))
        await process.cleanup.run()
        assert (await process.cleanup.run()).expired_uploads == 0
        assert await self._left(deployment, process) == ([], {}, {})

    @staticmethod
    async def _left(deployment: Deployment, process: Process) -> tuple[object, object, object]:
        open_uploads = await process.uploads.list_open(ALICE)
        return open_uploads, deployment.memory.staged, deployment.database.files


class TestFaults:
    async def test_what_was_recorded_before_the_storage_filled_up_stays(self, process: Process) -> None:
        upload = await process.begin(3 * STRETCH)
        process.faults.put(Point.WRITTEN, StorageFull(), after=1)
        with pytest.raises(StorageFull):
            await process.send(upload.id, bytes(3 * STRETCH))
        process.faults.heal()
        assert (await process.uploads.inspect(ALICE, upload.id)).offset == STRETCH
        view = await process.send(upload.id, bytes(2 * STRETCH), at=STRETCH)
        assert view.state is UploadState.COMPLETED

    @pytest.mark.parametrize(("point", "reached"), [(Point.RECORD, STRETCH), (Point.RECORDED, 2 * STRETCH)])
    async def test_after_a_record_that_failed_the_upload_is_read_anew(
        self, deployment: Deployment, process: Process, point: Point, reached: int
    ) -> None:
        """Memory is ahead of the repository then, or thinks it is behind: what counts is what was committed."""
        data = bytes(range(256)) * (3 * STRETCH // 256)
        upload = await process.begin(3 * STRETCH)
        process.faults.put(point, RepositoryUnavailable(), after=1)
        with pytest.raises(RepositoryUnavailable):
            await process.send(upload.id, data)
        process.faults.heal()
        assert (await process.uploads.inspect(ALICE, upload.id)).offset == reached
        await process.send(upload.id, data[reached:], at=reached)
        assert await process.content(upload.id) == data

    async def test_what_another_process_wrote_in_between_is_seen(self, deployment: Deployment) -> None:
        one, two = deployment.process(), deployment.process()
        upload = await one.begin(8)
        await one.send(upload.id, b"01")
        await two.send(upload.id, b"23", at=2)
        with pytest.raises(OffsetMismatch):
            await one.send(upload.id, b"xx", at=2)
        await one.send(upload.id, b"45", at=4)
        await two.send(upload.id, b"67", at=6)
        assert await one.content(upload.id) == b"01234567"
        assert (await one.uploads.inspect(ALICE, upload.id)).state is UploadState.COMPLETED

    @pytest.mark.parametrize("how", ["aborted", "completed", "expired"])
    async def test_what_another_process_ended_is_over(self, deployment: Deployment, how: str) -> None:
        one, two = deployment.process(), deployment.process()
        upload = await one.begin(4)
        await one.send(upload.id, b"01")
        if how == "aborted":
            await two.uploads.abort(ALICE, upload.id)
        elif how == "completed":
            await two.send(upload.id, b"23", at=2)
        else:
            deployment.clock.pass_by(timedelta(hours=24))
            await two.uploads.expire(ALICE, upload.id)
            deployment.clock.pass_by(timedelta(hours=-24))
        with pytest.raises(LongshoreError) as refusal:
            await one.send(upload.id, b"xx", at=2)
        assert isinstance(refusal.value, UploadGone | OffsetMismatch | UploadExpired)

    async def test_a_lease_that_was_lost_records_nothing(self, deployment: Deployment) -> None:
        """The holder was thought dead: another one has the upload, though the first never heard of it."""
        one, two = deployment.process(), deployment.process()
        upload = await one.begin(3 * STRETCH)
        source = StalledSource([b"x" * STRETCH, b"x" * STRETCH], length=3 * STRETCH)
        request = asyncio.create_task(one.uploads.append(ALICE, upload.id, at=0, source=source))
        await source.stalls.wait()
        deployment.database.leases.pop(upload.id)
        await two.send(upload.id, b"y" * STRETCH, at=STRETCH)
        source.goes_on.set()
        with pytest.raises(UploadTakenOver):
            await request
        assert (await two.uploads.look_at(ALICE, upload.id)).offset == 2 * STRETCH

    async def test_nothing_is_written_under_a_lease_in_doubt(self, deployment: Deployment, process: Process) -> None:
        """A process that was frozen may wake up when another one has the upload."""
        upload = await process.begin(10)
        await process.send(upload.id, b"0123")
        for doubt in (UploadTakenOver(), RepositoryUnavailable()):
            process.lock.doubt = doubt
            with pytest.raises(type(doubt)):
                await process.send(upload.id, b"456789", at=4)
            assert bytes(deployment.memory.staged[upload.id]) == b"0123"
        process.lock.doubt = None
        assert (await process.send(upload.id, b"456789", at=4)).state is UploadState.COMPLETED

    async def test_nothing_is_written_after_bytes_that_are_lost(self, deployment: Deployment, process: Process) -> None:
        """Zeros would take their place."""
        upload = await process.begin(10)
        await process.send(upload.id, b"0123")
        del deployment.memory.staged[upload.id]
        with pytest.raises(FileGone):
            await process.send(upload.id, b"456789", at=4)
        assert await offset_of(process, upload.id) == 4

    async def test_a_seal_that_failed_is_finished_when_somebody_asks(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(3)
        process.faults.put(Point.SEAL, StorageUnavailable())
        with pytest.raises(StorageUnavailable):
            await process.send(upload.id, b"abc")
        assert (await process.uploads.look_at(ALICE, upload.id)).state is UploadState.ASSEMBLING
        with pytest.raises(StorageUnavailable):
            await process.uploads.inspect(ALICE, upload.id)
        process.faults.heal()
        assert (await process.uploads.inspect(ALICE, upload.id)).state is UploadState.COMPLETED
        assert await process.content(upload.id) == b"abc"
        assert deployment.told(upload.id) == [CREATED, PROGRESS, COMPLETED]

    async def test_a_seal_that_failed_is_finished_by_an_empty_chunk(self, process: Process) -> None:
        upload = await process.begin(3)
        process.faults.put(Point.SEAL, StorageUnavailable())
        with pytest.raises(StorageUnavailable):
            await process.send(upload.id, b"abc")
        process.faults.heal()
        assert (await process.send(upload.id, b"", at=3)).state is UploadState.COMPLETED

    async def test_bytes_taken_away_behind_our_back_fail_the_upload(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(6)
        await process.send(upload.id, b"abc")
        process.faults.put(Point.SEAL, FileGone())
        with pytest.raises(FileGone):
            await process.send(upload.id, b"def", at=3)
        assert (await process.uploads.look_at(ALICE, upload.id)).state is UploadState.FAILED
        assert deployment.told(upload.id)[-1] is FAILED
        with pytest.raises(FileNotFound):
            await process.content(upload.id)

    async def test_bytes_are_not_written_behind_lost_ones(self, deployment: Deployment, process: Process) -> None:
        upload = await process.begin(6)
        await process.send(upload.id, b"abc")
        del deployment.memory.staged[upload.id][1:]
        with pytest.raises(FileGone):
            await process.send(upload.id, b"def", at=3)
        assert (await process.uploads.look_at(ALICE, upload.id)).offset == 3

    async def test_a_failed_upload_is_tried_again_and_can_be_aborted(
        self, deployment: Deployment, process: Process
    ) -> None:
        uploads = [await process.begin(3), await process.begin(3)]
        process.faults.put(Point.SEAL, FileGone())
        for upload in uploads:
            with pytest.raises(FileGone):
                await process.send(upload.id, b"abc")
        process.faults.heal()
        assert (await process.uploads.inspect(ALICE, uploads[0].id)).state is UploadState.COMPLETED
        await process.uploads.abort(ALICE, uploads[1].id)
        with pytest.raises(UploadGone):
            await process.uploads.inspect(ALICE, uploads[1].id)

    async def test_a_failure_that_can_not_be_written_down_is_found_again(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(3)
        process.faults.put(Point.SEAL, FileGone())
        process.faults.put(Point.FAIL, RepositoryUnavailable())
        with pytest.raises(RepositoryUnavailable):
            await process.send(upload.id, b"abc")
        assert (await process.uploads.look_at(ALICE, upload.id)).state is UploadState.ASSEMBLING
        process.faults.heal()
        assert (await process.uploads.inspect(ALICE, upload.id)).state is UploadState.COMPLETED

    @pytest.mark.parametrize("point", [Point.SEALED, Point.COMPLETE])
    async def test_an_upload_sealed_but_not_recorded_is_finished_when_somebody_asks(
        self, deployment: Deployment, process: Process, point: Point
    ) -> None:
        upload = await process.begin(3)
        process.faults.put(point, RepositoryUnavailable())
        with pytest.raises(RepositoryUnavailable):
            await process.send(upload.id, b"abc")
        process.faults.heal()
        assert (await process.uploads.inspect(ALICE, upload.id)).state is UploadState.COMPLETED
        assert await process.content(upload.id) == b"abc"
        assert deployment.told(upload.id).count(COMPLETED) == 1

    async def test_nobody_hears_of_bytes_that_were_not_recorded(self, deployment: Deployment, process: Process) -> None:
        upload = await process.begin(3)
        process.faults.put(Point.RECORD, RepositoryUnavailable())
        with pytest.raises(RepositoryUnavailable):
            await process.send(upload.id, b"abc")
        assert deployment.told(upload.id) == [CREATED]

    async def test_an_empty_upload_that_can_not_be_sealed_is_dropped(
        self, deployment: Deployment, process: Process
    ) -> None:
        """The client never learns its id: it would turn up as a second empty file."""
        process.faults.put(Point.SEAL, StorageUnavailable())
        with pytest.raises(StorageUnavailable):
            await process.begin(0)
        process.faults.heal()
        await process.reconcile.run()
        assert await process.uploads.list_open(ALICE) == []
        assert deployment.database.files == {}

    async def test_bytes_that_can_not_be_discarded_are_left_to_the_cleanup(
        self, deployment: Deployment, process: Process
    ) -> None:
        upload = await process.begin(3)
        await process.send(upload.id, b"ab")
        process.faults.put(Point.DISCARD, StorageUnavailable())
        with pytest.raises(StorageUnavailable):
            await process.uploads.abort(ALICE, upload.id)
        process.faults.heal()
        with pytest.raises(UploadGone):
            await process.uploads.inspect(ALICE, upload.id)
        deployment.clock.pass_by(timedelta(hours=2))
        assert (await process.cleanup.run()).orphans == 1
        assert deployment.memory.staged == {}

    @pytest.mark.parametrize("point", [Point.WRITE, Point.WRITTEN, Point.RECORD, Point.RECORDED])
    async def test_a_process_that_died_in_the_middle_loses_nothing_it_had_promised(
        self, deployment: Deployment, point: Point
    ) -> None:
        data = bytes(range(256)) * (3 * STRETCH // 256)
        dying = deployment.process()
        upload = await dying.begin(len(data))
        promised = await dying.send(upload.id, data[:STRETCH])
        dying.faults.put(point, Died())
        with pytest.raises(Died):
            await dying.send(upload.id, data[STRETCH:], at=STRETCH)
        survivor = deployment.process()
        view = await survivor.uploads.inspect(ALICE, upload.id)
        assert view.offset >= promised.offset
        await survivor.send(upload.id, data[view.offset :], at=view.offset)
        assert await survivor.content(upload.id) == data


class TestNames:
    async def test_names_are_for_display_only(self, deployment: Deployment, process: Process) -> None:
        draft = FileDraft.of(filename="../../etc/pass\0wd", media_type="text/html; charset=utf-8")
        view = await process.uploads.store(ALICE, draft, source=source_of(b"x"))
        assert view is not None
        file = await process.downloads.describe(ALICE, file_id_of(view.id))
        assert (file.name, file.media_type) == ("passwd", "text/html")
        assert set(deployment.memory.blobs) == {BlobKey(view.id)}
