"""Sealed blobs in a bucket: read by ranged requests, or fetched by the client itself from a signed link."""

from collections import Counter
from collections.abc import AsyncIterator

from awscrt.checksums import crc64nvme

from adapters.outbound.s3.bucket import Bucket
from adapters.outbound.s3.layout import blob_name
from domain.byte_range import ByteRange
from domain.errors import FileGone
from domain.ids import BlobKey
from ports.blob_storage import Blob, BlobStorage
from ports.health import HealthCheck

LINK_SECONDS = 3600


class S3BlobStorage(BlobStorage, HealthCheck):
    """``gives_links``: whether clients can and may reach the bucket themselves."""

    def __init__(self, bucket: Bucket, *, gives_links: bool = True) -> None:
        self._bucket = bucket
        self._gives_links = gives_links
        self._readers: Counter[BlobKey] = Counter()
        self._deleted: set[BlobKey] = set()

    async def open(self, key: BlobKey) -> Blob:
        blob = None if key in self._deleted else await self._bucket.describe(blob_name(key))
        if blob is None:
            await self._bucket.check()
            raise FileGone("the bytes are gone")
        self._readers[key] += 1
        return S3Blob(self, self._bucket, key, blob.size, gives_links=self._gives_links)

    async def put(self, key: BlobKey, content: bytes | Blob) -> int:
        data = content if isinstance(content, bytes) else await _whole(content)
        await self._bucket.put(blob_name(key), data)
        return int(crc64nvme(data))

    async def delete(self, key: BlobKey) -> bool:
        # The last reader in this process takes the bytes along; whether that went well, only the next call can tell.
        if self._readers[key]:
            self._deleted.add(key)
            return False
        await self._bucket.delete([blob_name(key)])
        return True

    async def check(self) -> None:
        await self._bucket.check()

    async def let_go(self, key: BlobKey) -> None:
        self._readers[key] -= 1
        if self._readers[key] > 0:
            return
        del self._readers[key]
        if key in self._deleted:
            try:
                await self._bucket.delete([blob_name(key)])
            finally:
                self._deleted.discard(key)


class S3Blob(Blob):
    def __init__(self, storage: S3BlobStorage, bucket: Bucket, key: BlobKey, size: int, *, gives_links: bool) -> None:
        self._storage = storage
        self._bucket = bucket
        self._key = key
        self._size = size
        self._gives_links = gives_links
        self._is_open = True

    @property
    def size(self) -> int:
        return self._size

    @property
    def fd(self) -> int | None:
        return None

    def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        return self._bucket.blocks(blob_name(self._key), wanted)

    async def link(self, *, disposition: str, media_type: str) -> str | None:
        if not self._gives_links:
            return None
        return await self._bucket.link(
            blob_name(self._key), disposition=disposition, media_type=media_type, seconds=LINK_SECONDS
        )

    async def close(self) -> None:
        if self._is_open:
            self._is_open = False
            await self._storage.let_go(self._key)


async def _whole(blob: Blob) -> bytes:
    return b"".join([block async for block in blob.blocks(ByteRange(0, blob.size))]) if blob.size else b""
