"""``starter.py worker``: does jobs and nothing else; any number of these may run, on any number of machines."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

import structlog
from dependency_injector import providers

from application.jobs import JobHandler
from application.worker import Worker
from infrastructure import version
from infrastructure.capability import CannotStart
from infrastructure.container import Container
from infrastructure.observing.job_log import JobLog
from infrastructure.process import cores, loop_factory, on_signals
from infrastructure.settings import Settings
from infrastructure.startup import started
from infrastructure.worker_metrics import listens_for_metrics, metrics_served

log = structlog.get_logger(__name__)


def run(
    settings: Settings,
    *,
    slots: int | None = None,
    handlers: Callable[[Container], Iterable[JobHandler]] | None = None,
    patience: Mapping[str, float] | None = None,
) -> int:
    """Work until SIGTERM or SIGINT; return the process's exit code.

    ``slots``: how many jobs at once; None: one more than there are cores, for one always waits. ``handlers``: None:
    those of all capabilities.
    ``patience``: the ``…_seconds`` of ``Worker`` that are to be others.
    """
    settings = listens_for_metrics(settings.model_copy(update={"workers_inline": slots or cores() + 1}))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(_work(settings, dict(patience or {}), handlers))
        except CannotStart as error:
            print(error, file=sys.stderr)  # noqa: T201 -- the one line an operator has to see
            return 1
        return 0


async def _run(workers: Iterable[Worker]) -> None:
    await asyncio.gather(*(worker.run() for worker in workers))


async def _work(
    settings: Settings, made: Mapping[str, object], handlers: Callable[[Container], Iterable[JobHandler]] | None
) -> None:
    stopping = on_signals()
    if not settings.reaches_other_processes:
        log.warning("EVENTS_URL is memory://: who watches on a server does not hear of what is done here")
    async with started(settings) as container:
        container.metrics.override(providers.Object(JobLog()))
        if handlers is not None:
            made = {**made, "handlers": list(handlers(container))}
        async with metrics_served(container, settings):
            await _until_stopped(_run([container.worker(**made), *container.more_workers()]), container, stopping)


async def _until_stopped(work: Coroutine[Any, Any, None], container: Container, stopping: asyncio.Event) -> None:
    working = asyncio.create_task(work)
    log.info("working", version=version(), slots=container.settings().workers_inline, carrier=container.carrying())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()  # it never ends by itself: whoever looks after this process is to see why it did
    log.info("stopping; what is under way is put back")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    stopped.cancel()
