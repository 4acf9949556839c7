"""Workers apart, as processes: killed, drained, their broker stopped; every job is done, and none twice."""

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters.outbound.amqp.job_carrier import AmqpJobCarrier
from adapters.outbound.nats.job_carrier import NatsJobCarrier
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from adapters.outbound.sql.tables import jobs, uploads
from domain.job import JobState
from tests.support.builders import RememberingNotifier, a_job
from tests.support.processes.job_worker import KIND
from tests.support.processes.nats import NatsServer
from tests.support.processes.process import ChildProcess
from tests.support.processes.rabbitmq import RabbitServer
from tests.support.processes.server import ModuleProcess, ServerProcess, clean_environment, lay_out_database, run_verb
from tests.support.until import comes_true, until
from tests.support.wire import Http

Broker = NatsServer | RabbitServer
WAYS = ("sqlite", "postgres", "nats", "rabbitmq")


class Site:
    """A database, perhaps a broker, and workers on them."""

    def __init__(self, folder: Path, database_url: str | None, broker: Broker | None) -> None:
        self.folder = folder
        self.broker = broker
        self.env = {"DATABASE_URL": database_url} if database_url else {}
        if broker is not None:
            self.env["JOBS_URL"] = broker.url
        if database_url is None:
            lay_out_database(folder / "files.db")
        self.database = Database(database_url or f"sqlite:///{folder}/files.db")
        self.carrier: NatsJobCarrier | AmqpJobCarrier | None = None
        if broker is not None:
            self.carrier = NatsJobCarrier(broker.url) if isinstance(broker, NatsServer) else AmqpJobCarrier(broker.url)
        outbox = SqlOutbox(self.database, RememberingNotifier())
        carry = self.carrier.carry if self.carrier else (lambda _: None)
        self.unit_of_work = SqlUnitOfWorkFactory(self.database, outbox, carry)
        self._workers = contextlib.ExitStack()

    def workers(self, count: int) -> Sequence[ChildProcess]:
        return [self._worker() for _ in range(count)]

    def _worker(self) -> ChildProcess:
        number = len(list(self.folder.glob("worker-*")))
        log_path = self.folder / f"worker-{number}"
        log_path.touch()
        worker = ModuleProcess(
            "tests.support.processes.job_worker",
            name="the worker",
            environment=clean_environment(self.folder, self.env),
            log_path=log_path,
        )
        return self._workers.enter_context(worker)

    async def add(self, *subjects: str) -> None:
        for subject in subjects:
            async with self.unit_of_work() as work:
                await work.jobs.add(a_job(KIND, subject=subject))
                await work.commit()

    async def done(self) -> Counter[str]:
        """How often what was done."""
        asked = select(uploads.c.watch_id)
        return Counter(await self.database.read(lambda connection: list(connection.execute(asked).scalars())))

    async def are_done(self, subjects: Sequence[str], *, within: float = 40.0) -> None:
        """Each once, and nothing is left."""

        async def are_all() -> bool:
            return (await self.done()).keys() == set(subjects)

        await comes_true(are_all, within)
        assert set((await self.done()).values()) == {1}
        assert await self.left() == []

    async def left(self) -> list[tuple[str, int]]:
        asked = select(jobs.c.state, jobs.c.attempts)
        return await self.database.read(lambda connection: [(row[0], row[1]) for row in connection.execute(asked)])

    async def close(self) -> None:
        self._workers.close()
        if self.carrier is not None:
            await self.carrier.close()
        await self.database.close()


@contextlib.asynccontextmanager
async def opened(folder: Path, way: str, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    database_url = request.getfixturevalue("server_postgres_url") if way == "postgres" else None
    broker = None
    if way in ("nats", "rabbitmq"):
        broker = request.getfixturevalue("nats_server" if way == "nats" else "rabbit_server")
    site = Site(folder, database_url, broker)
    if site.carrier is not None:
        site.carrier.start()
    try:
        yield site
    finally:
        await site.close()


def the_one_that_began(workers: Sequence[ChildProcess], subject: str) -> ChildProcess:
    [worker] = until(lambda: [worker for worker in workers if f"begun {subject}" in worker.log()])
    return worker


@pytest.mark.parametrize("way", WAYS)
async def test_of_many_jobs_over_three_workers_of_which_one_is_killed_none_is_lost_or_doubled(
    way: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await killed(way, tmp_path, request, count=60)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", WAYS)
async def test_the_same_of_four_hundred(way: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    await killed(way, tmp_path, request, count=400)


async def killed(way: str, folder: Path, request: pytest.FixtureRequest, *, count: int) -> None:
    async with opened(folder, way, request) as site:
        workers = site.workers(3)
        subjects = ["hang", *(f"quick {number}" for number in range(count - 1))]
        await site.add(*subjects[: count // 2])
        victim = await asyncio.to_thread(the_one_that_began, workers, "hang")
        victim.kill()
        if site.broker is not None:
            await asyncio.to_thread(site.broker.stop)
        await site.add(*subjects[count // 2 :])
        if site.broker is not None:
            await asyncio.to_thread(site.broker.start)
        await site.are_done(subjects)
        assert sum(worker.alive for worker in workers) == 2


async def test_a_worker_that_is_told_to_stop_costs_its_job_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with opened(tmp_path, "sqlite", request) as site:
        [worker] = site.workers(1)
        await site.add("hang")
        await asyncio.to_thread(the_one_that_began, [worker], "hang")
        worker.signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 10) == 0
        assert await site.left() == [(JobState.QUEUED, 0)]
        [told] = [line for line in map(json.loads, worker.log().splitlines()[-2:]) if line["message"] == "job"]
        assert (told["kind"], told["outcome"]) == (KIND, "put_back") and told["seconds"] < 10


async def test_a_poisonous_job_is_dead_after_three_attempts_told_of_and_revived(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "poison").touch()
    async with opened(tmp_path, "sqlite", request) as site:
        [worker] = site.workers(1)
        await site.add("poison")

        async def is_dead() -> bool:
            return await site.left() == [(JobState.DEAD, 3)]

        await comes_true(is_dead, 20)
        assert await site.done() == {"given up poison": 1}
        assert worker.log().count("begun poison") == 3

        listed = await asyncio.to_thread(run_verb, "jobs", "list", data_dir=tmp_path)
        job_id, *words = listed.stdout.strip().split("\t")
        assert words[:4] == [KIND, "poison", "DEAD", "3"]
        assert words[-1] == "it is poisoned"
        examined = await asyncio.to_thread(run_verb, "doctor", data_dir=tmp_path)
        assert f"PROBLEM  job {job_id} ({KIND} poison) is given up: it is poisoned" in examined.stdout

        (tmp_path / "poison").unlink()
        retried = await asyncio.to_thread(run_verb, "jobs", "retry", job_id, data_dir=tmp_path)
        assert (retried.returncode, retried.stderr) == (0, "")
        await site.are_done(["given up poison", "poison"])
        again = await asyncio.to_thread(run_verb, "jobs", "retry", job_id, data_dir=tmp_path)
        assert again.returncode == 1
        assert "no dead job has this id" in again.stderr
        assert "there are no jobs" in (await asyncio.to_thread(run_verb, "jobs", "list", data_dir=tmp_path)).stdout


@pytest.mark.parametrize("name", ["nats", "rabbitmq"])
def test_a_broker_that_is_away_is_told_by_health_and_refuses_nothing(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    broker: Broker = request.getfixturevalue("nats_server" if name == "nats" else "rabbit_server")
    with ServerProcess(tmp_path, {"JOBS_URL": broker.url}) as server:
        http = Http(server.port)
        told = http.get("/health").json()["services"]
        assert told == {"database": True, "storage": True, "queue": True, name: True}
        broker.stop()
        away = http.get("/health")
        assert away.status == 503
        assert away.json()["services"] == {"database": True, "storage": True, "queue": False, name: False}
        assert http.request("PUT", "/upload/a.txt", body=b"abc").status in (200, 201)
        broker.start()
        until(lambda: http.get("/health").status == 200)
        assert "secret" not in server.log()
