"""Staged uploads on a volume: bytes go straight to their place, and sealing is a rename."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial

from awscrt.checksums import crc64nvme

from adapters.outbound.volume.staged_files import KEPT_SECONDS
from adapters.outbound.volume.staging import Durability, Staging
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import Volume, translated
from adapters.outbound.volume.writing.writer import ChunkWriter
from domain.byte_range import ByteRange, Extent
from domain.checksum import Hasher
from domain.errors import FileGone, LongshoreError, Unavailable
from domain.ids import BlobKey, UploadId
from ports.byte_source import ByteSource
from ports.chunk_storage import ChunkStorage, Staged

SMALL_BYTES = 256 * 1024
_COPY_BYTES = 64 * 1024 * 1024
_COMPARE_BYTES = 256 * 1024
_READ_BYTES = 256 * 1024


class VolumeChunkStorage(ChunkStorage):
    """``writer``: takes the small chunks where many come at once; without it threads write them too.

    ``checkpoint_bytes``, ``checkpoint_seconds``: how much of a body, and how old, is told of at the latest.
    ``kept_seconds``: how long the file of a small chunk stays open for the next one.
    """

    def __init__(
        self,
        volume: Volume,
        threads: Threads,
        *,
        durability: Durability = Durability.ACK,
        writer: ChunkWriter | None = None,
        checkpoint_bytes: int = 8 * 1024 * 1024,
        checkpoint_seconds: float = 1.0,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._staging = Staging(volume, durability, kept_seconds=kept_seconds)
        self._checkpoint_bytes = checkpoint_bytes
        self._checkpoint_seconds = checkpoint_seconds
        self._threads = threads
        self._writer = writer
        self._small_writes = 0
        self._closing_idle: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Let go of all files; call it when nothing is written any more."""
        if self._closing_idle is not None:
            self._closing_idle.cancel()
        self._staging.files.close_all()

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
        # Chunks in any order keep no descriptor open behind them: sealing looks for those (fence.py).
        if expects is None and source.length is not None and source.length <= SMALL_BYTES:
            data = await source.gather(source.length if limit is None else min(limit, source.length))
            if data:
                yield await self.store(upload_id, at=at, data=data, permit=permit, hasher=hasher)
            return
        least = at if expects is None else expects
        async with aclosing(
            self._pour(upload_id, at, source, limit, least=least, hasher=hasher, permit=permit)
        ) as stretches:
            async for extent in stretches:
                yield extent

    async def store(
        self, upload_id: UploadId, *, at: int, data: bytes, permit: Callable[[], None], hasher: Hasher | None = None
    ) -> Extent:
        """As ``write``, for at most ``SMALL_BYTES`` that are here already."""
        self._small_writes += 1
        try:
            if hasher is not None or not await self._write_beside(upload_id, at, data, permit):
                await self._threads.run_to_end(partial(self._write_here, upload_id, at, data, hasher, permit))
                self._close_idle_later()
        finally:
            self._small_writes -= 1
        return Extent(ByteRange(at, at + len(data)), crc64nvme(data))

    @asynccontextmanager
    async def keeping_whole(self, upload_id: UploadId, data: bytes) -> AsyncGenerator[None, None]:
        """Make ``data`` the durable blob of an upload that nobody knows yet; in the block it is recorded.

        What the block refuses is discarded. Where it fails otherwise, or is cancelled, it may be recorded all the same:
        then cleanup finds out.
        """
        self._small_writes += 1
        try:
            await self._write_whole(upload_id, data)
            yield
        except LongshoreError as error:
            if not isinstance(error, Unavailable):
                self._threads.begin(partial(self._staging.discard_whole, upload_id))
            raise
        finally:
            self._small_writes -= 1
        self._threads.begin(partial(self._staging.settle_whole, upload_id))

    async def holds(self, upload_id: UploadId, *, extent: Extent, source: ByteSource) -> bool:
        at, end = extent.range.start, extent.range.end
        fd = await self._threads.run(partial(self._staging.open_to_read, upload_id, least=end), undo=os.close)
        try:
            while at < end:
                block = await source.read(min(_COMPARE_BYTES, end - at))
                if not block or not await self._threads.run_to_end(partial(_is_at, fd, at, block)):
                    return False
                at += len(block)
        finally:
            os.close(fd)
        return True

    async def join(self, upload_id: UploadId, parts: Sequence[tuple[UploadId, int]]) -> None:
        await self._threads.run(partial(self._staging.check_room, sum(size for _, size in parts)))
        at = 0
        for part_id, size in parts:
            start = 0
            while start < size:
                count = min(size - start, _COPY_BYTES)
                # One slice a job: a copy of any size leaves the threads to others in between.
                await self._threads.run_to_end(partial(self._staging.copy, part_id, start, count, upload_id, at))
                start += count
                at += count

    async def seal(self, upload_id: UploadId, *, size: int, fenced: bool = False) -> BlobKey:
        return await self._threads.run_to_end(partial(self._staging.seal, upload_id, size, fenced=fenced))

    async def discard(self, upload_id: UploadId) -> None:
        await self._threads.run_to_end(partial(self._staging.discard, upload_id))

    async def staged(self) -> AsyncIterator[Staged]:
        for shard in await self._threads.run(self._staging.shards):
            for upload_id, modified_at in await self._threads.run(partial(self._staging.list_shard, shard)):
                yield Staged(upload_id, modified_at)

    async def _write_beside(self, upload_id: UploadId, at: int, data: bytes, check: Callable[[], None]) -> bool:
        if self._writer is None:
            return False
        if not self._writer.is_ready:
            self._writer.consider(self._small_writes)
            return False
        async with self._writer.seat:
            check()
            return await self._writer.write(upload_id, at, data)

    async def _write_whole(self, upload_id: UploadId, data: bytes) -> None:
        if self._writer is not None:
            if self._writer.is_ready:
                async with self._writer.seat:
                    if await self._writer.write_whole(upload_id, data, b"") is not None:
                        return
            else:
                self._writer.consider(self._small_writes)
        await self._threads.run_to_end(partial(self._staging.store_whole, upload_id, data))

    def _write_here(
        self, upload_id: UploadId, at: int, data: bytes, hasher: Hasher | None, check: Callable[[], None]
    ) -> None:
        if hasher:
            hasher.update(data)
        self._staging.write(upload_id, at, data, check)

    def _close_idle_later(self) -> None:
        if self._closing_idle is None:
            loop = asyncio.get_running_loop()
            self._closing_idle = loop.call_later(self._staging.files.kept_seconds / 2, self._close_idle)

    def _close_idle(self) -> None:
        """Away from the loop: closing the last descriptor of a large deleted file takes time."""
        self._closing_idle = None
        with suppress(RuntimeError):  # the threads are closed: the process ends
            self._threads.begin(self._staging.files.close_idle)
            if len(self._staging.files):
                self._close_idle_later()

    async def _pour(
        self,
        upload_id: UploadId,
        at: int,
        source: ByteSource,
        limit: int | None,
        *,
        least: int,
        hasher: Hasher | None,
        permit: Callable[[], None],
    ) -> AsyncGenerator[Extent, None]:
        """One stretch is made durable, and told of, while the next one arrives."""
        fd = await self._threads.run(partial(self._staging.open, upload_id, least=least), undo=os.close)
        pouring: asyncio.Task[int] | None = None
        syncing: asyncio.Task[Extent] | None = None
        left = limit
        try:
            while left is None or left > 0:
                pouring = asyncio.create_task(self._pour_stretch(source, fd, at, left, permit))
                if syncing:
                    done = await syncing
                    syncing = None
                    yield done
                size = await pouring
                if not size:
                    break
                stretch = ByteRange(at, at + size)
                syncing = asyncio.create_task(self._make_durable(upload_id, fd, stretch, hasher))
                at += size
                left = None if left is None else left - size
            if syncing:
                done = await syncing
                syncing = None
                yield done
        finally:
            await _ended(pouring, syncing)  # the descriptor is theirs until then
            os.close(fd)

    async def _pour_stretch(
        self, source: ByteSource, fd: int, at: int, left: int | None, permit: Callable[[], None]
    ) -> int:
        limit = self._checkpoint_bytes if left is None else min(left, self._checkpoint_bytes)
        with translated():
            return await source.pour(fd, at=at, limit=limit, seconds=self._checkpoint_seconds, permit=permit)

    async def _make_durable(self, upload_id: UploadId, fd: int, stretch: ByteRange, hasher: Hasher | None) -> Extent:
        """While the disk takes it, it is read back for its checksums: on its way here nobody has seen it."""
        crc64, synced = await asyncio.gather(
            self._threads.run_to_end(partial(_read_back, fd, stretch, hasher)),
            self._threads.run_to_end(partial(self._staging.sync, upload_id, fd)),
            return_exceptions=True,
        )
        if isinstance(synced, BaseException):
            raise synced
        if isinstance(crc64, BaseException):
            raise crc64
        return Extent(stretch, crc64)


async def _ended(pouring: asyncio.Task[int] | None, syncing: asyncio.Task[Extent] | None) -> None:
    """Return once neither runs any more, whatever came of them."""
    if pouring:
        pouring.cancel()
    await asyncio.gather(*filter(None, (pouring, syncing)), return_exceptions=True)


def _read_back(fd: int, stretch: ByteRange, hasher: Hasher | None) -> int:
    """Its CRC-64/NVME."""
    crc64, at = 0, stretch.start
    buffer = memoryview(bytearray(min(_READ_BYTES, stretch.size)))
    with translated():
        while at < stretch.end:
            size = os.preadv(fd, [buffer[: stretch.end - at]], at)
            if not size:
                raise FileGone("the file is shorter than what was written")
            crc64 = crc64nvme(buffer[:size], crc64)
            if hasher:
                hasher.update(buffer[:size])
            at += size
    return crc64


def _is_at(fd: int, at: int, block: bytes) -> bool:
    with translated():
        return os.pread(fd, len(block), at) == block
