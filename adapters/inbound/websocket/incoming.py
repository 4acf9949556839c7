"""The way in of every socket: binary messages are handed on as their bytes come, none is held whole."""

from abc import abstractmethod
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from tornado.util import _websocket_mask
from tornado.websocket import WebSocketProtocol13, _WebSocketParams

_PIECE_BYTES = 64 * 1024
# RFC 6455 §5.2
_FINAL, _RESERVED, _MASKED, _CONTROL = 0x80, 0x70, 0x80, 0x08
_CONTINUATION, _TEXT, _BINARY = 0x0, 0x1, 0x2
_MAX_CONTROL_BYTES = 125
_PROTOCOL_ERROR, _NO_TEXT, _TOO_BIG = 1002, 1007, 1009  # RFC 6455 §7.4.1


class PieceTaker(Protocol):
    """A handler that takes what ``PiecewiseProtocol`` reads; ``on_message`` gets the end of each message, or all."""

    @abstractmethod
    def on_bytes(self) -> None:
        """Some bytes of a message have come: its sender is not silent."""

    @abstractmethod
    def on_piece(self, data: bytes) -> Awaitable[None]:
        """What comes next of a binary message, which is longer."""


@dataclass(frozen=True, slots=True)
class MessageLimits:
    text_bytes: int
    binary_bytes: int


class PiecewiseProtocol(WebSocketProtocol13):
    """Tornado's own holds each message whole before anybody sees it: of a crowd that sends megabytes by one frame each
    that is all of the server's memory, and who sends slowly looks silent. And it takes frames without a mask."""

    # As of ``BaseSocket``: in its dict they would weigh more.
    __slots__ = ("_held", "_limits", "_opcode", "_size", "_taker")

    def __init__(self, handler: PieceTaker, limits: MessageLimits, params: _WebSocketParams) -> None:
        super().__init__(handler, False, params)  # type: ignore[arg-type]
        self._taker = handler
        self._limits = limits
        self._opcode = 0  # of the message that is coming in; 0: none is
        self._size = 0
        self._held = bytearray()

    async def _receive_frame(self) -> None:
        first, second = await self._read_bytes(2)
        opcode, size = first & 0x0F, second & 0x7F
        if size > _MAX_CONTROL_BYTES:
            size = int.from_bytes(await self._read_bytes(2 if size == _MAX_CONTROL_BYTES + 1 else 8), "big")
        is_final = bool(first & _FINAL)
        if first & _RESERVED or not second & _MASKED or not self._is_in_order(opcode, size, is_final=is_final):
            self._refuse(_PROTOCOL_ERROR, "protocol error")  # RFC 6455 §5.1
            return
        if not opcode & _CONTROL and not self._has_room(opcode, size):
            self._refuse(_TOO_BIG, "message too big")
            return
        mask = await self._read_bytes(4)
        if opcode & _CONTROL:
            await self._hand_over(opcode, _websocket_mask(mask, await self._read_bytes(size)) if size else b"")
            return
        await self._read_payload(size, mask, is_final=is_final)
        if is_final:
            data, opcode = bytes(self._held), self._opcode
            self._held, self._opcode, self._size = bytearray(), 0, 0
            if opcode == _TEXT and not _is_text(data):
                self._refuse(_NO_TEXT, "text is UTF-8")  # RFC 6455 §8.1
                return
            await self._hand_over(opcode, data)

    def _refuse(self, code: int, reason: str) -> None:
        self.close(code, reason)
        self._abort()  # nothing of what follows is read

    def _is_in_order(self, opcode: int, size: int, *, is_final: bool) -> bool:
        """RFC 6455 §5.4: messages come one after the other, and control frames between their fragments."""
        if opcode & _CONTROL:
            return is_final and size <= _MAX_CONTROL_BYTES
        return (opcode == _CONTINUATION) is bool(self._opcode)

    def _has_room(self, opcode: int, size: int) -> bool:
        self._opcode = opcode or self._opcode
        self._size += size
        is_binary = self._opcode == _BINARY
        return self._size <= (self._limits.binary_bytes if is_binary else self._limits.text_bytes)

    async def _read_payload(self, size: int, mask: bytes, *, is_final: bool) -> None:
        while size:
            data = await self.stream.read_bytes(min(size, _PIECE_BYTES), partial=True)
            self._wire_bytes_in += len(data)
            size -= len(data)
            self._held += _websocket_mask(mask, data)
            shift = len(data) % 4
            mask = mask[shift:] + mask[:shift]
            self._taker.on_bytes()
            if len(self._held) >= _PIECE_BYTES and self._opcode == _BINARY and (size or not is_final):
                data, self._held = bytes(self._held), bytearray()
                if (handled := self._run_callback(self._taker.on_piece, data)) is not None:
                    await handled

    async def _hand_over(self, opcode: int, data: bytes) -> None:
        if (handled := self._handle_message(opcode, data)) is not None:
            await handled


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
