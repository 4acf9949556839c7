"""Opens a picture by what its first bytes say, and refuses by its header what has too many pixels.

What can be loaded later is: a child has only the decoders whose pictures it has met.
"""

from typing import IO

from PIL import Image, PngImagePlugin
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from adapters.outbound.pillow.picture import Picture, Size
from adapters.outbound.pillow.scans import check_scans
from adapters.outbound.pillow.whole import WholePicture
from domain.picture import PictureFormat

_HEAD_BYTES = 30
_TEXT_BYTES = 8 * 1024**2
_THREADS = 2  # for one picture; there may be as many children as processors


class TooManyPixels(Exception):
    """By the header; nothing was decoded."""

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        self.size = size


class TooLargeAResult(Exception):
    """What is asked for has more pixels than we take, or than its format can hold."""


def forbid(max_pixels: int) -> None:
    """Have Pillow refuse by itself what turns out to be larger, such as a frame that is larger than its GIF. What it
    takes is twice its limit; above the limit it warns. Nobody reads a PNG's texts, so there may be few."""
    Image.MAX_IMAGE_PIXELS = max_pixels // 2
    PngImagePlugin.MAX_TEXT_MEMORY = _TEXT_BYTES


def open_picture(file: IO[bytes], format_: PictureFormat, max_pixels: int) -> Picture:
    """Whatever Pillow and libheif raise means that the header is damaged.

    Raises:
        TooManyPixels
    """
    if format_ is PictureFormat.WEBP:
        from adapters.outbound.pillow.webp import canvas_size

        _check(canvas_size(file.read(_HEAD_BYTES)), max_pixels)
        file.seek(0)
    picture = _open(file, format_)
    _check(picture.size, max_pixels)
    return picture


def _check(size: Size | None, max_pixels: int) -> None:
    if size is not None and size[0] * size[1] > max_pixels:
        raise TooManyPixels(size)


def _open(file: IO[bytes], format_: PictureFormat) -> Picture:
    match format_:
        case PictureFormat.JPEG:
            check_scans(file)
            # Not by Image.open, which looks for further pictures behind the first, the only one that is wanted.
            return WholePicture(JpegImageFile(file))
        case PictureFormat.PNG:
            return WholePicture(PngImageFile(file))
        case PictureFormat.GIF:
            from PIL.GifImagePlugin import GifImageFile

            return WholePicture(GifImageFile(file))
        case PictureFormat.WEBP:
            from adapters.outbound.pillow.webp import WebpPicture

            return WebpPicture(file)
        case PictureFormat.AVIF:
            from adapters.outbound.pillow.avif import AvifPicture

            return AvifPicture(file, _THREADS)
        case PictureFormat.HEIC | PictureFormat.HEIF:
            from adapters.outbound.pillow.heif import HeifPicture

            return HeifPicture(file, _THREADS)
