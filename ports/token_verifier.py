"""Turns a bearer token into the one who calls. No adapter yet: ``AUTH_MODE=jwt`` brings it."""

from abc import abstractmethod
from typing import Protocol

from domain.access import Principal


class TokenVerifier(Protocol):
    @abstractmethod
    def verify(self, token: str) -> Principal:
        """Raises:
        Unauthenticated: not a token of ours, altered, or expired.
        """
