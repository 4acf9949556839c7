"""The rows that leases of byte ranges are.

While ranges of an upload are held, its own row in upload_leases has the holder ``SHARED``: whoever claims a range
locks that row first, so claims of one upload come one after the other, and who wants the whole finds it taken. Its
token is the generation of the range leases. It outlives them until somebody takes the whole upload: then all that
was given out under it is void, in the same moment.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, delete, exists, insert, not_, or_, select, update

from adapters.outbound.sql.batches import Batches
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.locks.lease_clock import TTL, LeaseClock
from adapters.outbound.sql.locks.leases import SHARED, slices
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.tables import range_leases, upload_leases
from domain.byte_range import ByteRange
from domain.ids import UploadId
from ports.clock import Clock

RANGES = "ranges"
"""In ``wanted_by`` of a whole upload's lease: some want ranges of it, and none of them outbids another."""
_FORGOTTEN = timedelta(hours=1)
_GONE = timedelta(seconds=1)  # whoever waited for a lease that has been over for so long waits no more
_MAX_BATCH = 200
_NO_END = datetime.max.replace(tzinfo=UTC)

_c = upload_leases.c
_r = range_leases.c


@dataclass(frozen=True, slots=True)
class RangeClaim:
    """``name`` is the request's. ``is_first``: it has not asked for the range before."""

    upload_id: UploadId
    range: ByteRange
    token: str
    name: str
    is_first: bool


@dataclass(frozen=True, slots=True)
class TakenRange:
    """A lease that is ours now, ``since`` on the monotonic clock at the earliest."""

    token: str
    generation: str
    since: float


@dataclass(frozen=True, slots=True)
class Blocked:
    """Who keeps a claim out: their leases' tokens, and ends as they are now.

    ``by_whole``: somebody who has or awaits the whole upload. ``is_newer``: one of them came later.
    """

    ends: Mapping[str, datetime]
    is_alive: bool
    by_whole: bool = False
    is_newer: bool = False


@dataclass(slots=True)
class _Row:
    token: str
    range: ByteRange
    holder: ProcessIdentity | None
    expires_at: datetime
    is_over: bool
    wanted_by: str | None


@dataclass(slots=True)
class _Batch:
    """What one batch of claims finds and changes."""

    generations: dict[UploadId, str] = field(default_factory=dict)
    standing: defaultdict[UploadId, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    taken: list[dict[str, Any]] = field(default_factory=list)
    marked: dict[str, str] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)


class RangeLeases:
    def __init__(self, database: Database, clock: Clock, holder: ProcessIdentity) -> None:
        self._database = database
        self._clock = LeaseClock(database, clock)
        self._me = holder
        self._holder = str(holder)
        self._claims = Batches[RangeClaim, TakenRange | Blocked](self._claim_all, limit=_MAX_BATCH)
        self._releases = Batches[tuple[str, str], None](self._release_all, limit=_MAX_BATCH)

    async def claim(self, claim: RangeClaim) -> TakenRange | Blocked:
        """The lease; or who has any of the bytes, and has been told that they are wanted."""
        return await self._claims.submit(claim)

    async def release(self, leases: Mapping[str, str]) -> None:
        """Let them (generations by token) go; what is recorded under one of them from now on is refused."""
        await asyncio.gather(*map(self._releases.submit, leases.items()))

    async def renew(self, leases: Mapping[str, str]) -> set[str]:
        """Put their ends off; return the tokens of those that still stand."""
        standing: set[str] = set()
        for some in slices(list(leases)):
            generations = {token: leases[token] for token in some}
            standing |= await self._database.write(partial(self._renew_here, generations), urgent=True)
        return standing

    async def wanted(self) -> set[str]:
        """The tokens of those of our leases whose bytes somebody else wants."""
        shared = upload_leases.join(range_leases, and_(_c.upload_id == _r.upload_id, _c.token == _r.generation))
        is_wanted = or_(_r.wanted_by.is_not(None), _c.wanted_by.is_not(None))
        wanted = select(_r.token).select_from(shared).where(_r.holder == self._holder, is_wanted)
        return await self._database.read(lambda connection: set(connection.execute(wanted).scalars()), urgent=True)

    async def sweep(self) -> None:
        """Forget what ran out long ago."""
        old = delete(range_leases).where(_r.expires_at < self._clock.after(-_FORGOTTEN))
        await self._database.write(lambda connection: connection.execute(old))

    async def close(self) -> None:
        await self._claims.close()
        await self._releases.close()

    # Claiming

    async def _claim_all(self, claims: Sequence[RangeClaim]) -> Sequence[TakenRange | Blocked]:
        return await self._database.write(partial(self._claim_here, claims), urgent=True)

    def _claim_here(self, claims: Sequence[RangeClaim], connection: Connection) -> Sequence[TakenRange | Blocked]:
        since = self._clock.monotonic()
        batch = _Batch()
        self._share(connection, claims, batch)
        kept_out = self._find_whole(connection, claims, batch)
        self._find_ranges(connection, batch)
        answers = [kept_out.get(claim.upload_id) or self._decide(claim, batch, since) for claim in claims]
        self._write(connection, batch)
        return answers

    def _share(self, connection: Connection, claims: Iterable[RangeClaim], batch: _Batch) -> None:
        """Lock the uploads' own leases and make them shared, where they are to be had."""
        fresh = insert_into(upload_leases, is_sqlite=self._database.is_sqlite).values(expires_at=self._clock.after(TTL))
        is_shared, is_over = _c.holder == SHARED, self._clock.is_over(_c.expires_at)
        # Who waits for the whole goes first, unless it has died waiting.
        may_pass = or_(_c.wanted_by.is_(None), _c.wanted_by == RANGES, self._clock.is_over(_c.expires_at, since=_GONE))
        upsert = fresh.on_conflict_do_update(
            index_elements=[_c.upload_id],
            set_={
                "token": case((is_shared, _c.token), else_=fresh.excluded.token),
                "holder": fresh.excluded.holder,
                "expires_at": fresh.excluded.expires_at,
                "wanted_by": None,
            },
            where=or_(and_(is_shared, not_(is_over), _c.wanted_by.is_(None)), and_(is_over, may_pass)),
        )
        # In order of the ids, as everywhere, so that no two processes can wait for one another.
        in_order = [
            {"upload_id": id_, "token": secrets.token_hex(16), "holder": SHARED}
            for id_ in sorted({claim.upload_id for claim in claims})
        ]
        got = connection.execute(upsert.returning(_c.upload_id, _c.token), in_order)
        batch.generations.update({row.upload_id: row.token for row in got})

    def _find_whole(
        self, connection: Connection, claims: Iterable[RangeClaim], batch: _Batch
    ) -> dict[UploadId, Blocked]:
        """The uploads that somebody has, or waits for, as a whole; those of the dead are taken over."""
        others = {claim.upload_id for claim in claims} - batch.generations.keys()
        if not others:
            return {}
        kept_out = {}
        for row in connection.execute(select(upload_leases).where(_c.upload_id.in_(others))).mappings():
            upload_id, holder = row["upload_id"], ProcessIdentity.parse(row["holder"])
            if row["holder"] != SHARED and row["wanted_by"] in (None, RANGES) and self._me.knows_dead(holder):
                batch.generations[upload_id] = self._inherit(connection, row["token"])
            else:
                is_alive = row["holder"] == SHARED or self._me.knows_alive(holder)
                kept_out[upload_id] = Blocked({row["token"]: row["expires_at"]}, is_alive, by_whole=True)
        wanted = and_(_c.upload_id.in_(kept_out), _c.wanted_by.is_(None), _c.holder != SHARED)
        connection.execute(update(upload_leases).where(wanted).values(wanted_by=RANGES))
        return kept_out

    def _inherit(self, connection: Connection, token: str) -> str:
        generation = secrets.token_hex(16)
        ours = {"token": generation, "holder": SHARED, "expires_at": self._clock.after(TTL), "wanted_by": None}
        connection.execute(update(upload_leases).where(_c.token == token).values(ours))
        return generation

    def _find_ranges(self, connection: Connection, batch: _Batch) -> None:
        is_over = self._clock.is_over(_r.expires_at).label("is_over")
        known = select(range_leases, is_over).where(_r.upload_id.in_(batch.generations))
        for row in connection.execute(known).mappings():
            if row["generation"] == batch.generations[row["upload_id"]]:
                batch.standing[row["upload_id"]].append(
                    _Row(
                        token=row["token"],
                        range=ByteRange(row["range_start"], row["range_end"]),
                        holder=ProcessIdentity.parse(row["holder"]),
                        expires_at=row["expires_at"],
                        is_over=bool(row["is_over"]),
                        wanted_by=row["wanted_by"],
                    )
                )

    def _decide(self, claim: RangeClaim, batch: _Batch, since: float) -> TakenRange | Blocked:
        in_the_way = [row for row in batch.standing[claim.upload_id] if row.range.overlaps(claim.range)]
        living = [row for row in in_the_way if not (row.is_over or self._me.knows_dead(row.holder))]
        if living:
            is_newer = not claim.is_first and any(row.wanted_by != claim.name for row in living)
            if claim.is_first:
                self._mark(living, claim.name, batch)
            is_alive = any(self._me.knows_alive(row.holder) for row in living)
            return Blocked({row.token: row.expires_at for row in living}, is_alive, is_newer=is_newer)
        for row in in_the_way:
            batch.standing[claim.upload_id].remove(row)
            batch.dead.append(row.token)  # so that what its holder might still record is refused
        return self._take(claim, batch, since)

    def _mark(self, rows: Iterable[_Row], name: str, batch: _Batch) -> None:
        for row in rows:
            row.wanted_by = batch.marked[row.token] = name

    def _take(self, claim: RangeClaim, batch: _Batch, since: float) -> TakenRange:
        generation = batch.generations[claim.upload_id]
        row = {
            "token": claim.token,
            "upload_id": claim.upload_id,
            "generation": generation,
            "range_start": claim.range.start,
            "range_end": claim.range.end,
            "holder": self._holder,
        }
        batch.taken.append(row)
        batch.standing[claim.upload_id].append(
            _Row(claim.token, claim.range, self._me, _NO_END, is_over=False, wanted_by=None)
        )
        return TakenRange(claim.token, generation, since)

    def _write(self, connection: Connection, batch: _Batch) -> None:
        if batch.dead:
            connection.execute(delete(range_leases).where(_r.token.in_(batch.dead)))
        if batch.taken:
            new = insert(range_leases).values(expires_at=self._clock.after(TTL))
            connection.execute(new, batch.taken)
        if batch.marked:
            wanted = update(range_leases).where(_r.token == bindparam("lease")).values(wanted_by=bindparam("name"))
            in_order = [{"lease": token, "name": name} for token, name in sorted(batch.marked.items())]
            connection.execute(wanted, in_order)

    # Keeping and letting go

    def _renew_here(self, leases: Mapping[str, str], connection: Connection) -> set[str]:
        generations = self._lock(connection, leases.values())
        shared = update(upload_leases).where(_c.token.in_(generations))
        connection.execute(shared.values(expires_at=self._clock.after(TTL)))
        ours = update(range_leases).where(_r.token.in_(list(leases)), _r.generation.in_(generations))
        renewed = ours.values(expires_at=self._clock.after(TTL)).returning(_r.token)
        return set(connection.execute(renewed).scalars())

    async def _release_all(self, leases: Sequence[tuple[str, str]]) -> Sequence[None]:
        await self._database.write(partial(self._release_here, leases), urgent=True)
        return [None for _ in leases]

    def _release_here(self, leases: Sequence[tuple[str, str]], connection: Connection) -> None:
        others = exists().where(_r.upload_id == _c.upload_id, _r.generation == _c.token)
        generations = self._lock(connection, [generation for _, generation in leases])
        connection.execute(delete(range_leases).where(_r.token.in_([token for token, _ in leases])))
        left = and_(_c.token.in_(generations), not_(others.where(not_(self._clock.is_over(_r.expires_at)))))
        connection.execute(update(upload_leases).where(left).values(expires_at=self._clock.after(timedelta(0))))

    def _lock(self, connection: Connection, generations: Iterable[str]) -> list[str]:
        """Keep claims out until the commit; return the generations that stand."""
        shared = select(_c.token).where(_c.token.in_(list(set(generations)))).order_by(_c.upload_id)
        return list(connection.execute(shared.with_for_update(key_share=True)).scalars())
