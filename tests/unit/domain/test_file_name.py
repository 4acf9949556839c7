import pytest

from domain.file_name import MAX_PATH_BYTES, file_path, folded


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("holiday/day 1/a.jpg", "holiday/day 1/a.jpg"),
        ("a.jpg", "a.jpg"),
        ("/holiday//./a.jpg", "holiday/a.jpg"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/../../b", "a/b"),
        ("..\\..\\windows\\a.txt", "windows/a.txt"),
        ("a/ .. /b", "a/b"),
        ("a/.\u202e./b", "a/b"),
        ("a\0/b\r\n\x1b[31m/c", "a/b[31m/c"),
        ("photo\u202egpj/a.exe", "photogpj/a.exe"),
        ("Ü/日本/👩‍👩‍👧.png", "Ü/日本/👩‍👩‍👧.png"),
        ("", None),
        ("/", None),
        ("..", None),
        ("../..", None),
        ("null", None),  # what Uppy says of a file without a folder
        ("undefined", None),
    ],
)
def test_a_path_is_a_place_in_a_folder_and_no_way_out_of_it(told: str, path: str | None) -> None:
    assert file_path(told) == path


@pytest.mark.parametrize("told", ["a/" * 8000 + "x.txt", "é" * 5000 + "/x.txt", "/".join(["é" * 120] * 20) + "/x.txt"])
def test_a_path_is_bounded_and_its_name_stays(told: str) -> None:
    path = file_path(told)
    assert path is not None
    assert len(path.encode()) <= MAX_PATH_BYTES
    assert path.endswith("/x.txt")


@pytest.mark.parametrize(
    ("one", "other"), [("A.TXT", "a.txt"), ("ÄRGER", "ärger"), ("A\u0308", "ä"), ("STRASSE", "straße"), ("Σ", "ς")]
)
def test_names_that_differ_in_case_or_spelling_alone_are_folded_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)
