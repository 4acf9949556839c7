"""Whole files by one request: ``POST /upload`` (a multipart form, answered by an envelope of status, message and
file) and ``PUT /upload/{name}``.
"""

import re
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import aclosing

from adapters.inbound.common.digests import digests_checked, parse_content_digest, parse_repr_digest
from adapters.inbound.common.errors import Refusal, code_of, detail_of, headers_of, status_of
from adapters.inbound.common.file_names import parse_path_name
from adapters.inbound.common.watch_ids import parse_watch_id
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from adapters.inbound.http.engine.framing import CutShort
from adapters.inbound.http.engine.multipart import FormPart, FormReader, broken_form, parse_boundary
from adapters.inbound.http.engine.wholeness import check_length, check_unwrapped, check_whole, not_whole
from adapters.inbound.http.files.conditions import wanted_digest
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.forms.claims import Claims
from adapters.inbound.http.forms.places import Places
from adapters.inbound.http.uploads.resumable import Resumable
from adapters.inbound.http.uploads.uploads import is_resumable
from application.download import DownloadUseCase
from application.file import FileUseCase
from application.upload import UploadUseCase
from application.views import UploadView
from domain.access import Principal
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import FileId, file_id_of
from domain.metadata import Metadata


def form_refusal(error: Exception, request_id: str) -> Reply:
    """The answer of ``POST /upload`` to whatever it refuses, whoever raised it."""
    envelope: dict[str, object] = {
        "status": "error",
        "message": detail_of(error),
        "code": code_of(error),
        "request_id": request_id,
    }
    return json_reply(envelope, status_of(error), {**headers_of(error), "Cache-Control": "no-store"})


class Form:
    """One method a route (docs/http.md, Whole files). Beside what any route may answer:

    - ``post``: 200, an envelope, as what it refuses: 400 no form, none with a file in it, or a chunk of a file; 413 too
      long, too many parts, or more than the owner's quota; 415 a part that is encoded.
    - ``put``: 201, the link; 400 a chunk, or other digests (RFC 9530); 411, 413; 415 a form. With Upload-Complete it is
      a creation: ``adapters/inbound/http/uploads/resumable.py``.
    """

    def __init__(
        self,
        *,
        uploads: UploadUseCase,
        downloads: DownloadUseCase,
        stored: FileUseCase,
        links: Links,
        resumable: Resumable,
        executor: Executor,
    ) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._stored = stored
        self._links = links
        self._resumable = resumable
        self._executor = executor

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(re.compile(r"/upload/?"), {"POST": self.post}, begins_uploads=True, refusal=form_refusal),
            Resource(
                re.compile(r"/upload/(?P<name>[^/]+)/?"),
                {"PUT": self.put},
                constant_headers=lambda headers: (
                    self._resumable.constant_headers(headers) if is_resumable(headers) else {}
                ),
                begins_uploads=True,
                exposes=("Location", "Repr-Digest", *self._resumable.exposes),
            ),
        ]

    async def post(self, exchange: Exchange) -> Reply:
        """All files of the form, or none of them; a kill in the middle leaves those stored before it, each whole."""
        stored: list[FileId] = []
        try:
            await self._store_parts(exchange, stored)
            files = [await self._downloads.describe(exchange.principal, file_id) for file_id in stored]
            return json_reply(self._envelope(files))
        except Exception:
            for file_id in stored:
                await self._stored.delete(exchange.principal, file_id)
            raise

    async def put(self, exchange: Exchange, name: str) -> Reply:
        """``curl -T file …/upload/``: the answer is the link, on a line of its own."""
        headers, name = exchange.headers, parse_path_name(name)
        check_length(headers)
        if is_resumable(headers):  # iOS's background uploads choose the method
            return await self._resumable.create(exchange, name=name)
        check_whole(headers, is_resumable=False)
        check_unwrapped(headers)
        Claims(exchange).check(exchange.body.length)
        whole = parse_repr_digest(headers.get("Repr-Digest"))
        metadata = Metadata.of(filename=name, media_type=headers.get("Content-Type"))
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
        watch_id = parse_watch_id(exchange.request.query)
        await self._uploads.check_room(exchange.body.length)
        check_whole(exchange.headers, is_resumable=False)
        claims, places, sizes = Claims(exchange), Places(), 0
        reader = FormReader(exchange.body, parse_boundary(exchange), self._executor)
        await reader.look_ahead()
        async with aclosing(reader.parts()) as parts:
            async for part in parts:
                if part.name != "file" or not part.filename:
                    await (places if places.is_one(part) else claims).read(part)
                    continue
                if stored:
                    await exchange.count_upload()  # the first one has been, with the request
                # One id can show one upload: of several files it shows the first.
                with part.named_in_refusals():
                    view = await self._store(exchange.principal, part, places.take(), watch_id if not stored else "")
                stored.append(file_id_of(view.id))
                sizes += view.offset
        if not stored:
            raise Refusal(400, "no_file", "the form has no field named file with a file in it")
        claims.check(sizes)
        if exchange.body.is_cut:  # behind the form's last line: whoever is told to come again brings all of it again
            raise CutShort

    async def _store(self, principal: Principal, part: FormPart, path: str | None, watch_id: str) -> UploadView:
        if part.is_ranged:
            raise not_whole()
        part.check_encoding()
        draft = FileDraft.of(filename=part.filename, media_type=part.media_type, path=path)
        view = await self._uploads.store(principal, draft, source=part, watch_id=watch_id)
        if view is None:
            raise broken_form()
        return view

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
