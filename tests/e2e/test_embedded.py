"""Programs that have us within them, as examples/ shows: an upload is cut in the middle, and gone on with."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.tus import BYTES, VERSION, Tus, metadata
from tests.support.ports import free_port
from tests.support.processes.process import ROOT, ChildProcess
from tests.support.until import until
from tests.support.wire import Header, Http

_CONTENT = os.urandom(5_000_000)
_CUT = 1_700_000


@dataclass(frozen=True)
class Program:
    name: str
    http: Http
    base: str
    process: ChildProcess


@pytest.fixture(
    scope="module", params=[("fastapi", "/store"), ("django", "/store"), ("asyncio", "")], ids=lambda p: p[0]
)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    name, base = request.param
    folder, port = tmp_path_factory.mktemp(name), free_port()
    command = [
        sys.executable,
        "-W",
        "error",
        str(ROOT / "examples" / f"with_{name}.py"),
        str(port),
        str(folder / "store"),
    ]
    process = ChildProcess(command, name=name, cwd=folder, log_path=folder / "log", environment=dict(os.environ))
    http = Http(port, (("X-User", "alice"),))
    with process:
        until(lambda: not process.alive or _answers(http), within=20)
        assert process.alive, process.log_tail()
        yield Program(name, http, base, process)
        process.end(within=10)
        assert "Traceback" not in process.log(), process.log()


def _answers(http: Http) -> bool:
    try:
        return http.get("/nothing").status in (404, 401)
    except OSError:
        return False


def begin(program: Program, length: int, *headers: Header) -> str:
    answer = program.http.request(
        "POST", f"{program.base}/uploads", [VERSION, ("Upload-Length", str(length)), *headers]
    )
    assert answer.status == 201, answer
    location = answer.header("Location") or ""
    assert location.startswith(f"{program.base}/uploads/")
    return location


def test_an_upload_that_is_cut_goes_on_where_it_was(program: Program) -> None:
    tus = Tus(program.http)
    target = begin(program, len(_CONTENT), metadata(filename="waves é.bin"))
    cut = tus.begin_patch(target, 0, len(_CONTENT), _CONTENT[:_CUT])
    cut.drain(seconds=0.3)
    cut.reset()
    until(lambda: tus.offset(target) == _CUT, within=5)
    answer = tus.patch(target, _CUT, _CONTENT[_CUT:])
    assert (answer.status, answer.header("Upload-Offset")) == (204, str(len(_CONTENT)))
    content = target.replace("/uploads/", "/files/") + "/content"
    assert program.http.get(content).body == _CONTENT
    ranged = program.http.get(content, ("Range", "bytes=10-19"))
    assert (ranged.status, ranged.body) == (206, _CONTENT[10:20])
    assert program.http.request("HEAD", content).header("Content-Length") == str(len(_CONTENT))


def test_whole_files_links_and_lists_are_as_they_are_with_a_server(program: Program) -> None:
    http, base = program.http, program.base
    put = http.request("PUT", f"{base}/upload/100%25%20caf%C3%A9.txt", body=b"one")
    assert put.status == 201, put
    about = http.get(put.header("Location") or "").json()
    assert put.body.decode() == f"http://127.0.0.1:{http.port}{base}/files/{about['id']}/content\n"
    assert (about["name"], about["size"]) == ("100% café.txt", 3)
    assert about["url"] == f"{base}/files/{about['id']}/content"
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="b.txt"\r\n\r\ntwo\r\n--x--\r\n'
    posted = http.request("POST", f"{base}/upload", [("Content-Type", "multipart/form-data; boundary=x")], form)
    assert posted.status == 200 and http.get(posted.json()["file"]["url"]).body == b"two"
    listed = http.get(f"{base}/uploads?state=completed").json()["uploads"]
    assert {"100% café.txt", "b.txt"} <= {file["name"] for file in listed}
    assert http.request("DELETE", f"{base}/files/{about['id']}").status == 204
    assert http.get(f"{base}/files/{about['id']}").status == 404


def test_refusals_are_in_our_words_and_foreign_pages_may_change_nothing(program: Program) -> None:
    http, base = program.http, program.base
    unknown = http.request("HEAD", f"{base}/uploads/{'0' * 32}", [VERSION])
    assert (unknown.status, unknown.header("Tus-Resumable")) == (404, "1.0.0")
    wrong = http.request("PATCH", begin(program, 5), [VERSION, BYTES, ("Upload-Offset", "3")], b"hello")
    assert (wrong.status, wrong.json()["code"]) == (409, "offset_mismatch")
    foreign = http.request(
        "POST", f"{base}/uploads", [VERSION, ("Upload-Length", "5"), ("Origin", "https://evil.example")]
    )
    assert (foreign.status, foreign.json()["code"]) == (403, "forbidden")
    options = http.request("OPTIONS", f"{base}/uploads")
    assert options.status == 204 and "creation" in options.words("Tus-Extension")
    assert http.request("PUT", f"{base}/uploads").status == 405


def test_everybody_has_their_own(program: Program) -> None:
    """Where the program says who calls, as the example of FastAPI does."""
    stranger = Http(program.http.port)
    bert = Http(program.http.port, (("X-User", "bert"),))
    found = bert.request("HEAD", begin(program, 5), [VERSION]).status
    nobody = stranger.request("POST", f"{program.base}/uploads", [VERSION, ("Upload-Length", "5")]).status
    assert (found, nobody) == ((404, 401) if program.name == "fastapi" else (200, 201))


def test_a_signed_link_opens_to_whoever_has_it(program: Program) -> None:
    put = program.http.request("PUT", f"{program.base}/upload/waves.txt", body=b"waves")
    made = program.http.request("POST", f"{put.header('Location')}/links")
    assert made.status == 201, made
    stranger = Http(program.http.port)
    assert stranger.get(made.json()["url"]).body == b"waves"
    assert stranger.request("OPTIONS", f"{program.base}/uploads").status == 204
