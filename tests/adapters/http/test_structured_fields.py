"""Structured fields (RFC 9651) and digests (RFC 9530): what is read, and what is refused."""

import base64
import hashlib
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.inbound.common.digests import ReprDigest, parse_content_digest, parse_repr_digest
from adapters.inbound.common.structured_fields import parse_boolean, parse_dictionary, parse_size
from domain.checksum import Checksum
from domain.errors import InvalidChecksum, InvalidRequest

HELLO_256 = hashlib.sha256(b"hello").digest()
HELLO_512 = hashlib.sha512(b"hello").digest()


def spelt(digest: bytes) -> str:
    return f":{base64.b64encode(digest).decode()}:"


@pytest.mark.parametrize(
    ("text", "value"), [("?1", True), ("?0", False), (" ?1 ", True), ("?0;a;b=?1;c=:AA==:", False)]
)
def test_a_boolean_is_read(text: str, value: bool) -> None:
    assert parse_boolean(text, "field") is value


@pytest.mark.parametrize("text", ["", "?", "?2", "1", "true", "?1,?1", "?1 x", "\t?1", "?1;", "?1;A", "?1;a="])
def test_what_is_no_boolean_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="field"):
        parse_boolean(text, "field")


@given(st.integers(0, 10**15 - 1))
def test_every_size_is_read(size: int) -> None:
    assert parse_size(str(size), "field") == size
    assert parse_size(f"{size:015}", "field") == size


@given(st.text(max_size=30))
def test_nothing_else_than_a_size_is_taken_for_one(text: str) -> None:
    try:
        size = parse_size(text, "field")
    except InvalidRequest:
        return
    number = text.partition(";")[0].strip(" ")
    assert number.lstrip("-").isascii() and int(number) == size >= 0


@given(st.text(st.sampled_from('abz*019.-_= ,;?:"()@%\\\t'), max_size=40))
def test_a_dictionary_is_read_or_refused_and_nothing_else(text: str) -> None:
    with suppress(InvalidRequest):
        assert all(key and key[0] in "abz*" for key in parse_dictionary(text, "field"))


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("", {}),
        ("a=1, b=-1.25;q=1,\tc", {"a": 1, "b": Decimal("-1.25"), "c": True}),
        ("a=?0, b;x=2, c=tok/en:", {"a": False, "b": True, "c": "tok/en:"}),
        ('en="Apple\\"pie", d=@1659578233, s=%"f%c3%bc"', {"en": 'Apple"pie', "d": "1659578233", "s": "f%c3%bc"}),
        ("a=(1 2), b=(), c=(x;a  :AA==:);q", {"a": None, "b": None, "c": None}),
        ("a=1, b=2, a=3", {"b": 2, "a": 3}),
        ("a=:aGVsbG8=:, b=:aGVsbG8:, c=::", {"a": b"hello", "b": b"hello", "c": b""}),
    ],
)
def test_a_dictionary_is_read(text: str, members: dict[str, object]) -> None:
    assert parse_dictionary(text, "field") == members


@pytest.mark.parametrize(
    "text",
    ["a=1,", ",", "a=1 b=2", "A=1", "1=1", "a=", "a=1,,b=2", 'a="x', 'a="\\x"', "a=(1", "a=(1,2)", "a=(1)2", "a=:A:",
     "a=:=:", "a=1.", "a=1.2345", "a=1234567890123.1", "a=é", 'a=%"%C3"', "a=@1.5", "a=--1"],
)  # fmt: skip
def test_what_is_no_dictionary_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_dictionary(text, "field")


def test_every_digest_that_is_known_is_read() -> None:
    both = f"sha-256={spelt(HELLO_256)}, md5=:AA==:, sha-512={spelt(HELLO_512)}"
    assert set(parse_content_digest(both)) == {Checksum("sha512", HELLO_512), Checksum("sha256", HELLO_256)}
    assert parse_content_digest(f"sha-256={spelt(HELLO_256)}") == [Checksum("sha256", HELLO_256)]
    assert parse_repr_digest(both) == ReprDigest(HELLO_256, HELLO_512)
    assert parse_repr_digest(f"sha-512={spelt(HELLO_512)}") == ReprDigest(None, HELLO_512)


@pytest.mark.parametrize("header", [None, "", "md5=:AA==:, unixcksum=1, sha=(1)"])
def test_without_a_digest_that_is_known_there_is_nothing_to_check(header: str | None) -> None:
    assert list(parse_content_digest(header)) == []
    assert parse_repr_digest(header) == ReprDigest()


@pytest.mark.parametrize("value", ["?1", "1", '"x"', ":AAAA:", "(:AAAA:)", spelt(HELLO_512)])
def test_a_digest_that_no_such_algorithm_gives_is_refused(value: str) -> None:
    with pytest.raises(InvalidChecksum):
        parse_content_digest(f"sha-256={value}")
    with pytest.raises(InvalidChecksum):
        parse_repr_digest(f"sha-256={value}")
    with pytest.raises(InvalidChecksum):
        parse_content_digest(f"sha-512={spelt(HELLO_512)}, sha-256={value}")
