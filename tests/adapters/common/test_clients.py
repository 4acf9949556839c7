"""Whose requests are counted together."""

import pytest

from adapters.inbound.common.clients import neighbourhood
from adapters.inbound.common.rate_headers import rate_headers
from domain.rate import Rate, Told


def test_one_ipv6_host_is_one_client_whatever_address_it_takes() -> None:
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:2") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("::ffff:192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize("client", ["", "not an address", ":::", "fe80::1%eth0"])
def test_whatever_the_client_is_called_it_is_one(client: str) -> None:
    assert neighbourhood(client) == neighbourhood(client)


def test_a_client_is_told_its_rate_and_what_is_left_of_it() -> None:
    headers = rate_headers(Told(Rate(600, 60), 599, 59.2))
    assert headers == {"RateLimit-Policy": '"default";q=600;w=60', "RateLimit": '"default";r=599;t=60'}
