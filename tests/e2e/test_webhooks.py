"""Webhooks of a real server to real receivers: down, slow, refusing, lying; the sender killed; nothing is missed."""

import re
import signal
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_images import picture, posted
from tests.e2e.test_instructions import added, made
from tests.e2e.test_owners import ANNA, GATEWAY, as_user
from tests.e2e.tus import Tus, id_of
from tests.support.certificates import server_context
from tests.support.processes.process import STARTER, ChildProcess
from tests.support.processes.server import ServerProcess, clean_environment, run_verb
from tests.support.receiver import ANOTHER_SECRET, OK, SECRET, Delivery, Receiver, status
from tests.support.until import becomes, until
from tests.support.wire import Http

SOON = {"WEBHOOK_RETRIES": ",".join(["100ms"] * 100), "WEBHOOK_TIMEOUT": "500ms", "WEBHOOKS_ALLOW_PRIVATE": "1"}
UPLOADED = Counter({"upload.created": 1, "upload.completed": 1})


def sent_to(*receivers: Receiver) -> dict[str, str]:
    return {**SOON, "WEBHOOK_URLS": ",".join(one.url for one in receivers), "WEBHOOK_SECRET": SECRET}


@dataclass
class Site:
    http: Http
    server: ServerProcess
    good: Receiver
    bad: Receiver


@pytest.fixture(scope="module")
def site(start_module_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    tls, trusted = server_context(tmp_path_factory.mktemp("tls"))
    with Receiver(tls=tls) as good, Receiver() as bad:
        env = {**sent_to(good, bad), "WEBHOOK_SECRET": f"{ANOTHER_SECRET} {SECRET}", "SSL_CERT_FILE": str(trusted)}
        server = start_module_server(**GATEWAY, **env)
        yield Site(as_user(Http(server.port), ANNA), server, good, bad)


def uploaded(http: Http, name: str = "a.txt") -> str:
    """The id of a small file that came whole."""
    answer = http.request("PUT", f"/upload/{name}", [("Accept", "application/json")], b"abc")
    assert answer.status in (200, 201), answer
    found = re.search(rb"/files/([0-9a-f]{32})", answer.body)
    assert found is not None, answer
    return found[1].decode()


def about(deliveries: Sequence[Delivery], id_: str) -> list[Delivery]:
    return [one for one in deliveries if id_ in one.told["data"].values()]


def all_taken(receiver: Receiver, id_: str, types: Counter[str] = UPLOADED) -> list[Delivery]:
    """What was told of it, once that is all there is to tell."""

    def look() -> list[Delivery]:
        taken = {one.id: one for one in about(receiver.taken, id_)}
        return list(taken.values()) if Counter(one.told["type"] for one in taken.values()) == types else []

    return until(look, lambda: f"{[one.told for one in about(receiver.came, id_)]}", within=15)


def at_first(times: int, said: bytes | None) -> Callable[[Delivery], bytes | None]:
    """Every delivery is answered so many times like that, then it is taken."""
    seen = Counter[str]()
    lock = threading.Lock()

    def answer(delivery: Delivery) -> bytes | None:
        with lock:
            seen[delivery.id] += 1
            return said if seen[delivery.id] <= times else OK

    return answer


def test_an_upload_is_told_to_every_receiver_signed_by_each_secret(site: Site) -> None:
    file_id = uploaded(site.http, "sea.txt")
    for receiver in (site.good, site.bad):
        for delivery in all_taken(receiver, file_id):
            delivery.verify(SECRET)
            delivery.verify(ANOTHER_SECRET)
            assert delivery.headers["content-type"] == "application/json"
            assert delivery.told.keys() == {"type", "timestamp", "data"}
            data = delivery.told["data"]
            assert (delivery.id, data["upload_id"], data["owner"]) == (data["event_id"], file_id, f"user:{ANNA}")
            assert data["filename"] == "sea.txt"
    assert len({one.id for one in about(site.good.taken, file_id)}) == 2


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (3, status(500)),
        (2, status(404)),
        (1, None),
        (2, status(302, "Location: {elsewhere}")),
        (2, b"no HTTP at all\r\n\r\n"),
        (2, b""),
        (1, status(503, "Retry-After: 1")),
    ],
    ids=["500", "404", "hangs", "redirects", "rubbish", "closes", "asks for time"],
)
def test_what_was_not_taken_is_sent_again_with_the_same_id_and_body(times: int, said: bytes | None, site: Site) -> None:
    with Receiver() as elsewhere:
        site.bad.answer = at_first(times, said and said.replace(b"{elsewhere}", elsewhere.url.encode()))
        file_id = uploaded(site.http)
        all_taken(site.good, file_id)  # who is well waits for nobody
        taken = all_taken(site.bad, file_id)
        assert elsewhere.connections == 0
    for delivery in taken:
        came = [one for one in site.bad.came if one.id == delivery.id]
        assert len(came) == times + 1
        assert {one.body for one in came} == {delivery.body}
        for one in came:
            one.verify()
    site.bad.answer = lambda _: OK


def test_a_receiver_that_was_down_misses_nothing(site: Site) -> None:
    site.bad.stop()
    files = [uploaded(site.http) for _ in range(5)]
    for file_id in files:
        all_taken(site.good, file_id)
    assert site.http.get("/health").status == 200
    site.bad.start()
    for file_id in files:
        all_taken(site.bad, file_id)


def test_pictures_instructions_and_what_becomes_of_uploads_are_told(site: Site) -> None:
    image_id = posted(site.http, picture("jpeg"))
    instruction_id = made(site.http)
    added(site.http, instruction_id, picture("jpeg"))
    tus = Tus(site.http)
    target = tus.created(10)
    assert tus.delete(target).status == 204
    told = all_taken(site.good, image_id, Counter(UPLOADED + Counter({"image.processing": 1, "image.done": 1})))
    assert {one.told["data"]["status"] for one in told if "image" in one.told["type"]} == {"PROCESSING", "DONE"}
    details = all_taken(site.good, instruction_id, Counter({"instruction.detail": 3}))
    assert sorted(one.told["data"]["status"] for one in details) == ["DONE", "PENDING", "PROCESSING"]
    all_taken(site.good, id_of(target), Counter({"upload.created": 1, "upload.aborted": 1}))
    assert site.good.of("upload.progress") == []


def test_the_log_tells_neither_secret_nor_path(site: Site) -> None:
    log = site.server.log()
    assert f"127.0.0.1:{site.bad.port}" in log
    assert not [word for word in ("whsec_", SECRET[6:], "/hook") if word in log]


def test_a_server_that_is_killed_over_and_over_misses_nothing(start_server: StartServer) -> None:
    with Receiver() as receiver, Receiver() as hangs:
        hangs.answer = at_first(1, None)
        server = start_server(**sent_to(receiver, hangs))
        http = Http(server.port)
        files = []
        for _ in range(3):
            files += [uploaded(http) for _ in range(6)]
            becomes(lambda: hangs.came and receiver.came, within=1)
            server.restart()
        for file_id in files:
            for one in (receiver, hangs):
                for delivery in all_taken(one, file_id):
                    delivery.verify()
        assert len({one.id for one in receiver.came}) == 2 * len(files)


def test_a_worker_apart_delivers_and_what_one_was_killed_over_the_next_one_does(start_server: StartServer) -> None:
    with Receiver() as receiver:
        receiver.answer = at_first(1, None)
        env = {**sent_to(receiver), "WEBHOOK_EVENTS": "upload.completed"}
        server = start_server(**env, WORKERS_INLINE="0")
        file_id = uploaded(Http(server.port))

        def worker(number: int) -> ChildProcess:
            return ChildProcess(
                (sys.executable, STARTER, "worker", "--slots", "1"),
                name="the worker",
                environment=clean_environment(server.data_dir, env),
                log_path=server.data_dir / f"worker-{number}.log",
            )

        with worker(1) as first:
            until(lambda: receiver.came)
            first.kill()
        with worker(2) as second:
            all_taken(receiver, file_id, Counter({"upload.completed": 1}))
            second.signal(signal.SIGTERM)
            assert second.wait(10) == 0
            assert "Traceback" not in second.log()


@pytest.mark.parametrize("named", ["kind", "family", "host"])
def test_what_nobody_took_is_told_by_the_doctor_and_sent_again_when_asked(
    start_server: StartServer, named: str
) -> None:
    with Receiver() as receiver:
        receiver.answer = lambda _: status(500)
        env = {**sent_to(receiver), "WEBHOOK_RETRIES": "100ms", "WEBHOOK_EVENTS": "upload.completed"}
        server = start_server(**env)
        file_id = uploaded(Http(server.port))

        def doctor() -> str:
            return run_verb("doctor", data_dir=server.data_dir, env=env).stdout

        until(lambda: "answered 500" in server.log() and "is given up" in server.log())
        found = re.search(r"job (\w+) \((webhook:\w+) (\w+)\) is given up: 127.0.0.1:\d+: answered 500", doctor())
        assert found is not None
        assert found[3] == receiver.came[0].id and len(receiver.came) == 2
        assert Http(server.port).get("/health").status == 200
        receiver.answer = lambda _: OK
        host = f"webhook:127.0.0.1:{receiver.port}"
        assert run_verb("jobs", "list", data_dir=server.data_dir, env=env).stdout.split("\t")[1] == host
        which = {"kind": found[2], "family": "webhook", "host": host}[named]
        retried = run_verb("jobs", "retry", which, data_dir=server.data_dir, env=env)
        assert (retried.returncode, retried.stdout) == (0, "1 will be tried again\n")
        [delivery] = all_taken(receiver, file_id, Counter({"upload.completed": 1}))
        assert delivery.id == found[3]
        until(lambda: "no job has been given up" in doctor())


def test_an_address_within_is_never_connected_to(start_server: StartServer, tmp_path: Path) -> None:
    with Receiver() as receiver:
        env = {
            "WEBHOOK_URLS": f"https://127.1:{receiver.port}/hook",  # a name: what it stands for is seen later
            "WEBHOOK_SECRET": SECRET,
            "WEBHOOK_RETRIES": "100ms",
        }
        server = start_server(**env)
        uploaded(Http(server.port))
        until(lambda: "is given up" in server.log())
        assert "private address" in server.log()
        assert receiver.connections == 0
        for url in ("https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "https://localhost/"):
            refused = run_verb("check-config", data_dir=tmp_path, env={**env, "WEBHOOK_URLS": url})
            assert refused.returncode == 2
            assert refused.stderr.strip().endswith("is a private address, which needs WEBHOOKS_ALLOW_PRIVATE=1")


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"WEBHOOK_URLS": "https://a.example/"}, "WEBHOOK_URLS: they need WEBHOOK_SECRET"),
        ({"WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "WEBHOOK_SECRET: (hidden)"),
        ({"WEBHOOK_SECRET": f"{SECRET} and-more-of-it"}, "WEBHOOK_SECRET: (hidden)"),
        ({"WEBHOOK_SECRET": SECRET, "WEBHOOK_URLS": "http://a.example/"}, "read by all on the way"),
        ({"WEBHOOK_SECRET": SECRET, "WEBHOOK_URLS": "https://me:pass@a.example/"}, "allowed: https://host/path"),
        ({"WEBHOOK_EVENTS": "upload.progress"}, "'upload.progress' is none of them"),
    ],
)
def test_settings_that_can_not_work_refuse_to_start_in_one_line(env: dict[str, str], told: str, tmp_path: Path) -> None:
    refused = run_verb("serve", data_dir=tmp_path, env=env)
    assert refused.returncode == 2
    [line] = refused.stderr.strip().splitlines()
    assert told in line
    assert not [word for word in ("c2hvcnQ=", SECRET, "and-more-of-it", "me:pass") if word in line]


def test_a_settings_page_for_operators_shows_no_secret(tmp_path: Path) -> None:
    env = {"WEBHOOK_URLS": "https://a.example/x?token=tell-nobody", "WEBHOOK_SECRET": f"{SECRET} {ANOTHER_SECRET}"}
    shown = run_verb("check-config", data_dir=tmp_path, env=env)
    assert shown.returncode == 0
    assert "WEBHOOK_SECRET=***\n" in shown.stdout
    assert not [word for word in ("tell-nobody", SECRET, ANOTHER_SECRET) if word in shown.stdout + shown.stderr]


def test_an_upload_is_told_by_our_id_and_by_the_one_its_client_watches(site: Site) -> None:
    watch_id = str(uuid.uuid4())
    image_id = posted(site.http, picture("jpeg"), query=f"?upload_id={watch_id}")
    told = all_taken(site.good, watch_id, Counter(UPLOADED + Counter({"image.processing": 1, "image.done": 1})))
    assert {one.told["data"].get("upload_id") or one.told["data"]["image_id"] for one in told} == {image_id}
