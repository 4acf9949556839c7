"""How names of files are spelt in headers: read in every spelling that clients use, written in one (RFC 6266)."""

import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from domain.file_name import decoded, displayable, named, shortened

# RFC 8187 §3.2.1 attr-char, without those that quote() never escapes anyway
_ATTR_CHARS = "!#$&+^`|"
# RFC 6266 §4.1, as read from a sender: a name and a quoted string or token. A quote inside that nobody escaped ends
# nothing, nor does a space end a token.
_PARAMETER = re.compile(
    r"""\s*;\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*"""
    r"""(?:"((?:[^"\\]|\\.|"(?!\s*(?:;|$)))*)"(?=\s*(?:;|$))|(".*|[^;]*))""",
    re.ASCII,
)
_MAX_PARAMETERS = 20
_MAX_ENCODED = 4096  # what is longer would be cut, and takes its time
_CHARSETS = frozenset(
    {
        *("utf-8", "us-ascii", "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1251"),
        *("windows-1252", "koi8-r", "gb2312", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "iso-2022-jp", "euc-kr"),
    }
)


@lru_cache(maxsize=256)  # what is fetched is often fetched by many, or piece by piece
def content_disposition(name: str, *, inline: bool = False) -> str:
    """A header value that names the download, whatever the uploader called it.

    RFC 6266 §4: ``filename`` in plain ASCII for old clients, ``filename*`` (RFC 8187) where that is not all.
    """
    kind = "inline" if inline else "attachment"
    name = named(shortened(re.sub(r"[/\\]", "_", displayable(name))))
    plain = _ascii(name)
    if plain == name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def parse_filename(header: str) -> str | None:
    """The name in a request's Content-Disposition; None without one. It is for display, so a malformed one is no error.

    RFC 6266 §4.3: ``filename*`` is to be preferred.
    """
    found = _parameters(header)
    return _extended(found, "filename") or _plain(_unescaped(found.get("filename", ""))) or None


@lru_cache(maxsize=64)  # a client that sends chunk after chunk as forms names their fields alike
def parse_part_names(header: str) -> tuple[str, str]:
    """The names of a form's field and of the file in it, from the part's Content-Disposition; empty without one.

    RFC 7578 §4.2: ``filename*`` must not be used in forms. Clients do, so it is taken where it is alone, but it is no
    way to tell us another name than is told to whoever checks the form before us.
    """
    found = _parameters(header)
    return _part_name(found, "name"), _part_name(found, "filename")


def parse_path_name(segment: str) -> str:
    """The name that a path's last segment is, percent-encoded or not."""
    return decoded(unquote_to_bytes(segment.encode("latin-1", "replace")))


def _part_name(found: Mapping[str, str], key: str) -> str:
    if name := _plain(_form_unescaped(found.get(key, ""))):
        return name
    extended = _extended(found, key)
    return found.get(f"{key}*", "") if extended is None else extended


def _parameters(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = header.find(";")
    while position >= 0 and len(found) < _MAX_PARAMETERS and (parameter := _PARAMETER.match(header, position)):
        name, quoted, token = parameter.groups()
        if name.lower() in found:  # twice: which one is meant can't be known
            break
        found[name.lower()] = token.strip().strip('"') if quoted is None else quoted
        position = parameter.end()
    return found


def _unescaped(value: str) -> str:
    r"""RFC 9110 §5.6.4, as senders have it: ``C:\fakepath`` is not escaped."""
    return re.sub(r'\\(["\\])', r"\1", value)


def _form_unescaped(value: str) -> str:
    """Browsers and curl write forms as WHATWG has it (HTML, "multipart/form-data"); before that it was backslashes."""
    if '\\"' in value:
        return _unescaped(value)
    return value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _plain(value: str) -> str:
    """Headers are read byte by byte. Those who dare send no other than ASCII use RFC 2047's encoded words."""
    try:
        text = decoded(value.encode("latin-1"))
    except UnicodeEncodeError:
        return value
    if "=?" not in text or not text.isascii() or len(text) > _MAX_ENCODED:
        return text
    try:
        words = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    plain = [word if isinstance(word, str) else _decoded_as(word, charset or "") for word, charset in words]
    return text if None in plain else "".join(map(str, plain)) or text


def _extended(found: Mapping[str, str], key: str) -> str | None:
    """RFC 8187 §3.2, ``charset'language'percent-encoded``, and long ones in pieces (RFC 2231 §3), or neither."""
    if (value := found.get(f"{key}*")) is not None:
        charset, *rest = value.split("'", 2)
        return _decoded_as(unquote_to_bytes(rest[1]), charset) if len(rest) == 2 else None
    charset, raw = "", b""
    for number in range(_MAX_PARAMETERS):
        if (piece := found.get(f"{key}*{number}*")) is not None:
            if number == 0:
                charset, _, piece = piece.partition("'")
            raw += unquote_to_bytes(piece.partition("'")[2] if number == 0 else piece)
        elif (piece := found.get(f"{key}*{number}")) is not None:
            raw += _unescaped(piece).encode("latin-1", "replace")
        else:
            break
    return _decoded_as(raw, charset)


def _decoded_as(raw: bytes, charset: str) -> str | None:
    """None for another charset than clients use: Python's list has what is none, and what takes long."""
    if not charset:
        return decoded(raw)
    return raw.decode(charset, "replace") if charset.lower() in _CHARSETS else None


def _ascii(name: str) -> str:
    """Quotes end the quoted string; some browsers decode percent signs in it."""
    return re.sub(r'[^ -~]|["%]', "_", name)
