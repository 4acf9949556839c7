"""The received ledger by group commit. Contract: tests/contract/test_received_ledger.py.

A transaction costs about as much for one receipt as for a hundred, so receipts that wait share one. This is
the path of every chunk: it talks to the drivers directly, see sqlite.py and postgres.py.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from adapters.outbound.sql.batches import Batches
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.errors import translated
from adapters.outbound.sql.ledger.entry import Entry
from adapters.outbound.sql.ledger.postgres import PostgresLedgerWriter
from adapters.outbound.sql.ledger.sqlite import SqliteLedgerWriter
from domain.errors import UploadTakenOver
from domain.ids import UploadId
from domain.receipt import Receipt
from ports.received_ledger import ReceivedLedger
from ports.upload_lock import Lease

_MAX_BATCH = 512


class LedgerWriter(Protocol):
    """How one kind of database takes a batch."""

    async def write(self, entries: Sequence[Entry]) -> set[tuple[UploadId, str]]:
        """Commit the entries whose lease stands, all or none of them; return those leases."""

    async def close(self) -> None: ...


class SqlReceivedLedger(ReceivedLedger):
    def __init__(self, database: Database, *, on_commit: Callable[[int], None] = lambda _: None) -> None:
        """``on_commit``: told how many receipts shared one."""
        self._on_commit = on_commit
        self._writer: LedgerWriter = (
            SqliteLedgerWriter(database) if database.is_sqlite else PostgresLedgerWriter(database)
        )
        self._batches = Batches[Entry, bool](self._flush, limit=_MAX_BATCH)

    async def record(self, receipt: Receipt, lease: Lease) -> None:
        if not await self._batches.submit(Entry(receipt, lease.token, lease.range is not None)):
            raise UploadTakenOver("a newer request for this upload has taken over")

    async def close(self) -> None:
        await self._batches.close()
        await self._writer.close()

    async def _flush(self, entries: Sequence[Entry]) -> Sequence[bool]:
        with translated():
            standing = await self._writer.write(entries)
        self._on_commit(len(entries))
        return [entry.lease in standing for entry in entries]
