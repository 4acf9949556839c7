"""Who may sign tokens: a secret shared with the issuer, or the public keys in a file (a JWK set, RFC 7517)."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jwt

log = logging.getLogger(__name__)

Key = bytes | jwt.PyJWK
_MAX_FILE_BYTES = 1024 * 1024
_MAX_KEYS = 100
# RFC 7518 §3.1, RFC 8037 §3.1: the kind of key that an algorithm is for, and its curve.
_KINDS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}


class BadKeys(Exception):
    """One clear line for the operator."""


class Keys(Protocol):
    """Whose signatures count."""

    @property
    def version(self) -> object:
        """Another one once the keys are others."""

    def find(self, algorithm: str, key_id: str | None) -> Key | None:
        """The key for tokens that say they are signed so; None: there is none that is meant for it."""


class SharedSecret:
    """Which key a token means does not matter: there is one."""

    version = None

    def __init__(self, secret: bytes, algorithms: Sequence[str]) -> None:
        self._secret = secret
        self._algorithms = frozenset(algorithms)

    def find(self, algorithm: str, key_id: str | None) -> Key | None:
        return self._secret if algorithm in self._algorithms else None


class KeyFile:
    """Read again whenever it has changed, so that keys come and go without a restart. From a file that is broken, or
    gone, nothing is taken: the keys stay as they were, and the log is told once."""

    def __init__(self, path: Path, algorithms: Sequence[str]) -> None:
        """Raises:
        BadKeys: it cannot be read, or has no key that is of use.
        """
        self._path = path
        self._algorithms = tuple(algorithms)
        self._stamp = self._look()
        self._keys = self._read()
        self.read = 1
        """How often."""

    @property
    def version(self) -> object:
        """A look at the file's time costs microseconds, and nobody has to wait for a key that has come or gone."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._keys = self._read()
                self.read += 1
            except BadKeys as error:
                log.warning("keys for tokens stay as they were: %s", error)
        return self.read

    def find(self, algorithm: str, key_id: str | None) -> Key | None:
        if key_id is not None:
            return self._keys.get((algorithm, key_id))
        fitting = [key for (name, _), key in self._keys.items() if name == algorithm]
        return fitting[0] if len(fitting) == 1 else None  # to try one after the other is work for whoever asks

    def _look(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return error.errno
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Mapping[tuple[str, str | None], jwt.PyJWK]:
        try:
            with self._path.open("rb") as file:
                text = file.read(_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise BadKeys(f"{self._path} cannot be read: {error.strerror}") from None
        try:
            listed = json.loads(text)["keys"] if len(text) <= _MAX_FILE_BYTES else None
        except (ValueError, TypeError, LookupError, RecursionError):
            listed = None
        if not isinstance(listed, list) or len(listed) > _MAX_KEYS or not all(isinstance(key, dict) for key in listed):
            raise BadKeys(f'{self._path} is no JWK set: {{"keys": […]}}, at most {_MAX_KEYS} keys and 1 MiB')
        keys = [pair for jwk in listed for pair in self._of(jwk)]
        if len({name for name, _ in keys}) < len(keys):
            raise BadKeys(f"{self._path} has two keys of one kid")
        if not keys:
            raise BadKeys(f"{self._path} has no public key for {', '.join(self._algorithms)}")
        return dict(keys)

    def _of(self, jwk: dict[str, Any]) -> Sequence[tuple[tuple[str, str | None], jwt.PyJWK]]:
        """The key under each algorithm that it may be used for; of other keys nothing."""
        key_id = jwk.get("kid")
        if "d" in jwk or jwk.get("kty") == "oct":
            raise BadKeys(f"{self._path} has a key that is secret: only public ones belong there")
        if jwk.get("use", "sig") != "sig" or not (key_id is None or isinstance(key_id, str)):
            return []
        kind = jwk.get("kty"), jwk.get("crv")
        names = [name for name in self._algorithms if _KINDS[name] == kind and jwk.get("alg", name) == name]
        try:
            return [((name, key_id), _strong(jwt.PyJWK(jwk, name))) for name in names]
        except (jwt.PyJWTError, ValueError, TypeError, LookupError):
            raise BadKeys(f"{self._path} has a key that is broken or too short: {str(key_id)[:100]!r}") from None


def _strong(key: jwt.PyJWK) -> jwt.PyJWK:
    if key.Algorithm.check_key_length(key.key):
        raise ValueError
    return key
