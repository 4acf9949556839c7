"""Reads the chunk API's forms. The chunk itself is a stream: from its part, or from a spool where it came too early."""

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Collection
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import parse_qsl

from multipart import parse_options_header

from adapters.inbound.common.block_source import BlockSource
from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.chunks.envelope import FILE_TOO_LONG, bad_field, bad_fields
from adapters.inbound.http.engine.exchange import Exchange
from adapters.inbound.http.engine.multipart import FormPart, FormReader, broken_form, parse_boundary
from domain.errors import FileTooLargeForDisk, StorageFull, StorageUnavailable
from domain.file_name import decoded
from ports.byte_source import ByteSource

_BLOCK_BYTES = 256 * 1024
_MAX_FIELD_BYTES = 64 * 1024
_MAX_FIELDS = 64
Result = TypeVar("Result")

_URLENCODED = "application/x-www-form-urlencoded"


async def read_fields(exchange: Exchange, executor: Executor, known: Collection[str]) -> dict[str, str]:
    """The ``known`` fields of a form without a file: multipart, urlencoded, or none at all."""
    media_type, _ = parse_options_header(exchange.headers.get("Content-Type", ""))
    if media_type == "multipart/form-data":
        form: dict[str, str] = {}
        async for part in FormReader(exchange.body, parse_boundary(exchange), executor).parts():
            await _keep(part, form, known)
        return form
    text = await exchange.body.gather(_MAX_FIELD_BYTES + 1)
    if len(text) > _MAX_FIELD_BYTES:
        raise Refusal(413, "field_too_large", "the form is too large")
    return _decoded(text) if media_type == _URLENCODED else {}


class ChunkForm:
    """A form with a file in it.

    Fields before the file are the good case: its bytes go straight to their place. Where they come after it, the
    file waits in a spool on the disk: at most one chunk, without a name, gone with the process. Memory would have to
    hold a whole chunk for each connection, and a place in the upload can't be guessed.
    """

    def __init__(
        self, exchange: Exchange, executor: Executor, *, needed: Collection[str], spool: Path, largest: int
    ) -> None:
        self._exchange = exchange
        self._executor = executor
        self._needed = needed
        self._spool = spool
        self._largest = largest
        self.fields: dict[str, str] = {}

    @asynccontextmanager
    async def file(self) -> AsyncGenerator[ByteSource | None, None]:
        """The part named ``file``, once all needed fields are there; None if there is no such part."""
        media_type, _ = parse_options_header(self._exchange.headers.get("Content-Type", ""))
        if media_type != "multipart/form-data":
            self.fields = await read_fields(self._exchange, self._executor, self._needed)
            yield None
            return
        parts = FormReader(self._exchange.body, parse_boundary(self._exchange), self._executor).parts()
        found = await self._next_file(parts)
        if found is None or self.fields.keys() >= set(self._needed):
            yield found
            if found is not None:
                await self._skip_rest(parts)
            return
        spooled = await self._run(partial(_open_spool, self._spool))
        try:
            size = await self._fill(spooled, found)
            if await self._next_file(parts) is not None:
                raise bad_fields(bad_field("file", "there is more than one file"))
            yield _Spooled(spooled, size, self._executor)
        finally:
            await self._run(spooled.close)

    async def _next_file(self, parts: AsyncGenerator[FormPart, None]) -> FormPart | None:
        async for part in parts:
            if part.name == "file" and part.filename:
                part.check_encoding()
                return part
            await _keep(part, self.fields, self._needed)
        return None

    async def _skip_rest(self, parts: AsyncGenerator[FormPart, None]) -> None:
        async for part in parts:
            await part.skip()

    async def _fill(self, spooled: IO[bytes], part: FormPart) -> int:
        size = 0
        while size <= self._largest and (block := await part.read(_BLOCK_BYTES)):
            await self._run(partial(spooled.write, block))
            size += len(block)
        if part.is_cut:
            raise broken_form()
        if size > self._largest:
            raise bad_fields(bad_field("file", FILE_TOO_LONG))
        await self._run(spooled.flush)
        return size

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("no room is left for a spool") from error
            if error.errno == errno.EFBIG:
                raise FileTooLargeForDisk("no spool may be so long") from error
            raise StorageUnavailable("a spool failed") from error


class _Spooled(BlockSource):
    """A chunk out of its spool."""

    def __init__(self, spooled: IO[bytes], size: int, executor: Executor) -> None:
        super().__init__(length=size, executor=executor)
        self._spooled = spooled
        self._at = 0

    async def next_block(self) -> bytes:
        read = partial(os.pread, self._spooled.fileno(), _BLOCK_BYTES, self._at)
        block = await asyncio.get_running_loop().run_in_executor(self._executor, read)
        self._at += len(block)
        return block


def _open_spool(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


async def _keep(part: FormPart, fields: dict[str, str], known: Collection[str]) -> None:
    if part.filename or part.name not in known:
        await part.skip()
        return
    part.check_encoding()
    text = await part.gather(_MAX_FIELD_BYTES + 1)
    if part.is_cut:
        raise broken_form()
    if len(text) > _MAX_FIELD_BYTES:
        raise Refusal(413, "field_too_large", f"{part.name} has more than {_MAX_FIELD_BYTES} bytes")
    fields[part.name] = decoded(text)


def _decoded(text: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(text.decode("latin-1"), max_num_fields=_MAX_FIELDS, encoding="latin-1")
    except ValueError:
        raise Refusal(413, "field_too_large", f"at most {_MAX_FIELDS} fields in a form") from None
    return {name: decoded(value.encode("latin-1")) for name, value in pairs}
