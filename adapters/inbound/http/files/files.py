"""Stored files: what is known of one, its bytes, and links to them. What owners do with theirs is in ``library.py``."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from adapters.inbound.common.encoding import format_instant, format_metadata, parse_digits
from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.file_names import content_disposition
from adapters.inbound.http.engine.exchange import Exchange, FileSlice, Reply, Resource, json_reply
from adapters.inbound.http.files.conditions import (
    Version,
    record_etag,
    repr_digest,
    wanted,
    wanted_digest,
    wants_sha256,
)
from adapters.inbound.http.files.front import Front
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.files.presented import parse_link, parse_shown
from application.download import DownloadUseCase, OpenFile, SignedToken
from application.file import FileUseCase
from application.views import UploadView
from domain.access import MAX_LINK_LIFE, STRANGER, Disposition, Visibility
from domain.errors import NotFound, Unauthenticated
from domain.file import File
from domain.ids import FileId, parse_file_id

# Shown in the browser; everything else is saved, so that nobody's page runs under our name.
_INLINE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
_A_YEAR_SECONDS = 365 * 24 * 3600
NOT_KEPT = {"Cache-Control": "no-store"}
_FOR_GOOD = f"max-age={_A_YEAR_SECONDS}, immutable, no-transform"


class Files:
    """One method a route (docs/http.md: Who may open a file, Downloads). Beside what any route may answer:

    - ``get``: 200; 401 to a stranger and 404 to others: no such file, or not for them; 403 another credential; 410 it
      is over.
    - ``link``: 201; 400 for longer than seven days, or no such disposition; 401, 403, 404.
    - ``content``, and ``upload`` once it is complete: 200, 206 or 304; 307 to the bytes in a bucket; 401, 404; 403
      another credential, or a link that was altered; 410 a link that is over, or bytes that are gone; 412, 416
      (RFC 9110 §13, §14).
    - ``upload`` before that: 200; 404, 410.
    """

    exposes = ("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Repr-Digest")
    """With a file's content."""

    def __init__(
        self, *, downloads: DownloadUseCase, stored: FileUseCase, links: Links, front: Front | None = None
    ) -> None:
        """``front``: None: nobody but us sends what is stored here."""
        self._downloads = downloads
        self._stored = stored
        self._links = links
        self._front = front

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                re.compile(r"/files/(?P<id>[^/]+)/content/?"),
                {"GET": self.content, "HEAD": self.content},
                admits_strangers=True,
                exposes=self.exposes,
                sends_files=True,
            ),
            Resource(re.compile(r"/files/(?P<id>[^/]+)/links/?"), {"POST": self.link}),
        ]

    async def get(self, exchange: Exchange, text: str) -> Reply:
        with strangers_asked(exchange):
            shown = parse_shown(exchange.request.query)
            file = await self._downloads.describe(exchange.principal, parse_file_id(text), shown)
        return self.told(file)

    def told(self, file: File) -> Reply:
        """What is known of it, to who may know."""
        return json_reply(self.view(file), headers={**NOT_KEPT, "ETag": record_etag(file)})

    async def arrived(self, exchange: Exchange, file_id: FileId) -> Reply:
        """What ``get`` gives, to the request that brought the file; with the digest of its bytes, if that is wanted."""
        digest = await wanted_digest(exchange, self._downloads, file_id)
        reply = await self.get(exchange, file_id)
        reply.headers.update(digest)
        return reply

    async def delete(self, exchange: Exchange, text: str) -> None:
        """For good, by the address of the upload that brought it."""
        shown = parse_shown(exchange.request.query)
        await self._stored.delete(exchange.principal, parse_file_id(text), shown)

    async def link(self, exchange: Exchange, text: str) -> Reply:
        """``POST /files/{id}/links?seconds=&disposition=``: a link that opens the file to whoever has it."""
        shown = parse_shown(exchange.request.query)
        file = await self._downloads.describe(exchange.principal, parse_file_id(text), shown)
        link = self._downloads.sign(
            file, life=_parse_life(shown.get("seconds")), disposition=_parse_disposition(shown.get("disposition"))
        )
        expires = format_instant(link.token.expires_at)
        return json_reply({"url": self._links.signed(link), "expires_at": expires}, 201, NOT_KEPT)

    async def content(self, exchange: Exchange, text: str) -> Reply:
        with strangers_asked(exchange):
            file_id = parse_file_id(text)
        return await self._content(exchange, file_id)

    async def upload(self, exchange: Exchange, view: UploadView) -> Reply:
        """``GET /uploads/{id}``: how far it is; once completed, the content itself."""
        if view.file_id is None:
            return json_reply(self.upload_view(view), headers=NOT_KEPT)
        return await self._content(exchange, view.file_id)

    async def _content(self, exchange: Exchange, file_id: FileId) -> Reply:
        query = exchange.request.query
        shown = parse_shown(query)
        link = parse_link(shown, query, file_id)
        if link is not None:
            opened = await self._downloads.open_signed(link)
        else:
            with strangers_asked(exchange):
                opened = await self._downloads.open(exchange.principal, file_id, shown)
        return await self.give(exchange, opened, link)

    async def give(
        self,
        exchange: Exchange,
        opened: OpenFile,
        link: SignedToken | None,
        *,
        lasts: bool = False,
        is_derived: bool = False,
    ) -> Reply:
        """Send what the caller may have, by ``link`` if it is not None; the blob is closed with the reply.

        ``lasts``: clients may show it again without asking. ``is_derived``: it is small, and no file of its own; it has
        no digest, and is given out by nobody but us.
        """
        try:
            is_digested = not is_derived and wants_sha256(exchange.headers)
            file = await self._downloads.digested(opened.file) if is_digested else opened.file
            headers = _content_headers(file, link.token.disposition if link else None)
            is_open = file.visibility is Visibility.PUBLIC
            if link or is_open:
                # The link alone opens it: a page of another site that shows it has no more than it had before.
                headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            if lasts:
                headers["Cache-Control"] = f"{'public' if is_open else 'private'}, {_FOR_GOOD}"
            reply = _reply(exchange, opened, headers)
            return (None if is_derived else await self._elsewhere(exchange, opened, reply)) or reply
        except BaseException:
            await opened.blob.close()
            raise

    async def _elsewhere(self, exchange: Exchange, opened: OpenFile, reply: Reply) -> Reply | None:
        """Where somebody else gives the bytes out, if somebody does: the front, which takes over our headers and does
        ranges itself; or storage, to which a Range goes along as the client sends it again.

        To storage not with If-Range: it has validators of its own, and ours would never match them.
        """
        if exchange.method != "GET" or reply.content is None:
            return None
        if self._front and (place := self._front.place_for(exchange, opened.file)) is not None:
            # nginx adds its own: what a range is, and to a whole file that ranges may be asked for.
            its_own = ("Content-Range",) if reply.status == 206 else ("Accept-Ranges",)
            told = {name: value for name, value in reply.headers.items() if name not in its_own}
            return Reply(200, {**told, "X-Accel-Redirect": place}, closing=opened.blob.close)
        if "If-Range" in exchange.headers:
            return None
        link = await opened.link(disposition=reply.headers["Content-Disposition"])
        if link is None:
            return None
        # The link opens the file to whoever has it, for a while: nobody is to keep it.
        moved = {"Location": link, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return Reply(307, moved, closing=opened.blob.close)

    def view(self, file: File) -> dict[str, object]:
        """``url`` is good for whoever may see this view."""
        is_guarded = file.credential is not None
        return {
            "id": file.id,
            "name": file.name,
            "path": file.path,
            "size": file.size,
            "media_type": file.media_type,
            "checksum": file.checksum,
            "sha256": file.sha256.hex() if file.sha256 else None,
            "visibility": file.visibility,
            "created_at": format_instant(file.created_at),
            "expires_at": None if file.expires_at is None else format_instant(file.expires_at),
            "url": self._links.signed(self._downloads.sign(file)) if is_guarded else self._links.content(file.id),
        }

    def upload_view(self, view: UploadView) -> dict[str, object]:
        return {
            "id": view.id,
            "filename": view.metadata.filename,
            "media_type": view.metadata.media_type,
            "offset": view.offset,
            "length": view.length,
            "metadata": format_metadata(view.metadata),
            "state": view.state,
            "created_at": format_instant(view.created_at),
            "expires_at": format_instant(view.expires_at),
            "url": self._links.upload(view.id),
        }


@contextmanager
def strangers_asked(exchange: Exchange, link: SignedToken | None = None) -> Iterator[None]:
    """One of whom nothing is known is asked who they are, instead of being told what is not there; but not who follows
    a signed link, of which it says nothing who that is."""
    try:
        yield
    except NotFound:
        if exchange.principal is STRANGER and link is None:
            raise Unauthenticated("say who you are, or follow a link that opens the file") from None
        raise


def _reply(exchange: Exchange, opened: OpenFile, headers: dict[str, str]) -> Reply:
    part, status = wanted(exchange, Version.of(opened.file))
    reply = Reply(status, headers, size=part.size if part else 0, closing=opened.blob.close)
    if status == 206 and part:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{opened.file.size}"
    if part:
        reply.content = opened.blob.blocks(part)
        if opened.blob.fd is not None:
            reply.slice = FileSlice(opened.blob.fd, part.start, part.size)
    return reply


def _content_headers(file: File, disposition: Disposition | None) -> dict[str, str]:
    is_inline = file.media_type in _INLINE and disposition is not Disposition.ATTACHMENT
    headers = {
        "Content-Type": file.media_type,
        "Content-Disposition": content_disposition(file.name, inline=is_inline),
        **Version.of(file).validators,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache, no-transform",  # as they came: ranges and digests are of these bytes
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",  # the link may be all it takes
    }
    if file.sha256 is not None:
        headers["Repr-Digest"] = repr_digest(file.sha256)
    return headers


def _parse_life(seconds: str | None) -> timedelta:
    if seconds is None:
        return MAX_LINK_LIFE
    life = min(parse_digits(seconds.removeprefix("-"), "seconds"), _A_YEAR_SECONDS)  # how much too long is all one
    return timedelta(seconds=-life if seconds.startswith("-") else life)


def _parse_disposition(text: str | None) -> Disposition | None:
    if text not in (None, *Disposition):
        raise Refusal(400, "invalid_request", "disposition is inline or attachment")
    return None if text is None else Disposition(text)
