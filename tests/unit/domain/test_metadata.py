import pytest

from domain.errors import FileNotFound, InvalidMetadata, UploadNotFound
from domain.ids import parse_file_id, parse_upload_id
from domain.metadata import Metadata


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.txt", "b.txt"),
        ("", "unnamed"),
        ("a\0b", "ab"),
        ("/", "unnamed"),
        ("a\r\n\x1b[31m\u2028\x7f\x85b", "a[31mb"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u2066\u200fx\u2069", "x"),
        ("\u202e", "unnamed"),
        (".", "unnamed"),
        ("..", "unnamed"),
        ("../..", "unnamed"),
        ("a\\.\u202e.", "unnamed"),
        (" .. ", "unnamed"),
        ("  ", "unnamed"),
        ("...", "..."),
        (".bashrc", ".bashrc"),
        ("łódź ✓ 日本 שלום 👩‍👩‍👧.txt", "łódź ✓ 日本 שלום 👩‍👩‍👧.txt"),
    ],
)
def test_a_file_name_is_the_last_segment_of_what_was_sent(sent: str, name: str) -> None:
    assert Metadata.of(filename=sent).filename == name
    assert Metadata((("filename", sent.encode()),)).filename == name


def test_a_name_that_is_no_utf_8_is_latin_1() -> None:
    assert Metadata((("filename", b"caf\xe9.txt"),)).filename == "café.txt"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("x" * 255, "x" * 255),
        ("x" * 251 + ".txt", "x" * 251 + ".txt"),
        ("x" * 252 + ".txt", "x" * 251 + ".txt"),
        ("x" * 4096, "x" * 255),
        ("é" * 126 + ".txt", "é" * 125 + ".txt"),
        ("文" * 4096 + ".tar.gz", "文" * 82 + ".tar.gz"),
        ("😀" * 64, "😀" * 63),
        ("x" * 300 + ".verylongending-of-a-file", "x" * 255),
        ("x" * 300 + ". and so on", "x" * 255),
        ("a." + "b" * 300, "a." + "b" * 253),
        ("e\u0301" * 100 + ".jpg", "e\u0301" * 83 + ".jpg"),  # as macOS spells é: two letters that are one
        ("👩\u200d👧" * 30 + ".png", "👩\u200d👧" * 22 + ".png"),
        ("\u0301" * 300, "\u0301" * 127),
        ("folder/" * 900 + "x.txt", "x.txt"),
    ],
    ids=ascii,
)
def test_a_long_name_is_cut_between_two_characters_and_keeps_its_ending(sent: str, kept: str) -> None:
    assert Metadata.of(filename=sent).filename == kept
    assert len(kept.encode()) <= 255


@pytest.mark.parametrize(
    ("declared", "kept"),
    [
        ("image/PNG", "image/png"),
        ("text/html; charset=utf-8", "text/html"),
        ("nonsense", "application/octet-stream"),
        ("a/b\r\nX-Evil: 1", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_a_media_type_is_kept_if_it_is_one(declared: str | None, kept: str) -> None:
    assert Metadata.of(filename="x", media_type=declared).media_type == kept


def test_a_key_may_come_once() -> None:
    with pytest.raises(InvalidMetadata):
        Metadata((("a", b"1"), ("a", None)))


def test_there_is_a_limit_to_what_is_kept() -> None:
    Metadata(tuple((f"k{number}", b"") for number in range(64)))
    with pytest.raises(InvalidMetadata):
        Metadata(tuple((f"k{number}", b"") for number in range(65)))
    with pytest.raises(InvalidMetadata):
        Metadata((("a", bytes(17000)),))


@pytest.mark.parametrize("text", ["", "a" * 31, "a" * 33, "g" * 32, "../" + "a" * 29, "a" * 31 + "\n", "١" * 32])
def test_what_is_not_an_id_is_nothing_that_exists(text: str) -> None:
    with pytest.raises(UploadNotFound):
        parse_upload_id(text)
    with pytest.raises(FileNotFound):
        parse_file_id(text)


def test_the_case_of_an_id_says_nothing() -> None:
    assert parse_upload_id("0aB" + "F" * 29) == "0ab" + "f" * 29
    assert parse_file_id("0AB" + "f" * 29) == "0ab" + "f" * 29
