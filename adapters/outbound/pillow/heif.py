"""HEIC and HEIF, by libheif: the primary image of the file, which libheif has turned already."""

from typing import IO

import pillow_heif
from pillow_heif import options

from adapters.outbound.pillow.strips import StripPicture


class HeifPicture(StripPicture):
    def __init__(self, file: IO[bytes], threads: int) -> None:
        options.DECODE_THREADS = threads
        # Nothing but the picture is looked at.
        options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
        images = pillow_heif.open_heif(file, remove_stride=False)
        self._image = images[images.primary_index]
        self.size = self._image.size
        self.mode = self._image.mode
        profile = self._image.info.get("icc_profile")
        self.profile = profile if isinstance(profile, bytes) else None

    def _pixels(self) -> tuple[memoryview, int]:
        pixels = self._image.data
        self.size = self._image.size
        return memoryview(pixels), self._image.stride
