"""Takes a picture in as it comes: refused by its first bytes, its size or its header, before anything is kept."""

from contextlib import suppress

from domain.byte_range import ByteRange
from domain.errors import ProcessorUnavailable, UploadTooLarge
from domain.ids import OwnerId
from domain.picture import SNIFFED_BYTES, PictureFormat, check_sniffed
from domain.size import format_size
from ports.blob_storage import Blob
from ports.byte_source import ByteSource
from ports.image_processor import ImageProcessor
from ports.spool import Spooled

_BLOCK_BYTES = 1024 * 1024


class PictureIntake:
    def __init__(self, processor: ImageProcessor) -> None:
        self._processor = processor

    async def gather(self, source: ByteSource, picture: Spooled, *, max_size: int) -> None:
        """Append what comes to ``picture``; the source tells whether that is all.

        Raises:
            InvalidPicture: by its first bytes.
            UploadTooLarge: more than ``max_size`` bytes.
        """
        block = await source.gather(SNIFFED_BYTES)
        if not source.is_cut:
            check_sniffed(block)  # before the rest of it has come
        while block:
            if picture.size + len(block) > max_size:
                raise UploadTooLarge(f"a picture may have {format_size(max_size)} at most")
            await picture.append(block)
            block = await source.gather(_BLOCK_BYTES)

    async def look(self, picture: Blob, *, asker: OwnerId) -> PictureFormat:
        """What it is, by its header.

        Raises:
            InvalidPicture, TooManyPixels
        """
        format_ = check_sniffed(await _head(picture))
        with suppress(ProcessorUnavailable):  # no reason to send anybody away: it is looked at again when it is drawn
            format_ = (await self._processor.look(picture, asker=asker)).format
        return format_


async def _head(picture: Blob) -> bytes:
    if not picture.size:
        return b""
    return b"".join([block async for block in picture.blocks(ByteRange(0, min(picture.size, SNIFFED_BYTES)))])
