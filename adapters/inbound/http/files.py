"""Stored files: what is known of one, its bytes, and its end."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qs

from adapters.inbound.common.encoding import content_disposition
from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.exchange import Exchange, Reply
from adapters.inbound.http.links import Links
from adapters.inbound.http.ranges import parse_range
from adapters.inbound.http.sending import FileSlice
from application.download import DownloadUseCase, OpenFile
from application.upload import UploadUseCase
from application.views import UploadView
from domain.byte_range import ByteRange
from domain.file import File
from domain.ids import FileId, file_id_of, parse_file_id, parse_upload_id

# Shown in the browser; everything else is saved, so that nobody's page runs under our name.
_INLINE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})


class Files:
    def __init__(self, *, files: DownloadUseCase, uploads: UploadUseCase, links: Links) -> None:
        self._files = files
        self._uploads = uploads
        self._links = links

    async def get(self, exchange: Exchange, text: str) -> Reply:
        file = await self._files.describe(exchange.principal, parse_file_id(text))
        return _json(self._view(file))

    async def delete(self, exchange: Exchange, text: str) -> Reply:
        await self._files.delete(exchange.principal, parse_file_id(text))
        return Reply(204)

    async def content(self, exchange: Exchange, text: str) -> Reply:
        return await self._content(exchange, parse_file_id(text))

    async def upload(self, exchange: Exchange, text: str) -> Reply:
        """``GET /uploads/{id}``: how far it is; once completed, the content itself."""
        view = await self._uploads.look_at(exchange.principal, parse_upload_id(text))
        if view.file_id is None:
            return _json(self._upload_view(view))
        return await self._content(exchange, file_id_of(view.id))

    async def uploads(self, exchange: Exchange) -> Reply:
        """``GET /uploads?state=open``: the caller's unfinished uploads, for going on from another device."""
        if parse_qs(exchange.request.query).get("state", ["open"]) != ["open"]:
            raise Refusal(400, "invalid_request", "state can only be open")
        views = await self._uploads.list_open(exchange.principal)
        return _json({"uploads": [self._upload_view(view) for view in views]})

    async def _content(self, exchange: Exchange, file_id: FileId) -> Reply:
        opened = await self._files.open(exchange.principal, file_id)
        try:
            return self._reply(exchange, opened)
        except BaseException:
            await opened.blob.close()
            raise

    def _reply(self, exchange: Exchange, opened: OpenFile) -> Reply:
        file = opened.file
        headers = _content_headers(file)
        status = _precondition(exchange, file)
        if status == 412:
            raise Refusal(412, "precondition_failed", "the file is not the one named")
        wanted = None
        if status == 200:
            wanted, status = _wanted(exchange, file)
        if status == 416:
            raise Refusal(416, "range_not_satisfiable", "no such bytes", {"Content-Range": f"bytes */{file.size}"})
        reply = Reply(status, headers, size=wanted.size if wanted else 0, closing=opened.blob.close)
        if status == 206 and wanted:
            headers["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{file.size}"
        if wanted:
            reply.content = opened.blob.blocks(wanted)
            if opened.blob.fd is not None:
                reply.slice = FileSlice(opened.blob.fd, wanted.start, wanted.size)
        return reply

    def _view(self, file: File) -> dict[str, object]:
        return {
            "id": file.id,
            "name": file.name,
            "size": file.size,
            "media_type": file.media_type,
            "checksum": file.checksum,
            "created_at": file.created_at.isoformat().replace("+00:00", "Z"),
            "url": self._links.content(file.id),
        }

    def _upload_view(self, view: UploadView) -> dict[str, object]:
        return {
            "id": view.id,
            "filename": view.metadata.filename,
            "media_type": view.metadata.media_type,
            "offset": view.offset,
            "length": view.length,
            "state": view.state,
            "created_at": view.created_at.isoformat().replace("+00:00", "Z"),
            "expires_at": view.expires_at.isoformat().replace("+00:00", "Z"),
            "url": self._links.upload(view.id),
        }


def _content_headers(file: File) -> dict[str, str]:
    return {
        "Content-Type": file.media_type,
        "Content-Disposition": content_disposition(file.name, inline=file.media_type in _INLINE),
        "ETag": _etag(file),
        "Last-Modified": format_datetime(_modified(file), usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _etag(file: File) -> str:
    """Strong: a file's bytes never change, so its id names them."""
    return f'"{file.id}"'


def _modified(file: File) -> datetime:
    return file.created_at.astimezone(UTC).replace(microsecond=0)


def _precondition(exchange: Exchange, file: File) -> int:
    """RFC 9110 §13.2.2, the order of evaluation: 200 to go on, 304 or 412 to stop."""
    headers = exchange.headers
    if (match := headers.get("If-Match")) is not None:
        if not _names(match, file, weak=False):
            return 412
    elif (date := _parse_date(headers.get("If-Unmodified-Since"))) is not None and _modified(file) > date:
        return 412
    if (match := headers.get("If-None-Match")) is not None:
        if _names(match, file, weak=True):
            return 304
    elif (date := _parse_date(headers.get("If-Modified-Since"))) is not None and _modified(file) <= date:
        return 304
    return 200


def _names(field: str, file: File, *, weak: bool) -> bool:
    if field.strip() == "*":
        return True
    tags = [tag.strip() for tag in field.split(",")]
    if weak:
        tags = [tag.removeprefix("W/") for tag in tags]
    return _etag(file) in tags


def _wanted(exchange: Exchange, file: File) -> tuple[ByteRange | None, int]:
    """Which bytes, and 200, 206 or 416. RFC 9110 §14.2: only GET has ranges; §13.1.5: If-Range must match strongly."""
    whole = ByteRange(0, file.size) if file.size else None
    field = exchange.headers.get("Range")
    if field is None or exchange.method != "GET":
        return whole, 200
    condition = exchange.headers.get("If-Range")
    if condition is not None and condition.strip() != _etag(file) and _parse_date(condition) != _modified(file):
        return whole, 200
    return parse_range(field, file.size)


def _parse_date(field: str | None) -> datetime | None:
    """An HTTP date; None without one, or for what is none (RFC 9110: such a field is ignored)."""
    if field is None:
        return None
    try:
        parsed = parsedate_to_datetime(field)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _json(content: dict[str, object]) -> Reply:
    headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    return Reply(200, headers, json.dumps(content).encode())
