"""Bytes at hand become a file whole or not at all, whatever comes between; nothing is left that nobody knows of."""

from contextlib import suppress
from datetime import timedelta

import pytest

from adapters.outbound.memory.spool import MemorySpooled
from domain.byte_range import ByteRange
from domain.errors import LongshoreError, QuotaExceeded, RepositoryUnavailable, StorageUnavailable, UploadTooLarge
from domain.events import EventType
from domain.file import File
from domain.ids import BlobKey, UploadId
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from ports.unit_of_work import UnitOfWork
from tests.support.builders import ALICE
from tests.support.deployment import NAME, Deployment, Process
from tests.support.faults import Died, Point

DATA = b"precious"
LATER = timedelta(hours=2)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


async def nothing_more(work: UnitOfWork, upload: Upload, file: File) -> None:
    """Only the file."""


async def keep(process: Process, data: bytes = DATA) -> File:
    content = MemorySpooled()
    await content.append(data)
    return await process.keeping.keep(ALICE, NAME, content, alongside=nothing_more, key=place_of)


def place_of(upload_id: UploadId) -> BlobKey:
    return BlobKey(f"images/a/b/{upload_id}.jpg")


async def files_after_cleanup(deployment: Deployment) -> list[File]:
    """Each with its bytes, and beside them there is nothing."""
    deployment.clock.pass_by(LATER)
    await deployment.process().cleanup.run()
    files = list(deployment.database.files.values())
    assert deployment.database.blob_deletions == {}
    assert deployment.memory.blobs == {file.blob_key: DATA for file in files}
    assert deployment.database.uploads.keys() == {file.id for file in files}
    return files


async def test_what_is_kept_is_a_complete_uploads_file(deployment: Deployment) -> None:
    process = deployment.process()
    file = await keep(process)
    assert file.blob_key == place_of(UploadId(file.id)) and file.size == len(DATA)
    assert await process.content(UploadId(file.id)) == DATA
    assert deployment.told(UploadId(file.id)) == [EventType.CREATED, EventType.PROGRESS, EventType.COMPLETED]
    assert deployment.database.blob_deletions == {}
    assert await files_after_cleanup(deployment) == [file]


@pytest.mark.parametrize("error", [Died(), RepositoryUnavailable(), StorageUnavailable()], ids=repr)
@pytest.mark.parametrize(
    ("point", "times"),
    [
        *((Point.READ, times) for times in range(3)),
        *((Point.SAVE, times) for times in range(2)),
        *((point, 0) for point in (Point.PUT, Point.PUT_DONE, Point.COMPLETE, Point.DELETE)),
        (Point.ANNOUNCE, 1),
    ],
)
async def test_wherever_it_breaks_off_there_is_a_whole_file_or_nothing(
    deployment: Deployment, point: Point, times: int, error: BaseException
) -> None:
    process = deployment.process()
    process.faults.put(point, error, after=times)
    answered = None
    with suppress(Died, LongshoreError):
        answered = await keep(process)
    files = await files_after_cleanup(deployment)
    if answered is not None:
        assert files == [answered]
    else:
        assert len(files) == (point is Point.ANNOUNCE)


async def test_what_speaks_against_it_keeps_it_from_being_there_at_all(deployment: Deployment) -> None:
    process = deployment.process()

    async def refuse(work: UnitOfWork, upload: Upload, file: File) -> None:
        raise QuotaExceeded("no more")

    async def refuse_first(work: UnitOfWork) -> None:
        raise QuotaExceeded("no more")

    content = MemorySpooled()
    await content.append(DATA)
    with pytest.raises(QuotaExceeded):
        await process.keeping.keep(ALICE, NAME, content, alongside=refuse)
    with pytest.raises(QuotaExceeded):
        await process.keeping.keep(ALICE, NAME, content, alongside=nothing_more, beforehand=refuse_first)
    assert deployment.memory.blobs == {} and deployment.database.blob_deletions == {}
    assert await files_after_cleanup(deployment) == []


async def test_quotas_and_sizes_hold() -> None:
    deployment = Deployment(UploadPolicy(max_bytes=len(DATA) + 1, max_length_bytes=10))
    process = deployment.process()
    await keep(process)
    with pytest.raises(QuotaExceeded):
        await keep(process)
    with pytest.raises(UploadTooLarge):
        await keep(process, bytes(11))
    assert len(await files_after_cleanup(deployment)) == 1


async def test_bytes_that_cleanup_took_for_nobodys_become_no_file(deployment: Deployment) -> None:
    """It came back from storage hours later."""
    process, other = deployment.process(), deployment.process()

    async def too_late(_: UnitOfWork) -> None:
        deployment.clock.pass_by(LATER)
        await other.cleanup.run()

    content = MemorySpooled()
    await content.append(DATA)
    with pytest.raises(StorageUnavailable):
        await process.keeping.keep(ALICE, NAME, content, alongside=nothing_more, beforehand=too_late)
    assert await files_after_cleanup(deployment) == []


async def test_content_is_read_where_it_lies(deployment: Deployment) -> None:
    process = deployment.process()
    file = await keep(process)
    blob = await process.blobs.open(file.blob_key)
    copy = await process.keeping.keep(ALICE, NAME, blob, alongside=nothing_more)
    assert copy.crc64 == file.crc64
    assert b"".join([block async for block in blob.blocks(ByteRange(0, blob.size))]) == DATA
