"""Whether there is room for more bytes. Contract: tests/contract/test_room.py."""

from abc import abstractmethod
from typing import Protocol


class Room(Protocol):
    @abstractmethod
    async def check(self, size: int) -> int:
        """Return how many bytes more may come, if it is ``size`` at least (0: whether any may at all). What is always
        to be left is not counted in.

        Asked before bytes are read, not for each of them: several who are let in at once may go a little further.

        Raises:
            StorageFull: they may not.
        """
