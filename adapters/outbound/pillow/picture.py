"""What an opened picture can do, whatever its format. How each gets there: ``whole.py``, ``strips.py``."""

from abc import ABC, abstractmethod

from PIL import Image

Size = tuple[int, int]
_SPARE = 1.5


class Picture(ABC):
    """One of which the header alone has been read. ``size`` and pixels are as they are stored, not yet turned by
    ``orientation`` (EXIF's 1 to 8). ``profile``: an ICC profile, as it was found."""

    size: Size
    orientation: int = 1
    profile: bytes | None = None

    @abstractmethod
    def grey(self) -> Image.Image:
        """All of it, decoded, in mode L."""

    @abstractmethod
    def reduced(self, wanted: Size) -> Image.Image:
        """All of it, in mode L, RGB, RGBA or CMYK: no smaller than ``wanted``, and smaller than it is if that is much
        smaller."""


def reduction(size: Size, wanted: Size) -> tuple[int, int]:
    """How many columns and rows are averaged into one: that costs little, the good filter for the rest a lot."""
    return max(1, int(size[0] / wanted[0] / _SPARE)), max(1, int(size[1] / wanted[1] / _SPARE))


def eight_bit(image: Image.Image) -> Image.Image:
    """Of 16-bit grey the upper half; Pillow's own way cuts off all that is above 255."""
    if not image.mode.startswith("I;16"):
        return image
    upper = 0 if image.mode == "I;16B" else 1
    return Image.frombytes("L", image.size, image.tobytes()[upper::2])
