"""A worker's ``/metrics``, where the settings have a port for it: the route that servers have, and no other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from dependency_injector import providers

from infrastructure.capabilities.observing import OBSERVING
from infrastructure.capability import Measured
from infrastructure.chores import repeat
from infrastructure.container import Container
from infrastructure.observing.process_measures import process_families
from infrastructure.server import close, listening
from infrastructure.settings import Settings


def listens_for_metrics(settings: Settings) -> Settings:
    """As if the server's own address were that of a worker's metrics: by it, too, it is judged what they answer to."""
    host, port = settings.worker_metrics_host, settings.worker_metrics_port
    return settings.model_copy(update={"api_host": host, "api_port": port}) if port else settings


@asynccontextmanager
async def metrics_served(container: Container, settings: Settings) -> AsyncIterator[None]:
    """``settings``: those that ``listens_for_metrics`` made.

    Raises:
        CannotStart: somebody has the port.
    """
    if settings.worker_metrics_port is None:
        yield
        return
    measured: Sequence[Measured] = [process_families, container.loop_lag().families, container.metrics().families]
    container.measured.override(providers.Object(measured))
    services = replace(container.services(), observers=())  # its log is of jobs, not of who looks
    server, connections, door = listening(container, settings, services, container.metrics_route().resources())
    chores = [asyncio.create_task(repeat(chore)) for chore in OBSERVING.chores(container, settings)]
    try:
        yield
    finally:
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        door.close()
        await close(server, connections, container)
