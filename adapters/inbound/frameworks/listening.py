"""For programs without a web framework: the server's own engine on the program's loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from tornado.httputil import HTTPServerRequest
from tornado.netutil import bind_sockets

from adapters.inbound.common.admission import Drain
from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.clients import Counter
from adapters.inbound.common.heads import Head
from adapters.inbound.frameworks.dialects import Dialects, named
from adapters.inbound.http.engine.accepting import Door
from adapters.inbound.http.engine.cors import Cors
from adapters.inbound.http.engine.router import web_server
from adapters.inbound.http.engine.running import Services
from adapters.inbound.http.engine.site import Site
from adapters.inbound.http.uploads.uploads import NOWHERE
from application.rate_limit import RateLimiter
from domain.access import ANYBODY, Principal

_DRAIN_SECONDS = 5.0


@asynccontextmanager
async def listening(
    dialects: Dialects,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    principal: Callable[[Head], Principal] = lambda _: ANYBODY,
    origins: Collection[str] = (),
) -> AsyncIterator[int]:
    """Serve as long as the block runs; it is given the port. ``principal`` says by a request who calls."""
    cors, drain = Cors(origins), Drain()
    with ThreadPoolExecutor(4, thread_name_prefix="longshore-body") as threads:
        calling = _Calling(principal)
        counter = Counter(RateLimiter(None, now=time.monotonic), calling)
        services = Services(calling, counter, cors, threads, drain, Site(cors))
        server, router = web_server(dialects.resources(), services, [], nowhere=NOWHERE)
        sockets = bind_sockets(port, host)
        door, connections = Door(sockets, router.accept, router.connections), router.connections
        try:
            yield sockets[0].getsockname()[1]
        finally:
            drain.begin()
            door.close()
            deadline = asyncio.get_running_loop().time() + _DRAIN_SECONDS
            while connections.running and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 -- nobody tells of it
                await asyncio.sleep(0.02)
            for exchange in list(connections.running):
                exchange.cut()
            await asyncio.sleep(0)
            connections.kept.close()
            await server.close_all_connections()
            connections.watchdog.close()
            connections.readers.close()


class _Calling(Authenticator):
    def __init__(self, principal: Callable[[Head], Principal]) -> None:
        super().__init__()
        self._principal = principal

    def principal(self, request: HTTPServerRequest) -> Principal:
        return named(self._principal(request))
