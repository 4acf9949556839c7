"""Everything that can be refused, as one tree; the HTTP status of each code is in adapters/inbound/common/errors.py.

LongshoreError
├── InvalidRequest            the caller's values break a rule
│   ├── InvalidByteRange      ├── InvalidMetadata         ├── InvalidChecksum
│   ├── UnknownChecksumAlgorithm
│   ├── InvalidParts          │   └── TooManyParts
│   ├── InvalidCredential     ├── InvalidDetail           ├── InvalidCursor (of another list)
│   ├── InvalidChunk          │   └── ChunkTooLong
│   ├── InvalidPicture        no picture, or none that we take
│   │   ├── PictureCorrupted  └── DuplicatePicture (another one of the session looks like it)
│   └── InconsistentLength    two announcements of one length disagree
├── NotFound                  unknown, or someone else's: nobody can tell which
│   ├── UploadNotFound        ├── FileNotFound            ├── ImageNotFound
│   ├── ThumbnailNotFound     ├── JobNotFound
│   ├── ProductNotFound       ├── InstructionNotFound     └── DetailNotFound (an instruction's)
├── Gone                      it was here once
│   ├── UploadGone (aborted)  ├── UploadExpired           ├── FileGone (bytes lost behind our back)
│   ├── FileExpired           its owner said how long it lasts
│   └── LinkExpired           a signed link's time is over
├── Conflict                  right request, wrong moment
│   ├── OffsetMismatch        ├── UploadNotOpen           ├── UploadTakenOver
│   ├── UploadCompleted       a completed upload takes no more bytes
│   ├── CompletedOtherwise    it was completed with another word than this one
│   ├── BytesMissing          ├── JobTakenOver (its lease is another worker's)
│   ├── ChunkDiffers          ├── ChunkSizeChanged
│   └── UploadBusy            the holder did not let go in time
├── UploadIsFinal             a joined upload takes no bytes of its own
├── JobFailed                 an attempt at it, by a worker: no caller sees this
├── TooLarge
│   ├── UploadTooLarge        ├── LengthExceeded          └── TooManyPixels
├── ChecksumMismatch          nothing of the body counts
│   └── Sha256Mismatch        the whole file is another one than was announced: its upload is over
├── AccessRefused
│   ├── Unauthenticated       │   └── InvalidToken (one was shown; RFC 6750 §3.1)
│   ├── Forbidden
│   ├── CredentialRefused     └── LinkAltered (a signed link that we did not sign so)
├── BudgetExceeded
│   ├── TooManyOpenUploads    ├── TooManyFiles            ├── QuotaExceeded
│   ├── TooManyImages         ├── TooManyDetails          ├── TooManyRequests
│   │   ├── TooManyConnections    └── TooManyStreams
│   └── TooManyWatched        more ids than one may watch at once
└── Unavailable               try again later
    ├── StorageFull           │   └── FileTooLargeForDisk (no file may be so long there; room or time won't help)
    ├── StorageUnavailable    ├── RepositoryUnavailable
    └── ProcessorUnavailable  the process that looks at pictures died or took too long
        └── ProcessorBusy     none was free in time
"""

from collections.abc import Sequence
from math import ceil
from typing import ClassVar

from domain.rate import Told


class LongshoreError(Exception):
    """Base of all refusals. ``detail`` is shown to the client: never a path, SQL or a secret."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidRequest(LongshoreError):
    code = "invalid_request"


class InvalidByteRange(InvalidRequest):
    code = "invalid_byte_range"


class InvalidMetadata(InvalidRequest):
    code = "invalid_metadata"


class InvalidChecksum(InvalidRequest):
    code = "invalid_checksum"


class UnknownChecksumAlgorithm(InvalidRequest):
    code = "unknown_checksum_algorithm"


class InvalidParts(InvalidRequest):
    code = "invalid_parts"


class TooManyParts(InvalidParts):
    code = "too_many_parts"


class InvalidCredential(InvalidRequest):
    code = "invalid_credential"


class InvalidDetail(InvalidRequest):
    code = "invalid_detail"


class InvalidCursor(InvalidRequest):
    code = "invalid_cursor"


class InvalidChunk(InvalidRequest):
    """A chunk that is longer than it may be, or shorter although others follow it."""

    code = "invalid_chunk"


class ChunkTooLong(InvalidChunk):
    code = "chunk_too_long"


class InvalidPicture(InvalidRequest):
    code = "invalid_picture"


class PictureCorrupted(InvalidPicture):
    code = "picture_corrupted"


class DuplicatePicture(InvalidPicture):
    code = "duplicate_picture"


class InconsistentLength(InvalidRequest):
    code = "inconsistent_length"


class NotFound(LongshoreError):
    code = "not_found"


class UploadNotFound(NotFound):
    code = "upload_not_found"


class FileNotFound(NotFound):
    code = "file_not_found"


class ImageNotFound(NotFound):
    code = "image_not_found"


class ThumbnailNotFound(NotFound):
    code = "thumbnail_not_found"


class JobNotFound(NotFound):
    code = "job_not_found"


class ProductNotFound(NotFound):
    code = "product_not_found"


class InstructionNotFound(NotFound):
    code = "instruction_not_found"


class DetailNotFound(NotFound):
    code = "detail_not_found"


class Gone(LongshoreError):
    code = "gone"


class UploadGone(Gone):
    code = "upload_gone"


class UploadExpired(Gone):
    code = "upload_expired"


class FileGone(Gone):
    code = "file_gone"


class FileExpired(Gone):
    code = "file_expired"


class LinkExpired(Gone):
    code = "link_expired"


class Conflict(LongshoreError):
    code = "conflict"


class OffsetMismatch(Conflict):
    """The request began at another byte than the upload's offset."""

    code = "offset_mismatch"

    def __init__(self, *, expected: int, actual: int) -> None:
        super().__init__(f"the upload's offset is {expected}, the request began at {actual}")
        self.expected = expected
        self.actual = actual


class BytesMissing(Conflict):
    """``gaps``: the missing stretches, half-open, in order."""

    code = "bytes_missing"

    def __init__(self, gaps: Sequence[tuple[int, int]]) -> None:
        super().__init__(f"{sum(end - start for start, end in gaps)} bytes are missing")
        self.gaps = tuple(gaps)


class JobTakenOver(Conflict):
    """Its worker was thought dead; nothing that it does counts any more."""

    code = "job_taken_over"


class ChunkDiffers(Conflict):
    """Where the chunk lies, other bytes have been received."""

    code = "chunk_differs"


class ChunkSizeChanged(Conflict):
    """All chunks of an upload have one size, the first one's."""

    code = "chunk_size_changed"

    def __init__(self, *, expected: int, actual: int) -> None:
        super().__init__(f"the upload's chunks have {expected} bytes, not {actual}")
        self.expected = expected
        self.actual = actual


class UploadNotOpen(Conflict):
    code = "upload_not_open"


class UploadCompleted(Conflict):
    code = "upload_completed"


class CompletedOtherwise(Conflict):
    """The upload was completed with another ``what``: its file stays as it is."""

    code = "completed_otherwise"

    def __init__(self, what: str) -> None:
        super().__init__(f"the upload has been completed with another {what}; its file stays as it is")
        self.what = what


class UploadTakenOver(Conflict):
    """A newer request for the same upload ended this one; what it had stored durably is kept."""

    code = "upload_taken_over"


class UploadBusy(Conflict):
    code = "upload_busy"


class UploadIsFinal(LongshoreError):
    code = "upload_is_final"


class JobFailed(LongshoreError):
    """An attempt failed as may be expected. The next is not before ``after_seconds``; ``is_final``: there is none."""

    code = "job_failed"

    def __init__(self, detail: str, *, after_seconds: float = 0, is_final: bool = False) -> None:
        super().__init__(detail)
        self.after_seconds = after_seconds
        self.is_final = is_final


class TooLarge(LongshoreError):
    code = "too_large"


class UploadTooLarge(TooLarge):
    code = "upload_too_large"


class LengthExceeded(TooLarge):
    code = "length_exceeded"


class TooManyPixels(TooLarge):
    code = "too_many_pixels"


class ChecksumMismatch(LongshoreError):
    code = "checksum_mismatch"


class Sha256Mismatch(ChecksumMismatch):
    code = "sha256_mismatch"


class AccessRefused(LongshoreError):
    code = "access_refused"


class Unauthenticated(AccessRefused):
    """``wants_token``: one would say who calls."""

    code = "unauthenticated"

    def __init__(self, detail: str = "", *, wants_token: bool = False) -> None:
        super().__init__(detail)
        self.wants_token = wants_token


class InvalidToken(Unauthenticated):
    """Expired, altered, not for us, or none at all."""

    code = "invalid_token"


class Forbidden(AccessRefused):
    code = "forbidden"


class CredentialRefused(AccessRefused):
    code = "credential_refused"


class LinkAltered(AccessRefused):
    code = "link_altered"


class BudgetExceeded(LongshoreError):
    code = "budget_exceeded"


class TooManyOpenUploads(BudgetExceeded):
    code = "too_many_open_uploads"


class TooManyFiles(BudgetExceeded):
    code = "too_many_files"


class QuotaExceeded(BudgetExceeded):
    code = "quota_exceeded"


class TooManyImages(BudgetExceeded):
    code = "too_many_images"


class TooManyDetails(BudgetExceeded):
    code = "too_many_details"


class TooManyRequests(BudgetExceeded):
    """``told``: of the rate of which there is nothing left, if it is for that."""

    code = "too_many_requests"

    def __init__(self, detail: str = "", *, told: Told | None = None) -> None:
        super().__init__(detail)
        self.told = told
        self.retry_after_seconds = 1 if told is None else max(1, ceil(told.seconds))


class TooManyConnections(TooManyRequests):
    code = "too_many_connections"


class TooManyStreams(TooManyRequests):
    """WebSockets and event streams of one client."""

    code = "too_many_streams"


class TooManyWatched(BudgetExceeded):
    code = "too_many_watched"

    def __init__(self, *, at_most: int) -> None:
        super().__init__(f"at most {at_most} ids can be watched at once")
        self.at_most = at_most


class Unavailable(LongshoreError):
    code = "unavailable"


class StorageFull(Unavailable):
    code = "storage_full"


class FileTooLargeForDisk(StorageFull):
    code = "file_too_large_for_disk"


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"


class RepositoryUnavailable(Unavailable):
    code = "repository_unavailable"


class ProcessorUnavailable(Unavailable):
    code = "processor_unavailable"


class ProcessorBusy(ProcessorUnavailable):
    code = "processor_busy"
