"""Serving: from the settings to a listening socket, and back down without losing anybody's bytes."""

import asyncio
import gc
import sys
from collections.abc import Callable
from contextlib import suppress

import structlog
from tornado.httpserver import HTTPServer
from tornado.httputil import ParseBodyConfig, ParseUrlEncodedConfig, set_parse_body_config
from tornado.netutil import bind_sockets

from adapters.inbound.common.uris import authority_of
from adapters.inbound.http.engine.accepting import Door, raise_limit
from adapters.inbound.http.engine.keep_alive import Patience
from adapters.inbound.http.engine.router import web_server
from adapters.inbound.http.engine.running import Connections
from adapters.inbound.http.uploads.uploads import NOWHERE
from infrastructure import version
from infrastructure.capabilities import CAPABILITIES
from infrastructure.capability import CannotStart
from infrastructure.chores import repeat
from infrastructure.container import Container
from infrastructure.process import loop_factory, on_signals
from infrastructure.settings import Settings
from infrastructure.startup import started

log = structlog.get_logger(__name__)

_BACKLOG = 4096  # of a crowd that connects at once, whoever finds no place comes again a second later
# New ones before garbage is looked for. Python's own 700 are two connections: a crowd spent a fifth of its time on it.
_GC_OBJECTS = 10_000
_DRAIN_SECONDS = 30.0
_CUT_SECONDS = 5.0
# Of a query. As many ids as a head can hold are fewer.
_MAX_FIELDS = 2000


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the process's exit code."""
    raise_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(_serve(settings))
        except CannotStart as error:
            print(error, file=sys.stderr)  # noqa: T201 -- the one line an operator has to see
            return 1
        return 0


async def _serve(settings: Settings) -> None:
    for warning in settings.warnings:
        log.warning(warning)
    stopping = on_signals()
    for capability in CAPABILITIES:
        capability.before_serving(settings)
    async with started(settings) as container:
        server, connections, door = _listen(container, settings)
        gc.freeze()  # what is here now stays: looking through it for garbage stops the loop for some 60 ms
        gc.set_threshold(_GC_OBJECTS, 10, 10)
        chores = [
            asyncio.create_task(repeat(chore))
            for capability in CAPABILITIES
            for chore in capability.chores(container, settings)
        ]
        _greet(settings)
        await stopping.wait()
        await _drain(server, connections, door, container)
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)


def _listen(container: Container, settings: Settings) -> tuple[HTTPServer, Connections, Door]:
    resources = [resource for capability in CAPABILITIES for resource in capability.resources(container)]
    set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=_MAX_FIELDS)))
    server, router = web_server(
        resources,
        container.services(),
        [handler for capability in CAPABILITIES for handler in capability.handlers(container)],
        nowhere=NOWHERE,
        budget=container.connection_budget(),
        patience=Patience(idle_seconds=settings.keep_alive.total_seconds()),
    )
    try:
        sockets = bind_sockets(settings.api_port, settings.api_host, backlog=_BACKLOG)
    except OSError as error:
        where = authority_of(settings.api_host, settings.api_port)
        raise CannotStart(f"cannot listen on {where}: {error.strerror}") from error
    return server, router.connections, Door(sockets, router.accept, router.connections)


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
    connections.kept.close()
    await server.close_all_connections()
    connections.watchdog.close()
    connections.readers.close()
    container.body_threads().shutdown(wait=False)
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
    base = settings.public_url or f"http://{authority_of(settings.api_host, settings.api_port)}"
    with suppress(OSError):  # where it goes to a file there may be no room: that is no reason not to serve
        print(  # noqa: T201 -- for the person at the terminal
            f"Longshore {version()}\n"
            f"  page          {base}/\n"
            f"  API docs      {base}/docs\n"
            f"  tus endpoint  {base}/uploads\n"
            f"  data folder   {settings.data_dir}",
            flush=True,
        )
