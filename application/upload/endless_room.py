"""Room where nobody says how much there is: bytes come until storage is full."""

from domain.size import MAX_SIZE
from ports.room import Room


class EndlessRoom(Room):
    async def check(self, size: int) -> int:
        return MAX_SIZE
