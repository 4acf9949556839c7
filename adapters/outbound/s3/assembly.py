"""Makes one blob of what is staged, and the bytes of a joined upload of those of its parts.

Mostly the parts are there and completing them is one request. What is missing is put together from pieces first. Only
bytes in parts that can't stay as they are (a client sent other bytes for some of them, after a crash or a refused
checksum; or they are wanted elsewhere, by a join) ask for more: the parts of an upload can't be read, so it is
completed as it is, as the upload's *base*, and that is read.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from adapters.outbound.s3.bucket import Bucket
from adapters.outbound.s3.errors import NoSuchMultipart, NotSupported
from adapters.outbound.s3.layout import MADE_FROM, PartSizes, Piece, Plan, Slice, blob_name, staged_prefix
from adapters.outbound.s3.multiparts import Part
from adapters.outbound.s3.pieces import Pieces
from adapters.outbound.s3.staging import Absorbed, Staging, Stagings
from domain.errors import FileGone, StorageUnavailable
from domain.ids import BlobKey, UploadId, blob_key_of

log = structlog.get_logger(__name__)

_SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class _Missing:
    """A part that is to be put together of these slices."""

    index: int
    slices: Sequence[Slice]


@dataclass(frozen=True, slots=True)
class _Inventory:
    """``mixed``: some parts hold bytes that don't count, beside or behind those that do."""

    missing: Sequence[_Missing]
    mixed: bool


class Assembly:
    def __init__(self, bucket: Bucket, stagings: Stagings, pieces: Pieces, sizes: PartSizes) -> None:
        self._bucket = bucket
        self._stagings = stagings
        self._pieces = pieces
        self._sizes = sizes
        self._copies = True  # until the service says that it can't

    async def seal(self, upload_id: UploadId, size: int) -> BlobKey:
        staging = await self._stagings.find(upload_id)
        if not await self._is_made(staging, size):
            await self._make(staging, size)
        await self._clear(staging)
        return blob_key_of(upload_id)

    async def join(self, upload_id: UploadId, parts: Sequence[tuple[UploadId, int]]) -> None:
        slices: list[Slice] = []
        total = 0
        for part_id, size in parts:
            slices += [slice_.moved(total) for slice_ in await self._readable(part_id, size)]
            total += size
        staging = await self._stagings.find(upload_id)
        if total <= self._sizes.largest:
            await self._put_piece(staging, slices, total)
            return
        plan = await self._stagings.planned(staging, self._sizes.of(total, chunk=self._sizes.largest))
        await self._put_parts(staging, plan, _cut(slices, plan.part_bytes))

    async def put_part(
        self,
        staging: Staging,
        plan: Plan,
        index: int,
        slices: Sequence[Slice],
        *,
        permit: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the part of these slices, which are all of it; within the service where that can be."""
        name = blob_name(staging.upload_id)
        version = await self._copy_part(name, plan, index, slices, permit)
        if version is None:
            data = await self._pieces.read(slices)
            permit()
            version = await self._bucket.multiparts.put_part(name, plan.multipart_id, index + 1, data)
        staging.absorbed[index] = Absorbed(version, frozenset(slice_.name for slice_ in slices))

    async def _copy_part(
        self, name: str, plan: Plan, index: int, slices: Sequence[Slice], permit: Callable[[], None]
    ) -> str | None:
        only = slices[0]
        if not self._copies or len(slices) > 1 or only.end - only.start < self._sizes.smallest:
            return None
        permit()
        try:
            return await self._bucket.multiparts.copy_part(name, plan.multipart_id, index + 1, only.name, only.source)
        except NotSupported:
            self._copies = False
            return None

    async def _put_piece(self, staging: Staging, slices: Sequence[Slice], size: int) -> None:
        if size:
            piece = Piece.new(staging.upload_id, 0, size, staging.next_number())
            await self._bucket.put(piece.name, await self._pieces.read(slices))

    async def _put_parts(self, staging: Staging, plan: Plan, missing: Sequence[_Missing]) -> None:
        for start in range(0, len(missing), _SIDE_BY_SIDE):
            some = missing[start : start + _SIDE_BY_SIDE]
            await _all([self.put_part(staging, plan, missed.index, missed.slices) for missed in some])

    async def _make(self, staging: Staging, size: int) -> None:
        if staging.plan is None and size <= self._sizes.largest:
            await self._make_small(staging, size)
            return
        plan = await self._stagings.planned(staging, self._sizes.of(size))
        try:
            parts = await self._bucket.multiparts.parts(blob_name(staging.upload_id), plan.multipart_id)
        except NoSuchMultipart:
            await self._make_without(staging, size)
            return
        inventory = await self._take_inventory(staging, plan, parts, size)
        if inventory.mixed:
            await self._make(await self._close(staging, plan, inventory, size), size)
            return
        await self._put_parts(staging, plan, inventory.missing)
        await self._complete(staging, plan, size)

    async def _make_small(self, staging: Staging, size: int) -> None:
        slices, gaps = staging.slices(0, size)
        if gaps:
            raise await self._gone()
        data = await self._pieces.read(slices)
        await self._bucket.put(blob_name(staging.upload_id), data, metadata={MADE_FROM: staging.anchor})

    async def _make_without(self, staging: Staging, size: int) -> None:
        """The parts were taken away behind our back; perhaps nothing of them is needed."""
        if staging.slices(0, size)[1]:
            raise await self._gone()
        await self._stagings.drop_plan(staging)
        await self._make(staging, size)

    async def _take_inventory(self, staging: Staging, plan: Plan, parts: dict[int, Part], size: int) -> _Inventory:
        by_part: dict[int, list[Piece]] = defaultdict(list)
        for piece in staging.pieces.values():
            for index in range(piece.start // plan.part_bytes, -(-piece.end // plan.part_bytes)):
                by_part[index].append(piece)
        # Parts past the end: Amazon lets them be left out, radosgw does not.
        missing, mixed = [], any(number > _count(plan, size) for number in parts)
        for index in range(_count(plan, size)):
            start, stop = index * plan.part_bytes, min((index + 1) * plan.part_bytes, size)
            part, pieces = parts.get(index + 1), by_part[index]
            if part and part.size == stop - start and _adds_nothing(staging, index, part, pieces):
                continue
            slices, gaps = staging.slices(start, stop, pieces)
            if not gaps:
                missing.append(_Missing(index, slices))
            elif part and start + part.size >= gaps[-1].end:
                mixed = True
            else:
                raise await self._gone()
        return _Inventory(missing, mixed)

    async def _complete(self, staging: Staging, plan: Plan, size: int) -> None:
        name = blob_name(staging.upload_id)
        parts = await self._all_parts(staging, plan, _count(plan, size))
        if sum(part.size for part in parts.values()) != size:
            raise StorageUnavailable("storage failed: a part is not what was put together")
        try:
            await self._bucket.multiparts.complete(name, plan.multipart_id, parts)
        except StorageUnavailable:
            # It may have been done all the same, with an answer that got lost.
            if not await self._is_made(staging, size):
                raise
        blob = await self._bucket.describe(name)
        if blob is None or blob.size != size:
            raise StorageUnavailable("storage failed: the blob is not what it was made of")

    async def _close(self, staging: Staging, plan: Plan, inventory: _Inventory, size: int) -> Staging:
        """Complete the multipart upload as it is, so that its bytes can be read; the upload stays unsealed."""
        whole = size // plan.part_bytes
        # A short one stays in pieces: S3 takes it as the last part only, and there may be others behind it.
        await self._put_parts(staging, plan, [missed for missed in inventory.missing if missed.index < whole])
        name, prefix = blob_name(staging.upload_id), staged_prefix(staging.upload_id)
        parts = await self._all_parts(staging, plan, whole)
        # First the marker: never is there a blob that could be taken for a sealed one.
        await self._bucket.put(f"{prefix}base-{plan.nonce}", b"")
        try:
            await self._bucket.multiparts.complete(name, plan.multipart_id, parts)
        except StorageUnavailable:
            blob = await self._bucket.describe(name)
            if blob is None or blob.metadata.get(MADE_FROM) != plan.nonce:
                raise
        await self._stagings.drop_plan(staging)
        return await self._stagings.find(staging.upload_id)

    async def _all_parts(self, staging: Staging, plan: Plan, count: int) -> dict[int, Part]:
        """The first ``count`` parts, which have to be there, and what there is behind them."""
        held = await self._bucket.multiparts.parts(blob_name(staging.upload_id), plan.multipart_id)
        if not held.keys() >= set(range(1, count + 1)):
            raise StorageUnavailable("storage failed: a part is not there any more")
        return held

    async def _readable(self, part_id: UploadId, size: int) -> list[Slice]:
        """Where the upload's first ``size`` bytes can be read."""
        staging = await self._stagings.find(part_id)
        slices, gaps = staging.slices(0, size)
        if gaps and staging.plan:
            try:
                parts = await self._bucket.multiparts.parts(blob_name(part_id), staging.plan.multipart_id)
            except NoSuchMultipart:
                raise await self._gone() from None
            inventory = await self._take_inventory(staging, staging.plan, parts, size)
            staging = await self._close(staging, staging.plan, inventory, size)
            slices, gaps = staging.slices(0, size)
        if gaps:
            raise await self._gone()
        return slices

    async def _is_made(self, staging: Staging, size: int) -> bool:
        """Whether the blob is there already, made of these very bytes by a call that a crash kept from being told."""
        blob = await self._bucket.describe(blob_name(staging.upload_id))
        if blob is None or blob.size != size:
            return False
        return staging.is_empty or blob.metadata.get(MADE_FROM) == staging.anchor

    async def _clear(self, staging: Staging) -> None:
        """Remove what the blob was made of; where that fails, cleanup will."""
        *names, last = staging.names or [""]
        try:
            await self._bucket.delete(names)
            await self._bucket.delete([last] if last else [])
        except StorageUnavailable as error:
            log.warning("pieces left to cleanup", upload_id=staging.upload_id, reason=error.detail)
        self._pieces.forget(names)
        self._stagings.forget(staging.upload_id)

    async def _gone(self) -> Exception:
        """What to raise for bytes that are not there: the bucket may be away as a whole."""
        await self._bucket.check()
        return FileGone("the bytes are not what was received")


def _count(plan: Plan, size: int) -> int:
    return -(-size // plan.part_bytes)


def _adds_nothing(staging: Staging, index: int, part: Part, pieces: Sequence[Piece]) -> bool:
    """Whether the part is the one that this process made of all these pieces."""
    if not pieces:
        return True
    absorbed = staging.absorbed.get(index)
    return bool(absorbed and absorbed.version == part.version and all(piece.name in absorbed.names for piece in pieces))


def _cut(slices: Sequence[Slice], part_bytes: int) -> list[_Missing]:
    """The slices, which follow one another, by the part that each belongs to."""
    by_part: dict[int, list[Slice]] = defaultdict(list)
    for slice_ in slices:
        for index in range(slice_.start // part_bytes, -(-slice_.end // part_bytes)):
            by_part[index].append(slice_.within(index * part_bytes, (index + 1) * part_bytes))
    return [_Missing(index, by_part[index]) for index in sorted(by_part)]


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Return once all are done; raise the first error, if any, only then: nothing is left running."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
