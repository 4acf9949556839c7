"""The tickets that are out, in memory. Contract: tests/contract/test_tickets.py."""

from datetime import datetime

from domain.ticket import Ticket
from ports.tickets import Tickets


class MemoryTickets(Tickets):
    def __init__(self) -> None:
        self._tickets: dict[str, Ticket] = {}

    async def add(self, ticket: Ticket, *, now: datetime) -> None:
        self._tickets = {digest: one for digest, one in self._tickets.items() if one.expires_at > now}
        self._tickets[ticket.digest] = ticket

    async def take(self, digest: str) -> Ticket | None:
        return self._tickets.pop(digest, None)
