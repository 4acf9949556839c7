"""A stored file: the record of bytes that will not change any more."""

from dataclasses import dataclass
from datetime import datetime

from domain.ids import BlobKey, FileId, OwnerId


@dataclass(frozen=True, slots=True)
class File:
    """``crc64`` is the CRC-64/NVME of the whole file; None only where overlapping chunks hid it."""

    id: FileId
    owner: OwnerId
    name: str
    media_type: str
    size: int
    crc64: int | None
    blob_key: BlobKey
    created_at: datetime

    @property
    def checksum(self) -> str | None:
        """As ``crc64nvme:<16 hex digits>``."""
        return None if self.crc64 is None else f"crc64nvme:{self.crc64:016x}"
