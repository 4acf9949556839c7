"""Takes out of a picture's file what is said about the picture; its pixels stay as they are, byte by byte.

Left are pixels, colours (profiles, gamma), animation, and which way is up. What comes behind the picture goes, too:
films of motion photos, second pictures and their places. A module for each way that files are put together.
"""

from typing import IO

from domain.picture import PictureFormat


def strip(file: IO[bytes], format_: PictureFormat, orientation: int, out: IO[bytes]) -> bool:
    """Return whether it is an animation. ``file``: a picture that can be decoded; what makes no sense nevertheless
    raises ValueError or struct.error."""
    file.seek(0)
    data = memoryview(file.read())
    match format_:
        case PictureFormat.JPEG:
            from adapters.outbound.pillow.stripping.jpeg import strip_jpeg as strip_
        case PictureFormat.PNG:
            from adapters.outbound.pillow.stripping.png import strip_png as strip_
        case PictureFormat.WEBP:
            from adapters.outbound.pillow.stripping.webp import strip_webp as strip_
        case PictureFormat.GIF:
            from adapters.outbound.pillow.stripping.gif import strip_gif as strip_
        case PictureFormat.HEIC | PictureFormat.HEIF | PictureFormat.AVIF:
            from adapters.outbound.pillow.stripping.boxes import strip_boxes as strip_
    return strip_(data, orientation, out)
