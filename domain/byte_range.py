"""Which bytes of an upload have been received: half-open ranges, folded as they touch."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from domain.checksum import crc64nvme_combine
from domain.errors import InvalidByteRange


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """Bytes ``start`` to ``end`` - 1; never empty."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InvalidByteRange(f"not a byte range: {self.start} to {self.end}")

    @property
    def size(self) -> int:
        return self.end - self.start

    def overlaps(self, other: "ByteRange") -> bool:
        """Whether any byte is in both."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Extent:
    """A byte range whose bytes are durable, with their CRC-64/NVME (None: not known)."""

    range: ByteRange
    crc64: int | None

    def followed_by(self, other: "Extent") -> "Extent":
        """Both as one; ``other`` begins where this one ends."""
        crc64 = None
        if self.crc64 is not None and other.crc64 is not None:
            crc64 = crc64nvme_combine(self.crc64, other.crc64, other.range.size)
        return Extent(ByteRange(self.range.start, other.range.end), crc64)


class ReceivedRanges:
    """A set of bytes that only grows: the same coverage whatever the order and overlap of what is added.

    Extents that touch are folded and their checksums combined. Where two overlap without one lying in the
    other, the checksum of the fold is not known.
    """

    __slots__ = ("_extents", "prefix")

    prefix: int
    """How many bytes there are without a gap from byte 0 on: the upload's offset."""

    def __init__(self, extents: "list[Extent] | tuple[Extent, ...]" = ()) -> None:
        self._extents: list[Extent] = []  # sorted, disjoint, never touching
        self.prefix = 0
        for extent in sorted(extents, key=lambda extent: (extent.range.start, -extent.range.end)):
            self.add(extent)

    def __iter__(self) -> Iterator[Extent]:
        return iter(self._extents)

    def __len__(self) -> int:
        """How many separate stretches there are."""
        return len(self._extents)

    def add(self, extent: Extent) -> Extent:
        """Take ``extent`` in; return the fold that now holds it."""
        extents = self._extents
        # Uploads mostly grow at their end: then there is one neighbour, the last.
        first = last = bisect_left(extents, extent.range.start, key=lambda known: known.range.end)
        fold = extent
        while last < len(extents) and extents[last].range.start <= extent.range.end:
            fold = _fold(extents[last], fold)
            last += 1
        extents[first:last] = [fold]
        if fold.range.start == 0:
            self.prefix = fold.range.end
        return fold

    @property
    def size(self) -> int:
        """How many bytes there are in all, gaps or not."""
        return sum(extent.range.size for extent in self._extents)

    @property
    def end(self) -> int:
        """One past the last byte received."""
        return self._extents[-1].range.end if self._extents else 0

    def covers(self, wanted: ByteRange) -> bool:
        at = bisect_left(self._extents, wanted.end, key=lambda known: known.range.end)
        return at < len(self._extents) and self._extents[at].range.start <= wanted.start

    def gaps(self, length: int) -> list[ByteRange]:
        """What is missing below ``length``, in order."""
        missing, at = [], 0
        for extent in self._extents:
            if extent.range.start >= length:
                break
            if extent.range.start > at:
                missing.append(ByteRange(at, extent.range.start))
            at = extent.range.end
        if at < length:
            missing.append(ByteRange(at, length))
        return missing

    def crc64(self) -> int | None:
        """The checksum of everything from byte 0 to ``prefix``; None where it is not known."""
        if not self._extents:
            return 0
        return self._extents[0].crc64 if self._extents[0].range.start == 0 else None


def _fold(known: Extent, added: Extent) -> Extent:
    if known.range.end == added.range.start:
        return known.followed_by(added)
    if added.range.end == known.range.start:
        return added.followed_by(known)
    if known.range.start <= added.range.start and added.range.end <= known.range.end:
        return known
    if added.range.start <= known.range.start and known.range.end <= added.range.end:
        return added
    start, end = min(known.range.start, added.range.start), max(known.range.end, added.range.end)
    return Extent(ByteRange(start, end), None)
