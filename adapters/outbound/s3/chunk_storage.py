"""Staged uploads in a bucket: whole parts go to a multipart upload, what is left over into pieces beside it.

A stretch is told of once the service has it, as a part or as a piece; nothing is gathered anywhere else, so any
process on the bucket can go on. How the bytes lie is said in ``layout.py``, how they become a blob in ``assembly.py``.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from awscrt.checksums import crc64nvme

from adapters.outbound.s3.assembly import Assembly
from adapters.outbound.s3.bucket import Bucket
from adapters.outbound.s3.errors import NoSuchMultipart
from adapters.outbound.s3.layout import BLOBS, STAGED, PartSizes, Piece, Slice, blob_name
from adapters.outbound.s3.pieces import Pieces
from adapters.outbound.s3.staging import SETTLING_SECONDS, Absorbed, Staging, Stagings
from adapters.outbound.s3.stretches import stretches_of
from domain.byte_range import ByteRange, Extent
from domain.checksum import Hasher
from domain.errors import FileGone, StorageUnavailable, UploadNotFound
from domain.ids import BlobKey, UploadId, parse_upload_id
from ports.byte_source import ByteSource
from ports.chunk_storage import ChunkStorage, Staged

log = structlog.get_logger(__name__)

# Small pieces that follow each other are put together as they come, so that a million small chunks don't become a
# million objects: each byte is written a few times for it.
_SMALL_PIECE_BYTES = 32 * 1024
_JOINED_PIECE_BYTES = 1024 * 1024
_GARBAGE_AT_ONCE = 32
_COMPARED_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Bytes of one part, or all of them, that are to be stored if ``permit`` does not raise."""

    start: int
    data: bytes
    part_bytes: int
    permit: Callable[[], None]

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    @property
    def index(self) -> int:
        return self.start // self.part_bytes

    @property
    def part_start(self) -> int:
        return self.index * self.part_bytes

    @property
    def part_end(self) -> int:
        return self.part_start + self.part_bytes


class S3ChunkStorage(ChunkStorage):
    """``checkpoint_seconds``: how old bytes of a body become before they are stored and told of.

    ``settling_seconds``: see ``Stagings``.
    """

    def __init__(
        self,
        bucket: Bucket,
        sizes: PartSizes | None = None,
        *,
        checkpoint_seconds: float = 1.0,
        settling_seconds: float = SETTLING_SECONDS,
    ) -> None:
        self._bucket = bucket
        self._sizes = sizes or PartSizes()
        self._checkpoint_seconds = checkpoint_seconds
        self._stagings = Stagings(bucket, settling_seconds=settling_seconds)
        self._pieces = Pieces(bucket)
        self._assembly = Assembly(bucket, self._stagings, self._pieces, self._sizes)

    async def write(
        self,
        upload_id: UploadId,
        *,
        at: int,
        source: ByteSource,
        limit: int | None,
        hasher: Hasher | None,
        permit: Callable[[], None] = lambda: None,
        expects: int | None = None,
    ) -> AsyncGenerator[Extent, None]:
        """One stretch is on its way to the service, and told of, while the next one arrives."""
        staging = await self._stagings.find(upload_id)
        await self._check_there(staging, at if expects is None else expects)
        await self._tidy(staging, at)
        total = at + max(limit or 0, source.length or 0)
        part_bytes = self._sizes.of(total, chunk=source.length if source.length and at % source.length == 0 else None)
        taking: asyncio.Task[bytes] | None = None
        sending: asyncio.Task[Extent] | None = None
        left = limit
        async with stretches_of(source, seconds=self._checkpoint_seconds) as stretches:
            try:
                while left is None or left > 0:
                    part_bytes = staging.plan.part_bytes if staging.plan else part_bytes
                    room = part_bytes - at % part_bytes
                    taking = asyncio.create_task(stretches.take(room if left is None else min(room, left)))
                    if sending:
                        done, sending = await sending, None
                        yield done
                    data = await taking
                    if not data:
                        break
                    stretch = _Stretch(at, data, part_bytes, permit)
                    sending = asyncio.create_task(self._send(staging, stretch, hasher))
                    at += len(data)
                    left = None if left is None else left - len(data)
                if sending:
                    done, sending = await sending, None
                    yield done
            finally:
                await _ended(taking, sending)

    async def holds(self, upload_id: UploadId, *, extent: Extent, source: ByteSource) -> bool:
        """Compares checksums: bytes in parts can't be read back before the upload is sealed."""
        staging = await self._stagings.find(upload_id)
        await self._check_there(staging, extent.range.end)
        crc64, left = 0, extent.range.size
        while left and (data := await source.read(min(left, _COMPARED_BYTES))):
            crc64 = await asyncio.to_thread(crc64nvme, data, crc64)
            left -= len(data)
        return not left and crc64 == extent.crc64

    async def join(self, upload_id: UploadId, parts: Sequence[tuple[UploadId, int]]) -> None:
        await self._assembly.join(upload_id, parts)

    async def seal(self, upload_id: UploadId, *, size: int, fenced: bool = False) -> BlobKey:
        # Nothing can be written into a blob of a bucket: there is nobody to fence off.
        return await self._assembly.seal(upload_id, size)

    async def discard(self, upload_id: UploadId) -> None:
        staging = await self._stagings.find(upload_id)
        name = blob_name(upload_id)
        async for multipart in self._bucket.multiparts.under_way(name):
            if multipart.name == name:
                await self._bucket.multiparts.abort(name, multipart.id)
        if staging.base:
            await self._bucket.delete([name])
        await self._bucket.delete(staging.names)
        self._pieces.forget(staging.names)
        self._stagings.forget(upload_id)

    async def staged(self) -> AsyncIterator[Staged]:
        latest: dict[UploadId, datetime] = {}
        async for found in self._bucket.list(STAGED):
            _note(latest, found.name.split("/")[1], found.modified)
        # Also those that nothing else is left of: who began them died before saying so.
        async for multipart in self._bucket.multiparts.under_way(BLOBS):
            _note(latest, multipart.name.removeprefix(BLOBS), multipart.begun)
        for upload_id, modified_at in latest.items():
            yield Staged(upload_id, modified_at)

    async def _send(self, staging: Staging, stretch: "_Stretch", hasher: Hasher | None) -> Extent:
        crc64 = await asyncio.to_thread(_examined, stretch.data, hasher)
        if not await self._put_part(staging, stretch):
            await self._put_piece(staging, stretch)
            # Another writer may have brought the rest of the part meanwhile.
            await self._compose(staging, stretch)
        return Extent(ByteRange(stretch.start, stretch.end), crc64)

    async def _put_part(self, staging: Staging, stretch: "_Stretch") -> bool:
        """Store the stretch as a part, with what pieces hold of it before and after; False if that is not all."""
        start, end = stretch.start, stretch.end
        stale = staging.overlapping(start, end)
        if any(piece.start < start or piece.end > end for piece in stale):
            return False  # it holds bytes of its own beside ours: it can't go, and would win over the part
        before, gaps_before = staging.slices(stretch.part_start, start)
        after, gaps_after = staging.slices(end, stretch.part_end)
        if gaps_before or gaps_after:
            return False
        plan = await self._stagings.planned(staging, stretch.part_bytes)
        if plan.part_bytes != stretch.part_bytes:
            return False
        try:
            whole = stretch.data
            if before or after:
                whole = b"".join([await self._pieces.read(before), stretch.data, await self._pieces.read(after)])
        except FileGone:
            return False  # another writer has put them together meanwhile
        stretch.permit()
        try:
            version = await self._bucket.multiparts.put_part(
                blob_name(staging.upload_id), plan.multipart_id, stretch.index + 1, whole
            )
        except NoSuchMultipart as error:
            self._stagings.forget(staging.upload_id)
            raise FileGone("the bytes are gone") from error
        staging.absorbed[stretch.index] = Absorbed(version, frozenset(slice_.name for slice_ in [*before, *after]))
        if stale:
            await self._bucket.delete([piece.name for piece in stale])
            staging.forget(piece.name for piece in stale)
        return True

    async def _put_piece(self, staging: Staging, stretch: "_Stretch") -> None:
        last, data = await self._joined_with_last(staging, stretch)
        if last:
            # It bears the older one's number: where somebody writes that one's bytes anew just now, those win.
            piece = Piece.new(staging.upload_id, last.start, stretch.end, last.number)
        else:
            piece = Piece.new(staging.upload_id, stretch.start, stretch.end, staging.next_number())
        stretch.permit()
        await self._bucket.put(piece.name, data)
        staging.add(piece)
        self._pieces.keep(piece.name, data)
        if last:
            staging.garbage.add(last.name)
            await self._sweep(staging)

    async def _joined_with_last(self, staging: Staging, stretch: "_Stretch") -> tuple[Piece | None, bytes]:
        """The small piece of the same part that the stretch follows, and both's bytes; None if there is none such."""
        start, end, data = stretch.start, stretch.end, stretch.data
        last = next((piece for piece in staging.overlapping(start - 1, start) if piece.end == start), None)
        if last is None or last.start < stretch.part_start:
            return None, data
        if start - last.start > max(len(data), _SMALL_PIECE_BYTES) or end - last.start > _JOINED_PIECE_BYTES:
            return None, data
        rivals = {piece.name for piece in staging.overlapping(last.start, end)} - staging.garbage
        if rivals != {last.name}:
            return None, data
        try:
            return last, await self._pieces.read([Slice(last.start, start, last.name, 0)]) + data
        except FileGone:
            return None, data

    async def _compose(self, staging: Staging, stretch: "_Stretch") -> None:
        """Make the stretch's part if pieces hold all of it by now."""
        index = stretch.index
        slices, gaps = staging.slices(stretch.part_start, stretch.part_end)
        if gaps or index in staging.composing:
            return
        staging.composing.add(index)
        try:
            plan = await self._stagings.planned(staging, stretch.part_bytes)
            if plan.part_bytes == stretch.part_bytes:
                await self._assembly.put_part(staging, plan, index, slices, permit=stretch.permit)
        except (FileGone, StorageUnavailable) as error:
            # The bytes are safe where they are; sealing will see to it.
            log.info("part not made yet", upload_id=staging.upload_id, reason=error.detail)
        finally:
            staging.composing.discard(index)

    async def _check_there(self, staging: Staging, end: int) -> None:
        """As far as a listing tells: what is in parts goes with their multipart upload as a whole."""
        if end <= staging.base or staging.plan or any(piece.end >= end for piece in staging.pieces.values()):
            return
        await self._bucket.check()
        raise FileGone("the bytes are not what was received")

    async def _tidy(self, staging: Staging, at: int) -> None:
        """Remove pieces that parts before ``at`` hold by now.

        Not sooner: until the part's bytes are recorded, a client may come again with other bytes for some of them.
        """
        if staging.plan is None:
            return
        size = staging.plan.part_bytes
        for piece in staging.pieces.values():
            index = piece.start // size
            absorbed = staging.absorbed.get(index)
            if absorbed and piece.name in absorbed.names and piece.end <= (index + 1) * size <= at:
                staging.garbage.add(piece.name)
        await self._sweep(staging)

    async def _sweep(self, staging: Staging) -> None:
        if len(staging.garbage) < _GARBAGE_AT_ONCE:
            return
        garbage, staging.garbage = list(staging.garbage), set()
        try:
            await self._bucket.delete(garbage)
        except StorageUnavailable as error:
            log.info("pieces left for later", upload_id=staging.upload_id, reason=error.detail)
            return
        staging.forget(garbage)
        self._pieces.forget(garbage)


def _examined(data: bytes, hasher: Hasher | None) -> int:
    """In a thread: the checksum of the stretch."""
    if hasher:
        hasher.update(data)
    return int(crc64nvme(data))


def _note(latest: dict[UploadId, datetime], text: str, modified: datetime) -> None:
    try:
        upload_id = parse_upload_id(text)
    except UploadNotFound:
        return  # not one of ours
    if upload_id != text:
        return  # to a bucket, other than to clients, another case is another name
    latest[upload_id] = max(modified, latest.get(upload_id, modified))


async def _ended(taking: asyncio.Task[bytes] | None, sending: asyncio.Task[Extent] | None) -> None:
    """Return once neither runs any more; what is on its way to the service is let arrive, so that it can't be late."""
    if taking:
        taking.cancel()
    await asyncio.gather(*filter(None, (taking, sending)), return_exceptions=True)
