"""SQLAlchemy's engine for coroutines: the part of ``sqlalchemy.ext.asyncio`` we use, under its names.

That package imports the whole ORM, 5 MiB and a tenth of the start. To go back, import these names from there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import URL, Connection, CursorResult, Engine, Executable, PoolProxiedConnection, create_engine
from sqlalchemy.util import greenlet_spawn

P = ParamSpec("P")
T = TypeVar("T")


class AsyncConnection:
    """Open while ``async with`` lasts, or from ``await`` to ``close``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._opened: Connection | None = None

    async def execute(
        self, statement: Executable, parameters: Sequence[dict[str, Any]] | dict[str, Any] | None = None
    ) -> CursorResult[Any]:
        return await greenlet_spawn(self._connection.execute, statement, parameters)

    async def scalar(self, statement: Executable) -> Any:  # noqa: ANN401 -- whatever the column holds
        return (await self.execute(statement)).scalar()

    async def run_sync(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await greenlet_spawn(partial(function, self._connection, *args, **kwargs))

    async def commit(self) -> None:
        await greenlet_spawn(self._connection.commit)

    async def rollback(self) -> None:
        await greenlet_spawn(self._connection.rollback)

    async def get_raw_connection(self) -> PoolProxiedConnection:
        return await greenlet_spawn(getattr, self._connection, "connection")

    async def invalidate(self) -> None:
        await greenlet_spawn(self._connection.invalidate)

    async def close(self) -> None:
        await greenlet_spawn(self._connection.close)

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            raise RuntimeError("the connection has not been opened")
        return self._opened

    async def _open(self) -> Self:
        self._opened = await greenlet_spawn(self._engine.connect)
        return self

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._open().__await__()

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _to_the_end(self.close())


class AsyncEngine:
    def __init__(self, sync_engine: Engine) -> None:
        self.sync_engine = sync_engine

    def connect(self) -> AsyncConnection:
        return AsyncConnection(self.sync_engine)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose work is committed unless there is an error."""
        async with self.connect() as connection:
            yield connection
            await connection.commit()

    def execution_options(self, **options: str | bool) -> "AsyncEngine":
        return AsyncEngine(self.sync_engine.execution_options(**options))

    async def dispose(self) -> None:
        await greenlet_spawn(self.sync_engine.dispose)


def create_async_engine(
    url: URL,
    *,
    async_creator: Callable[[], Awaitable[Any]] | None = None,
    **options: Any,  # noqa: ANN401 -- they are SQLAlchemy's to check
) -> AsyncEngine:
    """``async_creator`` makes the driver's own connection."""
    if async_creator is not None:
        # The dialect wraps what it makes, as it does with connections it makes itself.
        options["creator"] = lambda: engine.dialect.loaded_dbapi.connect(async_creator_fn=async_creator)
    engine: Engine = create_engine(url, **options)
    return AsyncEngine(engine)


async def _to_the_end(work: Awaitable[None]) -> None:
    """Wait for ``work`` even if we are cancelled: half closed, a connection would be lost to its pool."""
    task = asyncio.ensure_future(work)
    cancelled = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
