"""Tells somebody else's monitoring what was done here, as spans of a trace. Contract: tests/contract/test_tracer.py."""

from abc import abstractmethod
from typing import Protocol

from domain.trace import Span, Trace


class Tracer(Protocol):
    """Told on the way of every request: it is quick, waits for nothing and raises nothing."""

    @abstractmethod
    def begun(self, cause: Trace | None) -> Trace | None:
        """Something begins, because of ``cause`` (None: of nothing that is known). What it causes in its turn belongs
        to what is returned, whether or not anybody is told of it."""

    @abstractmethod
    def ended(self, span: Span) -> None:
        """It is over, just now. ``span.trace``: what ``begun`` returned."""
