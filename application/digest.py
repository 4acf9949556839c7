"""The SHA-256 of stored files: read for it after completion, when there is time, or at once where somebody waits.

CRC-64/NVME is counted while the bytes come, at next to no cost; SHA-256 is not, for it is the client's to ask for.
CRC-32, which archives tell, is counted by whoever reads a file's bytes for another reason.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import timedelta

from domain.byte_range import ByteRange
from domain.checksum import Buffer, Checksum, Comparison, Crc32, Hasher
from domain.errors import Gone, StorageUnavailable
from domain.file import File
from domain.ids import BlobKey, FileId
from ports.blob_storage import Blob, BlobStorage
from ports.clock import Clock
from ports.unit_of_work import UnitOfWorkFactory

_AT_ONCE = 2
_PIECE_BYTES = 256 * 1024
# Nobody waits for a chore: it rests nine times as long as it works, so that those who do have the machine.
_REST = 9.0
_NOTICED = 1000
_PAGE = 100
_SAVE_BYTES = 64 * 1024 * 1024
_LEFT_AFTER = timedelta(minutes=10)


class _Digests(Hasher):
    """All that is found out when a file is read."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.crc32 = Crc32()

    def update(self, data: Buffer, /) -> None:
        self.sha256.update(data)
        self.crc32.update(data)


class DigestUseCase:
    """``run`` may be called at any time, any number of times, in several processes: each digests what it completed
    itself at once, and what others left (they died) when it is ten minutes old."""

    def __init__(self, *, unit_of_work: UnitOfWorkFactory, blobs: BlobStorage, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._blobs = blobs
        self._clock = clock
        self._noticed: deque[File] = deque(maxlen=_NOTICED)  # what falls out is found as left over
        self._something_noticed = asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._counting = asyncio.Semaphore(_AT_ONCE)

    def notice(self, file: File) -> None:
        """A file was completed: digest it in the next ``run``, if it has to be."""
        if file.sha256 is None:
            self._noticed.append(file)
            self._something_noticed.set()

    async def pause(self, seconds: float) -> None:
        """Until something is noticed, at most ``seconds``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._something_noticed.wait()

    async def run(self) -> int:
        """Digest what has been noticed, then what was left over; return how many files."""
        done = 0
        self._something_noticed.clear()
        while self._noticed:
            page = [self._noticed.popleft() for _ in range(min(_PAGE, len(self._noticed)))]
            done += await self._digest(page)
        return done + await self._digest_left()

    async def matches(self, key: BlobKey, size: int, checksums: Sequence[Checksum]) -> bool:
        """Whether the blob's bytes are those that all ``checksums`` were told of.

        Raises:
            FileGone: the bytes are not there.
            StorageUnavailable
        """
        comparison = Comparison(checksums)
        async with self._at_once:
            await self._read(key, size, comparison)
        return comparison.differing() is None

    async def know(self, file: File) -> File:
        """The file with its SHA-256, read now if it has to be."""
        if file.sha256 is None:
            async with self._at_once:
                found = await self._digest_one(file)
            await self._save({file.id: found})
            return replace(file, sha256=found.sha256.digest(), crc32=found.crc32.value)
        return file

    async def crc32(self, file: File) -> int:
        """The file's CRC-32, read now if nobody has done so yet."""
        async with self._counting:
            async with self._unit_of_work() as work:
                known = (await work.files.find(file.id)).crc32
            if known is None:
                counted = Crc32()
                await self._read(file.blob_key, file.size, counted)
                known = counted.value
                await self.note_crc32s({file.id: known})
        return known

    async def note_crc32s(self, found: Mapping[FileId, int]) -> None:
        """By whoever had all of their bytes in hand."""
        if found:
            async with self._unit_of_work() as work:
                await work.files.save_crc32s(found)
                await work.commit()

    async def is_there(self, file: File) -> bool:
        """Whether the file's bytes are in storage, as many as there were."""
        try:
            blob = await self._blobs.open(file.blob_key)
        except Gone:
            return False
        await blob.close()
        return blob.size == file.size

    async def _digest_left(self) -> int:
        done, after = 0, None
        before = self._clock.now() - _LEFT_AFTER
        while True:
            async with self._unit_of_work() as work:
                page = await work.files.list_undigested(after=after, limit=_PAGE)
            left = [file for file in page if file.created_at < before]
            done += await self._digest(left)
            if len(left) < _PAGE:
                return done
            after = (page[-1].created_at, page[-1].id)

    async def _digest(self, files: list[File]) -> int:
        digests: dict[FileId, _Digests] = {}
        size = done = 0
        for file in files:
            # Deleted meanwhile, lost, unreadable: told to whoever asks for it, and no other file's affair.
            with suppress(Gone, StorageUnavailable):
                digests[file.id] = await self._digest_one(file, rest=_REST)
                size += file.size
                done += 1
            if size >= _SAVE_BYTES:
                await self._save(digests)
                digests, size = {}, 0
        await self._save(digests)
        return done

    async def _save(self, digests: dict[FileId, _Digests]) -> None:
        if digests:
            async with self._unit_of_work() as work:
                await work.files.save_digests({file_id: found.sha256.digest() for file_id, found in digests.items()})
                await work.files.save_crc32s({file_id: found.crc32.value for file_id, found in digests.items()})
                await work.commit()

    async def _digest_one(self, file: File, *, rest: float = 0) -> _Digests:
        found = _Digests()
        await self._read(file.blob_key, file.size, found, rest=rest)
        return found

    async def _read(self, key: BlobKey, size: int, hasher: Hasher, *, rest: float = 0) -> None:
        """Have the blob's bytes counted, in a thread, a block at a time, so that nothing else waits for it."""
        blob = await self._blobs.open(key)
        try:
            began = self._clock.monotonic()
            async with aclosing(_pieces(blob, size)) as pieces:
                async for piece in pieces:
                    await asyncio.to_thread(hasher.update, piece)
                    await asyncio.sleep(rest * (self._clock.monotonic() - began))
                    began = self._clock.monotonic()
        finally:
            await blob.close()


async def _pieces(blob: Blob, size: int) -> AsyncGenerator[bytes, None]:
    """The blob's bytes, some 256 KiB at a time."""
    piece = bytearray()
    if size:
        async for block in blob.blocks(ByteRange(0, size)):
            piece += block
            if len(piece) >= _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    yield bytes(piece)
