"""What has to be in place before the first request; every capability starts in its turn."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from dependency_injector import providers

from infrastructure.capabilities import CAPABILITIES
from infrastructure.capability import Capability
from infrastructure.container import Container, container_of
from infrastructure.settings import Settings
from infrastructure.supervision.supervised import Supervised


@asynccontextmanager
async def started(
    settings: Settings, capabilities: Iterable[Capability] = CAPABILITIES, *, supervised: Supervised | None = None
) -> AsyncIterator[Container]:
    """The wired container with everything started, or these ``capabilities`` alone; closed again in reverse order.

    Raises:
        CannotStart: something is not as it must be; nothing has been changed by guesswork.
    """
    container = container_of(settings)
    container.supervised.override(providers.Object(supervised))
    async with AsyncExitStack() as stack:
        for capability in capabilities:
            await stack.enter_async_context(capability.opened(container, settings))
        yield container
