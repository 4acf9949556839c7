"""What each of several servers counts, for whichever of them is asked for ``/metrics``.

A monitor reaches one of them by the port, and never knows which. So each writes its figures down once a second, in a
file that all of them have open, and who is asked tells those of all: under the label ``process``, so that each series
begins anew with its own process, as a monitor expects, and sums are sums.
"""

import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from struct import Struct

from domain.measures import Family, Kind, Sample
from infrastructure.supervision.supervised import Supervised

_HEAD = Struct("<II")  # how many bytes follow, and their checksum: somebody may be writing just now
_LABEL = "process"


class Figures:
    """``own``: those of this process; ``supervised``: None, there are no others."""

    def __init__(self, own: Sequence[Callable[[], Sequence[Family]]], supervised: Supervised | None) -> None:
        self._own = own
        self._supervised = supervised
        self._others: dict[int, Sequence[Family]] = {}
        """As they were read last."""

    def families(self) -> Sequence[Family]:
        own = [family for families in self._own for family in families()]
        if self._supervised is None:
            return own
        of_all = {self._supervised.berth: own}
        for berth, file in enumerate(self._supervised.figures, 1):
            if berth != self._supervised.berth:
                self._others[berth] = _read(file) or self._others.get(berth, [])
        return _together({**self._others, **of_all})

    async def share(self) -> None:
        if self._supervised is not None:
            own = [family for families in self._own for family in families()]
            _write(self._supervised.figures[self._supervised.berth - 1], own)


def _together(of_all: Mapping[int, Sequence[Family]]) -> Sequence[Family]:
    """Each name once, with everybody's samples: the text format wants it so."""
    found: dict[str, Family] = {}
    for berth, families in sorted(of_all.items()):
        for family in families:
            samples = [replace(each, labels={**each.labels, _LABEL: str(berth)}) for each in family.samples]
            known = found.get(family.name)
            found[family.name] = replace(family, samples=[*(known.samples if known else ()), *samples])
    return list(found.values())


def _write(file: int, families: Sequence[Family]) -> None:
    plain = [(each.name, each.kind, each.text, [_plain(sample) for sample in each.samples]) for each in families]
    data = json.dumps(plain, separators=(",", ":")).encode()
    os.pwrite(file, _HEAD.pack(len(data), zlib.crc32(data)) + data, 0)


def _plain(sample: Sample) -> tuple[float, dict[str, str], str]:
    return sample.value, dict(sample.labels), sample.suffix


def _read(file: int) -> Sequence[Family] | None:
    """None: nothing is there yet, or not all of it."""
    head = os.pread(file, _HEAD.size, 0)
    if len(head) < _HEAD.size:
        return None
    size, checksum = _HEAD.unpack(head)
    data = os.pread(file, size, _HEAD.size)
    if len(data) != size or zlib.crc32(data) != checksum:
        return None
    return [
        Family(name, Kind(kind), text, [Sample(value, labels, suffix) for value, labels, suffix in samples])
        for name, kind, text, samples in json.loads(data)
    ]
