"""What every file intake promises: bytes first, then upload, file and events together, or nothing at all."""

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from application.observing.trace import remembering, within
from domain.checksum import crc64nvme
from domain.errors import FileNotFound, LongshoreError, QuotaExceeded, TooManyFiles, UploadNotFound
from domain.events import Event, EventType
from domain.file import File
from domain.ids import blob_key_of
from domain.trace import Trace
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from domain.webhook import Endpoint, Webhooks, body_of
from tests.contract.suites.stores import kept
from tests.support.builders import ALICE, NOW, RememberingNotifier, a_receipt, an_upload
from tests.support.intakes import Intake, intakes_of

ANY = UploadPolicy()


@pytest.fixture(params=["memory", "volume-sqlite", "volume-sqlite-cold", "volume-postgres"])
async def intake(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Intake]:
    """``cold``: without the process beside ours."""
    kind, _, rest = request.param.partition("-")
    url = f"sqlite+aiosqlite:///{tmp_path / 'files.db'}" if rest.startswith("sqlite") else None
    if rest == "postgres":
        url = str(request.getfixturevalue("postgres_url"))
    jobs_of = remembering(Webhooks([Endpoint("https://one.example")]).deliveries)
    async for one in intakes_of(kind, tmp_path, url, jobs_of=jobs_of):
        if not rest.endswith("cold"):
            await one.warm_up()
        yield one


def completed(data: bytes, intake: Intake) -> tuple[Upload, File]:
    upload = an_upload(owner=ALICE, length=len(data))
    upload.count(a_receipt(upload, 0, len(data), intake.files.extent(data).crc64), NOW)
    upload.assemble()
    return upload, upload.complete(blob_key=blob_key_of(upload.id), now=NOW)


async def take(intake: Intake, data: bytes, policy: UploadPolicy = ANY) -> tuple[Upload, File]:
    upload, file = completed(data, intake)
    events = [upload.event(type_, NOW) for type_ in (EventType.CREATED, EventType.COMPLETED)]
    await intake.files.take(upload, file, events, data, policy=policy)
    return upload, file


def told_by(intake: Intake) -> Sequence[Event]:
    notifier = intake.process.notifier
    assert isinstance(notifier, RememberingNotifier)
    return notifier.events


async def found(intake: Intake, file: File) -> File:
    async with intake.process.unit_of_work() as work:
        return await work.files.get(file.id, ALICE)


async def test_what_is_taken_is_a_file_and_told_of(intake: Intake) -> None:
    data = random.Random(1).randbytes(20_001)
    upload, file = await take(intake, data)
    assert await found(intake, file) == file
    seen = await kept(intake.process, upload.id, ALICE)
    assert (seen.state, seen.offset, seen.received.crc64()) == (upload.state, len(data), crc64nvme(data))
    assert (seen.created_at, seen.expires_at, seen.draft) == (upload.created_at, upload.expires_at, upload.draft)
    assert await intake.storages.read(file.blob_key, len(data)) == data
    assert [event.type for event in told_by(intake)] == [EventType.CREATED, EventType.COMPLETED]
    async with intake.process.unit_of_work() as work:
        jobs = await work.jobs.list(limit=10)
    assert {job.subject: job.payload for job in jobs} == {event.id: body_of(event) for event in told_by(intake)}


async def test_many_at_once_get_their_own_bytes_rows_and_events(intake: Intake) -> None:
    # More than there are connections to a database, and no more than those get done in their five seconds of patience.
    bodies = [random.Random(number).randbytes(1 + number * 97) for number in range(40)]
    taken = await asyncio.gather(*(take(intake, body) for body in bodies))
    for (upload, file), body in zip(taken, bodies, strict=True):
        assert (await found(intake, file)).crc64 == crc64nvme(body)
        assert await intake.storages.read(file.blob_key, len(body)) == body
        told = [event.type for event in told_by(intake) if event.subject == upload.id]
        assert told == [EventType.CREATED, EventType.COMPLETED]
    assert await intake.process.outbox.publish_left(older_than=datetime.now(UTC)) == 0  # all are told of


async def test_jobs_belong_to_the_trace_of_what_asked_for_them_whoever_else_came_along(intake: Intake) -> None:
    async def traced(number: int) -> tuple[str, Trace | None]:
        trace = Trace(f"{number:032x}", "00f067aa0ba902b7") if number else None
        with within(trace):
            upload, _ = await take(intake, b"x" * (100 + number))
        return upload.id, trace

    expected = dict(await asyncio.gather(*map(traced, range(8))))
    async with intake.process.unit_of_work() as work:
        jobs = await work.jobs.list(limit=100)
    assert len(jobs) == 16
    assert [job.trace for job in jobs] == [expected[json.loads(job.payload)["data"]["upload_id"]] for job in jobs]


async def test_the_largest_is_taken(intake: Intake) -> None:
    data = random.Random(2).randbytes(intake.files.max_bytes)
    _, file = await take(intake, data)
    assert await intake.storages.read(file.blob_key, len(data)) == data


@pytest.mark.parametrize(
    ("policy", "refusal"),
    [(UploadPolicy(max_bytes=250), QuotaExceeded), (UploadPolicy(max_files=2), TooManyFiles)],
    ids=["bytes", "files"],
)
async def test_what_the_policy_refuses_leaves_nothing(
    intake: Intake, policy: UploadPolicy, refusal: type[LongshoreError]
) -> None:
    await take(intake, bytes(100), policy)
    await take(intake, bytes(100), policy)
    upload, file = completed(bytes(100), intake)
    with pytest.raises(refusal):
        await intake.files.take(upload, file, [], bytes(100), policy=policy)
    with pytest.raises(FileNotFound):
        await found(intake, file)
    with pytest.raises(UploadNotFound):
        await kept(intake.process, upload.id, ALICE)


async def test_of_those_that_come_together_only_those_too_many_are_refused(intake: Intake) -> None:
    policy = UploadPolicy(max_files=4)
    came = await asyncio.gather(*(take(intake, bytes([n]) * 500, policy) for n in range(7)), return_exceptions=True)
    taken = [one for one in came if not isinstance(one, BaseException)]
    assert [type(one) for one in came if isinstance(one, BaseException)] == [TooManyFiles] * 3
    assert {(await found(intake, file)).id for _, file in taken} == {file.id for _, file in taken}
    told = [event.subject for event in told_by(intake) if event.type is EventType.COMPLETED]
    assert sorted(told) == sorted(upload.id for upload, _ in taken)


async def test_staged_names_go_once_all_is_recorded(intake: Intake) -> None:
    taken = {upload.id for upload, _ in await asyncio.gather(*(take(intake, b"abc") for _ in range(20)))}
    for _ in range(250):
        if not taken & {staged.upload_id async for staged in intake.storages.chunks.staged()}:
            return
        await asyncio.sleep(0.02)
    pytest.fail("cleanup would have to do it")


@pytest.mark.parametrize("intake", ["volume-sqlite", "volume-postgres"], indirect=True)
async def test_a_process_that_dies_meanwhile_loses_nothing(intake: Intake) -> None:
    """What it had recorded and not told of is found recorded; what it had not is done here."""
    assert intake.writer is not None
    data = random.Random(3).randbytes(20_000)
    taking = [asyncio.create_task(take(intake, data)) for _ in range(60)]
    await asyncio.sleep(0.005)
    process = intake.writer._process
    assert process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    for _, file in await asyncio.gather(*taking):
        assert (await found(intake, file)).crc64 == crc64nvme(data)
        assert await intake.storages.read(file.blob_key, len(data)) == data


@pytest.mark.parametrize("intake", ["volume-sqlite", "volume-postgres"], indirect=True)
@pytest.mark.parametrize("policy", [ANY, UploadPolicy(max_bytes=10**9)], ids=["any", "bytes"])
async def test_files_whose_rows_are_not_the_processs_to_write_do_it_no_harm(
    intake: Intake, policy: UploadPolicy
) -> None:
    """Those that fill their seat, and those of owners with a quota of bytes."""
    assert intake.writer is not None
    process = intake.writer._process
    bodies = [random.Random(number).randbytes(intake.files.max_bytes - number % 2 * 5000) for number in range(12)]
    taken = await asyncio.gather(*(take(intake, body, policy) for body in bodies))
    for (_, file), body in zip(taken, bodies, strict=True):
        assert await intake.storages.read(file.blob_key, len(body)) == body
    assert intake.writer._process is process is not None


async def test_whoever_is_cancelled_leaves_no_file_without_its_bytes(intake: Intake) -> None:
    data = bytes(20_000)
    for patience in range(24):
        upload, file = completed(data, intake)
        taking = intake.files.take(upload, file, [], data, policy=ANY)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience / 2000):
                await taking
        for _ in range(3):
            try:
                found_file = await found(intake, file)
            except FileNotFound:
                await asyncio.sleep(0.005)  # what is under way is done
            else:
                assert await intake.storages.read(found_file.blob_key, len(data)) == data
                break
