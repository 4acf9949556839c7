"""What has to be in place before the first request: folders, the schema, a volume or a bucket that belongs to the
database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

from adapters.outbound.sql.database import Database
from adapters.outbound.volume.volume import WrongVolume, translated
from domain.errors import StorageFull, StorageUnavailable, Unavailable
from infrastructure.container import Container
from infrastructure.link_secret import BadSecret
from infrastructure.migrate import is_current
from infrastructure.settings import Settings

_STARTER = Path(__file__).parents[1] / "starter.py"


class CannotStart(Exception):
    """One clear line for the operator."""


@asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Container]:
    """The wired container with everything started; closed again in reverse order.

    Raises:
        CannotStart: something is not as it must be; nothing has been changed by guesswork.
    """
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"DATA_DIR: {settings.data_dir} cannot be made: {error.strerror}") from error
    container = Container(settings=settings)
    async with AsyncExitStack() as stack:
        database = container.database()
        stack.push_async_callback(database.close)
        if not settings.uses_bucket:
            stack.callback(container.chunk_storage().close)
        stack.callback(container.threads().close)
        stack.push_async_callback(container.chunk_writer().close)
        try:
            await _bring_up_to_date(database, settings)
            if settings.uses_bucket:
                await _prepare_bucket(container, stack)
            else:
                await _prepare_volume(container)
            _prepare_links(container)
        except WrongVolume as error:
            raise CannotStart(f"STORAGE_PATH: {settings.storage_path} {error}") from error
        except Unavailable as error:
            raise CannotStart(f"cannot start: {error.detail or error.code}") from error
        if settings.events_url == "postgres://":
            for events in (container.postgres_feed(), container.postgres_notifier()):
                stack.push_async_callback(events.close)
                await events.start()
        stack.push_async_callback(container.progress().close)
        stack.push_async_callback(container.outbox().close)
        stack.push_async_callback(container.ledger().close)
        stack.push_async_callback(container.lock().close)
        yield container


def _prepare_links(container: Container) -> None:
    try:
        container.signer()
    except BadSecret as error:
        raise CannotStart(f"LINK_SECRET: {error}") from error
    except OSError as error:
        raise CannotStart(f"LINK_SECRET: cannot be kept in DATA_DIR: {error.strerror}") from error


async def _bring_up_to_date(database: Database, settings: Settings) -> None:
    """Migrate in another process: what that loads would stay in this one for good.

    Any number of servers may do so at once: their migrations wait for one another.
    """
    if await is_current(database):
        return
    ours = {"DATA_DIR": str(settings.data_dir), "DATABASE_URL": settings.database_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_STARTER),
        "migrate",
        env={**os.environ, **ours},
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,  # Ctrl-C is for us: what has been begun ends, then so do we
    )
    try:
        said = (await process.communicate())[1].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        reason = said.strip().rpartition("\n")[2] or f"migrating ended with {process.returncode}"
        raise CannotStart(f"cannot start: {reason}")
    sys.stderr.write(said)


async def _prepare_volume(container: Container) -> None:
    """Lay out a volume for a new database; one that has a volume already gets that one or none.

    A wrong folder would answer 410 for every file, and take new ones where nobody looks for them. Nothing is
    written into it: it may be a mount point whose volume is away.
    """
    installation, volume = container.installation(), container.volume()
    known = await installation.get("volume")
    if known is None:
        known = await installation.remember("volume", volume.prepare())
    with translated():
        found = volume.identify()
    if found != known:
        raise WrongVolume("is not this database's volume: a wrong folder is mounted, or a wrong database named")


async def _prepare_bucket(container: Container, stack: AsyncExitStack) -> None:
    """As ``_prepare_volume``, for a bucket; it is open from now on."""
    try:
        from adapters.outbound.s3.bucket import WrongBucket  # noqa: PLC0415 -- a volume needs none of it
        from adapters.outbound.s3.probe import answering, check_service  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise CannotStart(f"STORAGE_URL: a bucket needs the package {error.name}: install longshore[s3]") from error
    installation, bucket = container.installation(), container.bucket()
    stack.push_async_callback(bucket.close)
    where = f"STORAGE_URL: the bucket {bucket.address.place}"
    known = await installation.get("volume")
    try:
        async with answering():
            await bucket.open()
            found = await bucket.identify()
            if known is None or found == known:
                await check_service(bucket)  # before the database is bound to what can't be used
        if known is None:
            known = await installation.remember("volume", await bucket.prepare())
            found = await bucket.identify()
    except WrongBucket as error:
        raise CannotStart(f"{where} {error}") from error
    except (StorageUnavailable, StorageFull) as error:
        raise CannotStart(f"{where}: {error.detail}") from error
    if found != known:
        raise CannotStart(f"{where} is not this database's: a wrong bucket, or a wrong database named")
