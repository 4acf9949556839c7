"""What clients have asked of all servers on one database. Contract: tests/contract/test_shared_rates.py."""

from abc import abstractmethod
from typing import Protocol

from domain.rate import Given, Wish


class SharedRates(Protocol):
    """All but ``leave`` raise RepositoryUnavailable while the database is away."""

    @abstractmethod
    async def look(self) -> bool:
        """Show that this server is here, and say whether there is another one; to be called every second or so. One
        that was killed is here for some time yet, unless it is known to be dead."""

    @abstractmethod
    async def take(self, wish: Wish) -> Given:
        """What all servers have given is never more than a rate allows, in no stretch of its seconds, if what was not
        asked for at once is not made later than ``Rate.soon`` says."""

    @abstractmethod
    async def leave(self) -> None:
        """This server is not here any more."""
