"""Looks at pictures and draws thumbnails with Pillow and pillow-heif, in processes of their own (``pool.py``).
What becomes of each kind of picture: docs/images.md. Contract: tests/contract/test_image_processor.py."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from adapters.outbound.pillow.children import Limits
from adapters.outbound.pillow.orders import Answer, Kind, Outcome
from adapters.outbound.pillow.pool import PATIENCE, Patience, Pool
from domain.byte_range import ByteRange
from domain.errors import (
    FileGone,
    InvalidPicture,
    PictureCorrupted,
    ProcessorUnavailable,
    StorageUnavailable,
    TooManyPixels,
)
from domain.picture import CheckedPicture, PictureFacts, PictureFormat
from domain.product import Edited, Recipe
from domain.rendition import Box, Drawn
from ports.blob_storage import Blob
from ports.image_processor import ImageProcessor
from ports.spool import Spooled

_GIB = 1024**3
_PIXELS_OF_A_GIB = 80_000_000  # what a GiB is enough for, whatever the format
_MOST_BYTES = 512 * 1024**2  # of a file: most decoders want all of it in memory


class PillowProcessor(ImageProcessor):
    """Lives on the event loop; ``close`` it at the end. Pictures of at most ``max_pixels`` are taken, which decides how
    much memory a process may use. ``folder``: where a picture without a local file is put meanwhile; the system's
    place for temporary files, unless told."""

    def __init__(
        self,
        *,
        max_pixels: int,
        processes: int,
        patience: Patience = PATIENCE,
        memory_bytes: int | None = None,
        folder: Path | None = None,
    ) -> None:
        memory = memory_bytes or max(_GIB, _GIB * max_pixels // _PIXELS_OF_A_GIB)
        self._max_pixels = max_pixels
        self._folder = folder
        self._pool = Pool(Limits(max_pixels, memory), processes=processes, patience=patience)

    def warm(self) -> None:
        """A picture is on its way: have somebody ready for it."""
        self._pool.warm()

    async def look(self, picture: Blob) -> PictureFacts:
        return self._facts(await self._order(Kind.LOOK, picture, urgent=True))

    async def check(self, picture: Blob) -> CheckedPicture:
        answer = await self._order(Kind.CHECK, picture, urgent=True)
        return CheckedPicture(self._facts(answer), answer.dhash)

    async def draw(self, picture: Blob, boxes: Sequence[Box]) -> Sequence[Drawn]:
        answer = await self._order(Kind.DRAW, picture, boxes)
        return [
            Drawn(Box(box), width, height, PictureFormat.JPEG.media_type, data)
            for box, width, height, data in answer.drawings
        ]

    async def edit(self, picture: Blob, recipe: Recipe, into: Spooled) -> Edited:
        facts = (await self.check(picture)).facts
        async for block in picture.blocks(ByteRange(0, picture.size)):
            await into.append(block)
        return Edited(facts.format, facts.width, facts.height)

    async def close(self) -> None:
        await self._pool.close()

    async def _order(self, kind: Kind, picture: Blob, boxes: Sequence[Box] = (), *, urgent: bool = False) -> Answer:
        if picture.size > _MOST_BYTES:
            raise InvalidPicture(f"a picture's file has at most {_MOST_BYTES >> 20} MiB")
        async with self._descriptor(picture) as descriptor:
            answer = await self._pool.order(kind, descriptor, picture.size, boxes, urgent=urgent)
        match answer.outcome:
            case Outcome.DONE:
                return answer
            case Outcome.UNKNOWN:
                raise InvalidPicture("not a picture that we can read")
            case Outcome.DAMAGED:
                raise PictureCorrupted("the picture is damaged")
            case Outcome.TOO_MANY_PIXELS:
                raise TooManyPixels(_too_many(answer.width * answer.height, self._max_pixels))
            case Outcome.GONE:
                raise FileGone("the picture's file is shorter than it was")
            case Outcome.UNREADABLE:
                raise StorageUnavailable("the picture can't be read just now")
            case Outcome.NO_MEMORY:
                raise ProcessorUnavailable("the picture needs more memory than there is for one")

    @asynccontextmanager
    async def _descriptor(self, picture: Blob) -> AsyncIterator[int]:
        if picture.fd is not None:
            yield picture.fd
            return
        try:
            file = await asyncio.to_thread(_nameless, self._folder)
        except OSError:
            raise StorageUnavailable("there is no room to look at the picture") from None
        with file:
            if picture.size:
                async for block in picture.blocks(ByteRange(0, picture.size)):
                    await asyncio.to_thread(file.write, block)
            yield file.fileno()

    def _facts(self, answer: Answer) -> PictureFacts:
        return PictureFacts(PictureFormat(answer.format), answer.width, answer.height)


def _nameless(folder: Path | None) -> IO[bytes]:
    return tempfile.TemporaryFile(buffering=0, dir=folder)


def _too_many(pixels: int, at_most: int) -> str:
    """In words for a person; ``pixels`` is 0 where it is not known how many."""
    has, takes = (f"{count / 1e6:,.0f}" if count >= 1e7 else f"{count / 1e6:.3g}" for count in (pixels, at_most))
    if has == takes:  # a hair too many
        has, takes, unit = f"{pixels:,}", f"{at_most:,}", "pixels"
    else:
        unit = "megapixels"
    return f"the picture has {has if pixels else 'more'} {unit}; at most {takes} are taken"
