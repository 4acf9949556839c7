"""What nobody will finish is ended, and nothing else."""

import asyncio
from datetime import timedelta

import pytest

from application.upkeep.cleanup import Cleaned
from domain.errors import (
    RepositoryUnavailable,
    StorageUnavailable,
    UploadExpired,
    UploadNotFound,
    UploadTakenOver,
)
from domain.events import EventType
from domain.ids import UploadId, blob_key_of
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadState
from tests.support.builders import ALICE, BOB, a_job, an_id, an_instruction_event
from tests.support.deployment import NAME, Deployment, Process
from tests.support.faults import Died, Point
from tests.support.sources import HangingSource, source_of

NOTHING = Cleaned(0, 0)
DAY = timedelta(days=1)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def process(deployment: Deployment) -> Process:
    return deployment.process()


def leave_orphan(deployment: Deployment) -> UploadId:
    """Bytes that no upload owns."""
    orphan = UploadId(an_id())
    deployment.memory.staged[orphan] = bytearray(b"left")
    deployment.modified[orphan] = deployment.clock.now()
    return orphan


async def test_a_whole_file_whose_commit_never_came_goes_with_both_its_names(
    deployment: Deployment, process: Process
) -> None:
    """Its bytes had the blob's name when the process died; no row says so (ports/file_intake.py)."""
    orphan = leave_orphan(deployment)
    deployment.memory.blobs[blob_key_of(orphan)] = b"left"
    for _ in range(3):
        deployment.clock.pass_by(timedelta(hours=2))
        await process.cleanup.run()
    assert (deployment.memory.staged, deployment.memory.blobs) == ({}, {})


async def test_the_staged_name_of_a_file_goes_alone(deployment: Deployment, process: Process) -> None:
    """The process died behind the commit, before it had removed that name."""
    view = await process.uploads.store(ALICE, NAME, source=source_of(b"kept"))
    assert view is not None
    deployment.memory.staged[view.id] = bytearray(b"kept")
    deployment.modified[view.id] = deployment.clock.now()
    for _ in range(3):
        deployment.clock.pass_by(timedelta(hours=2))
        await process.cleanup.run()
    assert deployment.memory.staged == {}
    assert await process.content(view.id) == b"kept"


async def test_notifications_are_forgotten_after_a_day(deployment: Deployment, process: Process) -> None:
    async with process.units() as work:
        work.announce(an_instruction_event(time=deployment.clock.now()))
        await work.commit()
    deployment.clock.pass_by(DAY - timedelta(seconds=1))
    assert await process.cleanup.run() == NOTHING
    deployment.clock.pass_by(timedelta(seconds=2))
    assert await process.cleanup.run() == Cleaned(0, 0, forgotten_notifications=1)


async def test_deliveries_that_nobody_took_are_forgotten_after_a_month_and_no_other_jobs(
    deployment: Deployment, process: Process
) -> None:
    async with process.units() as work:
        for kind in ("webhook:one", "thumbnails"):
            await work.jobs.add(a_job(kind, created_at=deployment.clock.now()))
        await work.commit()
    deployment.clock.pass_by(30 * DAY - timedelta(seconds=1))
    assert await process.cleanup.run() == NOTHING
    deployment.clock.pass_by(timedelta(seconds=2))
    assert await process.cleanup.run() == Cleaned(0, 0, forgotten_deliveries=1)


async def test_an_upload_expires_when_its_time_has_run_out(deployment: Deployment, process: Process) -> None:
    upload = await process.begin(10)
    await process.send(upload.id, b"0123")
    deployment.clock.pass_by(DAY - timedelta(seconds=1))
    assert await process.cleanup.run() == NOTHING
    deployment.clock.pass_by(timedelta(seconds=1))
    assert await process.cleanup.run() == Cleaned(1, 0)
    assert deployment.told(upload.id)[-1] is EventType.EXPIRED
    assert deployment.memory.staged == {}
    with pytest.raises(UploadExpired):
        await process.uploads.inspect(ALICE, upload.id)
    assert await process.cleanup.run() == NOTHING


async def test_everybodys_uploads_expire_however_many() -> None:
    deployment = Deployment(UploadPolicy(max_open_uploads=None))
    process = deployment.process()
    for number in range(450):
        await process.begin(10, ALICE if number % 2 else BOB)
    deployment.clock.pass_by(DAY)
    assert await process.cleanup.run() == Cleaned(450, 0)


async def test_files_never_expire(deployment: Deployment, process: Process) -> None:
    upload = await process.begin(1)
    await process.send(upload.id, b"x")
    deployment.clock.pass_by(365 * DAY)
    assert await process.cleanup.run() == NOTHING
    assert await process.content(upload.id) == b"x"


async def test_an_upload_that_goes_on_does_not_expire(deployment: Deployment, process: Process) -> None:
    upload = await process.begin(10)
    for at in range(5):
        deployment.clock.pass_by(timedelta(hours=20))
        await process.send(upload.id, b"x", at=at)
        assert await process.cleanup.run() == NOTHING


async def test_the_last_moment_of_a_request_decides_not_the_first(deployment: Deployment, process: Process) -> None:
    """It is expired by its record, yet under its lease more has been received: it lives on."""
    upload = await process.begin(10)
    source = HangingSource([b"0123"], length=10)
    request = asyncio.create_task(process.uploads.append(ALICE, upload.id, at=0, source=source))
    await source.hangs.wait()
    deployment.clock.pass_by(DAY)
    assert await process.cleanup.run() == Cleaned(1, 0)
    with pytest.raises(UploadTakenOver):
        await request
    assert deployment.memory.staged == {}


@pytest.mark.parametrize("jump", [DAY, 400 * DAY, -DAY, timedelta(minutes=2)])
async def test_a_clock_that_jumps_ends_nothing(deployment: Deployment, process: Process, jump: timedelta) -> None:
    upload = await process.begin(10)
    orphan = leave_orphan(deployment)
    deployment.clock.be_set(jump)
    assert await process.cleanup.run() == NOTHING
    deployment.clock.be_set(-jump)
    assert await process.cleanup.run() == NOTHING
    deployment.clock.pass_by(timedelta(minutes=30))
    assert await process.cleanup.run() == NOTHING
    assert orphan in deployment.memory.staged
    assert (await process.uploads.inspect(ALICE, upload.id)).state is UploadState.PENDING


async def test_a_clock_that_was_put_right_is_believed_again(deployment: Deployment, process: Process) -> None:
    await process.begin(10)
    deployment.clock.be_set(2 * DAY)
    assert await process.cleanup.run() == NOTHING
    deployment.clock.pass_by(timedelta(minutes=30))
    assert await process.cleanup.run() == Cleaned(1, 0)


async def test_a_clock_that_is_slewed_a_little_is_no_jump(deployment: Deployment, process: Process) -> None:
    await process.begin(10)
    deployment.clock.pass_by(DAY)
    deployment.clock.be_set(timedelta(seconds=30))
    assert await process.cleanup.run() == Cleaned(1, 0)


async def test_bytes_that_no_upload_owns_go_after_a_while(deployment: Deployment, process: Process) -> None:
    orphan = leave_orphan(deployment)
    upload = await process.begin(10)
    await process.send(upload.id, b"0123")
    deployment.clock.pass_by(timedelta(minutes=59))
    assert await process.cleanup.run() == NOTHING
    assert orphan in deployment.memory.staged
    deployment.clock.pass_by(timedelta(minutes=1))
    assert await process.cleanup.run() == Cleaned(0, 1)
    assert set(deployment.memory.staged) == {upload.id}
    assert await process.cleanup.run() == NOTHING


async def test_bytes_of_an_upload_that_is_over_are_orphans_too(deployment: Deployment) -> None:
    """A crash between the commit that aborts and the discarding leaves them."""
    dying = deployment.process()
    upload = await dying.begin(10)
    await dying.send(upload.id, b"0123")
    dying.faults.put(Point.DISCARD, Died())
    with pytest.raises(Died):
        await dying.uploads.abort(ALICE, upload.id)
    survivor = deployment.process()
    deployment.clock.pass_by(timedelta(hours=2))
    assert await survivor.cleanup.run() == Cleaned(0, 1)
    assert deployment.memory.staged == {}


async def test_an_upload_that_somebody_holds_on_to_does_not_keep_the_rest_from_expiring(
    deployment: Deployment, process: Process
) -> None:
    class DeafSource(HangingSource):
        def stop(self) -> None:
            """Hears nothing."""

    held, other = await process.begin(10), await process.begin(10)
    source = DeafSource([b"0123"], length=10)
    request = asyncio.create_task(process.uploads.append(ALICE, held.id, at=0, source=source))
    await source.hangs.wait()
    deployment.clock.pass_by(DAY)
    assert await process.cleanup.run() == Cleaned(1, 0)
    assert deployment.told(other.id)[-1] is EventType.EXPIRED
    HangingSource.stop(source)
    await asyncio.wait([request])
    assert await process.cleanup.run() == Cleaned(1, 0)


async def test_bytes_that_can_not_be_discarded_do_not_keep_the_rest(deployment: Deployment, process: Process) -> None:
    stuck, orphan = leave_orphan(deployment), leave_orphan(deployment)
    upload, other = await process.begin(10), await process.begin(10)
    for id_ in (upload.id, other.id):
        await process.send(id_, b"0123")
    for id_ in (stuck, upload.id):
        process.faults.put(Point.DISCARD, StorageUnavailable(), upload_id=id_)
    deployment.clock.pass_by(DAY)
    assert (await process.cleanup.run()).orphans >= 1
    assert set(deployment.memory.staged) == {stuck, upload.id}
    assert deployment.told(upload.id)[-1] is deployment.told(other.id)[-1] is EventType.EXPIRED
    assert orphan not in deployment.memory.staged
    process.faults.heal()
    assert await process.cleanup.run() == Cleaned(0, 2)


async def test_without_a_database_nothing_is_taken_for_an_orphan(deployment: Deployment, process: Process) -> None:
    upload = await process.begin(10)
    await process.send(upload.id, b"0123")
    deployment.clock.pass_by(timedelta(hours=2))
    process.faults.put(Point.READ, RepositoryUnavailable())
    with pytest.raises(RepositoryUnavailable):
        await process.cleanup.run()
    assert upload.id in deployment.memory.staged


async def test_what_left_no_file_is_forgotten_a_day_after_it_ended(deployment: Deployment, process: Process) -> None:
    aborted, expired = await process.begin(10), await process.begin(10)
    part = await process.part(b"x" * 10)
    final = await process.uploads.join(ALICE, [part], NAME)
    await process.uploads.abort(ALICE, aborted.id)
    deployment.clock.pass_by(DAY)
    assert await process.cleanup.run() == Cleaned(1, 1)
    assert aborted.id in deployment.database.uploads
    deployment.clock.pass_by(timedelta(seconds=1))
    assert await process.cleanup.run() == Cleaned(0, 0, forgotten_uploads=2)
    for ended in (aborted.id, part):
        with pytest.raises(UploadNotFound):
            await process.uploads.inspect(ALICE, ended)
    with pytest.raises(UploadExpired):
        await process.uploads.inspect(ALICE, expired.id)
    deployment.clock.pass_by(DAY)
    assert await process.cleanup.run() == Cleaned(0, 0, forgotten_uploads=1)
    assert set(deployment.database.uploads) == set(deployment.database.received) == {final.id}
    assert await process.content(final.id) == b"x" * 10


async def test_what_ended_is_remembered_as_long_as_an_upload_may_last() -> None:
    deployment = Deployment(UploadPolicy(ttl=3 * DAY))
    process = deployment.process()
    upload = await process.begin(10)
    await process.uploads.abort(ALICE, upload.id)
    deployment.clock.pass_by(3 * DAY)
    assert await process.cleanup.run() == NOTHING
    deployment.clock.pass_by(timedelta(seconds=1))
    assert await process.cleanup.run() == Cleaned(0, 0, forgotten_uploads=1)


async def test_even_where_uploads_last_a_moment_they_are_remembered_for_a_day() -> None:
    deployment = Deployment(UploadPolicy(ttl=timedelta(seconds=1)))
    process = deployment.process()
    upload = await process.begin(10)
    deployment.clock.pass_by(timedelta(seconds=1))
    assert await process.cleanup.run() == Cleaned(1, 0)
    deployment.clock.pass_by(DAY)
    with pytest.raises(UploadExpired):
        await process.uploads.inspect(ALICE, upload.id)
    assert await process.cleanup.run() == NOTHING


async def test_however_many_have_ended_all_are_forgotten() -> None:
    deployment = Deployment(UploadPolicy(max_open_uploads=None))
    process = deployment.process()
    for _ in range(120):
        await process.begin(10)
    deployment.clock.pass_by(DAY)
    assert await process.cleanup.run() == Cleaned(120, 0)
    deployment.clock.pass_by(2 * DAY)
    assert await process.cleanup.run() == Cleaned(0, 0, forgotten_uploads=120)


async def test_several_processes_may_clean_up_at_once(deployment: Deployment, process: Process) -> None:
    other = deployment.process()
    for _ in range(20):
        await process.begin(10)
    deployment.clock.pass_by(DAY)
    cleaned = await asyncio.gather(process.cleanup.run(), other.cleanup.run())
    assert sum(run.expired_uploads for run in cleaned) == 20
    assert [event.type for event in deployment.events].count(EventType.EXPIRED) == 20


async def test_what_is_foreseen_is_what_is_done_and_nothing_is_done_by_that(
    deployment: Deployment, process: Process
) -> None:
    await process.begin(10)
    deployment.clock.pass_by(DAY + timedelta(hours=1))
    assert await process.cleanup.run() == Cleaned(1, 0)
    await process.begin(10)
    leave_orphan(deployment)
    deployment.clock.pass_by(DAY + timedelta(hours=1))
    foreseen = await process.cleanup.foresee()
    assert foreseen == await process.cleanup.foresee() == Cleaned(1, 1, forgotten_uploads=1)
    assert await process.cleanup.run() == foreseen
