"""Two servers and two workers on one PostgreSQL, one bucket and one NATS, and a client that knows both servers."""

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.e2e.conftest import ROOMY
from tests.e2e.test_form_upload import MULTIPART, file_part, form
from tests.e2e.test_images import picture
from tests.e2e.test_owners import ANNA, GATEWAY, as_user
from tests.e2e.tus import BYTES, VERSION, Tus, target_of
from tests.support.processes.faulty_s3 import FaultyS3
from tests.support.processes.nats import NatsServer
from tests.support.processes.postgres import PostgresCluster
from tests.support.processes.s3 import S3Server
from tests.support.processes.server import ServerProcess
from tests.support.processes.worker import WorkerProcess
from tests.support.until import until
from tests.support.wire import Header, Http, Response

_PAUSE = 0.1
_PATIENCE = 60.0


@dataclass
class Cluster:
    """``env``: what all of its processes have in common."""

    servers: tuple[ServerProcess, ServerProcess]
    workers: tuple[WorkerProcess, WorkerProcess]
    postgres: PostgresCluster
    nats: NatsServer
    s3: FaultyS3
    env: dict[str, str]
    names: Callable[[], Sequence[str]]
    """Of all objects in the bucket."""

    def blobs(self) -> set[str]:
        return {name for name in self.names() if name.startswith("blobs/")}

    def https(self, name: str = ANNA) -> tuple[Http, Http]:
        here, there = (as_user(Http(server.port), name) for server in self.servers)
        return here, there

    @property
    def tuses(self) -> tuple[Tus, Tus]:
        here, there = map(Tus, self.https())
        return here, there

    def whole(self) -> None:
        """Return once all of it is up and well."""
        self.s3.share = 0.0
        self.postgres.start()
        self.nats.start()
        gone = [process for process in (*self.servers, *self.workers) if not process.alive]
        logs = {worker: 0 if worker not in gone else len(worker.log()) for worker in self.workers}
        for process in gone:
            process.launch()
        for server in self.servers:
            server.wait_until_healthy()
        for worker, before in logs.items():
            until(lambda: '"working"' in worker.log()[before:], "a worker does not work")  # noqa: B023 -- called at once

    @contextmanager
    def without_nats(self) -> Iterator[None]:
        self.nats.stop()
        try:
            yield
        finally:
            self.nats.start()

    @contextmanager
    def without_postgres(self) -> Iterator[None]:
        self.postgres.stop("immediate")
        try:
            yield
        finally:
            self.postgres.start()

    @contextmanager
    def without_s3(self) -> Iterator[None]:
        """It answers, and takes and gives nothing."""
        self.s3.faults, self.s3.share = [503], 1.0
        try:
            yield
        finally:
            self.s3.share = 0.0

    @contextmanager
    def slow_s3(self) -> Iterator[None]:
        """Each of its answers comes after a second and a half: whoever works on a picture is at it for so long."""
        self.s3.faults, self.s3.share = ["slow"], 1.0
        try:
            yield
        finally:
            self.s3.share = 0.0


def settings(storage: Mapping[str, str], database_url: str, nats: NatsServer) -> dict[str, str]:
    """What all processes of a cluster are told."""
    return {
        **ROOMY,
        **GATEWAY,
        **storage,
        "S3_PROXY": "1",
        "DATABASE_URL": database_url,
        "EVENTS_URL": nats.url,
        "JOBS_URL": nats.url,
        "WORKERS_INLINE": "0",
        "LINK_SECRET": os.urandom(16).hex(),
    }


@contextmanager
def running(folder: Path, postgres: PostgresCluster, s3: S3Server, nats: NatsServer) -> Iterator[Cluster]:
    nats.start()
    with FaultyS3(s3.endpoint) as faulty, ExitStack() as processes:
        address = s3.create_bucket()
        env = settings(s3.settings(replace(address, endpoint=faulty.endpoint)), postgres.lay_out_database(), nats)
        cluster = Cluster(
            servers=(ServerProcess(folder / "here", env), ServerProcess(folder / "there", env)),
            workers=(
                WorkerProcess(folder / "one", env),
                WorkerProcess(folder / "other", env),
            ),
            postgres=postgres,
            nats=nats,
            s3=faulty,
            env=env,
            names=lambda: s3.names(address),
        )
        for process in (*cluster.servers, *cluster.workers):
            processes.enter_context(process)
        yield cluster


@dataclass
class Client:
    """Asks one server, then the other; where one is away, or can't just now, it asks again. ``promised``: all it was
    told is there."""

    cluster: Cluster
    refused: Counter[int] = field(default_factory=Counter)
    cuts: int = 0
    uploads: dict[str, bytes] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.cluster.https())

    def ask(self, method: str, target: str, headers: list[Header], body: bytes | None = None) -> Response:
        """The answer of a server that has one."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = next(self._turns).request(method, target, headers, body)
            except OSError:  # cut, or nobody is there
                self.cuts += 1
            else:
                if answer.status != 503:
                    return answer
                assert answer.header("Retry-After"), answer
                self.refused[answer.status] += 1
            time.sleep(_PAUSE)
        raise AssertionError(f"{method} {target}: nobody answers")

    def upload(self, data: bytes, *, piece: int = 150_000) -> str:
        """Its target; what was acknowledged of it is never asked for again."""
        target = target_of(self.ask("POST", "/uploads", [VERSION, ("Upload-Length", str(len(data)))]))
        promised = 0
        while promised < len(data):
            offset = int(self.ask("HEAD", target, [VERSION]).header("Upload-Offset") or -1)
            assert offset >= promised, f"{promised} bytes of {target} were acknowledged, {offset} are there"
            promised = offset
            body = data[offset : offset + piece]
            answer = self.ask("PATCH", target, [VERSION, BYTES, ("Upload-Offset", str(offset))], body)
            assert answer.status in (204, 409, 423), answer
            if answer.status == 204:
                promised = int(answer.header("Upload-Offset") or 0)
        self.uploads[target] = data
        return target

    def image(self) -> None:
        answer = self.ask("POST", "/images", [MULTIPART], form(file_part(picture("jpeg"), "a.jpg", "image/jpeg")))
        assert answer.status == 200, answer
        self.images.append(answer.json()["id"])

    def detail(self, instruction_id: str) -> None:
        body = form(file_part(picture("png"), "a.png", "image/png"))
        answer = self.ask("POST", f"/instructions/{instruction_id}/details", [MULTIPART], body)
        assert answer.status == 200, answer
        self.details.append(answer.json()["data"]["input"])

    def check(self, *, within: float = 30) -> None:
        """What was acknowledged is there and as it should be, whoever is asked."""
        for http in self.cluster.https():
            tus = Tus(http)
            for target, data in self.uploads.items():
                assert tus.content(target) == data
            for image_id in self.images:
                until(lambda: http.get(f"/images/{image_id}").json()["status"] == "DONE", image_id, within=within)  # noqa: B023
            for detail in self.details:
                target = f"/instructions/{detail['instruction_id']}/details/{detail['id']}"
                until(lambda: http.get(target).json()["data"]["detail"]["status"] == "DONE", target, within=within)  # noqa: B023
