"""Staged uploads and blobs in memory: for tests, and for programs that want the use cases without a disk."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from domain.byte_range import ByteRange, Extent
from domain.checksum import Hasher
from domain.errors import FileGone
from domain.ids import BlobKey, UploadId, blob_key_of
from ports.blob_storage import Blob, BlobStorage
from ports.byte_source import ByteSource
from ports.chunk_storage import ChunkStorage, Staged
from ports.clock import Clock
from ports.health import HealthCheck

try:  # it comes with the package; without it the domain's own does, at some MB/s
    from awscrt.checksums import crc64nvme
except ModuleNotFoundError:
    from domain.checksum import crc64nvme

_STRETCH_BYTES = 64 * 1024


class MemoryBytes:
    """What the two storages share, as the two folders of a volume."""

    def __init__(self) -> None:
        self.staged: dict[UploadId, bytearray] = {}
        self.blobs: dict[BlobKey, bytes] = {}


class MemoryChunkStorage(ChunkStorage):
    def __init__(self, memory: MemoryBytes, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock

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
        left = limit
        least = at if expects is None else expects
        while left is None or left > 0:
            data = await source.read(_STRETCH_BYTES if left is None else min(left, _STRETCH_BYTES))
            if not data:
                return
            self.store(upload_id, at=at, data=data, permit=permit, least=least)
            if hasher:
                hasher.update(data)
            yield Extent(ByteRange(at, at + len(data)), crc64nvme(data))
            at = least = at + len(data)
            left = None if left is None else left - len(data)

    def store(self, upload_id: UploadId, *, at: int, data: bytes, permit: Callable[[], None], least: int) -> None:
        permit()
        held = self._memory.staged.setdefault(upload_id, bytearray())
        if len(held) < least:
            raise FileGone("the bytes are not what was received")
        held.extend(bytes(max(0, at - len(held))))
        held[at : at + len(data)] = data

    async def holds(self, upload_id: UploadId, *, extent: Extent, source: ByteSource) -> bool:
        held = self._memory.staged.get(upload_id, bytearray())
        if len(held) < extent.range.end:
            raise FileGone("the bytes are not what was received")
        at = extent.range.start
        while at < extent.range.end:
            block = await source.read(min(_STRETCH_BYTES, extent.range.end - at))
            if not block or held[at : at + len(block)] != block:
                return False
            at += len(block)
        return True

    async def join(self, upload_id: UploadId, parts: Sequence[tuple[UploadId, int]]) -> None:
        joined = bytearray()
        for part_id, size in parts:
            held = self._memory.staged.get(part_id, bytearray())
            if len(held) < size:
                raise FileGone("the bytes are gone")
            joined += held[:size]
        self._memory.staged[upload_id] = joined

    async def seal(self, upload_id: UploadId, *, size: int, fenced: bool = False) -> BlobKey:
        key = blob_key_of(upload_id)
        held = self._memory.staged.get(upload_id, bytearray() if size == 0 else None)
        if held is None and len(self._memory.blobs.get(key, b"")) == size:
            return key
        if held is None or len(held) < size:
            raise FileGone("the bytes are not what was received")
        self._memory.blobs[key] = bytes(held[:size])
        self._memory.staged.pop(upload_id, None)
        return key

    async def discard(self, upload_id: UploadId) -> None:
        self._memory.staged.pop(upload_id, None)

    async def staged(self) -> AsyncIterator[Staged]:
        for upload_id in list(self._memory.staged):
            yield Staged(upload_id, self._clock.now())


class MemoryBlob(Blob):
    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def fd(self) -> int | None:
        return None

    async def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        if wanted.end > len(self._data):
            raise FileGone("the file is shorter than it was")
        for start in range(wanted.start, wanted.end, _STRETCH_BYTES):
            yield self._data[start : min(start + _STRETCH_BYTES, wanted.end)]

    async def link(self, *, disposition: str, media_type: str) -> str | None:
        return None

    async def close(self) -> None:
        """Nothing is held."""


class MemoryBlobStorage(BlobStorage, HealthCheck):
    def __init__(self, memory: MemoryBytes) -> None:
        self._memory = memory

    async def open(self, key: BlobKey) -> Blob:
        if key not in self._memory.blobs:
            raise FileGone("the bytes are gone")
        return MemoryBlob(self._memory.blobs[key])

    async def put(self, key: BlobKey, content: bytes | Blob) -> int:
        data = content if isinstance(content, bytes) else await _whole(content)
        self._memory.blobs[key] = data
        return int(crc64nvme(data))

    async def delete(self, key: BlobKey) -> bool:
        self._memory.blobs.pop(key, None)
        return True

    async def check(self) -> None:
        """Memory is always there."""


async def _whole(blob: Blob) -> bytes:
    return b"".join([block async for block in blob.blocks(ByteRange(0, blob.size))]) if blob.size else b""
