"""News of jobs by RabbitMQ: a durable queue that all workers share.
Contract: tests/contract/test_job_carrier.py.

Only who waits is a consumer, and is sent one news, which is acknowledged once that worker is done with it: so none lies
with a worker that is busy.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, DeliveryMode
from aio_pika.connection import make_url
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from domain.errors import Unavailable
from domain.ids import JobId
from ports.job_carrier import JobCarrier

log = logging.getLogger(__name__)
for _noisy in ("aiormq", "aio_pika"):
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)  # they tell of each attempt, with tracebacks; we of the outage

QUEUE = "image.requests"
_KEPT_SECONDS = 3600  # news that is older is none: workers find the rows by themselves
_MAX_WAITING = 10_000
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 2.0
_CLOSE_SECONDS = 2.0
_HEARTBEAT_SECONDS = 10  # a connection that died silently says nothing by itself
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.1, 2.0
_FAILURES = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError)


class AmqpJobCarrier(JobCarrier):
    """While the broker is away the newest news waits here, up to ten thousand, and the rest is left to the rows."""

    def __init__(self, url: str, *, queue: str = QUEUE) -> None:
        self._url = url
        self._queue = queue
        self._waiting: deque[JobId] = deque(maxlen=_MAX_WAITING)
        self._has_some = asyncio.Event()
        self._connection: AbstractConnection | None = None
        self._is_ready = asyncio.Event()
        self._idle: list[AbstractChannel] = []  # one for each who waits at the same time
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, and come back whenever the connection is lost; nobody waits for it."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Pass on what waits still, if that can be done in two seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._waiting:  # noqa: ASYNC110 -- only an end waits for it
                    await asyncio.sleep(0.01)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    def carry(self, job_id: JobId) -> None:
        self._waiting.append(job_id)
        self._has_some.set()

    @asynccontextmanager
    async def news(self, seconds: float) -> AsyncIterator[bool]:
        message = await self._next(seconds)
        try:
            yield message is not None
        except BaseException:
            if message is not None:
                with suppress(*_FAILURES):
                    await message.nack()  # it is for another worker
            raise
        if message is not None:
            with suppress(*_FAILURES):
                await message.ack()

    async def check(self) -> None:
        connection = self._connection
        if connection is None or not self._is_ready.is_set():
            raise Unavailable("RabbitMQ is away")
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                channel = await connection.channel()
                await channel.close()
        except _FAILURES as error:
            raise Unavailable("RabbitMQ is away") from error

    async def _next(self, seconds: float) -> AbstractIncomingMessage | None:
        come: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_ready.wait()
                try:
                    await self._consume(come)
                except _FAILURES:
                    await asyncio.sleep(seconds)  # the connection is just being lost
        return None if come.empty() else come.get_nowait()

    async def _consume(self, come: asyncio.Queue[AbstractIncomingMessage]) -> None:
        """Until one has come, or this is cancelled; it may have come all the same."""
        idle = self._idle
        channel = idle.pop() if idle else await self._new_channel()
        queue = await channel.get_queue(self._queue, ensure=False)
        has_come = asyncio.Event()

        async def take(message: AbstractIncomingMessage) -> None:
            come.put_nowait(message)
            has_come.set()

        tag = await queue.consume(take)
        try:
            await has_come.wait()
        finally:
            await queue.cancel(tag, timeout=_ANSWER_SECONDS)
            idle.append(channel)

    async def _new_channel(self) -> AbstractChannel:
        if self._connection is None:
            raise OSError("not connected")
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=1)
        return channel

    async def _run(self) -> None:
        backoff, is_told = _FIRST_BACKOFF, False
        while True:
            try:
                channel = await self._connect()
                log.info("connected to RabbitMQ")
                backoff, is_told = _FIRST_BACKOFF, False
                await self._publish_all(channel)
            except _FAILURES as error:
                if not is_told:
                    log.warning("RabbitMQ is away, workers look for jobs by themselves: %s", type(error).__name__)
                is_told = True
            finally:
                await self._disconnect()
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, _LONGEST_BACKOFF)

    async def _connect(self) -> AbstractChannel:
        # Made before it connects, so that it is closed whatever comes of that.
        url = make_url(self._url)
        url = url if "heartbeat" in url.query else url.update_query(heartbeat=_HEARTBEAT_SECONDS)
        self._connection = aio_pika.Connection(url, client_properties={"connection_name": "longshore"})
        await self._connection.connect(timeout=_CONNECT_SECONDS)
        self._connection.close_callbacks.add(lambda *_: self._has_some.set())
        channel = await self._connection.channel(publisher_confirms=True)
        # Not a quorum queue: of a node alone that was killed, RabbitMQ 3.10 brings it back without a leader.
        await channel.declare_queue(self._queue, durable=True, timeout=_CONNECT_SECONDS)
        self._is_ready.set()
        return channel

    async def _publish_all(self, channel: AbstractChannel) -> None:
        """As it comes, until the connection is lost."""
        while not channel.is_closed:
            while self._waiting:
                job_id = self._waiting[0]
                message = aio_pika.Message(
                    job_id.encode(),
                    message_id=job_id,
                    delivery_mode=DeliveryMode.PERSISTENT,
                    expiration=_KEPT_SECONDS,
                )
                await channel.default_exchange.publish(message, self._queue, timeout=_ANSWER_SECONDS)
                if self._waiting and self._waiting[0] is job_id:  # else it had to make room for newer ones
                    self._waiting.popleft()
            self._has_some.clear()
            if not channel.is_closed:
                await self._has_some.wait()
        raise ConnectionResetError

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._is_ready = asyncio.Event()
        self._idle = []
        if connection is not None:
            with suppress(*_FAILURES):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await connection.close()
