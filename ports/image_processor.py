"""Looks at pictures, draws their thumbnails and edits them, where neither a bomb nor a bad decoder can harm the server.
Contract: tests/contract/test_image_processor.py."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from domain.access import NOBODY
from domain.ids import OwnerId
from domain.picture import CheckedPicture, PictureFacts
from domain.product import Edited, Recipe
from domain.rendition import Box, Drawn
from ports.blob_storage import Blob
from ports.spool import Spooled


class ImageProcessor(Protocol):
    """What kind of picture it is the bytes alone say. The picture is the caller's to close.

    ``asker``: who waits for the answer; however much one of them asks, the others have their turns.

    Every call may raise:
        InvalidPicture: no picture, or of a format that we don't take.
        TooManyPixels: by its header; nothing of it was decoded.
        FileGone, StorageUnavailable: its bytes can't be read.
        ProcessorUnavailable: who looked at it died of it or took too long; others go on.
    """

    @abstractmethod
    async def look(self, picture: Blob, *, asker: OwnerId = NOBODY) -> PictureFacts:
        """What its header says; nothing is decoded."""

    @abstractmethod
    async def check(self, picture: Blob, *, asker: OwnerId = NOBODY) -> CheckedPicture:
        """Decode all of it.

        Raises:
            PictureCorrupted: it breaks off, or can't be decoded.
        """

    @abstractmethod
    async def draw(self, picture: Blob, boxes: Sequence[Box]) -> Sequence[Drawn]:
        """A thumbnail for each box: a still of its first frame, upright, in sRGB, no larger than the picture is, with
        nothing but the pixels.

        Raises:
            PictureCorrupted: there is nothing to draw.
        """

    @abstractmethod
    async def edit(self, picture: Blob, recipe: Recipe, into: Spooled) -> Edited:
        """Do to it what the recipe says, and append what comes of it to ``into``, which is empty. That is upright and
        without metadata; it may be large. If this fails, ``into`` holds anything.

        Raises:
            PictureCorrupted: there is nothing to edit.
            TooManyPixels: also if the format asked for can't hold as many.
            StorageFull, StorageUnavailable: ``into`` takes no more.
        """
