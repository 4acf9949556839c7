"""Reads pieces back, and keeps the newest in memory for that: most are read once, soon, by who wrote them."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from adapters.outbound.s3.bucket import Bucket
from adapters.outbound.s3.layout import Slice

_KEPT_BYTES = 32 * 1024 * 1024
_READERS = 8


class Pieces:
    """A piece's bytes never change, and no two bear one name: what is kept here is never out of date."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._reading = asyncio.Semaphore(_READERS)

    def keep(self, name: str, data: bytes) -> None:
        self._kept[name] = data
        self._size += len(data)
        while self._size > _KEPT_BYTES:
            self._size -= len(self._kept.popitem(last=False)[1])

    def forget(self, names: Sequence[str]) -> None:
        for name in names:
            self._size -= len(self._kept.pop(name, b""))

    async def read(self, slices: Sequence[Slice]) -> bytes:
        """The bytes of the slices, one after the other.

        Raises:
            FileGone: one is not there any more, or is shorter than it was.
        """
        return b"".join(await asyncio.gather(*(self._read(slice_) for slice_ in slices)))

    async def _read(self, slice_: Slice) -> bytes:
        kept = self._kept.get(slice_.name)
        if kept is not None:
            return kept[slice_.source.start : slice_.source.end]
        async with self._reading:
            return await self._bucket.get(slice_.name, slice_.source)
