"""After a crash between any two steps the reconciler leaves nothing half done; run again it does nothing."""

from datetime import timedelta

import pytest

from domain.errors import FileGone, RepositoryUnavailable, StorageFull, StorageUnavailable
from domain.events import EventType
from domain.ids import UploadId, file_id_of
from domain.upload_state import UploadKind, UploadState
from tests.support.builders import ALICE
from tests.support.deployment import NAME, Deployment, Process
from tests.support.faults import Died, Point
from tests.support.sources import source_of

NOTHING = (0, 0)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


async def reconcile(process: Process) -> tuple[int, int]:
    done = await process.reconcile.run()
    return done.completed_uploads, done.published_events


async def die(deployment: Deployment, point: Point, data: bytes = b"abc") -> UploadId:
    """A whole body is sent to a server that dies at ``point``."""
    server = deployment.process()
    upload = await server.begin(len(data))
    server.faults.put(point, Died())
    with pytest.raises(Died):
        await server.send(upload.id, data)
    return upload.id


@pytest.mark.parametrize("point", [Point.RECORDED, Point.SEAL, Point.SEALED, Point.COMPLETE])
async def test_a_whole_upload_that_a_crash_left_unfinished_is_completed(deployment: Deployment, point: Point) -> None:
    upload_id = await die(deployment, point)
    survivor = deployment.process()
    assert await reconcile(survivor) == (1, 0)
    assert await survivor.content(upload_id) == b"abc"
    assert deployment.told(upload_id)[-1] is EventType.COMPLETED
    assert await reconcile(survivor) == NOTHING
    assert list(deployment.database.files) == [file_id_of(upload_id)]


@pytest.mark.parametrize("point", [Point.WRITE, Point.WRITTEN, Point.RECORD])
async def test_an_upload_whose_last_bytes_were_not_recorded_waits_for_its_client(
    deployment: Deployment, point: Point
) -> None:
    upload_id = await die(deployment, point)
    survivor = deployment.process()
    assert await reconcile(survivor) == NOTHING
    assert (await survivor.uploads.inspect(ALICE, upload_id)).offset == 0
    await survivor.send(upload_id, b"abc")
    assert await survivor.content(upload_id) == b"abc"


async def test_what_was_committed_but_not_announced_is_announced(deployment: Deployment) -> None:
    upload_id = await die(deployment, Point.ANNOUNCE)
    told = deployment.told(upload_id)
    assert told[-1] is not EventType.COMPLETED
    survivor = deployment.process()
    deployment.clock.pass_by(timedelta(seconds=11))
    assert await reconcile(survivor) == (0, 1)
    assert deployment.told(upload_id) == [*told, EventType.COMPLETED]
    assert await reconcile(survivor) == NOTHING


async def test_what_is_being_announced_just_now_is_left_to_its_process(deployment: Deployment) -> None:
    await die(deployment, Point.ANNOUNCE)
    survivor = deployment.process()
    deployment.clock.pass_by(timedelta(seconds=9))
    assert await reconcile(survivor) == NOTHING


async def test_an_empty_upload_is_completed_too(deployment: Deployment) -> None:
    server = deployment.process()
    server.faults.put(Point.SEAL, Died())
    with pytest.raises(Died):
        await server.begin(0)
    assert await reconcile(deployment.process()) == (1, 0)
    assert [file.size for file in deployment.database.files.values()] == [0]


async def test_a_join_that_a_crash_left_unfinished_is_completed(deployment: Deployment) -> None:
    server = deployment.process()
    parts = [await server.part(b"one,"), await server.part(b"two")]
    server.faults.put(Point.SEALED, Died())
    with pytest.raises(Died):
        await server.uploads.join(ALICE, parts, NAME)
    survivor = deployment.process()
    assert await reconcile(survivor) == (1, 0)
    (file_id,) = deployment.database.files
    assert await survivor.content(UploadId(file_id)) == b"one,two"


async def test_whole_parts_are_no_business_of_the_reconciler(deployment: Deployment) -> None:
    server = deployment.process()
    part = await server.part(b"one")
    assert await reconcile(server) == NOTHING
    assert (await server.uploads.inspect(ALICE, part)).kind is UploadKind.PARTIAL


async def test_what_can_not_be_completed_does_not_keep_the_rest_from_it(deployment: Deployment) -> None:
    gone, broken, full, fine = [await die(deployment, Point.SEAL) for _ in range(4)]
    await die(deployment, Point.ANNOUNCE)
    deployment.clock.pass_by(timedelta(seconds=11))
    del deployment.memory.staged[gone]
    survivor = deployment.process()
    survivor.faults.put(Point.SEAL, StorageUnavailable(), upload_id=broken)
    survivor.faults.put(Point.SEAL, StorageFull(), upload_id=full)
    assert await reconcile(survivor) == (1, 1)
    assert await survivor.content(fine) == b"abc"
    assert (await survivor.uploads.look_at(ALICE, gone)).state is UploadState.FAILED
    survivor.faults.heal()
    assert await reconcile(survivor) == (2, 0)


async def test_an_upload_that_expired_meanwhile_is_left_to_the_cleanup(deployment: Deployment) -> None:
    upload_id = await die(deployment, Point.SEAL)
    deployment.clock.pass_by(timedelta(days=2))
    survivor = deployment.process()
    assert await reconcile(survivor) == NOTHING
    await survivor.cleanup.run()
    assert upload_id not in deployment.memory.staged


async def test_without_a_database_nothing_is_pretended(deployment: Deployment) -> None:
    await die(deployment, Point.SEAL)
    survivor = deployment.process()
    survivor.faults.put(Point.READ, RepositoryUnavailable())
    with pytest.raises(RepositoryUnavailable):
        await reconcile(survivor)


async def test_several_processes_may_reconcile_at_once(deployment: Deployment) -> None:
    ids = [await die(deployment, Point.SEAL) for _ in range(3)]
    one, two = deployment.process(), deployment.process()
    await reconcile(one)
    await reconcile(two)
    for upload_id in ids:
        assert deployment.told(upload_id).count(EventType.COMPLETED) == 1


async def test_a_file_that_is_failed_stays_failed_until_its_bytes_are_back(deployment: Deployment) -> None:
    server = deployment.process()
    upload = await server.begin(3)
    server.faults.put(Point.SEAL, FileGone())
    with pytest.raises(FileGone):
        await server.uploads.append(ALICE, upload.id, at=0, source=source_of(b"abc"))
    assert await reconcile(server) == NOTHING
    server.faults.heal()
    assert await reconcile(server) == (1, 0)
