"""Pictures at ``/images``: taken in by a form, or made of stored files; told of and given out."""

import re
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import aclosing

from multipart import parse_options_header

from adapters.inbound.common.watch_ids import parse_watch_id
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.engine.framing import CutShort
from adapters.inbound.http.engine.json_body import read_json
from adapters.inbound.http.engine.multipart import FormPart, FormReader, broken_form, parse_boundary
from adapters.inbound.http.engine.wholeness import check_whole, not_whole
from adapters.inbound.http.files.files import Files, strangers_asked
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.files.presented import parse_link, parse_shown
from adapters.inbound.http.forms.claims import Claims
from adapters.inbound.http.images.words import described, foreign_type, image_refusal, no_file, queued, several_files
from application.download import DownloadUseCase, SignedToken
from application.image import ImageUseCase
from application.upload import UploadUseCase
from application.views import ImageView
from domain.errors import ThumbnailNotFound
from domain.ids import FileId, parse_image_id
from domain.picture import foreign_ending
from domain.rendition import Box

_BOXES = {name: box for box in Box for name in (box.label, str(box.value))}


class Images:
    """One method a route (docs/http.md, Images); each refuses by ``{"detail"}``. Beside what any route may answer:

    - ``post``: 200; 400 no picture, no whole form, several files or a chunk of one; 404 no such file; 413 too large,
      or too many pixels; 415 a part that is encoded; 422 no file.
    - ``get``: 200; 401 to a stranger and 404 to others: no such image, or not for them; 403, 410 as ``Files.content``.
    - ``original``: as ``Files.content``; ``thumbnail``: the same, and 404 before it is drawn.
    """

    def __init__(
        self,
        *,
        images: ImageUseCase,
        uploads: UploadUseCase,
        downloads: DownloadUseCase,
        files: Files,
        links: Links,
        executor: Executor,
    ) -> None:
        self._images = images
        self._uploads = uploads
        self._downloads = downloads
        self._files = files
        self._links = links
        self._executor = executor

    def resources(self) -> Sequence[Resource]:
        get, original, thumbnail = (
            {"GET": route, "HEAD": route} for route in (self.get, self.original, self.thumbnail)
        )
        return [
            Resource(re.compile(r"/images/?"), {"POST": self.post}, begins_uploads=True, refusal=image_refusal),
            Resource(re.compile(r"/images/(?P<id>[^/]+)/?"), get, admits_strangers=True, refusal=image_refusal),
            *(
                Resource(
                    re.compile(rf"/images/(?P<id>[^/]+)/{path}/?"),
                    methods,
                    admits_strangers=True,
                    exposes=Files.exposes,
                    sends_files=True,
                    refusal=image_refusal,
                )
                for path, methods in (("original", original), ("thumbnails/(?P<size>[^/]+)", thumbnail))
            ),
        ]

    async def post(self, exchange: Exchange) -> Reply:
        """A picture in a form, or the id of a file in JSON."""
        media_type = parse_options_header(exchange.headers.get("Content-Type", ""))[0]
        if media_type == "application/json":
            file_id = await _read_file_id(exchange)
            shown = parse_shown(exchange.request.query)
            return queued(await self._images.enlist(exchange.principal, parse_image_id(file_id), shown))
        if media_type != "multipart/form-data":
            raise no_file()
        return queued(await self._receive(exchange))

    async def get(self, exchange: Exchange, text: str) -> Reply:
        image_id, shown, link = _asked(exchange, text)
        with strangers_asked(exchange, link):
            view = await self._images.describe(exchange.principal, image_id, shown, link)
        if link is None and view.file.credential is not None:
            link = self._downloads.sign(view.file)  # what is told is good for whoever may see it
        return described(view, self._links, link)

    async def original(self, exchange: Exchange, text: str) -> Reply:
        image_id, shown, link = _asked(exchange, text)
        with strangers_asked(exchange, link):
            view = await self._images.describe(exchange.principal, image_id, shown, link)
        return await self._files.give(exchange, await self._downloads.open_stored(view.file), link, lasts=True)

    async def thumbnail(self, exchange: Exchange, text: str, size: str) -> Reply:
        """From a bucket, too, by our hands: it is small, and a link that is another one each time can't be kept."""
        image_id, shown, link = _asked(exchange, text)
        box = _BOXES.get(size.lower())
        if box is None:
            raise ThumbnailNotFound(f"there are these sizes: {', '.join(box.label for box in Box)}")
        with strangers_asked(exchange, link):
            opened = await self._images.open_thumbnail(exchange.principal, image_id, box, shown, link)
        return await self._files.give(exchange, opened, link, lasts=True, is_derived=True)

    async def _receive(self, exchange: Exchange) -> ImageView:
        await self._uploads.check_room(exchange.body.length)
        check_whole(exchange.headers, is_resumable=False)
        watch_id, claims = parse_watch_id(exchange.request.query), Claims(exchange)
        reader = FormReader(exchange.body, parse_boundary(exchange), self._executor)
        await reader.look_ahead()
        async with aclosing(reader.parts()) as parts:
            async for part in parts:
                if _is_asked_for(part):
                    return await self._receive_part(exchange, part, parts, claims, watch_id)
                await claims.read(part)
        if exchange.body.is_cut:
            raise CutShort
        raise no_file()

    async def _receive_part(
        self, exchange: Exchange, part: FormPart, others: AsyncIterator[FormPart], claims: Claims, watch_id: str
    ) -> ImageView:
        if part.is_ranged:
            raise not_whole()
        part.check_encoding()
        if ending := foreign_ending(part.filename):
            raise foreign_type(ending)

        async def read_on(size: int) -> None:
            async for other in others:
                if _is_asked_for(other):
                    raise several_files()
                await claims.read(other)
            claims.check(size)
            if exchange.body.is_cut:
                raise CutShort

        view = await self._images.receive(
            exchange.principal, part, filename=part.filename, watch_id=watch_id, before_kept=read_on
        )
        if view is None:
            raise broken_form()
        return view


def _is_asked_for(part: FormPart) -> bool:
    return part.name == "file" and bool(part.filename)


def _asked(exchange: Exchange, text: str) -> tuple[FileId, dict[str, str], SignedToken | None]:
    """Which image, and what the query shows to be let in."""
    with strangers_asked(exchange):
        image_id = parse_image_id(text)
    query = exchange.request.query
    shown = parse_shown(query)
    return image_id, shown, parse_link(shown, query, image_id)


async def _read_file_id(exchange: Exchange) -> str:
    told = await read_json(exchange)
    file_id = told.get("file_id") if isinstance(told, dict) else None
    if not isinstance(file_id, str):
        raise no_file()
    return file_id
