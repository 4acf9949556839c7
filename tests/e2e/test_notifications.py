"""Notifications of a real server and a worker apart that share an SQLite file, over a real NATS."""

import asyncio
import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from domain.access import guest, user
from domain.events import Event
from infrastructure.capabilities.database import DATABASE
from infrastructure.capabilities.events import EVENTS
from infrastructure.capabilities.jobs import JOBS
from infrastructure.settings import Settings
from infrastructure.startup import started
from tests.e2e.conftest import StartServer
from tests.e2e.test_images import picture, posted
from tests.e2e.test_owners import ANNA, BERT, GATEWAY, as_user
from tests.e2e.test_progress import Events
from tests.support.builders import an_instruction_event
from tests.support.processes.nats import NatsServer
from tests.support.processes.process import STARTER, ChildProcess
from tests.support.processes.server import ServerProcess, clean_environment
from tests.support.until import wait_until
from tests.support.wire import Http

_SOON = 8.0  # less than the 15 s after which a stream looks by itself


class Stream(Events):
    path = "/notifications/sse"

    def told(self, count: int, *, within: float = _SOON) -> list[tuple[str, str, dict[str, Any]]]:
        """id, type, data."""
        seen = list[tuple[str, str, dict[str, Any]]]()
        while len(seen) < count:
            lines = self._take_until(b"\n\n", within).decode().split("\n")
            fields = dict(line.split(": ", 1) for line in lines if ": " in line)
            if "data" in fields:
                seen.append((fields["id"], fields["event"], json.loads(fields["data"])))
        return seen


@dataclass
class Site:
    server: ServerProcess
    worker: ChildProcess
    nats_url: str

    def http(self, name: str) -> Http:
        return as_user(Http(self.server.port), name)

    def announce(self, *events: Event) -> list[dict[str, str]]:
        """As another process would that has this database and this NATS; what other services hear of it."""
        return asyncio.run(_announced(self.server.data_dir, self.nats_url, events))


async def _announced(data_dir: Path, url: str, events: tuple[Event, ...]) -> list[dict[str, str]]:
    heard = list[dict[str, str]]()

    async def hear(message: Msg) -> None:
        heard.append(json.loads(message.data))

    settings = Settings.model_validate({"data_dir": data_dir, "events_url": url})
    async with await nats.connect(url) as service, started(settings, [DATABASE, JOBS, EVENTS]) as container:
        await service.subscribe("notifications.sse", cb=hear)
        await service.flush()
        async with container.unit_of_work()() as work:
            for event in events:
                work.announce(event)
            await work.commit()
        await wait_until(lambda: len(heard) == len(events))
    return heard


@pytest.fixture(scope="module")
def site(start_module_server: StartServer, nats_server: NatsServer) -> Iterator[Site]:
    nats_server.start()
    server = start_module_server(**GATEWAY, EVENTS_URL=nats_server.url, WORKERS_INLINE="0")
    environment = clean_environment(server.data_dir, {"EVENTS_URL": nats_server.url})
    log_path = server.data_dir / "worker.log"
    command = (sys.executable, STARTER, "worker", "--slots", "1")
    with ChildProcess(command, name="the worker", environment=environment, log_path=log_path) as worker:
        yield Site(server, worker, nats_server.url)


def test_what_a_worker_apart_has_done_is_told_live_to_its_owner_alone(site: Site) -> None:
    anna, bert = Stream(site.http(ANNA), ""), Stream(site.http(BERT), "")
    query = f"?upload_id={uuid.uuid4()}"
    progress = Events(site.http(ANNA), query)
    image_id = posted(site.http(ANNA), picture("jpeg"), query=query)
    [(_, type_, data)] = anna.told(1, within=20)
    assert (type_, data["image_id"], data["status"], data["user_id"]) == ("image.done", image_id, "DONE", ANNA)
    assert progress.until("image.done")[-1][2]["image_id"] == image_id
    event = an_instruction_event(owner=user(BERT))
    site.announce(event)
    assert [id_ for id_, _, _ in bert.told(1)] == [event.id]  # nothing of hers came before
    for stream in (anna, bert, progress):
        stream.close()


def test_who_comes_back_is_told_what_was_missed_by_ids_that_stay(site: Site) -> None:
    http = site.http(BERT)
    events = [an_instruction_event(owner=user(BERT), status=status) for status in ("PENDING", "PROCESSING", "DONE")]
    stream = Stream(http, "")
    assert len(site.announce(events[0])) == 1
    [(first, _, data)] = stream.told(1)
    assert (first, data["instruction_detail_id"]) == (events[0].id, events[0].detail_id)
    stream.close()
    site.announce(*events[1:])
    back = Stream(http, "", ("Last-Event-ID", first))
    assert [id_ for id_, _, _ in back.told(2)] == [event.id for event in events[1:]]
    back.close()


def test_other_services_hear_each_detail_once_in_the_words_of_its_owner(site: Site) -> None:
    mine, guests = an_instruction_event(owner=user(ANNA)), an_instruction_event(owner=guest(BERT), status="FAILED")
    heard = site.announce(mine, guests)
    assert [(each.get("user_id"), each.get("guest_id"), each["status"]) for each in heard] == [
        (ANNA, None, "DONE"),
        (None, BERT, "FAILED"),
    ]
    assert heard[0].keys() == {"user_id", "instruction_id", "instruction_detail_id", "status", "created_at"}


def test_who_does_not_say_who_calls_is_refused_in_the_dialects_words(site: Site) -> None:
    answer = Http(site.server.port).get("/notifications/sse")
    assert (answer.status, answer.json()["data"]) == (401, None)
    assert "missing user identification" in answer.json()["message"]


def test_health_names_nats(site: Site) -> None:
    assert site.http(ANNA).get("/health").json()["services"]["nats"] is True
