"""A ticket says once, and soon, who calls: for what a browser opens without headers of its own."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.access import Principal


@dataclass(frozen=True, slots=True)
class Ticket:
    """``digest``: of what its bearer shows, which nobody else has to know."""

    digest: str
    principal: Principal
    expires_at: datetime

    @classmethod
    def of(cls, principal: Principal, shown: str, *, now: datetime, life: timedelta) -> "Ticket":
        """No longer good than it is known who calls."""
        ends = now + life if principal.expires_at is None else min(now + life, principal.expires_at)
        return cls(digest_of(shown), principal, ends)


def digest_of(shown: str) -> str:
    return hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()
