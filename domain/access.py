"""Who calls, what is theirs, and what opens a file to others."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.errors import InvalidCredential, InvalidRequest, LinkExpired, Unauthenticated
from domain.ids import FileId, OwnerId

NOBODY = OwnerId("nobody")
MAX_LINK_LIFE = timedelta(days=7)
_MAX_PAIRS = 64
_USER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24}", re.ASCII | re.IGNORECASE)
_LINK_KEYS = frozenset({"expires", "signature"})
_MAX_LETTERS = 16 * 1024
_USER = "user:"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a use case. Everything it creates belongs to ``owner``; an administrator sees all."""

    owner: OwnerId
    is_admin: bool = False
    expires_at: datetime | None = field(default=None, compare=False)
    """Until when it is known who calls: what is open longer ends then."""

    @property
    def is_user(self) -> bool:
        """Whether somebody we trust says who it is: a guest's id is whatever it likes."""
        return self.owner.startswith(_USER)

    def may_see(self, owner: OwnerId) -> bool:
        return self.is_admin or self.owner == owner


def parse_user_id(text: str) -> str:
    """In one spelling.

    Raises:
        Unauthenticated: neither a UUID nor 24 hexadecimal digits.
    """
    if not _USER_ID.fullmatch(text):
        raise Unauthenticated("invalid user ID format")
    return text.lower()


def user(user_id: str) -> Principal:
    return Principal(OwnerId(f"{_USER}{user_id}"))


def guest(guest_id: str) -> Principal:
    return Principal(OwnerId(f"guest:{guest_id}"))


STRANGER = Principal(OwnerId("stranger"))
"""Someone of whom nothing is known; owns nothing."""

ADMINISTRATOR = Principal(OwnerId("administrator"), is_admin=True)
"""Any of them, where it does not matter which: they all see the same."""

ANYBODY = Principal(NOBODY)
"""The one principal of ``AUTH_MODE=open``: everything is everyone's."""


class Visibility(StrEnum):
    """Whether a file's plain link is enough to open it, or one has to be its owner or show something more."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Credential:
    """The keys and values that open a private file to whoever shows them all; at least one.

    Kept as given, because it is told again: docs/decisions/0017. Its ``repr`` tells nothing.
    """

    values: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.values:
            raise InvalidCredential("a credential has at least one key")
        if taken := _LINK_KEYS & self.values.keys():
            raise InvalidCredential(f"{min(taken)} is a word of signed links")
        if not is_small(self.values):
            raise InvalidCredential(f"a credential has at most {_MAX_PAIRS} keys and {_MAX_LETTERS} letters")

    def __eq__(self, other: object) -> bool:
        """In a time that tells nothing of either."""
        if not isinstance(other, Credential):
            return NotImplemented
        return hmac.compare_digest(_digest(self.values), _digest(other.values))

    def __hash__(self) -> int:
        return hash(_digest(self.values))

    @classmethod
    def of(cls, values: Mapping[str, str] | None) -> "Credential | None":
        """None for a mapping without keys: that would open to everybody."""
        return cls(dict(values)) if values else None

    def is_shown_by(self, given: Mapping[str, str]) -> bool:
        """Whether each key has its value in ``given``, in a time that tells nothing of either; others don't matter."""
        shown = {key: given.get(key) for key in self.values}
        return hmac.compare_digest(_digest(shown), _digest(self.values))


def is_small(values: Mapping[str, str]) -> bool:
    """Whether a flat map that a client wants kept is within bounds."""
    letters = sum(len(key) + len(value) for key, value in values.items())
    return len(values) <= _MAX_PAIRS and letters <= _MAX_LETTERS


def _digest(values: Mapping[str, str | None]) -> bytes:
    # Digests have one length whatever was given.
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest()


class Disposition(StrEnum):
    """What a browser is asked to do with a download."""

    INLINE = "inline"
    ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class DownloadToken:
    """What a signed link says: this file may be read until then, by whoever has the link.

    ``expires_at`` is a whole second. ``disposition``: None leaves it to the file's media type.
    """

    file_id: FileId
    expires_at: datetime
    disposition: Disposition | None = None

    @classmethod
    def lasting(
        cls, file_id: FileId, life: timedelta, now: datetime, disposition: Disposition | None = None
    ) -> "DownloadToken":
        """Raises:
        InvalidRequest: ``life`` is none, or more than seven days.
        """
        if not timedelta(seconds=1) <= life <= MAX_LINK_LIFE:
            raise InvalidRequest("a signed link lasts from a second to seven days")
        return cls(file_id, (now + life).replace(microsecond=0), disposition)

    @property
    def message(self) -> bytes:
        """What is signed: version, method, id, expiry, disposition. HEAD and ranges go by GET."""
        expiry = int(self.expires_at.timestamp())
        return f"longshore-link-1\nGET\n{self.file_id}\n{expiry}\n{self.disposition or ''}".encode()

    def check_time(self, now: datetime) -> None:
        if now >= self.expires_at:
            raise LinkExpired("the link has expired")
