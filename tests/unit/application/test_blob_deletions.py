"""Bytes that nobody's file has any more are deleted, whatever comes between; those that somebody has never are."""

import asyncio
import hashlib
from datetime import timedelta

import pytest

from application.upkeep.cleanup import Cleaned
from domain.errors import RepositoryUnavailable, Sha256Mismatch, StorageFull, StorageUnavailable
from domain.file_draft import FileDraft
from domain.ids import FileId, UploadId, blob_key_of, file_id_of
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadState
from tests.support.builders import ALICE
from tests.support.deployment import NAME, Deployment, Process
from tests.support.faults import Died, Point
from tests.support.sources import source_of

DATA = b"precious"
SHA256 = hashlib.sha256(DATA).digest()
HOUR = timedelta(hours=1)
LATER = HOUR + timedelta(seconds=1)
DAY = timedelta(days=1)
NOTHING = Cleaned(0, 0)
ONE = Cleaned(0, 0, deleted_blobs=1)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def process(deployment: Deployment) -> Process:
    return deployment.process()


async def stored(process: Process) -> FileId:
    upload = await process.begin(len(DATA))
    await process.send(upload.id, DATA)
    return file_id_of(upload.id)


def is_clean(deployment: Deployment) -> bool:
    return not deployment.memory.blobs and not deployment.database.blob_deletions


async def test_bytes_that_go_at_once_are_noted_no_longer(deployment: Deployment, process: Process) -> None:
    await process.files.delete(ALICE, await stored(process))
    assert is_clean(deployment)
    deployment.clock.pass_by(LATER)
    assert await process.cleanup.run() == NOTHING


@pytest.mark.parametrize("away", [StorageUnavailable(), StorageFull()])
async def test_a_file_deleted_while_storage_is_away_goes_with_a_later_cleanup(
    deployment: Deployment, process: Process, away: Exception
) -> None:
    file_id = await stored(process)
    process.faults.put(Point.DELETE, away)
    await process.files.delete(ALICE, file_id)
    deployment.clock.pass_by(LATER)
    assert await process.cleanup.run() == NOTHING
    assert len(deployment.memory.blobs) == 1
    process.faults.heal()
    assert await process.cleanup.run() == ONE
    assert is_clean(deployment)
    assert await process.cleanup.run() == NOTHING


async def test_a_process_that_dies_before_the_bytes_go_is_made_up_for(deployment: Deployment) -> None:
    dying = deployment.process()
    file_id = await stored(dying)
    dying.faults.put(Point.DELETE, Died())
    with pytest.raises(Died):
        await dying.files.delete(ALICE, file_id)
    assert len(deployment.memory.blobs) == 1
    deployment.clock.pass_by(LATER)
    assert await deployment.process().cleanup.run() == ONE
    assert is_clean(deployment)


@pytest.mark.parametrize("error", [Died(), RepositoryUnavailable()])
async def test_bytes_that_are_gone_already_are_forgotten_later(deployment: Deployment, error: BaseException) -> None:
    process = deployment.process()
    file_id = await stored(process)
    process.faults.put(Point.SAVE, error, after=1)  # the file's own commit went well
    try:
        await process.files.delete(ALICE, file_id)
    except Died:
        assert isinstance(error, Died)
    assert deployment.memory.blobs == {}
    assert len(deployment.database.blob_deletions) == 1
    deployment.clock.pass_by(LATER)
    assert await deployment.process().cleanup.run() == ONE
    assert is_clean(deployment)


async def test_of_a_deletion_that_was_not_committed_nothing_is_noted(deployment: Deployment, process: Process) -> None:
    file_id = await stored(process)
    process.faults.put(Point.SAVE, RepositoryUnavailable())
    with pytest.raises(RepositoryUnavailable):
        await process.files.delete(ALICE, file_id)
    process.faults.heal()
    assert deployment.database.blob_deletions == {}
    assert await process.content(UploadId(file_id)) == DATA


async def test_what_was_noted_just_now_is_left_to_its_process(deployment: Deployment, process: Process) -> None:
    file_id = await stored(process)
    process.faults.put(Point.DELETE, StorageUnavailable())
    await process.files.delete(ALICE, file_id)
    deployment.clock.pass_by(HOUR)
    other = deployment.process()
    assert await other.cleanup.run() == NOTHING
    deployment.clock.pass_by(timedelta(seconds=1))
    assert await other.cleanup.run() == ONE


# --- bytes that were sealed and never became a file


@pytest.mark.parametrize("error", [StorageUnavailable(), Died()])
async def test_refused_bytes_go_with_a_later_cleanup(deployment: Deployment, error: BaseException) -> None:
    process = deployment.process()
    upload = await process.uploads.create(ALICE, FileDraft(sha256=SHA256), length=len(DATA))
    process.faults.put(Point.DELETE, error)
    with pytest.raises((Sha256Mismatch, Died)):
        await process.send(upload.id, DATA.upper())
    assert len(deployment.memory.blobs) == 1
    deployment.clock.pass_by(LATER)
    assert await deployment.process().cleanup.run() == ONE
    assert is_clean(deployment)


async def test_refused_bytes_that_go_at_once_are_noted_no_longer(deployment: Deployment, process: Process) -> None:
    upload = await process.uploads.create(ALICE, FileDraft(sha256=SHA256), length=len(DATA))
    with pytest.raises(Sha256Mismatch):
        await process.send(upload.id, DATA.upper())
    assert is_clean(deployment)


async def store(process: Process) -> object:
    return await process.uploads.store(ALICE, NAME, source=source_of(DATA, announced=False))


async def complete_on_request(process: Process) -> object:
    upload = await process.uploads.create(ALICE, NAME, length=None, completes_on_request=True)
    await process.send(upload.id, DATA)
    return await process.uploads.complete(ALICE, upload.id)


_WAYS = {"one request": store, "on request": complete_on_request, "the last byte": stored}


async def die_after_sealing(deployment: Deployment, *, how: str) -> UploadId:
    """An upload whose bytes are a blob and whose record does not tell of it."""
    dying = deployment.process()
    dying.faults.put(Point.SEALED, Died())
    with pytest.raises(Died):
        await _WAYS[how](dying)
    (upload_id,) = deployment.database.uploads
    assert set(deployment.memory.blobs) == {blob_key_of(upload_id)}
    assert deployment.memory.staged == {}
    return upload_id


@pytest.mark.parametrize("how", ["one request", "on request", "the last byte"])
async def test_what_was_sealed_and_then_aborted_is_deleted(deployment: Deployment, how: str) -> None:
    upload_id = await die_after_sealing(deployment, how=how)
    survivor = deployment.process()
    await survivor.uploads.abort(ALICE, upload_id)
    assert is_clean(deployment)


@pytest.mark.parametrize("how", ["one request", "on request", "the last byte"])
async def test_what_was_sealed_and_then_expired_is_deleted(deployment: Deployment, how: str) -> None:
    await die_after_sealing(deployment, how=how)
    deployment.clock.pass_by(DAY)
    assert await deployment.process().cleanup.run() == Cleaned(1, 0)
    assert is_clean(deployment)


@pytest.mark.parametrize("point", [Point.DISCARD, Point.DELETE])
async def test_what_was_sealed_and_aborted_while_storage_was_away_is_deleted_later(
    deployment: Deployment, point: Point
) -> None:
    upload_id = await die_after_sealing(deployment, how="one request")
    survivor = deployment.process()
    survivor.faults.put(point, StorageUnavailable())
    deployment.clock.pass_by(DAY)
    await survivor.cleanup.run()
    assert set(deployment.memory.blobs) == {blob_key_of(upload_id)}
    survivor.faults.heal()
    deployment.clock.pass_by(LATER)
    assert await survivor.cleanup.run() == ONE
    assert is_clean(deployment)


async def test_a_store_whose_completion_could_not_be_committed_leaves_no_bytes(
    deployment: Deployment, process: Process
) -> None:
    process.faults.put(Point.COMPLETE, RepositoryUnavailable())
    with pytest.raises(RepositoryUnavailable):
        await process.uploads.store(ALICE, NAME, source=source_of(DATA, announced=False))
    assert is_clean(deployment)


async def test_an_upload_in_the_middle_has_no_blob_to_note(deployment: Deployment, process: Process) -> None:
    process.faults.put(Point.DELETE, AssertionError("no blob can be there"))
    upload = await process.begin(len(DATA))
    await process.send(upload.id, DATA[:3])
    await process.uploads.abort(ALICE, upload.id)
    part = await process.part(DATA)
    await process.uploads.abort(ALICE, part)
    assert deployment.database.blob_deletions == {}


# --- bytes that several files share


async def test_shared_bytes_stay_until_the_last_file_goes(deployment: Deployment, process: Process) -> None:
    first = await stored(process)
    await process.digests.run()
    second = await process.uploads.create(ALICE, FileDraft(sha256=SHA256), length=None)
    assert second.state is UploadState.COMPLETED
    process.faults.put(Point.DELETE, StorageUnavailable())
    await process.files.delete(ALICE, first)
    process.faults.heal()
    deployment.clock.pass_by(LATER)
    assert await process.cleanup.run() == NOTHING
    assert await process.content(second.id) == DATA
    process.faults.put(Point.DELETE, StorageUnavailable())
    await process.files.delete(ALICE, file_id_of(second.id))
    again = await process.uploads.create(ALICE, FileDraft(sha256=SHA256), length=None)
    assert again.state is UploadState.PENDING, "what is to be deleted is lent to nobody"
    process.faults.heal()
    deployment.clock.pass_by(LATER)
    assert await process.cleanup.run() == ONE
    assert is_clean(deployment)


# --- the chore


async def test_bytes_that_can_not_be_deleted_keep_no_others(deployment: Deployment, process: Process) -> None:
    files = [await stored(process) for _ in range(450)]
    process.faults.put(Point.DELETE, StorageUnavailable())
    for file_id in files:
        await process.files.delete(ALICE, file_id)
    process.faults.heal()
    stuck = sorted(deployment.memory.blobs)[:5]
    for key in stuck:
        process.faults.put(Point.DELETE, StorageUnavailable(), upload_id=UploadId(key))
    deployment.clock.pass_by(LATER)
    assert await process.cleanup.run() == Cleaned(0, 0, deleted_blobs=445)
    assert sorted(deployment.memory.blobs) == stuck


async def test_while_storage_is_away_the_rest_of_the_chore_goes_on(deployment: Deployment) -> None:
    deployment = Deployment(UploadPolicy(max_open_uploads=None))
    process = deployment.process()
    files = [await stored(process) for _ in range(30)]
    ended = await process.begin(10)
    await process.uploads.abort(ALICE, ended.id)
    process.faults.put(Point.DELETE, StorageUnavailable())
    for file_id in files:
        await process.files.delete(ALICE, file_id)
    deployment.clock.pass_by(DAY - HOUR)
    late = await process.begin(10)
    deployment.clock.pass_by(DAY)
    assert await process.cleanup.run() == Cleaned(1, 0, forgotten_uploads=1)
    assert (await process.uploads.list_open(ALICE)) == []
    assert late.id in deployment.database.uploads
    assert len(deployment.memory.blobs) == 30


async def test_two_cleanups_side_by_side_delete_each_blob_once(deployment: Deployment) -> None:
    one, two = deployment.process(), deployment.process()
    files = [await stored(one) for _ in range(20)]
    one.faults.put(Point.DELETE, StorageUnavailable())
    for file_id in files:
        await one.files.delete(ALICE, file_id)
    one.faults.heal()
    deployment.clock.pass_by(LATER)
    cleaned = await asyncio.gather(one.cleanup.run(), two.cleanup.run())
    assert sum(run.deleted_blobs for run in cleaned) == 20
    assert is_clean(deployment)
