"""One-time tickets: given to whoever has said who they are, and shown once where that can't be said."""

from datetime import datetime, timedelta

from domain.access import Principal
from domain.errors import Unauthenticated
from domain.ticket import Ticket, digest_of
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.tickets import Tickets


class TicketUseCase:
    def __init__(
        self, tickets: Tickets, clock: Clock, ids: IdGenerator, *, life: timedelta = timedelta(seconds=30)
    ) -> None:
        self._tickets = tickets
        self._clock = clock
        self._ids = ids
        self._life = life

    async def issue(self, principal: Principal) -> tuple[str, datetime]:
        """What is to be shown, and until when."""
        shown, now = self._ids.secret(), self._clock.now()
        ticket = Ticket.of(principal, shown, now=now, life=self._life)
        await self._tickets.add(ticket, now=now)
        return shown, ticket.expires_at

    async def redeem(self, shown: str) -> Principal:
        """Raises:
        Unauthenticated: it is none of ours, was shown before, or is over.
        """
        ticket = await self._tickets.take(digest_of(shown))
        if ticket is None or ticket.expires_at <= self._clock.now():
            raise Unauthenticated("the ticket is unknown, over, or was used before: ask for another", wants_token=True)
        return ticket.principal
