"""The client for programs without asyncio: ``AsyncClient``, each call run to its end."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from longshore.client.asynchronous import AsyncClient
from longshore.client.records import Link, OpenUpload, Page, Progress, Stored, StoredFile
from longshore.client.server import DEFAULT_URL, Patience

Result = TypeVar("Result")


class Client:
    """Not for use within a running event loop, nor in several threads at once. What the calls do and raise,
    ``AsyncClient`` says."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        remembers: bool = True,
        patience: Patience | None = None,
    ) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(url, token=token, remembers=remembers, patience=patience)

    @property
    def url(self) -> str:
        return self._client.url

    def put(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        relative_path: str | None = None,
        checksum: str = "auto",
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> Stored:
        return self._run(
            self._client.put(path, name=name, relative_path=relative_path, checksum=checksum, on_progress=on_progress)
        )

    def page(
        self,
        *,
        name: str = "",
        find: str = "",
        media_type: str = "",
        sort: str = "",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        asked = self._client.page(name=name, find=find, media_type=media_type, sort=sort, limit=limit, cursor=cursor)
        return self._run(asked)

    def files(self, *, name: str = "", find: str = "", media_type: str = "", sort: str = "") -> Iterator[StoredFile]:
        return self._each(self._client.files(name=name, find=find, media_type=media_type, sort=sort))

    def open_uploads(self) -> list[OpenUpload]:
        return self._run(self._client.open_uploads())

    def describe(self, file_id: str) -> StoredFile:
        return self._run(self._client.describe(file_id))

    def get(
        self,
        file: str,
        target: str | os.PathLike[str] = ".",
        *,
        overwrites: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> Path:
        return self._run(self._client.get(file, target, overwrites=overwrites, on_progress=on_progress))

    def delete(self, file_id: str) -> None:
        self._run(self._client.delete(file_id))

    def share(self, file_id: str, *, seconds: int | None = None, disposition: str | None = None) -> Link:
        return self._run(self._client.share(file_id, seconds=seconds, disposition=disposition))

    def watch(self, *upload_ids: str) -> Iterator[Mapping[str, Any]]:
        return self._each(self._client.watch(*upload_ids))

    def close(self) -> None:
        self._run(self._client.close())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, call: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(call)

    def _each(self, told: AsyncIterator[Result]) -> Iterator[Result]:
        async def following() -> tuple[Result] | None:
            try:
                return (await anext(told),)
            except StopAsyncIteration:
                return None

        while (one := self._run(following())) is not None:
            yield one[0]
