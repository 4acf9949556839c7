"""What every job queue promises (ports/job_queue.py)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import JobNotFound, JobTakenOver
from domain.events import EventType
from domain.ids import JobId
from domain.job import USUAL, Job, JobState
from domain.trace import Trace
from tests.contract.suites.stores import Process, Store, StoreSuite, kept
from tests.support.builders import NOW, a_job, an_event, an_id, an_upload
from tests.support.until import comes_true

KIND = "thumbnails"


async def added(process: Process, *jobs: Job) -> Sequence[Job]:
    async with process.unit_of_work() as work:
        for job in jobs:
            await work.jobs.add(job)
        await work.commit()
    return jobs


async def claimed(process: Process, *kinds: str, lease_seconds: float = 60.0) -> Job | None:
    async with process.unit_of_work() as work:
        job = await work.jobs.claim(kinds or [KIND], token=an_id(), lease_seconds=lease_seconds)
        await work.commit()
    return job


async def claimed_one(process: Process, *, lease_seconds: float = 60.0) -> Job:
    job = await claimed(process, lease_seconds=lease_seconds)
    assert job is not None
    return job


async def removed(process: Process, job: Job) -> None:
    async with process.unit_of_work() as work:
        await work.jobs.remove(job)
        await work.commit()


async def put_back(process: Process, job: Job, *, seconds: float = 0, error: str = "", counts: bool = True) -> None:
    async with process.unit_of_work() as work:
        await work.jobs.put_back(job, seconds=seconds, error=error, counts=counts)
        await work.commit()


async def buried(process: Process, job: Job, error: str = "it is broken") -> None:
    async with process.unit_of_work() as work:
        await work.jobs.bury(job, error=error)
        await work.commit()


async def all_jobs(process: Process, state: JobState | None = None, *, limit: int = 100) -> Sequence[Job]:
    async with process.unit_of_work() as work:
        return await work.jobs.list(state, limit=limit)


async def taken_over(process: Process, other: Process) -> tuple[Job, Job]:
    """A job as its first worker knows it, who said nothing for too long, and as the next one does."""
    first = await claimed_one(process, lease_seconds=-1)
    return first, await claimed_one(other)


class JobQueueSuite(StoreSuite):
    async def test_a_job_comes_as_it_was_added(self, process: Process) -> None:
        trace = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", is_sampled=False)
        [job] = await added(process, a_job(KIND, subject="Ü\U0001f3d6'\"", payload='{"a": "Ü"}', trace=trace))
        got = await claimed_one(process)
        assert (got.id, got.kind, got.subject, got.created_at) == (job.id, job.kind, job.subject, job.created_at)
        assert (got.payload, got.trace) == (job.payload, trace)
        assert (got.state, got.attempts, got.error) == (JobState.RUNNING, 1, "")
        assert got.due_at - datetime.now(UTC) > timedelta(seconds=50)

    async def test_a_job_is_there_if_what_asks_for_it_is(self, process: Process) -> None:
        upload = an_upload()
        async with process.unit_of_work() as work:
            await work.uploads.add(upload)
            await work.jobs.add(a_job(KIND))
        assert await claimed(process) is None
        async with process.unit_of_work() as work:
            await work.uploads.add(upload)
            await work.jobs.add(a_job(KIND, subject=upload.id))
            await work.commit()
        assert (await claimed_one(process)).subject == upload.id

    async def test_the_same_job_is_kept_once(self, process: Process) -> None:
        job = a_job(KIND)
        await added(process, job, job)
        await added(process, job)
        assert len(await all_jobs(process)) == 1

    async def test_it_is_due_at_once_whatever_the_clock_says_of_who_adds_it(self, process: Process) -> None:
        await added(process, a_job(KIND, created_at=datetime.now(UTC) + timedelta(hours=1)))
        assert await claimed(process)

    async def test_they_come_in_the_order_in_which_they_were_added(self, process: Process) -> None:
        jobs = [(await added(process, a_job(KIND)))[0] for _ in range(3)]
        assert [(await claimed_one(process)).id for _ in jobs] == [job.id for job in jobs]

    async def test_what_is_claimed_is_nobody_elses(self, store: Store, process: Process) -> None:
        await added(process, a_job(KIND))
        assert await claimed(process)
        assert await claimed(store.process()) is None

    async def test_a_claim_that_is_not_committed_is_none(self, process: Process) -> None:
        await added(process, a_job(KIND))
        async with process.unit_of_work() as work:
            assert await work.jobs.claim([KIND], token="one", lease_seconds=60)
        assert (await claimed_one(process)).attempts == 1

    async def test_kinds_that_a_worker_does_not_know_are_left_to_others(self, process: Process) -> None:
        await added(process, a_job("to come"), a_job("later"))
        assert await claimed(process) is None
        job = await claimed(process, KIND, "later")
        assert job is not None and job.kind == "later"
        assert [(job.kind, job.attempts) for job in await all_jobs(process, JobState.QUEUED)] == [("to come", 0)]

    async def test_with_no_kinds_there_is_nothing_to_claim(self, process: Process) -> None:
        await added(process, a_job(KIND))
        async with process.unit_of_work() as work:
            assert await work.jobs.claim([], token="one", lease_seconds=60) is None

    async def test_one_that_is_done_is_gone(self, process: Process) -> None:
        await added(process, a_job(KIND))
        await removed(process, await claimed_one(process))
        assert await all_jobs(process) == []

    async def test_whoever_dies_of_it_leaves_it_to_others_once_the_lease_has_run_out(
        self, store: Store, process: Process
    ) -> None:
        await added(process, a_job(KIND))
        first = await claimed_one(process, lease_seconds=0.2)
        other = store.process()
        assert await claimed(other) is None
        heir: list[Job] = []

        async def is_claimed() -> bool:
            job = await claimed(other)
            heir.extend([job] if job else [])
            return job is not None

        await comes_true(is_claimed)
        assert (heir[0].id, heir[0].attempts) == (first.id, 2)
        assert heir[0].token != first.token

    async def test_a_lease_that_is_renewed_lasts(self, store: Store, process: Process) -> None:
        await added(process, a_job(KIND))
        job = await claimed_one(process, lease_seconds=0.1)
        async with process.unit_of_work() as work:
            assert await work.jobs.renew(job, lease_seconds=60)
            await work.commit()
        await asyncio.sleep(0.12)
        assert await claimed(store.process()) is None

    async def test_one_that_was_taken_over_is_not_renewed(self, store: Store, process: Process) -> None:
        await added(process, a_job(KIND))
        first, _ = await taken_over(process, store.process())
        async with process.unit_of_work() as work:
            assert not await work.jobs.renew(first, lease_seconds=60)

    @pytest.mark.parametrize("how", ["removed", "put back", "buried"])
    async def test_of_one_that_was_taken_over_nothing_is_committed(
        self, store: Store, process: Process, how: str
    ) -> None:
        await added(process, a_job(KIND))
        first, second = await taken_over(process, store.process())
        upload = an_upload()

        async def end() -> None:
            async with process.unit_of_work() as work:
                await work.uploads.add(upload)
                work.announce(an_event(upload, EventType.CREATED))
                match how:
                    case "removed":
                        await work.jobs.remove(first)
                    case "put back":
                        await work.jobs.put_back(first, seconds=0, error="")
                    case _:
                        await work.jobs.bury(first, error="")
                await work.commit()

        with pytest.raises(JobTakenOver):
            await end()
        async with process.unit_of_work() as work:
            assert not await work.uploads.is_known(upload.id)
        [job] = await all_jobs(process)
        assert (job.state, job.token) == (JobState.RUNNING, second.token)
        await removed(process, second)

    async def test_what_comes_of_it_and_its_end_are_one(self, process: Process) -> None:
        await added(process, a_job(KIND))
        job, upload = await claimed_one(process), an_upload()
        async with process.unit_of_work() as work:
            await work.uploads.add(upload)
            await work.jobs.remove(job)
            await work.commit()
        assert (await kept(process, upload.id)).id == upload.id
        with pytest.raises(JobTakenOver):
            await removed(process, job)

    async def test_one_that_failed_waits_for_a_while(self, process: Process) -> None:
        await added(process, a_job(KIND), a_job(KIND))
        job = await claimed_one(process)
        await put_back(process, job, seconds=60, error="the decoder hung\0")
        assert (await claimed_one(process)).id != job.id
        assert await claimed(process) is None
        [waiting] = await all_jobs(process, JobState.QUEUED)
        assert (waiting.attempts, waiting.error.rstrip("\0"), waiting.token) == (1, "the decoder hung", "")
        assert waiting.due_at - datetime.now(UTC) > timedelta(seconds=50)

    async def test_what_was_not_its_fault_is_no_attempt(self, process: Process) -> None:
        await added(process, a_job(KIND))
        for _ in range(USUAL.attempts + 2):
            job = await claimed_one(process)
            assert job.attempts == 1
            await put_back(process, job, counts=False)

    async def test_attempts_are_counted(self, process: Process) -> None:
        await added(process, a_job(KIND))
        for attempts in range(1, 5):
            job = await claimed_one(process)
            assert job.attempts == attempts
            await put_back(process, job)

    async def test_of_several_kinds_the_one_that_waits_the_longest_comes_first(self, process: Process) -> None:
        added_in_order = [(await added(process, a_job(kind)))[0] for kind in ("b", "a", "b", "a")]
        for job in added_in_order:
            got = await claimed(process, "a", "b", "c")
            assert got is not None and got.id == job.id

    async def test_nobody_does_a_dead_one_until_it_is_revived(self, process: Process) -> None:
        await added(process, a_job(KIND))
        job = await claimed_one(process)
        await buried(process, job, "it is broken")
        assert await claimed(process) is None
        [dead] = await all_jobs(process, JobState.DEAD)
        assert (dead.id, dead.attempts, dead.error) == (job.id, 1, "it is broken")
        async with process.unit_of_work() as work:
            assert (await work.jobs.revive(job.id)).id == job.id
            await work.commit()
        revived = await claimed_one(process)
        assert (revived.id, revived.attempts) == (job.id, 1)

    async def test_only_a_dead_one_is_revived(self, process: Process) -> None:
        [job] = await added(process, a_job(KIND))
        for unknown in (job.id, JobId(an_id())):
            async with process.unit_of_work() as work:
                with pytest.raises(JobNotFound):
                    await work.jobs.revive(unknown)

    async def test_they_are_listed_by_their_age(self, process: Process) -> None:
        old, new = a_job(KIND, created_at=NOW), a_job(KIND, created_at=NOW + timedelta(seconds=1))
        await added(process, new, old)
        assert [job.id for job in await all_jobs(process)] == [old.id, new.id]
        assert [job.id for job in await all_jobs(process, limit=1)] == [old.id]
        assert await all_jobs(process, JobState.DEAD) == []
        another = (await added(process, a_job("another")))[0]
        async with process.unit_of_work() as work:
            assert [job.id for job in await work.jobs.list(kind="another", limit=10)] == [another.id]

    async def test_a_family_is_listed_with_all_its_kinds(self, process: Process) -> None:
        one, two, _, own = await added(process, *(a_job(kind) for kind in ("a%:one", "a%:two", "ab:one", "a%")))
        async with process.unit_of_work() as work:
            family = {job.id for job in await work.jobs.list(kind="a%", limit=10)}
            assert family == {one.id, two.id, own.id}
            assert [job.id for job in await work.jobs.list(kind="a%:one", limit=10)] == [one.id]

    async def test_they_are_counted_by_state(self, process: Process) -> None:
        await added(process, *(a_job(KIND) for _ in range(3)))
        await buried(process, await claimed_one(process))
        await claimed_one(process)
        async with process.unit_of_work() as work:
            count = await work.jobs.count()
        assert dict(count) == {JobState.QUEUED: 1, JobState.RUNNING: 1, JobState.DEAD: 1}

    async def test_what_was_to_be_done_to_something_that_is_gone_is_forgotten(self, process: Process) -> None:
        gone = an_id()
        _, other, stays = await added(process, a_job(KIND, subject=gone), a_job("another", subject=gone), a_job(KIND))
        async with process.unit_of_work() as work:
            await work.jobs.forget(KIND, gone)
            await work.commit()
        assert {job.id for job in await all_jobs(process)} == {other.id, stays.id}

    async def test_old_ones_of_a_family_of_kinds_are_forgotten(self, process: Process) -> None:
        long_ago = NOW - timedelta(days=30)
        dead, _, new, _, other = await added(
            process,
            a_job("a%:one", created_at=long_ago),
            a_job("a%:two", created_at=long_ago),
            a_job("a%:two", created_at=NOW),
            a_job("a%:three", created_at=long_ago),
            a_job("ab:one", created_at=long_ago),
        )
        claimed_one = await claimed(process, dead.kind)
        assert claimed_one is not None
        under_way = await claimed(process, "a%:three")
        assert under_way is not None
        await buried(process, claimed_one)
        for forgotten in (1, 1, 0):
            async with process.unit_of_work() as work:
                assert await work.jobs.forget_old("a%:", before=NOW, limit=1) == forgotten
                await work.commit()
        assert {job.id for job in await all_jobs(process)} == {new.id, under_way.id, other.id}

    async def test_what_is_under_way_is_its_workers_to_remove(self, process: Process) -> None:
        [job] = await added(process, a_job(KIND))
        claimed = await claimed_one(process)
        async with process.unit_of_work() as work:
            await work.jobs.forget(KIND, job.subject)
            await work.commit()
        await removed(process, claimed)
        assert await all_jobs(process) == []
