"""Takes one delivery to its receiver. Contract: tests/contract/test_webhook_sender.py."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol

from domain.webhook import Answer


class WebhookSender(Protocol):
    @abstractmethod
    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST it, once, and return what was answered; where nothing was, why.

        Redirects are an answer, and not followed. What an answer says beyond its head is not kept, and of that no more
        than 64 KiB read. It takes no longer than the sender's patience, and reaches no address but those that it may.
        """

    @abstractmethod
    async def close(self) -> None:
        """Send no more."""
