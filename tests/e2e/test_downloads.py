"""Downloads by programs that others wrote, many at once, and by those who mean harm."""

import hashlib
import http.client
import os
import select
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.tus import Tus, id_of, metadata
from tests.support.processes.process import ChildProcess
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require_program
from tests.support.until import until
from tests.support.wire import Http

SIZE = 12_000_017
MANY_SIZE = 5_000_000


@pytest.fixture(scope="module")
def data() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture(scope="module")
def target(tus: Tus, data: bytes) -> str:
    upload = tus.completed(data, metadata(filename='film "1".bin'))
    return f"/files/{id_of(upload)}/content"


@pytest.fixture(scope="module")
def url(module_server: ServerProcess, target: str) -> str:
    return module_server.url + target


def run(*command: str | Path, folder: Path, code: int = 0) -> str:
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, (command, done.stderr)
    return done.stdout + done.stderr


# --- programs that others wrote


def test_curl_goes_on_where_it_was(url: str, data: bytes, tmp_path: Path) -> None:
    curl, copy = require_program("curl"), tmp_path / "copy"
    copy.write_bytes(data[:5_000_000])
    run(curl, "-sS", "-f", "-C", "-", "-o", copy, url, folder=tmp_path)
    assert copy.read_bytes() == data
    run(curl, "-sS", "-C", "-", "-o", copy, url, folder=tmp_path)  # 416 with Content-Range: nothing is left to do
    assert copy.read_bytes() == data


def test_curl_cuts_ranges_out(url: str, data: bytes, tmp_path: Path) -> None:
    for asked, start, end in (("0-99", 0, 100), ("-7", SIZE - 7, SIZE), ("500-", 500, SIZE)):
        run(require_program("curl"), "-sS", "-f", "-r", asked, "-o", "part", url, folder=tmp_path)
        assert (tmp_path / "part").read_bytes() == data[start:end]


def test_curl_gives_the_file_its_name(url: str, data: bytes, tmp_path: Path) -> None:
    run(require_program("curl"), "-sS", "-f", "-OJ", url, folder=tmp_path)
    [file] = tmp_path.iterdir()
    assert file.name == "film _1_.bin"
    assert file.read_bytes() == data


def test_curl_cut_off_in_the_middle_goes_on(url: str, data: bytes, tmp_path: Path) -> None:
    curl, copy = require_program("curl"), tmp_path / "copy"
    with ChildProcess([curl, "-sS", "--limit-rate", "20M", "-o", copy, url], cwd=tmp_path):
        until(lambda: copy.exists() and copy.stat().st_size, within=20, every=0.005)
    assert 0 < copy.stat().st_size < SIZE
    run(curl, "-sS", "-f", "-C", "-", "-o", copy, url, folder=tmp_path)
    assert copy.read_bytes() == data


def test_wget_goes_on_where_it_was(url: str, data: bytes, tmp_path: Path) -> None:
    wget, copy = require_program("wget"), tmp_path / "content"
    copy.write_bytes(data[:7_000_000])
    said = run(wget, "-c", url, folder=tmp_path)
    assert "206 Partial Content" in said
    assert copy.read_bytes() == data
    assert "fully retrieved" in run(wget, "-c", url, folder=tmp_path)


# --- many at once


def test_a_hundred_readers_leave_the_server_responsive(tus: Tus, module_server: ServerProcess) -> None:
    """First they read nothing and their sockets are full, then all read at once: others are answered all the while."""
    data = os.urandom(MANY_SIZE)
    target = f"/files/{id_of(tus.completed(data))}/content"
    readers = {_begin(module_server.port, target): 0 for _ in range(100)}
    digests = {reader: hashlib.sha256() for reader in readers}
    answered = 0
    try:
        assert len(select.select(list(readers), [], [], 20)[0]) > 0
        while unfinished := [reader for reader, size in readers.items() if size < MANY_SIZE]:
            assert tus.http.get("/health").status == 200
            answered += 1
            for reader in select.select(unfinished, [], [], 20)[0]:
                block = reader.recv(1 << 18)
                assert block, "cut off"
                digests[reader].update(block)
                readers[reader] += len(block)
    finally:
        for reader in readers:
            reader.close()
    assert answered > 10
    assert {digest.digest() for digest in digests.values()} == {hashlib.sha256(data).digest()}


def _begin(port: int, target: str) -> socket.socket:
    """A download of which the head has been read."""
    reader = socket.create_connection(("127.0.0.1", port), timeout=20)
    reader.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += reader.recv(1)
    assert head.startswith(b"HTTP/1.1 200 ")
    return reader


# --- those who mean harm


STRANGE_RANGES = [
    "bytes=0-0,1-1,2-2",
    "bytes=" + ",".join(f"{number}-{number}" for number in range(3000)),
    "bytes=0-,0-,0-,0-",
    "bytes=-1,-2,-3",
    "bytes=0-1;q=2",
    "bytes=0-18446744073709551616",
    "bytes=-18446744073709551616",
    "bytes=18446744073709551616-",
    "bytes=0x0-0x10",
    "bytes=1e3-",
    "bytes=--1",
    "bytes=" + "0" * 5000 + "-",
]


@pytest.mark.parametrize("asked", STRANGE_RANGES, ids=lambda asked: asked[:24])
def test_no_range_costs_more_than_the_file(http: Http, target: str, data: bytes, asked: str) -> None:
    answer = http.get(target, ("Range", asked))
    assert answer.status in (200, 206, 416)
    assert answer.status != 200 or answer.body == data
    assert len(answer.body) <= SIZE
    assert "multipart" not in (answer.header("Content-Type") or "")


def test_nobody_on_the_way_may_change_the_bytes(http: Http, target: str) -> None:
    """A proxy that compresses makes ranges, digests and lengths lie."""
    upload = target.replace("/files/", "/uploads/").removesuffix("/content")
    for path, headers in ((target, ()), (target, (("Range", "bytes=0-4"),)), (upload, (("Range", "bytes=-5"),))):
        for method in ("GET", "HEAD") if path == target else ("GET",):
            told = http.request(method, path, headers).words("Cache-Control")
            assert {"private", "no-transform"} <= told


def test_two_range_headers_are_no_way_around(http: Http, target: str, data: bytes) -> None:
    answer = http.get(target, ("Range", "bytes=0-0"), ("Range", "bytes=1-1"))
    assert (answer.status, answer.body) == (200, data) or answer.status in (206, 400, 416)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ('"; filename="evil.exe', "attachment"),
        ("a.png\"; filename*=UTF-8''evil.html", "attachment"),
        ("a\r\nContent-Type: text/html\r\n\r\n<script>", "attachment"),
        ("a\nSet-Cookie: x=1", "attachment"),
        ("\u202egnp.exe", "attachment"),
        ("\u2066a\u2069.txt", "attachment"),
        ("x" * 4096 + ".png", "attachment"),
        ("é" * 2000, "attachment"),
        ("..\\..\\a.exe", "attachment"),
        ("%0d%0aX: y", "attachment"),
    ],
    ids=ascii,
)
def test_a_name_is_never_more_than_a_name(tus: Tus, module_server: ServerProcess, name: str, says: str) -> None:
    """As a strict parser that is not ours reads the head."""
    target = f"/files/{id_of(tus.completed(b'x', metadata(filename=name)))}/content"
    connection = http.client.HTTPConnection("127.0.0.1", module_server.port, timeout=20)
    connection.request("GET", target)
    answer = connection.getresponse()
    assert answer.read() == b"x"
    connection.close()
    assert len(answer.headers.get_all("Content-Disposition") or []) == 1
    assert answer.headers.get_content_disposition() == says
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert not {"set-cookie", "x"} & {key.lower() for key in answer.headers}
    shown = answer.headers.get_filename() or ""
    assert not set(shown) & set('\r\n"/\\\u202e\u2066') and 0 < len(shown.encode()) <= 255


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "image/svg"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_page_of_theirs_runs_under_our_name(tus: Tus, http: Http, media_type: str, method: str) -> None:
    page = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    upload = tus.completed(page, metadata(filename="a.svg", filetype=media_type))
    for target in (f"/files/{id_of(upload)}/content", upload):
        if method == "HEAD" and target == upload:
            continue  # that is tus's own
        for headers in ([], [("Range", "bytes=0-9")], [("If-Match", "*")]):
            answer = http.request(method, target, headers)
            assert (answer.header("Content-Disposition") or "").startswith("attachment;")
            assert answer.header("X-Content-Type-Options") == "nosniff"
            assert answer.header("Content-Security-Policy") == "default-src 'none'; sandbox"
