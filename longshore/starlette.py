"""Longshore in a Starlette program: routes."""

from collections.abc import Awaitable, Callable, Collection, Sequence

from starlette.requests import Request
from starlette.routing import Route

from adapters.inbound.frameworks import starlette
from domain.access import ANYBODY, STRANGER, Principal
from longshore.embed import Longshore
from longshore.mounting import dialects_of

__all__ = ["STRANGER", "routes"]


def routes(
    longshore: Longshore,
    *,
    principal: Callable[[Request], Principal | Awaitable[Principal]] = lambda _: ANYBODY,
    origins: Collection[str] = (),
) -> Sequence[Route]:
    """As ``longshore/fastapi.py`` has them, for ``Starlette(routes=…)`` or a ``Mount``."""
    return starlette.routes(dialects_of(longshore, origins), principal=principal)
