"""The chunked transfer coding (RFC 9112 §7.1), taken apart: what is data in it, and where it ends.

Extensions and trailers are read past, as the standard has it, as long as there are not many of them.
"""

import re
from enum import Enum, auto

from adapters.inbound.http.engine.framing import Unreadable

# Of what is no data: lines of sizes with their extensions beyond what the data they announce is worth; all trailers.
_MAX_EXTRA_BYTES = 16 * 1024
_FREE_BYTES = 16
"""Of each such line; a fifth of the data pays for more, so that many small extensions don't add up either."""

_VALUE = r"[\t\x20-\x7e\x80-\xff]*"
_SIZE = re.compile(rf"([0-9A-Fa-f]{{1,16}})(?:[ \t]*;{_VALUE})?\r\n".encode("latin-1"))
_TRAILER = re.compile(rf"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:{_VALUE}\r\n".encode("latin-1"))
_END_OF_LINE = b"\r\n"


class _Next(Enum):
    SIZE = auto()
    DATA = auto()
    END_OF_DATA = auto()
    TRAILER = auto()
    NOTHING = auto()


class ChunkedDecoder:
    """Give it the bytes as they come; it has ended, well or by a ``fault``, once it says so."""

    def __init__(self) -> None:
        self._next = _Next.SIZE
        self._left = 0
        self._line = b""
        self._extra = 0
        self.fault: Unreadable | None = None
        """Why what comes can't be read any further: where this body ends, nobody knows."""

    @property
    def has_ended(self) -> bool:
        return self._next is _Next.NOTHING

    def decode(self, block: bytes) -> tuple[list[bytes], bytes]:
        """The data in ``block``, and what is behind the end of the body."""
        data: list[bytes] = []
        at, end = 0, len(block)
        while at < end and not (self.has_ended or self.fault):
            if self._next is _Next.DATA:
                piece = block[at : at + self._left]
                data.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._next = _Next.END_OF_DATA
            else:
                at = self._read_line(block, at)
        return data, block[at:]

    def _read_line(self, block: bytes, at: int) -> int:
        end = block.find(b"\n", at) + 1
        self._line += block[at : end or len(block)]
        if self._next is _Next.END_OF_DATA and not _END_OF_LINE.startswith(self._line):
            self._refuse("a chunk is longer than it says")
        elif len(self._line) + self._extra > _MAX_EXTRA_BYTES:
            self._refuse("the chunked body has too much beside its data")
        elif end:
            line, self._line = self._line, b""
            self._take_line(line)
        return end or len(block)

    def _take_line(self, line: bytes) -> None:
        match self._next:
            case _Next.SIZE:
                self._take_size(line)
            case _Next.END_OF_DATA:
                self._next = _Next.SIZE
            case _ if line == _END_OF_LINE:
                self._next = _Next.NOTHING
            case _:
                self._extra += len(line)
                if not _TRAILER.fullmatch(line):
                    self._refuse("a trailer is no header")

    def _take_size(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None:
            self._refuse("a chunk's size is not a number")
            return
        self._left = int(found[1], 16)
        self._extra = max(0, self._extra + len(line) - _FREE_BYTES - self._left // 5)
        if self._left:
            self._next = _Next.DATA
        else:
            self._next, self._extra = _Next.TRAILER, 0

    def _refuse(self, detail: str) -> None:
        self.fault = Unreadable(detail)
