"""tus 1.0.0 at /uploads: https://tus.io/protocols/resumable-upload. Syntax only; every rule is the use case's.

Extensions: creation, creation-with-upload, creation-defer-length, checksum, expiration, termination, concatenation.
Left out: checksum-trailer (trailers are read past), concatenation-unfinished.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from adapters.inbound.common.encoding import (
    TUS_ALGORITHMS,
    format_metadata,
    parse_checksum,
    parse_digits,
    parse_metadata,
    parse_sha256,
)
from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange, Reply
from adapters.inbound.http.files.conditions import wanted_digest
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.links import Links
from application.download import DownloadUseCase
from application.upload import UploadUseCase
from application.views import UploadView
from domain.checksum import Checksum
from domain.errors import InvalidParts, LengthExceeded, LongshoreError, UploadIsFinal, UploadNotOpen
from domain.file_draft import FileDraft
from domain.ids import UploadId, file_id_of, parse_upload_id
from domain.metadata import Metadata
from domain.upload_state import UploadKind

VERSION = "1.0.0"
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "expiration",
    "termination",
    "concatenation",
)
_CONTENT_TYPE = "application/offset+octet-stream"


class Tus:
    """One method a verb; ``(exchange[, id]) -> Reply``. Beside what any route may answer (docs/http.md, Errors):

    - OPTIONS: 204, whatever version is asked for (tus 1.0 §OPTIONS). All others: 412 for a version that is not ours.
    - POST: 201; 400 a length, metadata, a checksum or parts that make no sense; 403 a final upload with bytes of its
      own; 413 too long, or more than the owner's quota; 415 a body of another type; 429 too many open uploads; for
      bytes that come along, what PATCH answers.
    - HEAD, GET: 200; 404 unknown, or somebody else's; 410 aborted or expired.
    - PATCH: 204; 400, 404, 410, 413, 415 as above; 403 a final upload (§Concatenation); 409 another offset, or it
      takes no bytes now; 423 another request is at it; 460 another checksum (§Checksum), of the body or the whole.
    - DELETE: 204, also for a completed upload or a joined part (§Termination); 404, 410, 423.
    """

    exposes = (
        *("Location", "Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat"),
        *("Upload-Expires", "Repr-Digest", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size"),
        "Tus-Checksum-Algorithm",
    )

    def __init__(
        self, *, uploads: UploadUseCase, downloads: DownloadUseCase, files: Files, links: Links, max_length_bytes: int
    ) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._files = files
        self._links = links
        self._max_length_bytes = max_length_bytes

    async def options(self, exchange: Exchange) -> Reply:
        return Reply(
            204,
            {
                "Tus-Version": VERSION,
                "Tus-Extension": ",".join(EXTENSIONS),
                "Tus-Max-Size": str(self._max_length_bytes),
                "Tus-Checksum-Algorithm": ",".join(TUS_ALGORITHMS),
                "Cache-Control": "no-store",
            },
        )

    async def create(self, exchange: Exchange) -> Reply:
        _check_version(exchange)
        metadata = parse_metadata(exchange.headers.get("Upload-Metadata", ""))
        kind, parts = _parse_concat(exchange)
        if kind is UploadKind.FINAL:
            return await self._join(exchange, parts, metadata)
        sha256 = parse_sha256(metadata) if kind is UploadKind.WHOLE else None
        length = _parse_length(exchange)
        announced = exchange.body.length
        with_upload = (announced != 0 and "Content-Type" in exchange.headers) or await _has_bytes(exchange)
        checksums: Sequence[Checksum] = ()
        if with_upload:
            _check_content_type(exchange)
            checksums = _parse_checksum(exchange)
            if length is not None and announced is not None and announced > length:
                raise LengthExceeded("the body is longer than Upload-Length")
        draft = FileDraft(metadata, sha256=sha256)
        if with_upload and length and kind is UploadKind.WHOLE:
            stored = await self._uploads.store(
                exchange.principal, draft, source=exchange.body, length=length, checksums=checksums, in_one_step=True
            )
            if stored is not None:
                return await self._created_whole(exchange, stored)
        view = await self._uploads.create(exchange.principal, draft, length=length, kind=kind)
        headers = {"Location": self._links.upload(view.id)}
        if view.file_id and view.offset:
            # Complete by a file its owner has already: the bytes that come along, or would, are not needed.
            headers["Upload-Offset"] = str(view.offset)
        elif with_upload:
            view = await self._append_first(exchange, view, checksums)
            headers["Upload-Offset"] = str(view.offset)
        if view.file_id:
            headers |= await wanted_digest(exchange, self._downloads, view.file_id)
        return _reply(201, headers, view)

    async def head(self, exchange: Exchange, text: str) -> Reply:
        _check_version(exchange)
        view = await self._uploads.inspect(exchange.principal, parse_upload_id(text))
        return _reply(200, _standing(view), view)

    async def get(self, exchange: Exchange, text: str) -> Reply:
        """What GET gives to anybody, with the fields of a HEAD; who sends just now is not ended by it."""
        _check_version(exchange)
        view = await self._uploads.look_at(exchange.principal, parse_upload_id(text))
        reply = await self._files.upload(exchange, view)
        reply.headers = {**_reply(200, _standing(view), view).headers, **reply.headers}
        return reply

    async def patch(self, exchange: Exchange, text: str) -> Reply:
        _check_version(exchange)
        upload_id = parse_upload_id(text)
        _check_content_type(exchange)
        headers = exchange.headers
        length = headers.get("Upload-Length")
        view = await self._uploads.append(
            exchange.principal,
            upload_id,
            at=parse_digits(headers.get("Upload-Offset", ""), "Upload-Offset"),
            source=exchange.body,
            length=None if length is None else parse_digits(length, "Upload-Length"),
            checksums=_parse_checksum(exchange),
        )
        answer = {"Upload-Offset": str(view.offset)}
        if view.file_id:
            answer |= await wanted_digest(exchange, self._downloads, view.file_id)
        return _reply(204, answer, view)

    async def delete(self, exchange: Exchange, text: str) -> Reply:
        _check_version(exchange)
        upload_id = parse_upload_id(text)
        try:
            await self._uploads.abort(exchange.principal, upload_id)
        except UploadNotOpen:
            # tus 1.0 §Termination holds for completed uploads too: their file goes.
            await self._files.delete(exchange, text)
        return Reply(204)

    async def _created_whole(self, exchange: Exchange, view: UploadView) -> Reply:
        headers = {"Location": self._links.upload(view.id), "Upload-Offset": str(view.offset)}
        return Reply(201, headers | await wanted_digest(exchange, self._downloads, file_id_of(view.id)))

    async def _append_first(self, exchange: Exchange, view: UploadView, checksums: Sequence[Checksum]) -> UploadView:
        """tus 1.0 §Creation With Upload: the first bytes come with the creation."""
        try:
            return await self._uploads.append(
                exchange.principal, view.id, at=0, source=exchange.body, checksums=checksums
            )
        except Exception:
            # The client gets no Location with a refusal: nobody would ever go on with this upload.
            with suppress(LongshoreError):  # it is over already; or else it expires
                await self._uploads.abort(exchange.principal, view.id)
            raise

    async def _join(self, exchange: Exchange, parts: list[str], metadata: Metadata) -> Reply:
        # tus 1.0 §Concatenation: the client MUST NOT include Upload-Length in a final upload's creation.
        if "Upload-Length" in exchange.headers or "Upload-Defer-Length" in exchange.headers:
            raise Refusal(400, "invalid_request", "a final upload's length is the sum of its parts'")
        if await _has_bytes(exchange):
            raise UploadIsFinal("a final upload takes no bytes of its own")
        part_ids = [self._parse_part(part) for part in parts]
        draft = FileDraft(metadata, sha256=parse_sha256(metadata))
        view = await self._uploads.join(exchange.principal, part_ids, draft, names=parts)
        digest = await wanted_digest(exchange, self._downloads, file_id_of(view.id))
        return _reply(201, {"Location": self._links.upload(view.id), **digest}, view)

    def _parse_part(self, url: str) -> UploadId:
        """A part is named by the URL that its creation answered, relative or absolute."""
        found = self._links.upload_id_in(url)
        if found is None:
            raise InvalidParts("a part is not an upload of this server")
        return parse_upload_id(found)


def _parse_concat(exchange: Exchange) -> tuple[UploadKind, list[str]]:
    value = exchange.headers.get("Upload-Concat")
    if value is None:
        return UploadKind.WHOLE, []
    if value == "partial":
        return UploadKind.PARTIAL, []
    if not value.startswith("final;"):
        raise Refusal(400, "invalid_request", "Upload-Concat is partial, or final with its parts")
    return UploadKind.FINAL, value[len("final;") :].split()


def _check_version(exchange: Exchange) -> None:
    if exchange.headers.get("Tus-Resumable") != VERSION:
        # tus 1.0 §Tus-Version: the 412 MUST include Tus-Version.
        raise Refusal(412, "unsupported_version", f"this server speaks tus {VERSION}", {"Tus-Version": VERSION})


def _check_content_type(exchange: Exchange) -> None:
    given = exchange.headers.get("Content-Type", "")
    if given.split(";", 1)[0].strip().lower() != _CONTENT_TYPE:
        raise Refusal(415, "unsupported_media_type", f"the body's Content-Type is {_CONTENT_TYPE}")


def _parse_length(exchange: Exchange) -> int | None:
    length = exchange.headers.get("Upload-Length")
    deferred = exchange.headers.get("Upload-Defer-Length")
    if (length is None) == (deferred is None):
        raise Refusal(400, "invalid_request", "either Upload-Length or Upload-Defer-Length is needed")
    if length is not None:
        return parse_digits(length, "Upload-Length")
    if deferred != "1":
        raise Refusal(400, "invalid_request", "Upload-Defer-Length can only be 1")
    return None


async def _has_bytes(exchange: Exchange) -> bool:
    """Some clients announce an empty body as chunked: of such a one the first byte is taken, to see."""
    return bool(await exchange.body.read(1)) if exchange.body.length is None else exchange.body.length > 0


def _parse_checksum(exchange: Exchange) -> Sequence[Checksum]:
    """One or none: tus 1.0 §Checksum."""
    header = exchange.headers.get("Upload-Checksum")
    return () if header is None else (parse_checksum(header),)


def _standing(view: UploadView) -> dict[str, str]:
    """Where the upload stands."""
    headers = {"Upload-Offset": str(view.offset), "Cache-Control": "no-store"}
    if view.length is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(view.length)
    if view.metadata.pairs:
        headers["Upload-Metadata"] = format_metadata(view.metadata)
    if view.kind is UploadKind.PARTIAL:
        headers["Upload-Concat"] = "partial"
    elif view.kind is UploadKind.FINAL:
        headers["Upload-Concat"] = "final;" + " ".join(view.parts)  # as it came
    return headers


def _reply(status: int, headers: dict[str, str], view: UploadView) -> Reply:
    if view.state.is_open:
        headers["Upload-Expires"] = _http_date(view.expires_at)
    return Reply(status, headers)


@lru_cache(maxsize=4096)  # an upload's expiry moves once a minute, its replies come by the hundred
def _http_date(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0), usegmt=True)
