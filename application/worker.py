"""Claims jobs and has them done, some side by side. ``jobs.py`` says by whom."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

from application.jobs import JobHandler
from application.observing.trace import current_trace, within
from application.observing.uncounted import UNCOUNTED
from application.observing.untraced import UNTRACED
from domain.errors import (
    JobFailed,
    JobTakenOver,
    LongshoreError,
    ProcessorBusy,
    RepositoryUnavailable,
    StorageFull,
    StorageUnavailable,
    Unavailable,
)
from domain.job import Job, family_of
from domain.trace import Span, SpanKind
from ports.id_generator import IdGenerator
from ports.job_carrier import JobCarrier
from ports.metrics import Metrics
from ports.tracer import Tracer
from ports.unit_of_work import UnitOfWorkFactory

log = logging.getLogger(__name__)

_AWAY = (RepositoryUnavailable, StorageUnavailable, StorageFull, ProcessorBusy)
"""Not the job's fault: it is no attempt."""
_BEATS = 4
_END_SECONDS = 10.0
_DIED = "each time its worker died while it was at it"


class Worker:
    """``slots``: how many jobs are done at once.

    ``idle_seconds``: without any news it looks for jobs that often, so nothing depends on who carries the news. As long
    as there are none one slot looks for all of them.
    ``lease_seconds``: how long a job stays a worker's that says nothing of it any more. ``outage_seconds``: how long
    what is away is left alone.
    """

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        carrier: JobCarrier,
        ids: IdGenerator,
        handlers: Iterable[JobHandler],
        slots: int,
        metrics: Metrics = UNCOUNTED,
        tracer: Tracer = UNTRACED,
        idle_seconds: float = 1.0,
        lease_seconds: float = 15.0,
        outage_seconds: float = 5.0,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._carrier = carrier
        self._ids = ids
        self._handlers = {handler.kind: handler for handler in handlers}
        self._slots = slots
        self._metrics = metrics
        self._tracer = tracer
        self._idle_seconds = idle_seconds
        self._lease_seconds = lease_seconds
        self._outage_seconds = outage_seconds
        self._is_away = False
        self._is_quiet = False  # the last look found nothing: until ``_looks_at`` no slot without news looks again
        self._looks_at = 0.0

    async def run(self) -> None:
        """Work until this is cancelled. Then what is under way is put back, in ten seconds at most, as if it had never
        been begun."""
        slots = [asyncio.create_task(self._work()) for _ in range(self._slots)]
        try:
            await asyncio.gather(*slots)
        finally:
            for slot in slots:
                slot.cancel()
            await asyncio.wait(slots, timeout=_END_SECONDS)

    async def _work(self) -> None:
        seconds = 0.0  # what there is at the start is seen to without any news
        while True:
            async with self._carrier.news(seconds) as has_come:
                now = asyncio.get_running_loop().time()
                if has_come or not self._is_quiet or now >= self._looks_at:
                    self._looks_at = now + self._idle_seconds
                    await self._do_all()
            seconds = self._idle_seconds

    async def _do_all(self) -> None:
        """Until none is due."""
        try:
            while (job := await self._claimed()) is not None:
                with within(self._tracer.begun(job.trace)):
                    await self._see_to(job)
        except Unavailable as error:
            if not self._is_away:
                log.warning("jobs have to wait: %s", error.detail)
            self._is_away = True
            await asyncio.sleep(self._outage_seconds)
        except Exception:
            log.exception("a worker failed; it goes on")
            await asyncio.sleep(self._outage_seconds)
        else:
            self._is_away = False

    async def _claimed(self) -> Job | None:
        claiming = asyncio.create_task(self._claim())
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # Else it would be nobody's until its lease runs out.
            with suppress(LongshoreError):
                if job := await claiming:
                    await self._give_back(job)
            raise

    async def _claim(self) -> Job | None:
        kinds = [kind for kind, handler in self._handlers.items() if handler.is_ready()]
        if not kinds:
            return None
        async with self._unit_of_work() as work:
            job = await work.jobs.claim(kinds, token=self._ids.new(), lease_seconds=self._lease_seconds)
            self._is_quiet = job is None
            if job is not None:
                await work.commit()
        return job

    async def _see_to(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        handler, began, outcome = self._handlers[job.kind], loop.time(), "failed"
        try:
            if handler.schedule.is_spent(job):
                await self._bury(handler, job, job.error or _DIED)
            else:
                await self._run(handler, job)
                outcome = "done"
        except asyncio.CancelledError:
            outcome = "put_back"
            await self._give_back(job)
            raise
        except JobTakenOver:
            outcome = "taken_over"
            log.warning("job %s (%s %s) was taken over by another worker", job.id, job.kind, job.subject)
        except _AWAY as error:
            outcome = "put_back"
            log.info("job %s (%s %s) has to wait: %s", job.id, job.kind, job.subject, error.detail)
            await self._give_back(job, seconds=self._outage_seconds)
        except JobFailed as error:
            log.debug("job %s (%s %s) failed: %s", job.id, job.kind, job.subject, error.detail)
            await self._failed(handler, job, error.detail, after_seconds=error.after_seconds, is_final=error.is_final)
        except Exception as error:
            is_strange = not isinstance(error, LongshoreError)
            log.warning("job %s (%s %s) failed: %r", job.id, job.kind, job.subject, error, exc_info=is_strange)
            await self._failed(handler, job, _in_words(error))
        finally:
            self._told(job, outcome, loop.time() - began)

    def _told(self, job: Job, outcome: str, seconds: float) -> None:
        family = family_of(job.kind)
        self._metrics.job_ended(family, outcome, seconds)
        if trace := current_trace():
            attributes: dict[str, str | int | bool] = {
                "longshore.job.id": job.id,
                "longshore.job.kind": family,
                "longshore.job.subject": job.subject,
                "longshore.job.attempt": job.attempts,
                "longshore.job.outcome": outcome,
            }
            name, has_failed = f"job {family}", outcome == "failed"
            self._tracer.ended(Span(trace, name, SpanKind.CONSUMER, seconds, attributes, has_failed=has_failed))

    async def _run(self, handler: JobHandler, job: Job) -> None:
        """Raises:
        JobTakenOver: by the time that it could have been told so, nothing was committed.
        """
        running = asyncio.create_task(handler.run(job))
        is_ours, beat = True, self._lease_seconds / _BEATS
        try:
            while is_ours and not (await asyncio.wait({running}, timeout=beat))[0]:
                is_ours = await self._renew(job)
            if not is_ours:  # or it is done, and its handler is about to hear of the commit, and to tell of it
                await asyncio.wait({running}, timeout=beat)
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait({running})
        if running.cancelled():
            if not is_ours:
                raise JobTakenOver("another worker has the job")
            raise RuntimeError("the handler was cancelled, and not by its worker")
        running.result()

    async def _renew(self, job: Job) -> bool:
        try:
            async with self._unit_of_work() as work:
                is_ours = await work.jobs.renew(job, lease_seconds=self._lease_seconds)
                await work.commit()
        except Unavailable:
            return True  # what others made of it meanwhile, the commit of the work will tell
        return is_ours

    async def _failed(
        self, handler: JobHandler, job: Job, error: str, *, after_seconds: float = 0, is_final: bool = False
    ) -> None:
        pause = None if is_final else handler.schedule.pause_seconds(job)
        with suppress(JobTakenOver):
            if pause is None:
                await self._bury(handler, job, error)
                return
            async with self._unit_of_work() as work:
                await work.jobs.put_back(job, seconds=max(pause, after_seconds), error=error)
                await work.commit()

    async def _bury(self, handler: JobHandler, job: Job, error: str) -> None:
        log.error("job %s (%s %s) is given up: %s", job.id, job.kind, job.subject, error)
        async with self._unit_of_work() as work:
            await handler.give_up(work, job, error)
            await work.jobs.bury(job, error=error)
            await work.commit()

    async def _give_back(self, job: Job, *, seconds: float = 0) -> None:
        """As if it had not been begun. Where that can't be done its lease runs out."""
        with suppress(LongshoreError):
            async with self._unit_of_work() as work:
                await work.jobs.put_back(job, seconds=seconds, error=job.error, counts=False)
                await work.commit()


def _in_words(error: Exception) -> str:
    if isinstance(error, LongshoreError):
        return error.detail or error.code
    return f"{type(error).__name__}: {error}".rstrip(": ")
