"""Notifications of a real server and a worker apart that share an SQLite file, over a real NATS."""

import asyncio
import json
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
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
from infrastructure.process import cores
from infrastructure.settings import Settings
from infrastructure.startup import started
from tests.e2e.conftest import StartServer
from tests.e2e.test_images import picture, posted
from tests.e2e.test_instructions import added, made, over
from tests.e2e.test_owners import ANNA, BERT, GATEWAY, as_user
from tests.e2e.test_progress import Events
from tests.support.builders import an_instruction_event
from tests.support.processes.nats import NatsServer
from tests.support.processes.process import STARTER, ChildProcess
from tests.support.processes.server import ServerProcess, clean_environment
from tests.support.until import until
from tests.support.wire import Header, Http, WebSocket

_SOON = 8.0  # less than the 15 s after which a stream looks by itself


class Stream(Events):
    path = "/notifications/sse"

    def __init__(self, http: Http, query: str, *headers: Header) -> None:
        super().__init__(http, query, *headers)
        self.last = self.fields(_SOON)["id"]
        """What a browser comes back with."""

    def told(self, count: int, *, within: float = _SOON) -> list[tuple[str, str, dict[str, Any]]]:
        """id, type, data."""
        seen = list[tuple[str, str, dict[str, Any]]]()
        while len(seen) < count:
            fields = self.fields(within)
            self.last = fields.get("id", self.last)
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

    def announce(self, *events: Event) -> None:
        """As another process would that has this database and this NATS."""
        asyncio.run(_announce(self.server.data_dir, self.nats_url, events))


@contextmanager
def listening(url: str) -> Iterator[list[dict[str, str]]]:
    """What other services hear."""
    heard, is_ready, is_over = list[dict[str, str]](), threading.Event(), threading.Event()

    async def hear(message: Msg) -> None:
        heard.append(json.loads(message.data))

    async def listen() -> None:
        async with await nats.connect(url) as service:
            await service.subscribe("notifications.sse", cb=hear)
            await service.flush()
            is_ready.set()
            await asyncio.to_thread(is_over.wait)

    thread = threading.Thread(target=asyncio.run, args=(listen(),))
    thread.start()
    try:
        assert is_ready.wait(5)
        yield heard
    finally:
        is_over.set()
        thread.join()


async def _announce(data_dir: Path, url: str, events: tuple[Event, ...]) -> None:
    settings = Settings.model_validate({"data_dir": data_dir, "events_url": url})
    async with started(settings, [DATABASE, JOBS, EVENTS]) as container, container.unit_of_work()() as work:
        for event in events:
            work.announce(event)
        await work.commit()


@pytest.fixture(scope="module")
def site(start_module_server: StartServer, nats_server: NatsServer) -> Iterator[Site]:
    nats_server.start()
    server = start_module_server(**GATEWAY, EVENTS_URL=nats_server.url, WORKERS_INLINE="0")
    environment = clean_environment(server.data_dir, {"EVENTS_URL": nats_server.url})
    log_path = server.data_dir / "worker.log"
    command = (sys.executable, STARTER, "worker")
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
    before = stream.last
    site.announce(events[0])
    [(first, _, data)] = stream.told(1)
    assert (first, data["instruction_detail_id"]) == (events[0].id, events[0].detail_id)
    stream.close()
    site.announce(*events[1:])
    for last, missed in ((first, events[1:]), (before, events)):  # it was told nothing before
        back = Stream(http, "", ("Last-Event-ID", last))
        assert [id_ for id_, _, _ in back.told(len(missed))] == [event.id for event in missed]
        back.close()


def test_other_services_hear_each_detail_once_in_the_words_of_its_owner(site: Site) -> None:
    mine, guests = an_instruction_event(owner=user(ANNA)), an_instruction_event(owner=guest(BERT), status="FAILED")
    with listening(site.nats_url) as heard:
        site.announce(mine, guests)
        until(lambda: len(heard) == 2)
    told = [(each.get("user_id"), each.get("guest_id"), each["status"]) for each in heard]
    assert told == [(ANNA, None, "DONE"), (None, BERT, "FAILED")]
    assert heard[0].keys() == {"user_id", "instruction_id", "instruction_detail_id", "status", "created_at"}


def test_who_does_not_say_who_calls_is_refused_in_the_dialects_words(site: Site) -> None:
    answer = Http(site.server.port).get("/notifications/sse")
    assert (answer.status, answer.json()["data"]) == (401, None)
    assert "missing user identification" in answer.json()["message"]


def test_a_worker_does_one_job_at_once_more_than_there_are_cores(site: Site) -> None:
    assert f'"slots": {cores() + 1},' in site.worker.log_tail()


def test_health_names_nats(site: Site) -> None:
    assert site.http(ANNA).get("/health").json()["services"]["nats"] is True


def test_a_detail_is_told_of_from_its_beginning_to_its_end_here_and_on_nats(site: Site) -> None:
    anna = site.http(ANNA)
    stream = Stream(anna, "")
    with listening(site.nats_url) as heard:
        pair = added(anna, made(anna), picture("jpeg"))
        told = stream.told(3, within=20)
        until(lambda: len(heard) == 3)
    stream.close()
    assert {type_ for _, type_, _ in told} == {"instruction.detail"}
    assert [data["status"] for _, _, data in told] == ["PENDING", "PROCESSING", "DONE"]
    for here, there in zip([data for _, _, data in told], sorted(heard, key=itemgetter("created_at")), strict=True):
        assert here == {**there, "file_name": "sea.jpg"}
        assert (there["user_id"], there["instruction_detail_id"]) == (ANNA, pair["input"]["id"])


def test_where_all_is_everyones_a_plain_event_source_hears_of_everybodys(http: Http) -> None:
    anna, bert = (as_user(http, name) for name in (ANNA, BERT))
    all_, mine, watching = Stream(http, ""), Stream(anna, ""), Events(http, "?scope=mine")
    socket = WebSocket.open(http, "/ws/progress?scope=mine")
    pairs = [added(each, made(each), picture("jpeg"))["input"] for each in (bert, anna)]
    for each, pair in zip((bert, anna), pairs, strict=True):
        over(each, pair)
    told = [data for _, type_, data in all_.told(6) if type_ == "instruction.detail"]
    assert {(data["user_id"], data["status"]) for data in told} == {
        (who, status) for who in (ANNA, BERT) for status in ("PENDING", "PROCESSING", "DONE")
    }
    assert {data["instruction_detail_id"] for _, _, data in mine.told(3)} == {pairs[1]["id"]}
    seen = [watching.until("instruction.detail")[-1][2]]
    seen += [next(each for each in socket.messages(within=10) if each["type"] == "instruction.detail")]
    for message in seen:
        assert message["instruction_detail_id"] == pairs[0]["id"] and message["event_id"] and message["sequence"]
    for stream in (all_, mine, watching):
        stream.close()
    socket.close()
