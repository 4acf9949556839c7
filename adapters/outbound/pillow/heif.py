"""HEIC and HEIF, by libheif: the primary image of the file, which libheif has turned already."""

from collections.abc import Sequence
from typing import IO

import pillow_heif
from PIL import Image
from pillow_heif import options

from adapters.outbound.pillow import libheif
from adapters.outbound.pillow.libheif import NotReachable, Plane
from adapters.outbound.pillow.picture import Size, reduction
from adapters.outbound.pillow.strips import StripPicture

_HALVED = 420
_WANTED = {"L": libheif.GREY, "RGB": libheif.RGB, "RGBA": libheif.RGBA, "RGBa": libheif.RGBA}
# How much red and how much blue are in brightness, by the matrix's number (ITU-T H.273, table 4).
_BT_709, _BT_601, _BT_2020 = (0.2126, 0.0722), (0.299, 0.114), (0.2627, 0.0593)
_RED_AND_BLUE = {1: _BT_709, libheif.UNTOLD: _BT_601, 5: _BT_601, 6: _BT_601, 9: _BT_2020}
_ENOUGH_TO_COMPARE = (288, 256)


class HeifPicture(StripPicture):
    def __init__(self, file: IO[bytes], threads: int) -> None:
        options.DECODE_THREADS = self._threads = threads
        # Nothing but the picture is looked at.
        options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
        self._data = file.read()
        images = pillow_heif.open_heif(self._data, remove_stride=False)
        self._image = images[images.primary_index]
        self.size = self._image.size
        self.mode = self._image.mode
        profile = self._image.info.get("icc_profile")
        self.profile = profile if isinstance(profile, bytes) else None

    def grey(self) -> Image.Image:
        small = self._from_halved(_ENOUGH_TO_COMPARE)
        return super().grey() if small is None else small.convert("L")

    def reduced(self, wanted: Size) -> Image.Image:
        small = self._from_halved(wanted)
        return super().reduced(wanted) if small is None else small

    def _pixels(self) -> tuple[memoryview, int]:
        try:
            (pixels,) = libheif.decode(self._data, self._image.size, _WANTED[self.mode], self._threads).planes
        except (NotReachable, KeyError):
            data, self.size = self._image.data, self._image.size
            return memoryview(data), self._image.stride
        self.size = pixels.size
        return pixels.data, pixels.stride

    def _from_halved(self, wanted: Size) -> Image.Image | None:
        """What is stored is made smaller, and only then red, green and blue, as ``draft`` does it with a JPEG: half the
        memory, and less time. None for what is not stored so, or not to be half as large at most."""
        if self.mode != "RGB" or self._image.info.get("chroma") != _HALVED or min(reduction(self.size, wanted)) < 2:
            return None
        try:
            decoded = libheif.decode(self._data, self._image.size, libheif.HALVED, self._threads)
        except NotReachable:
            return None
        if decoded.matrix not in _RED_AND_BLUE:
            return None
        self.size = decoded.planes[0].size
        to_rgb = _to_rgb(*_RED_AND_BLUE[decoded.matrix], is_full=decoded.full_range)
        small = _smaller(decoded.planes, reduction(self.size, wanted))
        del decoded  # before there are twice as many values
        return Image.merge("RGB", small).convert("RGB", to_rgb)


def _smaller(planes: Sequence[Plane], factors: tuple[int, int]) -> list[Image.Image]:
    """All equally large: the colours were half as large, so their factors are, too."""
    halves = factors[0] // 2, factors[1] // 2
    brightness, *colours = map(_grey, planes)
    return [brightness.reduce((2 * halves[0], 2 * halves[1])), *(colour.reduce(halves) for colour in colours)]


def _grey(plane: Plane) -> Image.Image:
    """Not copied."""
    buffer = plane.data
    return Image.frombuffer("L", plane.size, buffer, "raw", "L", plane.stride, 1)  # type: ignore[arg-type]  # any will do


def _to_rgb(red: float, blue: float, *, is_full: bool) -> tuple[float, ...]:
    """Red, green and blue, each by what brightness and both colours are multiplied with, and what is added. Unless
    ``is_full``, brightness is 16 to 235 and colours are 16 to 240."""
    black, light, colour = (0, 1.0, 1.0) if is_full else (16, 255 / 219, 255 / 224)
    of_red, of_blue = 2 * (1 - red) * colour, 2 * (1 - blue) * colour
    green = 1 - red - blue
    rows = [(0.0, of_red), (-of_blue * blue / green, -of_red * red / green), (of_blue, 0.0)]
    return tuple(value for cb, cr in rows for value in (light, cb, cr, -light * black - 128 * (cb + cr)))
