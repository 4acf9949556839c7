"""Live progress: anyone who may see an upload can watch it arrive. Read ``subscribe`` first.

``hub.py`` knows who watches what, ``channel.py`` what one upload's watchers are told and when.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from application.progress.channel import Watch
from application.progress.hub import Hub
from application.progress.messages import Encode, ProgressMessage, Subscriber, encode_json
from application.progress.reader import Reader
from application.progress.readings import Reading, SharedReads
from domain.access import Principal
from domain.errors import LongshoreError
from domain.events import Event, ImageEvent, InstructionEvent, UploadEvent
from domain.ids import FileId, file_id_of
from domain.image import Image
from domain.progress import ImageStanding, Standing
from domain.upload import Upload
from domain.upload_state import UploadState
from ports.clock import Clock
from ports.feed import Feed
from ports.unit_of_work import UnitOfWorkFactory
from ports.upload_repository import Wanted

log = logging.getLogger(__name__)

_WATCH_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_BATCH = 100
"""Uploads read by one query."""
_MAX_OWNERS = 10
"""Owners whose open uploads are listed in one unit of work."""
_MAX_LISTED = 1000
_PIECE_BYTES = 16 * 1024
"""Snapshots sent together; the next ones wait until these were taken. A slow reader may leave four times as much."""
_LONGEST_BACKOFF = 30.0
_NONE: Mapping[FileId, Image] = {}


class ProgressUseCase:
    """One per process. Listens to the feed from the first subscriber on, until ``close``."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        feed: Feed,
        clock: Clock,
        *,
        encode: Encode = encode_json,
        fresh_seconds: float = 1.0,
    ) -> None:
        """``fresh_seconds``: how long what was read is as good as a new reading, for a crowd that comes at once. Not
        for good: where processes share a database and no feed, nothing is heard of the others' uploads."""
        self._uow = uow
        self._feed = feed
        self._clock = clock
        self._hub = Hub(clock, encode, fresh_seconds=fresh_seconds)
        self._watched = SharedReads(self._read_watched, at_most=_BATCH)
        self._open = SharedReads(self._read_open, at_most=_MAX_OWNERS)
        self._unlisten: Callable[[], None] | None = None
        self._resyncing: asyncio.Task[None] | None = None
        self._has_gap = False

    async def subscribe(
        self,
        principal: Principal,
        subscriber: Subscriber,
        watch_ids: Sequence[str] = (),
        *,
        mine: bool = False,
        after: int | None = None,
    ) -> None:
        """Send ``subscriber`` a snapshot of each upload, then whatever happens to it, until ``unsubscribe``.

        An id that ``principal`` may see no upload under is answered by ``not_found``, and remembered: if an
        upload appears under it that they may see, they hear of it. ``mine``: all uploads of the principal,
        later ones too. ``after``: what the message of that sequence number, or an older one, showed is left
        out.

        Raises:
            TooManyWatched: more than MAX_WATCHES ids; nothing was subscribed.
            RepositoryUnavailable: some may have been subscribed; the rest is not.
        """
        self._listen()
        reader = self._hub.reader(subscriber, principal)
        watches = self._hub.wish(reader, list(dict.fromkeys(watch_ids)))
        if mine:
            self._hub.wish_all(reader)
        try:
            await self._answer(reader, watches, after)
            if mine:
                await self._answer_all(reader, after)
        except BaseException:
            unanswered = [watch.watch_id for watch in watches if watch.is_reading and not watch.ended]
            self._hub.unwish(subscriber, unanswered)
            if mine and reader.is_reading:
                self._hub.unwish_all(subscriber)
            raise

    def unsubscribe(self, subscriber: Subscriber, watch_ids: Sequence[str] = (), *, mine: bool = False) -> None:
        """End these subscriptions; nothing happens where there is none."""
        if mine:
            self._hub.unwish_all(subscriber)
        self._hub.unwish(subscriber, list(watch_ids))

    def leave(self, subscriber: Subscriber) -> None:
        """The subscriber is gone: forget all it wished for."""
        self._hub.leave(subscriber)

    async def close(self) -> None:
        if self._unlisten:
            self._unlisten()
            self._unlisten = None
        if self._resyncing:
            self._resyncing.cancel()
            with suppress(asyncio.CancelledError):
                await self._resyncing
        await self._watched.close()
        await self._open.close()
        self._hub.close()

    def _listen(self) -> None:
        if self._unlisten is None:
            self._unlisten = self._feed.listen(self._hear, self._on_gap)

    def _hear(self, event: Event) -> None:
        if isinstance(event, UploadEvent):
            self._hub.hear(event)
        elif isinstance(event, ImageEvent):
            self._hub.hear_image(event)
        elif isinstance(event, InstructionEvent):
            self._hub.hear_instruction(event)

    async def _answer(self, reader: Reader, watches: Sequence[Watch], after: int | None) -> None:
        for at in range(0, len(watches), _BATCH):
            if at:
                await asyncio.sleep(0)  # others' turn: where all is known and taken, nothing else here waits
            batch = watches[at : at + _BATCH]
            found = await self._watched.find(self._hub.unread(batch))
            await self._tell(reader, ((watch, found.get(watch.wanted) if found else None) for watch in batch), after)

    async def _answer_all(self, reader: Reader, after: int | None) -> None:
        found = await self._open.find([reader.principal])
        await self._tell(reader, self._hub.list_missing(reader, found[reader.principal]), after)
        await self._tell(reader, self._hub.only_heard_of(reader), None)

    async def _tell(self, reader: Reader, answers: Iterable[tuple[Watch, Reading | None]], after: int | None) -> None:
        piece, size = list[ProgressMessage](), 0
        for watch, reading in answers:
            message = self._hub.answer(reader, watch, reading, after)
            if message is None:
                continue
            piece.append(message)
            size += len(message.body)
            if size >= _PIECE_BYTES:
                reader.tell(piece)
                piece, size = [], 0
                await reader.subscriber.ready()
        reader.tell(piece)
        await reader.subscriber.ready()

    async def _read_watched(self, wanted: Collection[Wanted]) -> Mapping[Wanted, Reading]:
        # What can't be an id is not looked for, and answered like an unknown one.
        possible = [one for one in wanted if _WATCH_ID.fullmatch(one[0])]
        if not possible:
            return {}
        async with self._uow() as work:
            found = await work.uploads.find_watched(possible)
            completed = {file_id_of(each.id) for each in found.values() if each.state is UploadState.COMPLETED}
            # Most of what is watched is under way, and has no image yet.
            images = await work.images.find_many(completed) if completed else {}
        return {one: self._reading(upload, images) for one, upload in found.items()}

    async def _read_open(self, principals: Collection[Principal]) -> Mapping[Principal, Sequence[Reading]]:
        async with self._uow() as work:
            found = {each: await work.uploads.list_open(each, limit=_MAX_LISTED) for each in principals}
        return {each: [self._reading(upload) for upload in uploads] for each, uploads in found.items()}

    def _reading(self, upload: Upload, images: Mapping[FileId, Image] = _NONE) -> Reading:
        # The time of its end: where a crowd keeps the loop busy, a read alone takes as long as it is fresh.
        standing, at = Standing.of_upload(upload, self._clock.now()), self._clock.monotonic()
        image = images.get(file_id_of(upload.id))
        shown = None if image is None else ImageStanding.of_image(image, upload)
        return Reading(upload.watch_id, upload.owner, standing, at, shown)

    def _on_gap(self) -> None:
        if self._hub.is_idle:
            return
        self._has_gap = True
        if self._resyncing is None or self._resyncing.done():
            self._resyncing = asyncio.create_task(self._resync())

    async def _resync(self) -> None:
        """Read all that is watched anew, until it could be read: the feed won't tell again."""
        delay = 1.0
        while self._has_gap:
            self._has_gap = False
            try:
                await self._reread()
            except Exception as error:
                is_strange = not isinstance(error, LongshoreError)
                log.warning("progress not read anew; trying again in %.0f s", delay, exc_info=is_strange)
                self._has_gap = True
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_BACKOFF)

    async def _reread(self) -> None:
        watched = self._hub.watched()
        for at in range(0, len(watched), _BATCH):
            batch = watched[at : at + _BATCH]
            found = await self._watched.find(batch)
            for reading in {found[one] for one in batch if one in found}:
                self._hub.refresh(reading)
        for reader in self._hub.readers_of_all():
            listed = await self._open.find([reader.principal])
            if self._hub.is_here(reader):
                missing = self._hub.list_missing(reader, listed[reader.principal])
                reader.tell([message for each in missing if (message := self._hub.answer(reader, *each))])
