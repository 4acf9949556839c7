"""Brings files in, whatever wire dialect the bytes come by. The heart of Longshore: read ``append`` first.

The order that the ack rule asks for, in one place (``receiving.py``): storage yields a stretch once it is durable, the
ledger returns once its receipt is committed; only then it counts, and only then does anybody hear of it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from application.blob_deletions import BlobDeleter
from application.digest import DigestUseCase
from application.upload.allowance import Allowances
from application.upload.completing import UploadCompleting
from application.upload.ending import UploadEnding
from application.upload.endless_room import EndlessRoom
from application.upload.joining import UploadJoining
from application.upload.leaving import Leaving
from application.upload.looking import UploadLooking
from application.upload.placing import ChunkPlacer
from application.upload.receiving import Receiver
from application.upload.records import UploadRecords
from application.upload.single_flight import SingleFlight
from application.upload.storing import UploadStoring
from application.upload.warm_uploads import WarmUploads
from application.upload.whole_files import WholeFiles
from application.views import UploadView
from domain.access import Principal
from domain.checksum import Checksum
from domain.file_draft import FileDraft
from domain.ids import UploadId
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadKind, UploadState
from ports.blob_storage import BlobStorage
from ports.byte_source import ByteSource
from ports.chunk_intake import ChunkIntake
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.file_intake import FileIntake
from ports.id_generator import IdGenerator
from ports.progress_notifier import ProgressNotifier
from ports.received_ledger import ReceivedLedger
from ports.room import Room
from ports.unit_of_work import UnitOfWorkFactory
from ports.upload_lock import UploadLock


class UploadUseCase:
    """Create, append, inspect, abort, join, store. Every method raises ``domain.errors`` and nothing else;
    unknown uploads and those of other owners give the same UploadNotFound."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        lock: UploadLock,
        ledger: ReceivedLedger,
        storage: ChunkStorage,
        blobs: BlobStorage,
        digests: DigestUseCase,
        notifier: ProgressNotifier,
        clock: Clock,
        ids: IdGenerator,
        policy: UploadPolicy,
        intake: ChunkIntake | None = None,
        file_intake: FileIntake | None = None,
        room: Room | None = None,
    ) -> None:
        """``intake``, ``file_intake``, ``room``: as ``Outside`` has them."""
        self._clock = clock
        self._policy = policy
        self._room = room = room or EndlessRoom()
        self._finishing = SingleFlight()
        deleter, allowances = BlobDeleter(unit_of_work, blobs), Allowances(unit_of_work, policy)
        self._uploads = WarmUploads(unit_of_work, lock, clock)
        self._records = UploadRecords(unit_of_work=unit_of_work, clock=clock, ids=ids, policy=policy)
        self._receiver = Receiver(
            storage=storage,
            ledger=ledger,
            intake=intake,
            notifier=notifier,
            clock=clock,
            policy=policy,
            allowances=allowances,
            room=room,
        )
        self._placer = ChunkPlacer(
            uploads=self._uploads,
            unit_of_work=unit_of_work,
            lock=lock,
            ledger=ledger,
            storage=storage,
            notifier=notifier,
            clock=clock,
            policy=policy,
            allowances=allowances,
            room=room,
        )
        self._completing = UploadCompleting(
            records=self._records,
            unit_of_work=unit_of_work,
            storage=storage,
            digests=digests,
            deleter=deleter,
            clock=clock,
            policy=policy,
        )
        self._looking = UploadLooking(
            uploads=self._uploads, completing=self._completing, unit_of_work=unit_of_work, clock=clock
        )
        self._ending = UploadEnding(
            uploads=self._uploads, unit_of_work=unit_of_work, storage=storage, deleter=deleter, clock=clock
        )
        self._joining = UploadJoining(
            uploads=self._uploads,
            records=self._records,
            receiver=self._receiver,
            completing=self._completing,
            ending=self._ending,
            unit_of_work=unit_of_work,
            storage=storage,
            clock=clock,
            room=room,
        )
        self._storing = UploadStoring(
            whole_files=WholeFiles(intake=file_intake, digests=digests, clock=clock, policy=policy),
            uploads=self._uploads,
            records=self._records,
            receiver=self._receiver,
            completing=self._completing,
            ending=self._ending,
            policy=policy,
            room=room,
        )

    async def create(
        self,
        principal: Principal,
        draft: FileDraft,
        *,
        length: int | None,
        kind: UploadKind = UploadKind.WHOLE,
        watch_id: str = "",
        completes_on_request: bool = False,
    ) -> UploadView:
        """Begin an upload of ``length`` bytes (None: told later); an empty one is complete at once.

        If the caller owns a file of the bytes that the draft's SHA-256 announces, the upload is complete at once, too.
        ``completes_on_request``: not even the last byte completes it, only the client's word does. ``watch_id``: what
        its progress is shown under; else its id.

        Raises:
            UploadTooLarge, TooManyOpenUploads, TooManyFiles, QuotaExceeded, StorageFull: nothing is kept.
        """
        new = self._records.new(
            principal,
            draft,
            length=length,
            kind=kind,
            watch_id=watch_id,
            completes_on_request=completes_on_request,
        )
        if kind is UploadKind.WHOLE and (complete := await self._completing.complete_by_duplicate(new)):
            return UploadView.of(complete)
        await self._room.check(0)
        await self._records.begin(new)
        if new.is_ready:
            async with self._ending.or_nothing(principal, new.id):
                return await self.inspect(principal, new.id)
        return UploadView.of(new)

    async def append(
        self,
        principal: Principal,
        upload_id: UploadId,
        *,
        at: int,
        source: ByteSource,
        length: int | None = None,
        checksums: Sequence[Checksum] = (),
        ends: bool | None = None,
        on_received: Callable[[int], None] = lambda _: None,
    ) -> UploadView:
        """Store the source's bytes from byte ``at`` on; the view tells how far the upload now reaches.

        ``length`` sets a deferred length. With ``checksums``, all of which have to be right, the body counts as a
        whole or not at all. A cut body keeps its prefix. The last announced byte completes the upload, or, with
        ``ends``, the body's end does unless it was cut; ``ends`` false says that the file goes on. ``on_received``
        hears the offset after each stretch that counts.

        Raises:
            OffsetMismatch, LengthExceeded, UploadTooLarge, ChecksumMismatch, InconsistentLength, UploadIsFinal,
            UploadGone, UploadExpired: nothing more is counted than was before the call; but InconsistentLength,
                where the body ended before the announced length, keeps what came.
            QuotaExceeded: so it is; of a body of unknown size, what was recorded before stays.
            UploadCompleted: ``ends`` was said of a completed upload.
            Sha256Mismatch: the bytes are not the announced whole; the upload has been aborted.
            UploadTakenOver: a newer request came; what was durable by then counts.
            StorageFull and other Unavailable: what was recorded before stays.
        """
        leaving = Leaving(source)
        async with self._uploads.opened(principal, upload_id, leaving.begin) as (upload, lease):
            upload.check_here(self._clock.now())
            if ends is not None or length is not None:
                upload.check_append(at=at, announced=None, policy=self._policy)
            if ends is not None:
                upload.check_not_completed()
            check = partial(Upload.check_append, at=at, announced=source.length, policy=self._policy)
            if length is None:
                check(upload)
            else:
                await self._records.declare_length(upload, length, check)
            await self._receiver.receive(upload, lease, source, checksums, on_received)
            if ends and not source.is_cut:
                await self._completing.complete_as_told(upload, upload.offset)
            else:
                await self._completing.complete_if_whole(upload)
            view = UploadView.of(upload)
        leaving.check(lease)
        return view

    async def place(
        self, principal: Principal, upload_id: UploadId, *, index: int, chunk_size: int, source: ByteSource
    ) -> UploadView | None:
        """Store one chunk, in any order and beside others; None if its body was cut, and then nothing of it counts.

        Chunk ``index`` lies at ``index * chunk_size``; all but the last have that size, which the first one to come
        settles. Sent again, its bytes are compared with those received. Only ``complete`` completes the upload.

        Raises:
            InvalidChunk, LengthExceeded, UploadTooLarge, ChunkSizeChanged, UploadIsFinal, UploadNotOpen, UploadGone,
            UploadExpired: nothing of the chunk counts.
            ChunkDiffers: other bytes have been received there; they stay.
            UploadTakenOver, UploadBusy: a newer request for the same bytes, or for the whole upload, came.
            StorageFull and other Unavailable: what was recorded before stays.
        """
        return await self._placer.place(principal, upload_id, index=index, chunk_size=chunk_size, source=source)

    async def complete(
        self, principal: Principal, upload_id: UploadId, *, length: int | None = None, draft: FileDraft | None = None
    ) -> UploadView:
        """Complete an upload at its client's word; said again, or by several at once, it gives the same file.

        ``length``: of the whole file; without it, and where none was announced, what has been received is all.
        ``draft``: what the file is to be, in place of what was told before.

        Raises:
            CompletedOtherwise: it is complete, with other words than these.
            BytesMissing: there are gaps.
            InconsistentLength: another length was announced, or more bytes have been received.
            Sha256Mismatch: the bytes are not the announced whole; the upload has been aborted.
            UploadBusy: another process is at it.
        """
        # Those who ask at the same time wait together, or one after the other: else each would end the one before.
        complete = partial(self._complete, principal, upload_id, length, draft)
        return await self._finishing.join(upload_id, complete, wish=(principal, length, draft))

    async def retry(self, principal: Principal, upload_id: UploadId, given: Mapping[str, str]) -> UploadView:
        """Try a failed completion again; where none has failed, the upload as it stands.

        Raises:
            CredentialRefused: the file to come has a credential, and ``given`` is not it.
            FileGone: it failed again.
        """
        async with self._uploads.opened(principal, upload_id) as (upload, _):
            upload.check_here(self._clock.now())
            upload.check_retried_by(principal, given)
            if upload.state is UploadState.FAILED:
                await self._completing.complete(upload)
            return UploadView.of(upload)

    async def inspect(self, principal: Principal, upload_id: UploadId) -> UploadView:
        """The upload as it stands, after ending whatever request still writes it; finishes what a fault left
        unfinished. UploadBusy: all bytes are there, and somebody else is making a file of them."""
        return await self._looking.inspect(principal, upload_id)

    async def look_at(self, principal: Principal, upload_id: UploadId) -> UploadView:
        """The upload as it stands, disturbing nobody."""
        return await self._looking.look_at(principal, upload_id)

    async def list_open(self, principal: Principal, *, limit: int = 100) -> Sequence[UploadView]:
        """The caller's own unfinished uploads, newest first."""
        return await self._looking.list_open(principal, limit=limit)

    async def abort(self, principal: Principal, upload_id: UploadId) -> None:
        """End the upload and free its bytes; of a part that has been joined, the final upload stays.

        Raises:
            UploadNotOpen: it is complete; what there is to delete is its file.
        """
        await self._ending.abort(principal, upload_id)

    async def expire(self, principal: Principal, upload_id: UploadId) -> bool:
        """End the upload if its time has run out; return whether it was so."""
        return await self._ending.expire(principal, upload_id)

    async def join(
        self, principal: Principal, part_ids: Sequence[UploadId], draft: FileDraft, *, names: Sequence[str] = ()
    ) -> UploadView:
        """Make one complete upload of whole partial ones, in the order given (tus 1.0 §Concatenation).

        ``names``: what the client called them, to be told again. The parts' bytes stay until cleanup comes by,
        so that a client whose answer got lost can ask again.

        Raises:
            InvalidParts: one is not a partial upload, or not whole.
            TooManyParts, UploadTooLarge, BudgetExceeded, StorageFull: before a byte is copied.
            UploadNotFound: one is unknown or someone else's.
        """
        return await self._joining.join(principal, part_ids, draft, names)

    async def store(
        self,
        principal: Principal,
        draft: FileDraft,
        *,
        source: ByteSource,
        length: int | None = None,
        watch_id: str = "",
        checksums: Sequence[Checksum] = (),
        in_one_step: bool = False,
    ) -> UploadView | None:
        """Bring a file in by one request; None (and nothing kept) if its body was cut.

        ``length``: of the file, where the wire tells it; else it is known when the body ends. ``in_one_step``: only if
        that can be (``whole_files.py``); else None, and ``source`` is as it was, to be sent on its way as an upload.

        Raises:
            ChecksumMismatch: one of the body's, or of the file's digests, is another one; nothing is kept.
            LengthExceeded, UploadTooLarge, BudgetExceeded, UploadTakenOver, Unavailable: the same.
        """
        new = self._records.new(principal, draft, length=length, watch_id=watch_id)
        return await self._storing.store(principal, new, source, checksums, in_one_step=in_one_step)

    async def check_room(self, size: int | None) -> None:
        """For who reads of a body (None: of unknown size) before it knows what it is for; may raise StorageFull."""
        await self._room.check(1 if size is None else size)

    async def _complete(
        self, principal: Principal, upload_id: UploadId, length: int | None, draft: FileDraft | None
    ) -> UploadView:
        async with self._uploads.opened(principal, upload_id) as (upload, _):
            upload.check_here(self._clock.now())
            if upload.state.is_open and draft is not None:
                upload.redraft(draft)
            elif upload.becomes_file and not upload.state.is_open:
                upload.check_completed_with(length=length, draft=draft)
            end = upload.received.end if upload.length is None else upload.length
            await self._completing.complete_as_told(upload, end if length is None else length)
            return UploadView.of(upload)
