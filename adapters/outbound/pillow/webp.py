"""WEBP, by libwebp's decoder of animations, of which the first frame is taken."""

from typing import IO

from PIL import WebPImagePlugin

from adapters.outbound.pillow.exif import orientation
from adapters.outbound.pillow.picture import Size
from adapters.outbound.pillow.strips import StripPicture


class WebpPicture(StripPicture):
    def __init__(self, file: IO[bytes]) -> None:
        self._image = _Image(file)
        self.size = self._image.size
        self.mode = self._image.rawmode
        self.orientation = orientation(self._image.info.get("exif"))
        self.profile = self._image.info.get("icc_profile")

    def _pixels(self) -> tuple[memoryview, int]:
        pixels = memoryview(self._image.first_frame())
        del self._image  # and with it libwebp's two canvases, each as large as the pixels
        return pixels, 4 * self.size[0]


class _Image(WebPImagePlugin.WebPImageFile):
    def first_frame(self) -> bytes:
        return self._get_next()[0]


def canvas_size(head: bytes) -> Size | None:
    """By the first 30 bytes (RFC 9649 §2.5 to 2.7): libwebp takes memory for it before Pillow can be asked."""
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None
