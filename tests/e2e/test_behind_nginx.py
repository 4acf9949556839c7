"""Behind nginx as people configure it: what clients call us and what nginx tells us of it are two things."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_real_clients import node
from tests.e2e.tus import BYTES, VERSION, id_of
from tests.support.ports import free_port
from tests.support.processes.nginx import Nginx
from tests.support.processes.services import require_program
from tests.support.wire import Header, Http, Response, WebSocket

PARTIAL: Header = ("Upload-Concat", "partial")


@dataclass(frozen=True)
class Front:
    """One way in. ``url`` is what clients know; ``origin`` what a browser says that our page comes from."""

    http: Http
    url: str
    origin: str
    told_name: bool = True
    """Whether we can know from PUBLIC_URL or the Host that it is our own page's."""

    def request(self, method: str, url: str, *headers: Header, body: bytes | None = None) -> Response:
        """As our page does; ``url`` is relative to it."""
        whole = urlsplit(urljoin(self.url, url))
        page: list[Header] = [("Host", urlsplit(self.url).netloc), ("Origin", self.origin)]
        if not self.told_name:
            page.append(("Sec-Fetch-Site", "same-origin"))
        target = whole.path + (f"?{whole.query}" if whole.query else "")
        return self.http.request(method, target, [*page, *headers], body)

    def uploaded(self, content: bytes, *headers: Header) -> str:
        """The absolute URL of an upload of ``content``, as a client makes it of the Location."""
        created = self.request("POST", "uploads", VERSION, ("Upload-Length", str(len(content))), *headers)
        assert created.status == 201, created
        url = urljoin(urljoin(self.url, "uploads"), created.header("Location") or "")
        patched = self.request("PATCH", url, VERSION, BYTES, ("Upload-Offset", "0"), body=content)
        assert patched.status == 204, patched
        return url

    def watch(self, url: str, *headers: Header) -> WebSocket | int:
        """The open socket, or the status of the refusal."""
        connection = self.http.connect()
        upgrade: list[Header] = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        key: Header = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        host: Header = ("Host", urlsplit(self.url).netloc)
        target = urlsplit(urljoin(self.url, url)).path
        connection.send_head("GET", f"{target}?scope=mine", [host, *upgrade, key, *headers])
        answer = connection.receive_head()
        if answer.status == 101:
            return WebSocket(connection)
        connection.close()
        return answer.status


NAMES = ("as it comes", "$host:$server_port", "$host:443", "TLS, below a path")


@pytest.fixture(scope="module")
def fronts(start_module_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Front]]:
    nginx = Nginx(tmp_path_factory.mktemp("nginx"))
    tls = free_port()
    public_url = f"https://127.0.0.1:{tls}/shared"
    bare = start_module_server().port
    below = start_module_server(PUBLIC_URL=public_url).port
    default = nginx.front(bare)
    ported = nginx.front(bare, "proxy_set_header Host $host:$server_port;")
    secure = nginx.front(bare, "proxy_set_header Host $host:443;")  # as a balancer before it ends TLS at 443
    nginx.front(below, prefix="/shared/", with_tls=True, port=tls)
    with nginx:
        yield {
            "as it comes": Front(
                Http(default), f"http://127.0.0.1:{default}/", f"http://127.0.0.1:{default}", told_name=False
            ),
            "$host:$server_port": Front(Http(ported), f"http://localhost:{ported}/", f"http://localhost:{ported}"),
            "$host:443": Front(Http(secure), "https://localhost/", "https://localhost"),
            "TLS, below a path": Front(Http(tls, tls=nginx.trust), f"{public_url}/", f"https://127.0.0.1:{tls}"),
        }


@pytest.fixture(params=NAMES)
def front(request: pytest.FixtureRequest, fronts: dict[str, Front]) -> Front:
    return fronts[request.param]


def test_the_page_comes_with_its_files(front: Front) -> None:
    page = front.request("GET", "")
    assert (page.status, b"<!doctype html" in page.body.lower()) == (200, True)
    assert front.request("GET", "static/app.js").status == 200


def test_a_file_goes_in_and_comes_out(front: Front) -> None:
    url = front.uploaded(b"hello")
    assert front.request("GET", url).body == b"hello"
    listed = front.request("GET", f"files/{id_of(url)}").json()
    assert front.request("GET", urljoin(front.url, listed["url"])).body == b"hello"


def test_parts_that_came_at_once_are_joined_by_their_absolute_urls(front: Front) -> None:
    parts = [front.uploaded(content, PARTIAL) for content in (b"hello", b" world")]
    joined = front.request("POST", "uploads", VERSION, ("Upload-Concat", f"final;{' '.join(parts)}"))
    assert joined.status == 201, joined
    assert front.request("GET", urljoin(front.url, joined.header("Location") or "")).body == b"hello world"


def test_progress_is_told_as_it_happens(front: Front) -> None:
    page: tuple[Header, ...] = (("Origin", front.origin),) if front.told_name else ()
    socket = front.watch("ws/progress", *page)
    assert isinstance(socket, WebSocket), socket
    with front.http.connect() as stream:
        host: Header = ("Host", urlsplit(front.url).netloc)
        stream.send_head("GET", urlsplit(urljoin(front.url, "events")).path + "?scope=mine", [host])
        head = stream.receive_head()
        assert (head.status, "no-transform" in head.words("Cache-Control")) == (200, True)
        upload_id = id_of(front.uploaded(b"hello"))
        seen = next(message for message in socket.messages(within=10) if message["type"] == "upload.completed")
        told = b""
        while b"event: upload.completed" not in told:
            told += stream.take(1)
    socket.close()
    assert seen["upload_id"] == upload_id


def test_a_strangers_page_is_one_here_too(front: Front) -> None:
    foreign: list[Header] = [("Host", urlsplit(front.url).netloc), ("Origin", "https://evil.example")]
    target = urlsplit(urljoin(front.url, "upload/a.txt")).path
    assert front.http.request("PUT", target, foreign, b"hello").status == 403
    assert front.watch("ws/progress", foreign[1]) == 403


@pytest.mark.npm
def test_tus_js_client_uploads_in_parallel(fronts: dict[str, Front], tmp_path: Path) -> None:
    path = tmp_path / "sample.bin"
    path.write_bytes(bytes(range(256)) * 1000)
    front = fronts["as it comes"]
    report = node("parallel.mjs", urljoin(front.url, "uploads"), path, "3")
    assert front.request("GET", report["url"]).body == path.read_bytes()


def test_curl_is_given_the_link_that_the_proxy_is_called_by(fronts: dict[str, Front], tmp_path: Path) -> None:
    path = tmp_path / "a b.txt"
    path.write_bytes(b"hello")
    front = fronts["TLS, below a path"]
    command = [require_program("curl"), "-sk", "-T", str(path), urljoin(front.url, "upload/a%20b.txt")]
    link = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert link.startswith(front.url)
    assert front.request("GET", link).body == b"hello"
    assert json.loads(front.request("GET", link.removesuffix("/content")).body)["name"] == "a b.txt"
