"""Files as rows. Contract: tests/contract/test_file_repository.py."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.repositories.mapping import file_from_row, file_to_row
from adapters.outbound.sql.tables import IS_LISTED, IS_UNDIGESTED, IS_UNFOLDED, files
from domain.access import Principal
from domain.errors import FileNotFound
from domain.file import File
from domain.file_list import FileOrder, FilePage, FilePlace, FileSelection
from domain.file_name import folded
from domain.ids import BlobKey, FileId, OwnerId
from ports.file_repository import FileRepository

_c = files.c
_IS_UNDIGESTED: ColumnElement[bool] = text(IS_UNDIGESTED)  # type: ignore[assignment]
_IS_LISTED: ColumnElement[bool] = text(IS_LISTED)  # type: ignore[assignment]
_IS_UNFOLDED: ColumnElement[bool] = text(IS_UNFOLDED)  # type: ignore[assignment]
_CHANGED = ("name", "folded_name", "path", "visibility", "expires_at")
# A page is mostly full after few; a name that hardly any file has would be looked for among a million.
_LOOKED_AT = (1_000, 20_000)
_SAVE_DIGEST = (
    update(files).where(_c.id == bindparam("file_id"), _c.sha256.is_(None)).values(sha256=bindparam("digest"))
)
_SAVE_CRC32 = update(files).where(_c.id == bindparam("file_id"), _c.crc32.is_(None)).values(crc32=bindparam("found"))
_FOLD = update(files).where(_c.id == bindparam("file_id")).values(folded_name=bindparam("folded"))
_KEYS: Mapping[str, ColumnElement[Any]] = {"created_at": _c.created_at, "name": _c.folded_name, "size": _c.size}


def of_blobs(keys: Collection[str]) -> ColumnElement[bool]:
    """Files whose bytes are under one of these: the one that bears its name, and those of the few others."""
    return or_(and_(_c.id.in_(keys), _c.blob_key == _c.id), and_(_c.blob_key.in_(keys), _c.blob_key != _c.id))


def places(
    selection: FileSelection, order: FileOrder, after: FilePlace | None, until: FilePlace | None = None
) -> Select[Any]:
    """Those of the owner's files, be they over or not, that come after the one and not after the other; each from an
    index, whatever the selection has beside the owner."""
    key = _KEYS[order.value_name]
    place, columns = tuple_(key, _c.id), (key.label("key"), _c.id)
    wanted = select(*columns).where(_IS_LISTED)
    if selection.owner is not None:
        wanted = wanted.where(_c.owner == selection.owner)
    if order.value_name == "name":
        wanted = wanted.where(key.is_not(None))
    if after is not None:
        wanted = wanted.where(place < after if order.is_descending else place > after)
    if until is not None:
        wanted = wanted.where(place >= until if order.is_descending else place <= until)
    return wanted.order_by(*(column.desc() if order.is_descending else column for column in (key, _c.id)))


def page(
    selection: FileSelection,
    order: FileOrder,
    after: FilePlace | None,
    until: FilePlace | None,
    now: datetime,
    *,
    is_sqlite: bool,
) -> Select[Any]:
    """Whole rows of all that the selection has there."""
    wanted = places(selection, order, after, until).with_only_columns(*_c)
    wanted = wanted.where(or_(_c.expires_at.is_(None), _c.expires_at > now))
    where_in = func.instr if is_sqlite else func.strpos
    if selection.name:
        wanted = wanted.where(where_in(_c.folded_name, folded(selection.name)) > 0)
    if text := selection.find:
        # What lower() knows depends on the database: of SQLite's, ASCII alone.
        in_path = where_in(func.lower(_c.path), func.lower(text)) > 0
        wanted = wanted.where(or_(where_in(_c.folded_name, folded(text)) > 0, in_path))
    if selection.media_type:
        wanted = wanted.where(_begins(_c.media_type, selection.media_type))
    if selection.folder:
        wanted = wanted.where(_begins(_c.path, selection.folder))
    return wanted


def _begins(column: ColumnElement[str], beginning: str) -> ColumnElement[bool]:
    return func.substr(column, 1, len(beginning)) == beginning


class SqlFileRepository(FileRepository):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, file: File) -> None:
        row = file_to_row(file)
        insert = insert_into(files, is_sqlite=self._transaction.is_sqlite).on_conflict_do_nothing()
        await self._transaction.change(lambda connection: connection.execute(insert, row))

    async def get(self, file_id: FileId, principal: Principal) -> File:
        file = await self.find(file_id)
        if not principal.may_see(file.owner):
            raise FileNotFound("no such file")
        return file

    async def find(self, file_id: FileId) -> File:
        rows = await self._transaction.read(select(files).where(_c.id == file_id))
        if not rows:
            raise FileNotFound("no such file")
        return file_from_row(rows[0])

    async def find_many(self, file_ids: Collection[FileId]) -> Mapping[FileId, File]:
        rows = await self._transaction.read(select(files).where(_c.id.in_(file_ids)))
        return {FileId(row["id"]): file_from_row(row) for row in rows}

    async def list(
        self, selection: FileSelection, order: FileOrder, *, after: FilePlace | None, now: datetime, limit: int
    ) -> FilePage:
        found: Sequence[File] = ()
        until = None
        for looked_at in _LOOKED_AT if selection.is_narrow else (None,):
            if looked_at is not None:
                rows = await self._transaction.read(places(selection, order, after).offset(looked_at - 1).limit(1))
                until = FilePlace(rows[0]["key"], FileId(rows[0]["id"])) if rows else None
            wanted = page(selection, order, after, until, now, is_sqlite=self._transaction.is_sqlite)
            found = [file_from_row(row) for row in await self._transaction.read(wanted.limit(limit + 1))]
            if len(found) > limit or until is None:
                break
        return FilePage(found[:limit], order.place_of(found[limit - 1]) if len(found) > limit else until)

    async def fold_names(self, *, limit: int) -> int:
        rows = await self._transaction.read(select(_c.id, _c.name).where(_IS_UNFOLDED).limit(limit))
        names = [{"file_id": row["id"], "folded": folded(row["name"])} for row in rows]
        if names:
            await self._transaction.change(lambda connection: connection.execute(_FOLD, names))
        return len(names)

    async def find_same(self, owner: OwnerId, sha256: bytes, size: int | None) -> File | None:
        same = select(files).where(_c.owner == owner, _c.sha256 == sha256, _IS_LISTED)
        if size is not None:
            same = same.where(_c.size == size)
        same = same.order_by(_c.credential.is_not(None), _c.created_at, _c.id).limit(1)
        # PostgreSQL: whoever wants to delete it waits for our commit. SQLite has one writer at a time anyway.
        rows = await self._transaction.read(same.with_for_update(read=True))
        return file_from_row(rows[0]) if rows else None

    async def list_undigested(self, *, after: tuple[datetime, FileId] | None, limit: int) -> Sequence[File]:
        left = select(files).where(_IS_UNDIGESTED)
        if after is not None:
            left = left.where(tuple_(_c.created_at, _c.id) > after)
        rows = await self._transaction.read(left.order_by(_c.created_at, _c.id).limit(limit))
        return [file_from_row(row) for row in rows]

    async def save_digests(self, digests: Mapping[FileId, bytes]) -> None:
        if digests:
            rows = [{"file_id": file_id, "digest": digests[file_id]} for file_id in sorted(digests)]
            await self._transaction.change(lambda connection: connection.execute(_SAVE_DIGEST, rows))

    async def save_crc32s(self, found: Mapping[FileId, int]) -> None:
        if found:
            rows = [{"file_id": file_id, "found": found[file_id]} for file_id in sorted(found)]
            await self._transaction.change(lambda connection: connection.execute(_SAVE_CRC32, rows))

    async def save(self, file: File, *, was: File) -> bool:
        old, new = ({name: file_to_row(one)[name] for name in _CHANGED} for one in (was, file))
        as_it_was = [_c[name].is_not_distinct_from(value) for name, value in old.items()]
        return await self._update(_c.id == file.id, _IS_LISTED, *as_it_was, **new)

    async def bin(self, file_id: FileId, until: datetime) -> bool:
        return await self._update(_c.id == file_id, _IS_LISTED, restorable_until=until)

    async def restore(self, file_id: FileId, now: datetime) -> bool:
        return await self._update(_c.id == file_id, _c.restorable_until > now, restorable_until=None)

    async def list_ended(self, now: datetime, *, limit: int) -> Sequence[File]:
        found: list[File] = []
        for time in (_c.expires_at, _c.restorable_until):  # each has an index of its own
            rows = await self._transaction.read(select(files).where(time <= now).order_by(time).limit(limit))
            found += [file for file in map(file_from_row, rows) if file not in found]
        return found[:limit]

    async def is_ended(self, file_id: FileId, now: datetime) -> bool:
        ended = or_(_c.expires_at <= now, _c.restorable_until <= now)
        return await self._update(_c.id == file_id, ended, size=_c.size)  # which is the row's lock

    async def _update(self, *where: ColumnElement[bool], **values: Any) -> bool:  # noqa: ANN401 -- columns' values
        statement = update(files).where(*where).values(values)
        return await self._transaction.write(lambda connection: connection.execute(statement).rowcount > 0)

    async def delete(self, file_id: FileId) -> BlobKey | None:
        rows = await self._transaction.read(select(_c.blob_key).where(_c.id == file_id))
        if not rows:
            return None
        key = BlobKey(rows[0]["blob_key"])
        sharers = select(_c.id).where(of_blobs([key]))

        def delete_one(connection: Connection) -> bool:
            # PostgreSQL: who deletes another one of these files waits here until we are done, and the other way round.
            connection.execute(sharers.order_by(_c.id).with_for_update()).all()
            gone = connection.execute(delete(files).where(_c.id == file_id)).rowcount
            # A statement of its own: it sees what was committed while we waited.
            return bool(gone) and connection.execute(sharers.limit(1)).first() is None

        return key if await self._transaction.write(delete_one) else None
