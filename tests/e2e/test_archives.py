"""Several files as one ZIP, by a link that needs no header."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.e2e.conftest import StartServer, everywhere
from tests.e2e.test_file_changes import JSON, patch, stored
from tests.e2e.test_owners import UNKNOWN
from tests.e2e.test_tokens import JWT, bearing, ours
from tests.e2e.test_visibility import CREDENTIAL, described
from tests.e2e.tus import Tus
from tests.support.processes.server import ServerProcess
from tests.support.tokens import ANNA, BERT, signed
from tests.support.wire import Http, Response

BIG = bytes(range(256)) * 4096
"""Several blocks."""


def asked(http: Http, told: object) -> Response:
    return http.request("POST", "/files/archive", [JSON], json.dumps(told).encode())


def made(http: Http, *ids: str, **told: str) -> Any:
    answer = asked(http, told or {"ids": ids})
    assert (answer.status, answer.header("Cache-Control")) == (201, "no-store"), answer
    return answer.json()


def contents(zipped: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@everywhere
def test_a_selection_is_one_zip_whole_and_from_any_byte(tus: Tus, http: Http, tmp_path: Path) -> None:
    files = [stored(tus, content, filename=name) for name, content in (("a.txt", b"1"), ("Ü 日.bin", BIG), ("0", b""))]
    same = stored(tus, b"22", filename="A.txt", relativePath="d/e/A.txt")
    archive = made(http, *files, files[0], same)
    head = http.request("HEAD", archive["url"])
    assert (head.status, head.header("Content-Length")) == (200, str(archive["size"]))
    # Before anybody has read it to its end: what a CRC-32 needs is read for it.
    end = http.get(archive["url"], ("Range", "bytes=-200"))
    whole = http.get(archive["url"])
    assert (whole.status, len(whole.body), archive["files"]) == (200, archive["size"], 4)
    assert contents(whole.body) == {"a.txt": b"1", "Ü 日.bin": BIG, "0": b"", "d/e/A.txt": b"22"}
    assert (whole.header("Content-Type"), whole.header("ETag")) == ("application/zip", head.header("ETag"))
    assert whole.header("Content-Disposition") == f'attachment; filename="{archive["name"]}"'
    assert whole.header("Cache-Control") == "no-store, no-transform"
    assert (end.status, end.body) == (206, whole.body[-200:])
    etag = str(whole.header("ETag"))
    for start in (1, 40, 60, 300_000, archive["size"] - 1):
        part = http.get(archive["url"], ("Range", f"bytes={start}-"), ("If-Range", etag))
        assert (part.status, part.body == whole.body[start:]) == (206, True), start
        assert part.header("Content-Range") == f"bytes {start}-{archive['size'] - 1}/{archive['size']}"
    assert http.get(archive["url"], ("If-None-Match", etag)).status == 304
    assert http.get(archive["url"], ("Range", f"bytes={archive['size']}-")).status == 416
    path = tmp_path / "a.zip"
    path.write_bytes(whole.body)
    done = subprocess.run(["unzip", "-tqq", path], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


@everywhere
def test_a_folder_is_one_zip_with_its_tree(tus: Tus, http: Http) -> None:
    for path in ("trip/a.txt", "trip/day 1/b.txt", "trip/day 1/b.txt", "trip2/c.txt", "trip"):
        stored(tus, path.encode(), filename=path.rpartition("/")[2], relativePath=path)
    archive = made(http, path="trip/")
    found = contents(http.get(archive["url"]).body)
    assert found == {
        "trip/a.txt": b"trip/a.txt",
        "trip/day 1/b.txt": b"trip/day 1/b.txt",
        "trip/day 1/b (2).txt": b"trip/day 1/b.txt",
    }
    assert archive["name"].startswith("trip 20")
    assert [*contents(http.get(made(http, path="trip/day 1")["url"]).body)] == [
        "trip/day 1/b.txt",
        "trip/day 1/b (2).txt",
    ]


def test_what_is_there_no_longer_is_told_before_the_first_byte(tus: Tus, http: Http) -> None:
    files = [stored(tus), stored(tus)]
    archive = made(http, *files)
    assert http.request("DELETE", f"/files/{files[1]}?undo=1").status == 204
    gone = http.get(archive["url"])
    assert (gone.status, gone.json()["code"]) == (410, "file_gone")
    assert http.request("POST", f"/files/{files[1]}/restore").status == 200
    before = http.get(archive["url"])
    assert before.status == 200
    assert patch(http, files[1], {"name": "b.txt"}).status == 200
    after = http.get(archive["url"], ("Range", "bytes=1-"), ("If-Range", str(before.header("ETag"))))
    assert (after.status, [*contents(after.body)]) == (200, ["a.txt", "b.txt"])


def test_bytes_that_are_gone_end_the_connection(tus: Tus, http: Http, module_server: ServerProcess) -> None:
    first, lost = stored(tus, BIG), stored(tus, b"lost" * 1000)
    url = made(http, first, lost)["url"]
    [blob] = [path for path in module_server.data_dir.rglob("*") if path.is_file() and path.name.startswith(lost)]
    blob.unlink()
    with http.connect() as connection:
        connection.send_head("GET", url)
        head = connection.receive_head()
        assert head.status == 200
        assert len(connection.drain(seconds=1)) < int(head.header("Content-Length") or 0)
        assert connection.ends(within=1)
    assert http.get("/health").status == 200


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({}, 400),
        ({"ids": [UNKNOWN], "path": "d/"}, 400),
        ({"ids": []}, 400),
        ({"ids": [7]}, 400),
        ({"ids": [UNKNOWN], "name": "a.zip"}, 400),
        ({"ids": [UNKNOWN] * 1001}, 400),
        ({"path": ".."}, 400),
        ({"path": 7}, 400),
        ([], 400),
        ({"ids": ["x"]}, 404),
        ({"ids": [UNKNOWN]}, 404),
        ({"path": "nowhere/"}, 404),
    ],
    ids=str,
)
def test_what_can_be_no_archive_is_none(http: Http, told: object, status: int) -> None:
    assert asked(http, told).status == status


def test_a_link_that_nobody_made_opens_nothing(tus: Tus, http: Http, module_server: ServerProcess) -> None:
    url = made(http, stored(tus))["url"]
    for link in ("/files/archive", "/files/archive?link=", f"/files/archive?link={UNKNOWN}", url[:-1], f"{url}&link=x"):
        answer = http.get(link)
        assert (answer.status, answer.json()["code"]) == (410, "link_expired"), link
    guarded = described(module_server, stored(tus), "private", CREDENTIAL)
    assert asked(http, {"ids": [guarded]}).status == 403


def test_by_the_link_alone_and_with_the_rights_of_its_maker(start_server: StartServer) -> None:
    server = start_server(**JWT, RATE_LIMIT="9/minute")
    http = Http(server.port)
    anna, bert = (bearing(http, signed(ours(who))) for who in (ANNA, BERT))
    own = stored(Tus(anna), b"hers")
    url = made(anna, own)["url"]
    assert asked(http, {"ids": [own]}).status == 401
    assert asked(bert, {"ids": [own]}).status == 404
    assert asked(bert, {"path": "d/"}).status == 404
    assert patch(anna, own, {"visibility": "public"}).status == 200
    lent = made(bert, own)["url"]
    for _ in range(20):  # which the rate limit does not count
        assert contents(http.get(lent).body) == {"a.txt": b"hers"}
    assert patch(anna, own, {"visibility": "private"}).status == 200
    assert http.get(lent).status == 410
    assert contents(http.get(url).body) == {"a.txt": b"hers"}
