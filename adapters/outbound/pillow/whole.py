"""Formats that Pillow decodes into a picture of its own: JPEG, PNG, GIF."""

from PIL import Image, ImageFile

from adapters.outbound.pillow.exif import orientation
from adapters.outbound.pillow.picture import Picture, Size, eight_bit, reduction


class WholePicture(Picture):
    def __init__(self, image: ImageFile.ImageFile) -> None:
        self._image = image
        self.size = image.size
        self.orientation = orientation(image.info.get("exif"))
        self.profile = image.info.get("icc_profile")

    def grey(self) -> Image.Image:
        self._image.draft("L", self.size)  # of a JPEG all is read, and its brightness alone made pixels
        self._image.load()
        return eight_bit(self._image).convert("L")

    def reduced(self, wanted: Size) -> Image.Image:
        self._image.draft(None, wanted)  # a JPEG is decoded at half its size, a quarter or an eighth
        self._image.load()
        image = _plain(self._image)
        del self._image  # the large one is gone before the next small one is made
        factors = reduction(image.size, wanted)
        return image if factors == (1, 1) else image.reduce(factors)


def _plain(image: Image.Image) -> Image.Image:
    """In a mode whose values can be averaged."""
    if image.mode.startswith("I;16"):
        return eight_bit(image)
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
