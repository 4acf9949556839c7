"""Contract of ports/tickets.py, in memory and on each database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from adapters.outbound.memory.tickets import MemoryTickets
from adapters.outbound.sql.repositories.tickets import SqlTickets
from domain.access import ADMINISTRATOR, Principal
from domain.ticket import Ticket, digest_of
from ports.tickets import Tickets
from tests.support.builders import ALICE, NOW, an_id
from tests.support.stores import opened_store

LIFE = timedelta(seconds=30)


@pytest.fixture
async def sides(store_url: str | None) -> AsyncIterator[Sequence[Tickets]]:
    """The same tickets, as two processes see them."""
    if store_url is None:
        yield [MemoryTickets()] * 2
        return
    async with opened_store(store_url) as store:
        databases = [store.process().database for _ in range(2)]
        yield [SqlTickets(database) for database in databases if database is not None]


def a_ticket(principal: Principal = ALICE) -> Ticket:
    return Ticket.of(principal, an_id(), now=NOW, life=LIFE)


async def test_a_ticket_is_taken_once_whoever_gave_it(sides: Sequence[Tickets]) -> None:
    one, other = sides
    ends = NOW + timedelta(seconds=7)
    for principal in (ALICE, ADMINISTRATOR, Principal(ALICE.owner, expires_at=ends)):
        ticket = a_ticket(principal)
        await one.add(ticket, now=NOW)
        taken = await other.take(ticket.digest)
        assert taken == ticket and taken is not None
        assert (taken.principal.expires_at, taken.principal.is_admin) == (principal.expires_at, principal.is_admin)
        assert await one.take(ticket.digest) is None
        assert await other.take(ticket.digest) is None


async def test_what_was_never_given_is_not_there(sides: Sequence[Tickets]) -> None:
    assert await sides[0].take(digest_of("")) is None


async def test_of_all_who_show_it_at_once_one_is_let_in(sides: Sequence[Tickets]) -> None:
    ticket, other = a_ticket(), a_ticket()
    for one in (ticket, other):
        await sides[0].add(one, now=NOW)
    taken = await asyncio.gather(*(side.take(ticket.digest) for side in [*sides] * 4))
    assert [one for one in taken if one] == [ticket]
    assert await sides[1].take(other.digest) == other


async def test_what_nobody_takes_does_not_stay(sides: Sequence[Tickets]) -> None:
    old, young = a_ticket(), Ticket.of(ALICE, an_id(), now=NOW + LIFE / 2, life=LIFE)
    await sides[0].add(old, now=NOW)
    await sides[0].add(young, now=NOW + LIFE / 2)
    await sides[0].add(a_ticket(), now=NOW + LIFE)
    assert await sides[1].take(old.digest) is None
    assert await sides[1].take(young.digest) == young
