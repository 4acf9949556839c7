"""Names of files in headers: read in every spelling that clients use, written so that they can do no harm."""

import re
import time
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from adapters.inbound.common.file_names import (
    content_disposition,
    parse_filename,
    parse_part_names,
    parse_path_name,
)


def latin_1(text: str) -> str:
    """What a header's reader makes of UTF-8."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ('filename="a;b=c.txt"', "a;b=c.txt"),
        ("FileName = plain.txt ; x", "plain.txt"),
        ("filename=my file.txt", "my file.txt"),
        (latin_1('filename="łódź.txt"'), "łódź.txt"),
        ('filename="caf\xe9.txt"', "café.txt"),
        # WHATWG, and what was before it
        ('filename="say %22hi%22%0D%0A100%.txt"', 'say "hi"\r\n100%.txt'),
        (r'filename="say \"hi\" 100%22.txt"', 'say "hi" 100%22.txt'),
        ('filename="say "hi".txt"; x=y', 'say "hi".txt'),
        (r'filename="C:\fakepath\x.txt"', r"C:\fakepath\x.txt"),
        ('filename="left open.txt', "left open.txt"),
        # RFC 2047
        ('filename="=?utf-8?B?xYLDs2TFui50eHQ=?="', "łódź.txt"),
        ("filename==?UTF-8?Q?caf=C3=A9_x.txt?=", "café x.txt"),
        ('filename="=?iso-8859-1?Q?caf=E9?= =?iso-8859-1?Q?_x.txt?="', "café x.txt"),
        ('filename="=?gb2312?B?xOO6ww==?=.txt"', "你好.txt"),
        ('filename="=?x-own?Q?a?="', "=?x-own?Q?a?="),
        ('filename="=?utf-8?B?%%%?="', "=?utf-8?B?%%%?="),
        # RFC 8187, 2231
        ("filename*=UTF-8''%e2%82%ac%20rates.txt", "€ rates.txt"),
        ("filename*=\"iso-8859-1'en'caf%E9.txt\"", "café.txt"),
        ("filename*=bad.txt", "bad.txt"),
        ("filename*=zip''a", "zip''a"),
        ("filename*=UTF-8''", ""),
        ("filename=\"\"; filename*=UTF-8''a.txt", "a.txt"),
        ('filename*0="long "; filename*1="name.txt"', "long name.txt"),
        ("filename*0*=UTF-8''%e2%82; filename*1*=%ac; filename*2=.txt", "€.txt"),
        ('filename=""', ""),
        ("x=y", ""),
    ],
    ids=ascii,
)
def test_a_form_tells_a_name_in_many_spellings(parameter: str, name: str) -> None:
    assert parse_part_names(f'form-data; name="file"; {parameter}') == ("file", name)


def test_a_field_may_be_spelt_like_its_file() -> None:
    assert parse_part_names("form-data; name*=UTF-8''file; filename=a.txt") == ("file", "a.txt")
    assert parse_part_names(latin_1('form-data; filename="a.txt"; name="łódź"')) == ("łódź", "a.txt")


def test_a_request_prefers_the_name_that_is_spelt_out() -> None:
    # RFC 6266 §5, and percent signs that are none of a form's
    assert parse_filename("attachment; filename=\"EURO\"; filename*=utf-8''%e2%82%ac%20rates") == "€ rates"
    assert parse_filename('inline; filename="100%22.txt"') == "100%22.txt"
    assert parse_filename('inline; filename="=?utf-8?B?xYLDs2TFui50eHQ=?="') == "łódź.txt"
    assert parse_filename("inline") is None


def test_a_path_tells_a_name_percent_encoded_or_not() -> None:
    for path in ("caf%E9.txt", "caf%C3%A9.txt", "caf\xe9.txt", latin_1("café.txt")):
        assert parse_path_name(path) == "café.txt"


@pytest.mark.parametrize("piece", [';a="x', ';a="x;b="y', '"', "\\", ' "', ";a*0=x", "=?", "=?utf-8?B?x"])
def test_no_header_takes_long(piece: str) -> None:
    begun = time.process_time()
    header = "form-data" + piece * (16_000 // len(piece)) + ';filename="' + piece * (16_000 // len(piece)) + '"'
    parse_part_names(header)
    parse_filename(header)
    assert time.process_time() - begun < 0.5


@given(st.text(st.characters(max_codepoint=255), max_size=200))
def test_any_header_at_all_is_read(text: str) -> None:
    parse_part_names(f"form-data; {text}")
    parse_filename(f"inline; filename={text}")
    parse_path_name(text)


def test_a_plain_name_is_quoted() -> None:
    assert content_disposition("report 1.pdf") == 'attachment; filename="report 1.pdf"'
    assert content_disposition("a.png", inline=True) == 'inline; filename="a.png"'
    for no_name in ("", " ", ".", " .. "):
        assert content_disposition(no_name) == 'attachment; filename="unnamed"'


def test_a_name_beyond_ascii_is_told_both_ways() -> None:
    # RFC 6266 §5 has this very example
    assert content_disposition("\u20ac rates") == "attachment; filename=\"_ rates\"; filename*=UTF-8''%E2%82%AC%20rates"


@pytest.mark.parametrize(
    "name",
    [
        'a".exe; x="b',
        "a\r\nSet-Cookie: x=1",
        "a\nb",
        "a\0b",
        "back\\slash",
        "../../etc/passwd",
        "photo\u202egpj.exe",
        "\u2066x\u2069",
        "a\u2028b",
        "\ud800half",
        "100%41.txt",
        "it's; filename*=UTF-8''evil",
        "x" * 4096,
        "\u6587" * 4096 + ".txt",
        "\U0001f600" * 1000,
        "",
        " ",
        "\r\n",
        "\u202e",
    ],
)
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    check_disposition(content_disposition(name))


@given(st.text(st.characters(), max_size=300))
def test_no_text_at_all_breaks_out_of_its_header(name: str) -> None:
    check_disposition(content_disposition(name))


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=100))
def test_an_ordinary_name_arrives_as_it_was(name: str) -> None:
    assert check_disposition(content_disposition(name)) == name


def test_a_long_name_keeps_its_ending() -> None:
    assert check_disposition(content_disposition("\u6587" * 4096 + ".tar.gz")) == "\u6587" * 82 + ".tar.gz"
    assert check_disposition(content_disposition("\u6587" * 84 + ".gz")) == "\u6587" * 84 + ".gz"


def check_disposition(header: str) -> str:
    """Read it as RFC 6266 says, strictly; return the name a client would show."""
    found = re.fullmatch(
        r'attachment; filename="([ -!#-\[\]-~]+)"'
        r"(?:; filename\*=UTF-8''((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+))?",
        header,
    )
    assert found, header
    HTTPHeaders().add("Content-Disposition", header)  # Tornado refuses what could split a response
    assert len(header) < 3000
    name = found[1] if found[2] is None else unquote(found[2], errors="strict")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f/\\\u2028\u2029\u202a-\u202e\u2066-\u2069]", name)
    return name
