"""What has to be in place before the first request: folders, the schema, a volume that belongs to the database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from adapters.outbound.postgres.connection import Connected
from adapters.outbound.volume.volume import WrongVolume
from domain.errors import Unavailable
from infrastructure.container import Container
from infrastructure.database import migrate
from infrastructure.settings import Settings


class CannotStart(Exception):
    """One clear line for the operator."""


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Container]:
    """The wired container with everything started; closed again in reverse order.

    Raises:
        CannotStart: something is not as it must be; nothing has been changed by guesswork.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    container = Container(settings=settings)
    async with AsyncExitStack() as stack:
        database = container.database()
        stack.push_async_callback(database.close)
        stack.callback(container.rounds().close)
        try:
            volume_id = container.volume().prepare()
            await migrate(database)
            await _check_belongs(container, volume_id)
        except WrongVolume as error:
            raise CannotStart(f"STORAGE_PATH: {settings.storage_path} {error}") from error
        except Unavailable as error:
            raise CannotStart(f"cannot start: {error.detail or error.code}") from error
        for events in (container.feed(), container.notifier()):
            if isinstance(events, Connected):
                stack.push_async_callback(events.close)
                await events.start()
        stack.push_async_callback(container.progress().close)
        stack.push_async_callback(container.outbox().close)
        stack.push_async_callback(container.ledger().close)
        stack.push_async_callback(container.lock().close)
        yield container


async def _check_belongs(container: Container, volume_id: str) -> None:
    """A wrong folder mounted would answer 410 for every file, and take new ones where nobody looks for them."""
    known = await container.installation().remember("volume", volume_id)
    if known != volume_id:
        raise WrongVolume(
            "is another volume than this database's: a wrong folder is mounted, or a wrong database named"
        )
