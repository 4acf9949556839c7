"""``starter.py doctor``: looks whether everything is in order, changes nothing; the capabilities say where to look."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from domain.finding import Finding, ok, problem
from infrastructure.capabilities import CAPABILITIES
from infrastructure.capability import CannotStart
from infrastructure.container import container_of
from infrastructure.settings import Settings


async def examine(settings: Settings, *, scrub: bool = False) -> AsyncGenerator[Finding, None]:
    """Everything there is to say, one finding at a time; ``scrub`` also reads every byte of every file."""
    for finding in [problem(warning) for warning in settings.warnings] or [ok("the settings are sound")]:
        yield finding
    for capability in CAPABILITIES:
        try:
            capability.before_serving(settings)
        except CannotStart as error:
            yield problem(str(error))
        for finding in capability.findings(settings):
            yield finding
    container = container_of(settings)
    async with AsyncExitStack() as stack:
        for capability in CAPABILITIES:
            await stack.enter_async_context(capability.opened_to_look(container))
        async for finding in container.doctor().examine(scrub=scrub):
            yield finding
