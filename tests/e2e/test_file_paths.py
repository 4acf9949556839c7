"""A file's place in the folder that was dropped: told, and nothing else. Contract §2.9."""

import json

import pytest

from tests.e2e.conftest import everywhere
from tests.e2e.test_file_lists import listed
from tests.e2e.test_form_upload import Part, file_part, post
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http


def path_of(http: Http, file_id: str) -> str | None:
    record = http.get(f"/files/{file_id}").json()
    [same] = [file for file in listed(http)["uploads"] if file["id"] == file_id]
    assert same["path"] == record["path"]
    return None if record["path"] is None else str(record["path"])


@everywhere
def test_tus_tells_the_place_in_its_metadata(tus: Tus, http: Http) -> None:
    upload = tus.completed(b"hello", metadata(filename="a.txt", relativePath="Ürlaub/day 1/a.txt"))
    assert path_of(http, id_of(upload)) == "Ürlaub/day 1/a.txt"


def test_a_place_is_never_one_on_a_disk(tus: Tus, http: Http, module_server: ServerProcess) -> None:
    upload = tus.completed(b"hello", metadata(filename="a.txt", relativePath="../../../../tmp/evil/../a.txt"))
    assert path_of(http, id_of(upload)) == "tmp/evil/a.txt"
    assert not [path for path in module_server.data_dir.rglob("*") if path.name in ("evil", "a.txt")]


@pytest.mark.parametrize("told", ["null", "undefined", "", "..", "/"])
def test_no_place_is_none(tus: Tus, http: Http, told: str) -> None:
    assert path_of(http, id_of(tus.completed(b"hello", metadata(filename="a.txt", relativePath=told)))) is None
    assert path_of(http, id_of(tus.completed(b"hello", metadata(filename="a/b.txt", path="a/b.txt")))) is None


def _place(path: str, field: str = "relativePath") -> Part:
    return Part(f'; name="{field}"', path.encode())


def test_a_form_tells_places_before_its_files(http: Http) -> None:
    answers = [
        post(http, _place("d/a.txt"), file_part(b"1"), _place("d/e/b.txt", "webkitRelativePath"), file_part(b"2")),
        post(http, _place("d/a.txt"), _place("d/e/b.txt"), file_part(b"1"), file_part(b"2")),
        post(http, _place("d/a.txt"), file_part(b"1"), file_part(b"2")),
        post(http, file_part(b"1"), _place("d/a.txt"), file_part(b"2"), _place("x" * 20_000)),
    ]
    found = [[path_of(http, file["id"]) for file in answer.json()["files"]] for answer in answers]
    assert found == [["d/a.txt", "d/e/b.txt"], ["d/a.txt", "d/e/b.txt"], ["d/a.txt", None], [None, "d/a.txt"]]
    one = post(http, _place("null"), file_part(b"1")).json()
    assert path_of(http, one["file"]["id"]) is None
    assert "path" not in json.dumps(one)
