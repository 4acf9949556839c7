"""What clients have asked of several servers, in memory. Contract: tests/contract/test_shared_rates.py."""

from dataclasses import dataclass, field

from domain.rate import Given, Window, Wish, take
from ports.clock import Clock
from ports.shared_rates import SharedRates


@dataclass(slots=True)
class MemoryRates:
    """What the servers share."""

    servers: set[SharedRates] = field(default_factory=set)
    windows: dict[tuple[str, int], Window] = field(default_factory=dict)


class MemorySharedRates(SharedRates):
    def __init__(self, clock: Clock, rates: MemoryRates | None = None) -> None:
        self._clock = clock
        self._rates = rates or MemoryRates()

    async def look(self) -> bool:
        self._rates.servers.add(self)
        return len(self._rates.servers) > 1

    async def take(self, wish: Wish) -> Given:
        kept = self._rates.windows
        windows = [kept.setdefault((wish.client, rate.seconds), Window(rate)) for rate in wish.rates]
        return take(windows, wish.amount, wish.made, self._clock.now().timestamp())

    async def leave(self) -> None:
        self._rates.servers.discard(self)
