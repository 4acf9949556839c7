"""Looks at pictures and draws their thumbnails, where neither a bomb nor a bad decoder can harm the server.
Contract: tests/contract/test_image_processor.py."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from domain.picture import CheckedPicture, PictureFacts
from domain.rendition import Box, Drawn
from ports.blob_storage import Blob


class ImageProcessor(Protocol):
    """What kind of picture it is the bytes alone say. The picture is the caller's to close.

    Every call may raise:
        InvalidPicture: no picture, or of a format that we don't take.
        TooManyPixels: by its header; nothing of it was decoded.
        FileGone, StorageUnavailable: its bytes can't be read.
        ProcessorUnavailable: who looked at it died of it or took too long; others go on.
    """

    @abstractmethod
    async def look(self, picture: Blob) -> PictureFacts:
        """What its header says; nothing is decoded."""

    @abstractmethod
    async def check(self, picture: Blob) -> CheckedPicture:
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
