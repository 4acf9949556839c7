"""What is the same however it is written, and what only looks so."""

import pytest

from adapters.inbound.common.uris import (
    Authority,
    Origin,
    authority_of,
    normal_path,
    origin_of,
    parse_authority,
    parse_host,
    parse_origin,
)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        *(("LocalHost", "localhost"), ("localhost.", "localhost"), ("%6Cocalhost", "localhost"), ("a_b-1", "a_b-1")),
        *(("[::1]", "::1"), ("::1", "::1"), ("[0:0:0::1]", "::1"), ("[::FFFF:127.0.0.1]", "127.0.0.1")),
        *(("[fe80::1%25eth0]", "fe80::1%eth0"), ("fe80::1%eth0", "fe80::1%eth0")),
        *(("m\u00fcnchen.example", "xn--mnchen-3ya.example"), ("XN--MNCHEN-3YA.example.", "xn--mnchen-3ya.example")),
        *(("", None), (".", None), ("a..b", None), ("a:80", None), ("u@h", None), ("[h]", None), ("a b", None)),
        *(("a" * 64 + ".example", None), ("h/p", None), ("h?", None), ("%", None), ("*", None), (".h", None)),
    ],
)
def test_a_host_is_a_name_or_an_address(text: str, host: str | None) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("h", Authority("h", None)),
        ("H.:443", Authority("h", 443)),
        ("h:", Authority("h", None)),  # RFC 3986 §3.2.3: as none
        ("[0::1]:8888", Authority("::1", 8888)),
        *((junk, None) for junk in ("", "::1", "h:x", "h:123456", "h,h", "u@h", "h/p", "h:1:2", "[::1", "h:\u0661")),
    ],
)
def test_an_authority_is_a_host_and_a_port(text: str, authority: Authority | None) -> None:
    assert parse_authority(text) == authority


def test_an_origin_has_neither_path_nor_user() -> None:
    assert parse_origin("HTTPS://H") == parse_origin("https://h.:443") == Origin("https", "h", 443)
    for junk in ("null", "", "h", "https://h/", "https://u@h", "https://h, https://h", "ftp://h", "file://"):
        assert parse_origin(junk) is None
    assert origin_of("https://h:8443/a/b") == Origin("https", "h", 8443)
    assert origin_of("") is None


def test_who_ends_tls_is_not_told() -> None:
    secure, odd = Origin("https", "h", 443), Origin("https", "h", 8443)
    assert all(secure.is_at(Authority("h", port)) for port in (None, 80, 443))
    assert not any(secure.is_at(other) for other in (Authority("h", 8443), Authority("g", None)))
    assert odd.is_at(Authority("h", 8443)) and not odd.is_at(Authority("h", None))


def test_an_address_stands_in_brackets_in_a_url() -> None:
    assert authority_of("::1", 80) == "[::1]:80"
    assert authority_of("fe80::1%eth0", 80) == "[fe80::1%25eth0]:80"
    assert (authority_of("localhost", 80), authority_of("127.0.0.1", 80)) == ("localhost:80", "127.0.0.1:80")


def test_what_need_not_be_escaped_is_the_same_unescaped() -> None:
    assert normal_path("/%75plo%61ds/%2d%7E") == "/uploads/-~"
    for kept in ("/a%2Fb", "/a%20b", "/%C3%A9", "/%25", "/%2", "/%zz", "/%"):
        assert normal_path(kept) == kept
    assert normal_path("/a%2fb") == "/a%2Fb"
    assert normal_path("/%2561") == "/%2561"  # once, never twice
