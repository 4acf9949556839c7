"""How much one owner may ask of this server."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import QuotaExceeded, TooManyFiles, TooManyOpenUploads, UploadTooLarge


@dataclass(frozen=True, slots=True)
class Usage:
    """What an owner holds now.

    ``files``: those that are there, and those that open uploads will become. ``bytes``: of files and of open uploads,
    the announced lengths, and what has been received where none is.
    """

    open_uploads: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class UploadPolicy:
    """Limits; ``None`` means unlimited."""

    max_length_bytes: int = 50 * 1024**3
    ttl: timedelta = timedelta(hours=24)
    max_open_uploads: int | None = 100
    max_files: int | None = None
    max_bytes: int | None = None

    def check_length(self, length: int) -> None:
        if length > self.max_length_bytes:
            raise UploadTooLarge(f"at most {self.max_length_bytes} bytes")

    @property
    def has_quota(self) -> bool:
        return (self.max_open_uploads, self.max_files, self.max_bytes) != (None, None, None)

    def check_usage(self, usage: Usage) -> None:
        """Whether an owner may hold that much, what was just added included."""
        if self.max_open_uploads is not None and usage.open_uploads > self.max_open_uploads:
            raise TooManyOpenUploads(f"at most {self.max_open_uploads} unfinished uploads; complete or abort one")
        if self.max_files is not None and usage.files > self.max_files:
            raise TooManyFiles(f"at most {self.max_files} files; delete one")
        if self.max_bytes is not None and usage.bytes > self.max_bytes:
            raise self.quota_exceeded()

    def quota_exceeded(self) -> QuotaExceeded:
        return QuotaExceeded(f"at most {self.max_bytes} bytes in all")

    def expiry(self, now: datetime) -> datetime:
        return now + self.ttl
