"""How long leases are renewed after, and waited for, in seconds."""

from dataclasses import dataclass

from adapters.outbound.sql.locks.lease_clock import TTL

SAFE_SECONDS = TTL.total_seconds() - 2.0  # after that without a renewal we don't believe in a lease ourselves


@dataclass(frozen=True, slots=True)
class Patience:
    living: float = 2.0  # for a living holder to let go
    dead: float = TTL.total_seconds() + 2.0  # for one that may be dead, until its lease has run out
    poll: float = 0.05
    renew: float = 3.0
    watch: float = 0.25  # how often we look whether another process wants our leases
    warm: float = 15.0  # how long we keep a lease that nobody here uses
    sweep: float = 600.0

    def with_holder(self, *, lives: bool) -> float:
        return self.living if lives else self.dead


PATIENCE = Patience()
