"""Events whose commit stands but whose announcement a crash may have swallowed.
Contract: tests/contract/test_outbox.py."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol


class Outbox(Protocol):
    @abstractmethod
    async def publish_left(self, *, older_than: datetime) -> int:
        """Publish and forget the events kept since before ``older_than``; return how many.

        An event may be published twice, never not at all.

        Raises:
            RepositoryUnavailable: the database is away.
        """
