"""Resumable uploads of the IETF at /uploads: draft-ietf-httpbis-resumable-upload, interop version 8, and 6, 5 and 3
(``interop.py``). Syntax only; every rule is the use case's. What the draft asks of servers, statement by statement,
is in docs/resumable-uploads.md.

Offset equal to length is not the end: an upload is completed by its client's word, Upload-Complete: ?1.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from adapters.inbound.common.digests import digests_checked, parse_content_digest, parse_repr_digest
from adapters.inbound.common.encoding import parse_metadata
from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.file_names import parse_filename
from adapters.inbound.common.structured_fields import parse_size
from adapters.inbound.http.engine.exchange import Exchange, Reply
from adapters.inbound.http.engine.wholeness import check_unwrapped, check_whole
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.uploads.interop import PARTIAL_UPLOAD, VERSION_FIELD, Interop, interop_of
from application.upload import UploadUseCase
from application.views import UploadView
from domain.checksum import Checksum
from domain.errors import (
    InconsistentLength,
    InvalidRequest,
    LengthExceeded,
    LongshoreError,
    TooLarge,
    UploadCompleted,
    UploadNotOpen,
)
from domain.file_draft import FileDraft
from domain.file_name import file_name
from domain.ids import UploadId, parse_upload_id
from domain.metadata import Metadata
from domain.upload_state import UploadState

_MAX_INTEGER = 10**15 - 1  # RFC 9651 §3.3.1
# How often a client is told how far its body has come; the reply to a short one comes before the first time.
_PROGRESS_SECONDS = 0.5


class Resumable:
    """One method a verb; ``(exchange[, id]) -> Reply``. ``lifetime``: of an upload that nobody goes on with.

    Beside what any route may answer (docs/http.md, Errors), by the sections of the draft:

    - OPTIONS: 204, with the limits.
    - POST (§Upload Creation): 104 to those who can hear it, then 201; 400 fields that make no sense, lengths that
      disagree, other digests; 413 too long, or more than the owner's quota; 429 too many open uploads.
    - HEAD (§Offset Retrieval): 204, or 200 as of the file to clients that speak no draft any more; GET: 200; 400 with
      fields that older versions rule out; 404, 410.
    - PATCH (§Upload Append): 204 (201 before version 8), 201 with the file where it completes; 400 as above, or
      completed already; 404, 410; 409 another offset; 413 past the length, which ends the upload; 415 a body of
      another type; 423 another request is at it.
    - DELETE (§Upload Cancellation): 204; 400 as for HEAD; 404, 410, 423.
    """

    exposes = (
        *("Location", "Content-Location", "Upload-Offset", "Upload-Length", "Upload-Complete", "Upload-Incomplete"),
        *("Upload-Limit", "Accept-Patch", "Repr-Digest"),
    )

    def __init__(
        self, *, uploads: UploadUseCase, files: Files, links: Links, max_length_bytes: int, lifetime: timedelta
    ) -> None:
        self._uploads = uploads
        self._files = files
        self._links = links
        self._max_length_bytes = max_length_bytes
        self._lifetime = lifetime

    async def options(self, exchange: Exchange) -> Reply:
        headers = {
            "Upload-Limit": self._limits(interop_of(exchange.headers), self._lifetime),
            "Accept-Patch": PARTIAL_UPLOAD,
            "Cache-Control": "no-store",
        }
        return Reply(204, headers)

    async def create(self, exchange: Exchange, *, name: str = "") -> Reply:
        """``name``: of the file, where its headers tell none."""
        headers, interop = exchange.headers, interop_of(exchange.headers)
        check_whole(headers, is_resumable=True)
        check_unwrapped(headers)
        ends = interop.is_whole(headers)
        if parse_size(headers.get("Upload-Offset", "0"), "Upload-Offset") != 0:
            raise InvalidRequest("an upload begins at byte 0")
        length = _length(exchange, at=0, ends=ends)
        if length is not None and (exchange.body.length or 0) > length:
            raise LengthExceeded("the body is longer than Upload-Length")
        checksums = parse_content_digest(headers.get("Content-Digest"))
        whole = parse_repr_digest(headers.get("Repr-Digest"))
        view = await self._uploads.create(
            exchange.principal,
            FileDraft(_metadata(headers, name), sha256=whole.sha256, sha512=whole.sha512),
            length=length,
            completes_on_request=True,
        )
        if view.file_id is not None:
            return await self._reply(exchange, view, 201)
        self._announce(exchange, view, interop)
        if ends or exchange.body.length != 0:
            view = await self._append_first(exchange, view, checksums, ends)
        return await self._reply(exchange, view, 201)

    async def head(self, exchange: Exchange, text: str) -> Reply:
        interop = interop_of(exchange.headers)
        interop.check_unwanted(exchange.headers)
        with digests_checked():
            view = await self._uploads.inspect(exchange.principal, parse_upload_id(text))
        if view.file_id is None or interop.is_announced:
            return Reply(204, self._standing(view, interop))
        return await self._shown(exchange, view, interop)

    async def get(self, exchange: Exchange, text: str) -> Reply:
        """What GET gives to anybody, with the fields of an offset retrieval.

        Who announces a version means to go on, and ends whoever sends just now; others only look.
        """
        interop, upload_id = interop_of(exchange.headers), parse_upload_id(text)
        look = self._uploads.inspect if interop.is_announced else self._uploads.look_at
        with digests_checked():
            view = await look(exchange.principal, upload_id)
        return await self._shown(exchange, view, interop)

    async def patch(self, exchange: Exchange, text: str) -> Reply:
        headers, interop = exchange.headers, interop_of(exchange.headers)
        upload_id = parse_upload_id(text)
        interop.check_media_type(headers, has_body=exchange.body.length != 0)
        ends = interop.ends(headers)
        at = parse_size(headers.get("Upload-Offset", ""), "Upload-Offset")
        checksums = parse_content_digest(headers.get("Content-Digest"))
        try:
            length = _length(exchange, at=at, ends=ends)
            view = await self._append(exchange, upload_id, at=at, length=length, checksums=checksums, ends=ends)
        except (LengthExceeded, InconsistentLength) as error:
            await self._end_overrun(exchange, upload_id, at, error)
            raise
        return await self._reply(exchange, view, interop.appended_status)

    async def delete(self, exchange: Exchange, text: str) -> Reply:
        interop_of(exchange.headers).check_unwanted(exchange.headers)
        try:
            await self._uploads.abort(exchange.principal, parse_upload_id(text))
        except UploadNotOpen:
            await self._files.delete(exchange, text)  # completed: what there is to end is its file
        return Reply(204)

    def constant_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What goes with every reply that knows no better: this is about the upload, not about what became of it."""
        interop = interop_of(headers)
        return {**interop.completeness_fields(False), "Upload-Limit": self._limits(interop)}

    async def _append_first(
        self, exchange: Exchange, view: UploadView, checksums: Sequence[Checksum], ends: bool
    ) -> UploadView:
        """The bytes that come with the creation. What is cut is kept: the client knows where to go on from the 104."""
        try:
            return await self._append(exchange, view.id, at=0, checksums=checksums, ends=ends)
        except (Refusal, InconsistentLength, TooLarge) as error:
            # A refusal as this one is final: nobody goes on with the upload.
            await self._give_up(exchange, view.id)
            if ends and isinstance(error, Refusal):
                error.headers |= interop_of(exchange.headers).completeness_fields(True)
            raise

    async def _append(
        self,
        exchange: Exchange,
        upload_id: UploadId,
        *,
        at: int,
        ends: bool,
        length: int | None = None,
        checksums: Sequence[Checksum] = (),
    ) -> UploadView:
        interop = interop_of(exchange.headers)
        try:
            # §Upload Append: ?1 also where it is refused, for all of it has come and nothing is to be gone on with.
            with digests_checked(whole=interop.completeness_fields(True)):
                return await self._uploads.append(
                    exchange.principal,
                    upload_id,
                    at=at,
                    source=exchange.body,
                    length=length,
                    checksums=checksums,
                    ends=ends,
                    on_received=_progress(exchange),
                )
        except UploadCompleted as error:
            location = {"Location": self._links.upload(upload_id)}
            raise Refusal(400, error.code, error.detail, location) from None

    async def _end_overrun(self, exchange: Exchange, upload_id: UploadId, at: int, error: Exception) -> None:
        """§Upload Append: what goes past the known length, come or only announced, makes the upload invalid."""
        announced = exchange.body.length
        if announced is None:
            runs_over = isinstance(error, LengthExceeded)
        else:
            view = await self._uploads.look_at(exchange.principal, upload_id)
            runs_over = view.length is not None and view.offset == at and at + announced > view.length
        if runs_over:
            await self._give_up(exchange, upload_id)

    async def _give_up(self, exchange: Exchange, upload_id: UploadId) -> None:
        with suppress(LongshoreError):  # it is over already, or it expires
            await self._uploads.abort(exchange.principal, upload_id)

    def _announce(self, exchange: Exchange, view: UploadView, interop: Interop) -> None:
        """§Upload Creation: where the client can go on, should this exchange not get to its end."""
        if interop.is_announced:
            location = {"Location": self._links.upload(view.id)}
            limits = {"Upload-Limit": self._limits(interop, _time_left(view))}
            exchange.inform(104, {VERSION_FIELD: str(interop.version), **location, **limits})

    async def _reply(self, exchange: Exchange, view: UploadView, status: int) -> Reply:
        """To bytes that were taken: of an upload that goes on, or with the file that it has become."""
        headers = self._standing(view, interop_of(exchange.headers))
        if view.file_id is None:
            if status == 201:
                headers["Location"] = self._links.upload(view.id)
            return Reply(status, headers)
        reply = await self._files.arrived(exchange, view.file_id)
        reply.status = 201
        headers["Location"] = self._links.upload(view.id)
        reply.headers.update(headers, **{"Content-Location": self._links.file(view.file_id)})
        return reply

    async def _shown(self, exchange: Exchange, view: UploadView, interop: Interop) -> Reply:
        """The upload as JSON, or the file that it has become, with where it stands."""
        reply = await self._files.upload(exchange, view)
        standing = self._standing(view, interop)
        # §Offset Retrieval: nobody keeps an offset. To those who only look, it is the file that is kept or not.
        reply.headers = {**reply.headers, **standing} if interop.is_announced else {**standing, **reply.headers}
        return reply

    def _standing(self, view: UploadView, interop: Interop) -> dict[str, str]:
        """Where the upload stands."""
        headers = interop.completeness_fields(view.state is UploadState.COMPLETED)
        headers["Upload-Offset"] = str(view.offset)
        if view.length is not None:
            headers["Upload-Length"] = str(view.length)
        headers["Upload-Limit"] = self._limits(interop, _time_left(view) if view.state.is_open else None)
        headers["Cache-Control"] = "no-store"
        return headers

    def _limits(self, interop: Interop, lifetime: timedelta | None = None) -> str:
        limits = [f"max-size={min(self._max_length_bytes, _MAX_INTEGER)}", "min-size=0"]
        if lifetime is not None:
            limits.append(f"{interop.lifetime}={max(0, int(lifetime.total_seconds()))}")
        return ", ".join(limits)


def _length(exchange: Exchange, *, at: int, ends: bool) -> int | None:
    """§Length: by Upload-Length, or by where the last body ends; both say the same."""
    texts = exchange.headers.get_list("Upload-Length")
    if len(texts) > 1:
        raise InconsistentLength("Upload-Length was given more than once")
    told = parse_size(texts[0], "Upload-Length") if texts else None
    if not ends or exchange.body.length is None:
        return told
    reached = at + exchange.body.length
    if told not in (None, reached):
        raise InconsistentLength(f"Upload-Length is {told}, yet the body ends the file at {reached}")
    return reached


def _metadata(headers: Mapping[str, str], name: str) -> Metadata:
    """From the representation's metadata; tus-js-client sends tus's own with this dialect, too."""
    if "Upload-Metadata" in headers:
        return parse_metadata(headers["Upload-Metadata"])
    pairs: list[tuple[str, bytes | None]] = []
    if name := parse_filename(headers.get("Content-Disposition", "")) or name:
        pairs.append(("filename", file_name(name).encode()))
    media_type = headers.get("Content-Type", "")
    if media_type and not media_type.startswith(PARTIAL_UPLOAD):
        pairs.append(("filetype", media_type.encode("utf-8", "replace")))
    return Metadata(tuple(pairs))


def _progress(exchange: Exchange) -> Callable[[int], None]:
    """§Upload Append: while the body comes, 104 with the offset; these never name the Location."""
    interop = interop_of(exchange.headers)
    if not (interop.is_announced and interop.tells_progress):
        return lambda _: None
    due = time.monotonic() + _PROGRESS_SECONDS

    def tell(offset: int) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + _PROGRESS_SECONDS
            exchange.inform(104, {VERSION_FIELD: str(interop.version), "Upload-Offset": str(offset)})

    return tell


def _time_left(view: UploadView) -> timedelta:
    return view.expires_at - datetime.now(UTC)
