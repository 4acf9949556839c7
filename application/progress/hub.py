"""Who watches what in this process: brings each event to the channel of its upload, and watchers to theirs.

The order that loses nothing: a wish is noted first, then the repository is read. What is heard in between
waits in the channel, and the newer of the two is what the snapshot shows. Nothing in here waits.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from application.progress.channel import Channel, Numbered, Numbers, Watch
from application.progress.fan_out import FanOut, Listener
from application.progress.messages import (
    Encode,
    ProgressMessage,
    Subscriber,
    image_message,
    instruction_message,
    not_found_message,
)
from application.progress.reader import MAX_WATCHES, Reader
from application.progress.readings import Reading
from domain.access import NOBODY, Principal
from domain.errors import TooManyWatched
from domain.events import EventType, ImageEvent, InstructionEvent, UploadEvent
from domain.ids import OwnerId
from domain.progress import ImageStanding, Standing
from ports.clock import Clock
from ports.upload_repository import Wanted

_MAX_REMEMBERED = 1024


class Hub:
    def __init__(self, clock: Clock, encode: Encode, *, fresh_seconds: float) -> None:
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._encode = encode
        self._numbers = Numbers(clock)
        self._fan_out = FanOut()
        self._readers: dict[Subscriber, Reader] = {}
        self._owners: dict[OwnerId, dict[Reader, None]] = {}  # readers that want all of an owner's uploads
        self._wishes: dict[str, dict[Watch, None]] = {}
        self._unmet: dict[str, dict[Watch, None]] = {}  # wishes that no upload was found for
        self._channels: dict[str, dict[OwnerId, Channel]] = {}
        # What was shown last of uploads that nobody watches now: for a reader that lost its connection and
        # comes back, and against a late report that would show an ended upload alive.
        self._remembered: OrderedDict[tuple[str, OwnerId], Numbered] = OrderedDict()

    # Readers and their wishes

    def reader(self, subscriber: Subscriber, principal: Principal) -> Reader:
        if (reader := self._readers.get(subscriber)) is None:
            reader = self._readers[subscriber] = Reader(subscriber, principal)
        return reader

    def wish(self, reader: Reader, watch_ids: list[str]) -> list[Watch]:
        """Note wishes; each has to be ``answer``-ed then. A wish that is there already begins anew.

        Raises:
            TooManyWatched: with the ones there are; none was noted.
        """
        if len(reader.watches.keys() | set(watch_ids)) > MAX_WATCHES:
            raise TooManyWatched(at_most=MAX_WATCHES)
        for watch_id in watch_ids if reader.unwanted else ():
            reader.unwanted.pop(watch_id, None)
        return [self._wish(reader, watch_id, of_scope=False) for watch_id in watch_ids]

    def wish_all(self, reader: Reader) -> None:
        """Note the wish for all uploads of the reader's owner; ``answer_all`` ends its reading."""
        reader.wants_all = reader.is_reading = True
        reader.unwanted.clear()
        self._owners.setdefault(reader.principal.owner, {})[reader] = None

    def unread(self, watches: Iterable[Watch]) -> set[Wanted]:
        """What has to be read to answer these: all but what live channels show already and have had read just now."""
        since = self._clock.monotonic() - self._fresh_seconds
        return {
            watch.wanted
            for watch in watches
            if (channel := self._visible(watch)) is None or not channel.is_read(watch.principal, since=since)
        }

    def answer(
        self, reader: Reader, watch: Watch, reading: Reading | None, after: int | None = None
    ) -> ProgressMessage | None:
        """Have ``watch`` hear of everything from here on; return what shows it the newer of what was read and what
        was heard meanwhile. With neither it is to be told so, once, and will hear of an upload that comes."""
        if watch.ended:
            return None
        watch.is_reading = False
        channel = self._visible(watch)
        if reading is not None and (channel is None or channel.reading is not reading):
            channel = self._taken(reading, watch)
        if channel is not None and channel.standing is not None:
            self._meet(watch, channel)
            return channel.snapshot(watch, after, is_first=not reader.is_told)
        if not watch.of_scope:
            self._unmet.setdefault(watch.watch_id, {})[watch] = None
            return not_found_message(self._encode, watch.watch_id)
        self._forget(watch)
        return None

    def list_missing(self, reader: Reader, readings: Iterable[Reading]) -> list[tuple[Watch, Reading | None]]:
        """Of the owner's open uploads, those the reader does not watch yet, with wishes noted for them."""
        return [
            (self._wish(reader, reading.watch_id, of_scope=True), reading)
            for reading in readings
            if reader.wants(reading.watch_id, reading.standing.upload_id)
        ]

    def only_heard_of(self, reader: Reader) -> list[tuple[Watch, Reading | None]]:
        """The owner's open uploads were read and answered: what began meanwhile, to be answered as well."""
        reader.is_reading = False
        return [(watch, None) for watch in reader.watches.values() if watch.of_scope and watch.is_reading]

    def unwish(self, subscriber: Subscriber, watch_ids: list[str]) -> None:
        reader = self._readers.get(subscriber)
        if reader is None:
            return
        for watch_id in watch_ids:
            if reader.wants_all and len(reader.unwanted) < MAX_WATCHES:
                reader.unwanted[watch_id] = None
            if watch := reader.watches.get(watch_id):
                self._forget(watch)

    def unwish_all(self, subscriber: Subscriber) -> None:
        """End the wish for all uploads of the owner; those asked for by id stay."""
        reader = self._readers.get(subscriber)
        if reader is None or not reader.wants_all:
            return
        reader.wants_all = False
        readers = self._owners[reader.principal.owner]
        del readers[reader]
        if not readers:
            del self._owners[reader.principal.owner]
        for watch in list(reader.watches.values()):
            if watch.of_scope:
                self._forget(watch)

    def leave(self, subscriber: Subscriber) -> None:
        reader = self._readers.get(subscriber)
        if reader is None:
            return
        self.unwish_all(subscriber)
        for watch in list(reader.watches.values()):
            self._forget(watch)
        del self._readers[subscriber]

    def is_here(self, reader: Reader) -> bool:
        return self._readers.get(reader.subscriber) is reader

    # Events

    def hear(self, event: UploadEvent) -> None:
        is_created = event.type is EventType.CREATED
        channel, joined = self._find(event.watch_id, event.owner), list[Watch]()
        if channel is None or is_created or event.watch_id in self._unmet:
            channel, joined = self._gather(event, is_created=is_created)
        if channel is not None:
            is_news = channel.hear(Standing.of_event(event), event.type)
            if channel.is_over:
                self._release(channel)
            elif not is_news:
                for watch in joined:  # to them all is news
                    self._show(channel, watch)

    def hear_image(self, event: ImageEvent) -> None:
        """It comes after its upload's end: who watches all uploads of an owner has no place for that one any more."""
        heard, channel = ImageStanding.of_event(event), self._find(event.watch_id, event.owner)
        if channel is None and any(watch.is_reading for watch in self._awaiting(event.watch_id, event.owner)):
            channel = self._open(event.watch_id, event.owner)  # what they read may be older than this
        if channel is not None:
            channel.hear_image(heard)
        if event.owner in self._owners:
            self._fan_out.add(partial(self._begin_image, event.watch_id, event.owner, heard), lambda: None)

    def hear_instruction(self, event: InstructionEvent) -> None:
        """It is of no upload: who watches all of its owner's hears of it, and where all is everyone's, everybody."""
        owners = (event.owner, NOBODY)
        if listeners := [Listener(reader.subscriber) for owner in owners for reader in self._owners.get(owner, ())]:
            message = partial(instruction_message, self._encode, event)
            self._fan_out.add(lambda: (message(sequence=self._numbers.next()), listeners), lambda: None)

    def watched(self) -> list[Wanted]:
        """What has to be read to know all anew."""
        return list(dict.fromkeys(watch.wanted for watches in self._wishes.values() for watch in watches))

    def readers_of_all(self) -> list[Reader]:
        return [reader for readers in self._owners.values() for reader in readers]

    def refresh(self, reading: Reading) -> None:
        """Tell everybody of an upload, as just read, what they have missed."""
        self._taken(reading)
        for watch in list(self._unmet.get(reading.watch_id, ())):
            reader = self._readers[watch.subscriber]
            if watch.principal.may_see(reading.owner) and (message := self.answer(reader, watch, reading)):
                reader.tell([message])
        self._drop_unwatched(reading.watch_id)

    @property
    def is_idle(self) -> bool:
        return not self._readers

    def close(self) -> None:
        for subscriber in list(self._readers):
            self.leave(subscriber)

    # Inside

    def _wish(self, reader: Reader, watch_id: str, *, of_scope: bool) -> Watch:
        if known := reader.watches.get(watch_id):
            self._forget(known, keep_channel=True)
        watch = Watch(reader.subscriber, reader.principal, watch_id, of_scope=of_scope)
        reader.watches[watch_id] = watch
        self._wishes.setdefault(watch_id, {})[watch] = None
        return watch

    def _forget(self, watch: Watch, *, keep_channel: bool = False) -> None:
        watch.ended = True
        reader = self._readers[watch.subscriber]
        if reader.watches.get(watch.watch_id) is watch:
            del reader.watches[watch.watch_id]
        if watch.channel is not None:
            watch.channel.watches.pop(watch, None)
        _take_out(self._wishes, watch)
        _take_out(self._unmet, watch)
        if not keep_channel:
            self._drop_unwatched(watch.watch_id)

    def _find(self, watch_id: str, owner: OwnerId) -> Channel | None:
        channels = self._channels.get(watch_id)
        return channels.get(owner) if channels else None

    def _visible(self, watch: Watch) -> Channel | None:
        channels = self._channels.get(watch.watch_id)
        if not channels:
            return None
        if not watch.principal.is_admin:
            return channels.get(watch.principal.owner)
        return max(channels.values(), key=lambda channel: channel.chosen_at)

    def _taken(self, reading: Reading, watch: Watch | None = None) -> Channel:
        """The upload's channel, which knows now what was read; for ``watch``, if it was for that."""
        channel = self._find(reading.watch_id, reading.owner) or self._open(reading.watch_id, reading.owner)
        channel.hear(reading.standing, reading.standing.type)
        if reading.image is not None:
            channel.hear_image(reading.image)
        channel.reading = reading
        if watch is not None and not watch.of_scope:
            channel.was_read(reading.at, watch.principal)
        return channel

    def _begin_image(
        self, watch_id: str, owner: OwnerId, image: ImageStanding
    ) -> tuple[ProgressMessage, Sequence[Listener]]:
        message = image_message(self._encode, image, watch_id=watch_id, sequence=self._numbers.next())
        return message, [
            Listener(reader.subscriber) for reader in self._owners.get(owner, ()) if reader.is_told_of_images(watch_id)
        ]

    def _show(self, channel: Channel, watch: Watch) -> None:
        if message := channel.snapshot(watch, None):
            self._readers[watch.subscriber].tell([message])

    def _gather(self, event: UploadEvent, *, is_created: bool) -> tuple[Channel | None, list[Watch]]:
        """Bring whoever wants to see that upload to its channel, None if nobody does; and who was brought there.

        Of an administrator's view of one id in the hands of two owners, the upload created last wins."""
        watch_id, owner = event.watch_id, event.owner
        for reader in self._owners.get(owner, ()):
            if reader.wants(watch_id, event.upload_id):
                self._wish(reader, watch_id, of_scope=True).is_reading = reader.is_reading
        watches = [watch for watch in self._wishes.get(watch_id, ()) if watch.principal.may_see(owner)]
        if is_created:
            for other in self._channels.get(watch_id, {}).values():
                other.chosen_at = float("-inf")
        channel = self._find(watch_id, owner)
        if channel is None and watches:
            channel = self._open(watch_id, owner)
        joined = []
        for watch in watches:
            if channel is None or watch.is_reading or watch.channel is channel:
                continue
            if watch.channel is None or is_created:
                self._meet(watch, channel)
                joined.append(watch)
        return channel, joined

    def _meet(self, watch: Watch, channel: Channel) -> None:
        if watch.channel is channel:
            return
        left = watch.channel
        channel.join(watch)
        _take_out(self._unmet, watch)
        if left is not None:
            self._drop_unwatched(watch.watch_id)

    def _open(self, watch_id: str, owner: OwnerId) -> Channel:
        channel = Channel(
            watch_id,
            owner,
            clock=self._clock,
            numbers=self._numbers,
            encode=self._encode,
            fan_out=self._fan_out,
            on_over=self._release,
        )
        if remembered := self._remembered.pop((watch_id, owner), None):
            channel.standing, channel.image, channel.numbered = remembered.standing, remembered.image, remembered
        self._channels.setdefault(watch_id, {})[owner] = channel
        return channel

    def _release(self, channel: Channel) -> None:
        """All has been told: whoever watches all uploads of an owner needs no place for this one any more."""
        for watch in [watch for watch in channel.watches if watch.of_scope]:
            if channel.standing:
                self._readers[watch.subscriber].saw_the_end(channel.standing.upload_id)
            self._forget(watch)

    def _drop_unwatched(self, watch_id: str) -> None:
        channels = self._channels.get(watch_id)
        if not channels:
            return
        for owner, channel in list(channels.items()):
            if not channel.watches and not any(self._awaiting(watch_id, owner)):
                self._drop(channels, channel)
        if not channels:
            del self._channels[watch_id]

    def _awaiting(self, watch_id: str, owner: OwnerId) -> Iterator[Watch]:
        for watch in self._wishes.get(watch_id, ()):
            if watch.channel is None and watch.principal.may_see(owner):
                yield watch

    def _drop(self, channels: dict[OwnerId, Channel], channel: Channel) -> None:
        channel.close()
        del channels[channel.owner]
        if channel.numbered is not None:
            self._remembered[channel.watch_id, channel.owner] = channel.numbered
            if len(self._remembered) > _MAX_REMEMBERED:
                self._remembered.popitem(last=False)


def _take_out(index: dict[str, dict[Watch, None]], watch: Watch) -> None:
    watches = index.get(watch.watch_id)
    if watches is not None:
        watches.pop(watch, None)
        if not watches:
            del index[watch.watch_id]
