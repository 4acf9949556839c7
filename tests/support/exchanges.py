"""A small server of the real routes in a thread, for tests that talk to it over bare sockets.

It is what ``infrastructure/server.py`` serves, without settings, database and page: uploads are recorded in memory,
their bytes lie on a volume (or in what else the test gives it).
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uvloop
from tornado.netutil import bind_sockets

from adapters.inbound.common.admission import Drain
from adapters.inbound.common.auth import Authenticator
from adapters.inbound.http.engine.accepting import Door
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.keep_alive import Patience
from adapters.inbound.http.engine.router import web_server
from adapters.inbound.http.engine.running import Services
from adapters.inbound.http.engine.site import Site
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.library import Library
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.forms.form import Form
from adapters.inbound.http.operations.health import Health
from adapters.inbound.http.uploads.resumable import Resumable
from adapters.inbound.http.uploads.tus import Tus
from adapters.inbound.http.uploads.uploads import NOWHERE, Uploads
from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.ledger import MemoryReceivedLedger
from adapters.outbound.memory.lock import MemoryUploadLock
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWorkFactory
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.system.id_generator import SystemIdGenerator
from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from adapters.outbound.volume.blob_storage import VolumeBlobStorage
from adapters.outbound.volume.chunk_storage import VolumeChunkStorage
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume
from application.core import Outside, core_of
from application.health import HealthUseCase
from domain.upload_policy import UploadPolicy
from ports.chunk_storage import ChunkStorage
from tests.support.counters import a_counter
from tests.support.wire import Header, Http, Response

Result = TypeVar("Result")
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
TUS: tuple[Header, ...] = (("Tus-Resumable", "1.0.0"),)
_MAX_LENGTH = 4 * 1024**3
_SO_RCVBUFFORCE = 33  # Linux's; Python has no name for it


class WebServer:
    """Its parts belong to the loop in its thread: ``run`` and ``call`` go there."""

    def __init__(
        self,
        root: Path,
        *,
        storage: Callable[["WebServer"], ChunkStorage] | None = None,
        origins: Collection[str] = (),
        patience: Patience = Patience(linger_seconds=0.5),  # noqa: B008 -- frozen
    ) -> None:
        """``origins``: foreign pages that may call (CORS_ORIGINS)."""
        self.patience = patience
        self._origins = origins
        self.drain = Drain()
        self.database = MemoryDatabase()
        self.volume = Volume(root)
        self.volume.prepare()
        self.threads = Threads("test-volume")
        self.clock = SystemClock()
        self.chunks = storage(self) if storage else VolumeChunkStorage(self.volume, self.threads)
        self.blobs = VolumeBlobStorage(self.volume, self.threads)
        feed = MemoryFeed()
        notifier = MemoryProgressNotifier(feed)
        outbox = MemoryOutbox(self.database, notifier)
        outside = Outside(
            unit_of_work=MemoryUnitOfWorkFactory(self.database, outbox),
            lock=MemoryUploadLock(self.database),
            ledger=MemoryReceivedLedger(self.database),
            outbox=outbox,
            chunks=self.chunks,
            blobs=self.blobs,
            notifier=notifier,
            feed=feed,
            signer=HmacDownloadSigner(b"secret"),
            clock=self.clock,
            ids=SystemIdGenerator(),
        )
        core = core_of(outside, policy=UploadPolicy(max_length_bytes=_MAX_LENGTH, max_open_uploads=None))
        self.uploads, self.downloads, self.files = core.uploads, core.downloads, core.files
        self.executor = ThreadPoolExecutor(4, thread_name_prefix="test-body")
        self.port = 0
        self.receive_buffer: int | None = None
        """Of each connection; None: the kernel's choice, which may grow to 32 MiB."""
        self.send_buffer: int | None = None
        """The same for what goes out."""
        self.log: list[dict[str, Any]] = []

    @property
    def http(self) -> Http:
        return Http(self.port, TUS)

    def begin(self, length: int | None) -> str:
        """The URL of a new upload."""
        told = ("Upload-Defer-Length", "1") if length is None else ("Upload-Length", str(length))
        answer = self.http.request("POST", "/uploads", [told])
        assert answer.status == 201, answer
        return answer.header("Location") or ""

    def offset(self, url: str) -> int:
        """How far the upload is recorded to be; nobody's request is ended for it."""
        upload_id = url.rpartition("/")[2]
        views = self.database.received.get(upload_id, [])  # type: ignore[call-overload]
        return max((extent.range.end for extent in views), default=0)

    def content(self, url: str) -> bytes:
        answer = self.http.get(url)
        assert answer.status == 200, answer
        return answer.body

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def call(self, work: Callable[[], Result]) -> Result:
        async def calling() -> Result:
            return work()

        return self.run(calling())

    def later(self, work: Callable[[], object]) -> None:
        """Let the loop do ``work``, without waiting for it."""
        self._loop.call_soon_threadsafe(work)

    async def serve(self, ready: Callable[[], None], over: Awaitable[Any]) -> None:
        self._loop = asyncio.get_running_loop()
        cors = Cors(self._origins)
        services = Services(Authenticator(), a_counter(), cors, self.executor, self.drain, Site(cors))
        links = Links()
        files = Files(downloads=self.downloads, stored=self.files, links=links)
        library = Library(files=files, stored=self.files, uploads=self.uploads, downloads=self.downloads, links=links)
        tus = Tus(
            uploads=self.uploads, downloads=self.downloads, files=files, links=links, max_length_bytes=_MAX_LENGTH
        )
        resumable = Resumable(
            uploads=self.uploads,
            files=files,
            links=links,
            max_length_bytes=_MAX_LENGTH,
            lifetime=UploadPolicy().ttl,
        )
        dialects = (
            Uploads(tus=tus, resumable=resumable, library=library),
            files,
            library,
            Form(
                uploads=self.uploads,
                downloads=self.downloads,
                stored=self.files,
                links=links,
                resumable=resumable,
                executor=self.executor,
            ),
            Health(HealthUseCase(checks={"storage": self.blobs}, clock=self.clock), self.drain),
        )
        resources = [resource for dialect in dialects for resource in dialect.resources()]
        server, router = web_server(
            resources,
            services,
            [],
            nowhere=NOWHERE,
            patience=self.patience,
        )
        self.connections = connections = router.connections
        (listening,) = bind_sockets(0, "127.0.0.1")
        if self.receive_buffer:
            _set_receive_buffer(listening, self.receive_buffer)
        if self.send_buffer:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer)
        door = Door([listening], router.accept, connections)
        self.port = listening.getsockname()[1]
        ready()
        await over
        door.close()
        for exchange in list(connections.running):
            exchange.cut()
        await server.close_all_connections()
        connections.watchdog.close()
        connections.readers.close()
        connections.kept.close()
        while connections.running:  # noqa: ASYNC110 -- they leave the set by themselves
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)

    def close(self) -> None:
        self.executor.shutdown()
        if isinstance(self.chunks, VolumeChunkStorage):
            self.chunks.close()
        self.threads.close()


@contextmanager
def serving(server: WebServer, loop: str = "uvloop") -> Iterator[WebServer]:
    """Serves until the block is left; then nothing may have gone wrong unnoticed."""
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def main() -> None:
        over = asyncio.Event()
        running = asyncio.get_running_loop()
        stop.append(lambda: running.call_soon_threadsafe(over.set))
        await server.serve(ready.set, over.wait())

    def work() -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(main())

    with structlog.testing.capture_logs() as log:
        thread = threading.Thread(target=work, name="test-server")
        thread.start()
        assert ready.wait(10)
        try:
            yield server
        finally:
            server.log = [dict(entry) for entry in log]
            stop[0]()
            thread.join(20)
            server.close()
    assert not thread.is_alive()
    assert [entry for entry in log if entry["log_level"] in ("error", "critical")] == []


def _set_receive_buffer(listening: socket.socket, size: int) -> None:
    """What connections inherit; root may go beyond what the system allows."""
    try:
        listening.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def patch_head(server: WebServer, url: str, size: int | None, *headers: Header, at: int = 0) -> bytes:
    """The head of a PATCH with a body of ``size`` bytes; None: a chunked one."""
    framing = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    lines = [
        f"PATCH {url} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Tus-Resumable: 1.0.0",
        "Content-Type: application/offset+octet-stream",
        f"Upload-Offset: {at}",
        framing,
        *(f"{name}: {value!s}" for name, value in headers),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def offset_in(answer: Response) -> int:
    return int(answer.header("Upload-Offset") or -1)
