"""Counts what the database keeps. Contract: tests/contract/test_census.py."""

from abc import abstractmethod
from typing import Protocol

from domain.census import Count


class Census(Protocol):
    @abstractmethod
    async def count(self) -> Count:
        """It costs about the same however many files there are.

        Raises:
            RepositoryUnavailable
        """
