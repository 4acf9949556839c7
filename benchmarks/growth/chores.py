"""``python -m benchmarks.growth.chores TIMES``: what a server does beside its requests, done in this process; prints
the milliseconds of each as JSON. The settings are those of a server."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import text

from adapters.outbound.sql.census import SqlCensus
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.locks.leases import SqlLeases
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.locks.range_leases import RangeLeases
from benchmarks.growth.rows import POSTGRESQL, SQLITE, WHALE, Dialect
from domain.access import Principal, user
from infrastructure.setting_sources import load_settings
from infrastructure.startup import started

_ENDED = 200
_ADMIN = Principal(user(WHALE).owner, is_admin=True)


async def main(times: int) -> None:
    async with started(load_settings()) as container:
        database: Database = container.database()
        core, clock = container.core(), container.clock()
        here = ProcessIdentity.here()
        ranges = RangeLeases(database, clock, here)
        leases = SqlLeases(database, clock, here)
        unit_of_work = container.unit_of_work()

        async def usage() -> None:
            async with unit_of_work() as work:
                await work.uploads.usage(user(WHALE).owner)

        async def claim() -> None:
            async with unit_of_work() as work:
                await work.jobs.claim(["thumbnails", "edit"], token="t", lease_seconds=60)  # noqa: S106

        async def sweep() -> None:
            await leases.sweep()
            await ranges.sweep()

        chores: dict[str, Callable[[], Awaitable[Any]]] = {
            f"cleanup that ends {_ENDED} of each kind": core.cleanup.run,
            "cleanup with nothing to do": core.cleanup.run,
            "reconcile (each minute)": core.reconcile.run,
            "what was not announced (each 5 s)": core.reconcile.announce,
            "files that are over (each 10 s)": core.file_ending.run,
            "digests that are lacking (each minute)": core.digests.run,
            "inputs of instructions": container.instruction_cleanup().run,
            "leases that are over": sweep,
            "quota of an owner": usage,
            "a worker's look for a job (each second)": claim,
            "census (metrics)": SqlCensus(database).count,
        }
        found = {}
        for name, work in chores.items():
            took = []
            for _ in range(times):
                if "ends" in name:
                    await _add_ended(database)
                began = time.perf_counter()
                await work()
                took.append(time.perf_counter() - began)
            found[name] = min(took) * 1e3
    print(json.dumps(found))


async def _add_ended(database: Database) -> None:
    d = SQLITE if database.is_sqlite else POSTGRESQL
    id_ = "lower(hex(randomblob(16)))" if database.is_sqlite else "md5(random()::text)"
    for state, updated, expires in (("PENDING", 3600, -60), ("ABORTED", 30 * 86_400, 3600)):
        values = f"{id_}, 'user:{WHALE}', 'w', 'whole', '{state}', 1000, '[]', '[]'"
        times = ", ".join(d.instant.format(seconds) for seconds in (-40 * 86_400, -updated, expires))
        await _execute(
            database,
            "uploads (id, owner, watch_id, kind, state, length, metadata, parts, created_at, updated_at, expires_at)",
            f"{values}, {times}",
            d,
        )
    values = f"'user:{WHALE}', 'e', '{{}}', {d.instant.format(-3 * 86_400)}"
    await _execute(database, "notifications (owner, event_id, event, created_at)", values, d)


async def _execute(database: Database, into: str, values: str, dialect: Dialect) -> None:
    series = dialect.series.format(_ENDED)
    statement = text(f"INSERT INTO {into} {series} SELECT {values} FROM numbers".replace(":", "\\:"))  # noqa: S608
    await database.write(lambda connection: connection.execute(statement))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
