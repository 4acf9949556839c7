"""Whole files by one request: ``POST /upload`` (a multipart form, answered by an envelope of status, message and
file) and ``PUT /upload/{name}``.
"""

import re
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import aclosing
from urllib.parse import parse_qs

import structlog

from adapters.inbound.common.digests import digests_checked, parse_content_digest, parse_repr_digest
from adapters.inbound.common.errors import Refusal, code_of, detail_of, headers_of, status_of
from adapters.inbound.common.file_names import parse_path_name
from adapters.inbound.common.watch_ids import folded, is_uuid
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from adapters.inbound.http.engine.framing import CutShort
from adapters.inbound.http.engine.multipart import FormPart, FormReader, broken_form, parse_boundary
from adapters.inbound.http.files.conditions import wanted_digest
from adapters.inbound.http.files.links import Links
from application.download import DownloadUseCase
from application.upload import UploadUseCase
from domain.access import Principal
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import FileId, file_id_of
from domain.metadata import Metadata

log = structlog.get_logger(__name__)



class Form:
    """One method a route (docs/http.md, Whole files). Beside what any route may answer:

    - ``post``: 200, an envelope; in one too: 400 no form, or none with a file in it; 413 too long, too many parts, or
      more than the owner's quota; 415 a part that is encoded.
    - ``put``: 201, the link; 400 other digests (RFC 9530); 413.
    """

    def __init__(self, *, uploads: UploadUseCase, downloads: DownloadUseCase, links: Links, executor: Executor) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._links = links
        self._executor = executor

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(re.compile(r"/upload/?"), {"POST": self.post}, begins_uploads=True),
            Resource(
                re.compile(r"/upload/([^/]+)/?"),
                {"PUT": self.put},
                begins_uploads=True,
                exposes=("Location", "Repr-Digest"),
            ),
        ]

    async def post(self, exchange: Exchange) -> Reply:
        """All files of the form, or none of them; a kill in the middle leaves those stored before it, each whole."""
        stored: list[FileId] = []
        try:
            await self._store_parts(exchange, stored)
            files = [await self._downloads.describe(exchange.principal, file_id) for file_id in stored]
            return json_reply(self._envelope(files))
        except Exception as error:
            for file_id in stored:
                await self._downloads.delete(exchange.principal, file_id)
            status = status_of(error)
            if status == 500:
                log.exception("request failed", request_id=exchange.request_id)
            envelope: dict[str, object] = {
                "status": "error",
                "message": detail_of(error),
                "code": code_of(error),
                "request_id": exchange.request_id,
            }
            return json_reply(envelope, status, headers_of(error))

    async def put(self, exchange: Exchange, name: str) -> Reply:
        """``curl -T file …/upload/``: the answer is the link, on a line of its own."""
        headers = exchange.headers
        whole = parse_repr_digest(headers.get("Repr-Digest"))
        metadata = Metadata.of(filename=parse_path_name(name), media_type=headers.get("Content-Type"))
        with digests_checked():
            view = await self._uploads.store(
                exchange.principal,
                FileDraft(metadata, sha256=whole.sha256, sha512=whole.sha512),
                source=exchange.body,
                length=exchange.body.length,
                checksums=parse_content_digest(headers.get("Content-Digest")),
            )
        if view is None:
            raise CutShort
        file_id = file_id_of(view.id)
        link = self._links.absolute(self._links.content(file_id), exchange.request)
        about = {"Location": self._links.file(file_id), "Content-Type": "text/plain; charset=utf-8"}
        about |= await wanted_digest(exchange, self._downloads, file_id)
        return Reply(201, about, f"{link}\n".encode())

    async def _store_parts(self, exchange: Exchange, stored: list[FileId]) -> None:
        watch_id = _parse_watch_id(exchange)
        reader = FormReader(exchange.body, parse_boundary(exchange), self._executor)
        await reader.look_ahead()
        async with aclosing(reader.parts()) as parts:
            async for part in parts:
                if part.name != "file" or not part.filename:
                    await part.skip()
                    continue
                if stored:
                    exchange.count_upload()  # the first one has been, with the request
                # One id can show one upload: of several files it shows the first.
                file_id = await self._store(exchange.principal, part, watch_id if not stored else "")
                stored.append(file_id)
        if not stored:
            raise Refusal(400, "no_file", "the form has no field named file with a file in it")

    async def _store(self, principal: Principal, part: FormPart, watch_id: str) -> FileId:
        part.check_encoding()
        draft = FileDraft.of(filename=part.filename, media_type=part.media_type)
        view = await self._uploads.store(principal, draft, source=part, watch_id=watch_id)
        if view is None:
            raise broken_form()
        return file_id_of(view.id)

    def _envelope(self, files: list[File]) -> dict[str, object]:
        views = [
            {
                "id": file.id,
                "name": file.name,
                "size": file.size,
                "media_type": file.media_type,
                "checksum": file.checksum,
                "url": self._links.content(file.id),
            }
            for file in files
        ]
        if len(views) == 1:
            message = f"File '{files[0].name}' uploaded successfully!"
            return {"status": "success", "message": message, "file": views[0]}
        return {"status": "success", "message": f"{len(views)} files uploaded successfully!", "files": views}


def _parse_watch_id(exchange: Exchange) -> str:
    given = parse_qs(exchange.request.query).get("upload_id", [""])[-1]
    if given and not is_uuid(given):
        raise Refusal(400, "invalid_request", "upload_id is not a UUID")
    return folded(given)
