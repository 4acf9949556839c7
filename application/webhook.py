"""The job that takes one event to one receiver: sent until it is taken, at least once, always with the same id.

The job is written with the event (``Webhooks.deliveries``), so none is missed, whoever dies when.
"""

import logging

from application.jobs import JobHandler
from application.observing.trace import trace_headers
from domain.errors import JobFailed
from domain.job import Job, Schedule
from domain.webhook import Answer, Endpoint, signed_headers
from ports.clock import Clock
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ports.webhook_sender import WebhookSender

log = logging.getLogger(__name__)

_GONE = 410
_ASK_FOR_REST = (429, 503)
_LONGEST_WISH_SECONDS = 24 * 3600.0
_LONGEST_REST_SECONDS = 3600.0


class DeliveryHandler(JobHandler):
    """Delivers to one endpoint. A job's subject is the event's id, its payload the body."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        secrets: tuple[bytes, ...],
        schedule: Schedule,
        unit_of_work: UnitOfWorkFactory,
        sender: WebhookSender,
        clock: Clock,
    ) -> None:
        self.kind = endpoint.kind
        self.schedule = schedule
        self._endpoint = endpoint
        self._secrets = secrets
        self._unit_of_work = unit_of_work
        self._sender = sender
        self._clock = clock
        self._rests_until = 0.0
        self._is_away = False

    def is_ready(self) -> bool:
        return self._clock.monotonic() >= self._rests_until

    async def run(self, job: Job) -> None:
        """Raises:
        JobFailed: it was not taken.
        JobTakenOver, Unavailable: it was, and may be once more.
        """
        body = job.payload.encode()
        headers = {**signed_headers(job.subject, body, self._secrets, self._clock.now()), **trace_headers()}
        self._check(await self._sender.post(self._endpoint.url, headers, body))
        async with self._unit_of_work() as work:
            await work.jobs.remove(job)
            await work.commit()

    async def give_up(self, work: UnitOfWork, job: Job, error: str) -> None:
        pass  # the job itself is the dead letter: the doctor names it, `jobs retry` sends it

    async def revived(self, work: UnitOfWork, job: Job) -> None:
        pass

    def _check(self, answer: Answer) -> None:
        if answer.status is not None and 200 <= answer.status <= 299:
            self._tell(is_away=False)
            return
        why = f"{self._endpoint.host}: {answer.reason or f'answered {answer.status}'}"
        self._tell(is_away=True, why=why)
        if answer.status == _GONE:
            self._rest(_LONGEST_REST_SECONDS)
            raise JobFailed(f"{why}: it wants no more", is_final=True)
        wish = min(answer.retry_after_seconds, _LONGEST_WISH_SECONDS)
        if answer.status in _ASK_FOR_REST:
            self._rest(min(wish, _LONGEST_REST_SECONDS))
        raise JobFailed(why, after_seconds=wish)

    def _rest(self, seconds: float) -> None:
        """For what waits as well: whoever asks for less is not sent the next one at once."""
        self._rests_until = max(self._rests_until, self._clock.monotonic() + seconds)

    def _tell(self, *, is_away: bool, why: str = "") -> None:
        """Once, not for each of what may be thousands."""
        if is_away and not self._is_away:
            log.warning("webhooks: what %s did not take is sent again: %s", self._endpoint.host, why)
        elif self._is_away and not is_away:
            log.info("webhooks: %s takes deliveries again", self._endpoint.host)
        self._is_away = is_away
