"""A connection of our own to NATS that comes back whenever it is lost."""

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress

import nats
from nats.aio.client import Client
from nats.errors import Error

from domain.errors import Unavailable

log = logging.getLogger(__name__)

FAILURES = (Error, OSError, TimeoutError)
ANSWER_SECONDS = 2

_CONNECT_SECONDS = 5
_PROBE_SECONDS = 10  # a connection that died silently says nothing by itself
_LOST_SECONDS = 60  # by then a connection without an answer has been found to be dead
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.1, 2.0


class Connected(ABC):
    """Work over one connection: ``use`` is run on each new one until it is lost, then again on the next."""

    meanwhile = "nothing gets through"
    """What holds while NATS is away, for the log."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Client | None = None
        self._running: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[bool] | None = None
        self._backoff = _FIRST_BACKOFF
        self._is_told = False

    def start(self) -> None:
        """Connect, and come back whenever the connection is lost; nobody waits for it."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
            self._running = None

    async def check(self) -> None:
        """Raises:
        Unavailable: there is no connection, or nobody answers.
        """
        if self._connection is None:
            raise Unavailable("NATS is away")
        # One question at a time, which nobody takes back: nats-py stops reading, and says nothing of it, when an answer
        # comes that is not waited for any more. Then others are not heard until the connection is found to be dead.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(_answers(self._connection))
        asking = self._asking
        await asyncio.wait({asking}, timeout=ANSWER_SECONDS)
        if not asking.done() or asking.cancelled() or not asking.result():
            raise Unavailable("NATS is away")

    @abstractmethod
    async def use(self, connection: Client) -> None:
        """Call ``is_connected`` once all is ready, then work until the connection is lost; return then, or raise one of
        ``FAILURES``."""

    @abstractmethod
    def wake(self) -> None:
        """Have ``use`` look whether ``connection`` is closed."""

    def missed(self) -> None:  # noqa: B027 -- who only sends misses nothing
        """Something that came could not be kept."""

    def is_connected(self, connection: Client) -> None:
        self._connection = connection
        self._backoff, self._is_told = _FIRST_BACKOFF, False
        log.info("%s: connected to NATS", type(self).__name__)

    async def _run(self) -> None:
        while True:
            try:
                await self._run_once()
            except FAILURES as error:
                if not self._is_told:
                    log.warning("%s: NATS is away, %s: %s", type(self).__name__, self.meanwhile, type(error).__name__)
                self._is_told = True
            await asyncio.sleep(self._backoff)
            self._backoff = min(2 * self._backoff, _LONGEST_BACKOFF)

    async def _run_once(self) -> None:
        async def is_lost() -> None:
            self.wake()

        async def is_told(error: Exception) -> None:  # else it is raised where it matters
            if isinstance(error, nats.errors.SlowConsumerError):
                self.missed()
            elif "permissions" in str(error).lower():  # of a subscription nothing else tells
                log.warning("%s: %s", type(self).__name__, error)

        connection = await nats.connect(
            self._url,
            name="longshore",
            allow_reconnect=False,
            no_echo=True,  # what one sends it knows
            connect_timeout=_CONNECT_SECONDS,
            ping_interval=_PROBE_SECONDS,
            max_outstanding_pings=1,
            closed_cb=is_lost,
            error_cb=is_told,
        )
        try:
            await self.use(connection)
            raise ConnectionResetError
        finally:
            self._connection = None
            if self._asking is not None:
                self._asking.cancel()
                self._asking = None
            if not connection.is_closed:
                with suppress(*FAILURES):
                    await connection.close()


async def _answers(connection: Client) -> bool:
    try:
        await connection.flush(_LOST_SECONDS)
    except FAILURES:
        return False
    return True
