"""Metrics where nobody asks for any."""

from collections.abc import Sequence

from domain.measures import Family
from ports.metrics import Metrics


class Uncounted(Metrics):
    def received(self, size: int, seconds: float) -> None:
        pass

    def committed(self, receipts: int) -> None:
        pass

    def job_ended(self, kind: str, outcome: str, seconds: float) -> None:
        pass

    def families(self) -> Sequence[Family]:
        return []


UNCOUNTED = Uncounted()
