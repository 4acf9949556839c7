"""The files of ``deploy`` at work: nginx in front of a real server, systemd's own look at the units."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.tus import BYTES, VERSION, id_of, target_of
from tests.support.ports import free_port
from tests.support.processes.nginx import Nginx
from tests.support.processes.process import ROOT
from tests.support.processes.server import ServerProcess
from tests.support.wire import Header, Http, WebSocket

DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module", params=["/", "/files-of/"], ids=["at the root", "below a path"])
def front(
    request: pytest.FixtureRequest, start_module_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServerProcess, Http, str]]:
    """The server, the way to it, and the path that it is below."""
    prefix, port = str(request.param), free_port()
    base = f"https://127.0.0.1:{port}{prefix.rstrip('/')}"
    server = start_module_server(PUBLIC_URL=base, TRUSTED_PROXIES="127.0.0.1")
    folder = tmp_path_factory.mktemp("nginx")
    text = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        ("127.0.0.1:8888", f"127.0.0.1:{server.port}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("server_name files.example.org", "server_name 127.0.0.1"),
        ("/etc/nginx/certificate.pem", f"{folder}/certificate.pem"),
        ("/etc/nginx/key.pem", f"{folder}/key.pem"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    if prefix != "/":
        text = text.replace("location / {", f"location {prefix} {{").replace("//longshore;", "//longshore/;")
    nginx = Nginx(folder)
    nginx.site(port, text)
    with nginx:
        yield server, Http(port, tls=nginx.trust), prefix.rstrip("/")


def test_an_upload_goes_through_and_its_links_lead_back(front: tuple[ServerProcess, Http, str]) -> None:
    _, http, path = front
    created = http.request("POST", f"{path}/uploads", [VERSION, ("Upload-Length", "5")])
    target = target_of(created)
    assert target.startswith(f"{path}/uploads/")
    assert http.request("PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0")], b"hello").status == 204
    assert http.get(f"{path}/files/{id_of(target)}/content").body == b"hello"
    assert http.get(f"{path}/docs").status == http.get(f"{path}/openapi.json").status == 200


def test_bodies_go_on_as_they_come(front: tuple[ServerProcess, Http, str]) -> None:
    """What came of one is there while its sender still sends; a proxy that gathers it would show nothing."""
    _, http, path = front
    target = target_of(http.request("POST", f"{path}/uploads", [VERSION, ("Upload-Length", str(64 << 20))]))
    socket = WebSocket.open(http, f"{path}/ws/progress?upload_id={id_of(target)}")
    with http.connect() as sending:
        sending.send_head("PATCH", target, [VERSION, BYTES, ("Upload-Offset", "0"), ("Content-Length", str(64 << 20))])
        sending.send(bytes(20 << 20))
        offsets = (message.get("offset", 0) for message in socket.messages(within=20))
        assert next(offset for offset in offsets if offset >= 8 << 20)
    socket.close()


def test_streams_are_live(front: tuple[ServerProcess, Http, str]) -> None:
    _, http, path = front
    with http.connect() as stream:
        stream.send_head("GET", f"{path}/events?scope=mine")
        assert stream.receive_head().status == 200
        assert http.request("PUT", f"{path}/upload/a.txt", [], b"hello").status == 201
        told = b""
        while b"event: upload.completed" not in told:
            told += stream.take(1)


@pytest.mark.parametrize("name", ["x-user-id", "x-guest-id", "x-user-scope"])
def test_nobody_outside_says_who_calls(front: tuple[ServerProcess, Http, str], name: str) -> None:
    _, http, path = front
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
