"""Programs that others wrote, against the real server: tus-js-client on Node, its own specs, and tuspy."""

import gc
import hashlib
import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError
from tusclient.storage import filestorage

from tests.e2e.tus import Tus, id_of
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require, require_program
from tests.support.wire import Http

CLIENTS = Path(__file__).resolve().parents[1] / "clients"
DEMO_SERVER = "https://tusd.tusdemo.net/files/"  # what tus-js-client's own specs talk to
SIZE = 6_000_011


@pytest.fixture(scope="module")
def endpoint(module_server: ServerProcess) -> str:
    return f"{module_server.url}/uploads"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SIZE random bytes."""
    file = tmp_path_factory.mktemp("files") / "sample.bin"
    file.write_bytes(os.urandom(SIZE))
    return file


# --- tus-js-client


def node(script: str, endpoint: str, path: Path, *more: str, protocol: str = "", timeout: float = 60) -> dict[str, Any]:
    """Run one of tests/clients and return what it reports; ``protocol``: another than tus 1.0.0."""
    program = require_program("node")
    if not (CLIENTS / "node_modules" / "tus-js-client").is_dir():
        require("tus-js-client", "run `npm ci --prefix tests/clients`")
    done = subprocess.run(
        [program, CLIENTS / script, endpoint, path, *more],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "TUS_PROTOCOL": protocol},
    )
    assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def assert_stored(tus: Tus, url: str, path: Path) -> None:
    target = urlsplit(url).path
    answer = tus.head(target)
    size = str(path.stat().st_size)
    assert (answer.header("Upload-Offset"), answer.header("Upload-Length")) == (size, size)
    assert hashlib.sha256(tus.content(target)).digest() == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.npm
@pytest.mark.parametrize(
    ("way", "requests"),
    [
        ("plain", [["POST", 201], ["PATCH", 204]]),
        ("during-creation", [["POST", 201]]),
        ("override", [["POST", 201], ["POST", 204]]),
    ],
)
def test_tus_js_client_uploads_a_whole_file(
    tus: Tus, endpoint: str, path: Path, way: str, requests: list[list[object]]
) -> None:
    report = node("whole.mjs", endpoint, path, way)
    assert report["requests"] == requests
    assert_stored(tus, report["url"], path)
    metadata = tus.head(urlsplit(report["url"]).path).header("Upload-Metadata") or ""
    pairs = (pair.partition(" ") for pair in metadata.split(","))
    sent = {key: b64decode(value).decode() for key, _, value in pairs}
    assert sent == {"filename": "słońce ☀.bin", "filetype": "application/x-own", "bare": ""}


@pytest.mark.npm
@pytest.mark.parametrize(
    ("way", "requests"),
    [("plain", [["POST", 201], ["PATCH", 409], ["HEAD", 200]]), ("during-creation", [["POST", 201]])],
)
def test_tus_js_client_need_not_send_what_is_there(
    tus: Tus, endpoint: str, tmp_path: Path, way: str, requests: list[list[object]]
) -> None:
    known = tmp_path / "known.bin"
    known.write_bytes(os.urandom(3_000_000))
    first = id_of(tus.completed(known.read_bytes()))
    tus.http.get(f"/files/{first}/content", ("Want-Repr-Digest", "sha-256=1"))
    report = node("known.mjs", endpoint, known, hashlib.sha256(known.read_bytes()).hexdigest(), way)
    assert report["requests"] == requests
    assert id_of(report["url"]) != first
    assert_stored(tus, report["url"], known)


@pytest.mark.npm
def test_tus_js_client_uploads_an_empty_file(tus: Tus, endpoint: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.bin"
    empty.touch()
    assert_stored(tus, node("whole.mjs", endpoint, empty)["url"], empty)


@pytest.mark.npm
def test_tus_js_client_uploads_in_chunks(tus: Tus, endpoint: str, path: Path) -> None:
    report = node("chunked.mjs", endpoint, path, "2000000")
    assert report["accepted"] == [2_000_000, 4_000_000, 6_000_000, SIZE]
    assert_stored(tus, report["url"], path)


@pytest.mark.npm
@pytest.mark.parametrize("chunk_size", [2_000_000, SIZE + 1])
def test_tus_js_client_uploads_a_stream_of_unknown_length(tus: Tus, endpoint: str, path: Path, chunk_size: int) -> None:
    assert_stored(tus, node("deferred.mjs", endpoint, path, str(chunk_size))["url"], path)


@pytest.mark.npm
def test_tus_js_client_pauses_and_another_process_resumes(tus: Tus, endpoint: str, tmp_path: Path) -> None:
    path = tmp_path / "long.bin"
    path.write_bytes(os.urandom(40_000_000))  # long enough to be paused on its way
    memory = str(tmp_path / "urls.json")
    paused = node("pause.mjs", endpoint, path, memory)
    assert 0 < paused["sent"] < paused["size"]
    target = urlsplit(paused["url"]).path
    offset = tus.offset(target)
    assert 0 < offset < paused["size"]
    assert id_of(target) in tus.open_uploads()
    resumed = node("resume.mjs", endpoint, path, memory)
    assert resumed["url"] == resumed["previous"] == paused["url"]
    assert [method for method, _ in resumed["requests"]] == ["HEAD", "PATCH"]
    assert resumed["first"] >= offset  # what was there is not sent again
    assert_stored(tus, resumed["url"], path)


@pytest.mark.npm
def test_tus_js_client_terminates(tus: Tus, endpoint: str, tmp_path: Path) -> None:
    path = tmp_path / "long.bin"
    path.write_bytes(os.urandom(20_000_000))
    report = node("terminate.mjs", endpoint, path)
    for url in (report["url"], report["completed"]):
        assert tus.head(urlsplit(url).path).status in (404, 410)
        assert tus.http.get(urlsplit(url).path).status in (404, 410)


@pytest.mark.npm
@pytest.mark.parametrize("count", [2, 5])
def test_tus_js_client_uploads_in_parallel(tus: Tus, endpoint: str, path: Path, count: int) -> None:
    report = node("parallel.mjs", endpoint, path, str(count))
    assert_stored(tus, report["url"], path)
    answer = tus.head(urlsplit(report["url"]).path)
    assert (answer.header("Upload-Concat") or "").startswith("final;")
    assert "filename " in (answer.header("Upload-Metadata") or "")
    assert "part " not in (answer.header("Upload-Metadata") or "")


# --- tuspy


# tuspy never closes the file it reads
leaves_files_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def tidy() -> Iterator[None]:
    """Finds what tuspy left open while the test's filter still forgives it."""
    yield
    gc.collect()


def tuspy(endpoint: str, path: Path, **options: Any) -> Any:
    """An uploader of tuspy's, whose annotations are too far from the truth to check against."""
    return TusClient(endpoint).uploader(str(path), **options)


@leaves_files_open
@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("upload_checksum", [False, True])
def test_tuspy_uploads_in_chunks(tus: Tus, endpoint: str, path: Path, upload_checksum: bool) -> None:
    uploader = tuspy(
        endpoint, path, chunk_size=1_500_000, metadata={"filename": "ż.bin"}, upload_checksum=upload_checksum
    )
    uploader.upload()
    assert_stored(tus, uploader.url, path)


@leaves_files_open
@pytest.mark.usefixtures("tidy")
def test_tuspy_uploads_without_metadata_and_with_a_slash(tus: Tus, endpoint: str, path: Path) -> None:
    uploader = tuspy(endpoint + "/", path)
    uploader.upload()
    assert_stored(tus, uploader.url, path)


@leaves_files_open
@pytest.mark.usefixtures("tidy")
def test_tuspy_resumes_where_it_stopped(tus: Tus, endpoint: str, path: Path, tmp_path: Path) -> None:
    memory: Any = filestorage
    urls = memory.FileStorage(str(tmp_path / "urls.json"))
    first = tuspy(endpoint, path, chunk_size=1_000_000, store_url=True, url_storage=urls, upload_checksum=True)
    first.upload(stop_at=3_000_000)
    assert tus.offset(urlsplit(first.url).path) == 3_000_000
    second = tuspy(endpoint, path, chunk_size=1_000_000, store_url=True, url_storage=urls, upload_checksum=True)
    assert (second.url, second.offset) == (first.url, 3_000_000)
    second.upload()
    urls.close()
    assert_stored(tus, second.url, path)


@leaves_files_open
@pytest.mark.usefixtures("tidy")
def test_tuspy_learns_that_its_upload_is_gone(tus: Tus, endpoint: str, path: Path) -> None:
    uploader = tuspy(endpoint, path, chunk_size=1_000_000)
    uploader.upload_chunk()
    tus.delete(urlsplit(uploader.url).path)
    with pytest.raises(TusCommunicationError) as refused:
        uploader.get_offset()
    assert refused.value.status_code in (404, 410)


# --- tus-js-client's own end-to-end specs


@pytest.mark.npm
@pytest.mark.timeout(180)
@pytest.mark.parametrize("spec", ["test-end-to-end.js", "test-end-to-end-node.js"])
def test_the_own_specs_of_tus_js_client_pass(http: Http, tmp_path: Path, spec: str) -> None:
    """``TUS_JS_CLIENT_SPECS`` names a built checkout with its dev dependencies; a copy gets our address.

    Not among what REQUIRE_SERVICES promises: the specs are no package, somebody has to check them out.
    """
    named = os.environ.get("TUS_JS_CLIENT_SPECS")
    if not named:
        pytest.skip("TUS_JS_CLIENT_SPECS names no checkout of tus-js-client: its own specs did not run")
    checkout = Path(named)
    if not (checkout / "test" / "spec" / spec).is_file():
        pytest.skip(f"this version of tus-js-client has no {spec}")
    done = _run_spec(require_program("node"), checkout, tmp_path, spec, f"http://127.0.0.1:{http.port}/uploads/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failures" in done.stdout, done.stdout


def _run_spec(program: str, checkout: Path, folder: Path, spec: str, endpoint: str) -> subprocess.CompletedProcess[str]:
    for entry in checkout.iterdir():
        if entry.name not in ("test", ".git"):
            (folder / entry.name).symlink_to(entry)
    shutil.copytree(checkout / "test", folder / "test")
    text = (folder / "test" / "spec" / spec).read_text()
    pattern = DEMO_SERVER.replace("/", r"\/").replace(".", r"\.")
    assert DEMO_SERVER in text and pattern in text, "the specs talk to another server than they used to"
    text = text.replace(DEMO_SERVER, endpoint).replace(pattern, endpoint.replace("/", r"\/").replace(".", r"\."))
    (folder / "test" / "spec" / spec).write_text(text)
    return subprocess.run(
        [program, checkout / "node_modules" / "jasmine" / "bin" / "jasmine.js", f"test/spec/{spec}"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
