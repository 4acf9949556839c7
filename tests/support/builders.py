"""Uploads, files and events with sensible values, for tests that care about one or two of them."""

import secrets
from datetime import UTC, datetime, timedelta

from adapters.outbound.system.clock import SystemClock
from domain.access import ANYBODY, Credential, Principal, Visibility
from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.events import Event, EventType, InstructionEvent, InstructionEventType, UploadEvent
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import BlobKey, DetailId, FileId, InstructionId, JobId, OwnerId, UploadId
from domain.job import Job
from domain.metadata import Metadata
from domain.receipt import Receipt
from domain.trace import Trace
from domain.upload import Upload
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadKind, UploadState
from ports.clock import Clock
from ports.progress_notifier import ProgressNotifier

NOW = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
ALICE = Principal(OwnerId("user:alice"))
BOB = Principal(OwnerId("user:bob"))
ADMIN = Principal(OwnerId("user:root"), is_admin=True)


def an_id() -> str:
    return secrets.token_hex(16)


def extent(start: int, end: int, crc64: int | None = None) -> Extent:
    return Extent(ByteRange(start, end), crc64)


def an_upload(
    *,
    id: str | None = None,  # noqa: A002 -- the entity's own word
    owner: Principal = ANYBODY,
    length: int | None = 1000,
    metadata: Metadata | None = None,
    created_at: datetime = NOW,
    updated_at: datetime | None = None,
    expires_at: datetime | None = None,
    kind: UploadKind = UploadKind.WHOLE,
    parts: tuple[UploadId, ...] = (),
    state: UploadState = UploadState.PENDING,
    watch_id: str = "",
    received: tuple[Extent, ...] = (),
    completes_on_request: bool = False,
    visibility: Visibility = Visibility.PRIVATE,
    credential: dict[str, str] | None = None,
    detail: dict[str, str] | None = None,
    sha256: bytes | None = None,
    sha512: bytes | None = None,
) -> Upload:
    return Upload(
        id=UploadId(id or an_id()),
        owner=owner.owner,
        length=length,
        draft=FileDraft(
            metadata=metadata or Metadata.of(filename="holiday.mov", media_type="video/quicktime"),
            visibility=visibility,
            credential=Credential.of(credential),
            detail=detail,
            sha256=sha256,
            sha512=sha512,
        ),
        created_at=created_at,
        updated_at=updated_at or created_at,
        expires_at=expires_at or created_at + timedelta(hours=24),
        kind=kind,
        parts=parts,
        state=state,
        watch_id=watch_id,
        received=ReceivedRanges(received),
        completes_on_request=completes_on_request,
    )


def a_file(
    *,
    id: str | None = None,  # noqa: A002 -- the entity's own word
    owner: Principal = ANYBODY,
    name: str = "holiday.mov",
    size: int = 1000,
    crc64: int | None = 0xFEDC_BA98_7654_3210,
    created_at: datetime = NOW,
    blob_key: str | None = None,
    visibility: Visibility = Visibility.PRIVATE,
    credential: dict[str, str] | None = None,
    detail: dict[str, str] | None = None,
    sha256: bytes | None = None,
    media_type: str = "video/quicktime",
    path: str | None = None,
    expires_at: datetime | None = None,
    restorable_until: datetime | None = None,
    crc32: int | None = None,
) -> File:
    file_id = FileId(id or an_id())
    return File(
        id=file_id,
        owner=owner.owner,
        name=name,
        media_type=media_type,
        size=size,
        crc64=crc64,
        blob_key=BlobKey(blob_key or file_id),
        created_at=created_at,
        visibility=visibility,
        credential=Credential.of(credential),
        detail=detail,
        sha256=sha256,
        path=path,
        expires_at=expires_at,
        restorable_until=restorable_until,
        crc32=crc32,
    )


def a_job(
    kind: str = "thumbnails",
    *,
    subject: str = "",
    created_at: datetime = NOW,
    payload: str = "",
    trace: Trace | None = None,
) -> Job:
    return Job(
        id=JobId(an_id()),
        kind=kind,
        subject=subject or an_id(),
        created_at=created_at,
        due_at=created_at,
        payload=payload,
        trace=trace,
    )


def an_event(upload: Upload, type_: EventType = EventType.CREATED, *, time: datetime = NOW) -> UploadEvent:
    return upload.event(type_, time)


def an_instruction_event(*, owner: Principal = ALICE, status: str = "DONE", time: datetime = NOW) -> InstructionEvent:
    return InstructionEvent(
        type=InstructionEventType.DETAIL,
        time=time,
        instruction_id=InstructionId(an_id()),
        detail_id=DetailId(an_id()),
        owner=owner.owner,
        file_name="holiday.jpg",
        status=status,
        error="",
    )


def counted(upload: Upload, *extents: Extent, in_order: bool = True, now: datetime = NOW) -> list[Receipt]:
    """The receipts of these stretches, one after the other, each counted in as if it were committed."""
    receipts = []
    for one in extents:
        receipts.append(upload.receipt(one, now, UploadPolicy(), in_order=in_order))
        upload.count(receipts[-1], now)
    return receipts


LONG_NAME = '"' * 255
"""As long as a name can be, and twice that in JSON."""


def renamed(upload: Upload, filename: str) -> None:
    upload.redraft(FileDraft.of(filename=filename))


def a_receipt(
    upload: Upload,
    start: int,
    end: int,
    crc64: int | None = None,
    *,
    state: UploadState | None = None,
    expires_at: datetime | None = None,
    folds: bool = False,
) -> Receipt:
    return Receipt(
        upload_id=upload.id,
        extent=extent(start, end, crc64),
        state=state,
        expires_at=expires_at,
        folds=folds,
    )


def told(upload: Upload) -> dict[str, object]:
    """Everything that an upload tells of itself, to compare two by."""
    return {
        "id": upload.id,
        "owner": upload.owner,
        "length": upload.length,
        "draft": upload.draft,
        "created_at": upload.created_at,
        "updated_at": upload.updated_at,
        "expires_at": upload.expires_at,
        "kind": upload.kind,
        "parts": upload.parts,
        "state": upload.state,
        "watch_id": upload.watch_id,
        "received": list(upload.received),
    }


class RememberingNotifier(ProgressNotifier):
    """Keeps what it was told, in order."""

    def __init__(self) -> None:
        self.events: list[UploadEvent] = []

    def publish(self, event: Event) -> None:
        assert isinstance(event, UploadEvent)
        self.events.append(event)


class ShiftedClock(Clock):
    """The system's clocks, put forward by ``shift`` at will."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.shift = timedelta(0)

    def now(self) -> datetime:
        return self._clock.now() + self.shift

    def monotonic(self) -> float:
        return self._clock.monotonic() + self.shift.total_seconds()
