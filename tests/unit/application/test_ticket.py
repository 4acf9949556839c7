"""Tickets say who calls: once, soon, and no longer than that is known."""

from datetime import timedelta

import pytest

from adapters.outbound.memory.tickets import MemoryTickets
from adapters.outbound.system.id_generator import SystemIdGenerator
from application.ticket import TicketUseCase
from domain.access import Principal
from domain.errors import Unauthenticated
from tests.support.builders import ALICE, NOW
from tests.support.clock import StandingClock


def tickets_at(clock: StandingClock) -> TicketUseCase:
    return TicketUseCase(MemoryTickets(), clock, SystemIdGenerator())


async def test_a_ticket_says_once_who_calls() -> None:
    tickets = tickets_at(StandingClock())
    shown, expires_at = await tickets.issue(ALICE)
    assert expires_at == NOW + timedelta(seconds=30)
    assert await tickets.redeem(shown) == ALICE
    for text in (shown, "", "\0", "\ud800", shown.upper()):
        with pytest.raises(Unauthenticated):
            await tickets.redeem(text)


@pytest.mark.parametrize(("known_for", "life"), [(None, 30), (100, 30), (7, 7)])
async def test_a_ticket_is_over_soon_and_with_the_token_at_the_latest(known_for: int | None, life: int) -> None:
    clock = StandingClock()
    tickets = tickets_at(clock)
    until = None if known_for is None else NOW + timedelta(seconds=known_for)
    first, second = [(await tickets.issue(Principal(ALICE.owner, expires_at=until)))[0] for _ in range(2)]
    clock.pass_by(timedelta(seconds=life - 0.1))
    assert (await tickets.redeem(first)).expires_at == until
    clock.pass_by(timedelta(seconds=0.1))
    with pytest.raises(Unauthenticated):
        await tickets.redeem(second)
