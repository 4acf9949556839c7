"""What clients are told of the rate that they are bound to (draft-ietf-httpapi-ratelimit-headers-10)."""

from functools import lru_cache
from math import ceil

from domain.rate import Rate, Told


def rate_headers(told: Told) -> dict[str, str]:
    left = f'"default";r={max(0, told.left)};t={ceil(told.seconds)}'
    return {"RateLimit-Policy": _policy(told.rate), "RateLimit": left}


@lru_cache
def _policy(rate: Rate) -> str:
    return f'"default";q={rate.amount};w={rate.seconds}'
