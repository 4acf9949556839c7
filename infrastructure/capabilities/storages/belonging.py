"""Whether a storage is this database's: the database keeps the id that is in the storage's marker. For every kind.

A wrong one would answer 410 for every file, and take new ones where nobody looks for them. Nothing is written into it:
it may be a mount point whose volume is away.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from adapters.outbound.sql.repositories.installation import SqlInstallation

log = structlog.get_logger(__name__)


class Marked(Protocol):
    """What has a marker, or gets one."""

    @abstractmethod
    async def identify(self) -> str | None:
        """The id in the marker; None without one."""

    @abstractmethod
    async def prepare(self) -> str:
        """Mark it if it is new; return its id."""


class NotOurs(Exception):
    """The storage is another database's; or a new one, while the database has bytes in another. Nothing is changed."""


async def settle(
    installation: SqlInstallation,
    storage: Marked,
    *,
    called: str,
    moving: str,
    checked: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Return once storage and database belong together.

    They come to do so at the first start, and later where a new storage is named and nothing would be missed of the
    old one. ``called``, ``moving``: what it is to an operator, and how bytes get there from another one. ``checked``:
    raises where it is of no use, before the database is bound to it.

    Raises:
        NotOurs
        Unavailable: database or storage are away.
    """
    known, found = await installation.storage_id(), await storage.identify()
    not_ours = f"is not this database's {called}"
    if known is not None and found != known:
        if found is not None and not await installation.has_had(found):
            raise NotOurs(f"{not_ours}: a wrong {called} is named or mounted, or a wrong database named")
        if await installation.has_bytes():
            raise NotOurs(
                f"{not_ours}, which has bytes in another one: name that again, or mount it. To move it, stop the "
                f"server and {moving}"
            )
    if checked is not None:
        await checked()
    if known is None or found != known:
        kept = await installation.remember_storage(await storage.prepare(), in_place_of=known)
        if kept != await storage.identify():
            raise NotOurs(f"{not_ours}: another server begins with another one just now")
        if known is not None:
            log.warning("nothing had been stored: from now on the database belongs to another storage")
