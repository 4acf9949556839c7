"""Fetches one file: into a file of its own beside the target first, gone on with after a cut, compared in the end."""

import asyncio
import hashlib
import os
import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import httpx

from longshore.client.errors import Different, Refused, ServerAway
from longshore.client.records import Progress
from longshore.client.server import Server, Waiting

_REPR_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")
_EXTENDED_NAME = re.compile(r"filename\*=UTF-8''([^;\s]+)", re.IGNORECASE)
_PLAIN_NAME = re.compile(r'filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-[0-9]+/[0-9]+")
_READ_BYTES = 1024 * 1024


def name_told_by(response: httpx.Response, fallback: str) -> str:
    """What the file is to be called here: a name, never a path, whatever the server says."""
    told = response.headers.get("Content-Disposition", "")
    name = fallback
    if found := _EXTENDED_NAME.search(told):
        name = unquote(found[1])
    elif found := _PLAIN_NAME.search(told):
        name = re.sub(r"\\(.)", r"\1", found[1])
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in name if letter.isprintable()).strip()
    return name if name not in ("", ".", "..") else fallback


class Downloading:
    """``target``: a file, or a folder, in which it gets the name that the server tells."""

    def __init__(
        self,
        server: Server,
        url: str,
        *,
        target: Path,
        overwrites: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._server = server
        self._url = url
        self._target = target
        self._overwrites = overwrites
        self._on_progress = on_progress
        self._size = 0
        self._etag: str | None = None
        self._told_digest: bytes | None = None

    async def run(self) -> Path:
        """Where it lies now.

        Raises:
            Refused, ServerAway: what has come stays beside the target, and is gone on with.
            Different: what has come is not what the server has; nothing stays.
            FileExistsError, OSError
        """
        waiting = Waiting(self._server.patience)
        target, part = await self._places()
        self._check_free(target)
        with part.open("ab") as file:
            while True:
                before = file.tell()
                try:
                    await self._fetch(file)
                except Refused as error:
                    if error.status == 416:  # all of it is here already, or too much: it is compared below
                        break
                    await waiting.after(error)
                except ServerAway as error:
                    if file.tell() > before:
                        waiting.moved()
                    await waiting.after(error)
                else:
                    break
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        await self._check(part)
        self._check_free(target)
        part.replace(target)
        return target

    async def to(self, out: BinaryIO) -> None:
        """Into a pipe: what is written can't be taken back, so it is one try."""
        async with self._server.stream("GET", self._url, headers={"Want-Repr-Digest": "sha-256=1"}) as response:
            async for block in response.aiter_raw():
                out.write(block)

    async def _places(self) -> tuple[Path, Path]:
        """The target, and the file beside it; the server is asked what the file is called, and whether it is there."""
        try:
            response = await self._server.ask("HEAD", self._url, headers={"Want-Repr-Digest": "sha-256=1"}, follow=True)
        except Refused as error:
            raise await self._in_words(error) from None
        self._hear(response)
        self._size = int(response.headers.get("Content-Length", "0"))
        target = self._target
        if target.is_dir():
            target /= name_told_by(response, "unnamed")
        tag = hashlib.sha256((self._etag or self._url).encode()).hexdigest()[:8]
        return target, target.with_name(f"{target.name}.{tag}.part")

    async def _in_words(self, refused: Refused) -> Refused:
        """The answer to a ``HEAD`` has none; that to a ``GET`` may have."""
        try:
            await self._server.send("GET", self._url, headers={"Range": "bytes=0-0"}, follow=True)
        except Refused as error:
            return error if error.status == refused.status else refused
        except ServerAway:
            pass
        return refused

    def _check_free(self, target: Path) -> None:
        if target.exists() and not self._overwrites:
            raise FileExistsError(17, "it is there already (--force replaces it)", str(target))

    async def _fetch(self, file: BinaryIO) -> None:
        at = file.tell()
        if self._size and at >= self._size:
            return
        headers = {"Want-Repr-Digest": "sha-256=1", "Accept-Encoding": "identity"}
        if at:
            headers["Range"] = f"bytes={at}-"
            if self._etag:
                headers["If-Range"] = self._etag
        async with self._server.stream("GET", self._url, headers=headers) as response:
            found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if at and (response.status_code != 206 or not found or int(found[1]) != at):
                file.truncate(0)  # it comes from its beginning
                at = 0
            self._hear(response)
            async for block in response.aiter_raw(_READ_BYTES):
                await asyncio.to_thread(file.write, block)
                at += len(block)
                self._on_progress(Progress(sent=at, stored=at, size=max(self._size, at)))

    def _hear(self, response: httpx.Response) -> None:
        self._etag = response.headers.get("ETag", self._etag)
        if found := _REPR_SHA256.search(response.headers.get("Repr-Digest", "")):
            self._told_digest = b64decode(found[1])

    async def _check(self, part: Path) -> None:
        if not await asyncio.to_thread(_is, part, self._size, self._told_digest):
            await asyncio.to_thread(part.unlink)
            raise Different(f"what came of {self._url} is not what the server has")


def _is(path: Path, size: int, sha256: bytes | None) -> bool:
    with path.open("rb") as file:
        is_as_long = os.fstat(file.fileno()).st_size == size
        return is_as_long and (sha256 is None or hashlib.file_digest(file, "sha256").digest() == sha256)
