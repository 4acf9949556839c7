"""A connection of our own to PostgreSQL that comes back whenever it is lost."""

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.1, 5.0

# The last one is what asyncpg says when a connection is cut between two steps of its own.
FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Connected(ABC):
    """Work over one connection: ``use`` is run on each new one until it is lost, then again on the next."""

    def __init__(self, url: str) -> None:
        """``url``: SQLAlchemy's ``postgresql+asyncpg://`` or a plain one."""
        self._dsn = _dsn(url)
        self._running: asyncio.Task[None] | None = None
        self._first = asyncio.Event()

    async def start(self) -> None:
        """Connect; returns once that was done, or after ten seconds, then it goes on trying by itself."""
        self._running = asyncio.create_task(self._run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._first.wait(), _CONNECT_SECONDS)

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    @abstractmethod
    async def use(self, connection: asyncpg.Connection) -> None:
        """Work until the connection is lost: return then, or raise one of ``FAILURES``."""

    async def _run(self) -> None:
        backoff = _FIRST_BACKOFF
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._run_once()
            except FAILURES as error:
                log.warning("%s: connection to PostgreSQL: %s", type(self).__name__, type(error).__name__)
            if asyncio.get_running_loop().time() - began > _LONGEST_BACKOFF:
                backoff = _FIRST_BACKOFF
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    async def _run_once(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=_CONNECT_SECONDS, command_timeout=_CONNECT_SECONDS)
        try:
            await self.use(connection)
        finally:
            try:
                await connection.close(timeout=_CLOSE_SECONDS)
            except FAILURES:
                connection.terminate()

    def _is_connected(self) -> None:
        """To be called by ``use`` once its connection is ready."""
        self._first.set()


def _dsn(url: str) -> str:
    """As libpq has it: SQLAlchemy's driver is no part of it, and its ``ssl`` is called ``sslmode``."""
    parts = urlsplit(url)
    query = [("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(parts.query)]
    return urlunsplit(parts._replace(scheme="postgresql", query=urlencode(query)))
