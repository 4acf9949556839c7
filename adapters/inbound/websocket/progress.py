"""``/ws/progress``: live progress of uploads (docs/http.md, Progress)."""

from collections.abc import Sequence

from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.clients import Counter
from adapters.inbound.common.watch_ids import Spellings
from adapters.inbound.common.wishes import parse_wishes
from adapters.inbound.websocket.base import BaseSocket, Sockets
from adapters.inbound.websocket.messages import PONG, Ping, Subscribe, Unsubscribe, error_text, parse_message
from adapters.inbound.websocket.outgoing import text_frame
from application.progress import ProgressUseCase
from application.progress.messages import ProgressMessage
from domain.errors import LongshoreError

_PONG_FRAME = text_frame(PONG)


def frame_of(message: ProgressMessage) -> bytes:
    return text_frame(message.body)


class ProgressSocket(BaseSocket):
    """A subscriber of progress."""

    __slots__ = ("_progress", "_spellings", "_wanted", "_wants_all")

    # Tornado hands the route's arguments to ``initialize`` by name, whatever its parents take.
    def initialize(  # type: ignore[override]
        self,
        progress: ProgressUseCase,
        sockets: Sockets,
        authenticator: Authenticator,
        counter: Counter,
    ) -> None:
        super().initialize(sockets, authenticator, counter)
        self._progress = progress
        self._spellings = Spellings()
        self._wanted: list[str] = []
        self._wants_all = False

    def check_request(self) -> None:
        super().check_request()
        self._wanted, self._wants_all = parse_wishes(self)

    async def open(self, *args: str, **kwargs: str) -> None:  # type: ignore[override]
        super().open(*args, **kwargs)
        if self._wanted or self._wants_all:
            await self._subscribe(self._wanted, mine=self._wants_all)

    async def on_message(self, message: str | bytes) -> None:
        if not self.count_message():
            return
        try:
            match parse_message(message):
                case Ping():
                    self.send_frames(("pong", _PONG_FRAME))
                case Subscribe() as wish:
                    await self._subscribe(wish.upload_ids, mine=wish.scope == "mine")
                case Unsubscribe() as wish:
                    self._progress.unsubscribe(self, self._spellings.fold(wish.upload_ids), mine=wish.scope == "mine")
        except LongshoreError as error:
            self._tell_error(error)

    def on_close(self) -> None:
        super().on_close()
        self._progress.leave(self)

    def offer(self, message: ProgressMessage) -> None:
        message = self._spellings.restore(message)
        self.send_frame_soon(message.key, message.rendered(frame_of))

    def offer_all(self, messages: Sequence[ProgressMessage]) -> None:
        restored = map(self._spellings.restore, messages)
        self.send_frames(*((message.key, message.rendered(frame_of)) for message in restored))

    async def _subscribe(self, upload_ids: list[str], *, mine: bool) -> None:
        try:
            await self._progress.subscribe(self.principal, self, self._spellings.fold(upload_ids), mine=mine)
        except LongshoreError as error:
            self._tell_error(error)

    def _tell_error(self, error: LongshoreError) -> None:
        self.send_frames((f"error {error.code}", text_frame(error_text(error))))
