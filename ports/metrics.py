"""Counts what happens within. Contract: tests/contract/test_metrics.py."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from domain.measures import Family


class Metrics(Protocol):
    """Told on the way of every chunk: it is quick, waits for nothing and raises nothing."""

    @abstractmethod
    def received(self, size: int, seconds: float) -> None:
        """So many bytes are durable and recorded, that long after they had come."""

    @abstractmethod
    def committed(self, receipts: int) -> None:
        """So many receipts, or whole files, shared a commit."""

    @abstractmethod
    def job_ended(self, kind: str, outcome: str, seconds: float) -> None:
        """A worker has had a job for that long. ``outcome``: one of a few words."""

    @abstractmethod
    def families(self) -> Sequence[Family]:
        """What has been counted since this process began."""
