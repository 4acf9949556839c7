"""Tells whoever watches what has happened. Contract: tests/contract/test_progress_notifier.py."""

from abc import abstractmethod
from typing import Protocol

from domain.events import Event


class ProgressNotifier(Protocol):
    @abstractmethod
    def publish(self, event: Event) -> None:
        """Pass ``event`` on to every feed, here and in other processes; never waits, never raises.

        Of several progress events of one upload that can't be passed on at once, the newest is.
        """
