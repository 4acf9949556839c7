"""Who is made of what in the core, once: the server's container, the tests and programs that embed us all ask here.

Adapters go in, use cases come out; nothing is started and nothing has to be closed but ``progress``.
"""

from dataclasses import dataclass
from datetime import timedelta

from application.digest import DigestUseCase
from application.download import DownloadUseCase
from application.file import FileEnding, FileUseCase
from application.observing.measured import MeasuredChunkIntake, MeasuredFileIntake, MeasuredLedger
from application.observing.uncounted import UNCOUNTED
from application.progress import ProgressUseCase
from application.upkeep.cleanup import CleanupUseCase
from application.upkeep.reconcile import ReconcileUseCase
from application.upload import UploadUseCase
from application.upload.keeping import KeepUseCase
from domain.upload_policy import UploadPolicy
from ports.blob_storage import BlobStorage
from ports.chunk_intake import ChunkIntake
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.download_signer import DownloadSigner
from ports.feed import Feed
from ports.file_intake import FileIntake
from ports.id_generator import IdGenerator
from ports.metrics import Metrics
from ports.outbox import Outbox
from ports.progress_notifier import ProgressNotifier
from ports.received_ledger import ReceivedLedger
from ports.room import Room
from ports.unit_of_work import UnitOfWorkFactory
from ports.upload_lock import UploadLock

_ORPHANS_AFTER = timedelta(hours=1)
_ENDED_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The adapters that the core leans on. Those of one storage belong together, and so do those of one database.

    ``intake``: takes small chunks in place of ``chunks`` and ``ledger``, where there is one; ``file_intake``: small
    files that come whole. ``room``: what bytes are refused without; None: they come until storage is full.
    """

    unit_of_work: UnitOfWorkFactory
    lock: UploadLock
    ledger: ReceivedLedger
    outbox: Outbox
    chunks: ChunkStorage
    blobs: BlobStorage
    notifier: ProgressNotifier
    feed: Feed
    signer: DownloadSigner
    clock: Clock
    ids: IdGenerator
    intake: ChunkIntake | None = None
    file_intake: FileIntake | None = None
    room: Room | None = None
    metrics: Metrics = UNCOUNTED


@dataclass(frozen=True, slots=True)
class Core:
    """The use cases over one database and one storage; one of these a process is enough."""

    uploads: UploadUseCase
    keeping: KeepUseCase
    downloads: DownloadUseCase
    files: FileUseCase
    file_ending: FileEnding
    digests: DigestUseCase
    progress: ProgressUseCase
    reconcile: ReconcileUseCase
    cleanup: CleanupUseCase


def core_of(
    outside: Outside,
    *,
    policy: UploadPolicy | None = None,
    orphans_after: timedelta = _ORPHANS_AFTER,
    ended_after: timedelta = _ENDED_AFTER,
) -> Core:
    """``orphans_after``, ``ended_after``: what cleanup waits for before it removes bytes that belong to nobody, and
    before it forgets uploads that left no file."""
    unit_of_work, blobs, clock, metrics = outside.unit_of_work, outside.blobs, outside.clock, outside.metrics
    policy = policy or UploadPolicy()
    digests = DigestUseCase(unit_of_work=unit_of_work, blobs=blobs, clock=clock)
    uploads = UploadUseCase(
        unit_of_work=unit_of_work,
        lock=outside.lock,
        ledger=MeasuredLedger(outside.ledger, metrics, clock.monotonic),
        storage=outside.chunks,
        blobs=blobs,
        digests=digests,
        notifier=outside.notifier,
        clock=clock,
        ids=outside.ids,
        policy=policy,
        intake=outside.intake and MeasuredChunkIntake(outside.intake, metrics, clock.monotonic),
        file_intake=outside.file_intake and MeasuredFileIntake(outside.file_intake, metrics, clock.monotonic),
        room=outside.room,
    )
    return Core(
        uploads=uploads,
        keeping=KeepUseCase(
            unit_of_work=unit_of_work,
            blobs=blobs,
            digests=digests,
            clock=clock,
            ids=outside.ids,
            policy=policy,
            room=outside.room,
        ),
        downloads=DownloadUseCase(
            unit_of_work=unit_of_work, blobs=blobs, digests=digests, signer=outside.signer, clock=clock
        ),
        files=FileUseCase(unit_of_work=unit_of_work, blobs=blobs, clock=clock, room=outside.room),
        file_ending=FileEnding(unit_of_work=unit_of_work, blobs=blobs, clock=clock),
        digests=digests,
        progress=ProgressUseCase(unit_of_work, outside.feed, clock),
        reconcile=ReconcileUseCase(uploads=uploads, unit_of_work=unit_of_work, outbox=outside.outbox, clock=clock),
        cleanup=CleanupUseCase(
            uploads=uploads,
            unit_of_work=unit_of_work,
            storage=outside.chunks,
            blobs=blobs,
            clock=clock,
            orphans_after=orphans_after,
            ended_after=ended_after,
        ),
    )
