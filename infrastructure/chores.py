"""What is done again and again beside the requests; the capabilities say what."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from domain.errors import LongshoreError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    work: Callable[[], Awaitable[Any]]
    seconds: float
    """How long it waits until the next time, and before the first one unless that is ``at_once``."""
    at_once: bool = False
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


async def repeat(chore: Chore) -> None:
    """Never returns. A chore that fails is tried again next time; the log is told once why it does."""
    at_once, told = chore.at_once, ""
    while True:
        if not at_once:
            await chore.pause(chore.seconds)
        at_once = False
        try:
            done = await chore.work()
        except LongshoreError as error:
            if str(error) != told:
                log.warning("chore failed", error=str(error))
            told = str(error)
        except Exception:
            log.exception("chore failed")
        else:
            told = ""
            log.debug("chore done", done=repr(done))
