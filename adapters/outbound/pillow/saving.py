"""Writes pictures: how each format is written, and what it can hold."""

from typing import IO, Any

from PIL import Image

from adapters.outbound.pillow.opening import TooLargeAResult
from domain.picture import PictureFormat

# HEIC is not written: its encoder takes a second for a megapixel, and a GiB for twelve.
_WRITTEN_AS = {PictureFormat.HEIC: PictureFormat.JPEG, PictureFormat.HEIF: PictureFormat.JPEG}
_MOST_SIDE = {PictureFormat.WEBP: 16383}
_MOST_SIDE_OF_OTHERS = 65535
_QUALITY_OF_FULL_CHROMA = 90  # from here on a JPEG keeps the colour of every pixel
_THOROUGH_PIXELS = 16_000_000  # larger ones would take minutes or GiB
_QUICK_AVIF, _QUICKEST_AVIF = 8, 10


def written_as(format_: PictureFormat) -> PictureFormat:
    """What a picture of ``format_`` becomes where no format is asked for."""
    return _WRITTEN_AS.get(format_, format_)


def has_alpha(format_: PictureFormat) -> bool:
    return format_ is not PictureFormat.JPEG


def save(image: Image.Image, format_: PictureFormat, quality: int, out: IO[bytes], *, thoroughly: bool = False) -> None:
    """With nothing but its pixels. ``thoroughly``: spend time on a smaller file.

    Raises:
        TooLargeAResult: the format can't hold it.
        MemoryError: whatever else goes wrong: it is a picture that makes sense.
    """
    if max(image.size) > _MOST_SIDE.get(format_, _MOST_SIDE_OF_OTHERS):
        raise TooLargeAResult
    image.info = {}  # comments, profiles and the like would be kept
    is_small = image.size[0] * image.size[1] <= _THOROUGH_PIXELS
    options = _options(format_, quality, is_small=is_small, thoroughly=thoroughly)
    try:
        image.save(out, format_.value.upper(), **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise MemoryError from error


def _options(format_: PictureFormat, quality: int, *, is_small: bool, thoroughly: bool) -> dict[str, Any]:
    match format_:
        case PictureFormat.JPEG:
            subsampling = 0 if quality >= _QUALITY_OF_FULL_CHROMA else 2
            return {"quality": quality, "subsampling": subsampling, "optimize": is_small}
        case PictureFormat.PNG:
            return {"optimize": thoroughly and is_small}
        case PictureFormat.WEBP:
            from PIL import WebPImagePlugin  # noqa: F401  # so that Pillow does not look for it among all of its own

            return {"quality": quality}
        case PictureFormat.AVIF:
            from PIL import AvifImagePlugin  # noqa: F401

            return {"quality": quality, "speed": _QUICK_AVIF if is_small else _QUICKEST_AVIF, "max_threads": 1}
        case _:
            return {}
