"""Makes another picture of one: smaller, of another size or format, or without what is said about it.

What is drawn anew is upright, in sRGB and eight bits, and holds nothing but its pixels; docs/products.md tells it
by product.
"""

import io
from contextlib import suppress
from typing import IO

from PIL import Image

from adapters.outbound.pillow.colours import flattened, to_srgb
from adapters.outbound.pillow.drawing import resized, turned, upright
from adapters.outbound.pillow.opening import TooLargeAResult
from adapters.outbound.pillow.orders import Edit, Way
from adapters.outbound.pillow.picture import Picture, Size
from adapters.outbound.pillow.saving import has_alpha, save, written_as
from adapters.outbound.pillow.stripping import strip
from domain.picture import PictureFormat


def edit(
    picture: Picture, format_: PictureFormat, wanted: Edit, *, original: IO[bytes], out: IO[bytes], max_pixels: int
) -> tuple[PictureFormat, Size]:
    """Write it; return what it is, and how large. ``picture`` is of ``original``, and of ``format_``."""
    full = upright(picture)
    if wanted.way is Way.STRIP:
        picture.grey()  # what is damaged is refused, here as everywhere
        strip(original, format_, picture.orientation, out)
        return format_, full
    target = PictureFormat(wanted.format) if wanted.format else written_as(format_)
    if wanted.way is Way.COMPRESS:
        return _compressed(picture, (format_, target), wanted.quality, original, out), full
    scaled, size = sizes(full, wanted)
    if scaled[0] * scaled[1] > max_pixels:
        raise TooLargeAResult
    save(_cut(_drawn(picture, scaled, target), size), target, wanted.quality, out)
    return target, size


def sizes(full: Size, wanted: Edit) -> tuple[Size, Size]:
    """What it is scaled to, and what is cut out of that."""
    factors = [wished / side for wished, side in zip((wanted.width, wanted.height), full, strict=True) if wished]
    if not factors:
        return full, full
    factor = max(factors) if wanted.covers else min(factors)
    shrunk = 1.0 if wanted.enlarges else min(1.0, 1 / factor)  # of what is asked for, so that nothing is enlarged
    factor *= shrunk
    scaled = max(1, round(full[0] * factor)), max(1, round(full[1] * factor))
    if not wanted.covers:
        return scaled, scaled
    width, height = max(1, round(wanted.width * shrunk)), max(1, round(wanted.height * shrunk))
    return scaled, (min(width, scaled[0]), min(height, scaled[1]))


def _compressed(
    picture: Picture,
    formats: tuple[PictureFormat, PictureFormat],
    quality: int,
    original: IO[bytes],
    out: IO[bytes],
) -> PictureFormat:
    """The smaller one of what is drawn anew and the picture itself without metadata. An animation stays one.
    ``formats``: of the picture, and of what is drawn."""
    format_, target = formats
    image = _drawn(picture, upright(picture), target)
    itself = io.BytesIO()
    is_animated = strip(original, format_, picture.orientation, itself)
    if not is_animated:
        smaller = _Bounded(itself.tell())
        with suppress(_TooLong, TooLargeAResult):
            save(image, target, quality, smaller, thoroughly=True)
            out.write(smaller.getbuffer())
            return target
    out.write(itself.getbuffer())
    return format_


def _drawn(picture: Picture, size: Size, target: PictureFormat) -> Image.Image:
    """All of it, upright, ``size`` large, in mode L, RGB or RGBA."""
    stored = (size[1], size[0]) if picture.orientation >= 5 else size
    image = resized(picture.reduced(stored), stored)
    colours = image if image.mode == "L" and not picture.profile else to_srgb(image, picture.profile)
    if image.mode == "RGBA" and not has_alpha(target):
        colours = flattened(image, colours)
    elif image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        colours.putalpha(image.getchannel("A"))
    del image
    return turned(colours, picture.orientation)


def _cut(image: Image.Image, size: Size) -> Image.Image:
    """Its middle."""
    if image.size == size:
        return image
    left, top = (image.size[0] - size[0]) // 2, (image.size[1] - size[1]) // 2
    return image.crop((left, top, left + size[0], top + size[1]))


class _TooLong(Exception):
    """What is drawn anew is no smaller."""


class _Bounded(io.BytesIO):
    """Takes fewer bytes than ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, data: memoryview) -> int:  # type: ignore[override]  # or bytes
        if self.tell() + len(data) >= self._limit:
            raise _TooLong
        return super().write(data)
