"""The ledger's batches on PostgreSQL: a connection of its own, one statement a batch of plain receipts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.ledger.entry import Entry, before, range_row
from domain.ids import UploadId
from domain.upload_state import OPEN_STATES

if TYPE_CHECKING:
    import asyncpg  # SQLAlchemy loads it where it is used
    from sqlalchemy.ext.asyncio import AsyncConnection

# FOR KEY SHARE waits for a takeover, which changes the token, and makes it wait for us; a renewal passes by.
# Locked in order of the ids, as everywhere, so that no two can wait for one another.
_STANDING = """
WITH standing AS MATERIALIZED (
    SELECT upload_id, token FROM upload_leases
    WHERE upload_id = ANY($1::text[]) AND token = ANY($2::text[])
    ORDER BY upload_id FOR KEY SHARE
)
"""
# A range's lease stands with its upload's: who takes the whole changes that one's token, and waits for us.
_STANDING_WITH_RANGES = """
WITH shared AS MATERIALIZED (
    SELECT upload_id, token FROM upload_leases WHERE upload_id = ANY($1::text[]) ORDER BY upload_id FOR KEY SHARE
), ranges AS MATERIALIZED (
    SELECT range_leases.upload_id, range_leases.token FROM range_leases
    JOIN shared ON shared.upload_id = range_leases.upload_id AND shared.token = range_leases.generation
    WHERE range_leases.token = ANY($2::text[])
    ORDER BY range_leases.token FOR KEY SHARE OF range_leases
), standing AS (
    SELECT upload_id, token FROM shared WHERE token = ANY($2::text[]) UNION ALL SELECT upload_id, token FROM ranges
)
"""
_INSERT = """
, known AS MATERIALIZED (
    SELECT standing.upload_id, standing.token FROM standing JOIN uploads ON uploads.id = standing.upload_id
), written AS (
    INSERT INTO received_ranges (upload_id, range_start, range_end, crc64)
    SELECT entry.upload_id, entry.range_start, entry.range_end, entry.crc64
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
        AS entry (upload_id, token, range_start, range_end, crc64)
    JOIN known ON known.upload_id = entry.upload_id AND known.token = entry.token
    ON CONFLICT (upload_id, range_start, range_end) DO UPDATE SET crc64 = excluded.crc64
)
SELECT upload_id, token FROM known
"""
# Of two that fold one upload at the same time, each would delete rows that the other one waits for.
_FOLD_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"
_FOLD = """
DELETE FROM received_ranges WHERE upload_id = $1 AND range_start >= $2 AND range_end <= $3
AND NOT (range_start = $2 AND range_end = $3)
"""
_BECOME = "UPDATE uploads SET state = $1 WHERE id = $2 AND state = ANY($3::text[])"
_PROLONG = "UPDATE uploads SET expires_at = greatest(expires_at, $1) WHERE id = $2 AND state = ANY($3::text[])"
_OPEN = sorted(OPEN_STATES)


class PostgresLedgerWriter:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: AsyncConnection | None = None
        self._driver: asyncpg.Connection | None = None

    async def write(self, entries: Sequence[Entry]) -> set[tuple[UploadId, str]]:
        driver = await self._connected()
        try:
            if all(entry.receipt.is_plain for entry in entries):
                return await _insert(driver, entries)
            async with driver.transaction():
                for upload_id in sorted({entry.receipt.upload_id for entry in entries if entry.receipt.folds}):
                    await driver.execute(_FOLD_ALONE, upload_id)
                standing = await _insert(driver, entries)
                accepted = [entry for entry in entries if entry.lease in standing]
                await _write_changes(driver, sorted(accepted, key=lambda entry: entry.receipt.upload_id))
            return standing
        except BaseException:
            await self._disconnect()  # whatever it was: the next batch begins on a fresh connection
            raise

    async def close(self) -> None:
        await self._disconnect()

    async def _connected(self) -> "asyncpg.Connection":
        if self._driver is not None and self._driver.is_closed():
            await self._disconnect()
        if self._driver is None:
            self._connection = await self._database.reading()
            self._driver = (await self._connection.get_raw_connection()).driver_connection
        return self._driver

    async def _disconnect(self) -> None:
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()


async def _insert(driver: "asyncpg.Connection", entries: Sequence[Entry]) -> set[tuple[UploadId, str]]:
    # One statement can't touch a row twice: of two receipts for the same bytes the later one is written.
    rows = {(entry.token, *range_row(entry)[:3]): (entry.token, *range_row(entry)) for entry in entries}
    tokens, upload_ids, starts, ends, crcs = zip(*rows.values(), strict=True)
    standing = _STANDING_WITH_RANGES if any(entry.is_of_range for entry in entries) else _STANDING
    found = await driver.fetch(standing + _INSERT, upload_ids, tokens, starts, ends, crcs)
    return {(row["upload_id"], row["token"]) for row in found}


async def _write_changes(driver: "asyncpg.Connection", entries: Sequence[Entry]) -> None:
    receipts = [entry.receipt for entry in entries]
    folds = [(r.upload_id, r.extent.range.start, r.extent.range.end) for r in receipts if r.folds]
    states = [(r.state.value, r.upload_id, before(r.state)) for r in receipts if r.state is not None]
    prolonged = [(r.expires_at, r.upload_id, _OPEN) for r in receipts if r.expires_at is not None]
    for statement, rows in ((_FOLD, folds), (_BECOME, states), (_PROLONG, prolonged)):
        if rows:
            await driver.executemany(statement, rows)
