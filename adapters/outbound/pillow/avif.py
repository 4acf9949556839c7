"""AVIF, by libavif; of a sequence the first frame."""

from typing import IO

from PIL import AvifImagePlugin

from adapters.outbound.pillow.exif import orientation
from adapters.outbound.pillow.strips import StripPicture


class AvifPicture(StripPicture):
    def __init__(self, file: IO[bytes], threads: int) -> None:
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads
        self._image = _Image(file)
        self.size = self._image.size
        self.mode = self._image.mode
        self.orientation = orientation(self._image.info.get("exif"))  # Pillow has told it what the container says
        self.profile = self._image.info.get("icc_profile")

    def _pixels(self) -> tuple[memoryview, int]:
        pixels = memoryview(self._image.first_frame())
        return pixels, len(self.mode) * self.size[0]


class _Image(AvifImagePlugin.AvifImageFile):
    def first_frame(self) -> bytes:
        pixels: bytes = self._decoder.get_frame(0)[0]
        return pixels
