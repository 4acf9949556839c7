"""What is known of an unfinished upload in the bucket, as one listing tells. How it lies there: ``layout.py``."""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from adapters.outbound.s3.bucket import Bucket, Found
from adapters.outbound.s3.errors import AlreadyThere
from adapters.outbound.s3.layout import MADE_FROM, Piece, Plan, Slice, blob_name, staged_prefix
from domain.byte_range import ByteRange
from domain.errors import StorageUnavailable
from domain.ids import UploadId

_KNOWN_UPLOADS = 4096
SETTLING_SECONDS = 0.3


@dataclass(slots=True)
class Absorbed:
    """What a part of this process's making holds: as long as the part is that one, these pieces add nothing."""

    version: str
    names: frozenset[str]


@dataclass(slots=True, eq=False)
class Staging:
    """What is known of one upload. Writers of one process share it; nothing in it is needed to go on elsewhere."""

    upload_id: UploadId
    pieces: dict[str, Piece] = field(default_factory=dict)
    plan: Plan | None = None
    plan_name: str = ""
    plan_version: str = ""
    base_nonces: tuple[str, ...] = ()
    base: int = 0
    """How many bytes the base has."""
    other_names: tuple[str, ...] = ()
    absorbed: dict[int, Absorbed] = field(default_factory=dict)
    composing: set[int] = field(default_factory=set)
    planning: asyncio.Lock = field(default_factory=asyncio.Lock)
    garbage: set[str] = field(default_factory=set)
    """Pieces whose bytes lie in larger ones now."""
    _news: list[set[str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.pieces or self.plan or self.base_nonces)

    @property
    def names(self) -> list[str]:
        """Of everything that is staged; the last to be deleted is last: it tells what the blob was made from."""
        last = self.anchor_name
        return [name for name in [*self.pieces, *self.other_names] if name != last] + ([last] if last else [])

    @property
    def anchor(self) -> str:
        """What a blob that is made of these bytes is marked with."""
        return self.plan.nonce if self.plan else self.anchor_name.rpartition("/")[2] or "nothing"

    @property
    def anchor_name(self) -> str:
        if self.plan:
            return self.plan_name
        return max(self.pieces.values(), key=lambda piece: piece.number).name if self.pieces else ""

    def next_number(self) -> int:
        """Above that of every piece that was there when this write began; the time keeps numbers of one name apart."""
        return max(time.time_ns(), *(piece.number + 1 for piece in self.pieces.values()), 0)

    def add(self, piece: Piece) -> None:
        self.pieces[piece.name] = piece
        for news in self._news:
            news.add(piece.name)

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            self.pieces.pop(name, None)

    def overlapping(self, start: int, end: int) -> list[Piece]:
        return [piece for piece in self.pieces.values() if piece.overlaps(start, end)]

    def slices(
        self, start: int, end: int, pieces: Sequence[Piece] | None = None
    ) -> tuple[list[Slice], list[ByteRange]]:
        """Where the bytes ``start`` to ``end`` can be read, in order, and which can't (they may lie in parts).

        ``pieces``: those that may overlap, where the caller has looked for them already.
        """
        found: list[Slice] = []
        gaps = [ByteRange(start, end)] if start < end else []
        known = self.overlapping(start, end) if pieces is None else pieces
        for piece in sorted(known, key=lambda piece: (-piece.number, piece.start - piece.end)):
            gaps = _fill(gaps, Slice(piece.start, piece.end, piece.name, 0), found)
        if self.base:
            gaps = _fill(gaps, Slice(0, self.base, blob_name(self.upload_id), 0), found)
        return sorted(found), gaps

    def watch(self) -> set[str]:
        news: set[str] = set()
        self._news.append(news)
        return news

    def show(self, listed: Sequence[Found], news: set[str]) -> None:
        """Take what a listing says; ``news`` are pieces that came while it was made."""
        self._news = [other for other in self._news if other is not news]
        kept = {name: self.pieces[name] for name in news if name in self.pieces}
        others = []
        self.pieces.clear()
        for found in listed:
            if piece := Piece.parse(found.name):
                self.pieces[piece.name] = piece
            else:
                others.append(found.name)
        self.pieces.update(kept)
        self.other_names = tuple(others)
        self.garbage &= self.pieces.keys()


def _fill(gaps: list[ByteRange], slice_: Slice, found: list[Slice]) -> list[ByteRange]:
    """Put what ``slice_`` has of the gaps into ``found``; return the gaps that are left."""
    left = []
    for gap in gaps:
        start, end = max(gap.start, slice_.start), min(gap.end, slice_.end)
        if start >= end:
            left.append(gap)
            continue
        found.append(slice_.within(start, end))
        left += [ByteRange(*edge) for edge in ((gap.start, start), (end, gap.end)) if edge[0] < edge[1]]
    return left


def _plan_prefix(upload_id: UploadId) -> str:
    return f"{staged_prefix(upload_id)}plan"


def _first(plans: Sequence[Found]) -> Found | None:
    return min(plans, key=lambda found: (found.modified, found.name), default=None)


def _version(plan: Found) -> str:
    return plan.version or str(plan.modified)


class Stagings:
    """Looks at uploads in the bucket. ``find`` asks every time: another process may have gone on meanwhile.

    ``settling_seconds``, where the service doesn't refuse a second plan: what a listing shows so long after the first
    one was seen shows every plan with an earlier time. It is the service's own delay, between giving an object its
    time and listing it.
    """

    def __init__(self, bucket: Bucket, *, settling_seconds: float = SETTLING_SECONDS) -> None:
        self._bucket = bucket
        self._settling_seconds = settling_seconds
        self._known: OrderedDict[UploadId, Staging] = OrderedDict()

    async def find(self, upload_id: UploadId) -> Staging:
        staging = self._known.setdefault(upload_id, Staging(upload_id))
        self._known.move_to_end(upload_id)
        if len(self._known) > _KNOWN_UPLOADS:
            self._known.popitem(last=False)
        news, known = staging.watch(), staging.plan_version
        listed = [found async for found in self._bucket.list(staged_prefix(upload_id))]
        staging.show(listed, news)
        await self._read_plan(staging, listed, known)
        await self._read_base(staging)
        return staging

    def forget(self, upload_id: UploadId) -> None:
        self._known.pop(upload_id, None)

    async def planned(self, staging: Staging, part_bytes: int) -> Plan:
        """The upload's plan; a new one with parts of that size if it has none. The first one stands for all."""
        async with staging.planning:
            if staging.plan is None:
                await self._make_plan(staging, part_bytes)
            if staging.plan is None:
                raise StorageUnavailable("storage failed: a plan is gone")
            return staging.plan

    async def drop_plan(self, staging: Staging) -> None:
        """Its multipart upload is over."""
        await self._bucket.delete([staging.plan_name])
        staging.plan, staging.plan_name, staging.plan_version = None, "", ""
        staging.absorbed.clear()

    async def _make_plan(self, staging: Staging, part_bytes: int) -> None:
        """Nobody's plan is overwritten: a request that was held up can only add one, later than the one that stands."""
        plans = await self._plans(staging)
        if plans:
            await self._take_plan(staging, plans)
            return
        refuses = await self._bucket.refuses_overwriting()
        blob, nonce = blob_name(staging.upload_id), secrets.token_hex(8)
        ours = await self._bucket.multiparts.begin(blob, metadata={MADE_FROM: nonce})
        name = _plan_prefix(staging.upload_id) + ("" if refuses else f"-{nonce}")
        with suppress(AlreadyThere):  # another process was faster
            await self._bucket.put(name, Plan(part_bytes, ours, nonce).to_bytes(), only_new=refuses)
        await self._take_plan(staging, await self._plans(staging))
        if staging.plan and staging.plan.multipart_id != ours:
            await self._bucket.delete([] if refuses else [name])
            await self._bucket.multiparts.abort(blob, ours)

    async def _plans(self, staging: Staging) -> list[Found]:
        return [found async for found in self._bucket.list(_plan_prefix(staging.upload_id))]

    async def _take_plan(self, staging: Staging, plans: Sequence[Found]) -> None:
        """Use the one of ``plans`` that stands."""
        if not await self._bucket.refuses_overwriting():
            await asyncio.sleep(self._settling_seconds)
            plans = await self._plans(staging)
        first = _first(plans)
        staging.plan = Plan.parse(await self._bucket.get(first.name)) if first else None
        staging.plan_name, staging.plan_version = (first.name, _version(first)) if first else ("", "")

    async def _read_plan(self, staging: Staging, listed: Sequence[Found], known: str) -> None:
        """``known``: the version of the plan that was used when the listing began."""
        plans = [found for found in listed if found.name.startswith(_plan_prefix(staging.upload_id))]
        first = _first(plans)
        if first and _version(first) != staging.plan_version:
            async with staging.planning:
                if _version(first) != staging.plan_version:  # else another writer has waited for it
                    await self._take_plan(staging, plans)
        elif not first and known and known == staging.plan_version:
            staging.plan, staging.plan_name, staging.plan_version = None, "", ""

    async def _read_base(self, staging: Staging) -> None:
        prefix = f"{staged_prefix(staging.upload_id)}base-"
        staging.base_nonces = tuple(
            name.removeprefix(prefix) for name in staging.other_names if name.startswith(prefix)
        )
        staging.base = 0
        if staging.base_nonces:
            blob = await self._bucket.describe(blob_name(staging.upload_id))
            if blob and blob.metadata.get(MADE_FROM) in staging.base_nonces:
                staging.base = blob.size
