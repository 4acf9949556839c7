"""One attempt to bring one file in, and what may happen to it in each of its states (``upload_state.py``).

The entity holds what the repository knows, never what storage happens to hold (the truth rule). It is changed by its
own verbs alone; bytes are counted in after their receipt is committed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from domain.access import Principal
from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.errors import (
    BytesMissing,
    ChunkDiffers,
    ChunkSizeChanged,
    CompletedOtherwise,
    InconsistentLength,
    InvalidChunk,
    InvalidParts,
    LengthExceeded,
    OffsetMismatch,
    TooLarge,
    UploadCompleted,
    UploadExpired,
    UploadGone,
    UploadIsFinal,
    UploadNotFound,
    UploadNotOpen,
    UploadTooLarge,
)
from domain.events import EventType, UploadEvent
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import BlobKey, OwnerId, UploadId, file_id_of
from domain.receipt import Receipt
from domain.upload_policy import UploadPolicy
from domain.upload_state import NEXT_STATES, UploadKind, UploadState

_FOLD_EVERY = 1024


@dataclass(slots=True, eq=False)
class Upload:
    """``length`` is None until the client tells it; ``watch_id`` is the id that its progress is shown under."""

    id: UploadId
    owner: OwnerId
    length: int | None
    draft: FileDraft
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    kind: UploadKind = UploadKind.WHOLE
    parts: tuple[str, ...] = ()
    """Of a FINAL upload: its parts, as the client named them."""
    completes_on_request: bool = False
    """Whether having all bytes is not enough: the client says when the upload is complete."""
    chunk_size: int | None = None
    """Of an upload whose chunks come in any order, once the first one has come: chunk i lies at i times this."""
    state: UploadState = UploadState.PENDING
    watch_id: str = ""
    received: ReceivedRanges = field(default_factory=ReceivedRanges)
    _unfolded: int = 0
    """How many extents have been written down since the last fold, itself included."""

    def __post_init__(self) -> None:
        self.watch_id = self.watch_id or self.id

    @property
    def offset(self) -> int:
        return self.received.prefix

    @property
    def is_whole(self) -> bool:
        """Whether every announced byte has been received."""
        return self.length is not None and self.received.prefix >= self.length

    @property
    def is_ready(self) -> bool:
        """Whether it can be completed now without anybody asking."""
        told = not self.completes_on_request or self.state in (UploadState.ASSEMBLING, UploadState.FAILED)
        return told and self.is_whole and self.becomes_file and self.state.is_open

    @property
    def may_be_sealed(self) -> bool:
        """Whether a completion that was cut off may have sealed its bytes: none is known to be missing."""
        return self.becomes_file and self.received.end == self.offset and self.length in (None, self.offset)

    @property
    def becomes_file(self) -> bool:
        return self.kind is not UploadKind.PARTIAL

    @property
    def is_joined(self) -> bool:
        """Whether a final upload holds a copy of this part."""
        return self.kind is UploadKind.PARTIAL and self.state is UploadState.COMPLETED

    @property
    def left_no_file(self) -> bool:
        """Whether it is over and nothing has come of it, or another upload holds what has."""
        return self.is_joined or self.state in (UploadState.ABORTED, UploadState.EXPIRED)

    @property
    def can_be_folded(self) -> bool:
        """Whether it is complete, and more extents may be written down than it takes to tell of its bytes."""
        return self.state is UploadState.COMPLETED and self._unfolded > len(self.received)

    def check_seen_by(self, principal: Principal) -> None:
        """Someone else's upload looks like none at all."""
        if not principal.may_see(self.owner):
            raise UploadNotFound("no such upload")

    def check_retried_by(self, principal: Principal, given: Mapping[str, str]) -> None:
        """Raises:
        CredentialRefused: the file to come has a credential, and ``given`` is not it.
        """
        self.draft.check_tried_by(principal, given, is_owner=principal.owner == self.owner)

    def check_here(self, now: datetime) -> None:
        """Raise for an upload that is over without a file, or whose time has run out."""
        if self.state is UploadState.ABORTED:
            raise UploadGone("the upload was aborted")
        if self.state is UploadState.EXPIRED or (self.state.is_open and now >= self.expires_at):
            raise UploadExpired("the upload has expired")

    def check_not_completed(self) -> None:
        """For those who would say once more, or otherwise, where the file ends."""
        if self.state is UploadState.COMPLETED:
            raise UploadCompleted("the upload is completed already")

    def check_completed_with(self, *, length: int | None, draft: FileDraft | None) -> None:
        """Whether a completed upload was completed with these words; None says nothing.

        Raises:
            CompletedOtherwise
        """
        if draft is not None:
            self.draft.check_repeated(draft)
        if length not in (None, self.length):
            raise CompletedOtherwise("length")

    def check_append(self, *, at: int, announced: int | None, policy: UploadPolicy) -> None:
        """Whether a body of ``announced`` bytes (None: unknown) may follow at byte ``at``."""
        if self.kind is UploadKind.FINAL:
            raise UploadIsFinal("a final upload takes no bytes of its own")
        if at != self.offset:
            raise OffsetMismatch(expected=self.offset, actual=at)
        if self.received.end > at:
            raise ChunkDiffers("chunks further on have been received already; only chunks can go on with this upload")
        if at + (announced or 0) > self.limit(policy):
            raise self.excess(policy)

    def chunk_range(self, index: int, chunk_size: int, policy: UploadPolicy) -> ByteRange:
        """Where chunk ``index`` lies if it is a full one."""
        if self.kind is UploadKind.FINAL:
            raise UploadIsFinal("a final upload takes no bytes of its own")
        if self.state not in (UploadState.PENDING, UploadState.RECEIVING):
            raise UploadNotOpen(f"the upload is {self.state.lower()}")
        if self.chunk_size not in (None, chunk_size):
            raise ChunkSizeChanged(expected=self.chunk_size or 0, actual=chunk_size)
        start = index * chunk_size
        if start >= max(1, self.limit(policy)):
            raise self.excess(policy)
        return ByteRange(start, start + chunk_size)

    def check_chunk(self, wanted: ByteRange, size: int) -> None:
        """Whether ``size`` bytes are a whole chunk there: all but the last are full."""
        end = wanted.start + size
        if size == wanted.size:
            return
        if self.received.end > end or self.length not in (None, end):
            raise InvalidChunk("only the last chunk may be shorter than chunk_size")
        if size == 0 and wanted.start > 0:
            raise InvalidChunk("the chunk is empty")

    def limit(self, policy: UploadPolicy) -> int:
        """One past the last byte that can ever be received."""
        return policy.max_length_bytes if self.length is None else self.length

    def excess(self, policy: UploadPolicy) -> TooLarge:
        """What to raise where a body goes past ``limit``."""
        if self.length is None:
            return UploadTooLarge(f"at most {policy.max_length_bytes} bytes")
        return LengthExceeded(f"the upload's length is {self.length}")

    def declare_length(self, length: int, policy: UploadPolicy) -> bool:
        """Set a deferred length, once; return whether it is news."""
        if self.length is not None:
            if length != self.length:
                raise InconsistentLength(f"the upload's length is {self.length}")
            return False
        policy.check_length(length)
        if length < self.received.end:
            raise InconsistentLength(f"{self.received.end} bytes have been received already")
        self.length = length
        return True

    def redraft(self, last: FileDraft) -> None:
        """The client says once more, and for good, what the file is to be."""
        self.draft = self.draft.amended(last)

    def settle_chunk_size(self, chunk_size: int) -> None:
        """Of all its chunks; the first one's stands, whoever comes with it.

        Raises:
            ChunkSizeChanged: another one is settled.
        """
        if self.chunk_size not in (None, chunk_size):
            raise ChunkSizeChanged(expected=self.chunk_size or 0, actual=chunk_size)
        self.chunk_size = chunk_size

    def receipt(self, extent: Extent, now: datetime, policy: UploadPolicy, *, in_order: bool) -> Receipt:
        """What has to be written down for a durable stretch; it counts once that is done (``count``).

        ``in_order``: it lies at the offset and nobody else is on the way with another one; then it may be the last,
        and every so often it is told as one with all that was there before.
        """
        folds = in_order and self._unfolded + 1 >= _FOLD_EVERY
        state = UploadState.RECEIVING if self.state is UploadState.PENDING else self.state
        is_last = in_order and self.length is not None and extent.range.end >= self.length
        if is_last and not self.completes_on_request:
            state = UploadState.ASSEMBLING
        expiry = policy.expiry(now)
        return Receipt(
            upload_id=self.id,
            extent=self._fold_with(extent) if folds else extent,
            state=None if state is self.state else state,
            # Once a minute is often enough: a write per chunk is not.
            expires_at=None if expiry - self.expires_at < timedelta(minutes=1) else expiry,
            folds=folds,
            new_bytes=extent.range.size,
        )

    def count(self, receipt: Receipt, now: datetime) -> None:
        """The receipt is committed: its bytes have been received, and the rest of what it says is so."""
        self.received.add(receipt.extent)
        self._unfolded = 1 if receipt.folds else self._unfolded + 1
        if receipt.state is not None and receipt.state in NEXT_STATES[self.state]:
            self.state = receipt.state
        if receipt.expires_at is not None and self.state.is_open:
            self.expires_at = max(self.expires_at, receipt.expires_at)
        self.updated_at = now

    def learn(self, received: ReceivedRanges) -> None:
        """Of bytes that have been recorded, though whoever read this upload did not see them yet."""
        for extent in received:
            self.received.add(extent)

    def folds(self) -> list[Receipt]:
        """What makes one row of many that touch, once it is worth it.

        Only right after the upload was read: of what is known in several processes, each knows a part.
        """
        if self._unfolded - len(self.received) < _FOLD_EVERY:
            return []
        self._unfolded = len(self.received)
        return [Receipt(self.id, extent, folds=True) for extent in self.received]

    def assemble(self) -> None:
        """All bytes are there (also none, of an empty file), or a failed assembly is tried again."""
        self.check_whole()
        self._become(UploadState.ASSEMBLING)

    def check_whole(self) -> None:
        if not self.is_whole:
            gaps = self.received.gaps(self.received.end if self.length is None else self.length)
            raise BytesMissing([(gap.start, gap.end) for gap in gaps])

    def complete(self, *, blob_key: BlobKey, now: datetime) -> File:
        """The blob is sealed: the upload is over and this is its file."""
        self._become(UploadState.COMPLETED)
        self.updated_at = now
        return File(
            id=file_id_of(self.id),
            owner=self.owner,
            name=self.draft.metadata.filename,
            media_type=self.draft.metadata.media_type,
            size=self.received.prefix,
            crc64=self.received.crc64(),
            blob_key=blob_key,
            created_at=now,
            visibility=self.draft.visibility,
            credential=self.draft.credential,
            detail=self.draft.detail,
            sha256=self.draft.sha256,
            path=self.draft.metadata.path,
        )

    def completed_by(self, same: File, now: datetime) -> tuple["Upload", File]:
        """This upload as it were if all its bytes had come, and its file: its bytes are those of ``same``."""
        whole = [Extent(ByteRange(0, same.size), same.crc64)] if same.size else []
        upload = replace(self, length=same.size, state=UploadState.ASSEMBLING, received=ReceivedRanges(whole))
        return upload, upload.complete(blob_key=same.blob_key, now=now)

    def fail(self, now: datetime) -> None:
        self._become(UploadState.FAILED)
        self.updated_at = now

    def abort(self, now: datetime) -> None:
        self._become(UploadState.ABORTED)
        self.updated_at = now

    def join(self, now: datetime) -> None:
        """A final upload holds a copy of this part: nothing is left to be done with it.

        Its bytes stay until cleanup comes by, so that a client whose answer got lost can ask again.
        """
        self.assemble()
        self._become(UploadState.COMPLETED)
        self.updated_at = now

    def expire(self, now: datetime) -> None:
        self._become(UploadState.EXPIRED)
        self.updated_at = now

    def check_part(self) -> None:
        """Whether this upload can be joined into a final one."""
        if self.kind is not UploadKind.PARTIAL or not self.is_whole:
            raise InvalidParts("a final upload joins partial uploads that are whole")

    def event(self, type_: EventType, now: datetime) -> UploadEvent:
        return UploadEvent(
            type=type_,
            time=now,
            upload_id=self.id,
            watch_id=self.watch_id,
            owner=self.owner,
            filename=self.draft.metadata.filename,
            offset=self.offset,
            length=self.length,
            state=self.state,
        )

    def _fold_with(self, extent: Extent) -> Extent:
        return ReceivedRanges([*self.received]).add(extent)

    def _become(self, state: UploadState) -> None:
        if state is self.state:
            return
        if state not in NEXT_STATES[self.state]:
            raise UploadNotOpen(f"the upload is {self.state.lower()}")
        self.state = state
