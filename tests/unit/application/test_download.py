"""Giving files out and taking them away."""

import pytest

from domain.access import Principal
from domain.byte_range import ByteRange
from domain.errors import FileGone, FileNotFound, RepositoryUnavailable, UploadNotFound
from domain.ids import BlobKey, FileId, UploadId, file_id_of
from tests.support.builders import ADMIN, ALICE, BOB, an_id
from tests.support.deployment import Deployment, Process
from tests.support.faults import Point


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def process(deployment: Deployment) -> Process:
    return deployment.process()


@pytest.fixture
async def file_id(process: Process) -> FileId:
    upload = await process.begin(10)
    await process.send(upload.id, b"0123456789")
    return file_id_of(upload.id)


@pytest.mark.parametrize("who", [ALICE, ADMIN], ids=["its owner", "an administrator"])
async def test_a_file_is_described_and_opened_for(process: Process, file_id: FileId, who: Principal) -> None:
    opened = await process.downloads.open(who, file_id)
    assert opened.file == await process.downloads.describe(who, file_id)
    assert (opened.file.owner, opened.file.size, opened.blob.size) == (ALICE.owner, 10, 10)
    assert b"".join([block async for block in opened.blob.blocks(ByteRange(2, 5))]) == b"234"
    await opened.blob.close()


async def test_someone_elses_file_is_as_unknown(process: Process, file_id: FileId) -> None:
    for who, id_ in ((BOB, file_id), (ALICE, FileId(an_id()))):
        with pytest.raises(FileNotFound):
            await process.downloads.describe(who, id_)
        with pytest.raises(FileNotFound):
            await process.downloads.open(who, id_)
        with pytest.raises(FileNotFound):
            await process.files.delete(who, id_)
    assert await process.content(UploadId(file_id)) == b"0123456789"


async def test_an_unfinished_upload_is_no_file(process: Process) -> None:
    upload = await process.begin(10)
    await process.send(upload.id, b"0123")
    with pytest.raises(FileNotFound):
        await process.downloads.open(ALICE, file_id_of(upload.id))
    with pytest.raises(FileNotFound):
        await process.files.delete(ALICE, file_id_of(upload.id))
    assert (await process.uploads.inspect(ALICE, upload.id)).offset == 4


async def test_bytes_taken_away_or_changed_behind_our_back_are_gone(
    deployment: Deployment, process: Process, file_id: FileId
) -> None:
    deployment.memory.blobs[BlobKey(file_id)] = b"012345678"
    with pytest.raises(FileGone):
        await process.downloads.open(ALICE, file_id)
    del deployment.memory.blobs[BlobKey(file_id)]
    with pytest.raises(FileGone):
        await process.downloads.open(ALICE, file_id)
    assert (await process.downloads.describe(ALICE, file_id)).size == 10
    await process.files.delete(ALICE, file_id)


async def test_a_deleted_file_is_gone_with_its_bytes_and_its_upload(
    deployment: Deployment, process: Process, file_id: FileId
) -> None:
    await process.files.delete(ALICE, file_id)
    assert deployment.memory.blobs == {}
    with pytest.raises(FileNotFound):
        await process.downloads.open(ALICE, file_id)
    with pytest.raises(UploadNotFound):
        await process.uploads.inspect(ALICE, UploadId(file_id))
    with pytest.raises(FileNotFound):
        await process.files.delete(ALICE, file_id)


async def test_a_file_whose_deletion_was_not_committed_is_whole(
    deployment: Deployment, process: Process, file_id: FileId
) -> None:
    process.faults.put(Point.SAVE, RepositoryUnavailable())
    with pytest.raises(RepositoryUnavailable):
        await process.files.delete(ALICE, file_id)
    process.faults.heal()
    assert await process.content(UploadId(file_id)) == b"0123456789"


async def test_deleting_one_file_leaves_the_others(process: Process, file_id: FileId) -> None:
    other = await process.begin(1)
    await process.send(other.id, b"x")
    await process.files.delete(ALICE, file_id)
    assert await process.content(other.id) == b"x"
