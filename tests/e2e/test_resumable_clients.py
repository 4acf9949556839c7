"""The IETF's resumable uploads by programs that others wrote: tus-js-client on Node, and curl."""

import hashlib
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.ietf import COMPLETE, Ietf
from tests.e2e.test_real_clients import node
from tests.e2e.tus import Tus, id_of
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require_program
from tests.support.wire import Http

SIZE = 6_000_011
# Interop versions 6 and 5. The client's pages name them by the drafts that began them.
PROTOCOLS = {"ietf-draft-05": 6, "ietf-draft-03": 5}

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture(scope="module")
def endpoint(module_server: ServerProcess) -> str:
    return f"{module_server.url}/uploads"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SIZE random bytes."""
    file = tmp_path_factory.mktemp("files") / "sample.bin"
    file.write_bytes(os.urandom(SIZE))
    return file


def assert_stored(http: Http, url: str, path: Path, *, version: int = 8) -> None:
    target = urlsplit(url).path
    assert Ietf(http, version).stands(target) == ("?1", path.stat().st_size)
    content = Ietf(http).content(target)
    assert hashlib.sha256(content).digest() == hashlib.sha256(path.read_bytes()).digest()


# --- tus-js-client


@pytest.mark.npm
@each_protocol
@pytest.mark.parametrize(
    ("way", "methods"), [("plain", ["POST", "PATCH"]), ("during-creation", ["POST"]), ("override", ["POST", "POST"])]
)
def test_tus_js_client_uploads_a_whole_file(
    module_server: ServerProcess, path: Path, protocol: str, way: str, methods: list[str]
) -> None:
    http = Http(module_server.port)
    report = node("whole.mjs", f"{module_server.url}/uploads", path, way, protocol=protocol)
    assert report["requests"] == [[method, 201] for method in methods]
    assert_stored(http, report["url"], path, version=PROTOCOLS[protocol])
    about = http.get(f"/files/{id_of(urlsplit(report['url']).path)}").json()
    assert (about["name"], about["media_type"]) == ("słońce ☀.bin", "application/x-own")


@pytest.mark.npm
@each_protocol
def test_tus_js_client_uploads_in_chunks(http: Http, endpoint: str, path: Path, protocol: str) -> None:
    report = node("chunked.mjs", endpoint, path, "2000000", "buffer", protocol=protocol)
    assert report["accepted"] == [2_000_000, 4_000_000, 6_000_000, SIZE]
    assert_stored(http, report["url"], path)


@pytest.mark.npm
@each_protocol
def test_of_a_stream_in_chunks_tus_js_client_does_not_say_that_it_is_whole(
    http: Http, endpoint: str, path: Path, protocol: str
) -> None:
    """It sends ?0 with the last chunk and takes the offset for the end; every byte is there, one word is missing."""
    target = urlsplit(node("chunked.mjs", endpoint, path, "2000000", protocol=protocol)["url"]).path
    assert Ietf(http).stands(target) == ("?0", SIZE)
    assert Ietf(http).patch(target, SIZE, b"", COMPLETE).status == 201
    assert_stored(http, target, path)


@pytest.mark.npm
@each_protocol
@pytest.mark.parametrize("chunk_size", [2_000_000, SIZE + 1])
def test_tus_js_client_uploads_a_stream_of_unknown_length(
    http: Http, endpoint: str, path: Path, protocol: str, chunk_size: int
) -> None:
    report = node("deferred.mjs", endpoint, path, str(chunk_size), protocol=protocol)
    assert_stored(http, report["url"], path)


@pytest.mark.npm
@each_protocol
def test_tus_js_client_pauses_and_another_process_resumes(
    http: Http, tus: Tus, endpoint: str, tmp_path: Path, protocol: str
) -> None:
    path = tmp_path / "long.bin"
    path.write_bytes(os.urandom(40_000_000))  # long enough to be paused on its way
    memory = str(tmp_path / "urls.json")
    paused = node("pause.mjs", endpoint, path, memory, protocol=protocol)
    assert 0 < paused["sent"] < paused["size"]
    target = urlsplit(paused["url"]).path
    completeness, offset = Ietf(http, PROTOCOLS[protocol]).stands(target)
    assert completeness == "?0"
    assert 0 < offset < paused["size"]
    assert id_of(target) in tus.open_uploads()
    resumed = node("resume.mjs", endpoint, path, memory, protocol=protocol)
    assert resumed["url"] == resumed["previous"] == paused["url"]
    assert resumed["requests"] == [["HEAD", 204], ["PATCH", 201]]
    assert resumed["first"] >= offset  # what was there is not sent again
    assert_stored(http, resumed["url"], path)


# --- curl


def curl(*arguments: str | Path) -> str:
    """Run curl, which has to succeed; its standard output."""
    done = subprocess.run(
        [require_program("curl"), "--silent", "--show-error", "--max-time", "30", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def spoken(*headers: str) -> list[str]:
    return [word for header in ("Upload-Draft-Interop-Version: 8", *headers) for word in ("-H", header)]


def fields(head: str) -> dict[str, str]:
    """Of the last response that curl printed."""
    last = head.replace("\r\n", "\n").strip().split("\n\n")[-1]
    pairs = (line.partition(":") for line in last.split("\n")[1:])
    return {name.lower(): value.strip() for name, _, value in pairs}


@pytest.mark.parametrize("framing", [[], ["-H", "Transfer-Encoding: chunked"]])
def test_curl_uploads_a_whole_file(http: Http, endpoint: str, path: Path, framing: list[str]) -> None:
    named = 'Content-Disposition: inline; filename="curl.bin"'
    printed = curl("-X", "POST", "-T", path, "-D", "-", "-o", "/dev/null", *spoken("Upload-Complete: ?1", named),
                   *framing, endpoint)  # fmt: skip
    statuses = [line.split()[1] for line in printed.splitlines() if line.startswith("HTTP/1.1")]
    assert (statuses[0], statuses[-1]) == ("104", "201")
    assert "100" in statuses  # curl waits for it before it sends a large body
    target = fields(printed)["location"]
    assert_stored(http, target, path)
    assert http.get(f"/files/{id_of(target)}").json()["name"] == "curl.bin"


def test_curl_is_cut_and_goes_on(http: Http, module_server: ServerProcess, endpoint: str, path: Path) -> None:
    head = path.with_suffix(".head")
    cut = subprocess.run(
        [require_program("curl"), "-sS", "-X", "POST", "-T", path, "-D", head, "--limit-rate", "1M", "--max-time", "2",
         *spoken("Upload-Complete: ?1"), endpoint],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert cut.returncode == 28, cut.stderr  # its time is over
    announced = head.read_text().replace("\r\n", "\n").split("\n\n")[0]
    target = next(line.split(": ")[1] for line in announced.split("\n") if line.lower().startswith("location"))
    url = module_server.url + target
    found = fields(curl("-I", *spoken(), url))
    offset = int(found["upload-offset"])
    assert (found["upload-complete"], found["upload-length"]) == ("?0", str(SIZE))
    assert 0 < offset < SIZE
    rest = path.with_suffix(".rest")
    rest.write_bytes(path.read_bytes()[offset:])
    append = spoken("Upload-Complete: ?1", f"Upload-Offset: {offset}", "Content-Type: application/partial-upload")
    printed = curl("-X", "PATCH", "-T", rest, "-D", "-", "-o", "/dev/null", *append, url)
    assert fields(printed)["upload-complete"] == "?1"
    assert_stored(http, target, path)
