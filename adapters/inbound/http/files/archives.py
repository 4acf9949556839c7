"""``/files/archive``: several files, or a folder, as one ZIP, by a link that a browser follows without a header."""

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC
from hashlib import sha256

from adapters.inbound.common.encoding import format_instant
from adapters.inbound.common.file_names import content_disposition
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from adapters.inbound.http.engine.json_body import check_fields, read_json
from adapters.inbound.http.files.changes import MAX_IDS_BYTES, parse_ids
from adapters.inbound.http.files.conditions import Version, wanted
from adapters.inbound.http.files.files import NOT_KEPT
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.files.presented import parse_shown
from adapters.inbound.http.files.zip_format import Contents, Member, ZipFormat
from adapters.inbound.http.files.zip_names import names_in_archive
from application.file.archive import ArchiveUseCase
from domain.access import STRANGER
from domain.byte_range import ByteRange
from domain.errors import FileNotFound, InvalidRequest, Unauthenticated
from domain.file import File
from domain.file_name import file_path
from domain.ids import FileId

_BLOCK_BYTES = 64 * 1024
_NOTED_BYTES = 64 * 1024 * 1024


class ArchiveRoutes:
    """Beside what any route may answer:

    - ``make``: 201 with the link; 400 neither ids nor a folder, or too many; 401 a stranger; 404 there is no such file,
      or it is not theirs; 403 a credential guards it; 410 it is over.
    - ``give``: 200, 206 or 304; 410 the link is over, or one of the files is gone; 412, 416. What goes wrong later ends
      the connection: a ZIP that is whole has every file.
    """

    exposes = ("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag")

    def __init__(self, archives: ArchiveUseCase, links: Links) -> None:
        self._archives = archives
        self._links = links

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                re.compile(r"/files/archive/?"),
                {"POST": self.make, "GET": self.give, "HEAD": self.give},
                admits_strangers=True,
                exposes=self.exposes,
                sends_files=True,
            )
        ]

    async def make(self, exchange: Exchange) -> Reply:
        maker = exchange.principal
        if maker is STRANGER:
            raise Unauthenticated("say who you are: what is yours goes into the archive")
        told = await read_json(exchange, max_bytes=MAX_IDS_BYTES)
        if not isinstance(told, dict) or ("ids" in told) is ("path" in told):
            raise InvalidRequest("either ids, of files, or the path of a folder is needed")
        check_fields(told, ("ids", "path"))
        if "ids" in told:
            shown, archive, files = await self._archives.make(maker, _known(told["ids"]))
        else:
            shown, archive, files = await self._archives.make_of_folder(maker, _folder(told["path"]))
        format_ = await asyncio.to_thread(_format_of, files)
        view = {
            "url": self._links.archive(shown),
            "expires_at": format_instant(archive.expires_at),
            "name": archive.name,
            "files": len(files),
            "size": format_.size,
        }
        return json_reply(view, 201, NOT_KEPT)

    async def give(self, exchange: Exchange) -> Reply:
        archive, files = await self._archives.find(parse_shown(exchange.request.query).get("link", ""))
        format_ = await asyncio.to_thread(_format_of, files)
        version = Version(_etag(files), format_.size)
        headers = {
            "Content-Type": "application/zip",
            "Content-Disposition": content_disposition(archive.name),
            **version.validators,
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store, no-transform",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "cross-origin",  # the link alone opens it
            "Referrer-Policy": "no-referrer",
        }
        part, status = wanted(exchange, version)
        if part is None:
            return Reply(status, headers, size=0)
        if status == 206:
            headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{version.size}"
        contents = _StoredFiles(self._archives, files)
        blocks = _sent(format_, part, contents)
        return Reply(status, headers, size=part.size, content=blocks, closing=blocks.aclose)


class _StoredFiles(Contents):
    """Counts what it gives out whole, where nobody has yet, and has that kept now and then."""

    def __init__(self, archives: ArchiveUseCase, files: Sequence[File]) -> None:
        self._archives = archives
        self._files = files
        self._counted: dict[int, int] = {}
        self._not_noted: dict[FileId, int] = {}
        self._not_noted_bytes = 0

    async def blocks(self, number: int, wanted: ByteRange) -> AsyncGenerator[bytes, None]:
        file = self._files[number]
        is_counted = file.crc32 is None and wanted.size == file.size
        opened = await self._archives.open(file)
        crc32 = 0
        try:
            async for block in opened.blob.blocks(wanted):
                if is_counted:
                    crc32 = await asyncio.to_thread(zlib.crc32, block, crc32)
                yield block
        finally:
            await opened.blob.close()
        if is_counted:
            self._counted[number] = self._not_noted[file.id] = crc32
            self._not_noted_bytes += file.size
            if self._not_noted_bytes >= _NOTED_BYTES:
                await self.note()

    async def crc32(self, number: int) -> int:
        if number not in self._counted:
            self._counted[number] = await self._archives.crc32(self._files[number])
        return self._counted[number]

    async def note(self) -> None:
        noted, self._not_noted, self._not_noted_bytes = self._not_noted, {}, 0
        await self._archives.note_crc32s(noted)


async def _sent(format_: ZipFormat, wanted: ByteRange, contents: _StoredFiles) -> AsyncGenerator[bytes, None]:
    """What is wanted, small pieces put together."""
    waiting = bytearray()
    async with aclosing(format_.blocks(wanted, contents)) as pieces:
        async for piece in pieces:
            if not waiting and len(piece) >= _BLOCK_BYTES:
                yield piece
                continue
            waiting += piece
            if len(waiting) >= _BLOCK_BYTES:
                yield bytes(waiting)
                waiting.clear()
    await contents.note()
    if waiting:
        yield bytes(waiting)


def _format_of(files: Sequence[File]) -> ZipFormat:
    """In a thread, for there may be many."""
    names = names_in_archive(files)
    return ZipFormat(
        [
            Member(name.encode("utf-8", "replace"), file.size, file.created_at.astimezone(UTC))
            for name, file in zip(names, files, strict=True)
        ]
    )


def _etag(files: Sequence[File]) -> str:
    """Strong: every byte follows from these."""
    digest = sha256()
    for file in files:
        digest.update(f"{file.id}\n{file.name}\n{file.path}\n{file.created_at}\n".encode("utf-8", "replace"))
    return f'"{digest.hexdigest()[:32]}"'


def _known(told: object) -> Sequence[FileId]:
    ids = parse_ids(told)
    if unknown := [text for text, file_id in ids.items() if file_id is None]:
        raise FileNotFound(f"{unknown[0][:32]}: no such file")
    return list(dict.fromkeys(file_id for file_id in ids.values() if file_id is not None))


def _folder(told: object) -> str:
    folder = file_path(told) if isinstance(told, str) else None
    if folder is None:
        raise InvalidRequest("path: of a folder that files were dropped with")
    return folder
