"""How many connections a client may hold."""

import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from adapters.inbound.common.connections import ConnectionBudget


class Arriving:
    """New connections, as the server gets them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._stack.callback(theirs.close)
        self._stack.callback(ours.close)
        return ours


@pytest.fixture
async def arriving() -> AsyncIterator[Arriving]:
    with ExitStack() as stack:
        yield Arriving(stack)


async def test_what_is_closed_makes_room(arriving: Arriving) -> None:
    budget = ConnectionBudget(2)
    first, second, third = arriving(), arriving(), arriving()
    for source in (first, second, third):
        assert budget.admit(source, ("192.0.2.1", 1))
    assert [budget.is_over(source) for source in (first, second, third)] == [False, False, True]
    third.close()
    second.close()
    fourth = arriving()
    assert budget.admit(fourth, ("192.0.2.1", 1)) and not budget.is_over(fourth)


async def test_a_connection_that_comes_back_to_the_server_is_the_same(arriving: Arriving) -> None:
    budget = ConnectionBudget(1)
    source = arriving()
    for _ in range(3):
        assert budget.admit(source, ("192.0.2.1", 1)) and not budget.is_over(source)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
async def test_a_client_is_an_address_or_a_neighbourhood(
    arriving: Arriving, one: str, other: str, is_same: bool
) -> None:
    budget = ConnectionBudget(1)
    source = arriving()
    budget.admit(arriving(), (one, 1))
    budget.admit(source, (other, 1, 0, 0))
    assert budget.is_over(source) is is_same


async def test_those_of_a_proxy_and_of_a_unix_socket_do_not_count(arriving: Arriving) -> None:
    budget = ConnectionBudget(1, is_proxy=lambda ip: ip == "10.0.0.1")
    for address in (("10.0.0.1", 1), "", ("10.0.0.1", 2), ""):
        source = arriving()
        assert budget.admit(source, address) and not budget.is_over(source)


async def test_clients_that_are_gone_are_forgotten(arriving: Arriving) -> None:
    budget = ConnectionBudget(1)
    for number in range(50):
        source = arriving()
        budget.admit(source, (f"192.0.2.{number}", 1))
        source.close()
        assert budget.admit(source, ("", 1))
    assert len(budget._held) <= 2
