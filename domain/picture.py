"""What pictures are, by their first bytes; nothing is decoded here."""

from dataclasses import dataclass
from enum import StrEnum

SNIFFED_BYTES = 64
"""So many of the first bytes are enough to tell."""

# ISO/IEC 14496-12 §4.3; what each says is in ISO/IEC 23008-12 §10.2 and the AVIF specification §6.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"mif2"})


class PictureFormat(StrEnum):
    """Those that we take; each names its media type."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    HEIC = "heic"
    HEIF = "heif"
    AVIF = "avif"

    @property
    def media_type(self) -> str:
        return f"image/{self}"

    @property
    def extension(self) -> str:
        """Of a file's name, without the dot."""
        return "jpg" if self is PictureFormat.JPEG else self.value


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a picture's header says. ``width`` and ``height`` are in pixels, as the picture is to be looked at: turned
    as it asks for."""

    format: PictureFormat
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A picture that has been decoded whole. ``dhash``: what it looks like, in 64 bits (``similar``)."""

    facts: PictureFacts
    dhash: int


def sniff(head: bytes) -> PictureFormat | None:
    """By what a file of ``head`` begins with, whatever its name and its media type say; None: no picture we take."""
    if head.startswith(b"\xff\xd8\xff"):
        return PictureFormat.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PictureFormat.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return PictureFormat.WEBP
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return PictureFormat.GIF
    return _sniff_brands(head) if head[4:8] == b"ftyp" else None


def similar(first: int, second: int) -> bool:
    """Whether two pictures look alike to a person, by their ``dhash``: fewer than 10 of its 64 bits differ."""
    return (first ^ second).bit_count() < 10


def _sniff_brands(head: bytes) -> PictureFormat | None:
    """The major brand, and those that the file is compatible with: many name the general one first."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if brands & _AVIF_BRANDS:
        return PictureFormat.AVIF
    if brands & _HEIC_BRANDS:
        return PictureFormat.HEIC
    return PictureFormat.HEIF if brands & _HEIF_BRANDS else None
