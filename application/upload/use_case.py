"""Brings files in, whatever wire dialect the bytes come by. The heart of Longshore: read ``append`` first.

The order that the ack rule asks for, in one place: storage yields a stretch once it is durable, the ledger
returns once its receipt is committed, and only then does anybody hear of it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NoReturn

from application.blob_deletions import BlobDeleter
from application.digest import DigestUseCase
from application.upload.allowance import Allowances
from application.upload.placing import ChunkPlacer
from application.upload.receiving import Receiver
from application.upload.single_flight import SingleFlight
from application.upload.warm_uploads import WarmUploads
from application.views import UploadView
from domain.access import Credential, Principal, Visibility
from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.checksum import Checksum
from domain.errors import (
    FileGone,
    InvalidParts,
    LongshoreError,
    Sha256Mismatch,
    UploadBusy,
    UploadGone,
    UploadTakenOver,
)
from domain.events import EventType
from domain.file import File
from domain.ids import BlobKey, UploadId, blob_key_of
from domain.metadata import Metadata
from domain.upload import Upload, UploadKind, UploadState
from domain.upload_policy import UploadPolicy
from ports.blob_storage import BlobStorage
from ports.byte_source import ByteSource
from ports.chunk_intake import ChunkIntake
from ports.chunk_storage import ChunkStorage
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.progress_notifier import ProgressNotifier
from ports.received_ledger import ReceivedLedger
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ports.upload_lock import UploadLock

_ABORT_ATTEMPTS = 3
_ABORT_PAUSE_SECONDS = 0.1


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
    ) -> None:
        """``intake``: takes small chunks in place of ``storage`` and ``ledger``, where there is one."""
        self._unit_of_work = unit_of_work
        self._storage = storage
        self._deleter = BlobDeleter(unit_of_work, blobs)
        self._digests = digests
        self._notifier = notifier
        self._clock = clock
        self._ids = ids
        self._policy = policy
        allowances = Allowances(unit_of_work, policy)
        self._uploads = WarmUploads(unit_of_work, lock)
        self._settling = SingleFlight()
        self._completing = SingleFlight()
        self._receiver = Receiver(
            storage=storage,
            ledger=ledger,
            intake=intake,
            notifier=notifier,
            clock=clock,
            policy=policy,
            allowances=allowances,
        )
        self._chunks = ChunkPlacer(
            unit_of_work=unit_of_work,
            lock=lock,
            ledger=ledger,
            storage=storage,
            notifier=notifier,
            clock=clock,
            policy=policy,
            allowances=allowances,
        )

    async def create(
        self,
        principal: Principal,
        *,
        length: int | None,
        metadata: Metadata,
        kind: UploadKind = UploadKind.WHOLE,
        watch_id: str = "",
        completes_on_request: bool = False,
        visibility: Visibility = Visibility.PRIVATE,
        sha256: bytes | None = None,
        sha512: bytes | None = None,
    ) -> UploadView:
        """Begin an upload of ``length`` bytes (None: told later); an empty one is complete at once.

        ``completes_on_request``: not even the last byte completes it, only the client's word does.
        ``sha256``: of the whole file. If the caller owns a file of these bytes the upload is complete at once;
        else other bytes never become a file (Sha256Mismatch at the completion). So it is with a ``sha512``, but by
        that nobody's files are known.
        """
        new = self._new(
            principal,
            length,
            metadata,
            kind=kind,
            watch_id=watch_id,
            completes_on_request=completes_on_request,
            visibility=visibility,
            sha256=sha256,
            sha512=sha512,
        )
        if sha256 is not None and kind is UploadKind.WHOLE and (complete := await self._complete_by_duplicate(new)):
            return UploadView.of(complete)
        upload = await self._begin(principal, new)
        if upload.is_ready:
            async with self._or_nothing(principal, upload.id):
                return await self.inspect(principal, upload.id)
        return UploadView.of(upload)

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
        has_let_go = False

        def let_go() -> None:
            nonlocal has_let_go
            has_let_go = True
            source.stop()

        async with self._uploads.opened(principal, upload_id, let_go) as (upload, lease):
            upload.check_here(self._clock.now())
            if ends is not None or length is not None:
                upload.check_append(at=at, announced=None, policy=self._policy)
            if ends is not None:
                upload.check_not_completed()
            is_news = length is not None and upload.declare_length(length, self._policy)
            upload.check_append(at=at, announced=source.length, policy=self._policy)
            if is_news:
                await self._save_length(upload)
            await self._receiver.receive(upload, lease, source, checksums, on_received)
            if ends and not source.is_cut:
                await self._complete_as_told(upload, upload.offset)
            else:
                await self._complete_if_whole(upload)
            view = UploadView.of(upload)
        if has_let_go and source.is_cut:
            lease.check()  # a lease that only ran out is our trouble, not a newer request
            raise UploadTakenOver("a newer request for this upload took over")
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
        return await self._chunks.place(principal, upload_id, index=index, chunk_size=chunk_size, source=source)

    async def complete(
        self,
        principal: Principal,
        upload_id: UploadId,
        *,
        length: int | None = None,
        metadata: Metadata | None = None,
        visibility: Visibility | None = None,
        credential: Credential | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> UploadView:
        """Complete an upload at its client's word; said again, or by several at once, it gives the same file.

        ``length``: of the whole file; without it, and where none was announced, what has been received is all.
        The others are the file's: each replaces what was told before, unless it is None. What has a credential is
        private.

        Raises:
            CompletedOtherwise: it is complete, with other words than these.
            BytesMissing: there are gaps.
            InconsistentLength: another length was announced, or more bytes have been received.
            Sha256Mismatch: the bytes are not the announced whole; the upload has been aborted.
            UploadBusy: another process is at it.
        """

        async def complete() -> UploadView:
            async with self._uploads.opened(principal, upload_id) as (upload, _):
                upload.check_here(self._clock.now())
                if upload.state.is_open:
                    upload.metadata = upload.metadata if metadata is None else metadata
                    upload.declare_access(
                        upload.visibility if visibility is None else visibility,
                        upload.credential if credential is None else credential,
                        upload.detail if detail is None else detail,
                    )
                elif upload.becomes_file:
                    upload.check_completed_with(
                        length=length, metadata=metadata, visibility=visibility, credential=credential, detail=detail
                    )
                end = upload.received.end if upload.length is None else upload.length
                await self._complete_as_told(upload, end if length is None else length)
                return UploadView.of(upload)

        # Those who ask at the same time wait together, or one after the other: else each would end the one before.
        wish = (principal, length, metadata, visibility, credential, detail)
        return await self._completing.join(upload_id, complete, wish=wish)

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
                await self._complete(upload)
            return UploadView.of(upload)

    async def inspect(self, principal: Principal, upload_id: UploadId) -> UploadView:
        """The upload as it stands, after ending whatever request still writes it; finishes what a fault left
        unfinished."""
        view = await self.look_at(principal, upload_id)
        if not view.state.is_open:
            return view
        try:
            # Those who ask at the same time wait together, or each would end the one before.
            return await self._settling.join(upload_id, partial(self._settle, principal, upload_id))
        except UploadBusy:
            return await self.look_at(principal, upload_id)  # a writer came meanwhile: this is what counts so far

    async def look_at(self, principal: Principal, upload_id: UploadId) -> UploadView:
        """The upload as it stands, disturbing nobody."""
        upload = await self._uploads.read(principal, upload_id)
        upload.check_here(self._clock.now())
        return UploadView.of(upload)

    async def list_open(self, principal: Principal, *, limit: int = 100) -> Sequence[UploadView]:
        """The caller's own unfinished uploads, newest first."""
        now = self._clock.now()
        async with self._unit_of_work() as work:
            uploads = await work.uploads.list_open(principal, limit=limit)
        return [UploadView.of(upload) for upload in uploads if now < upload.expires_at]

    async def abort(self, principal: Principal, upload_id: UploadId) -> None:
        """End the upload and free its bytes.

        Raises:
            UploadNotOpen: it is complete; what there is to delete is its file.
        """
        for attempt in range(_ABORT_ATTEMPTS):
            try:
                async with self._uploads.opened(principal, upload_id) as (upload, _):
                    upload.check_here(self._clock.now())
                    await self._end(upload, EventType.ABORTED)
                return
            except UploadBusy:
                if attempt == _ABORT_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_ABORT_PAUSE_SECONDS)
            except UploadGone:
                if attempt == 0:
                    raise
                return  # who came between has done it

    async def expire(self, principal: Principal, upload_id: UploadId) -> bool:
        """End the upload if its time has run out; return whether it was so."""
        async with self._uploads.opened(principal, upload_id) as (upload, _):
            if not upload.state.is_open or self._clock.now() < upload.expires_at:
                return False
            await self._end(upload, EventType.EXPIRED)
            return True

    async def join(
        self,
        principal: Principal,
        part_ids: Sequence[UploadId],
        metadata: Metadata,
        *,
        names: Sequence[str] = (),
        sha256: bytes | None = None,
    ) -> UploadView:
        """Make one complete upload of whole partial ones, in the order given (tus 1.0 §Concatenation).

        ``names``: what the client called them, to be told again. The parts' bytes stay until cleanup comes by,
        so that a client whose answer got lost can ask again.

        Raises:
            InvalidParts: one is not a partial upload, or not whole.
            UploadNotFound: one is unknown or someone else's.
        """
        parts = [await self._part(principal, part_id) for part_id in part_ids]
        if not parts:
            raise InvalidParts("a final upload joins at least one part")
        length = sum(part.offset for part in parts)
        final = self._new(
            principal, length, metadata, kind=UploadKind.FINAL, parts=tuple(names or part_ids), sha256=sha256
        )
        await self._begin(principal, final)
        async with self._or_nothing(principal, final.id), self._uploads.opened(principal, final.id) as (upload, lease):
            await self._storage.join(upload.id, [(part.id, part.offset) for part in parts])
            for extent in _laid_end_to_end(parts):
                await self._receiver.record(upload, lease, extent)
            await self._complete(upload)
            await self._part_with(parts)
            return UploadView.of(upload)

    async def store(
        self,
        principal: Principal,
        *,
        source: ByteSource,
        metadata: Metadata,
        length: int | None = None,
        watch_id: str = "",
        checksums: Sequence[Checksum] = (),
        sha256: bytes | None = None,
        sha512: bytes | None = None,
    ) -> UploadView | None:
        """Bring a file in by one request that can't be resumed; None (and nothing kept) if its body was cut.

        ``length``: of the file, where the wire tells it; else it is known when the body ends.

        Raises:
            ChecksumMismatch: one of the body's, or of the file's digests, is another one; nothing is kept.
        """
        new = self._new(principal, length, metadata, watch_id=watch_id, sha256=sha256, sha512=sha512)
        upload = await self._begin(principal, new)
        async with self._or_nothing(principal, upload.id):
            await self.append(principal, upload.id, at=0, source=source, checksums=checksums)
            async with self._uploads.opened(principal, upload.id) as (upload, _):
                if not upload.state.is_open:
                    return UploadView.of(upload)
                if source.is_cut:
                    await self._end(upload, EventType.ABORTED)
                    return None
                upload.declare_length(upload.offset, self._policy)
                if self._policy.max_bytes is not None:
                    await self._save_length(upload)
                await self._complete(upload)
                return UploadView.of(upload)

    def _new(
        self,
        principal: Principal,
        length: int | None,
        metadata: Metadata,
        *,
        kind: UploadKind = UploadKind.WHOLE,
        parts: tuple[str, ...] = (),
        watch_id: str = "",
        completes_on_request: bool = False,
        visibility: Visibility = Visibility.PRIVATE,
        sha256: bytes | None = None,
        sha512: bytes | None = None,
    ) -> Upload:
        if length is not None:
            self._policy.check_length(length)
        now = self._clock.now()
        return Upload(
            id=UploadId(self._ids.new()),
            owner=principal.owner,
            length=length,
            metadata=metadata,
            created_at=now,
            updated_at=now,
            expires_at=self._policy.expiry(now),
            kind=kind,
            parts=parts,
            watch_id=watch_id,
            completes_on_request=completes_on_request,
            visibility=visibility,
            sha256=sha256,
            sha512=sha512,
        )

    async def _begin(self, principal: Principal, upload: Upload) -> Upload:
        async with self._unit_of_work() as work:
            await work.uploads.add(upload)
            await self._check_quota(work, upload)
            work.announce(upload.event(EventType.CREATED, upload.created_at))
            await work.commit()
        return upload

    async def _check_quota(self, work: UnitOfWork, upload: Upload) -> None:
        """After the change, within its unit of work: then no two can slip past the quota side by side."""
        if self._policy.has_quota:
            await work.uploads.check_usage(upload.owner, self._policy.check_usage)

    async def _settle(self, principal: Principal, upload_id: UploadId) -> UploadView:
        async with self._uploads.opened(principal, upload_id) as (upload, _):
            upload.check_here(self._clock.now())
            await self._complete_if_whole(upload)
            return UploadView.of(upload)

    async def _complete_if_whole(self, upload: Upload) -> None:
        if upload.is_ready:
            await self._complete(upload)

    async def _complete_as_told(self, upload: Upload, length: int) -> None:
        """The client says that the file ends at byte ``length``."""
        if not upload.state.is_open or not upload.becomes_file:
            return
        is_news = upload.declare_length(length, self._policy)
        upload.check_whole()  # before anything is noted: what was told may be wrong, and told right next time
        if is_news:
            await self._save_length(upload)
        await self._complete(upload)

    async def _complete(self, upload: Upload) -> None:
        """Seal the bytes, then commit the file; done twice, after a crash in between, it gives the same file."""
        upload.assemble()
        try:
            blob_key = await self._storage.seal(upload.id, size=upload.offset, fenced=upload.chunk_size is not None)
        except FileGone:
            now = self._clock.now()
            upload.fail(now)
            await self._save(upload, EventType.FAILED)
            raise
        announced = upload.announced_checksums()
        if announced and not await self._digests.matches(blob_key, upload.offset, announced):
            await self._refuse_bytes(upload, blob_key)
        async with self._unit_of_work() as work:
            now = self._clock.now()
            file = upload.complete(blob_key=blob_key, now=now)
            await work.files.add(file)
            await work.uploads.save(upload)
            work.announce(upload.event(EventType.COMPLETED, now))
            await work.commit()
        self._digests.notice(file)

    async def _refuse_bytes(self, upload: Upload, blob_key: BlobKey) -> NoReturn:
        """They are all there and the wrong ones: no retry can mend that, so they go and the client begins again."""
        now = self._clock.now()
        upload.fail(now)
        async with self._unit_of_work() as work:
            work.announce(upload.event(EventType.FAILED, now))
            upload.abort(now)
            await work.uploads.save(upload)
            work.announce(upload.event(EventType.ABORTED, now))
            await work.blob_deletions.add(blob_key, now)
            await work.commit()
        await self._deleter.delete_now(blob_key)
        raise Sha256Mismatch("the file's digest is another one than was announced; begin again")

    async def _complete_by_duplicate(self, new: Upload) -> Upload | None:
        """The new upload, complete: if its owner (nobody else) has a file of the announced bytes.

        Both files share them from then on; they go with the last one.
        """
        async with self._unit_of_work() as work:
            known = await self._find_same(work, new)
        if known is None or not await self._digests.is_there(known):
            return None
        upload, file = new.completed_by(known, self._clock.now())
        async with self._unit_of_work() as work:
            await work.uploads.add(upload)
            if await self._find_same(work, new) != known:
                return None  # it went just now
            await work.files.add(file)
            await self._check_quota(work, upload)
            work.announce(upload.event(EventType.CREATED, upload.created_at))
            work.announce(upload.event(EventType.COMPLETED, upload.updated_at))
            await work.commit()
        return upload

    async def _find_same(self, work: UnitOfWork, new: Upload) -> File | None:
        if new.sha256 is None or new.sha512 is not None:  # the SHA-512 of what is there is not known
            return None
        same = await work.files.find_same(new.owner, new.sha256, new.length)
        return None if same is None or same.is_guarded_from_its_owner else same

    async def _end(self, upload: Upload, how: EventType) -> None:
        now = self._clock.now()
        if how is EventType.EXPIRED:
            upload.expire(now)
        else:
            upload.abort(now)
        blob_key = blob_key_of(upload.id) if upload.may_be_sealed else None
        async with self._unit_of_work() as work:
            await work.uploads.save(upload)
            work.announce(upload.event(how, now))
            if blob_key is not None:
                await work.blob_deletions.add(blob_key, now)
            await work.commit()
        # In this order: what is not staged any more can't be sealed by one who was thought dead.
        await self._storage.discard(upload.id)
        if blob_key is not None:
            await self._deleter.delete_now(blob_key)

    @asynccontextmanager
    async def _or_nothing(self, principal: Principal, upload_id: UploadId) -> AsyncIterator[None]:
        """Abort the upload if the block fails: nobody would go on with it, for the client never learns its id.

        If that fails too, it expires.
        """
        try:
            yield
        except BaseException:
            with suppress(LongshoreError):
                await self.abort(principal, upload_id)
            raise

    async def _save(self, upload: Upload, announced: EventType | None = None) -> None:
        async with self._unit_of_work() as work:
            await work.uploads.save(upload)
            if announced:
                work.announce(upload.event(announced, upload.updated_at))
            await work.commit()

    async def _save_length(self, upload: Upload) -> None:
        async with self._unit_of_work() as work:
            await work.uploads.save(upload)
            await self._check_quota(work, upload)
            await work.commit()

    async def _part(self, principal: Principal, part_id: UploadId) -> Upload:
        part = await self._uploads.read(principal, part_id)
        part.check_here(self._clock.now())
        part.check_part()
        return part

    async def _part_with(self, parts: Sequence[Upload]) -> None:
        """The parts are done with; those that can't be told so, or are gone already, go when their time runs out."""
        now = self._clock.now()
        with suppress(LongshoreError):
            async with self._unit_of_work() as work:
                for part in parts:
                    part.join(now)
                    self._uploads.forget(part.id)
                    await work.uploads.save(part)
                await work.commit()


def _laid_end_to_end(parts: Sequence[Upload]) -> ReceivedRanges:
    joined = ReceivedRanges()
    for part in parts:
        if part.offset:
            at = joined.end
            joined.add(Extent(ByteRange(at, at + part.offset), part.received.crc64()))
    return joined
