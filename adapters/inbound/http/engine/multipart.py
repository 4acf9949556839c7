"""A multipart form, pulled apart as it arrives: each part is a byte source (RFC 7578, RFC 2046)."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from adapters.inbound.common.block_source import BlockSource, BodyCut
from adapters.inbound.common.errors import Refusal, is_final
from adapters.inbound.common.file_names import parse_part_names
from adapters.inbound.http.engine.exchange import Exchange
from domain.errors import LongshoreError
from domain.file_name import file_name
from ports.byte_source import ByteSource

_BLOCK_BYTES = 256 * 1024
_MAX_PARTS = 1000
_MAX_PART_HEADER_BYTES = 16 * 1024
# RFC 2045 §6.2: these say nothing but that the bytes are as they are. RFC 7578 §4.7 has no use for the others.
_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "identity"})
_LEAST_PART_BYTES = len("Content-Disposition: form-data\r\n\r\n\r\n")
_AHEAD_BYTES = 1024 * 1024
_SMALL_PART_BYTES = _AHEAD_BYTES // _MAX_PARTS
_AHEAD_SECONDS = 1.0


class FormPart(BlockSource):
    """One part of a form, of unknown length. Only the newest part of a form can be read."""

    def __init__(self, segment: MultipartSegment, reader: "FormReader", executor: Executor) -> None:
        super().__init__(executor=executor)
        self.name, self.filename = parse_part_names(segment.header("Content-Disposition", ""))
        """Empty ones where there is none: a part with a file name is a file."""
        self.media_type = segment.content_type
        self.is_ranged = segment.header("Content-Range") is not None
        encodings = {segment.header("Content-Transfer-Encoding", ""), segment.header("Content-Encoding", "")}
        self._is_encoded = not _PLAIN_ENCODINGS.issuperset(map(str.lower, map(str.strip, encodings)))
        self._reader = reader

    async def next_block(self) -> bytes:
        try:
            return await self._reader.next_block()
        except MultipartError as error:
            raise BodyCut from error

    def stop(self) -> None:
        self._reader.stop()  # what has arrived is still read; a form that has arrived whole stays whole

    def check_encoding(self) -> None:
        """What is stored are a part's bytes as they come; encoded ones would be taken for the file's."""
        if self._is_encoded:
            raise Refusal(415, "unsupported_media_type", "a part is encoded: parts are taken as they are")

    @contextmanager
    def named_in_refusals(self) -> Iterator[None]:
        """Of several files, the refusal says which one it is about."""
        try:
            yield
        except (LongshoreError, Refusal) as error:
            if is_final(error):
                error.detail = f"{file_name(self.filename)}: {error.detail}"
            raise

    async def skip(self) -> None:
        """Read past what nobody asked for, however long it is."""
        while await self.read(_BLOCK_BYTES):
            pass
        if self.is_cut:
            raise broken_form()


class FormReader:
    """Pulls a multipart body apart as it arrives, a block at a time."""

    def __init__(self, body: ByteSource, boundary: str, executor: Executor) -> None:
        self._body = body
        self._boundary = boundary
        self._executor = executor
        # Names come in more than one charset, and are read byte by byte.
        self._parser = PushMultipartParser(boundary, max_header_size=_MAX_PART_HEADER_BYTES, header_charset="latin-1")
        self._ahead = b""
        self._events = self._parse()

    async def look_ahead(self) -> None:
        """Refuse a form of too many parts before anything is done about its first ones.

        That can be seen of small parts; where they are larger, nothing is waited for, and it shows when it does.
        """
        delimiter = b"--%b\r\n" % self._boundary.encode()
        least = (_MAX_PARTS + 1) * (_LEAST_PART_BYTES + len(delimiter))
        if self._body.length is not None and self._body.length < least:
            return
        block = self._ahead = await self._body.read(_BLOCK_BYTES)
        with suppress(TimeoutError):
            async with asyncio.timeout(_AHEAD_SECONDS):
                while block and len(self._ahead) < min(_AHEAD_BYTES, self._ahead.count(delimiter) * _SMALL_PART_BYTES):
                    block = await self._body.read(_BLOCK_BYTES)
                    self._ahead += block
        if self._ahead.count(delimiter) > _MAX_PARTS:
            raise _too_many_parts()

    async def parts(self) -> AsyncGenerator[FormPart, None]:
        """Each part once it begins; read or skip one to its end before asking for the next."""
        count = 0
        try:
            while (event := await anext(self._events, None)) is not None:
                if isinstance(event, MultipartSegment):
                    count += 1
                    if count > _MAX_PARTS:
                        raise _too_many_parts()
                    yield FormPart(event, self, self._executor)
        except ParserLimitReached as error:
            raise Refusal(413, "part_header_too_large", "a part's headers are too long, or too many") from error
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
            block, self._ahead = self._ahead or await self._body.read(_BLOCK_BYTES), b""
            for event in self._parser.parse(block):
                yield b"" if event is None else event if isinstance(event, MultipartSegment) else bytes(event)
        while await self._body.read(_BLOCK_BYTES):
            pass  # an epilogue means nothing (RFC 2046 §5.1.1)


def broken_form() -> Refusal:
    return Refusal(400, "invalid_form", "the body is not a whole multipart form")


def _too_many_parts() -> Refusal:
    return Refusal(
        413, "too_many_form_parts", f"a form has at most {_MAX_PARTS} parts: send the files in several forms"
    )


def parse_boundary(exchange: Exchange) -> str:
    media_type, options = parse_options_header(exchange.headers.get("Content-Type", ""))
    boundary = options.get("boundary", "")
    # RFC 2046 §5.1.1: 1 to 70 characters
    if media_type != "multipart/form-data" or not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise Refusal(400, "invalid_form", "a multipart/form-data body is needed")
    return str(boundary)
