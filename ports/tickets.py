"""The tickets that are out, for all processes of a server. Contract: tests/contract/test_tickets.py."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol

from domain.ticket import Ticket


class Tickets(Protocol):
    """Both raise RepositoryUnavailable while the database is away."""

    @abstractmethod
    async def add(self, ticket: Ticket, *, now: datetime) -> None:
        """Those that are over go by the way, so that what nobody takes does not stay."""

    @abstractmethod
    async def take(self, digest: str) -> Ticket | None:
        """The ticket, which is there no longer: of all who ask for it, wherever, one gets it."""
