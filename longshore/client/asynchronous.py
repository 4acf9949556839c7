"""The client for asyncio programs. Each call is complete by itself: tried again, gone on with, compared."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import httpx

from longshore.client.downloading import Downloading
from longshore.client.endpoint import Endpoint, endpoint_of
from longshore.client.local_file import LocalFile
from longshore.client.notes import Notes, state_folder
from longshore.client.records import Link, OpenUpload, Page, Progress, Stored, StoredFile
from longshore.client.server import DEFAULT_URL, Patience, Server
from longshore.client.uploading import Uploading
from longshore.client.watching import watched

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII | re.IGNORECASE)


class AsyncClient:
    """Of one server; close it, or use it as a context manager.

    ``token``: what says who calls. ``remembers``: whether uploads that are broken off are gone on with by the next
    program that sends the same file there.

    Every call raises ``longshore.client.errors`` and, for what is wrong with a file here, ``OSError``.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        remembers: bool = True,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._server = Server(url, token=token, patience=patience, transport=transport)
        self._notes = Notes(state_folder(os.environ) if remembers else None)
        self._endpoint: Endpoint | None = None
        self._asking = asyncio.Lock()

    @property
    def url(self) -> str:
        return self._server.url

    async def put(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        relative_path: str | None = None,
        checksum: str = "auto",
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> Stored:
        """Bring a file in; one that was broken off before goes on where it was.

        ``relative_path``: its place in the folder that it comes in. ``checksum``: how each request is checked on its
        way (``sha256``, ``crc32``, ``none``); the whole is compared in the end, whatever it is.
        """
        path = Path(path)
        endpoint = await self._endpoint_here()
        with await asyncio.to_thread(LocalFile, path) as file:
            note = self._notes.of(endpoint.url, file)
            try:
                uploading = Uploading(
                    self._server,
                    endpoint,
                    file,
                    note,
                    name=name or path.name,
                    relative_path=relative_path,
                    checksum=checksum,
                    on_progress=on_progress,
                )
                return await uploading.run()
            finally:
                note.close()

    async def page(
        self,
        *,
        name: str = "",
        find: str = "",
        media_type: str = "",
        sort: str = "",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Some of the caller's files, the newest first unless ``sort`` (``name``, ``-size``, …) says otherwise.

        ``name``: a part of it; ``find``: a part of the name or of the folders that it is in.
        """
        wishes = {"name": name, "find": find, "media_type": media_type, "sort": sort, "limit": limit, "cursor": cursor}
        asked = {"state": "completed", **{key: value for key, value in wishes.items() if value}}
        told = await self._server.json("GET", self._server.at("/uploads"), params=asked)
        files = [StoredFile.of(each, self._content(each)) for each in told.get("uploads", [])]
        return Page(files, told.get("next_cursor") or None)

    async def files(
        self, *, name: str = "", find: str = "", media_type: str = "", sort: str = ""
    ) -> AsyncIterator[StoredFile]:
        """All of them, asked for as they are taken."""
        cursor: str | None = None
        while True:
            page = await self.page(name=name, find=find, media_type=media_type, sort=sort, limit=1000, cursor=cursor)
            for file in page.files:
                yield file
            cursor = page.next_cursor
            if cursor is None:
                return

    async def open_uploads(self) -> list[OpenUpload]:
        told = await self._server.json("GET", self._server.at("/uploads"), params={"state": "open"})
        return [OpenUpload.of(each) for each in told.get("uploads", [])]

    async def describe(self, file_id: str) -> StoredFile:
        told = await self._server.json("GET", self._server.at(f"/files/{file_id}"))
        return StoredFile.of(told, self._content(told))

    async def get(
        self,
        file: str,
        target: str | os.PathLike[str] = ".",
        *,
        overwrites: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> Path:
        """Fetch a file, by id or by a link to its content, to ``target``: a file, or a folder to put it into."""
        downloading = Downloading(
            self._server,
            self.content_url(file),
            target=Path(target),
            overwrites=overwrites,
            on_progress=on_progress,
        )
        return await downloading.run()

    async def write_to(self, file: str, out: BinaryIO) -> None:
        """Fetch a file into what is open; by one try, for what is written can't be taken back."""
        await Downloading(self._server, self.content_url(file), target=Path()).to(out)

    async def delete(self, file_id: str) -> None:
        await self._server.ask("DELETE", self._server.at(f"/files/{file_id}"))

    async def share(self, file_id: str, *, seconds: int | None = None, disposition: str | None = None) -> Link:
        """``seconds``: how long the link opens it, seven days at most (and by default)."""
        wishes = {"seconds": seconds, "disposition": disposition}
        asked = {key: value for key, value in wishes.items() if value is not None}
        told = await self._server.json("POST", self._server.at(f"/files/{file_id}/links"), params=asked)
        return Link.of(self._server.absolute(str(told["url"])), told)

    def watch(self, *upload_ids: str) -> AsyncIterator[Mapping[str, Any]]:
        """Live events (docs/http.md, Progress) of these uploads, or of all that are the caller's."""
        return watched(self._server, upload_ids)

    def content_url(self, file: str) -> str:
        if _ID.fullmatch(file):
            return self._server.at(f"/files/{file}/content")
        return self._server.absolute(file)

    async def close(self) -> None:
        await self._server.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _content(self, told: Mapping[str, Any]) -> str:
        return self._server.absolute(str(told.get("url") or f"/files/{told['id']}/content"))

    async def _endpoint_here(self) -> Endpoint:
        async with self._asking:
            if self._endpoint is None:
                self._endpoint = await endpoint_of(self._server)
            return self._endpoint
