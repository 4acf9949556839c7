"""The files of ``deploy`` at work: nginx in front of a real server, systemd's own look at the units."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.ietf import MORE, interop
from tests.e2e.tus import BYTES, VERSION, id_of, target_of
from tests.support.ports import free_port
from tests.support.processes.nginx import Nginx
from tests.support.processes.process import ROOT
from tests.support.processes.server import ServerProcess
from tests.support.wire import Header, Http, Response, WebSocket

DEPLOY = ROOT / "deploy"
ELSEWHERE = "https://elsewhere.example"


class Front(NamedTuple):
    """The server, the way to it, the path that it is below, and what is in front."""

    server: ServerProcess
    http: Http
    path: str
    nginx: Nginx


@pytest.fixture(scope="module", params=["/", "/files-of/"], ids=["at the root", "below a path"])
def front(
    request: pytest.FixtureRequest, start_module_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    prefix, port = str(request.param), free_port()
    folder = tmp_path_factory.mktemp("nginx")
    server = start_module_server(
        PUBLIC_URL=f"https://127.0.0.1:{port}{prefix.rstrip('/')}",
        TRUSTED_PROXIES="127.0.0.1",
        CORS_ORIGINS=ELSEWHERE,
        STORAGE_PATH=f"{folder}/storage",
        X_ACCEL_LOCATION="/longshore-stored/",
    )
    text = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        ("127.0.0.1:8888", f"127.0.0.1:{server.port}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("server_name files.example.org", "server_name 127.0.0.1"),
        ("/etc/nginx/certificate.pem", f"{folder}/certificate.pem"),
        ("/etc/nginx/key.pem", f"{folder}/key.pem"),
        ("/var/lib/longshore/storage/", f"{folder}/storage/"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    if prefix != "/":
        text = text.replace("location / {", f"location {prefix} {{").replace("//longshore;", "//longshore/;")
    nginx = Nginx(folder)
    nginx.site(port, text)
    with nginx:
        yield Front(server, Http(port, tls=nginx.trust), prefix.rstrip("/"), nginx)


def test_an_upload_goes_through_and_its_links_lead_back(front: Front) -> None:
    _, http, path, _ = front
    created = http.request("POST", f"{path}/uploads", [VERSION, ("Upload-Length", "5")])
    target = target_of(created)
    assert target.startswith(f"{path}/uploads/")
    assert http.request("PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0")], b"hello").status == 204
    assert http.get(f"{path}/files/{id_of(target)}/content").body == b"hello"
    assert http.get(f"{path}/docs").status == http.get(f"{path}/openapi.json").status == 200


def test_bodies_go_on_as_they_come(front: Front) -> None:
    """What came of one is there while its sender still sends; a proxy that gathers it would show nothing."""
    _, http, path, _ = front
    target = target_of(http.request("POST", f"{path}/uploads", [VERSION, ("Upload-Length", str(64 << 20))]))
    socket = WebSocket.open(http, f"{path}/ws/progress?upload_id={id_of(target)}")
    with http.connect() as sending:
        sending.send_head("PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0"), ("Content-Length", str(64 << 20))])
        sending.send(bytes(20 << 20))
        offsets = (message.get("offset", 0) for message in socket.messages(within=20))
        assert next(offset for offset in offsets if offset >= 8 << 20)
    socket.close()


def test_the_request_behind_one_that_could_have_been_told_its_url_is_answered_at_once(front: Front) -> None:
    """nginx takes an interim response for the last one, and the next request would wait."""
    _, http, path, _ = front
    with http.connect() as connection:
        connection.send_head("POST", f"{path}/uploads", [interop(8), MORE, ("Content-Length", "0")])
        target = target_of(created := connection.receive("POST"))
        assert created.interim == ()
        connection.send_head("HEAD", target, [interop(8)])
        assert connection.receive("HEAD", within=5).header("Upload-Offset") == "0"


def test_streams_are_live(front: Front) -> None:
    _, http, path, _ = front
    with http.connect() as stream:
        stream.send_head("GET", f"{path}/events?scope=mine")
        assert stream.receive_head().status == 200
        assert http.request("PUT", f"{path}/upload/a.txt", [], b"hello").status == 201
        told = b""
        while b"event: upload.completed" not in told:
            told += stream.take(1)


def stored(http: Http, path: str, content: bytes, name: str = "a.txt") -> str:
    """The address of its content."""
    link = http.request("PUT", f"{path}/upload/{name}", [], content).body.decode()
    return urlsplit(link.strip()).path


def _kept(answer: Response) -> list[tuple[str, str]]:
    """Without what differs between two replies of one server anyway."""
    own = {"server", "date", "connection", "x-request-id"}
    return sorted((name.lower(), text) for name, text in answer.headers if name.lower() not in own)


@pytest.mark.parametrize("headers", [(), (("Origin", ELSEWHERE),)], ids=["here", "elsewhere"])
@pytest.mark.parametrize("asked", ["", "bytes=2-4", "bytes=-3", "bytes=6-", "bytes=0-1,3-4"])
def test_a_file_that_nginx_sends_is_as_we_send_it(front: Front, asked: str, headers: tuple[Header, ...]) -> None:
    server, http, path, _ = front
    target = stored(http, path, b"hello, world", "%D1%8F%20%22.html")
    headers = (*headers, ("Want-Repr-Digest", "sha-256=1"), *([("Range", asked)] if asked else []))
    theirs = http.get(target, *headers)
    ours = http.get(target, *headers, ("If-None-Match", '"another"'))  # conditions are ours to judge
    assert (theirs.status, theirs.body) == (ours.status, ours.body)
    assert _kept(theirs) == _kept(ours)
    told = Http(server.port).get(target.removeprefix(path), *headers)  # as nginx itself is told
    assert told.header("X-Accel-Redirect") is not None and told.body == b""


def test_what_nginx_sends_is_given_to_nobody_but_by_our_word(front: Front) -> None:
    server, http, path, _ = front
    target = stored(http, path, b"hello, world")
    place = Http(server.port).get(target.removeprefix(path)).header("X-Accel-Redirect")
    assert place is not None and place.startswith("/longshore-stored/blobs/")
    assert http.get(place).status == 404
    assert http.get(target, ("X-Accel-Redirect", place), ("X-Accel-Mapping", "/=/etc/")).body == b"hello, world"
    assert http.request("DELETE", target.removesuffix("/content")).status == 204
    assert http.get(target).status == 404


def test_what_is_deleted_while_nginx_sends_it_comes_to_its_end(front: Front) -> None:
    _, http, path, _ = front
    content = bytes(range(256)) * (48 << 12)  # more than sockets hold
    target = stored(http, path, content)
    with http.connect() as reading:
        reading.send_head("GET", target)
        assert reading.receive_head().status == 200
        assert http.request("DELETE", target.removesuffix("/content")).status == 204
        assert hashlib.sha256(reading.take(len(content))).digest() == hashlib.sha256(content).digest()


_MIB = 1 << 20
_TEN_GIB = 10 << 30


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("front", ["/"], indirect=True)
def test_ten_gibibytes_go_in_by_one_patch_and_out_again_in_little_memory(front: Front) -> None:
    server, http, _, nginx = front
    block = hashlib.sha256(b"a block").digest() * (_MIB // 32)
    before = [_peak_mib(pid) for pid in (server.pid, nginx.pid)]
    target = target_of(http.request("POST", "/uploads", [VERSION, ("Upload-Length", str(_TEN_GIB))]))
    with http.connect() as sending:
        sending.send_head("PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0"), ("Content-Length", str(_TEN_GIB))])
        for number in range(_TEN_GIB // _MIB):
            sending.send(block)
            if number == 5000:  # what nginx gathered first would not be there
                assert http.get(target).json()["offset"] > 4000 * _MIB
        assert sending.receive("PATCH", within=60).status == 204
    content = f"/files/{id_of(target)}/content"
    with http.connect() as reading:
        reading.send_head("GET", content)
        assert reading.receive_head().header("Content-Length") == str(_TEN_GIB)
        assert all(reading.take(_MIB) == block for _ in range(_TEN_GIB // _MIB))
    grown = [_peak_mib(pid) - size for pid, size in zip((server.pid, nginx.pid), before, strict=True)]
    assert max(grown) < 60, grown
    assert http.request("DELETE", content.removesuffix("/content")).status == 204


def _peak_mib(pid: int) -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


@pytest.mark.parametrize("name", ["x-user-id", "x-guest-id", "x-user-scope"])
def test_nobody_outside_says_who_calls(front: Front, name: str) -> None:
    _, http, path, _ = front
    claimed: Header = (name, "66f000000000000000000000")
    answer = http.get(f"{path}/instructions", claimed)
    assert answer.status == 401, answer


@pytest.mark.parametrize("unit", sorted(path.name for path in DEPLOY.glob("*.service")))
def test_systemd_finds_nothing_wrong(tmp_path: Path, unit: str) -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not there")
    text = (DEPLOY / unit).read_text()
    assert "/opt/longshore/.venv/bin/python /opt/longshore/starter.py" in text
    text = text.replace("/opt/longshore/.venv/bin/python", sys.executable).replace("/opt/longshore", str(ROOT))
    for each in DEPLOY.glob("*.service"):
        (tmp_path / each.name).write_text(text if each.name == unit else each.read_text())
    done = subprocess.run(
        [analyze, "verify", "--recursive-errors=no", str(tmp_path / unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
