"""What owners do with their files: ``GET /uploads?state=…`` lists them, ``/files/{id}`` changes or deletes one."""

import re
from collections.abc import Callable, Mapping, Sequence

from adapters.inbound.common.encoding import format_instant
from adapters.inbound.common.errors import Refusal, code_of, detail_of
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from adapters.inbound.http.files.changes import parse_undo, read_change, read_ids
from adapters.inbound.http.files.conditions import check_record
from adapters.inbound.http.files.files import NOT_KEPT, Files, strangers_asked
from adapters.inbound.http.files.links import Links
from adapters.inbound.http.files.listing import format_cursor, format_owner, parse_fields, parse_wanted
from adapters.inbound.http.files.presented import parse_shown
from application.download import DownloadUseCase
from application.file import FileUseCase
from application.upload import UploadUseCase
from application.views import ImageView
from domain.errors import FileNotFound, LongshoreError
from domain.ids import FileId, parse_file_id


class Library:
    """One method a route (docs/http.md, Files of one's own). Beside what any route may answer:

    - ``uploads``: 200; 400 a value that can't be one, or another list's cursor; 403 other people's files.
    - ``patch``: 200; 400 naming the field; 409 others change it, too; 412, 415.
    - ``delete``: 204, with ``Restorable-Until`` where it can be undone; 412. ``restore``: 200; 410 it is too late.
    - all three: 401 to a stranger, 404 to others: no such file, or not theirs; 403 another credential; 410 it is over.
    - ``delete_many``, ``restore_many``: 200, what became of each; 400 no ids.
    """

    exposes = ("ETag", "Restorable-Until")

    def __init__(
        self, *, files: Files, stored: FileUseCase, uploads: UploadUseCase, downloads: DownloadUseCase, links: Links
    ) -> None:
        self._files = files
        self._stored = stored
        self._uploads = uploads
        self._downloads = downloads
        self._links = links

    def resources(self) -> Sequence[Resource]:
        get = self._files.get
        return [
            Resource(re.compile(r"/files/delete/?"), {"POST": self.delete_many}),
            Resource(re.compile(r"/files/restore/?"), {"POST": self.restore_many}),
            Resource(re.compile(r"/files/(?P<id>[^/]+)/restore/?"), {"POST": self.restore}, exposes=self.exposes),
            Resource(
                re.compile(r"/files/(?P<id>[^/]+)/?"),
                {"GET": get, "HEAD": get, "PATCH": self.patch, "DELETE": self.delete},
                admits_strangers=True,
                exposes=self.exposes,
            ),
        ]

    async def patch(self, exchange: Exchange, text: str) -> Reply:
        with strangers_asked(exchange):
            shown, file_id = parse_shown(exchange.request.query), parse_file_id(text)
            change = await read_change(exchange)
            file = await self._stored.change(
                exchange.principal, file_id, change, shown, check=lambda was: check_record(exchange, was)
            )
        return self._files.told(file)

    async def delete(self, exchange: Exchange, text: str) -> Reply:
        with strangers_asked(exchange):
            shown = parse_shown(exchange.request.query)
            until = await self._stored.delete(
                exchange.principal,
                parse_file_id(text),
                shown,
                undoable=parse_undo(shown),
                check=lambda was: check_record(exchange, was),
            )
        return Reply(204, {} if until is None else {"Restorable-Until": format_instant(until)})

    async def restore(self, exchange: Exchange, text: str) -> Reply:
        shown = parse_shown(exchange.request.query)
        return self._files.told(await self._stored.restore(exchange.principal, parse_file_id(text), shown))

    async def delete_many(self, exchange: Exchange) -> Reply:
        ids, undo = await read_ids(exchange)
        ended = await self._stored.delete_many(exchange.principal, _known(ids), undoable=undo)

        def told(file_id: FileId | None) -> Mapping[str, object]:
            until = _NO_FILE if file_id is None else ended[file_id]
            if isinstance(until, LongshoreError):
                return {"deleted": False, **_why(until)}
            return {"deleted": True, "restorable_until": None if until is None else format_instant(until)}

        return _told_each(ids, told)

    async def restore_many(self, exchange: Exchange) -> Reply:
        ids, _ = await read_ids(exchange)
        restored = await self._stored.restore_many(exchange.principal, _known(ids))

        def told(file_id: FileId | None) -> Mapping[str, object]:
            file = _NO_FILE if file_id is None else restored[file_id]
            return {"restored": False, **_why(file)} if isinstance(file, LongshoreError) else {"restored": True}

        return _told_each(ids, told)

    async def uploads(self, exchange: Exchange) -> Reply:
        """``GET /uploads?state=…``: the caller's files, or what they have not finished yet, on whatever device."""
        fields = parse_fields(exchange.request.query)
        state = fields.get("state", "open")
        if state == "completed":
            return await self._stored_files(exchange)
        if state != "open":
            raise Refusal(400, "invalid_request", "state is open or completed")
        views = await self._uploads.list_open(exchange.principal)
        return json_reply({"uploads": [self._files.upload_view(view) for view in views]}, headers=NOT_KEPT)

    async def _stored_files(self, exchange: Exchange) -> Reply:
        principal, wanted_files = exchange.principal, parse_wanted(exchange.request.query)
        order = wanted_files.order
        page = await self._stored.list(
            principal, wanted_files.selection, order, after=wanted_files.after, limit=wanted_files.limit
        )
        images = await self._stored.images_of(page.files)
        told = [
            {
                **self._files.view(file),
                "image": self._image_view(images.get(file.id)),
                **({"owner": format_owner(file.owner)} if principal.is_admin else {}),
            }
            for file in page.files
        ]
        return json_reply({"uploads": told, "next_cursor": format_cursor(page.after, order)}, headers=NOT_KEPT)

    def _image_view(self, view: ImageView | None) -> dict[str, object] | None:
        """With links that are good for whoever may see the list."""
        if view is None:
            return None
        link = None if view.file.credential is None else self._downloads.sign(view.file)
        return {"status": view.status, "thumbnails": self._links.thumbnails(view.file.id, view.boxes, link)}


_NO_FILE = FileNotFound("no such file")


def _known(ids: Mapping[str, FileId | None]) -> Sequence[FileId]:
    return list(dict.fromkeys(file_id for file_id in ids.values() if file_id is not None))


def _told_each(ids: Mapping[str, FileId | None], told: Callable[[FileId | None], Mapping[str, object]]) -> Reply:
    """By the ids that were given, in that order."""
    return json_reply({"files": [{"id": text, **told(file_id)} for text, file_id in ids.items()]}, headers=NOT_KEPT)


def _why(error: LongshoreError) -> Mapping[str, object]:
    return {"code": code_of(error), "detail": detail_of(error)}
