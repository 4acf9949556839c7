"""Tokens as issuers make them, and as those do who would like to be one."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.builders import NOW

SECRET = "0b1c2d3e4f5061728394a5b6c7d8e9f0"
ANNA = "0d4f8c1e-93d5-4a3c-9a52-2f0f7c1b6a11"
BERT = "5f3a9c2b7e1d4f6a8b0c1d2e"
Pair = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def claims(user_id: str = ANNA, *, now: datetime = NOW, lasts: float = 600, **more: Any) -> dict[str, Any]:
    """None takes a claim away."""
    whole = {"sub": user_id, "exp": int((now + timedelta(seconds=lasts)).timestamp()), **more}
    return {name: value for name, value in whole.items() if value is not None}


def signed(said: Mapping[str, Any], key: str | Pair = SECRET, alg: str = "HS256", **header: Any) -> str:
    return jwt.encode(dict(said), key, alg, {"jti": secrets.token_hex(4), **header})


def forged(said: Mapping[str, Any], key: bytes = b"", **header: Any) -> str:
    """Signed with HMAC-SHA256 whatever its header says, where no library would; without a ``key`` not at all."""
    head = ".".join(_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", **header}, said))
    return f"{head}.{_encoded(hmac.new(key, head.encode(), hashlib.sha256).digest()) if key else ''}"


@cache
def rsa_pair(name: str = "") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_pair() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(pair: Pair) -> bytes:
    return pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk_of(pair: Pair, kid: str | None, **more: Any) -> dict[str, Any]:
    if isinstance(pair, rsa.RSAPrivateKey):
        made = jwt.algorithms.RSAAlgorithm.to_jwk(pair.public_key(), as_dict=True)
    else:
        made = jwt.algorithms.ECAlgorithm.to_jwk(pair.public_key(), as_dict=True)
    return {**made, **({} if kid is None else {"kid": kid}), **more}


def put_keys(path: Path, *keys: Mapping[str, Any]) -> None:
    """As whole as issuers' tools put it: in place of the file that was there."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"keys": keys}))
    draft.replace(path)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
