"""A multipart form, pulled apart as it arrives: each part is a byte source (RFC 7578, RFC 2046)."""

from collections.abc import AsyncGenerator
from concurrent.futures import Executor

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from adapters.inbound.common.block_source import BlockSource, BodyCut
from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.file_names import parse_part_names
from adapters.inbound.http.engine.body import Body
from adapters.inbound.http.engine.exchange import Exchange

_BLOCK_BYTES = 256 * 1024
_MAX_PARTS = 1000
_MAX_PART_HEADER_BYTES = 16 * 1024


class FormPart(BlockSource):
    """One part of a form, of unknown length. Only the newest part of a form can be read."""

    def __init__(self, segment: MultipartSegment, reader: "FormReader", executor: Executor) -> None:
        super().__init__(executor=executor)
        self.name, self.filename = parse_part_names(segment.header("Content-Disposition", ""))
        """Empty ones where there is none: a part with a file name is a file."""
        self.media_type = segment.content_type
        self._reader = reader

    async def next_block(self) -> bytes:
        try:
            return await self._reader.next_block()
        except MultipartError as error:
            raise BodyCut from error

    def stop(self) -> None:
        self._reader.stop()  # what has arrived is still read; a form that has arrived whole stays whole

    async def skip(self, limit: int) -> None:
        """Read past a part that is not a file."""
        size = 0
        while block := await self.read(_BLOCK_BYTES):
            size += len(block)
            if size > limit:
                raise Refusal(413, "field_too_large", "a form field that is not a file is too large")
        if self.is_cut:
            raise broken_form()


class FormReader:
    """Pulls a multipart body apart as it arrives, a block at a time."""

    def __init__(self, body: Body, boundary: str, executor: Executor) -> None:
        self._body = body
        self._executor = executor
        # Names come in more than one charset, and are read byte by byte.
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=_MAX_PART_HEADER_BYTES,
            max_segment_count=_MAX_PARTS,
            header_charset="latin-1",
        )
        self._events = self._parse()

    async def parts(self) -> AsyncGenerator[FormPart, None]:
        """Each part once it begins; read or skip one to its end before asking for the next."""
        try:
            while (event := await anext(self._events, None)) is not None:
                if isinstance(event, MultipartSegment):
                    yield FormPart(event, self, self._executor)
        except MultipartError as error:
            raise broken_form() from error

    async def next_block(self) -> bytes:
        """The next bytes of the current part, ``b""`` at its end."""
        event = await anext(self._events, None)
        return event if isinstance(event, bytes) else b""

    def stop(self) -> None:
        """End the whole form: what is left of its body can't be told apart any more."""
        self._body.stop()

    async def _parse(self) -> "AsyncGenerator[MultipartSegment | bytes, None]":
        """Segments, their bytes, and ``b""`` at each one's end."""
        while not self._parser.closed:
            block = await self._body.read(_BLOCK_BYTES)
            for event in self._parser.parse(block):
                yield b"" if event is None else event if isinstance(event, MultipartSegment) else bytes(event)
        while await self._body.read(_BLOCK_BYTES):
            pass  # an epilogue means nothing (RFC 2046 §5.1.1)


def broken_form() -> Refusal:
    return Refusal(400, "invalid_form", "the body is not a whole multipart form")


def parse_boundary(exchange: Exchange) -> str:
    media_type, options = parse_options_header(exchange.headers.get("Content-Type", ""))
    boundary = options.get("boundary", "")
    # RFC 2046 §5.1.1: 1 to 70 characters
    if media_type != "multipart/form-data" or not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise Refusal(400, "invalid_form", "a multipart/form-data body is needed")
    return str(boundary)
