"""The tickets that are out, as rows. Contract: tests/contract/test_tickets.py."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.tables import tickets
from domain.access import Principal
from domain.ids import OwnerId
from domain.ticket import Ticket
from ports.tickets import Tickets

_c = tickets.c


class SqlTickets(Tickets):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, ticket: Ticket, *, now: datetime) -> None:
        over = delete(tickets).where(_c.expires_at <= now)
        row = {
            "digest": ticket.digest,
            "owner": ticket.principal.owner,
            "is_admin": ticket.principal.is_admin,
            "principal_expires_at": ticket.principal.expires_at,
            "expires_at": ticket.expires_at,
        }

        def add(connection: Connection) -> None:
            connection.execute(over)
            connection.execute(insert(tickets), row)

        await self._database.write(add)

    async def take(self, digest: str) -> Ticket | None:
        taken = delete(tickets).where(_c.digest == digest).returning(*_c)
        row = await self._database.write(lambda connection: connection.execute(taken).mappings().one_or_none())
        if row is None:
            return None
        owner, is_admin = OwnerId(row["owner"]), bool(row["is_admin"])
        principal = Principal(owner, is_admin=is_admin, expires_at=row["principal_expires_at"])
        return Ticket(row["digest"], principal, row["expires_at"])
