"""Contract of ports/token_verifier.py. What servers make of it is in tests/e2e/test_tokens.py."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.outbound.tokens.jwt_verifier import JwtVerifier
from adapters.outbound.tokens.keys import BadKeys, KeyFile, SharedSecret
from domain.access import user
from domain.errors import InvalidToken
from ports.token_verifier import TokenVerifier
from tests.support.builders import NOW
from tests.support.clock import StandingClock
from tests.support.tokens import (
    ANNA,
    BERT,
    SECRET,
    claims,
    ec_pair,
    forged,
    jwk_of,
    pem_of,
    put_keys,
    rsa_pair,
    signed,
)


@dataclass
class Secretive:
    """A verifier of tokens signed with a secret, and its clock."""

    clock: StandingClock
    verifier: TokenVerifier

    def refuses(self, token: str) -> bool:
        return refuses(self.verifier, token)


@pytest.fixture
def secretive() -> Secretive:
    clock = StandingClock()
    keys = SharedSecret(SECRET.encode(), ["HS256"])
    return Secretive(clock, JwtVerifier(keys, clock, audiences=["files", "images"], issuer="https://issuer.example"))


def ours(user_id: str = ANNA, **more: Any) -> dict[str, Any]:
    return claims(user_id, **{"iss": "https://issuer.example", "aud": "files", **more})


def refuses(verifier: TokenVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except InvalidToken:
        return True
    return False


@pytest.mark.parametrize(
    ("more", "is_admin"),
    [({}, False), ({"scope": "files admin"}, True), ({"scope": ["admin"]}, True), ({"scope": "administrator"}, False),
     ({"scope": {"admin": 1}}, False), ({"aud": ["others", "images"]}, False), ({"iat": NOW.timestamp() + 5}, False)],
)  # fmt: skip
def test_whoever_bears_a_token_is_its_subject(secretive: Secretive, more: dict[str, Any], is_admin: bool) -> None:
    for user_id in (ANNA, ANNA.upper(), BERT):
        token = signed(ours(user_id, **more))
        for _ in range(2):
            principal = secretive.verifier.verify(token)
            assert principal.owner == user(user_id.lower()).owner
            assert principal.is_admin is is_admin
            assert principal.expires_at == NOW.replace(microsecond=0) + timedelta(seconds=600)


LATER = int(NOW.timestamp()) + 60


@pytest.mark.parametrize(
    "more",
    [
        *({"exp": None}, {"exp": LATER - 60}, {"exp": LATER - 61}, {"exp": str(LATER)}, {"exp": True}, {"exp": 1e300}),
        *({"exp": float("inf")}, {"exp": float("nan")}, {"exp": 10**400}, {"exp": [LATER]}, {"exp": -1}, {"exp": {}}),
        *({"nbf": LATER}, {"iat": LATER}, {"nbf": "soon"}, {"iat": "then"}),
        *({"aud": "others"}, {"aud": None}, {"aud": ["others"]}, {"aud": {"files": 1}}, {"aud": "file"}, {"aud": []}),
        *({"iss": "https://issuer.example/"}, {"iss": None}, {"iss": ["https://issuer.example"]}),
        *({"sub": None}, {"sub": ""}, {"sub": "anna"}, {"sub": 7}, {"sub": ANNA + "0"}, {"sub": [ANNA]}),
        *({"sub": f"{ANNA}\n"}, {"sub": "²" * 24}),
    ],
)
def test_what_a_token_says_has_to_be_right(secretive: Secretive, more: dict[str, Any]) -> None:
    assert secretive.refuses(forged({**ours(), **more} if None not in more.values() else ours(**more), SECRET.encode(),
                                    alg="HS256"))  # fmt: skip


def test_a_token_that_says_enough_is_believed_however_its_numbers_are_written(secretive: Secretive) -> None:
    assert not secretive.refuses(forged({**ours(), "exp": LATER + 0.5}, SECRET.encode(), alg="HS256"))


def test_nobody_else_signs(secretive: Secretive) -> None:
    good = signed(ours())
    head, said, signature = good.split(".")
    for token in (
        *("", ".", "..", "a.b.c", good + ".", good + ".x", f"{head}.{said}.", f"{head}.{said}", f".{said}.{signature}"),
        *(
            f"{head}.{signed(ours(BERT)).split('.')[1]}.{signature}",
            good.swapcase(),
            "é" + good,
            good + "\0",
            " " + good,
        ),
        *(forged(ours(), alg="none"), forged(ours(), alg="None"), forged(ours(), SECRET.encode(), alg="none")),
        *(forged(ours(), SECRET.encode()), forged(ours(), SECRET.encode(), alg=["HS256"])),
        *(forged(ours(), b"another", alg="HS256"), forged(ours(), SECRET.encode(), alg="HS256", crit=["exp"])),
        *(signed(ours(), SECRET * 2, "HS512"), signed(ours(), rsa_pair(), "RS256")),
        *(forged(ours(), b"\0", alg="HS256", kid=path) for path in ("/dev/null", "../../dev/null", "' UNION SELECT '")),
        forged(ours(), b"x", alg="HS256", jwk={"kty": "oct", "k": "eA"}, jku="https://evil.example/keys"),
        forged(ours(), SECRET.encode(), alg="HS256", kid=7),
        forged({"a": "[" * 5000}, SECRET.encode(), alg="HS256"),
    ):
        assert secretive.refuses(token), token


def test_a_long_token_is_not_even_looked_at(secretive: Secretive) -> None:
    assert not secretive.refuses(signed(ours(note="x" * 5000)))
    assert secretive.refuses(signed(ours(note="x" * 8192)))


def test_a_token_that_was_believed_ends_with_its_time_all_the_same(secretive: Secretive) -> None:
    token = signed(ours(lasts=5))
    assert not secretive.refuses(token)
    secretive.clock.pass_by(timedelta(seconds=4))
    assert not secretive.refuses(token)
    secretive.clock.pass_by(timedelta(seconds=1.1))
    assert secretive.refuses(token)


Watch = Callable[..., TokenVerifier]


@pytest.fixture
def keyed(tmp_path: Path) -> Watch:
    def keyed(*keys: dict[str, Any], algorithms: Sequence[str] = ("RS256", "ES256")) -> TokenVerifier:
        put_keys(tmp_path / "keys.json", *keys)
        return JwtVerifier(KeyFile(tmp_path / "keys.json", algorithms), StandingClock())

    return keyed


def test_the_key_is_the_one_that_the_token_means(keyed: Watch) -> None:
    one, two = rsa_pair("one"), rsa_pair("two")
    verifier = keyed(jwk_of(one, "1"), jwk_of(two, "2"), jwk_of(ec_pair(), "3"))
    assert not refuses(verifier, signed(claims(), one, "RS256", kid="1"))
    assert not refuses(verifier, signed(claims(), ec_pair(), "ES256", kid="3"))
    assert not refuses(verifier, signed(claims(), ec_pair(), "ES256"))  # there is one of this kind
    for token in (
        *(signed(claims(), one, "RS256", kid=kid) for kid in ("2", "3", "4", "", "../1")),
        signed(claims(), one, "RS256"),  # which one is not said
        *(signed(claims(), one, name, kid="1") for name in ("RS512", "PS256")),
        forged(claims(), kid="1", alg="none"),
        *(forged(claims(), pem_of(one), alg=name, kid="1") for name in ("HS256", "RS256")),
        forged(claims(), json.dumps(jwk_of(one, "1")).encode(), alg="HS256", kid="1"),
    ):
        assert refuses(verifier, token)


def test_a_key_that_says_what_it_is_for_is_for_nothing_else(keyed: Watch) -> None:
    one, two = rsa_pair("one"), rsa_pair("two")
    for_reading, for_512 = jwk_of(one, "1", use="enc"), jwk_of(two, "2", alg="RS512")
    verifier = keyed(for_reading, for_512, algorithms=["RS256", "RS512"])
    assert refuses(verifier, signed(claims(), one, "RS256", kid="1"))
    assert refuses(verifier, signed(claims(), two, "RS256", kid="2"))
    assert not refuses(verifier, signed(claims(), two, "RS512", kid="2"))


def test_keys_come_and_go_with_their_file(keyed: Watch, tmp_path: Path) -> None:
    one, two, file = rsa_pair("one"), rsa_pair("two"), tmp_path / "keys.json"
    verifier = keyed(jwk_of(one, "1"))
    old, new = signed(claims(), one, "RS256", kid="1"), signed(claims(), two, "RS256", kid="2")
    assert (refuses(verifier, old), refuses(verifier, new)) == (False, True)
    put_keys(file, jwk_of(one, "1"), jwk_of(two, "2"))
    assert (refuses(verifier, old), refuses(verifier, new)) == (False, False)
    put_keys(file, jwk_of(two, "2"))
    assert (refuses(verifier, old), refuses(verifier, new)) == (True, False)


def test_a_file_that_breaks_changes_nothing_and_is_told_once(
    keyed: Watch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    verifier, file = keyed(jwk_of(rsa_pair(), "1")), tmp_path / "keys.json"
    token, other = (signed(claims(user_id), rsa_pair(), "RS256", kid="1") for user_id in (ANNA, BERT))
    for broken in ("{", None, "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'):
        caplog.clear()
        file.unlink() if broken is None else file.write_text(broken)
        with caplog.at_level(logging.WARNING):
            assert [refuses(verifier, one) for one in (token, other, token)] == [False, False, False]
        assert len(caplog.records) == 1
        assert "c2VjcmV0" not in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no JWK set"),
        ('{"keys": {}}', "no JWK set"),
        ('{"keys": [7]}', "no JWK set"),
        ('{"keys": []}', "no public key"),
        ('{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}', "broken or too short"),
        ('{"keys": [{"kty": "RSA", "n": "*", "e": "AQAB", "d": "AQAB"}]}', "secret"),
        ('{"keys": [{"kty": "EC", "crv": "P-256", "x": 1}]}', "broken or too short"),
        ("[" * 100_000, "no JWK set"),
    ],
)
def test_a_file_without_keys_of_use_stops_the_start(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(BadKeys, match=said):
        KeyFile(file, ["RS256", "ES256"])


def test_a_file_that_is_not_there_and_two_keys_of_one_name_stop_the_start(keyed: Watch, tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match="cannot be read"):
        KeyFile(tmp_path / "none.json", ["RS256"])
    with pytest.raises(BadKeys, match="two keys"):
        keyed(jwk_of(rsa_pair("one"), "1"), jwk_of(rsa_pair("two"), "1"))
