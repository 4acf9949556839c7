"""Longshore in any ASGI program: Starlette's, Litestar's, Django's, or one without a framework."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager

from adapters.inbound.frameworks.asgi import App, Mounted, Receive, Scope, Send
from domain.access import ANYBODY, STRANGER, Principal
from longshore.embed import Longshore
from longshore.mounting import dialects_of

__all__ = ["STRANGER", "application"]


def application(
    longshore: Longshore | AbstractAsyncContextManager[Longshore],
    *,
    principal: Callable[[Scope], Principal | Awaitable[Principal]] = lambda _: ANYBODY,
    otherwise: App | None = None,
    at: str = "",
    origins: Collection[str] = (),
) -> App:
    """Answers ``/uploads``, ``/upload`` and ``/files`` below ``at``; all else is ``otherwise``'s.

    ``longshore``: what is open already, or what is opened with the program and closed as it ends (``on_disk(…)``), and
    whose house is kept meanwhile; ``otherwise`` then hears nothing of that. ``principal`` says by a request's scope who
    calls: everything that is begun is theirs. STRANGER is one of whom nothing is known, and who may open public files
    and signed links alone. ``origins``: foreign pages that may upload.
    """

    def mounted(opened: Longshore) -> App:
        dialects = dialects_of(opened, origins)
        return Mounted(dialects, principal=principal, otherwise=otherwise, at=at)

    return mounted(longshore) if isinstance(longshore, Longshore) else _Opening(longshore, mounted)


class _Opening:
    def __init__(self, opening: AbstractAsyncContextManager[Longshore], mounted: Callable[[Longshore], App]) -> None:
        self._opening = opening
        self._mounted = mounted
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None:
            raise RuntimeError("Longshore opens with the program: the server has to tell of its start (ASGI lifespan)")
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._opening as longshore:
            self._app = self._mounted(longshore)
            housekeeping = asyncio.create_task(longshore.keep_house())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            housekeeping.cancel()
            await asyncio.wait([housekeeping])
        await send({"type": "lifespan.shutdown.complete"})
