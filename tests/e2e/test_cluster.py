"""Two servers and two workers on one PostgreSQL, one bucket and one NATS: it does not matter who is asked, nor who
dies, and nothing acknowledged is lost while something is away. Contract §0, §1."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.access import user
from tests.e2e.chunk_client import ChunkClient
from tests.e2e.cluster import Client, Cluster, running
from tests.e2e.test_images import picture, posted
from tests.e2e.test_instructions import added, made, over
from tests.e2e.test_notifications import Stream, listening
from tests.e2e.test_owners import ANNA, BERT
from tests.e2e.test_progress import Events, check_order, of_type, until, watch
from tests.e2e.tus import id_of
from tests.support.processes.nats import NatsServer
from tests.support.processes.postgres import PostgresCluster
from tests.support.processes.process import ChildProcess, python_module
from tests.support.processes.s3 import S3Server
from tests.support.until import until as comes


@pytest.fixture(scope="module")
def the_cluster(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresCluster, s3: S3Server, nats_server: NatsServer
) -> Iterator[Cluster]:
    postgres.start()
    with running(tmp_path_factory.mktemp("cluster"), postgres, s3, nats_server) as cluster:
        yield cluster


@pytest.fixture
def cluster(the_cluster: Cluster) -> Cluster:
    the_cluster.whole()
    return the_cluster


def test_an_upload_begun_at_one_server_is_finished_at_the_other_and_seen_live_at_both(cluster: Cluster) -> None:
    here, there = cluster.tuses
    data = os.urandom(4 * 700_000)
    target = here.created(len(data))
    query = f"?upload_id={id_of(target)}"
    sockets = [watch(http, query) for http in cluster.https()]
    streams = [Events(http, query) for http in cluster.https()]
    seen = [until(socket, of_type("upload.snapshot")) for socket in sockets]
    for turn, tus in enumerate((here, there, there, here)):
        at = turn * 700_000
        assert tus.patch(target, at, data[at : at + 700_000]).status == 204
        for socket, messages in zip(sockets, seen, strict=True):
            messages.extend(until(socket, lambda message: message["offset"] >= at + 700_000))  # noqa: B023
    for socket, messages in zip(sockets, seen, strict=True):
        if messages[-1]["type"] != "upload.completed":
            messages.extend(until(socket, of_type("upload.completed")))
        check_order(messages)
    for stream in streams:
        told = [message for _, _, message in stream.until("upload.completed")]
        check_order(told)
        assert told[-1]["offset"] == len(data)
        stream.close()
    assert here.content(target) == there.content(target) == data


def test_chunks_of_one_upload_come_to_both_servers(cluster: Cluster) -> None:
    data = os.urandom(700_001)
    clients = [ChunkClient(server.port, {"X-User-Id": ANNA}) for server in cluster.servers]
    here, there = clients
    upload_id = here.init()
    streams = [Events(http, f"?upload_id={upload_id}") for http in cluster.https()]
    for index, client in ((3, here), (1, there), (0, here), (2, there)):
        answer = client.chunk(upload_id, index, data[index * 200_000 :][:200_000], 200_000)
        assert answer.data == {"chunk_index": index, "upload_id": upload_id}
    told = there.complete(upload_id, total_chunks=4, total_size=len(data)).data
    assert here.complete(upload_id, total_chunks=4, total_size=len(data)).data["id"] == told["id"]
    for stream in streams:
        assert stream.until("upload.completed")[-1][2]["offset"] == len(data)
        stream.close()
    for client in clients:
        assert client.content(told["download_url"]) == data
        client.close()


def test_what_is_posted_at_either_server_is_done_by_the_workers_and_told_at_both(cluster: Cluster) -> None:
    here, there = cluster.https()
    streams = [Stream(http, "") for http in (here, there)]
    instruction_id = made(here, "images/convert", format="webp")
    details = [added(http, instruction_id, picture("png"))["input"] for http in (here, there)]
    images = [posted(http, picture("jpeg")) for http in (there, here)]
    told = [stream.told(8, within=20) for stream in streams]
    assert told[0] == told[1]
    assert Counter(data["status"] for _, _, data in told[0]) == {"PENDING": 2, "PROCESSING": 2, "DONE": 4}
    for http in (here, there):
        assert [over(http, detail)["status"] for detail in details] == ["DONE", "DONE"]
        assert [http.get(f"/images/{image_id}").json()["status"] for image_id in images] == ["DONE", "DONE"]
    for stream in streams:
        stream.close()


def test_the_job_of_a_worker_that_is_killed_is_done_once_by_the_other(cluster: Cluster) -> None:
    bert, _ = cluster.https(BERT)
    one, other = cluster.workers
    stream, before = Stream(bert, ""), cluster.blobs()
    with cluster.slow_s3():
        other.signal(signal.SIGSTOP)
        detail = added(bert, made(bert, "images/thumbnails"), picture("png"))["input"]
        assert [data["status"] for _, _, data in stream.told(2)] == ["PENDING", "PROCESSING"]
        one.kill()
        other.signal(signal.SIGCONT)
    assert over(bert, detail)["status"] == "DONE"
    assert len(cluster.blobs() - before) == 2, "the picture, and once what comes of it"
    assert [data["status"] for _, _, data in stream.told(1, within=20)] == ["DONE"]
    stream.close()


def test_who_listened_at_a_server_that_is_killed_goes_on_at_the_other_and_misses_nothing(cluster: Cluster) -> None:
    here, there = cluster.https()
    tus = cluster.tuses[1]
    target = tus.created(200)
    query = f"?upload_id={id_of(target)}"
    stream, progress = Stream(here, ""), Events(here, query)
    instruction_id = made(there, "images/thumbnails")
    details = [added(there, instruction_id, picture("png"))["input"]]
    seen = stream.told(1)
    last = progress.until("upload.snapshot")[-1][1]
    cluster.servers[0].kill()
    details.append(added(there, instruction_id, picture("png"))["input"])
    assert tus.patch(target, 0, bytes(200)).status == 204
    stream = Stream(there, "", ("Last-Event-ID", seen[-1][0]))
    progress = Events(there, query, ("Last-Event-ID", str(last)))
    seen += stream.told(5)
    assert len({id_ for id_, _, _ in seen}) == 6
    for detail in details:
        mine = [data["status"] for _, _, data in seen if data["instruction_detail_id"] == detail["id"]]
        assert mine == ["PENDING", "PROCESSING", "DONE"]
    _, sequence, message = next(progress.events())
    assert message["state"] == "COMPLETED"
    assert sequence is not None and last is not None and sequence > last
    cluster.servers[0].start()
    again = Stream(here, "", ("Last-Event-ID", seen[0][0]))
    assert again.told(5) == seen[1:]
    for each in (stream, progress, again):
        each.close()


def test_what_a_process_committed_that_died_of_it_is_announced_by_another_in_order_and_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    died, log_path = (cluster.env["DATABASE_URL"], user(BERT).owner), tmp_path / "log"
    with listening(cluster.nats.url) as heard:
        with ChildProcess(python_module("tests.support.processes.dying", *died), log_path=log_path) as dying:
            assert dying.wait(20) == -signal.SIGKILL, dying.log_tail()
        comes(lambda: len(heard) >= 3)
        http = cluster.https()[0]
        over(http, added(http, made(http), picture("png"))["input"])
        comes(lambda: [each for each in heard if each.get("user_id") == ANNA])
    left = [each["status"] for each in heard if each.get("user_id") == BERT]
    assert left == ["PENDING", "PROCESSING", "DONE"]


@pytest.mark.parametrize("away", ["nats", "postgres", "s3"])
def test_while_something_is_away_for_a_moment_nothing_acknowledged_is_lost(cluster: Cluster, away: str) -> None:
    without = {"nats": cluster.without_nats, "postgres": cluster.without_postgres, "s3": cluster.without_s3}[away]
    clients = [Client(cluster) for _ in range(2)]
    instruction_id = made(cluster.https()[0], "images/thumbnails")
    stream = Stream(cluster.https()[1], "")

    def load(client: Client) -> None:
        client.upload(os.urandom(700_000))
        client.image()
        client.detail(instruction_id)

    threads = [threading.Thread(target=load, args=(client,)) for client in clients]
    with without():
        for thread in threads:
            thread.start()
        if away == "nats":
            comes(lambda: all(client.details for client in clients))
        else:
            comes(lambda: all(client.refused for client in clients))
        health = [http.get("/health") for http in cluster.https()]
    for thread in threads:
        thread.join(60)
    cluster.whole()
    for client in clients:
        assert (len(client.uploads), len(client.images), len(client.details)) == (1, 1, 1)
        assert bool(client.refused) == (away != "nats")
        client.check()
    assert [answer.status for answer in health] == [503, 503]
    stream.close()
    stream = Stream(cluster.https()[1], "", ("Last-Event-ID", stream.last))
    told = stream.told(8, within=20)
    assert Counter(data["status"] for _, _, data in told) == {"PENDING": 2, "PROCESSING": 2, "DONE": 4}
    stream.close()
