"""How many connections each of several servers has, so that whoever has the fewest takes the next one in."""

import mmap
from struct import Struct

from adapters.inbound.http.engine.accepting import Neighbours
from infrastructure.supervision.supervised import COUNT_BYTES, Supervised

_COUNT = Struct("<I")


class SharedCounts(Neighbours):
    """In memory that all of them have: a number for each berth, written by its process alone."""

    def __init__(self, supervised: Supervised) -> None:
        places = [at * COUNT_BYTES for at in range(len(supervised.figures))]
        self._memory = mmap.mmap(supervised.connections, len(places) * COUNT_BYTES)
        self._own = places.pop(supervised.berth - 1)
        self._others = places
        self.least(0)

    def least(self, own: int) -> int:
        _COUNT.pack_into(self._memory, self._own, own)
        counts = [_COUNT.unpack_from(self._memory, at)[0] for at in self._others]
        return min(counts, default=own)
