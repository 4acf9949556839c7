"""Deliveries over the memory adapters: written with their events, sent until they are taken, left alone when asked."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.job_carrier import MemoryJobCarrier
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWorkFactory
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.system.id_generator import SystemIdGenerator
from application.webhook import DeliveryHandler
from application.worker import Worker
from domain.events import Event
from domain.ids import JobId
from domain.job import Job, JobState, Schedule
from domain.webhook import Answer, Endpoint, Webhooks, body_of
from ports.webhook_sender import WebhookSender
from tests.support.builders import an_instruction_event
from tests.support.until import wait_until

ENDPOINT = Endpoint("https://receiver.example/secret-path")


class Sender(WebhookSender):
    """Gives the answers that the test has, then 204."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.sent: list[tuple[Mapping[str, str], bytes]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        assert url == ENDPOINT.url
        self.sent.append((headers, body))
        return self.answers.pop(0) if self.answers else Answer(204)

    async def close(self) -> None: ...


class Bench:
    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.carrier = MemoryJobCarrier()
        self.sender = Sender()
        outbox = MemoryOutbox(self.database, MemoryProgressNotifier(MemoryFeed()))
        webhooks = Webhooks([ENDPOINT])
        self.unit_of_work = MemoryUnitOfWorkFactory(self.database, outbox, jobs_of=webhooks.deliveries)

    async def announce(self, *events: Event) -> None:
        async with self.unit_of_work() as work:
            for event in events:
                work.announce(event)
            await work.commit()

    @property
    def job(self) -> Job:
        [job] = self.database.jobs.values()
        return job

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        handler = DeliveryHandler(
            ENDPOINT,
            secrets=(b"s" * 32,),
            schedule=Schedule((0.01,) * 3),
            unit_of_work=self.unit_of_work,
            sender=self.sender,
            clock=SystemClock(),
        )
        worker = Worker(
            unit_of_work=self.unit_of_work,
            carrier=self.carrier,
            ids=SystemIdGenerator(),
            handlers=[handler],
            slots=1,
            idle_seconds=0.01,
        )
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_an_event_is_sent_until_it_is_taken_under_its_id(bench: Bench) -> None:
    bench.sender.answers = [Answer(500), Answer(None, "Connection refused"), Answer(302)]
    event = an_instruction_event()
    await bench.announce(event)
    async with bench.delivering():
        await wait_until(lambda: not bench.database.jobs)
    assert {headers["webhook-id"] for headers, _ in bench.sender.sent} == {event.id}
    assert [body for _, body in bench.sender.sent] == [body_of(event).encode()] * 4


async def test_after_the_last_attempt_it_stays_with_the_reason(bench: Bench) -> None:
    bench.sender.answers = [Answer(500)] * 3 + [Answer(None, "Connection refused")]
    await bench.announce(an_instruction_event())
    async with bench.delivering():
        await wait_until(lambda: bench.job.state is JobState.DEAD)
    assert bench.job.error == "receiver.example: Connection refused"


async def test_whoever_wants_no_more_is_sent_no_more_for_a_while(bench: Bench) -> None:
    bench.sender.answers = [Answer(410)]
    await bench.announce(an_instruction_event(), an_instruction_event())
    async with bench.delivering():
        await wait_until(lambda: bench.sender.sent)
        await asyncio.sleep(0.05)
    assert len(bench.sender.sent) == 1
    assert sorted((job.state, job.attempts) for job in bench.database.jobs.values()) == [
        (JobState.DEAD, 1),
        (JobState.QUEUED, 0),
    ]


@pytest.mark.parametrize("code", [429, 503])
async def test_who_asks_for_time_is_left_alone_with_all_that_waits(code: int, bench: Bench) -> None:
    bench.sender.answers = [Answer(code, retry_after_seconds=0.2)]
    await bench.announce(an_instruction_event(), an_instruction_event())
    async with bench.delivering():
        await wait_until(lambda: bench.sender.sent)
        await asyncio.sleep(0.1)
        assert len(bench.sender.sent) == 1
        await wait_until(lambda: not bench.database.jobs)
    assert len(bench.sender.sent) == 3


async def test_nobody_is_left_alone_for_years(bench: Bench) -> None:
    bench.sender.answers = [Answer(500, retry_after_seconds=1e12)]
    await bench.announce(an_instruction_event())
    async with bench.delivering():
        await wait_until(lambda: bench.job.error)
    assert bench.job.due_at - datetime.now(UTC) < timedelta(hours=24, minutes=1)


async def test_the_log_is_told_once_and_of_the_host_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.sender.answers = [Answer(500)] * 6
    await bench.announce(*(an_instruction_event() for _ in range(3)))
    with caplog.at_level(logging.INFO):
        async with bench.delivering():
            await wait_until(lambda: not bench.database.jobs)
    assert [record.levelname for record in caplog.records if record.name == "application.webhook"] == [
        "WARNING",
        "INFO",
    ]
    assert "receiver.example" in caplog.text and "secret-path" not in caplog.text


async def test_workers_of_other_jobs_are_not_told_of_deliveries() -> None:
    carried: list[JobId] = []
    bench = Bench()
    factory = MemoryUnitOfWorkFactory(
        bench.database,
        MemoryOutbox(bench.database, MemoryProgressNotifier(MemoryFeed())),
        carried.append,
        Webhooks([ENDPOINT]).deliveries,
    )
    async with factory() as work:
        work.announce(an_instruction_event())
        await work.commit()
    assert len(bench.database.jobs) == 1 and carried == []
