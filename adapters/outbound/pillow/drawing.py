"""Draws thumbnails, each from the next larger one, and says in 64 bits what a picture looks like."""

import io
from collections.abc import Sequence

from PIL import Image

from adapters.outbound.pillow.colours import flattened, to_srgb
from adapters.outbound.pillow.orders import Drawing
from adapters.outbound.pillow.picture import Picture, Size

_QUALITY = 82
_SMALLER = Image.Resampling.HAMMING  # to make smaller it is as good as bicubic, at two thirds of its price
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(picture: Picture) -> Size:
    """How large it is to be looked at."""
    width, height = picture.size
    return (height, width) if picture.orientation >= 5 else (width, height)


def draw(picture: Picture, boxes: Sequence[int]) -> list[Drawing]:
    """A JPEG for each box, in their order."""
    full = upright(picture)
    drawn: dict[int, Drawing] = {}
    image: Image.Image | None = None
    for box in sorted(set(boxes), reverse=True):
        image = _first(picture, box) if image is None else resized(image, _within(full, box), _SMALLER)
        drawn[box] = Drawing(box, *image.size, _jpeg(image))
    return [drawn[box] for box in boxes]


def dhash(picture: Picture) -> int:
    """Of each of 8 rows, which of 9 neighbours is brighter than the one before; decodes all of it."""
    grey = turned(picture.grey(), picture.orientation).resize((9, 8), Image.Resampling.LANCZOS).tobytes()
    bits = 0
    for row in range(0, 72, 9):
        for column in range(row, row + 8):
            bits = bits << 1 | (grey[column + 1] > grey[column])
    return bits


def _first(picture: Picture, box: int) -> Image.Image:
    """The largest one, which all that costs much is done once for."""
    wanted = _within(picture.size, box)
    image = resized(picture.reduced(wanted), wanted, _SMALLER)
    return turned(flattened(image, to_srgb(image, picture.profile)), picture.orientation)


def _within(size: Size, box: int) -> Size:
    """The size with its longer side at most ``box``; no side is ever nothing."""
    scale = min(1.0, box / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(image: Image.Image, size: Size, by: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    return image if image.size == size else image.resize(size, by)


def turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _jpeg(image: Image.Image) -> bytes:
    image.info = {}  # a comment would be kept
    data = io.BytesIO()
    image.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()
