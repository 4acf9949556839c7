"""The progress use case over memory adapters, with uploads that move as the upload use case moves them."""

import asyncio
from collections.abc import Callable, Mapping

from tornado.httputil import HTTPServerRequest

from adapters.inbound.common.auth import Authenticator
from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.memory.outbox import MemoryOutbox
from adapters.outbound.memory.unit_of_work import MemoryUnitOfWork, MemoryUnitOfWorkFactory
from adapters.outbound.system.clock import SystemClock
from application.progress import ProgressUseCase
from application.progress.messages import JsonValue, encode_json
from domain.access import ANYBODY, Principal
from domain.errors import RepositoryUnavailable, Unauthenticated
from domain.events import Event, EventType, UploadEvent
from domain.ids import FileId, OwnerId
from domain.image import Image
from domain.upload import Upload
from domain.upload_state import UploadState
from ports.clock import Clock
from ports.unit_of_work import UnitOfWork
from tests.support.builders import a_file, a_receipt, an_id, an_upload, extent


class ByHeader(Authenticator):
    """Believes ``x-user``."""

    def principal(self, request: HTTPServerRequest) -> Principal:
        name = request.headers.get("x-user")
        if name is None:
            raise Unauthenticated("who calls?")
        return Principal(OwnerId(f"user:{name}"))


class GapFeed(MemoryFeed):
    """A feed that can be made to lose events, as one over a network can."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = False
        self._on_gap: list[Callable[[], None]] = []

    def listen(self, on_event: Callable[[Event], None], on_gap: Callable[[], None]) -> Callable[[], None]:
        self._on_gap.append(on_gap)
        return super().listen(on_event, on_gap)

    def deliver(self, event: Event) -> None:
        if not self.is_cut:
            super().deliver(event)

    def come_back(self) -> None:
        self.is_cut = False
        for on_gap in self._on_gap:
            on_gap()


class LateUnitOfWork(MemoryUnitOfWork):
    def __init__(self, database: MemoryDatabase, outbox: MemoryOutbox, gate: asyncio.Event) -> None:
        super().__init__(database, outbox)
        self._gate = gate

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)  # type: ignore[arg-type]
        await self._gate.wait()


class House:
    """The use case over the memory adapters, and uploads that move in the ways of the upload use case."""

    def __init__(self, clock: Clock | None = None, *, fresh_seconds: float = 1.0) -> None:
        self.database = MemoryDatabase()
        self.feed = GapFeed()
        self.clock = clock or SystemClock()
        self.new_id = an_id
        self.notifier = MemoryProgressNotifier(self.feed)
        self._outbox = MemoryOutbox(self.database, self.notifier)
        self._new_unit = MemoryUnitOfWorkFactory(self.database, self._outbox)
        self.encoded: list[str] = []
        self.is_away = False
        self.reads = 0
        self.gate: asyncio.Event | None = None
        """While there, the use case's units of work end only when it opens: what they read is old by then."""
        self.progress = ProgressUseCase(
            self.units, self.feed, self.clock, encode=self._encode, fresh_seconds=fresh_seconds
        )

    def _encode(self, fields: Mapping[str, JsonValue]) -> bytes:
        self.encoded.append(str(fields["type"]))
        return encode_json(fields)

    def units(self) -> UnitOfWork:
        self.reads += 1
        if self.is_away:
            raise RepositoryUnavailable("away")
        return self._new_unit() if self.gate is None else LateUnitOfWork(self.database, self._outbox, self.gate)

    async def begin(self, owner: Principal = ANYBODY, *, length: int | None = 1000, watch_id: str = "") -> Upload:
        upload = an_upload(id=self.new_id(), owner=owner, length=length, watch_id=watch_id, created_at=self.clock.now())
        async with self._new_unit() as work:
            await work.uploads.add(upload)
            work.announce(upload.event(EventType.CREATED, upload.created_at))
            await work.commit()
        return upload

    def store(self, upload: Upload, up_to: int) -> UploadEvent:
        """Make bytes durable without telling anybody yet."""
        received = self.database.received.setdefault(upload.id, [])
        received.append(a_receipt(upload, upload.offset, up_to).extent)
        upload.received.add(extent(upload.offset, up_to))
        upload.state = UploadState.ASSEMBLING if upload.is_whole else UploadState.RECEIVING
        self.database.uploads[upload.id].state = upload.state
        return upload.event(EventType.PROGRESS, self.clock.now())

    def receive(self, upload: Upload, up_to: int) -> None:
        self.notifier.publish(self.store(upload, up_to))

    def end(self, upload: Upload, type_: EventType = EventType.COMPLETED) -> None:
        self.finish(upload, type_)
        self.notifier.publish(upload.event(type_, self.clock.now()))

    def finish(self, upload: Upload, type_: EventType = EventType.COMPLETED) -> None:
        upload.state = UploadState(type_.name)
        self.database.uploads[upload.id].state = upload.state

    async def draw(self, upload: Upload, *, error: str = "") -> None:
        """What becomes of the picture that it brought."""
        file = a_file(id=upload.id, owner=Principal(upload.owner), name=upload.draft.metadata.filename)
        image = Image(FileId(upload.id), upload.watch_id, upload.created_at, upload.created_at)
        async with self._new_unit() as work:
            await work.files.add(file)
            await work.images.add(image)
            image.queue(self.clock.now())
            work.announce(image.event(file))
            if error:
                image.fail(error, self.clock.now())
            else:
                image.finish([], self.clock.now())
            await work.images.save(image)
            work.announce(image.event(file))
            await work.commit()
