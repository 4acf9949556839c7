"""SHA-256 of stored files: read when there is time, or at once; and what it is good for at an upload's completion."""

import asyncio
import hashlib
from datetime import timedelta

import pytest

from application.digest import DigestUseCase
from application.views import UploadView
from domain.access import ANYBODY, Credential, Principal, Visibility
from domain.checksum import Checksum
from domain.errors import (
    ChecksumMismatch,
    QuotaExceeded,
    RepositoryUnavailable,
    Sha256Mismatch,
    StorageUnavailable,
    UploadGone,
)
from domain.events import EventType
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import BlobKey, UploadId, file_id_of
from domain.metadata import Metadata
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadKind, UploadState
from tests.support.builders import ADMIN, ALICE, BOB
from tests.support.deployment import NAME, Deployment, Process
from tests.support.faults import Died, Point
from tests.support.sources import source_of

DATA = bytes(range(256)) * 10


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def process(deployment: Deployment) -> Process:
    return deployment.process()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def sha512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


async def stored(process: Process, data: bytes = DATA, who: Principal = ALICE) -> UploadId:
    upload = await process.begin(len(data), who)
    if data:
        await process.send(upload.id, data, who=who)
    return upload.id


async def file_of(process: Process, upload_id: UploadId, who: Principal = ALICE) -> File:
    return await process.downloads.describe(who, file_id_of(upload_id))


async def offered(
    process: Process,
    data: bytes = DATA,
    who: Principal = ALICE,
    length: int | None = None,
    visibility: Visibility = Visibility.PRIVATE,
) -> UploadView:
    """A new upload whose client has told what the bytes are to be."""
    return await process.uploads.create(who, FileDraft(NAME.metadata, visibility, sha256=sha256(data)), length=length)


class TestTheChore:
    async def test_it_digests_what_was_completed(self, process: Process) -> None:
        ids = [await stored(process, data) for data in (DATA, b"", b"x" * 3_000_000)]
        assert [(await file_of(process, id_)).sha256 for id_ in ids] == [None] * 3
        assert await process.digests.run() == 3
        expected = [sha256(data) for data in (DATA, b"", b"x" * 3_000_000)]
        assert [(await file_of(process, id_)).sha256 for id_ in ids] == expected
        assert await process.digests.run() == 0

    async def test_a_completion_wakes_it(self, process: Process) -> None:
        sleeping = asyncio.create_task(process.digests.pause(60))
        await asyncio.sleep(0)
        assert not sleeping.done()
        await stored(process)
        await asyncio.wait_for(sleeping, 1)

    async def test_it_wakes_by_itself(self, process: Process) -> None:
        await asyncio.wait_for(process.digests.pause(0.01), 1)

    async def test_what_another_process_left_is_digested_when_it_is_old(
        self, deployment: Deployment, process: Process
    ) -> None:
        ids = [await stored(process, b"%d" % number) for number in range(250)]
        other = deployment.process()
        assert await other.digests.run() == 0, "the one that completed them may be at it"
        deployment.clock.pass_by(timedelta(minutes=11))
        assert await other.digests.run() == 250
        assert (await file_of(other, ids[77])).sha256 == sha256(b"77")

    async def test_lost_and_deleted_files_do_not_keep_it_from_the_others(
        self, deployment: Deployment, process: Process
    ) -> None:
        lost, short, deleted, good = [await stored(process) for _ in range(4)]
        del deployment.memory.blobs[BlobKey(lost)]
        deployment.memory.blobs[BlobKey(short)] = DATA[:-1]
        await process.files.delete(ALICE, file_id_of(deleted))
        assert await process.digests.run() == 1
        assert (await file_of(process, good)).sha256 == sha256(DATA)
        deployment.clock.pass_by(timedelta(minutes=11))
        assert await process.digests.run() == 0

    async def test_a_failure_is_made_up_for(self, deployment: Deployment, process: Process) -> None:
        upload_id = await stored(process)
        process.faults.put(Point.SAVE, RepositoryUnavailable())
        with pytest.raises(RepositoryUnavailable):
            await process.digests.run()
        process.faults.heal()
        deployment.clock.pass_by(timedelta(minutes=11))
        assert await process.digests.run() == 1
        assert (await file_of(process, upload_id)).sha256 == sha256(DATA)


async def test_who_asks_for_a_digest_gets_it_at_once(process: Process) -> None:
    file = await file_of(process, await stored(process))
    known = await process.digests.know(file)
    assert known.sha256 == sha256(DATA)
    assert await file_of(process, UploadId(file.id)) == known
    assert await process.digests.know(known) is known


class TestAnAnnouncedDigest:
    async def test_the_right_bytes_become_a_file_that_has_it_already(self, process: Process) -> None:
        upload = await offered(process, length=len(DATA))
        view = await process.send(upload.id, DATA)
        assert view.state is UploadState.COMPLETED
        assert (await file_of(process, upload.id)).sha256 == sha256(DATA)
        assert await process.digests.run() == 0

    async def test_other_bytes_never_become_a_file(self, deployment: Deployment, process: Process) -> None:
        upload = await offered(process, length=len(DATA))
        with pytest.raises(Sha256Mismatch):
            await process.send(upload.id, b"?" + DATA[1:])
        assert deployment.database.files == {}
        assert deployment.memory.blobs == {}
        assert deployment.memory.staged == {}
        # The client's next question is answered by what makes it begin again, never by an offset that looks complete.
        with pytest.raises(UploadGone):
            await process.uploads.inspect(ALICE, upload.id)
        told = [event.type for event in deployment.events]
        assert told[-2:] == [EventType.FAILED, EventType.ABORTED]
        again = await offered(process, length=len(DATA))
        assert (await process.send(again.id, DATA)).state is UploadState.COMPLETED

    async def test_it_is_a_checksum_mismatch_to_dialects_that_know_no_other(self) -> None:
        assert issubclass(Sha256Mismatch, ChecksumMismatch)

    @pytest.mark.parametrize("data", [b"", DATA])
    async def test_by_one_request_it_counts_as_well(self, process: Process, data: bytes) -> None:
        right = await process.uploads.store(ALICE, FileDraft(sha256=sha256(data)), source=source_of(data))
        assert right and (await file_of(process, right.id)).sha256 == sha256(data)
        with pytest.raises(Sha256Mismatch):
            await process.uploads.store(ALICE, FileDraft(sha256=sha256(b"other")), source=source_of(data))
        assert await process.uploads.list_open(ALICE) == []

    async def test_an_empty_file_is_checked_at_the_creation(self, process: Process) -> None:
        with pytest.raises(Sha256Mismatch):
            await offered(process, DATA, length=0)
        assert (await offered(process, b"", length=0)).state is UploadState.COMPLETED

    @pytest.mark.parametrize("wrong", [{"sha512": sha512(b"")}, {"sha256": sha256(b""), "sha512": sha512(DATA)}])
    async def test_every_digest_that_was_announced_has_to_be_right(
        self, process: Process, wrong: dict[str, bytes]
    ) -> None:
        for told in ({**wrong}, {"sha256": sha256(DATA), **wrong}):
            refused = await process.uploads.create(
                ALICE, FileDraft(sha256=told.get("sha256"), sha512=told["sha512"]), length=len(DATA)
            )
            with pytest.raises(Sha256Mismatch):
                await process.send(refused.id, DATA)
        taken = await process.uploads.create(ALICE, FileDraft(sha512=sha512(DATA)), length=len(DATA))
        assert (await process.send(taken.id, DATA)).state is UploadState.COMPLETED
        assert (await file_of(process, taken.id)).sha256 is None, "it is read as it is for any other"

    async def test_joined_parts_are_checked_as_one(self, process: Process) -> None:
        parts = [await process.part(DATA[:100]), await process.part(DATA[100:])]
        with pytest.raises(Sha256Mismatch):
            await process.uploads.join(ALICE, parts, FileDraft(sha256=sha256(b"other")))
        final = await process.uploads.join(ALICE, parts, FileDraft(sha256=sha256(DATA)))
        assert await process.content(final.id) == DATA

    async def test_at_the_clients_word_it_counts_as_well(self, process: Process) -> None:
        upload = await process.uploads.create(
            ALICE, FileDraft(sha256=sha256(b"other")), length=None, completes_on_request=True
        )
        await process.send(upload.id, DATA)
        with pytest.raises(Sha256Mismatch):
            await process.uploads.complete(ALICE, upload.id)

    @pytest.mark.parametrize("point", [Point.SEALED, Point.COMPLETE])
    @pytest.mark.parametrize("announced", [DATA, b"other"])
    async def test_a_process_that_dies_over_it_is_replaced(
        self, deployment: Deployment, process: Process, point: Point, announced: bytes
    ) -> None:
        upload = await offered(process, announced, length=len(DATA))
        process.faults.put(point, Died())
        with pytest.raises((Died, Sha256Mismatch)):
            await process.send(upload.id, DATA)
        other = deployment.process()
        await other.reconcile.run()
        if announced == DATA:
            assert await other.content(upload.id) == DATA
        else:
            with pytest.raises(UploadGone):
                await other.uploads.inspect(ALICE, upload.id)
            assert deployment.database.files == {}
            assert deployment.memory.blobs == {}

    async def test_while_storage_is_away_nothing_is_decided(self, deployment: Deployment, process: Process) -> None:
        upload = await offered(process, length=len(DATA))
        opening = process.blobs.open

        async def away(key: BlobKey) -> object:
            raise StorageUnavailable

        process.blobs.open = away  # type: ignore[method-assign, assignment]
        with pytest.raises(StorageUnavailable):
            await process.send(upload.id, DATA)
        process.blobs.open = opening  # type: ignore[method-assign]
        assert (await process.uploads.inspect(ALICE, upload.id)).state is UploadState.COMPLETED
        assert await process.content(upload.id) == DATA


class TestTheOffer:
    @pytest.fixture
    async def known(self, process: Process) -> UploadId:
        upload_id = await stored(process)
        await process.digests.run()
        return upload_id

    @pytest.mark.parametrize("length", [None, len(DATA)])
    async def test_whoever_owns_the_bytes_need_not_send_them(
        self, deployment: Deployment, process: Process, known: UploadId, length: int | None
    ) -> None:
        upload = await offered(process, length=length)
        assert (upload.state, upload.offset, upload.length) == (UploadState.COMPLETED, len(DATA), len(DATA))
        assert upload.id != known
        assert await process.content(upload.id) == DATA
        assert len(deployment.memory.blobs) == 1
        file, first = await file_of(process, upload.id), await file_of(process, known)
        assert (file.blob_key, file.sha256, file.crc64) == (first.blob_key, first.sha256, first.crc64)
        told = [event.type for event in deployment.events if event.upload_id == upload.id]
        assert told == [EventType.CREATED, EventType.COMPLETED]
        again = await process.uploads.inspect(ALICE, upload.id)
        assert again.file_id == file.id

    async def test_the_new_file_is_as_its_client_wants_it(self, process: Process, known: UploadId) -> None:
        upload = await process.uploads.create(
            ALICE,
            FileDraft(Metadata.of(filename="b.txt", media_type="text/plain"), Visibility.PUBLIC, sha256=sha256(DATA)),
            length=None,
        )
        file = await file_of(process, upload.id, BOB)
        assert (file.name, file.media_type, file.visibility) == ("b.txt", "text/plain", Visibility.PUBLIC)

    @pytest.mark.parametrize("who", [BOB, ADMIN])
    async def test_nobody_elses_bytes_are_offered(self, process: Process, known: UploadId, who: Principal) -> None:
        upload = await offered(process, who=who, length=len(DATA))
        assert (upload.state, upload.offset) == (UploadState.PENDING, 0)

    async def test_other_bytes_or_another_length_are_no_match(self, process: Process, known: UploadId) -> None:
        assert (await offered(process, DATA[:-1])).state is UploadState.PENDING
        assert (await offered(process, DATA, length=len(DATA) - 1)).state is UploadState.PENDING

    async def test_what_cannot_be_compared_without_the_bytes_is_not_offered(
        self, process: Process, known: UploadId
    ) -> None:
        view = await process.uploads.create(
            ALICE, FileDraft(sha256=sha256(DATA), sha512=sha512(b"other")), length=len(DATA)
        )
        assert view.state is UploadState.PENDING
        with pytest.raises(Sha256Mismatch):
            await process.send(view.id, DATA)

    async def test_a_part_is_not_offered_what_is_a_file(self, process: Process, known: UploadId) -> None:
        view = await process.uploads.create(
            ALICE, FileDraft(sha256=sha256(DATA)), length=len(DATA), kind=UploadKind.PARTIAL
        )
        assert view.state is UploadState.PENDING

    async def test_bytes_that_are_not_there_any_more_are_not_offered(
        self, deployment: Deployment, process: Process, known: UploadId
    ) -> None:
        deployment.memory.blobs[BlobKey(known)] = DATA[:-1]
        assert (await offered(process)).state is UploadState.PENDING
        del deployment.memory.blobs[BlobKey(known)]
        assert (await offered(process)).state is UploadState.PENDING

    async def test_where_everybody_is_the_owner_what_a_credential_guards_is_not_offered(self, process: Process) -> None:
        upload = await process.uploads.create(ANYBODY, NAME, length=None, completes_on_request=True)
        await process.send(upload.id, DATA, who=ANYBODY)
        await process.uploads.complete(ANYBODY, upload.id, draft=FileDraft(credential=Credential({"k": "v"})))
        await process.digests.run()
        assert (await offered(process, who=ANYBODY)).state is UploadState.PENDING

    async def test_the_bytes_stay_until_the_last_file_is_deleted(
        self, deployment: Deployment, process: Process, known: UploadId
    ) -> None:
        ids = [known, (await offered(process)).id, (await offered(process)).id]
        for id_ in (ids[1], ids[0]):
            await process.files.delete(ALICE, file_id_of(id_))
            assert await process.content(ids[2]) == DATA
        await process.files.delete(ALICE, file_id_of(ids[2]))
        assert deployment.memory.blobs == {}

    async def test_the_bytes_count_for_each_file(self) -> None:
        process = Deployment(UploadPolicy(max_bytes=len(DATA) * 2)).process()
        await stored(process)
        await process.digests.run()
        assert (await offered(process)).state is UploadState.COMPLETED
        with pytest.raises(QuotaExceeded):
            await offered(process)

    async def test_a_process_that_dies_before_the_commit_leaves_nothing(
        self, deployment: Deployment, process: Process, known: UploadId
    ) -> None:
        process.faults.put(Point.COMPLETE, Died())
        with pytest.raises(Died):
            await offered(process)
        assert list(deployment.database.files) == [file_id_of(known)]
        assert list(deployment.database.uploads) == [known]

    async def test_cleanup_and_reconcile_leave_shared_bytes_alone(
        self, deployment: Deployment, process: Process, known: UploadId
    ) -> None:
        upload = await offered(process)
        deployment.clock.pass_by(timedelta(days=30))
        await process.cleanup.run()
        await process.reconcile.run()
        assert await process.content(upload.id) == await process.content(known) == DATA


async def test_digesting_reads_in_pieces_and_lets_others_run(deployment: Deployment) -> None:
    """While 8 MiB are read, a task that wants every turn of the loop gets many."""
    process = deployment.process()
    upload_id = await stored(process, bytes(8 * 1024 * 1024))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    file = await file_of(process, upload_id)
    digests = DigestUseCase(unit_of_work=process.units, blobs=process.blobs, clock=deployment.clock)
    assert await digests.matches(file.blob_key, file.size, [Checksum("sha256", sha256(bytes(8 * 1024 * 1024)))])
    counting.cancel()
    assert turns > 8
