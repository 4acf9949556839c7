"""The rows that leases are: claimed, wanted, taken over, renewed and released, each in one short statement.

A lease whose holder is ``SHARED`` stands for all leases of ranges of that upload: range_leases.py.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, not_, select, update

from adapters.outbound.sql.batches import Batches
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.locks.lease_clock import TTL, LeaseClock
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.tables import range_leases, upload_leases
from domain.ids import UploadId
from ports.clock import Clock

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

SHARED = "shared"
_FORGOTTEN = timedelta(hours=1)
_MAX_BATCH = 500
_FREE = ""

_c = upload_leases.c
_r = range_leases.c


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease that is ours now, ``since`` on the monotonic clock at the earliest."""

    token: str
    since: float


@dataclass(frozen=True, slots=True)
class Found:
    """A lease as it stands; ``is_over`` if it has run out or was released. ``holders``: one, or those of its ranges."""

    token: str
    holders: tuple[ProcessIdentity | None, ...]
    is_shared: bool
    expires_at: datetime
    is_over: bool
    wanted_by: str | None


class SqlLeases:
    def __init__(self, database: Database, clock: Clock, holder: ProcessIdentity) -> None:
        self._database = database
        self._clock = LeaseClock(database, clock)
        self._holder = str(holder)
        self._claims = Batches[tuple[UploadId, str], Taken | None](self._claim_all, limit=_MAX_BATCH)
        self._releases = Batches[str, None](self._release_all, limit=_MAX_BATCH)

    async def claim(self, upload_id: UploadId) -> Taken | None:
        """The lease, or None if somebody else's stands."""
        return await self._claims.submit((upload_id, secrets.token_hex(16)))

    async def want(self, upload_id: UploadId, *, by: str) -> bool:
        """Ask its holder to let go, instead of whoever asked before; False if there is no holder."""
        asked = update(upload_leases).where(_c.upload_id == upload_id).values(wanted_by=by)
        return bool(await self._database.write(lambda connection: connection.execute(asked).rowcount, urgent=True))

    async def find(self, upload_id: UploadId) -> Found | None:
        is_over = self._clock.is_over(_c.expires_at).label("is_over")
        columns = (_c.token, _c.holder, _c.expires_at, is_over, _c.wanted_by)
        async with self._database.transaction() as transaction:
            rows = await transaction.read(select(*columns).where(_c.upload_id == upload_id))
            if not rows:
                return None
            row = rows[0]
            holders = [row["holder"]]
            if row["holder"] == SHARED:
                standing = (_r.generation == row["token"], not_(self._clock.is_over(_r.expires_at)))
                sharers = select(_r.holder).where(_r.upload_id == upload_id, *standing)
                holders = [sharer["holder"] for sharer in await transaction.read(sharers)]
        return Found(
            row["token"],
            tuple(map(ProcessIdentity.parse, holders)),
            row["holder"] == SHARED,
            row["expires_at"],
            bool(row["is_over"]),
            row["wanted_by"],
        )

    async def take_over(self, upload_id: UploadId, *, token: str, wanted_by: str) -> Taken | None:
        """The lease in place of ``token``'s; None if that has changed, or another one wants it by now."""
        mine = secrets.token_hex(16)
        old = update(upload_leases).where(_c.upload_id == upload_id, _c.token == token, _c.wanted_by == wanted_by)

        def take(connection: Connection) -> Taken | None:
            since = self._clock.monotonic()
            new = {"token": mine, "holder": self._holder, "expires_at": self._clock.after(TTL), "wanted_by": None}
            return Taken(mine, since) if connection.execute(old.values(new)).rowcount else None

        return await self._database.write(take, urgent=True)

    async def renew(self, tokens: Sequence[str]) -> set[str]:
        """Put their ends off; return those that still stand."""
        standing: set[str] = set()
        for some in slices(tokens):
            standing |= await self._database.write(partial(self._renew, some), urgent=True)
        return standing

    async def wanted(self) -> list[tuple[str, str]]:
        """Our leases that somebody else wants: their tokens, and who."""
        wanted = select(_c.token, _c.wanted_by).where(_c.holder == self._holder, _c.wanted_by.is_not(None))
        rows = await self._database.read(lambda connection: connection.execute(wanted).all(), urgent=True)
        return [(row.token, row.wanted_by) for row in rows]

    async def outbid(self, token: str, *, wanted_by: str) -> None:
        """Tell who wants it that a newer request has it now."""
        newer = update(upload_leases).where(_c.token == token, _c.wanted_by == wanted_by).values(wanted_by=None)
        await self._database.write(lambda connection: connection.execute(newer), urgent=True)

    async def release(self, tokens: Iterable[str]) -> None:
        """Let them go; what is recorded under one of them from now on is refused."""
        await asyncio.gather(*(self._releases.submit(token) for token in tokens))

    async def sweep(self) -> None:
        """Forget what ran out long ago and nobody took over."""
        old = delete(upload_leases).where(_c.expires_at < self._clock.after(-_FORGOTTEN))
        await self._database.write(lambda connection: connection.execute(old))

    async def close(self) -> None:
        await self._claims.close()
        await self._releases.close()

    async def _claim_all(self, claims: Sequence[tuple[UploadId, str]]) -> Sequence[Taken | None]:
        # One statement can't touch a row twice; an earlier claim of the same upload has been given up.
        rows = {id_: {"upload_id": id_, "token": token, "holder": self._holder} for id_, token in claims}
        # In order of the ids, as everywhere, so that no two processes can wait for one another.
        in_order = [rows[id_] for id_ in sorted(rows)]

        def claim(connection: Connection) -> dict[str, Taken]:
            since = self._clock.monotonic()  # now, for it may have waited: a lease is no shorter for that
            got = connection.execute(self._upsert().returning(_c.token), in_order).scalars()
            return {token: Taken(token, since) for token in got}

        taken = await self._database.write(claim, urgent=True)
        return [taken.get(token) for _, token in claims]

    def _upsert(self) -> "sqlite.Insert | postgresql.Insert":
        fresh = insert_into(upload_leases, is_sqlite=self._database.is_sqlite).values(expires_at=self._clock.after(TTL))
        ours = {
            "token": fresh.excluded.token,
            "holder": fresh.excluded.holder,
            "expires_at": fresh.excluded.expires_at,
        }
        return fresh.on_conflict_do_update(
            index_elements=[_c.upload_id], set_={**ours, "wanted_by": None}, where=self._clock.is_over(_c.expires_at)
        )

    def _renew(self, tokens: Sequence[str], connection: Connection) -> set[str]:
        renewed = update(upload_leases).where(_c.token.in_(tokens)).values(expires_at=self._clock.after(TTL))
        return set(connection.execute(renewed.returning(_c.token)).scalars())

    async def _release_all(self, tokens: Sequence[str]) -> Sequence[None]:
        ours = _c.token.in_(tokens)
        # Where somebody waits the row stays, for who that is stands in it.
        over = {"token": _c.upload_id, "holder": _FREE, "expires_at": self._clock.after(timedelta(0))}

        def release(connection: Connection) -> None:
            connection.execute(delete(upload_leases).where(ours, _c.wanted_by.is_(None)))
            connection.execute(update(upload_leases).where(ours).values(over))

        await self._database.write(release, urgent=True)
        return [None for _ in tokens]


def slices(tokens: Sequence[str], size: int = 5000) -> Iterable[Sequence[str]]:
    return (tokens[at : at + size] for at in range(0, len(tokens), size))
