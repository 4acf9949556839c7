"""What somebody finds who looks whether everything is in order, and what is compared for that."""

from dataclasses import dataclass

from domain.ids import BlobKey, FileId


@dataclass(frozen=True, slots=True)
class Finding:
    good: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok     ' if self.good else 'PROBLEM'}  {self.text}"


def ok(text: str) -> Finding:
    return Finding(True, text)


def problem(text: str) -> Finding:
    """What somebody should look at, not what mends itself."""
    return Finding(False, text)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the records say of a file's bytes; a checksum that they have not is None, as in ``File``."""

    file_id: FileId
    blob_key: BlobKey
    size: int
    crc64: int | None
    sha256: bytes | None
