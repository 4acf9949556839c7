"""A bucket, for looking at. Contract: tests/contract/test_medium.py."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from awscrt.checksums import crc64nvme

from adapters.outbound.s3.bucket import Bucket
from adapters.outbound.s3.layout import BLOBS, IMAGES, STAGED, blob_name
from adapters.outbound.s3.probe import answering, check_service
from domain.byte_range import ByteRange
from domain.errors import FileGone, LongshoreError
from domain.finding import Finding, Recorded, ok, problem
from ports.medium import Medium

_BLOCK = 8 * 1024**2


class S3Medium(Medium):
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.id: str | None = None

    async def findings(self) -> AsyncIterator[Finding]:
        place = self._bucket.address.place
        try:
            async with answering():
                bucket_id = await self._bucket.identify()
                if bucket_id is not None:
                    await check_service(self._bucket)
        except LongshoreError as error:
            yield problem(f"the bucket {place}: {error.detail}")
            return
        if bucket_id is None:
            yield problem(f"the bucket {place} has no marker: is it the right one? For a new database serve makes one")
            return
        self.id = bucket_id
        yield ok(f"the bucket {place} answers, has its marker and takes bytes")

    async def staged(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        sizes: dict[str, int] = defaultdict(int)
        young = set()
        async for found in self._bucket.list(STAGED):
            upload_id = found.name.split("/")[1]
            sizes[upload_id] += found.size
            if found.modified >= before:
                young.add(upload_id)
        async for multipart in self._bucket.multiparts.under_way(BLOBS):
            upload_id = multipart.name.removeprefix(BLOBS)
            sizes[upload_id] += 0
            if multipart.begun >= before:
                young.add(upload_id)
        yield {upload_id: size for upload_id, size in sizes.items() if upload_id not in young}

    async def blobs(self, before: datetime) -> AsyncIterator[Mapping[str, int]]:
        for prefix in (BLOBS, IMAGES):
            async for found in self._bucket.list(prefix):
                if found.modified < before:
                    yield {found.name.removeprefix(BLOBS): found.size}

    async def wrong_with(self, recorded: Recorded, *, scrub: bool) -> str:
        name, size = blob_name(recorded.blob_key), recorded.size
        try:
            blob = await self._bucket.describe(name)
            if blob is None:
                return "its bytes are missing"
            if blob.size != size:
                return f"it has {blob.size} bytes, {size} were received"
            if scrub and recorded.crc64 is not None and await self._crc64(name, size) != recorded.crc64:
                return "its bytes are not those that were received (CRC-64/NVME)"
        except FileGone:
            return "its bytes are missing"
        except LongshoreError as error:
            return f"its bytes can't be read ({error.detail})"
        return ""

    async def _crc64(self, name: str, size: int) -> int:
        value = 0
        for start in range(0, size, _BLOCK):
            data = await self._bucket.get(name, ByteRange(start, min(start + _BLOCK, size)))
            value = await asyncio.to_thread(crc64nvme, data, value)
        return value
