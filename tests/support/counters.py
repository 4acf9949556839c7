"""What counts requests where a test serves by itself."""

import time

from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.clients import Counter
from application.rate_limit import RateLimiter


def a_counter(limit: str | None = None, authenticator: Authenticator | None = None) -> Counter:
    return Counter(RateLimiter(limit, now=time.monotonic), authenticator or Authenticator())
