"""Tokens that nobody issued, on a server that has the issuer's public key. With a secret: tests/e2e/test_tokens.py."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.e2e.attacks.besieged import KEY_ID, Attack, Besieged, Told
from tests.e2e.test_tokens import ours
from tests.support.tokens import ANNA, BERT, SECRET, forged, jwk_of, pem_of, rsa_pair, signed
from tests.support.wire import Header

PAST = int(datetime.now(UTC).timestamp()) - 1
FUTURE = PAST + 3600
INVALID = (401, "invalid_token")
DEEPER, VERIFIER = "e2e/test_tokens.py", "contract/test_token_verifier.py"


def shown(make: Callable[[], str]) -> Callable[[Besieged], Told]:
    """The refusal names a way in, and does not tell the token again."""

    def tried(besieged: Besieged) -> Told:
        token = make()
        answer = besieged.by(token).get("/uploads?state=open")
        assert token not in answer.body.decode()
        if answer.status == 401:
            assert (answer.header("WWW-Authenticate") or "").startswith("Bearer")
        return answer.status, answer.json().get("code", "")

    return tried


def issued(**claims: Any) -> Callable[[Besieged], Told]:
    """Signed as it has to be, yet it says something else than it has to."""
    return shown(lambda: signed(ours(**claims), rsa_pair(), "RS256", kid=KEY_ID))


def without_a_token(*headers: Header, target: str = "/uploads?state=open") -> Callable[[Besieged], Told]:
    def tried(besieged: Besieged) -> Told:
        answer = besieged.nobody.get(target, *headers)
        return answer.status, answer.json().get("code", "")

    return tried


def promoted(besieged: Besieged) -> Told:
    """By headers that a gateway would be believed."""
    answer = besieged.user(BERT).get("/files", ("X-User-Scope", "admin"), ("X-User-Id", ANNA))
    return answer.status, str(answer.json()["errors"][0]["code"])


def widened(besieged: Besieged) -> Told:
    """A token of one's own whose scope was changed afterwards."""
    head, _, signature = signed(ours(BERT), rsa_pair(), "RS256", kid=KEY_ID).split(".")
    body = forged(ours(BERT, scope="admin"), alg="none").split(".")[1]
    return shown(lambda: f"{head}.{body}.{signature}")(besieged)


ATTACKS: Sequence[Attack] = (
    Attack("alg none", shown(lambda: forged(ours(), alg="none", kid=KEY_ID)), INVALID, DEEPER),
    Attack("alg None, signed", shown(lambda: forged(ours(), b"x", alg="None", kid=KEY_ID)), INVALID, DEEPER),
    Attack("no alg", shown(lambda: forged(ours(), b"x", kid=KEY_ID)), INVALID, VERIFIER),
    Attack(
        "the public key as a secret",
        shown(lambda: forged(ours(), pem_of(rsa_pair()), alg="HS256", kid=KEY_ID)),
        INVALID,
        DEEPER,
    ),
    Attack(
        "the file of keys as a secret",
        shown(lambda: forged(ours(), json.dumps(jwk_of(rsa_pair(), KEY_ID)).encode(), alg="HS256", kid=KEY_ID)),
        INVALID,
        VERIFIER,
    ),
    Attack("a secret where there is none", shown(lambda: signed(ours(), SECRET, kid=KEY_ID)), INVALID, VERIFIER),
    Attack(
        "another algorithm of the same key",
        shown(lambda: signed(ours(), rsa_pair(), "PS512", kid=KEY_ID)),
        INVALID,
        VERIFIER,
    ),
    Attack(
        "another key by the same name",
        shown(lambda: signed(ours(), rsa_pair("evil"), "RS256", kid=KEY_ID)),
        INVALID,
        DEEPER,
    ),
    Attack(
        "a key that nobody knows", shown(lambda: signed(ours(), rsa_pair("evil"), "RS256", kid="evil")), INVALID, DEEPER
    ),
    Attack(
        "a path for a key",
        shown(lambda: forged(ours(), b"", alg="HS256", kid="../../../../../dev/null")),
        INVALID,
        VERIFIER,
    ),
    Attack(
        "SQL for a key", shown(lambda: forged(ours(), b"x", alg="HS256", kid="' UNION SELECT 'x")), INVALID, VERIFIER
    ),
    Attack(
        "a key that comes along",
        shown(lambda: signed(ours(), rsa_pair("evil"), "RS256", jwk=jwk_of(rsa_pair("evil"), None))),
        INVALID,
        VERIFIER,
    ),
    Attack(
        "a key to be fetched",
        shown(lambda: signed(ours(), rsa_pair("evil"), "RS256", jku="http://127.0.0.1:1/")),
        INVALID,
        VERIFIER,
    ),
    Attack(
        "what has to be understood",
        shown(lambda: signed(ours(), rsa_pair(), "RS256", kid=KEY_ID, crit=["exp"])),
        INVALID,
        DEEPER,
    ),
    Attack("over", issued(exp=PAST), INVALID, DEEPER),
    Attack("without an end", issued(exp=None), INVALID, DEEPER),
    Attack("an end that is no time", issued(exp="never"), INVALID, VERIFIER),
    Attack("an end beyond all time", issued(exp=10**30), INVALID, VERIFIER),
    Attack("not yet", issued(nbf=FUTURE), INVALID, DEEPER),
    Attack("for others", issued(aud="others"), INVALID, DEEPER),
    Attack("for nobody", issued(aud=None), INVALID, DEEPER),
    Attack("from others", issued(iss="https://evil.example"), INVALID, DEEPER),
    Attack("from nobody", issued(iss=None), INVALID, DEEPER),
    Attack("of nobody", issued(sub=None), INVALID, DEEPER),
    Attack("of a path", issued(sub="../../admin"), INVALID, DEEPER),
    Attack("of the one for all", issued(sub="nobody"), INVALID, DEEPER),
    Attack("of a list", issued(sub=[ANNA]), INVALID, VERIFIER),
    Attack("widened afterwards", widened, INVALID, DEEPER),
    Attack("9 KiB of a token", issued(note="x" * 9000), INVALID, DEEPER),
    Attack(
        "a token within a token",
        shown(lambda: forged(ours(), b"x", alg="HS256", cty="JWT", kid=["1"])),
        INVALID,
        VERIFIER,
    ),
    Attack("letters", shown(lambda: "a.b.c"), INVALID, DEEPER),
    Attack("no token at all", without_a_token(), (401, "unauthenticated"), DEEPER),
    Attack("a password", without_a_token(("Authorization", "Basic YTpi")), (401, "unauthenticated"), DEEPER),
    Attack(
        "a token in the address",
        without_a_token(target="/uploads?state=open&access_token=x"),
        (401, "unauthenticated"),
        DEEPER,
    ),
    Attack("a token in a cookie", without_a_token(("Cookie", "access_token=x")), (401, "unauthenticated"), DEEPER),
    Attack(
        "a gateway's word",
        without_a_token(("X-User-Id", ANNA), ("X-User-Scope", "admin")),
        (401, "unauthenticated"),
        DEEPER,
    ),
    Attack("a gateway's word about an administrator", promoted, (403, "forbidden"), "e2e/rights/test_rights.py"),
)
