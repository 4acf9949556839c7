"""Workers over the memory adapters: what they do with jobs that go well, fail, hang, or are taken from them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.job_carrier import MemoryJobCarrier
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWorkFactory
from adapters.outbound.system.id_generator import SystemIdGenerator
from application.jobs import JobHandler, JobsUseCase
from application.worker import Worker
from domain.errors import JobFailed, JobNotFound, ProcessorUnavailable, RepositoryUnavailable, StorageUnavailable
from domain.ids import JobId
from domain.job import USUAL, Job, JobState, Schedule
from ports.unit_of_work import UnitOfWork
from tests.support.builders import a_job, an_id
from tests.support.until import wait_until
from tests.support.virtual_time import run_virtually

KIND = "thumbnails"
PATIENT = 60.0


class Bench:
    """A queue, and a handler whose work is whatever the test says. ``done``, ``begun``: the subjects."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.carrier = MemoryJobCarrier()
        outbox = MemoryOutbox(self.database, MemoryProgressNotifier(MemoryFeed()))
        self.unit_of_work = MemoryUnitOfWorkFactory(self.database, outbox, self.carrier.carry)
        self.is_away = False
        self.looks = 0
        self.begun: list[str] = []
        self.done: list[str] = []
        self.given_up: list[tuple[str, str]] = []
        self.revived: list[str] = []
        self.handler = Handler(self)
        self.work: Callable[[Job], Awaitable[None]] = _nothing
        self.seconds_to_hear = 0.0
        self.use_case = JobsUseCase(unit_of_work=self.units, handlers=[self.handler])

    def units(self) -> UnitOfWork:
        if self.is_away:
            raise RepositoryUnavailable("the database is away")
        self.looks += 1
        return self.unit_of_work()

    async def add(self, *jobs: Job) -> None:
        async with self.unit_of_work() as work:
            for job in jobs:
                await work.jobs.add(job)
            await work.commit()

    @property
    def job(self) -> Job:
        [job] = self.database.jobs.values()
        return job

    @asynccontextmanager
    async def working(
        self, *, slots: int = 1, idle_seconds: float = PATIENT, lease_seconds: float = PATIENT
    ) -> AsyncIterator[None]:
        worker = Worker(
            unit_of_work=self.units,
            carrier=self.carrier,
            ids=SystemIdGenerator(),
            handlers=[self.handler],
            slots=slots,
            idle_seconds=idle_seconds,
            lease_seconds=lease_seconds,
            outage_seconds=0.01,
        )
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class Handler(JobHandler):
    kind = KIND
    schedule = Schedule((0.01, 0.02))

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.ready = True

    def is_ready(self) -> bool:
        return self.ready

    async def run(self, job: Job) -> None:
        self._bench.begun.append(job.subject)
        await self._bench.work(job)
        async with self._bench.unit_of_work() as work:
            await work.jobs.remove(job)
            await work.commit()
        if self._bench.seconds_to_hear:
            await asyncio.sleep(self._bench.seconds_to_hear)
        self._bench.done.append(job.subject)

    async def give_up(self, work: UnitOfWork, job: Job, error: str) -> None:
        self._bench.given_up.append((job.subject, error))

    async def revived(self, work: UnitOfWork, job: Job) -> None:
        self._bench.revived.append(job.subject)


async def _nothing(_: Job) -> None:
    pass


async def _for_a_while(_: Job) -> None:
    await asyncio.sleep(0.9)


async def _hang(_: Job) -> None:
    await asyncio.sleep(PATIENT)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_what_waits_at_the_start_is_done(bench: Bench) -> None:
    await bench.add(*(a_job(KIND) for _ in range(3)))
    async with bench.working():
        await wait_until(lambda: len(bench.done) == 3)
    assert bench.database.jobs == {}


async def test_an_idle_worker_is_told_of_what_comes(bench: Bench) -> None:
    async with bench.working():
        await asyncio.sleep(0)
        for subject in ("first", "second"):
            await bench.add(a_job(KIND, subject=subject))
            await wait_until(partial(bench.done.__contains__, subject))


async def test_what_nobody_told_of_is_found_all_the_same(bench: Bench) -> None:
    async with bench.working(idle_seconds=0.02):
        await asyncio.sleep(0.01)
        job = a_job(KIND)
        bench.database.jobs[job.id] = job
        await wait_until(lambda: bench.done)


def test_of_slots_that_wait_one_looks_for_all_until_there_is_something(bench: Bench) -> None:
    async def count() -> None:
        bench.work = _hang
        async with bench.working(slots=8, idle_seconds=1.0):
            await asyncio.sleep(0.5)
            bench.looks = 0
            await asyncio.sleep(10)
            assert 9 <= bench.looks <= 11
            for _ in range(8):
                job = a_job(KIND)
                bench.database.jobs[job.id] = job
            await asyncio.sleep(2.5)
            assert len(bench.begun) == 8

    run_virtually(count())


async def test_as_many_are_done_at_once_as_there_are_slots(bench: Bench) -> None:
    bench.work = _hang
    await bench.add(*(a_job(KIND) for _ in range(5)))
    async with bench.working(slots=3):
        await wait_until(lambda: len(bench.begun) == 3)
        await asyncio.sleep(0.02)
        assert len(bench.begun) == 3


async def test_each_news_wakes_a_slot_that_is_idle(bench: Bench) -> None:
    bench.work = _hang
    async with bench.working(slots=2):
        await asyncio.sleep(0)
        await bench.add(a_job(KIND), a_job(KIND))
        await wait_until(lambda: len(bench.begun) == 2)


async def test_one_that_fails_is_tried_again_and_given_up_in_the_end(bench: Bench) -> None:
    async def fail(_: Job) -> None:
        raise ProcessorUnavailable("the decoder died")

    bench.work = fail
    job = a_job(KIND)
    await bench.add(job)
    async with bench.working(idle_seconds=0.01):
        await wait_until(lambda: bench.given_up)
        await asyncio.sleep(0.03)
    assert len(bench.begun) == USUAL.attempts
    assert bench.given_up == [(job.subject, "the decoder died")]
    assert (bench.job.state, bench.job.error) == (JobState.DEAD, "the decoder died")


async def test_one_that_can_never_be_done_is_given_up_at_once(bench: Bench) -> None:
    async def fail(_: Job) -> None:
        raise JobFailed("it is gone", is_final=True)

    bench.work = fail
    await bench.add(a_job(KIND))
    async with bench.working(idle_seconds=0.01):
        await wait_until(lambda: bench.given_up)
    assert (bench.job.state, bench.job.attempts, bench.job.error) == (JobState.DEAD, 1, "it is gone")


async def test_one_that_names_its_time_is_left_alone_until_then(bench: Bench) -> None:
    async def fail(_: Job) -> None:
        raise JobFailed("come again in an hour", after_seconds=3600)

    bench.work = fail
    await bench.add(a_job(KIND))
    async with bench.working(idle_seconds=0.01):
        await wait_until(lambda: bench.job.error)
    assert bench.job.due_at - datetime.now(UTC) > timedelta(minutes=59)


async def test_what_makes_no_sense_now_is_not_begun(bench: Bench) -> None:
    bench.handler.ready = False
    await bench.add(a_job(KIND))
    async with bench.working(idle_seconds=0.01):
        await asyncio.sleep(0.05)
        assert bench.begun == []
        bench.handler.ready = True
        await wait_until(lambda: bench.done)


def test_pauses_are_those_of_the_schedule_a_little_longer_each_its_own_way() -> None:
    schedule = Schedule((1.0, 60.0), spread=0.2)
    jobs = [replace(a_job(KIND), attempts=attempts) for attempts in (1, 2) for _ in range(50)]
    pauses = [schedule.pause_seconds(job) or 0 for job in jobs]
    assert all(1 <= pause <= 1.2 for pause in pauses[:50]) and all(60 <= pause <= 72 for pause in pauses[50:])
    assert len(set(pauses)) > 90
    assert schedule.pause_seconds(replace(jobs[0], attempts=3)) is None
    assert [schedule.is_spent(replace(jobs[0], attempts=count)) for count in (3, 4)] == [False, True]


async def test_a_fault_of_ours_is_an_attempt_and_ends_no_worker(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async def stumble(_: Job) -> None:
        raise ZeroDivisionError("by zero")

    bench.work = stumble
    await bench.add(a_job(KIND))
    async with bench.working(idle_seconds=0.01):
        await wait_until(lambda: bench.given_up)
        bench.work = _nothing
        await bench.add(a_job(KIND))
        await wait_until(lambda: bench.done)
    assert bench.given_up[0][1] == "ZeroDivisionError: by zero"
    assert "Traceback" in caplog.text


async def test_a_handler_that_cancels_itself_is_one_that_failed(bench: Bench) -> None:
    async def cancel(_: Job) -> None:
        raise asyncio.CancelledError

    bench.work = cancel
    await bench.add(a_job(KIND))
    async with bench.working(idle_seconds=0.01):
        await wait_until(lambda: bench.given_up)


async def test_what_we_lean_on_being_away_is_no_attempt(bench: Bench) -> None:
    away = 2 * USUAL.attempts

    async def need(_: Job) -> None:
        nonlocal away
        away -= 1
        if away:
            raise StorageUnavailable("the bucket is away")

    bench.work = need
    await bench.add(a_job(KIND))
    async with bench.working(idle_seconds=0.01):
        await wait_until(lambda: bench.done)
    assert len(bench.begun) == 2 * USUAL.attempts


async def test_one_that_its_workers_died_of_is_given_up_without_another_try(bench: Bench) -> None:
    job = replace(a_job(KIND), state=JobState.RUNNING, attempts=USUAL.attempts, token="of the dead")
    bench.database.jobs[job.id] = job
    async with bench.working():
        await wait_until(lambda: bench.given_up)
    assert bench.begun == []
    assert "died" in bench.given_up[0][1]
    assert bench.job.state is JobState.DEAD


async def test_a_worker_that_ends_puts_back_what_it_is_at_as_if_it_had_not_begun(bench: Bench) -> None:
    bench.work = _hang
    await bench.add(a_job(KIND))
    async with bench.working():
        await wait_until(lambda: bench.begun)
    assert (bench.job.state, bench.job.attempts) == (JobState.QUEUED, 0)
    assert bench.job.due_at <= datetime.now(UTC)


def test_a_handler_that_is_about_to_hear_of_its_commit_is_not_cut_short(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        bench.work, bench.seconds_to_hear = _for_a_while, 0.5
        await bench.add(a_job(KIND))
        async with bench.working(lease_seconds=4):
            await asyncio.sleep(2)

    run_virtually(work())
    assert bench.done
    assert "taken over" not in caplog.text


async def test_a_lease_is_renewed_as_long_as_the_work_lasts(bench: Bench) -> None:
    bench.work = _hang
    await bench.add(a_job(KIND))
    async with bench.working(lease_seconds=0.08):
        await wait_until(lambda: bench.begun)
        first = bench.job.due_at
        await wait_until(lambda: bench.job.due_at > first)
        assert bench.job.attempts == 1


async def test_who_has_lost_a_job_stops(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.work = _hang
    await bench.add(a_job(KIND))
    async with bench.working(lease_seconds=0.08):
        await wait_until(lambda: bench.begun)
        later = datetime.now(UTC) + timedelta(hours=1)
        bench.database.jobs[bench.job.id] = replace(bench.job, token="another's", due_at=later)
        await wait_until(lambda: "taken over" in caplog.text)
        assert (bench.job.state, bench.job.token) == (JobState.RUNNING, "another's")
        bench.work = _nothing
        await bench.add(a_job(KIND))
        await wait_until(lambda: bench.done)


async def test_kinds_of_a_version_to_come_are_left_alone(bench: Bench) -> None:
    job = a_job("to come")
    await bench.add(job)
    async with bench.working(idle_seconds=0.01):
        await asyncio.sleep(0.05)
    assert (bench.job.state, bench.job.attempts) == (JobState.QUEUED, 0)


async def test_while_the_database_is_away_it_waits_and_says_so_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.is_away = True
    async with bench.working(idle_seconds=0.01):
        await wait_until(lambda: "the database is away" in caplog.text)
        await asyncio.sleep(0.05)
        bench.is_away = False
        await bench.add(a_job(KIND))
        await wait_until(lambda: bench.done)
    assert caplog.text.count("the database is away") == 1


async def test_the_dead_are_listed_first(bench: Bench) -> None:
    jobs = [a_job(KIND) for _ in range(3)]
    await bench.add(*jobs)
    bench.database.jobs[jobs[2].id] = replace(jobs[2], state=JobState.DEAD)
    listed = await bench.use_case.list()
    assert [job.id for job in listed] == [jobs[2].id, *sorted(job.id for job in jobs[:2])]


async def test_a_dead_one_is_revived_with_what_its_handler_makes_of_that_and_workers_are_told(bench: Bench) -> None:
    job = replace(a_job(KIND), state=JobState.DEAD, attempts=USUAL.attempts)
    async with bench.working():
        await asyncio.sleep(0)
        bench.database.jobs[job.id] = job
        assert (await bench.use_case.retry(job.id)).id == job.id
        await wait_until(lambda: bench.done)
    assert bench.revived == [job.subject]
    with pytest.raises(JobNotFound):
        await bench.use_case.retry(JobId(an_id()))
