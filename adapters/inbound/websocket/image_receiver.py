"""``/image/upload``: pictures of a browser tab, one after the other (docs/images.md, The image receiver)."""

import asyncio
import time

import structlog

from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.clients import Counter
from adapters.inbound.websocket.base import BaseSocket, Sockets
from adapters.inbound.websocket.image_messages import (
    END,
    Delete,
    Finish,
    Text,
    Upload,
    abort_text,
    answer_text,
    parse_message,
)
from adapters.inbound.websocket.incoming import MessageLimits
from adapters.inbound.websocket.outgoing import text_frame
from application.image_receiver import ImageReceiverUseCase, Incoming
from domain.errors import InvalidRequest, LongshoreError
from domain.received_image import ImageSession

log = structlog.get_logger(__name__)

_NORMAL = 1000
_PATIENCE_SECONDS = 30.0
# Of what a session takes: whoever sends a little too much by one message is told so, and may go on.
_LARGEST_MESSAGE = 4


class ImageReceiverSocket(BaseSocket):
    """One file at a time. Messages are seen to one after the other: what a client sends ahead waits."""

    __slots__ = (
        *("_answers", "_closing", "_expects", "_heard_at", "_incoming", "_index", "_is_busy", "_is_within"),
        *("_patience", "_receiver", "_silence"),
    )

    # Tornado hands the route's arguments to ``initialize`` by name, whatever its parents take.
    def initialize(  # type: ignore[override]
        self,
        receiver: ImageReceiverUseCase,
        sockets: Sockets,
        authenticator: Authenticator,
        counter: Counter,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        super().initialize(sockets, authenticator, counter)
        self._receiver = receiver
        self._patience = patience_seconds
        self._incoming: Incoming | None = None
        self._index: int | None = None  # of what is under way, or was just wished for
        self._expects = True  # what comes while nothing is under way is an error; later it is what was sent ahead
        self._is_busy = False
        self._is_within = False  # a message of which a piece has been seen
        self._heard_at = 0.0
        self._answers = 0
        self._silence: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def message_limits(self) -> MessageLimits:
        return MessageLimits(self.max_message_size, _LARGEST_MESSAGE * self._receiver.limits.max_bytes)

    def open(self, *args: str, **kwargs: str) -> None:
        super().open(*args, **kwargs)
        self._stream().set_close_callback(self._forsake)  # ``on_close`` waits for what is being seen to
        self.on_bytes()
        self._wait_for(self._patience)

    def on_bytes(self) -> None:
        self._has_answered = True
        self._heard_at = time.monotonic()

    async def on_piece(self, data: bytes) -> None:
        await self._see_to(data, is_end=False)
        self._is_within = True

    async def on_message(self, message: str | bytes) -> None:
        # Bytes are bounded by themselves; a message of none is not.
        if (isinstance(message, bytes) and message) or self.count_message():
            await self._see_to(message, is_end=True)
        self._is_within = False

    def check_alive(self) -> float | None:
        # Its pong waits behind what is being seen to.
        return self._sockets.limits.ping_seconds if self._is_busy else super().check_alive()

    def on_close(self) -> None:
        super().on_close()
        if self._silence is not None:
            self._silence.cancel()
        self._forsake()
        if not self._is_busy:
            self._closing = asyncio.create_task(self._drop())

    def _forsake(self) -> None:
        if self._incoming is not None:
            self._incoming.forsake()

    async def _see_to(self, message: str | bytes, *, is_end: bool) -> None:
        if self.ws_connection is None:  # closed by us; what its client still sends is nobody's
            await self._drop()
            return
        self._is_busy = True
        try:
            if isinstance(message, str):
                await self._obey(message)
            else:
                await self._take(message, is_end=is_end)
        except LongshoreError as error:
            await self._drop()
            self._expects = False
            self._answer(abort_text(error, self._index))
            self._index = None
        finally:
            self._is_busy = False
            self.on_bytes()
            if self.ws_connection is None:
                await self._drop()

    async def _obey(self, text: str) -> None:
        match parse_message(text):
            case Upload() as wish:
                await self._drop()
                self._index = wish.file_idx
                self._incoming = await self._receiver.begin(
                    self.principal,
                    ImageSession.of(self.principal, user_id=wish.user_id, session_id=wish.session_id),
                    wish.file_idx,
                    file_name=wish.file_name,
                    size=wish.file_size,
                )
                self._answer(answer_text("ready", Text.READY, progress=0))
            case Delete() as wish:
                session = ImageSession.of(self.principal, user_id=wish.user_id, session_id=wish.session_id)
                await self._receiver.delete(session, wish.file_name)
                self._answer(answer_text("success", Text.DELETED, file_name=wish.file_name))
            case Finish() if self._incoming is not None:
                await self._finish(self._incoming)
            case Finish():
                self._check_expected()

    async def _take(self, data: bytes, *, is_end: bool) -> None:
        incoming = self._incoming
        if incoming is None:
            self._check_expected()
        elif data == END and not self._is_within and not self._is_last_of(incoming):
            await self._finish(incoming)
        else:
            await incoming.take(data)
            if is_end:
                self._tell(incoming)
            if is_end and incoming.is_whole:
                await self._finish(incoming)

    def _is_last_of(self, incoming: Incoming) -> bool:
        """Whether three bytes are all that lacks: then they are the file's, whatever they are."""
        return incoming.size is not None and incoming.size - incoming.received == len(END)

    async def _finish(self, incoming: Incoming) -> None:
        name = await incoming.finish()
        await self._drop()
        self._expects, self._index = False, None
        self._answer(answer_text("success", Text.UPLOADED, file_name=name, progress=100))

    def _check_expected(self) -> None:
        """What follows a refusal or a success was on its way already."""
        if self._expects:
            raise InvalidRequest("Send an upload message first")

    async def _drop(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            await incoming.close()

    def _answer(self, text: bytes) -> None:
        self._answers += 1
        self.send_frames((f"answer {self._answers}", text_frame(text)))

    def _tell(self, incoming: Incoming) -> None:
        text = answer_text("uploading", Text.UPLOADING, progress=incoming.percent)
        self.send_frames(("progress", text_frame(text)))

    def _wait_for(self, seconds: float) -> None:
        self._silence = asyncio.get_running_loop().call_later(seconds, self._check_silence)

    def _check_silence(self) -> None:
        left = self._heard_at + self._patience - time.monotonic()
        if self._is_busy:
            left = self._patience
        if left > 0:
            self._wait_for(left)
            return
        self._answer(answer_text("timeout", Text.TIMED_OUT))
        self.close(_NORMAL, "silent")
