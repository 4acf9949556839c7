"""The chunk API below ``/api/v1/file``: init, then chunks in any order and many at once, then complete.

Syntax only: forms in (``form.py``, ``fields.py``), envelopes out (``envelope.py``).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from adapters.inbound.http.chunks.envelope import (
    CHUNK_STORED,
    ChunkRefusal,
    bad_field,
    bad_fields,
    chunk_refusal,
    chunks_missing,
    not_begun,
    nothing_to_retry,
    success,
)
from adapters.inbound.http.chunks.fields import (
    ChunkFields,
    CompleteFields,
    Fields,
    InitFields,
    RetryFields,
    parse_fields,
)
from adapters.inbound.http.chunks.form import ChunkForm, read_fields
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.engine.multipart import broken_form
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.files.presented import parse_shown
from application.download import DownloadUseCase
from application.upload import UploadUseCase
from application.views import UploadView
from domain.access import Credential, Principal, Visibility
from domain.errors import BytesMissing, FileNotFound, UploadNotFound
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import file_id_of, parse_file_id, parse_upload_id
from domain.metadata import Metadata
from domain.upload_state import UploadState
from ports.byte_source import ByteSource

_MAX_LISTED = 1000
_STATUS = {
    UploadState.PENDING: "PENDING",
    UploadState.RECEIVING: "PENDING",
    UploadState.ASSEMBLING: "STARTED",
    UploadState.COMPLETED: "SUCCESS",
    UploadState.FAILED: "FAILURE",
    UploadState.ABORTED: "FAILURE",
    UploadState.EXPIRED: "FAILURE",
}


class Chunks:
    """One method a route. ``spool``: a folder for chunks that come before it is known where they lie.

    Each answers 200, and refuses in an envelope too (docs/http.md, Chunks in any order); beside what any route may
    answer:

    - ``init``: 413 more than the owner's quota; 422 a wrong field; 429 too many open uploads.
    - ``chunk``: 400 no whole form; 409 other bytes than before, another chunk size, or it is complete; 410; 422 a
      field that is missing or wrong, an upload that is not there; 423 another request has that chunk.
    - ``complete``: 409 chunks are missing, or it was completed otherwise; 410, 422, 423.
    - ``get``, ``status``: 403 another credential; 404.
    - ``retry``: 400 there is nothing to try again; 403, 404, 422.
    """

    def __init__(
        self,
        *,
        uploads: UploadUseCase,
        downloads: DownloadUseCase,
        links: Links,
        executor: Executor,
        max_chunk_size: int,
        spool: Path,
    ) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._links = links
        self._executor = executor
        self._max_chunk_size = max_chunk_size
        self._spool = spool

    def resources(self) -> Sequence[Resource]:
        """Every one words its errors in this dialect's own way."""
        upload, file = "/api/v1/file/upload", "/api/v1/file"
        get, status = ({"GET": handler, "HEAD": handler} for handler in (self.get, self.status))
        return [
            Resource(re.compile(f"{upload}/init/?"), {"POST": self.init}, begins_uploads=True, refusal=chunk_refusal),
            *(
                Resource(re.compile(f"{upload}/{name}/?"), {"POST": route}, is_of_upload=True, refusal=chunk_refusal)
                for name, route in (("chunk", self.chunk), ("complete", self.complete), ("retry", self.retry))
            ),
            Resource(re.compile(f"{file}/get/(?P<id>[^/]+)/?"), get, admits_strangers=True, refusal=chunk_refusal),
            Resource(
                re.compile(f"{file}/status/(?P<id>[^/]+)/?"), status, admits_strangers=True, refusal=chunk_refusal
            ),
        ]

    async def init(self, exchange: Exchange) -> Reply:
        fields = await self._fields(InitFields, exchange)
        view = await self._uploads.create(
            exchange.principal,
            FileDraft() if fields.filename is None else FileDraft.of(filename=fields.filename),
            length=fields.total_size,
            completes_on_request=True,
        )
        return success({"chunk_size": self._max_chunk_size, "upload_id": view.id})

    async def chunk(self, exchange: Exchange) -> Reply:
        await self._uploads.check_room(exchange.body.length)
        needed = ChunkFields.model_fields.keys()
        form = ChunkForm(exchange, self._executor, needed=needed, spool=self._spool, largest=self._max_chunk_size)
        async with form.file() as file:
            fields, source = self._parse_chunk(form, file)
            with _begun():
                view = await self._uploads.place(
                    exchange.principal,
                    parse_upload_id(fields.upload_id),
                    index=fields.chunk_index,
                    chunk_size=fields.chunk_size,
                    source=source,
                )
        if view is None:
            raise broken_form()
        return success({"chunk_index": fields.chunk_index, "upload_id": view.id}, CHUNK_STORED)

    async def complete(self, exchange: Exchange) -> Reply:
        fields = await self._fields(CompleteFields, exchange)
        with _begun():
            view = await self._uploads.look_at(exchange.principal, parse_upload_id(fields.upload_id))
            await self._complete(exchange.principal, view, fields)
        file = await self._downloads.describe(exchange.principal, file_id_of(view.id), fields.credential or {})
        return success(self._view(file))

    async def get(self, exchange: Exchange, text: str) -> Reply:
        shown = parse_shown(exchange.request.query)
        file = await self._downloads.describe(exchange.principal, parse_file_id(text), shown)
        return success(self._view(file))

    async def status(self, exchange: Exchange, text: str) -> Reply:
        try:
            await self._downloads.describe(exchange.principal, parse_file_id(text), parse_shown(exchange.request.query))
            state = UploadState.COMPLETED
        except FileNotFound:
            state = (await self._uploads.look_at(exchange.principal, parse_upload_id(text))).state
        return success({"status": _STATUS[state]})

    async def retry(self, exchange: Exchange) -> Reply:
        fields = await self._fields(RetryFields, exchange)
        given = fields.credential or {}
        view = await self._uploads.look_at(exchange.principal, parse_upload_id(fields.file_id))
        if view.state is UploadState.FAILED:
            await self._uploads.retry(exchange.principal, view.id, given)
            return success(self._view(await self._downloads.describe(exchange.principal, file_id_of(view.id), given)))
        if view.state is UploadState.COMPLETED:
            await self._downloads.describe(exchange.principal, file_id_of(view.id), given)
        raise nothing_to_retry(is_complete=view.state is UploadState.COMPLETED)

    async def _fields(self, kind: type[Fields], exchange: Exchange) -> Fields:
        return parse_fields(kind, await read_fields(exchange, self._executor, kind.model_fields.keys()))

    def _parse_chunk(self, form: ChunkForm, source: ByteSource | None) -> tuple[ChunkFields, ByteSource]:
        no_file = bad_field("file", "Field required")
        try:
            fields = parse_fields(ChunkFields, form.fields, max_chunk_size=self._max_chunk_size)
        except ChunkRefusal as refusal:
            if source is None:
                raise bad_fields(*refusal.errors, no_file) from None
            raise
        if source is None:
            raise bad_fields(no_file)
        return fields, source

    async def _complete(self, principal: Principal, view: UploadView, fields: CompleteFields) -> None:
        _check_count(view, fields)
        draft = FileDraft(
            Metadata.of(filename=_name(view, fields), media_type=fields.content_type),
            visibility=Visibility.PUBLIC,  # unless it has a credential
            credential=Credential.of(fields.credential),
            detail=fields.detail,
        )
        try:
            await self._uploads.complete(principal, view.id, length=fields.total_size, draft=draft)
        except BytesMissing as error:
            raise _missing_chunks(error, view, fields) from None

    def _view(self, file: File) -> Mapping[str, object]:
        is_public = file.visibility is Visibility.PUBLIC
        link = self._links.content(file.id) if is_public else self._links.signed(self._downloads.sign(file))
        return {
            "id": file.id,
            "path": file.shown_path,
            "content_type": file.media_type,
            "detail": file.detail,
            "credential": file.credential and dict(file.credential.values),
            "download_url": link,
        }


def _check_count(view: UploadView, fields: CompleteFields) -> None:
    if view.chunk_size is None:
        return
    needed = -(-fields.total_size // view.chunk_size)
    if fields.total_chunks not in (needed, max(1, needed)):  # an empty file has one empty chunk, or none
        raise bad_fields(bad_field("total_chunks", f"total_size makes {needed} chunks of {view.chunk_size} bytes"))


def _name(view: UploadView, fields: CompleteFields) -> str:
    """What the client called it, ending as it says the file is."""
    if view.metadata.text("filename", "name") is None:
        return f"{view.id}.{fields.file_extension}"
    name = view.metadata.filename
    ending = f".{fields.file_extension}"
    return name if name.lower().endswith(ending) else name + ending


def _missing_chunks(error: BytesMissing, view: UploadView, fields: CompleteFields) -> ChunkRefusal:
    size = view.chunk_size
    if size is None:  # nothing has come yet
        missing = iter(range(fields.total_chunks))
    else:
        missing = chain.from_iterable(range(start // size, -(-end // size)) for start, end in error.gaps)
    indexes = list(islice(missing, _MAX_LISTED + 1))
    return chunks_missing(indexes[:_MAX_LISTED], are_all=len(indexes) <= _MAX_LISTED)


@contextmanager
def _begun() -> Iterator[None]:
    """To chunks and completions an upload that is not there is a field that names none."""
    try:
        yield
    except UploadNotFound as error:
        raise not_begun() from error
