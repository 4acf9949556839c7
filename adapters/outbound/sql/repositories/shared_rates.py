"""What clients have asked of all servers, a row for each window. Contract: tests/contract/test_shared_rates.py."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, literal, select, type_coerce, update

from adapters.outbound.sql.batches import Batches
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.locks.lease_clock import LeaseClock
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.tables import Instant, rate_windows, servers
from domain.errors import Unavailable
from domain.rate import Given, Rate, Window, Wish, take
from ports.clock import Clock
from ports.shared_rates import SharedRates

_LIFE = timedelta(seconds=90)
_RENEWED_SECONDS = 30.0
_MAX_BATCH = 200

_w, _s = rate_windows.c, servers.c
_KEEP = (
    update(rate_windows)
    .where(_w.key == bindparam("of"))
    .values(hits=bindparam("hits"), expires_at=bindparam("expires_at"))
)


class SqlSharedRates(SharedRates):
    """All who wait share one transaction, which locks the rows that it changes in the order of their keys. What is over
    goes every 30 seconds, with the row that says that this server is here."""

    def __init__(self, database: Database, clock: Clock, *, identity: ProcessIdentity | None = None) -> None:
        self._database = database
        self._wall_clock = clock
        self._clock = LeaseClock(database, clock)
        self._identity = identity or ProcessIdentity.here()
        self._renew_at: float | None = None
        self._takes = Batches[Wish, Given](self._take_all, limit=_MAX_BATCH)

    async def look(self) -> bool:
        if self._renew_at is None or self._clock.monotonic() >= self._renew_at:
            await self._database.write(self._renew)
            self._renew_at = self._clock.monotonic() + _RENEWED_SECONDS
        others = select(_s.id).where(_s.id != str(self._identity), _s.expires_at >= self._clock.after(timedelta(0)))
        found = await self._database.read(lambda connection: connection.execute(others).scalars().all())
        dead = [id_ for id_ in found if self._identity.knows_dead(ProcessIdentity.parse(id_))]
        if dead:
            gone = delete(servers).where(_s.id.in_(dead))
            await self._database.write(lambda connection: connection.execute(gone))
        return len(found) > len(dead)

    async def take(self, wish: Wish) -> Given:
        return await self._takes.submit(wish)

    async def leave(self) -> None:
        await self._takes.close()
        if self._renew_at is not None:
            self._renew_at = None
            with suppress(Unavailable):  # then its row is over in a while
                await self._database.write(self._remove)

    def _renew(self, connection: Connection) -> None:
        now = self._clock.after(timedelta(0))
        connection.execute(delete(rate_windows).where(_w.expires_at < now))
        connection.execute(delete(servers).where(_s.expires_at < now))
        self._remove(connection)
        here = insert(servers).values(id=str(self._identity), expires_at=self._clock.after(_LIFE))
        connection.execute(here)

    def _remove(self, connection: Connection) -> None:
        connection.execute(delete(servers).where(_s.id == str(self._identity)))

    async def _take_all(self, wishes: Sequence[Wish]) -> Sequence[Given]:
        rates = {_key(wish, rate): rate for wish in wishes for rate in wish.rates}

        def take_all(connection: Connection) -> Sequence[Given]:
            now, windows = self._locked(connection, rates)
            given = [
                take([windows[_key(wish, rate)] for rate in wish.rates], wish.amount, wish.made, now) for wish in wishes
            ]
            connection.execute(_KEEP, [_to_row(key, window, now) for key, window in windows.items()])
            return given

        return await self._database.write(take_all, urgent=True)

    def _locked(self, connection: Connection, rates: dict[str, Rate]) -> tuple[float, dict[str, Window]]:
        """The time, of a moment in which nobody else changes the windows, and these."""
        fresh = insert_into(rate_windows, is_sqlite=self._database.is_sqlite).values(
            hits="[]", expires_at=self._clock.after(timedelta(0))
        )
        locking = fresh.on_conflict_do_update(index_elements=[_w.key], set_={"hits": _w.hits})
        is_sqlite = self._database.is_sqlite
        # PostgreSQL's now() is that of the transaction's begin, before it had waited for a row.
        now = literal(self._wall_clock.now(), Instant()) if is_sqlite else func.clock_timestamp()
        returning = locking.returning(_w.key, _w.hits, type_coerce(now, Instant()).label("now"))
        rows = connection.execute(returning, [{"key": key} for key in sorted(rates)]).all()
        hits = {row.key: [(float(at), int(count)) for at, count in json.loads(row.hits)] for row in rows}
        return max(row.now for row in rows).timestamp(), {key: Window(rates[key], hits[key]) for key in sorted(rates)}


def _key(wish: Wish, rate: Rate) -> str:
    return f"{rate.seconds} {wish.client}"


def _to_row(key: str, window: Window, now: float) -> dict[str, Any]:
    over = datetime.fromtimestamp(now + 2 * window.rate.seconds, UTC)
    return {"of": key, "hits": json.dumps(window.hits, separators=(",", ":")), "expires_at": over}
