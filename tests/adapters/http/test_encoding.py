"""What is written into headers can be read back, and can do no harm."""

import base64
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from adapters.inbound.common.encoding import (
    format_metadata,
    parse_checksum,
    parse_digits,
    parse_metadata,
)
from domain.errors import InvalidChecksum, InvalidMetadata, InvalidRequest, UnknownChecksumAlgorithm
from domain.metadata import MAX_BYTES, MAX_PAIRS, Metadata

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=20)
METADATA = st.lists(
    st.tuples(KEYS, st.none() | st.binary(max_size=100)), max_size=10, unique_by=lambda pair: pair[0]
).map(lambda pairs: Metadata(tuple(pairs)))


@given(METADATA)
def test_metadata_comes_back_to_the_letter(metadata: Metadata) -> None:
    header = format_metadata(metadata)
    if metadata.pairs and metadata.pairs[-1][1] == b"":
        key, _ = metadata.pairs[-1]
        metadata = Metadata((*metadata.pairs[:-1], (key, None)))
    assert parse_metadata(header) == metadata
    assert format_metadata(parse_metadata(header)) == header


@given(METADATA)
def test_metadata_can_be_sent_as_a_header(metadata: Metadata) -> None:
    HTTPHeaders().add("Upload-Metadata", format_metadata(metadata) or "-")


def test_metadata_keeps_its_order_and_its_bare_keys() -> None:
    header = "filename d29ybGQucGRm,is_confidential,empty ,a YQ=="
    metadata = parse_metadata(header)
    assert metadata.pairs == (
        ("filename", b"world.pdf"),
        ("is_confidential", None),
        ("empty", b""),
        ("a", b"a"),
    )
    assert format_metadata(metadata) == header


def test_an_empty_header_is_no_metadata() -> None:
    assert parse_metadata("") == Metadata()
    assert format_metadata(Metadata()) == ""


def test_a_space_after_the_comma_is_how_proxies_join_headers() -> None:
    assert parse_metadata("a YQ==, b Yg==").pairs == (("a", b"a"), ("b", b"b"))


@pytest.mark.parametrize(
    "header",
    [
        "a YQ==,a Yg==",  # twice
        "a YQ",  # padding missing
        "a Y Q==",
        "a YQ==YQ==",
        "a YR==",  # spare bits set: could not be given back to the letter
        "a -_-_",  # the URL alphabet
        "a YQ== ",
        "a  YQ==",
        "a\tYQ==",
        " ",
        ",",
        "a YQ==,",
        ",a YQ==",
        "a YQ==,,b Yg==",
        "n\xe4me YQ==",
        "a\x00b YQ==",
        "a\x7f YQ==",
        "a Y\xe4==",
        "a ====",
        "a YQ==\n",
        "a\n",
    ],
)
def test_other_spellings_of_metadata_are_refused(header: str) -> None:
    with pytest.raises(InvalidMetadata):
        parse_metadata(header)


@given(st.text(max_size=60))
@example("filename 4pyT,\u2713")
def test_any_text_is_metadata_or_refused(header: str) -> None:
    try:
        metadata = parse_metadata(header)
    except InvalidMetadata:
        return
    assert format_metadata(metadata) in (
        header.rstrip(" "),
        re.sub(r",[ \t]+", ",", header).rstrip(" ").lstrip(" \t"),
    )


def test_as_much_metadata_as_is_allowed_is_taken_and_no_more() -> None:
    value = base64.b64encode(b"x" * (MAX_BYTES - 1)).decode()
    assert len(parse_metadata(f"a {value}").pairs[0][1] or b"") == MAX_BYTES - 1
    assert len(parse_metadata(",".join(f"k{n}" for n in range(MAX_PAIRS))).pairs) == MAX_PAIRS
    for flood in (
        f"ab {value}",
        ",".join(f"k{n}" for n in range(MAX_PAIRS + 1)),
        "a" * (MAX_BYTES + 1),
        "," * 10_000_000,
        "a " + "A" * 10_000_000,
    ):
        with pytest.raises(InvalidMetadata):
            parse_metadata(flood)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 15, 10**15 - 1)])
def test_digits_are_digits(text: str, number: int) -> None:
    assert parse_digits(text, "Upload-Length") == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1\n",
        "1e3",
        "0x10",
        "1_000",
        "1.0",
        "9" * 16,
        "\u0663",
        "\u00b2",
        "a",
        "1,1",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Upload-Length"):
        parse_digits(text, "Upload-Length")


def test_a_checksum_is_an_algorithm_and_its_digest() -> None:
    checksum = parse_checksum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
    assert checksum.algorithm == "sha1"
    assert checksum.digest == base64.b64decode("Kq5sNclPz7QV2+lfQIuc6R7oRu0=")


@pytest.mark.parametrize("header", ["", "sha1", "sha1 ", "sha1 x", "sha1 YQ==", "sha1  Kq5sNclPz7QV2+lfQIuc6R7oRu0="])
def test_a_malformed_checksum_is_refused(header: str) -> None:
    with pytest.raises((InvalidChecksum, UnknownChecksumAlgorithm)):
        parse_checksum(header)


@pytest.mark.parametrize("header", ["sha512 YQ==", "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "crc64 YQ=="])
def test_an_unknown_algorithm_is_refused_as_such(header: str) -> None:
    with pytest.raises(UnknownChecksumAlgorithm):
        parse_checksum(header)
