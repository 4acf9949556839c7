"""What pictures are, by their first bytes; nothing is decoded here."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InvalidPicture

SNIFFED_BYTES = 64
"""So many of the first bytes are enough to tell."""

# ISO/IEC 14496-12 §4.3; what each says is in ISO/IEC 23008-12 §10.2 and the AVIF specification §6.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"mif2"})
# What programs and phones end the names of such pictures with, whichever of them it is.
_ENDINGS = frozenset({"jpg", "jpeg", "jpe", "jfif", "pjpeg", "pjp", "png", "apng", "webp", "gif"}) | frozenset(
    {"heic", "heics", "heif", "heifs", "hif", "avif", "avifs"}
)
_ENDING = re.compile(r"[^.].*\.(?=[a-z0-9]*[a-z])([a-z0-9]{1,16})", re.ASCII | re.IGNORECASE | re.DOTALL)
_NO_PICTURE = "this is no picture that can be taken: JPEG, PNG, WebP, GIF, HEIC, HEIF and AVIF can"


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


# What stands where in the first bytes of each; None: one of those of which the brands say more.
_BEGINNINGS: tuple[tuple[PictureFormat | None, tuple[tuple[int, bytes], ...]], ...] = (
    (PictureFormat.JPEG, ((0, b"\xff\xd8\xff"),)),
    (PictureFormat.PNG, ((0, b"\x89PNG\r\n\x1a\n"),)),
    (PictureFormat.WEBP, ((0, b"RIFF"), (8, b"WEBP"))),
    (PictureFormat.GIF, ((0, b"GIF87a"),)),
    (PictureFormat.GIF, ((0, b"GIF89a"),)),
    (None, ((0, b"\0\0"), (4, b"ftyp"))),
)
_TELLING_BYTES = 12


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
    for format_, beginning in _BEGINNINGS:
        if all(head[at : at + len(part)] == part for at, part in beginning):
            return _sniff_brands(head) if format_ is None else format_
    return None


def may_become(head: bytes, formats: Collection[PictureFormat]) -> bool:
    """Whether a file that begins with ``head``, of which there may be little yet, may turn out to be one of these."""
    return any(
        (format_ is None or format_ in formats)
        and all(head[at : at + len(part)] == part[: max(0, len(head) - at)] for at, part in beginning)
        for format_, beginning in _BEGINNINGS
    )


def is_told(head: bytes) -> bool:
    """Whether ``sniff`` says the same of ``head`` whatever follows it."""
    if head[4:8] == b"ftyp":  # all of its brands have to be there: the general one often comes first
        return len(head) >= max(_TELLING_BYTES, min(SNIFFED_BYTES, int.from_bytes(head[:4], "big")))
    return len(head) >= _TELLING_BYTES or sniff(head) is not None


def check_sniffed(head: bytes) -> PictureFormat:
    """What a file of ``head`` is.

    Raises:
        InvalidPicture: none that we take.
    """
    format_ = sniff(head)
    if format_ is None:
        raise InvalidPicture(_NO_PICTURE if head else "the file is empty")
    return format_


def foreign_ending(name: str) -> str | None:
    """What a file's name ends with, with the dot and in small letters, if no picture's does; numbers are no ending."""
    found = _ENDING.fullmatch(name)
    return f".{found[1].lower()}" if found and found[1].lower() not in _ENDINGS else None


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
