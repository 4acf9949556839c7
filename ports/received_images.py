"""What image sessions have received, so that their limits hold across connections and processes.
Contract: tests/contract/test_received_images.py."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from domain.received_image import ImageSession, ReceivedImage


class ReceivedImages(Protocol):
    """One that is here goes with its file's record."""

    @abstractmethod
    async def list(self, session: ImageSession) -> Sequence[ReceivedImage]:
        """All of the session, by index."""

    @abstractmethod
    async def lock(self, session: ImageSession) -> None:
        """From here to the commit nobody else changes this session; what is read after this is what is kept."""

    @abstractmethod
    async def put(self, image: ReceivedImage) -> None:
        """Keep it, in place of the one of its index, if there is any."""

    @abstractmethod
    async def remove(self, image: ReceivedImage) -> None:
        """Nothing happens if it is not there."""
