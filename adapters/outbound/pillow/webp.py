"""WEBP, by libwebp; of an animation the first frame.

Pillow knows libwebp's decoder of animations alone, which holds three canvases of four bytes a pixel. A still picture is
decoded by the plain function of the same library, into three or four bytes a pixel, once.
"""

import ctypes
from typing import IO

from PIL import WebPImagePlugin, _webp

from adapters.outbound.pillow.exif import orientation
from adapters.outbound.pillow.picture import Size
from adapters.outbound.pillow.strips import StripPicture

_PLAIN = {"RGBX": ("RGB", "WebPDecodeRGBInto"), "RGBA": ("RGBA", "WebPDecodeRGBAInto")}
"""By the mode of the decoder of animations: the one that is decoded into, and libwebp's function for it."""


class WebpPicture(StripPicture):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._image = _Image(file)
        self.size = self._image.size
        self.mode = self._image.rawmode
        self.orientation = orientation(self._image.info.get("exif"))
        self.profile = self._image.info.get("icc_profile")

    def _pixels(self) -> tuple[memoryview, int]:
        plain, function = _PLAIN[self.mode]
        if self._image.n_frames == 1 and (pixels := self._still(len(plain) * self.size[0], function)) is not None:
            self.mode = plain
        else:
            pixels = memoryview(self._image.first_frame())
        del self._image  # and with it the canvases
        return pixels, len(self.mode) * self.size[0]

    def _still(self, stride: int, function: str) -> memoryview | None:
        """None where that can't be: the library is not found, the picture is damaged, or an animation after all."""
        try:
            decode = getattr(ctypes.CDLL(_webp.__file__), function)
        except (OSError, AttributeError):
            return None
        decode.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        decode.restype = ctypes.c_void_p
        self._file.seek(0)
        data = self._file.read()
        pixels = bytearray(stride * self.size[1])
        into = (ctypes.c_char * len(pixels)).from_buffer(pixels)
        return memoryview(pixels) if decode(data, len(data), into, len(pixels), stride) else None


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
