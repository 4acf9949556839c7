"""JSON Web Tokens (RFC 7519, RFC 8725). Contract: tests/contract/test_token_verifier.py.

Loaded in ``AUTH_MODE=jwt`` alone: PyJWT brings a cryptographic library along.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from adapters.outbound.tokens.keys import Keys
from domain.access import Principal, parse_user_id, user
from domain.errors import InvalidToken, Unauthenticated
from ports.clock import Clock
from ports.token_verifier import TokenVerifier

_MAX_BYTES = 8 * 1024
_SKEW = timedelta(seconds=10)  # that an issuer's clock may be ahead of ours; an end is an end
_REMEMBERED_FOR = timedelta(seconds=60)
_MAX_REMEMBERED = 4096
# What PyJWT would ask of claims is asked here, by our clock; it has the signature, which no option turns off.
_SIGNATURE_ALONE: Any = {
    "enforce_minimum_key_length": True,
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub"), False),
    "verify_jti": False,
}


class JwtVerifier(TokenVerifier):
    """A token that was believed is remembered for a minute, so that not every chunk of an upload costs a signature."""

    def __init__(self, keys: Keys, clock: Clock, *, audiences: Sequence[str] = (), issuer: str = "") -> None:
        """``audiences``: of which a token has to name one; none, or no ``issuer``: it may say what it likes."""
        self._keys = keys
        self._clock = clock
        self._audiences = frozenset(audiences)
        self._issuer = issuer
        self._version = keys.version
        self._remembered: OrderedDict[bytes, tuple[Principal, datetime]] = OrderedDict()

    def verify(self, token: str) -> Principal:
        if len(token) > _MAX_BYTES or not token.isascii():
            raise InvalidToken("the token is too long, or none")
        now, digest = self._clock.now(), hashlib.sha256(token.encode()).digest()
        if self._version != (version := self._keys.version):
            self._version = version
            self._remembered.clear()
        principal, until = self._remembered.get(digest, (None, now))
        if principal is None or until <= now:
            principal = self._believe(self._claims(token), now)
            self._remember(digest, principal, now)
        return principal

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            # The key says how it may be used, not the token: it only says which one it means.
            key = self._keys.find(algorithm, key_id) if isinstance(algorithm, str) else None
            if key is None:
                raise InvalidToken("the token is signed by nobody we trust, or in a way we do not take")
            claims: Mapping[str, Any] = jwt.decode(token, key, algorithms=[str(algorithm)], options=_SIGNATURE_ALONE)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise InvalidToken("the token is malformed, or its signature is not its issuer's") from None
        return claims

    def _believe(self, claims: Mapping[str, Any], now: datetime) -> Principal:
        expires_at = _instant(claims, "exp")
        if expires_at is None or expires_at <= now:
            raise InvalidToken("the token has expired, or never would")
        for name in ("nbf", "iat"):
            if (since := _instant(claims, name)) is not None and since > now + _SKEW:
                raise InvalidToken("the token is not valid yet")
        if self._issuer and claims.get("iss") != self._issuer:
            raise InvalidToken("the token comes from another issuer")
        if self._audiences and self._audiences.isdisjoint(_words(claims.get("aud"))):
            raise InvalidToken("the token is for somebody else")
        subject = claims.get("sub")
        try:
            owner = user(parse_user_id(subject if isinstance(subject, str) else "")).owner
        except Unauthenticated as error:
            raise InvalidToken(f"the token's subject: {error.detail}") from None
        scope = claims.get("scope")
        is_admin = "admin" in (scope.split() if isinstance(scope, str) else _words(scope))
        return Principal(owner, is_admin=is_admin, expires_at=expires_at)

    def _remember(self, digest: bytes, principal: Principal, now: datetime) -> None:
        until = min(principal.expires_at or now, now + _REMEMBERED_FOR)
        self._remembered[digest] = (principal, until)
        self._remembered.move_to_end(digest)
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)


def _instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    """RFC 7519 §2, NumericDate. None if it is not said."""
    if name not in claims:
        return None
    seconds = claims[name]
    try:
        # True is an int to Python, and json reads Infinity.
        return datetime.fromtimestamp(seconds if type(seconds) in (int, float) else math.nan, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidToken(f"the token's {name} is no time") from None


def _words(said: object) -> Sequence[str]:
    """RFC 7519 §4.1.3: one, or a list of them."""
    if isinstance(said, str):
        return [said]
    return [word for word in said if isinstance(word, str)] if isinstance(said, list) else []
