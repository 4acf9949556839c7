"""Files that are changed, deleted with a way back, and that end; a process that dies in between leaves nothing."""

from datetime import timedelta

import pytest

from domain.access import Visibility
from domain.errors import FileExpired, FileGone, FileNotFound, QuotaExceeded, StorageUnavailable
from domain.file import FileChange
from domain.file_draft import FileDraft
from domain.ids import FileId, UploadId, file_id_of
from domain.metadata import Metadata
from domain.upload_policy import UploadPolicy
from tests.support.builders import ALICE, BOB, an_id
from tests.support.deployment import Deployment, Process
from tests.support.faults import Died, Point
from tests.support.sources import source_of

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
SHA256 = bytes.fromhex("84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882")  # of 0123456789


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def process(deployment: Deployment) -> Process:
    return deployment.process()


async def stored(process: Process, sha256: bytes | None = None) -> FileId:
    draft = FileDraft(Metadata.of(filename="a.txt"), sha256=sha256)
    view = await process.uploads.create(ALICE, draft, length=10)
    if view.file_id is None:
        await process.uploads.append(ALICE, view.id, at=0, source=source_of(b"0123456789"))
    return file_id_of(view.id)


async def test_the_bin_is_emptied_after_a_minute_and_restoring_is_too_late(
    deployment: Deployment, process: Process
) -> None:
    file_id = await stored(process)
    assert await process.files.delete(ALICE, file_id, undoable=True) == deployment.clock.now() + MINUTE
    deployment.clock.pass_by(MINUTE - SECOND)
    assert await process.file_ending.run() == 0
    assert deployment.memory.blobs
    deployment.clock.pass_by(SECOND)
    with pytest.raises(FileGone):
        await process.files.restore(ALICE, file_id)
    assert await process.file_ending.run() == 1
    assert deployment.memory.blobs == {}
    with pytest.raises(FileGone):
        await process.files.restore(ALICE, file_id)
    for who, unknown in ((BOB, file_id), (ALICE, FileId(an_id()))):
        with pytest.raises(FileNotFound):
            await process.files.restore(who, unknown)


async def test_cleanup_empties_the_bin_too_and_forgets_what_was_in_it(deployment: Deployment, process: Process) -> None:
    file_id = await stored(process)
    await process.files.delete(ALICE, file_id, undoable=True)
    deployment.clock.pass_by(MINUTE)
    assert (await process.cleanup.foresee()).ended_files == 1
    assert (await process.cleanup.run()).ended_files == 1
    deployment.clock.pass_by(timedelta(days=2))
    assert (await process.cleanup.run()).forgotten_uploads == 1
    with pytest.raises(FileNotFound):
        await process.files.restore(ALICE, file_id)


@pytest.mark.parametrize("point", [Point.SAVE, Point.DELETE])
async def test_who_dies_over_the_bin_loses_nothing_and_leaves_nothing(
    deployment: Deployment, process: Process, point: Point
) -> None:
    file_id = await stored(process)
    await process.files.delete(ALICE, file_id, undoable=True)
    deployment.clock.pass_by(MINUTE)
    process.faults.put(point, Died())
    with pytest.raises(Died):
        await process.file_ending.run()
    assert deployment.memory.blobs, "its bytes are there, and known of"
    other = deployment.process()
    for _ in range(2):
        deployment.clock.pass_by(timedelta(hours=2))
        await other.cleanup.run()
    assert deployment.memory.blobs == {}


async def test_who_dies_deleting_or_restoring_has_done_so_or_not(deployment: Deployment, process: Process) -> None:
    file_id = await stored(process)
    process.faults.put(Point.SAVE, Died())
    with pytest.raises(Died):
        await process.files.delete(ALICE, file_id, undoable=True)
    other = deployment.process()
    assert await other.content(UploadId(file_id)) == b"0123456789"
    await other.files.delete(ALICE, file_id, undoable=True)
    other.faults.put(Point.SAVE, Died())
    with pytest.raises(Died):
        await other.files.restore(ALICE, file_id)
    last = deployment.process()
    await last.files.restore(ALICE, file_id)
    assert await last.content(UploadId(file_id)) == b"0123456789"


async def test_a_clock_that_is_set_ends_nothing(deployment: Deployment, process: Process) -> None:
    file_id, lasting = await stored(process), await stored(process)
    change = FileChange(expires_at=deployment.clock.now() + timedelta(hours=1), is_of_expiry=True)
    await process.files.change(ALICE, lasting, change)
    await process.files.delete(ALICE, file_id, undoable=True)
    deployment.clock.be_set(timedelta(days=1))
    assert (await process.file_ending.run(), (await process.cleanup.run()).ended_files) == (0, 0)
    deployment.clock.be_set(-timedelta(days=1))
    assert (await process.file_ending.run(), (await process.cleanup.run()).ended_files) == (0, 0)
    await process.files.restore(ALICE, file_id)


async def test_bytes_that_another_file_shares_stay_for_it(deployment: Deployment, process: Process) -> None:
    first, second = await stored(process, SHA256), await stored(process, SHA256)
    assert len(deployment.memory.blobs) == 1
    await process.files.delete(ALICE, first, undoable=True)
    third = await stored(process, SHA256)
    await process.files.delete(ALICE, second, undoable=True)
    deployment.clock.pass_by(MINUTE)
    assert await process.file_ending.run() == 2
    assert await process.content(UploadId(third)) == b"0123456789"


async def test_what_is_in_the_bin_is_no_duplicate_to_be_shared(deployment: Deployment, process: Process) -> None:
    first = await stored(process, SHA256)
    await process.files.delete(ALICE, first, undoable=True)
    second = await process.uploads.create(ALICE, FileDraft(Metadata(), sha256=SHA256), length=10)
    assert second.file_id is None


async def test_what_is_in_the_bin_counts_until_it_is_gone() -> None:
    deployment = Deployment(UploadPolicy(max_bytes=15))
    process = deployment.process()
    file_id = await stored(process)
    await process.files.delete(ALICE, file_id, undoable=True)
    with pytest.raises(QuotaExceeded):
        await stored(process)
    await process.files.restore(ALICE, file_id)
    await process.files.delete(ALICE, file_id)
    await stored(process)


async def test_one_that_can_not_be_deleted_keeps_none_of_the_others(process: Process) -> None:
    ids = [await stored(process) for _ in range(2)]
    unknown = FileId(an_id())
    told = await process.files.delete_many(ALICE, [ids[0], unknown, ids[1]])
    assert [type(told[id_]) for id_ in (ids[0], unknown, ids[1])] == [type(None), FileNotFound, type(None)]


async def test_a_blob_that_can_not_go_just_now_is_told_of_as_deleted(deployment: Deployment, process: Process) -> None:
    file_id = await stored(process)
    process.faults.put(Point.DELETE, StorageUnavailable())
    await process.files.delete(ALICE, file_id)
    process.faults.heal()
    deployment.clock.pass_by(timedelta(hours=2))
    await process.cleanup.run()
    assert deployment.memory.blobs == {}


async def test_a_file_that_is_over_is_remembered_to_its_owner(deployment: Deployment, process: Process) -> None:
    file_id = await stored(process)
    link = process.downloads.sign(await process.downloads.describe(ALICE, file_id))
    change = FileChange(expires_at=deployment.clock.now() + MINUTE, is_of_expiry=True, visibility=Visibility.PUBLIC)
    await process.files.change(ALICE, file_id, change)
    deployment.clock.pass_by(MINUTE)
    for _ in range(2):
        with pytest.raises(FileExpired):
            await process.downloads.describe(ALICE, file_id)
        with pytest.raises(FileExpired):
            await process.downloads.describe_signed(link)
        with pytest.raises(FileExpired):
            await process.files.change(ALICE, file_id, FileChange())
        await process.file_ending.run()
    assert deployment.memory.blobs == {}
    with pytest.raises(FileNotFound):
        await process.downloads.describe(BOB, file_id)
