"""How many requests one client may make: an exact moving window in this process's memory.

The syntax is that of the package ``limits``. Its memory storage keeps a key for every address it has ever seen
and starts a thread every 10 ms to walk them all, so the window is ours: some microseconds a request, and bounded.
"""

import ipaddress
import math
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from domain.errors import TooManyRequests

_MAX_CLIENTS = 50_000
_SEPARATOR = re.compile(r"[,;|]")
_RATE = re.compile(
    r"\s*([0-9]+)\s*(?:/|per)\s*([0-9]+)?\s*(second|minute|hour|day|month|year)s?\s*", re.ASCII | re.IGNORECASE
)
_UNIT_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 24 * 3600,
    "month": 30 * 24 * 3600,
    "year": 360 * 24 * 3600,
}


def parse_rates(text: str) -> list[tuple[int, int]]:
    """``600/minute``, ``100 per 2 hours; 5/second`` as numbers of requests and the seconds they are for.

    Raises:
        ValueError: it is not written like that.
    """
    rates = []
    for part in _SEPARATOR.split(text):
        found = _RATE.fullmatch(part)
        if found is None:
            raise ValueError("not a rate such as 600/minute")
        amount, multiple, unit = found.groups()
        rates.append((int(amount), int(multiple or 1) * _UNIT_SECONDS[unit.lower()]))
    return rates


class RateLimiter:
    """``limit`` is such as ``600/minute`` or ``20/second;600/minute``; None: no limit.

    ``uploads``: how many uploads may be begun beside that, for quotas bound them already.
    """

    def __init__(
        self, limit: str | None, *, uploads: str | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._requests = _Windows(limit)
        self._uploads = _Windows(uploads)
        self._now = now

    def check(self, client: str) -> None:
        """Count one request of ``client``; one that is refused does not count.

        Raises:
            TooManyRequests: with the seconds after which one is allowed again.
        """
        now, key = self._now(), neighbourhood(client)
        self._requests.check_room(key, now)
        self._requests.count(key, now)

    def check_upload(self, client: str) -> None:
        """Count the beginning of one upload: apart, and as a request once there is no room for it there.

        Raises:
            TooManyRequests: as above; also of a client whose requests are refused just now.
        """
        now, key = self._now(), neighbourhood(client)
        self._requests.check_room(key, now)
        (self._requests if self._uploads.wait(key, now) else self._uploads).count(key, now)


class _Windows:
    """Those of one limit, all of which have to have room."""

    def __init__(self, limit: str | None) -> None:
        self._windows = [_Window(amount, seconds) for amount, seconds in parse_rates(limit)] if limit else []

    def wait(self, key: str, now: float) -> float:
        return max((window.wait(key, now) for window in self._windows), default=0.0)

    def check_room(self, key: str, now: float) -> None:
        if wait := self.wait(key, now):
            raise TooManyRequests("too many requests; slow down", retry_after_seconds=math.ceil(wait))

    def count(self, key: str, now: float) -> None:
        for window in self._windows:
            window.count(key, now)


class _Window:
    def __init__(self, amount: int, seconds: float) -> None:
        self._amount = amount
        self._seconds = seconds
        self._hits: OrderedDict[str, deque[float]] = OrderedDict()  # the client seen longest ago comes first

    def wait(self, key: str, now: float) -> float:
        """Seconds until ``key`` may make a request; 0 if it may now."""
        hits = self._hits.get(key)
        if hits is None:
            return 0.0
        while hits and hits[0] + self._seconds <= now:
            hits.popleft()
        return hits[0] + self._seconds - now if len(hits) >= self._amount else 0.0

    def count(self, key: str, now: float) -> None:
        self._hits.setdefault(key, deque()).append(now)
        self._hits.move_to_end(key)
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Let go of clients that have been silent for a window; two a request is faster than they come."""
        for _ in range(2):
            key, hits = next(iter(self._hits.items()))
            if hits[-1] + self._seconds > now and len(self._hits) <= _MAX_CLIENTS:
                return
            del self._hits[key]


def neighbourhood(client: str) -> str:
    """An IPv6 host owns a /64 and could call from a new address each time: so the /64 is the client."""
    if ":" not in client:
        return client
    if client.startswith("::ffff:") and "." in client:  # IPv4, as a socket for both tells it
        return client.removeprefix("::ffff:")
    try:
        return str(ipaddress.IPv6Network((client.partition("%")[0], 64), strict=False))
    except ValueError:
        return client
