"""Believes bearer tokens, or does not. Contract: tests/contract/test_token_verifier.py."""

from abc import abstractmethod
from typing import Protocol

from domain.access import Principal


class TokenVerifier(Protocol):
    @abstractmethod
    def verify(self, token: str) -> Principal:
        """Who bears ``token``, which expires with it; quick enough to be asked for every request.

        One of more than 8 KiB is refused unread. What is refused is named in no message.

        Raises:
            InvalidToken: not signed by whom we trust, by a way we take; not for us; without an end, past it or not yet
                begun; it names no user.
        """
