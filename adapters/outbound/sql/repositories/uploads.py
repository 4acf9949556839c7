"""Uploads as rows. Contract: tests/contract/test_upload_repository.py."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Label,
    RowMapping,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.repositories.mapping import extent_from_row, extent_to_row, upload_from_row, upload_to_row
from adapters.outbound.sql.tables import IS_OPEN, IS_UNMEASURED, LEFT_NO_FILE, received_ranges, uploads, usage
from domain.access import Principal
from domain.byte_range import ByteRange, Extent
from domain.errors import UploadNotFound, UploadTakenOver
from domain.ids import OwnerId, UploadId
from domain.upload import Upload
from domain.upload_policy import UploadPolicy, Usage
from domain.upload_state import OPEN_STATES, UploadKind, UploadState
from ports.upload_repository import OpenPlace, UploadRepository, Wanted

_IS_OPEN: ColumnElement[bool] = text(IS_OPEN).self_group()  # type: ignore[assignment]
_IS_UNMEASURED: ColumnElement[bool] = text(IS_UNMEASURED)  # type: ignore[assignment]
_LEFT_NO_FILE: ColumnElement[bool] = text(LEFT_NO_FILE)  # type: ignore[assignment]
_OPEN = [state.value for state in OPEN_STATES]
_c = uploads.c


def _usage_of(*counted: Label[int]) -> Select[*tuple[int, ...]]:
    return select(usage.c.open_uploads, usage.c.files, usage.c.bytes, *counted).where(
        usage.c.owner == bindparam("owner", type_=Text)
    )


def _received_of_unmeasured() -> Label[int]:
    """What has come of the owner's open uploads whose length nobody has told."""
    # Ranges may overlap where bytes came twice; for a budget that is near enough.
    ranges = received_ranges.c
    size = select(func.coalesce(func.sum(ranges.range_end - ranges.range_start), 0))
    received = size.join_from(uploads, received_ranges, ranges.upload_id == _c.id)
    return (
        received.where(_c.owner == usage.c.owner, _IS_UNMEASURED).correlate(usage).scalar_subquery().label("received")
    )


def _newest_watched(*of_whom: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
    """Of each owner's uploads under each id the newest; oldest first."""
    newest_first = (_c.created_at.desc(), _c.id.desc())
    place = func.row_number().over(partition_by=(_c.watch_id, _c.owner), order_by=newest_first).label("place")
    ids: BindParameter[Any] = bindparam("watch_ids", expanding=True)
    # Mostly it is the upload's own.
    watched = or_(and_(_c.id.in_(ids), _c.watch_id == _c.id), and_(_c.watch_id.in_(ids), _c.watch_id != _c.id))
    ranked = select(uploads, place).where(watched, *of_whom).subquery()
    newest: Select[*tuple[object, ...]] = select(ranked).where(ranked.c.place == 1)
    return newest.order_by(ranked.c.created_at, ranked.c.id)


# The triggers that count wait for the commit: an owner's row is locked as late as can be.
_COUNT_NOW = text("SET CONSTRAINTS ALL IMMEDIATE")
# Those of every upload are put together once: that costs as much as running them.
_ADD = insert(uploads)
_ADD_RANGES = insert(received_ranges)
_COUNTS = _usage_of()
_USAGE = _usage_of(_received_of_unmeasured())
_WATCHED_BY_OWNERS = _newest_watched(_c.owner.in_(bindparam("owners", expanding=True)))
_WATCHED_BY_ADMINISTRATORS = _newest_watched()
_BY_ID = select(uploads).where(_c.id == bindparam("upload_id"))
_RANGES = select(received_ranges).where(received_ranges.c.upload_id == bindparam("upload_id"))
# What is over stays as it is, even if someone who was thought dead comes back with other news.
_SAVE = update(uploads).where(
    _c.id == bindparam("upload_id"), or_(_c.state.in_(_OPEN), _c.state == bindparam("state_now"))
)
_FORGET_RANGES = delete(received_ranges).where(received_ranges.c.upload_id == bindparam("upload_id"))


class SqlUploadRepository(UploadRepository):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, upload: Upload) -> None:
        row, extents = upload_to_row(upload), [extent_to_row(upload.id, extent) for extent in upload.received]

        def add(connection: Connection) -> None:
            connection.execute(_ADD, row)
            if extents:
                connection.execute(_ADD_RANGES, extents)

        await self._transaction.change(add)

    async def get(self, upload_id: UploadId, principal: Principal) -> Upload:
        values = {"upload_id": upload_id}
        rows = await self._transaction.read(_BY_ID, values)
        if not rows or not principal.may_see(rows[0]["owner"]):
            raise UploadNotFound("no such upload")
        return upload_from_row(rows[0], await self._transaction.read(_RANGES, values))

    async def find_watched(self, wanted: Collection[Wanted]) -> Mapping[Wanted, Upload]:
        values: dict[str, Any] = {"watch_ids": list({watch_id for watch_id, _ in wanted})}
        statement = _WATCHED_BY_ADMINISTRATORS
        if not any(principal.is_admin for _, principal in wanted):
            statement, values["owners"] = _WATCHED_BY_OWNERS, list({principal.owner for _, principal in wanted})
        newest: dict[tuple[str, OwnerId | None], Upload] = {}
        for upload in await self._load(statement, values):
            newest[upload.watch_id, upload.owner] = newest[upload.watch_id, None] = upload
        keys = {one: (one[0], None if one[1].is_admin else one[1].owner) for one in wanted}
        return {one: newest[key] for one, key in keys.items() if key in newest}

    async def received_within(self, upload_id: UploadId, wanted: ByteRange) -> Sequence[Extent]:
        ranges = received_ranges.c
        overlapping = (ranges.range_start < wanted.end, ranges.range_end > wanted.start)
        found = select(received_ranges).where(ranges.upload_id == upload_id, *overlapping)
        rows = await self._transaction.read(found.order_by(ranges.range_start, ranges.range_end))
        return [extent_from_row(row) for row in rows]

    async def settle_chunk_size(self, upload_id: UploadId, chunk_size: int) -> int | None:
        first = update(uploads).where(_c.id == upload_id, _c.chunk_size.is_(None)).values(chunk_size=chunk_size)
        settled = select(_c.chunk_size).where(_c.id == upload_id)

        def settle(connection: Connection) -> int | None:
            connection.execute(first)
            return connection.execute(settled).scalar()

        return await self._transaction.write(settle)

    async def save(self, upload: Upload) -> None:
        """Raises:
        UploadNotFound: there is no such upload.
        UploadTakenOver: it is over by now, in another way than ``upload`` tells.
        """
        row = upload_to_row(upload)
        folded = [extent_to_row(upload.id, extent) for extent in upload.received] if upload.can_be_folded else []
        known = {"upload_id": upload.id}

        def save(connection: Connection) -> None:
            if not connection.execute(_SAVE, {**row, **known, "state_now": row["state"]}).rowcount:
                if connection.execute(_BY_ID, known).first():
                    raise UploadTakenOver("a newer request has ended this upload")
                raise UploadNotFound("no such upload")
            if folded:
                connection.execute(_FORGET_RANGES, known)
                connection.execute(_ADD_RANGES, folded)

        await self._transaction.change(save)

    async def delete(self, upload_id: UploadId) -> None:
        gone = delete(uploads).where(_c.id == upload_id)  # its ranges go by the foreign key
        await self._transaction.change(lambda connection: connection.execute(gone))

    async def follow_file(self, upload_id: UploadId, state: UploadState, now: datetime) -> None:
        followed = update(uploads).where(_c.id == upload_id).values(state=state.value, updated_at=now)
        await self._transaction.change(lambda connection: connection.execute(followed))

    async def list_open(self, principal: Principal, *, limit: int) -> Sequence[Upload]:
        mine = select(uploads).where(_c.owner == principal.owner, _IS_OPEN)
        return await self._load(mine.order_by(_c.created_at.desc(), _c.id.desc()).limit(limit))

    async def usage(self, owner: OwnerId) -> Usage:
        return await self._counted(_USAGE, owner)

    async def check_usage(self, owner: OwnerId, policy: UploadPolicy) -> None:
        statement = _COUNTS if policy.max_bytes is None else _USAGE
        if not self._transaction.is_sqlite:
            # Others of this owner wait for our commit: the owner's row is ours from here on.
            policy.check_usage(await self._counted(statement, owner))
            return

        def check(connection: Connection) -> None:
            policy.check_usage(_usage_from_rows(connection.execute(statement, {"owner": owner}).mappings().all()))

        await self._transaction.change(check)

    async def _counted(self, statement: Select[*tuple[int, ...]], owner: OwnerId) -> Usage:
        if not self._transaction.is_sqlite:
            await self._transaction.write(lambda connection: connection.execute(_COUNT_NOW))
        return _usage_from_rows(await self._transaction.read(statement, {"owner": owner}))

    async def list_expired(self, now: datetime, *, limit: int) -> Sequence[Upload]:
        expired = select(uploads).where(_IS_OPEN, _c.expires_at <= now)
        return await self._load(expired.order_by(_c.expires_at, _c.id).limit(limit))

    async def forget_ended(self, *, before: datetime, limit: int) -> int:
        ended = select(_c.id).where(_LEFT_NO_FILE, _c.updated_at < before).order_by(_c.updated_at).limit(limit)
        ids = [row["id"] for row in await self._transaction.read(ended)]
        if not ids:
            return 0
        gone = delete(uploads).where(_c.id.in_(ids))
        return await self._transaction.write(lambda connection: connection.execute(gone).rowcount)

    async def list_assembling(
        self, *, after: OpenPlace | None, limit: int
    ) -> tuple[Sequence[Upload], OpenPlace | None]:
        place = tuple_(_c.expires_at, _c.id)
        ahead = select(_c.expires_at, _c.id).where(_IS_OPEN)
        if after is not None:
            ahead = ahead.where(place > after)
        rows = await self._transaction.read(ahead.order_by(_c.expires_at, _c.id).offset(limit - 1).limit(1))
        until = (rows[0]["expires_at"], UploadId(rows[0]["id"])) if rows else None
        # The ranges may overlap, so their sum says only which uploads are worth loading.
        ranges = received_ranges.c
        size = func.coalesce(func.sum(ranges.range_end - ranges.range_start), 0)
        received = select(size).where(ranges.upload_id == _c.id).scalar_subquery()
        by_itself = and_(_c.completes_on_request.is_(False), _c.length.is_not(None), received >= _c.length)
        begun = or_(_c.state == UploadState.ASSEMBLING.value, by_itself)
        left = select(uploads).where(_IS_OPEN, _c.kind != UploadKind.PARTIAL.value, begun)
        if after is not None:
            left = left.where(place > after)
        if until is not None:
            left = left.where(place <= until)
        return [upload for upload in await self._load(left) if upload.is_ready], until

    async def open_among(self, ids: Collection[UploadId]) -> set[UploadId]:
        rows = await self._transaction.read(select(_c.id).where(_c.id.in_(ids), _IS_OPEN))
        return {UploadId(row["id"]) for row in rows}

    async def is_known(self, upload_id: UploadId) -> bool:
        return bool(await self._transaction.read(select(_c.id).where(_c.id == upload_id)))

    async def _load(self, statement: Select[*tuple[object, ...]], values: dict[str, Any] | None = None) -> list[Upload]:
        rows = await self._transaction.read(statement, values)
        if not rows:
            return []
        wanted = select(received_ranges).where(received_ranges.c.upload_id.in_([row["id"] for row in rows]))
        ranges: defaultdict[str, list[RowMapping]] = defaultdict(list)
        for range_ in await self._transaction.read(wanted):
            ranges[range_["upload_id"]].append(range_)
        return [upload_from_row(row, ranges[row["id"]]) for row in rows]


def _usage_from_rows(rows: Sequence[RowMapping]) -> Usage:
    """Of one row, or none: whoever holds nothing has none."""
    if not rows:
        return Usage(open_uploads=0, files=0, bytes=0)
    row = rows[0]
    return Usage(open_uploads=row["open_uploads"], files=row["files"], bytes=row["bytes"] + int(row.get("received", 0)))
