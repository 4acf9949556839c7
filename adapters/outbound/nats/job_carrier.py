"""News of jobs by NATS JetStream: a durable consumer that all workers share.
Contract: tests/contract/test_job_carrier.py.

A stream that has the subject already is taken as it is; else one is made.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig
from nats.js.errors import NotFoundError

from adapters.outbound.nats.connection import ANSWER_SECONDS, FAILURES, Connected
from domain.ids import JobId
from ports.job_carrier import JobCarrier

SUBJECT = "image.requests"
_CONSUMER = "workers"
_KEPT_SECONDS = 3600.0  # news that is older is none: workers find the rows by themselves
_MAX_WAITING = 10_000
_CLOSE_SECONDS = 2.0


class NatsJobCarrier(Connected, JobCarrier):
    """While the server is away the newest news waits here, up to ten thousand, and the rest is left to the rows."""

    meanwhile = "workers look for jobs by themselves"

    def __init__(self, url: str, *, subject: str = SUBJECT) -> None:
        super().__init__(url)
        self._subject = subject
        self._waiting: deque[JobId] = deque(maxlen=_MAX_WAITING)
        self._has_some = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._idle: list[JetStreamContext.PullSubscription] = []  # one for each who waits at the same time

    async def close(self) -> None:
        """Pass on what waits still, if that can be done in two seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while self._waiting:  # noqa: ASYNC110 -- only an end waits for it
                    await asyncio.sleep(0.01)
        await super().close()

    def carry(self, job_id: JobId) -> None:
        self._waiting.append(job_id)
        self._has_some.set()

    @asynccontextmanager
    async def news(self, seconds: float) -> AsyncIterator[bool]:
        """It is acknowledged at once: only who asks is given any, and what becomes of the job its row tells."""
        yield await self._next(seconds)

    def wake(self) -> None:
        self._has_some.set()

    async def use(self, connection: Client) -> None:
        stream = await self._stream(connection)
        jetstream = connection.jetstream()
        try:
            await jetstream.consumer_info(stream, _CONSUMER)
        except NotFoundError:
            await jetstream.add_consumer(
                stream,
                ConsumerConfig(durable_name=_CONSUMER, ack_policy=AckPolicy.EXPLICIT, filter_subject=self._subject),
            )
        self.is_connected(connection)
        self._is_ready.set()
        try:
            await self._publish_all(connection)
        finally:
            self._is_ready = asyncio.Event()
            self._idle = []

    async def _next(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._is_ready.wait()
                try:
                    await self._fetch(seconds)
                except FAILURES:
                    # It may have been answered by what came too late for another one: that is over soon.
                    await asyncio.sleep(seconds)
                    return False
        except TimeoutError:
            return False
        return True

    async def _fetch(self, seconds: float) -> None:
        ready, connection = self._is_ready, self._connection
        if connection is None:
            raise OSError("not connected")
        if self._idle:
            subscription = self._idle.pop()
        else:
            subscription = await connection.jetstream().pull_subscribe_bind(_CONSUMER, await self._stream(connection))
        try:
            [message] = await subscription.fetch(1, timeout=max(seconds, 0.001))
        finally:
            if ready is self._is_ready:
                self._idle.append(subscription)
        await message.ack()

    async def _stream(self, connection: Client) -> str:
        """The name of the one that has our subject."""
        jetstream = connection.jetstream()
        try:
            return await jetstream.find_stream_name_by_subject(self._subject)
        except NotFoundError:
            name = self._subject.replace(".", "_")
            await jetstream.add_stream(
                StreamConfig(
                    name, subjects=[self._subject], retention=RetentionPolicy.WORK_QUEUE, max_age=_KEPT_SECONDS
                )
            )
            return name

    async def _publish_all(self, connection: Client) -> None:
        """As it comes, until the connection is lost."""
        jetstream = connection.jetstream(timeout=ANSWER_SECONDS)
        while not connection.is_closed:
            while self._waiting:
                job_id = self._waiting[0]
                await jetstream.publish(self._subject, job_id.encode(), headers={"Nats-Msg-Id": job_id})
                if self._waiting and self._waiting[0] is job_id:  # else it had to make room for newer ones
                    self._waiting.popleft()
            self._has_some.clear()
            if not connection.is_closed:
                await self._has_some.wait()
