"""Live progress: anyone who may see an upload can watch it arrive. Read ``subscribe`` first.

``hub.py`` knows who watches what, ``channel.py`` what one upload's watchers are told and when.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from application.progress.channel import Watch
from application.progress.hub import Hub, Reader
from application.progress.messages import Encode, Subscriber, encode_json
from domain.access import Principal
from domain.errors import LongshoreError
from domain.events import Event, UploadEvent
from domain.upload import Upload
from ports.clock import Clock
from ports.feed import Feed
from ports.unit_of_work import UnitOfWorkFactory

log = logging.getLogger(__name__)

_WATCH_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_BATCH = 50
"""Uploads read in one unit of work: no slow reader ever holds one open."""
_CONCURRENT_READS = 4
"""So that a crowd of watchers coming back leaves the database to the uploads."""
_MAX_LISTED = 1000
_LONGEST_BACKOFF = 30.0


class ProgressUseCase:
    """One per process. Listens to the feed from the first subscriber on, until ``close``."""

    def __init__(self, uow: UnitOfWorkFactory, feed: Feed, clock: Clock, *, encode: Encode = encode_json) -> None:
        self._uow = uow
        self._feed = feed
        self._hub = Hub(clock, encode)
        self._reads = asyncio.Semaphore(_CONCURRENT_READS)
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
            BudgetExceeded: too many ids; nothing was subscribed.
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
        self._hub.close()

    def _listen(self) -> None:
        if self._unlisten is None:
            self._unlisten = self._feed.listen(self._hear, self._on_gap)

    def _hear(self, event: Event) -> None:
        if isinstance(event, UploadEvent):
            self._hub.hear(event)

    async def _answer(self, reader: Reader, watches: Sequence[Watch], after: int | None) -> None:
        for at in range(0, len(watches), _BATCH):
            batch = watches[at : at + _BATCH]
            found = await self._find([(watch.watch_id, watch.principal) for watch in batch])
            for watch, upload in zip(batch, found, strict=True):
                self._hub.answer(watch, upload, after)
                await reader.subscriber.ready()

    async def _answer_all(self, reader: Reader, after: int | None) -> None:
        missing = self._hub.list_missing(reader, await self._list_open(reader.principal))
        for watch, upload in missing:
            self._hub.answer(watch, upload, after)
            await reader.subscriber.ready()
        self._hub.answer_all(reader)

    async def _find(self, wanted: Sequence[tuple[str, Principal]]) -> list[Upload | None]:
        async with self._reads, self._uow() as work:
            found = []
            for watch_id, principal in wanted:
                # What can't be an id is not looked for, and answered like an unknown one.
                is_id = _WATCH_ID.fullmatch(watch_id) is not None
                found.append(await work.uploads.find_watched(watch_id, principal) if is_id else None)
            return found

    async def _list_open(self, principal: Principal) -> list[Upload]:
        async with self._reads, self._uow() as work:
            return list(await work.uploads.list_open(principal, limit=_MAX_LISTED))

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
            for upload in await self._find(watched[at : at + _BATCH]):
                if upload is not None:
                    self._hub.refresh(upload)
        for reader in self._hub.readers_of_all():
            uploads = await self._list_open(reader.principal)
            if self._hub.is_here(reader):
                for watch, upload in self._hub.list_missing(reader, uploads):
                    self._hub.answer(watch, upload)
