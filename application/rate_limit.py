"""How often a client may ask: counted here while this server is alone on its database, else together with the others
(ports/shared_rates.py, docs/decisions/0039-rates-are-shared-in-company.md)."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from domain.errors import LongshoreError, TooManyRequests
from domain.rate import Given, Rate, Told, Wish, parse_rates, tightest
from ports.shared_rates import SharedRates

SAME = ""
_MAX_CLIENTS = 50_000
_PUBLISHED_AT_ONCE = 500
_PATIENCE_SECONDS = 1.0


class RateLimiter:
    """``limit`` is such as ``600/minute`` or ``20/second;600/minute``; None: no limit.

    ``uploads``: how many uploads may be begun beside that, for quotas bound them already. ``users``: of those who are
    known by more than their address, in place of ``limit``; ``SAME``: as often.
    """

    def __init__(
        self,
        limit: str | None,
        *,
        uploads: str | None = None,
        users: str | None = SAME,
        shared: SharedRates | None = None,
        now: Callable[[], float],
    ) -> None:
        """``shared``: None, nobody else serves. ``now``: seconds that only grow."""
        self._sharing = sharing = _Sharing(shared, now)
        self._requests = _Budget("request", limit, sharing, now)
        self._of_users = _Budget("user", limit if users == SAME else users, sharing, now)
        self._uploads = _Budget("upload", uploads, sharing, now)
        self._budgets = (self._requests, self._of_users, self._uploads)
        self.is_limiting = any(budget.rates for budget in self._budgets)

    async def check(self, client: str, *, is_user: bool = False) -> Told | None:
        """Count one request of ``client``; one that is refused does not count. None: there is no limit.

        Raises:
            TooManyRequests: with the seconds after which one is allowed again.
        """
        return await (self._of_users if is_user else self._requests).take(client)

    async def check_upload(self, client: str, *, is_user: bool = False) -> Told | None:
        """Count the beginning of one upload: apart, and as a request once there is no room for it there; what is left
        of requests is told then, else None.

        Raises:
            TooManyRequests: as above; also of a client whose requests are refused just now.
        """
        requests = self._of_users if is_user else self._requests
        requests.check_room(client)
        try:
            await self._uploads.take(client)
        except TooManyRequests:
            return await requests.take(client)
        return None

    async def look(self) -> None:
        """See whether there is another server; to be called every second or so.

        Raises:
            RepositoryUnavailable: nobody can tell.
        """
        await self._sharing.look(self._budgets)

    async def close(self) -> None:
        await self._sharing.close()


@dataclass(slots=True)
class _Stock:
    """What one client may still have of this server, of what all of them share; and what it was told last."""

    told: Told
    left: int = 0
    until: float = 0.0
    size: int = 0
    refused_until: float = 0.0


class _Budget:
    """What clients may ask of one ``kind``: all of its rates have to have room for it."""

    def __init__(self, kind: str, limit: str | None, sharing: "_Sharing", now: Callable[[], float]) -> None:
        self.rates = parse_rates(limit) if limit else ()
        self._kind = kind
        self._windows = [_Windows(rate) for rate in self.rates]
        self._sharing = sharing
        self._now = now
        self._stocks: OrderedDict[str, _Stock] = OrderedDict()  # the client seen longest ago comes first

    async def take(self, client: str) -> Told | None:
        """Raises:
        TooManyRequests: it was not counted.
        """
        if not self._windows:
            return None
        if self._sharing.is_on:
            return await self._take_shared(client)
        return self._take_here(client, self._now())

    def check_room(self, client: str) -> None:
        """Raises:
        TooManyRequests: as far as is known here, it would be refused now.
        """
        now = self._now()
        if not self._windows:
            return
        if not self._sharing.is_on:
            self._check_here(client, now)
        elif stock := self._stocks.get(client):
            _check_stock(stock, now)

    def made(self, since: float) -> Iterator[Wish]:
        """What was counted here since then, to be told to the others."""
        now = self._now()
        longest = max(self._windows, key=lambda windows: windows.rate.seconds, default=None)
        for client, hits in longest.hits.items() if longest else ():
            if made := [(now - at, 1) for at in hits if at >= since]:
                yield self._wish(client, 0, made)

    def _take_here(self, client: str, now: float) -> Told:
        rate, left, seconds = self._check_here(client, now)
        self._count(client, now)
        return Told(rate, left - 1, seconds)

    def _check_here(self, client: str, now: float) -> Told:
        told = self._windows[0].told(client, now)
        if self._windows[1:]:
            told = tightest([told, *(windows.told(client, now) for windows in self._windows[1:])])
        if told.left <= 0:
            raise _refusal(told)
        return told

    async def _take_shared(self, client: str) -> Told:
        now, stock = self._now(), self._stocks.get(client)
        if stock is None:
            stock = self._stocks[client] = _Stock(Told(self.rates[0], self.rates[0].amount, 0.0))
        self._stocks.move_to_end(client)
        _check_stock(stock, now)
        if stock.left and now < stock.until:
            stock.left -= 1
        else:
            # Who asks again at once gets more at once; who has let some go by gets one.
            size = 2 * stock.size if now < stock.until else 1
            stock.size = min(size, *(rate.block for rate in self.rates))
            given = await self._sharing.take(self._wish(client, stock.size))
            if given is None:
                return self._take_here(client, now)
            stock.told = given.told
            if not given.amount:
                stock.refused_until = now + given.told.seconds
                raise _refusal(given.told)
            until = now + min(rate.soon for rate in self.rates)  # ``now`` is before they were given: so they are over
            stock.until = min(until, stock.until) if stock.left else until
            stock.left += given.amount - 1
        self._count(client, now)
        self._forget(now)
        rate, left, seconds = stock.told
        return Told(rate, left + stock.left, seconds)

    def _wish(self, client: str, amount: int, made: Sequence[tuple[float, int]] = ()) -> Wish:
        return Wish(f"{self._kind} {client}", self.rates, amount, made)

    def _count(self, client: str, now: float) -> None:
        for windows in self._windows:
            windows.count(client, now)

    def _forget(self, now: float) -> None:
        for _ in range(min(2, len(self._stocks))):  # none: another request of the same client has let go of its stock
            client, stock = next(iter(self._stocks.items()))
            if max(stock.until, stock.refused_until) > now and len(self._stocks) <= _MAX_CLIENTS:
                return
            del self._stocks[client]


def _check_stock(stock: _Stock, now: float) -> None:
    """Who was refused is refused again until the time has come, without a question."""
    if now < stock.refused_until:
        raise _refusal(Told(stock.told.rate, 0, stock.refused_until - now))


def _refusal(told: Told) -> TooManyRequests:
    return TooManyRequests("too many requests; slow down", told=told)


class _Windows:
    """One rate's: a deque of times for each client, the one seen longest ago first."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.hits: OrderedDict[str, deque[float]] = OrderedDict()

    def told(self, client: str, now: float) -> Told:
        """How many more ``client`` may make, and when there will be one more."""
        hits, (amount, seconds) = self.hits.get(client), (self.rate.amount, self.rate.seconds)
        while hits and hits[0] + seconds <= now:
            hits.popleft()
        if not hits:
            return Told(self.rate, amount, seconds)
        return Told(self.rate, amount - len(hits), hits[0] + seconds - now)

    def count(self, client: str, now: float) -> None:
        if (hits := self.hits.get(client)) is None:
            hits = self.hits[client] = deque()
        hits.append(now)
        self.hits.move_to_end(client)
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Let go of clients that have been silent for a window; two a request is faster than they come."""
        for _ in range(2):
            client, hits = next(iter(self.hits.items()))
            if hits and hits[-1] + self.rate.seconds > now and len(self.hits) <= _MAX_CLIENTS:
                return
            del self.hits[client]


class _Sharing:
    """Whether there are others to share with. Until that is known there may be: they have counted by then."""

    def __init__(self, shared: SharedRates | None, now: Callable[[], float]) -> None:
        self.is_on = shared is not None
        self._shared = shared
        self._now = now
        self._alone_since = now()
        self._shares_until = self._alone_since

    async def take(self, wish: Wish) -> Given | None:
        """None: the database is away, and nobody is refused for that; it is counted here until it is back."""
        if self._shared is None:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._shared.take(wish)
        except (LongshoreError, TimeoutError):
            self._go_alone()
            return None

    async def look(self, budgets: Sequence[_Budget]) -> None:
        if self._shared is None:
            return
        try:
            has_company = await self._shared.look()
            if has_company and not self.is_on:
                made = [wish for budget in budgets for wish in budget.made(self._alone_since)]
                self.is_on = True
                await self._publish(self._shared, made)
            if has_company:
                # What the others gave counts for a window yet, whether they are still here or not.
                longest = max((rate.seconds for budget in budgets for rate in budget.rates), default=0)
                self._shares_until = self._now() + longest
            elif self._now() >= self._shares_until:
                self._go_alone()
        except LongshoreError:
            self._go_alone()
            raise

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.leave()

    async def _publish(self, shared: SharedRates, made: Sequence[Wish]) -> None:
        for at in range(0, len(made), _PUBLISHED_AT_ONCE):
            await asyncio.gather(*(shared.take(wish) for wish in made[at : at + _PUBLISHED_AT_ONCE]))

    def _go_alone(self) -> None:
        if self.is_on:
            self.is_on = False
            self._alone_since = self._now()
