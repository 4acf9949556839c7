"""How many requests a client may make."""

import pytest

from adapters.inbound.common.rate_limit import RateLimiter
from domain.errors import TooManyRequests


class Watch:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def refused(limiter: RateLimiter, client: str) -> int | None:
    """The seconds to wait, None if the request may pass."""
    try:
        limiter.check(client)
    except TooManyRequests as error:
        return error.retry_after_seconds
    return None


def test_as_many_requests_as_allowed_pass_and_the_next_is_told_when_to_come_back() -> None:
    watch = Watch()
    limiter = RateLimiter("3/minute", now=watch)
    assert [refused(limiter, "a") for _ in range(3)] == [None, None, None]
    watch.seconds += 20
    assert refused(limiter, "a") == 40


def test_the_window_moves() -> None:
    watch = Watch()
    limiter = RateLimiter("2/minute", now=watch)
    limiter.check("a")
    watch.seconds += 30
    limiter.check("a")
    assert refused(limiter, "a") == 30
    watch.seconds += 30
    assert refused(limiter, "a") is None
    assert refused(limiter, "a") == 30


def test_in_no_minute_do_more_requests_pass_than_allowed() -> None:
    watch = Watch()
    limiter = RateLimiter("10/minute", now=watch)
    passed = []
    for _ in range(400):
        if refused(limiter, "a") is None:
            passed.append(watch.seconds)
        watch.seconds += 0.7
    assert len(passed) > 30
    for start in passed:
        assert sum(start <= moment < start + 60 for moment in passed) <= 10


def test_a_refused_request_does_not_prolong_the_wait() -> None:
    watch = Watch()
    limiter = RateLimiter("1/minute", now=watch)
    limiter.check("a")
    for _ in range(59):
        watch.seconds += 1
        assert refused(limiter, "a") is not None
    watch.seconds += 1
    assert refused(limiter, "a") is None


def test_clients_do_not_share_a_budget() -> None:
    limiter = RateLimiter("1/minute", now=Watch())
    limiter.check("192.0.2.1")
    limiter.check("192.0.2.2")
    assert refused(limiter, "192.0.2.1") is not None


def test_several_rates_hold_together() -> None:
    watch = Watch()
    limiter = RateLimiter("2/second;3/minute", now=watch)
    limiter.check("a")
    limiter.check("a")
    assert refused(limiter, "a") == 1
    watch.seconds += 1
    limiter.check("a")
    assert refused(limiter, "a") == 59


def test_one_ipv6_host_is_one_client_whatever_address_it_takes() -> None:
    limiter = RateLimiter("1/minute", now=Watch())
    limiter.check("2001:db8::1")
    assert refused(limiter, "2001:db8::ffff:2") is not None
    assert refused(limiter, "2001:db8:0:1::1") is None


@pytest.mark.parametrize("client", ["", "not an address", ":::", "fe80::1%eth0"])
def test_whatever_the_client_is_called_it_is_counted(client: str) -> None:
    limiter = RateLimiter("1/minute", now=Watch())
    limiter.check(client)
    assert refused(limiter, client) is not None


def test_without_a_limit_everything_passes() -> None:
    limiter = RateLimiter(None)
    for _ in range(1000):
        limiter.check("a")


def test_silent_clients_are_forgotten() -> None:
    watch = Watch()
    limiter = RateLimiter("5/second", now=watch)
    for number in range(20_000):
        watch.seconds += 0.01
        limiter.check(f"198.51.100.{number}")
    (window,) = limiter._requests._windows
    assert len(window._hits) <= 101


def test_a_flood_from_ever_new_addresses_takes_a_bounded_number_of_places() -> None:
    watch = Watch()
    limiter = RateLimiter("5/day", now=watch)
    for number in range(60_000):
        limiter.check(str(number))
    (window,) = limiter._requests._windows
    assert len(window._hits) == 50_000


def test_uploads_count_apart_until_there_is_no_room_for_them_there() -> None:
    limiter = RateLimiter("2/minute", uploads="3/minute", now=Watch())
    for _ in range(3):
        limiter.check_upload("a")
    limiter.check("a")
    limiter.check_upload("a")  # as a request
    assert refused(limiter, "a") == 60
    with pytest.raises(TooManyRequests):
        limiter.check_upload("a")
    limiter.check_upload("b")


def test_who_is_refused_may_begin_no_upload_either() -> None:
    limiter = RateLimiter("1/minute", uploads="3/minute", now=Watch())
    limiter.check("a")
    with pytest.raises(TooManyRequests):
        limiter.check_upload("a")


def test_without_a_limit_of_requests_there_is_none_of_uploads() -> None:
    limiter = RateLimiter(None, uploads="1/minute", now=Watch())
    for _ in range(100):
        limiter.check_upload("a")
