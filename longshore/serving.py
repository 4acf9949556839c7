"""Longshore in a program that has no web server: ours, on its loop."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from adapters.inbound.common.heads import Head
from adapters.inbound.frameworks.listening import listening
from domain.access import ANYBODY, STRANGER, Principal
from longshore.embed import Longshore
from longshore.mounting import dialects_of

__all__ = ["STRANGER", "serving"]


@asynccontextmanager
async def serving(
    longshore: Longshore,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    principal: Callable[[Head], Principal] = lambda _: ANYBODY,
    origins: Collection[str] = (),
) -> AsyncIterator[int]:
    """As long as the block runs; it is given the port, which is any free one unless ``port`` says which."""
    dialects = dialects_of(longshore, origins)
    async with listening(dialects, host=host, port=port, principal=principal, origins=origins) as bound:
        yield bound
