"""Looks at pictures, draws thumbnails and edits with Pillow and pillow-heif, in processes of their own (``pool.py``).
What becomes of a picture: docs/images.md, docs/products.md. Contract: tests/contract/test_image_processor.py."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import IO

from adapters.outbound.pillow.children import Limits
from adapters.outbound.pillow.orders import Answer, Edit, Kind, Order, Outcome, Way
from adapters.outbound.pillow.pool import PATIENCE, Patience, Pool
from adapters.outbound.pillow.turns import Turns
from domain.access import NOBODY
from domain.byte_range import ByteRange
from domain.errors import (
    FileGone,
    InvalidPicture,
    PictureCorrupted,
    ProcessorUnavailable,
    StorageUnavailable,
    TooManyPixels,
)
from domain.ids import OwnerId
from domain.picture import CheckedPicture, PictureFacts, PictureFormat
from domain.product import Edited, ProductKey, Recipe
from domain.rendition import Box, Drawn
from ports.blob_storage import Blob
from ports.image_processor import ImageProcessor
from ports.spool import Spooled

_GIB = 1024**3
_PIXELS_OF_A_GIB = 80_000_000  # what a GiB is enough for, whatever the format
_MOST_BYTES = 512 * 1024**2  # of a file: most decoders want all of it in memory
_EDIT_MEMORY = 3  # times as much: of what is edited all may be there again, and an AVIF takes 26 bytes for each pixel
_NO_EDIT = Edit()
_EDITED_QUALITY, _THUMBNAIL_QUALITY = 90, 82


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
        limits = Limits(max_pixels, memory, edit_memory_bytes=_EDIT_MEMORY * memory)
        self._pool = Pool(limits, processes=processes, patience=patience)
        # An edit may take a minute: whoever waits for an answer finds a process that does none.
        self._edits = asyncio.Semaphore(max(1, processes - 1))
        # What was fetched takes room until it has been seen to: so no more than keep all processes busy. Of those that
        # are only looked at, so many again: they wait for nobody's thumbnails.
        self._fetched = {is_look: Turns(2 * processes, patience.turn) for is_look in (True, False)}

    async def look(self, picture: Blob, *, asker: OwnerId = NOBODY) -> PictureFacts:
        return self._facts(await self._order(Kind.LOOK, picture, urgent=True, asker=asker))

    async def check(self, picture: Blob, *, asker: OwnerId = NOBODY) -> CheckedPicture:
        answer = await self._order(Kind.CHECK, picture, urgent=True, asker=asker)
        return CheckedPicture(self._facts(answer), answer.dhash)

    async def draw(self, picture: Blob, boxes: Sequence[Box]) -> Sequence[Drawn]:
        answer = await self._order(Kind.DRAW, picture, boxes)
        return [
            Drawn(Box(box), width, height, PictureFormat.JPEG.media_type, data)
            for box, width, height, data in answer.drawings
        ]

    async def edit(self, picture: Blob, recipe: Recipe, into: Spooled) -> Edited:
        async with self._edits:
            answer = await self._order(Kind.EDIT, picture, edit=_edit(recipe), into=into)
        return Edited(PictureFormat(answer.format), answer.width, answer.height)

    async def close(self) -> None:
        await self._pool.close()

    async def _order(
        self,
        kind: Kind,
        picture: Blob,
        boxes: Sequence[Box] = (),
        *,
        edit: Edit = _NO_EDIT,
        into: Spooled | None = None,
        urgent: bool = False,
        asker: OwnerId = NOBODY,
    ) -> Answer:
        if picture.size > _MOST_BYTES:
            raise InvalidPicture(f"a picture's file has at most {_MOST_BYTES >> 20} MiB")
        order = Order(kind, picture.size, tuple(boxes), edit)
        sink = None if into is None else into.append
        fetched = self._fetched[kind is Kind.LOOK].taken(urgent=urgent, asker=asker)
        async with fetched if picture.fd is None else nullcontext(), self._descriptor(picture) as descriptor:
            answer = await self._pool.order(order, descriptor, sink, urgent=urgent, asker=asker)
        match answer.outcome:
            case Outcome.DONE:
                return answer
            case Outcome.UNKNOWN:
                raise InvalidPicture("not a picture that we can read")
            case Outcome.DAMAGED:
                raise PictureCorrupted("the picture is damaged")
            case Outcome.TOO_MANY_PIXELS:
                raise TooManyPixels(_too_many(answer.width * answer.height, self._max_pixels))
            case Outcome.TOO_LARGE_A_RESULT:
                raise TooManyPixels("what it would become has more pixels than are taken, or than its format can hold")
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


def _edit(recipe: Recipe) -> Edit:
    format_ = recipe.format or ""
    match recipe.key:
        case ProductKey.STRIP_METADATA:
            return Edit(Way.STRIP)
        case ProductKey.COMPRESS:
            return Edit(Way.COMPRESS, quality=recipe.number("quality"))
        case ProductKey.CONVERT:
            return Edit(Way.DRAW, format_, recipe.number("quality"))
        case ProductKey.THUMBNAILS:
            box = recipe.number("box")
            return Edit(Way.DRAW, format_, _THUMBNAIL_QUALITY, box, box)
        case ProductKey.RESIZE:
            width, height = recipe.number("width"), recipe.number("height")
            return Edit(Way.DRAW, format_, _EDITED_QUALITY, width, height, recipe.covers, recipe.may_enlarge)


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
