"""One attempt to bring one file in: its states, and what may happen in each.

    PENDING → RECEIVING → ASSEMBLING → COMPLETED
    any open state → ABORTED | EXPIRED          ASSEMBLING ↔ FAILED (retry)

The entity holds what the repository knows, never what storage happens to hold (the truth rule).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.access import NOBODY, Credential, Principal, Visibility, is_small
from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.checksum import Checksum
from domain.errors import (
    BytesMissing,
    ChunkDiffers,
    ChunkSizeChanged,
    CompletedOtherwise,
    CredentialRefused,
    InconsistentLength,
    InvalidChunk,
    InvalidDetail,
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
from domain.ids import BlobKey, OwnerId, UploadId, file_id_of
from domain.metadata import Metadata
from domain.upload_policy import UploadPolicy


class UploadState(StrEnum):
    PENDING = "PENDING"
    RECEIVING = "RECEIVING"
    ASSEMBLING = "ASSEMBLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"

    @property
    def is_open(self) -> bool:
        return self in OPEN_STATES


_S = UploadState
OPEN_STATES = frozenset({_S.PENDING, _S.RECEIVING, _S.ASSEMBLING, _S.FAILED})
NEXT_STATES: Mapping[UploadState, frozenset[UploadState]] = {
    _S.PENDING: frozenset({_S.RECEIVING, _S.ASSEMBLING, _S.ABORTED, _S.EXPIRED}),
    _S.RECEIVING: frozenset({_S.ASSEMBLING, _S.ABORTED, _S.EXPIRED}),
    _S.ASSEMBLING: frozenset({_S.COMPLETED, _S.FAILED, _S.ABORTED, _S.EXPIRED}),
    _S.FAILED: frozenset({_S.ASSEMBLING, _S.ABORTED, _S.EXPIRED}),
    _S.COMPLETED: frozenset(),
    _S.ABORTED: frozenset(),
    _S.EXPIRED: frozenset(),
}


class UploadKind(StrEnum):
    """tus 1.0 §Concatenation: a WHOLE upload becomes a file, PARTIAL ones wait until a FINAL one joins them."""

    WHOLE = "whole"
    PARTIAL = "partial"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the ledger writes down for one durable stretch: the bytes, and what they changed about the upload."""

    upload_id: UploadId
    extent: Extent
    state: UploadState | None = None
    expires_at: datetime | None = None
    folds: bool = False
    """The extent replaces the smaller ones within it, so that a million small chunks don't stay a million rows."""

    @property
    def is_plain(self) -> bool:
        """Whether it tells of the bytes and of nothing else."""
        return self.state is None and self.expires_at is None and not self.folds


_FOLD_EVERY = 1024


@dataclass(slots=True, eq=False)
class Upload:
    """``length`` is None until the client tells it; ``watch_id`` is the id that its progress is shown under."""

    id: UploadId
    owner: OwnerId
    length: int | None
    metadata: Metadata
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
    visibility: Visibility = Visibility.PRIVATE
    """This and the next two are its file's, once it is one."""
    credential: Credential | None = None
    detail: Mapping[str, str] | None = None
    sha256: bytes | None = None
    """What the client says the whole file's SHA-256 is, and its SHA-512: other bytes never become a file."""
    sha512: bytes | None = None
    state: UploadState = UploadState.PENDING
    watch_id: str = ""
    received: ReceivedRanges = field(default_factory=ReceivedRanges)
    _unfolded: int = 0
    """How many extents have been written down since the last fold, itself included."""

    def __post_init__(self) -> None:
        self.watch_id = self.watch_id or self.id
        self.announced_checksums()  # which refuses digests of another size
        self.declare_access(self.visibility, self.credential, self.detail)

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
    def awaits_assembly(self) -> bool:
        """Whether all that is missing is to seal the bytes: something came between, it can be tried again."""
        return self.becomes_file and self.state in (UploadState.ASSEMBLING, UploadState.FAILED)

    @property
    def may_be_sealed(self) -> bool:
        """Whether a completion that was cut off may have sealed its bytes: none is known to be missing."""
        return self.becomes_file and self.received.end == self.offset and self.length in (None, self.offset)

    @property
    def becomes_file(self) -> bool:
        return self.kind is not UploadKind.PARTIAL

    @property
    def left_no_file(self) -> bool:
        """Whether it is over and nothing has come of it, or another upload holds what has: a joined part."""
        return not self.state.is_open and not (self.becomes_file and self.state is UploadState.COMPLETED)

    @property
    def can_be_folded(self) -> bool:
        """Whether it is complete, and more extents may be written down than it takes to tell of its bytes."""
        return self.state is UploadState.COMPLETED and self._unfolded > len(self.received)

    def announced_checksums(self) -> Sequence[Checksum]:
        """Of the whole file."""
        told = (("sha256", self.sha256), ("sha512", self.sha512))
        return [Checksum(algorithm, digest) for algorithm, digest in told if digest is not None]

    def check_seen_by(self, principal: Principal) -> None:
        """Someone else's upload looks like none at all."""
        if not principal.may_see(self.owner):
            raise UploadNotFound("no such upload")

    def check_retried_by(self, principal: Principal, given: Mapping[str, str]) -> None:
        """As ``File.check_changed_by``, of the file to come."""
        is_owner = principal.owner == self.owner != NOBODY
        shown = self.credential is None or self.credential.is_shown_by(given)
        if not (shown or is_owner or principal.is_admin):
            raise CredentialRefused("the credential does not open this file")

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

    def check_completed_with(
        self,
        *,
        length: int | None,
        metadata: Metadata | None,
        visibility: Visibility | None,
        credential: Credential | None,
        detail: Mapping[str, str] | None,
    ) -> None:
        """Whether a completed upload was completed with these words; None says nothing.

        Who says others would believe, say, a public file to be private. The credential comes first: one who does not
        know it is told nothing of the rest.
        """
        said = (
            ("credential", credential, self.credential),
            ("visibility", visibility if credential is None else Visibility.PRIVATE, self.visibility),
            ("detail", detail, self.detail),
            ("length", length, self.length),
            ("name", metadata and metadata.filename, self.metadata.filename),
            ("media type", metadata and metadata.media_type, self.metadata.media_type),
        )
        for what, again, first in said:
            if again is not None and again != first:
                raise CompletedOtherwise(what)

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

    def declare_access(
        self, visibility: Visibility, credential: Credential | None, detail: Mapping[str, str] | None
    ) -> None:
        """Say who may open the file to come, and what is told with it. What has a credential is private."""
        if detail is not None and not is_small(detail):
            raise InvalidDetail("too much detail")
        self.visibility = visibility if credential is None else Visibility.PRIVATE
        self.credential = credential
        self.detail = detail

    def receive(self, extent: Extent, now: datetime, policy: UploadPolicy) -> Receipt:
        """Count a durable stretch in; return what has to be written down for it."""
        fold = self.received.add(extent)
        self._unfolded += 1
        folds = self._unfolded >= _FOLD_EVERY
        if folds:
            self._unfolded = 1
        before = self.state
        if self.state is UploadState.PENDING:
            self._become(UploadState.RECEIVING)
        if self.is_whole and not self.completes_on_request:
            self._become(UploadState.ASSEMBLING)
        self.updated_at = now
        return Receipt(
            upload_id=self.id,
            extent=fold if folds else extent,
            state=self.state if self.state is not before else None,
            expires_at=self._prolong(policy.expiry(now)),
            folds=folds,
        )

    def place(self, extent: Extent, now: datetime, policy: UploadPolicy) -> Receipt:
        """What has to be written down for a durable chunk; it counts once that is done (``placed``).

        For others are on their way at the same time, and what one of them counts must be true.
        """
        before = self.state
        if self.state is UploadState.PENDING:
            self._become(UploadState.RECEIVING)
        self.updated_at = now
        return Receipt(
            upload_id=self.id,
            extent=extent,
            state=self.state if self.state is not before else None,
            expires_at=self._prolong(policy.expiry(now)),
        )

    def placed(self, extent: Extent) -> None:
        self.received.add(extent)
        self._unfolded += 1

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
            name=self.metadata.filename,
            media_type=self.metadata.media_type,
            size=self.received.prefix,
            crc64=self.received.crc64(),
            blob_key=blob_key,
            created_at=now,
            visibility=self.visibility,
            credential=self.credential,
            detail=self.detail,
            sha256=self.sha256,
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
            filename=self.metadata.filename,
            offset=self.offset,
            length=self.length,
            state=self.state,
        )

    def _prolong(self, expiry: datetime) -> datetime | None:
        """Put the expiry off; once a minute is often enough, a write per chunk is not."""
        if expiry - self.expires_at < timedelta(minutes=1):
            return None
        self.expires_at = expiry
        return expiry

    def _become(self, state: UploadState) -> None:
        if state is self.state:
            return
        if state not in NEXT_STATES[self.state]:
            raise UploadNotOpen(f"the upload is {self.state.lower()}")
        self.state = state
