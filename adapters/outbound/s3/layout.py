"""How the bytes of an unfinished upload lie in the bucket, as one listing tells.

    staged/<id>/<start>-<end>-<number>-<nonce>   a piece: any stretch of bytes, an object of its own
    staged/<id>/plan[-<nonce>]                   which multipart upload takes the whole parts, and how large they are
    staged/<id>/base-<nonce>                     marker: blobs/<id> holds bytes of this upload that is not sealed yet

Part ``n`` of the multipart upload is the bytes ``(n - 1) * part_bytes`` to ``n * part_bytes`` and nothing else, so
parts may come in any order and what a listing shows of them says where they belong. What does not fill a part lies
in pieces. Of several plans the earliest stands. Where two pieces overlap, the higher number wins; where a piece and a
part do, the piece; the base holds what neither has. See docs/decisions/0010-pieces-and-parts.md.
"""

import json
import secrets
from dataclasses import dataclass
from typing import NamedTuple, Self

from domain.byte_range import ByteRange
from domain.errors import StorageUnavailable
from domain.ids import UploadId

STAGED = "staged/"
BLOBS = "blobs/"
IMAGES = "images/"
"""Blobs that bear their place in their key."""
MADE_FROM = "made-from"
"""Metadata of a blob: the nonce of the plan, or the name of the newest piece, that it was made from."""

_MIB = 1024 * 1024
_MAX_PARTS = 10_000  # S3's own bound


def blob_name(key: str) -> str:
    """A key with folders in it is its own place; all others are ids."""
    return key if "/" in key else f"{BLOBS}{key}"


def staged_prefix(upload_id: UploadId) -> str:
    return f"{STAGED}{upload_id}/"


@dataclass(frozen=True, slots=True)
class PartSizes:
    """``smallest`` is S3's own bound. More than ``largest`` is not held in memory at once, if it can be avoided."""

    smallest: int = 5 * _MIB
    usual: int = 8 * _MIB
    largest: int = 16 * _MIB

    def of(self, total: int, *, chunk: int | None = None) -> int:
        """How large the parts of an upload of at most ``total`` bytes are, that comes in bodies of ``chunk`` bytes.

        Between 5 and 16 MiB up to 78 GiB, and a whole number of chunks where that can be; larger only so that
        10,000 are enough.
        """
        size = self.usual
        if chunk and chunk < self.smallest:
            size = chunk * -(-self.usual // chunk)
        elif chunk and chunk <= self.largest:
            size = chunk
        while size * _MAX_PARTS < total:
            size *= 2
        return size


class Piece(NamedTuple):
    start: int
    end: int
    number: int
    name: str

    @classmethod
    def new(cls, upload_id: UploadId, start: int, end: int, number: int) -> Self:
        name = f"{staged_prefix(upload_id)}{start:016x}-{end:016x}-{number:016x}-{secrets.token_hex(4)}"
        return cls(start, end, number, name)

    @classmethod
    def parse(cls, name: str) -> Self | None:
        fields = name.rpartition("/")[2].split("-")
        if len(fields) != 4:
            return None
        try:
            start, end, number = (int(digits, 16) for digits in fields[:3])
        except ValueError:
            return None
        return cls(start, end, number, name)

    def overlaps(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end


@dataclass(frozen=True, slots=True)
class Plan:
    part_bytes: int
    multipart_id: str
    nonce: str

    def to_bytes(self) -> bytes:
        fields = {"part_bytes": self.part_bytes, "multipart_id": self.multipart_id, "nonce": self.nonce}
        return json.dumps(fields).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        try:
            fields = json.loads(data)
            return cls(int(fields["part_bytes"]), str(fields["multipart_id"]), str(fields["nonce"]))
        except (ValueError, KeyError, TypeError) as error:
            raise StorageUnavailable("storage failed: a plan can't be read") from error


class Slice(NamedTuple):
    """The bytes ``start`` to ``end`` of the upload are those from ``offset`` on of the object ``name``."""

    start: int
    end: int
    name: str
    offset: int

    def within(self, start: int, end: int) -> "Slice":
        cut = max(self.start, start)
        return Slice(cut, min(self.end, end), self.name, self.offset + cut - self.start)

    def moved(self, by: int) -> "Slice":
        return Slice(self.start + by, self.end + by, self.name, self.offset)

    @property
    def source(self) -> ByteRange:
        return ByteRange(self.offset, self.offset + self.end - self.start)
