"""Pictures that are derived from an image: its thumbnails, each within a box."""

from dataclasses import dataclass
from enum import IntEnum

from domain.file_name import file_name
from domain.ids import BlobKey


class Box(IntEnum):
    """The sizes of thumbnails: neither side of one is longer than this, in pixels."""

    SMALL = 100
    MEDIUM = 300
    LARGE = 1200

    @property
    def label(self) -> str:
        """As clients name it: ``100x100``."""
        return f"{self.value}x{self.value}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A thumbnail that has just been drawn. ``width`` and ``height`` in pixels."""

    box: Box
    width: int
    height: int
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Rendition:
    """One that is kept, and never changes; ``size`` in bytes."""

    box: Box
    width: int
    height: int
    media_type: str
    size: int
    blob_key: BlobKey

    def name_of(self, original: str) -> str:
        """What a file of it is called: ``IMG_1234-300x300.jpg``."""
        stem = original.rpartition(".")[0] or original
        ending = self.media_type.rpartition("/")[2].replace("jpeg", "jpg")
        return file_name(f"{stem}-{self.box.label}.{ending}")
