"""Events whose commit stands but whose announcement a crash may have swallowed.
Contract: tests/contract/test_outbox.py."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol


class Outbox(Protocol):
    @abstractmethod
    async def publish_left(self, *, older_than: datetime) -> int:
        """Publish and forget the events kept since before ``older_than``; return how many.

        Of several processes that do so one publishes each. Where one dies at it, another publishes it once more: never
        is one not published at all.

        Raises:
            RepositoryUnavailable: the database is away.
        """
