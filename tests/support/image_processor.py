"""Looks at pictures that only say what a real one would show: for use cases, which ask for nothing else."""

from collections.abc import Sequence

from domain.access import NOBODY
from domain.byte_range import ByteRange
from domain.errors import LongshoreError, PictureCorrupted
from domain.ids import OwnerId
from domain.picture import CheckedPicture, PictureFacts, PictureFormat
from domain.product import Edited, Recipe
from domain.rendition import Box, Drawn
from ports.blob_storage import Blob
from ports.image_processor import ImageProcessor
from ports.spool import Spooled

_BEGINNING, _END = b"\xff\xd8\xff", b"end"


def plain_picture(dhash: int, *, filling: bytes = b"") -> bytes:
    """A JPEG by its first bytes, which looks like ``dhash``."""
    return _BEGINNING + dhash.to_bytes(8, "big") + filling + _END


class PlainProcessor(ImageProcessor):
    """``error``: raised by whatever is asked from then on."""

    def __init__(self) -> None:
        self.error: LongshoreError | None = None

    async def look(self, picture: Blob, *, asker: OwnerId = NOBODY) -> PictureFacts:
        return (await self.check(picture)).facts

    async def check(self, picture: Blob, *, asker: OwnerId = NOBODY) -> CheckedPicture:
        if self.error is not None:
            raise self.error
        data = b"".join([block async for block in picture.blocks(ByteRange(0, picture.size))])
        if not data.endswith(_END):
            raise PictureCorrupted("it breaks off")
        dhash = int.from_bytes(data[len(_BEGINNING) : len(_BEGINNING) + 8], "big")
        return CheckedPicture(PictureFacts(PictureFormat.JPEG, 1, 1), dhash)

    async def draw(self, picture: Blob, boxes: Sequence[Box]) -> Sequence[Drawn]:
        raise PictureCorrupted("there is nothing to draw")

    async def edit(self, picture: Blob, recipe: Recipe, into: Spooled) -> Edited:
        """The same bytes again."""
        facts = (await self.check(picture)).facts
        async for block in picture.blocks(ByteRange(0, picture.size)):
            await into.append(block)
        return Edited(recipe.format or facts.format, facts.width, facts.height)
