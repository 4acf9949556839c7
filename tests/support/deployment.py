"""The use cases over the memory adapters: one database and one storage, for one process or several.

Each process can be made to fail or to die between any two steps: ``faults.py``.
"""

from collections.abc import Sequence
from datetime import datetime

from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.memory.feed import MemoryFeed
from adapters.outbound.memory.file_intake import MemoryFileIntake
from adapters.outbound.memory.notifier import MemoryProgressNotifier
from adapters.outbound.memory.storage import MemoryBytes
from adapters.outbound.system.id_generator import SystemIdGenerator
from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from application.core import Outside, core_of
from application.views import UploadView
from domain.access import Principal
from domain.byte_range import ByteRange
from domain.checksum import Checksum
from domain.events import Event, EventType, ImageEvent, InstructionEvent, UploadEvent
from domain.file_draft import FileDraft
from domain.ids import UploadId, file_id_of
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadKind
from tests.support.builders import ALICE
from tests.support.clock import StandingClock
from tests.support.faults import (
    Faults,
    FaultyBlobStorage,
    FaultyIntake,
    FaultyLedger,
    FaultyLock,
    FaultyOutbox,
    FaultyStorage,
    FaultyUnitOfWorkFactory,
)
from tests.support.sources import source_of

NAME = FileDraft.of(filename="holiday.mov", media_type="video/quicktime")


class Process:
    """What one server process holds."""

    def __init__(self, deployment: "Deployment") -> None:
        self.deployment = deployment
        self.faults = Faults()
        self.outbox = FaultyOutbox(deployment.database, deployment.notifier, self.faults)
        self.units = FaultyUnitOfWorkFactory(deployment.database, self.outbox, self.faults)
        self.storage = FaultyStorage(deployment.memory, deployment.clock, self.faults, deployment.modified)
        self.blobs = FaultyBlobStorage(deployment.memory, self.faults)
        self.lock = FaultyLock(deployment.database)
        self.ledger = FaultyLedger(deployment.database, self.faults)
        intake = FaultyIntake(self.storage, self.ledger, self.faults) if deployment.has_intake else None
        file_intake = MemoryFileIntake(deployment.memory, self.units) if deployment.has_intake else None
        outside = Outside(
            unit_of_work=self.units,
            lock=self.lock,
            ledger=self.ledger,
            outbox=self.outbox,
            chunks=self.storage,
            blobs=self.blobs,
            notifier=deployment.notifier,
            feed=deployment.feed,
            signer=HmacDownloadSigner(b"secret"),
            clock=deployment.clock,
            ids=SystemIdGenerator(),
            intake=intake,
            file_intake=file_intake,
        )
        core = core_of(outside, policy=deployment.policy, ended_after=deployment.policy.ttl)
        self.digests, self.uploads, self.downloads = core.digests, core.uploads, core.downloads
        self.files, self.file_ending = core.files, core.file_ending
        self.cleanup, self.reconcile, self.keeping = core.cleanup, core.reconcile, core.keeping

    async def begin(
        self, length: int | None, who: Principal = ALICE, kind: UploadKind = UploadKind.WHOLE
    ) -> UploadView:
        return await self.uploads.create(who, NAME, length=length, kind=kind)

    async def send(
        self,
        upload_id: UploadId,
        data: bytes,
        *,
        at: int = 0,
        who: Principal = ALICE,
        announced: bool = True,
        length: int | None = None,
        checksums: Sequence[Checksum] = (),
        ends: bool | None = None,
    ) -> UploadView:
        source = source_of(data, announced=announced)
        return await self.uploads.append(
            who, upload_id, at=at, source=source, length=length, checksums=checksums, ends=ends
        )

    async def part(self, data: bytes, who: Principal = ALICE) -> UploadId:
        """A whole partial upload."""
        upload = await self.begin(len(data), who, UploadKind.PARTIAL)
        await self.send(upload.id, data, who=who)
        return upload.id

    async def content(self, upload_id: UploadId, who: Principal = ALICE) -> bytes:
        """The bytes of the file that the upload has become."""
        opened = await self.downloads.open(who, file_id_of(upload_id))
        size = opened.file.size
        blocks = [block async for block in opened.blob.blocks(ByteRange(0, size))] if size else []
        await opened.blob.close()
        return b"".join(blocks)


class Deployment:
    """One database, one storage, one feed; ``process`` for each server that works on them.

    ``has_intake``: small chunks are stored and recorded together, and so are small files that come whole.
    """

    def __init__(self, policy: UploadPolicy | None = None, *, has_intake: bool = False) -> None:
        self.has_intake = has_intake
        self.policy = policy or UploadPolicy()
        self.clock = StandingClock()
        self.database = MemoryDatabase()
        self.memory = MemoryBytes()
        self.modified: dict[UploadId, datetime] = {}
        self.feed = MemoryFeed()
        self.notifier = MemoryProgressNotifier(self.feed)
        self.events: list[UploadEvent] = []
        self.image_events: list[ImageEvent] = []
        self.instruction_events: list[InstructionEvent] = []
        self.feed.listen(self._hear, lambda: None)

    def _hear(self, event: Event) -> None:
        if isinstance(event, UploadEvent):
            self.events.append(event)
        elif isinstance(event, ImageEvent):
            self.image_events.append(event)
        else:
            assert isinstance(event, InstructionEvent)
            self.instruction_events.append(event)

    def process(self) -> Process:
        return Process(self)

    def told(self, upload_id: UploadId) -> Sequence[EventType]:
        """What has been announced of the upload, in order."""
        return [event.type for event in self.events if event.upload_id == upload_id]
