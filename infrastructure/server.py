"""Serving: from the settings to a listening socket, and back down without losing anybody's bytes."""

import asyncio
import gc
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from tornado.httpserver import HTTPServer
from tornado.httputil import ParseBodyConfig, ParseUrlEncodedConfig, set_parse_body_config

from adapters.inbound.common.uris import authority_of
from adapters.inbound.http.engine.accepting import Door, raise_limit
from adapters.inbound.http.engine.exchange import Resource
from adapters.inbound.http.engine.handlers import Handler
from adapters.inbound.http.engine.keep_alive import Patience
from adapters.inbound.http.engine.router import web_server
from adapters.inbound.http.engine.running import Connections, Services
from adapters.inbound.http.uploads.uploads import NOWHERE
from infrastructure import version
from infrastructure.capabilities import CAPABILITIES
from infrastructure.capability import CannotStart
from infrastructure.chores import repeat
from infrastructure.container import Container
from infrastructure.process import loop_factory, on_signals
from infrastructure.settings import Settings
from infrastructure.startup import started
from infrastructure.supervision.listening import listen
from infrastructure.supervision.neighbours import SharedCounts
from infrastructure.supervision.supervised import Link, Supervised

log = structlog.get_logger(__name__)

# New ones before garbage is looked for. Python's own 700 are two connections: a crowd spent a fifth of its time on it.
_GC_OBJECTS = 10_000
_DRAIN_SECONDS = 30.0
_CUT_SECONDS = 5.0
_LAST_REQUEST_SECONDS = 1.0
_RELIEVED_SECONDS = 600.0
_WELL_SECONDS = 10.0
# Of a query. As many ids as a head can hold are fewer.
_MAX_FIELDS = 2000


def run(settings: Settings, supervised: Supervised | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or as long as the supervisor says; return the process's exit code."""
    raise_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(_serve(settings, supervised))
        except CannotStart as error:
            print(error, file=sys.stderr)  # noqa: T201 -- the one line an operator has to see
            return 1
        return 0


async def _serve(settings: Settings, supervised: Supervised | None) -> None:
    stopping, relieved = on_signals(), asyncio.Event()
    link = Link(supervised, relieved=relieved, stopping=stopping) if supervised else None
    if supervised is None or supervised.is_first:
        for warning in settings.warnings:
            log.warning(warning)
    for capability in CAPABILITIES:
        capability.before_serving(settings)
    async with started(settings, supervised=supervised) as container:
        server, connections, door = listening(
            container,
            settings,
            container.services(),
            [resource for capability in CAPABILITIES for resource in capability.resources(container)],
            [handler for capability in CAPABILITIES for handler in capability.handlers(container)],
            supervised=supervised,
        )
        gc.freeze()  # what is here now stays: looking through it for garbage stops the loop for some 60 ms
        gc.set_threshold(_GC_OBJECTS, 10, 10)
        chores = [
            asyncio.create_task(repeat(chore))
            for capability in CAPABILITIES
            for chore in capability.chores(container, settings)
        ]
        if link is None:
            _greet(settings)
        else:
            await _until_well(container, stopping)
            link.serves()
        await _first_of(stopping, relieved)
        if not stopping.is_set():
            await _end(chores)
            await _let_go(connections, door, container, stopping)
        await _drain(server, connections, door, container)
        await _end(chores)
    if link is not None:
        link.close()


def listening(
    container: Container,
    settings: Settings,
    services: Services,
    resources: Sequence[Resource],
    handlers: Sequence[Handler] = (),
    *,
    supervised: Supervised | None = None,
) -> tuple[HTTPServer, Connections, Door]:
    """What serves these from now on, where the settings say; ``close`` it at the end, the door first."""
    set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=_MAX_FIELDS)))
    server, router = web_server(
        resources,
        services,
        handlers,
        nowhere=NOWHERE,
        budget=container.connection_budget(),
        patience=Patience(idle_seconds=settings.keep_alive.total_seconds()),
    )
    sockets = listen(settings.api_host, settings.api_port) if supervised is None else supervised.sockets()
    neighbours = None if supervised is None else SharedCounts(supervised)
    door = Door(sockets, router.accept, router.connections, neighbours=neighbours)
    return server, router.connections, door


async def close(server: HTTPServer, connections: Connections, container: Container) -> None:
    """Whoever is still there is cut."""
    connections.kept.close()
    await server.close_all_connections()
    connections.watchdog.close()
    connections.readers.close()
    container.body_threads().shutdown(wait=False)


async def _until_well(container: Container, stopping: asyncio.Event) -> None:
    """Return once what the server leans on is there, or after a while: then the others have no more of it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _WELL_SECONDS
    health = await container.health().run()
    while not (health.is_healthy or stopping.is_set() or loop.time() > deadline):
        await asyncio.sleep(0.1)
        health = await container.health().run()


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await _end(waiting)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _let_go(connections: Connections, door: Door, container: Container, stopping: asyncio.Event) -> None:
    """Another process serves in our place: who is here is served to the end, and told to come by a new connection."""
    log.info("relieved: what runs may end")
    container.drain().let_go()
    door.close()
    await asyncio.gather(container.sockets().close_all(), container.streams().close_all())
    await _until(stopping.is_set, _LAST_REQUEST_SECONDS)
    connections.kept.close()
    await _until(lambda: stopping.is_set() or not connections.running, _RELIEVED_SECONDS)


async def _drain(server: HTTPServer, connections: Connections, door: Door, container: Container) -> None:
    """Let running requests end, then cut what is left: a cut body keeps its prefix."""
    log.info("draining; a second signal (Ctrl-C, SIGTERM) ends it at once")
    container.drain().begin()
    door.close()
    await asyncio.gather(container.sockets().close_all(), container.streams().close_all())
    if not await _until(lambda: not connections.running, _DRAIN_SECONDS):
        for exchange in list(connections.running):
            exchange.cut()
        await _until(lambda: not connections.running, _CUT_SECONDS)
    await close(server, connections, container)
    log.info("drained")


async def _until(is_so: Callable[[], bool], seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not is_so():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


def _greet(settings: Settings) -> None:
    with suppress(OSError):  # where it goes to a file there may be no room: that is no reason not to serve
        print(greeting(settings), flush=True)  # noqa: T201 -- for the person at the terminal


def greeting(settings: Settings) -> str:
    base = settings.public_url or f"http://{authority_of(settings.api_host, settings.api_port)}"
    return (
        f"Longshore {version()}\n"
        f"  page          {base}/\n"
        f"  API docs      {base}/docs\n"
        f"  tus endpoint  {base}/uploads\n"
        f"  data folder   {settings.data_dir}"
    )
