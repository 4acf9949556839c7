"""Hosts, origins and paths by what they mean, however they are written: RFC 3986 §6.2, RFC 6454 §4."""

import ipaddress
import re
import string
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_AUTHORITY = re.compile(r"(\[[^\[\]@/?#\s]+\]|[^\[\]:@/?#\\\s,]+)(?::([0-9]{0,5}))?", re.ASCII)
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}", re.ASCII)
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_KNOWN = 1024  # spellings, of which there are few: those of one server's names and its friends'


class Authority(NamedTuple):
    host: str
    port: int | None
    """None: not written."""


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    def is_at(self, authority: Authority) -> bool:
        """Whether it is what a client sees there. Nobody tells us who ends TLS in front of us, so no port, 80 and 443
        are all the same: the default one of whatever scheme the client used."""
        return self.host == authority.host and _no_default(self.port) == _no_default(authority.port)


@lru_cache(_KNOWN)
def parse_host(text: str) -> str | None:
    """A name or an address, in brackets or not; None for what is neither."""
    literal = text.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(unquote(literal))
    except ValueError:
        pass
    else:
        return str(getattr(address, "ipv4_mapped", None) or address)
    try:
        name = unquote(text).lower().encode("idna").decode()
    except UnicodeError:
        return None
    name = name.removesuffix(".")  # the root's, and says nothing more
    return name if _NAME.fullmatch(name) else None


@lru_cache(_KNOWN)
def parse_authority(text: str) -> Authority | None:
    """What a Host header says."""
    found = _AUTHORITY.fullmatch(text.strip())
    host = parse_host(found[1]) if found else None
    if found is None or host is None:
        return None
    return Authority(host, int(found[2]) if found[2] else None)


@lru_cache(_KNOWN)
def parse_origin(text: str) -> Origin | None:
    """Where a page comes from, as browsers say it: no path, no name of a user. None for ``null``, too."""
    scheme, _, rest = text.partition("://")
    authority, scheme = parse_authority(rest), scheme.lower()
    if authority is None or scheme not in _DEFAULT_PORTS:
        return None
    return Origin(scheme, authority.host, authority.port or _DEFAULT_PORTS[scheme])


def origin_of(url: str) -> Origin | None:
    """Where the pages below an absolute URL come from."""
    parts = urlsplit(url)
    return parse_origin(f"{parts.scheme}://{parts.netloc}")


def authority_of(host: str, port: int) -> str:
    """As it stands in a URL: an IPv6 address in brackets, the mark of its zone escaped (RFC 3986 §3.2.2, RFC 6874)."""
    return f"[{host.replace('%', '%25')}]:{port}" if ":" in host else f"{host}:{port}"


def normal_path(path: str) -> str:
    """With nothing escaped that need not be: RFC 3986 §6.2.2.2 calls the two the same."""
    return _ESCAPED.sub(lambda found: _plain(found[0]), path) if "%" in path else path


def _plain(escaped: str) -> str:
    letter = chr(int(escaped[1:], 16))
    return letter if letter in _UNRESERVED else escaped.upper()


def _no_default(port: int | None) -> int | None:
    return None if port in _DEFAULT_PORTS.values() else port
