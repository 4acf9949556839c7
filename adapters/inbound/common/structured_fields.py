"""Structured header fields, RFC 9651: items and dictionaries, read as strictly as the standard asks for.

What does not parse is refused: RFC 9651 §4.2 leaves the choice between ignoring such a field and treating the whole
message as malformed, and a length or an offset that nobody can read is better not guessed.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from domain.errors import InvalidRequest

Value = int | Decimal | bool | bytes | str
"""Of an item. Strings, tokens and dates are text here: nothing that we read tells them apart."""

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*", re.ASCII)
_NUMBER = re.compile(r"(-?[0-9]{1,12}\.[0-9]{1,3}|-?[0-9]{1,15})(?![0-9.])", re.ASCII)
_BOOLEAN = re.compile(r"\?([01])", re.ASCII)
_BYTES = re.compile(r":((?:[A-Za-z0-9+/]+={0,2})?):", re.ASCII)
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"', re.ASCII)
_DISPLAY_STRING = re.compile(r'%"((?:[ !#$&-~]|%[0-9a-f]{2})*)"', re.ASCII)
_DATE = re.compile(r"@(-?[0-9]{1,15})(?![0-9.])", re.ASCII)
_TOKEN = re.compile(r"([A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*)", re.ASCII)
_SPACES = re.compile(r" *")
_BLANKS = re.compile(r"[ \t]*")


def parse_boolean(text: str, what: str) -> bool:
    """``?1`` or ``?0``.

    Raises:
        InvalidRequest: naming ``what``.
    """
    value = _parse_item(text, what)
    if not isinstance(value, bool):
        raise InvalidRequest(f"{what}: ?0 or ?1")
    return value


def parse_size(text: str, what: str) -> int:
    """An integer of at most 15 digits that is not negative.

    Raises:
        InvalidRequest: naming ``what``.
    """
    value = _parse_item(text, what)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidRequest(f"{what}: a whole number of at most 15 digits")
    return value


def parse_dictionary(text: str, what: str) -> dict[str, Value | None]:
    """A member's item by its key, parameters left out; None where a member is an inner list. The last of two wins.

    Raises:
        InvalidRequest: naming ``what``.
    """
    try:
        return _Reader(text).dictionary()
    except _Malformed:
        raise InvalidRequest(f"{what}: not a dictionary as RFC 9651 has it") from None


def _parse_item(text: str, what: str) -> Value:
    try:
        return _Reader(text).whole_item()
    except _Malformed:
        raise InvalidRequest(f"{what}: not an item as RFC 9651 has it") from None


class _Malformed(Exception):
    pass


def _decode_bytes(text: str) -> bytes:
    """RFC 9651 §4.2.7: padding that is left out, and pad bits that are not zero, are forgiven."""
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        raise _Malformed from None


def _decode_number(text: str) -> int | Decimal:
    return Decimal(text) if "." in text else int(text)


# What a bare item begins with tells its kind (§4.2.3.1); all others are tokens.
_KINDS: dict[str, tuple[re.Pattern[str], Callable[[str], Value]]] = {
    "?": (_BOOLEAN, "1".__eq__),
    ":": (_BYTES, _decode_bytes),
    '"': (_STRING, lambda text: re.sub(r"\\(.)", r"\1", text)),
    "%": (_DISPLAY_STRING, str),
    "@": (_DATE, str),
    **dict.fromkeys("-0123456789", (_NUMBER, _decode_number)),
}


@dataclass(slots=True)
class _Reader:
    """RFC 9651 §4.2, one method a production."""

    text: str
    at: int = 0

    def whole_item(self) -> Value:
        self._take(_SPACES)
        value = self._item()
        self._end()
        return value

    def dictionary(self) -> dict[str, Value | None]:
        members: dict[str, Value | None] = {}
        self._take(_SPACES)
        while self.at < len(self.text):
            key = self._take(_KEY)[0]
            members.pop(key, None)
            members[key] = self._member()
            self._take(_BLANKS)
            if self.at == len(self.text):
                break
            self._expect(",")
            self._take(_BLANKS)
            if self.at == len(self.text):
                raise _Malformed  # a comma at the end
        return members

    def _member(self) -> Value | None:
        if not self._skip("="):
            self._parameters()
            return True
        if not self._skip("("):
            return self._item()
        self._inner_list()
        return None

    def _inner_list(self) -> None:
        while True:
            self._take(_SPACES)
            if self._skip(")"):
                break
            self._item()
            if self.text[self.at : self.at + 1] not in (" ", ")"):
                raise _Malformed
        self._parameters()

    def _item(self) -> Value:
        value = self._bare()
        self._parameters()
        return value

    def _parameters(self) -> None:
        while self._skip(";"):
            self._take(_SPACES)
            self._take(_KEY)
            if self._skip("="):
                self._bare()

    def _bare(self) -> Value:
        first = self.text[self.at : self.at + 1]
        pattern, decode = _KINDS.get(first, (_TOKEN, str))
        return decode(self._take(pattern)[1])

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Malformed
        self.at = found.end()
        return found

    def _skip(self, letter: str) -> bool:
        found = self.text.startswith(letter, self.at)
        self.at += found
        return found

    def _expect(self, letter: str) -> None:
        if not self._skip(letter):
            raise _Malformed

    def _end(self) -> None:
        self._take(_SPACES)
        if self.at != len(self.text):
            raise _Malformed
