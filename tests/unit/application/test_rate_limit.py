"""How many requests a client may make."""

import asyncio
from datetime import timedelta

import pytest

from adapters.outbound.memory.shared_rates import MemoryRates, MemorySharedRates
from application.rate_limit import RateLimiter
from domain.errors import RepositoryUnavailable, TooManyRequests
from domain.rate import Given, Rate, Wish
from tests.support.clock import StandingClock


class Watch:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def refused(limiter: RateLimiter, client: str) -> int | None:
    """The seconds to wait, None if the request may pass."""
    try:
        await limiter.check(client)
    except TooManyRequests as error:
        return error.retry_after_seconds
    return None


async def test_as_many_requests_as_allowed_pass_and_the_next_is_told_when_to_come_back() -> None:
    watch = Watch()
    limiter = RateLimiter("3/minute", now=watch)
    assert [await refused(limiter, "a") for _ in range(3)] == [None, None, None]
    watch.seconds += 20
    assert await refused(limiter, "a") == 40


async def test_the_window_moves() -> None:
    watch = Watch()
    limiter = RateLimiter("2/minute", now=watch)
    await limiter.check("a")
    watch.seconds += 30
    await limiter.check("a")
    assert await refused(limiter, "a") == 30
    watch.seconds += 30
    assert await refused(limiter, "a") is None
    assert await refused(limiter, "a") == 30


async def test_in_no_minute_do_more_requests_pass_than_allowed() -> None:
    watch = Watch()
    limiter = RateLimiter("10/minute", now=watch)
    passed = []
    for _ in range(400):
        if await refused(limiter, "a") is None:
            passed.append(watch.seconds)
        watch.seconds += 0.7
    assert len(passed) > 30
    for start in passed:
        assert sum(start <= moment < start + 60 for moment in passed) <= 10


async def test_a_refused_request_does_not_prolong_the_wait() -> None:
    watch = Watch()
    limiter = RateLimiter("1/minute", now=watch)
    await limiter.check("a")
    for _ in range(59):
        watch.seconds += 1
        assert await refused(limiter, "a") is not None
    watch.seconds += 1
    assert await refused(limiter, "a") is None


async def test_clients_do_not_share_a_budget() -> None:
    limiter = RateLimiter("1/minute", now=Watch())
    await limiter.check("192.0.2.1")
    await limiter.check("192.0.2.2")
    assert await refused(limiter, "192.0.2.1") is not None


async def test_several_rates_hold_together() -> None:
    watch = Watch()
    limiter = RateLimiter("2/second;3/minute", now=watch)
    await limiter.check("a")
    await limiter.check("a")
    assert await refused(limiter, "a") == 1
    watch.seconds += 1
    await limiter.check("a")
    assert await refused(limiter, "a") == 59


async def test_without_a_limit_everything_passes() -> None:
    limiter = RateLimiter(None, now=Watch())
    for _ in range(1000):
        await limiter.check("a")


async def test_silent_clients_are_forgotten() -> None:
    watch = Watch()
    limiter = RateLimiter("5/second", now=watch)
    for number in range(20_000):
        watch.seconds += 0.01
        await limiter.check(f"198.51.100.{number}")
    (windows,) = limiter._requests._windows
    assert len(windows.hits) <= 101


async def test_a_flood_from_ever_new_addresses_takes_a_bounded_number_of_places() -> None:
    watch = Watch()
    limiter = RateLimiter("5/day", now=watch)
    for number in range(60_000):
        await limiter.check(str(number))
    (windows,) = limiter._requests._windows
    assert len(windows.hits) == 50_000


async def test_uploads_count_apart_until_there_is_no_room_for_them_there() -> None:
    limiter = RateLimiter("2/minute", uploads="3/minute", now=Watch())
    for _ in range(3):
        await limiter.check_upload("a")
    await limiter.check("a")
    await limiter.check_upload("a")  # as a request
    assert await refused(limiter, "a") == 60
    with pytest.raises(TooManyRequests):
        await limiter.check_upload("a")
    await limiter.check_upload("b")


async def test_who_is_refused_may_begin_no_upload_either() -> None:
    limiter = RateLimiter("1/minute", uploads="3/minute", now=Watch())
    await limiter.check("a")
    with pytest.raises(TooManyRequests):
        await limiter.check_upload("a")


async def test_without_a_limit_of_requests_there_is_none_of_uploads() -> None:
    limiter = RateLimiter(None, uploads="1/minute", now=Watch())
    for _ in range(100):
        await limiter.check_upload("a")


async def test_who_has_not_asked_for_long_is_in_nobodys_way() -> None:
    watch = Watch()
    limiter = RateLimiter("2/minute", uploads="2/minute", now=watch)
    await limiter.check("a")
    watch.seconds += 61
    await limiter.check_upload("a")
    assert await refused(limiter, "b") is None


async def test_a_user_is_counted_apart_from_the_address() -> None:
    limiter = RateLimiter("1/minute", users="2/minute", now=Watch())
    await limiter.check("192.0.2.1")
    for _ in range(2):
        await limiter.check("user:a", is_user=True)
    assert await refused(limiter, "192.0.2.1") is not None
    with pytest.raises(TooManyRequests):
        await limiter.check("user:a", is_user=True)
    await limiter.check("user:b", is_user=True)


async def test_what_is_told_is_what_is_left_and_when_there_is_more() -> None:
    watch = Watch()
    limiter = RateLimiter("3/minute;100/hour", now=watch)
    told = []
    for _ in range(3):
        told.append(await limiter.check("a"))
        watch.seconds += 10
    assert told == [(Rate(3, 60), 2, 60), (Rate(3, 60), 1, 50), (Rate(3, 60), 0, 40)]


class Servers:
    """Several of them, on one database that may be away."""

    def __init__(self, limit: str, count: int = 2, **others: str) -> None:
        self.clock = StandingClock()
        rates = MemoryRates()
        self.away = False
        self.is_slow = False
        self.asked = 0
        self.limiters = [
            RateLimiter(limit, shared=Shared(self, rates), now=self.clock.monotonic, **others) for _ in range(count)
        ]

    async def look(self) -> None:
        for limiter in [*self.limiters] * 2:  # who comes first is alone yet
            await limiter.look()

    async def passed(self, times: int, *, seconds: float = 0.0) -> int:
        """How many requests passed, sent to each in turn."""
        passed = 0
        for number in range(times):
            passed += await refused(self.limiters[number % len(self.limiters)], "a") is None
            self.clock.pass_by(timedelta(seconds=seconds))
        return passed


class Shared(MemorySharedRates):
    def __init__(self, servers: Servers, rates: MemoryRates) -> None:
        super().__init__(servers.clock, rates)
        self._servers = servers

    async def look(self) -> bool:
        self._check()
        return await super().look()

    async def take(self, wish: Wish) -> Given:
        self._check()
        self._servers.asked += 1
        if self._servers.is_slow:
            await asyncio.sleep(0)
        return await super().take(wish)

    def _check(self) -> None:
        if self._servers.away:
            raise RepositoryUnavailable("away")


@pytest.mark.parametrize("limit", [1, 20, 600, 5000])
async def test_several_servers_let_no_more_pass_than_one(limit: int) -> None:
    servers = Servers(f"{limit}/minute", 3)
    await servers.look()
    passed = await servers.passed(2 * limit)
    assert 0.97 * limit <= passed <= limit
    assert await servers.passed(3) == 0


async def test_in_no_minute_do_more_requests_pass_by_several_servers_than_allowed() -> None:
    servers = Servers("600/minute")
    await servers.look()
    passed = []
    for number in range(6000):
        if await refused(servers.limiters[number % 7 % 2], "a") is None:
            passed.append(servers.clock.monotonic())
        servers.clock.pass_by(timedelta(seconds=0.03 if number % 900 < 600 else 0.13))
    assert len(passed) > 2500
    for at, start in enumerate(passed):
        assert sum(moment < start + 60 for moment in passed[at : at + 700]) <= 600


async def test_who_asks_slowly_is_not_refused_for_what_they_did_not_use() -> None:
    servers = Servers("600/minute")
    await servers.look()
    assert await servers.passed(1000, seconds=0.12) == 1000


async def test_a_server_alone_asks_nobody() -> None:
    servers = Servers("20/minute", 1)
    await servers.look()
    assert await servers.passed(30) == 20
    assert servers.asked == 0


async def test_who_is_refused_is_so_without_a_question() -> None:
    servers = Servers("5/minute")
    await servers.look()
    await servers.passed(20)
    asked = servers.asked
    assert await servers.passed(100) == 0
    assert servers.asked == asked
    servers.clock.pass_by(timedelta(seconds=60))
    assert await servers.passed(20) == 5


async def test_requests_that_come_together_after_a_pause_all_pass() -> None:
    servers = Servers("600/minute")
    await servers.look()
    servers.limiters = servers.limiters[:1]
    assert await servers.passed(2) == 2  # of what was given for two more, one is left
    servers.clock.pass_by(timedelta(seconds=30))
    servers.is_slow = True
    assert await asyncio.gather(*(refused(servers.limiters[0], "a") for _ in range(4))) == [None] * 4


async def test_what_was_counted_alone_counts_in_company() -> None:
    servers = Servers("20/minute")
    first, second = servers.limiters
    await first.look()
    for _ in range(15):
        await first.check("a")
    await second.look()
    await first.look()
    assert await servers.passed(30) == 5


async def test_who_is_left_alone_knows_what_the_other_one_gave() -> None:
    servers = Servers("20/minute")
    await servers.look()
    assert await servers.passed(16) == 16
    left, gone = servers.limiters
    await gone.close()
    servers.limiters = [left]
    await servers.look()
    assert await servers.passed(20) == 4
    servers.clock.pass_by(timedelta(seconds=61))
    await servers.look()
    asked = servers.asked
    assert (await servers.passed(30), servers.asked) == (20, asked)


async def test_nobody_is_refused_because_the_database_is_away() -> None:
    servers = Servers("20/minute")
    await servers.look()
    assert await servers.passed(10) == 10
    servers.away = True
    assert await servers.passed(60) == 30  # each counts by itself: five of each were its own already
    with pytest.raises(RepositoryUnavailable):
        await servers.look()
    servers.away = False
    await servers.look()
    assert await servers.passed(10) == 0
