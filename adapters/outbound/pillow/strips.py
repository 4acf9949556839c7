"""Pictures whose libraries hand all pixels over at once: WEBP, AVIF, HEIC and HEIF.

Pillow's way copies them twice, into pictures of four bytes a pixel. Here they are taken a strip at a time: each is
reduced while it is in the processor's cache, and no second large picture is ever there.
"""

from abc import abstractmethod
from collections.abc import Iterator

from PIL import Image

from adapters.outbound.pillow.picture import Picture, Size, eight_bit, reduction

_STRIP_PIXELS = 256 * 1024
# How pixels are called that are handed over, and the mode that they are worked on in.
_MODES = {"RGBX": "RGB", "RGBa": "RGBA", "LA": "RGBA", "La": "RGBA", "I;16": "L"}


class StripPicture(Picture):
    mode: str
    """Of the pixels, as Pillow calls it."""

    @abstractmethod
    def _pixels(self) -> tuple[memoryview, int]:
        """All of them, and how many bytes there are from one row to the next. ``size`` is what they have, from now on:
        a header may say something else."""

    def grey(self) -> Image.Image:
        pixels = self._pixels()
        grey = Image.new("L", self.size)
        for top, strip in self._strips(pixels, 1):
            grey.paste(strip.convert("L"), (0, top))
        return grey

    def reduced(self, wanted: Size) -> Image.Image:
        pixels = self._pixels()
        across, down = reduction(self.size, wanted)
        small = Image.new(_MODES.get(self.mode, self.mode), (-(-self.size[0] // across), -(-self.size[1] // down)))
        for top, strip in self._strips(pixels, down):
            small.paste(strip.reduce((across, down)), (0, top // down))
        return small

    def _strips(self, found: tuple[memoryview, int], multiple: int) -> Iterator[tuple[int, Image.Image]]:
        """From the top on, each with the row that it begins in, and a ``multiple`` of rows high, but for the last."""
        pixels, stride = found
        width, height = self.size
        rows = multiple * max(1, _STRIP_PIXELS // (width * multiple))
        for top in range(0, height, rows):
            size = (width, min(rows, height - top))
            data = pixels[top * stride : (top + size[1]) * stride]
            yield top, _strip(self.mode, size, data, stride)


def _strip(mode: str, size: Size, data: memoryview, stride: int) -> Image.Image:
    if mode == "RGBX":
        return Image.frombytes("RGB", size, data, "raw", mode, stride, 1)
    strip = Image.frombytes(mode, size, data, "raw", mode, stride, 1)
    return eight_bit(strip) if mode == "I;16" else strip.convert(_MODES[mode]) if mode in _MODES else strip
