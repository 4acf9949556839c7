"""What has to be read is read once for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

from domain.ids import OwnerId
from domain.progress import ImageStanding, Standing

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class Reading(NamedTuple):
    """What the repository knew of an upload; ``at`` is the monotonic time by which that was told."""

    watch_id: str
    owner: OwnerId
    standing: Standing
    at: float
    image: ImageStanding | None = None


class _Group(Generic[Key, Found]):
    """Those who go together."""

    __slots__ = ("keys", "read")

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.read: asyncio.Task[Mapping[Key, Found]]


class SharedReads(Generic[Key, Found]):
    """``read`` finds what there is under the keys it is given, ``at_most`` so many different ones.

    One read runs at a time. Who asks meanwhile goes with the next one, for what the running one finds may be older
    than the question. Who stops waiting harms nobody.
    """

    def __init__(self, read: Callable[[Collection[Key]], Awaitable[Mapping[Key, Found]]], *, at_most: int) -> None:
        self._read = read
        self._at_most = at_most
        self._turn = asyncio.Lock()
        self._next: _Group[Key, Found] | None = None
        self._groups: set[asyncio.Task[Mapping[Key, Found]]] = set()

    async def find(self, keys: Collection[Key]) -> Mapping[Key, Found]:
        """What there is under ``keys``, at most ``at_most`` of them, and under those that others asked for just then.

        Raises:
            whatever ``read`` raises: to all who shared it.
        """
        if not keys:
            return {}
        group = self._next
        if group is None or len(group.keys | set(keys)) > self._at_most:
            group = self._next = _Group()
            group.read = asyncio.create_task(self._read_group(group))
            self._groups.add(group.read)
            group.read.add_done_callback(self._groups.discard)
        group.keys.update(keys)
        return await asyncio.shield(group.read)

    async def close(self) -> None:
        """Whoever waits still is cancelled."""
        groups = list(self._groups)
        for group in groups:
            group.cancel()
        await asyncio.gather(*groups, return_exceptions=True)

    async def _read_group(self, group: _Group[Key, Found]) -> Mapping[Key, Found]:
        async with self._turn:
            if self._next is group:
                self._next = None
            return await self._read(group.keys)
