"""tus-js-client behind a relay that stalls goes on by itself: what it is answered then is not the last word to it."""

import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_real_clients import node
from tests.support.exchanges import WebServer, serving
from tests.support.relay import StallingRelay
from tests.support.wire import Http

SIZE = 6_000_011


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "sample.bin"
    file.write_bytes(os.urandom(SIZE))
    return file


def send_by_a_relay(port: int, path: Path, *, seconds: float, protocol: str = "") -> None:
    """Upload ``path`` by a relay that stalls so long in the middle of it; it has to be there afterwards."""
    with StallingRelay(port, after=SIZE // 3, seconds=seconds) as relay:
        endpoint = f"http://127.0.0.1:{relay.port}/uploads"
        report = node("retried.mjs", endpoint, path, protocol=protocol, timeout=60 + seconds)
        assert relay.has_stalled
        assert relay.passed_up < SIZE * 3 // 2, "what had come was not kept"
    assert [method for method, _ in report["requests"]][-2:] == ["HEAD", "PATCH"]
    stored = Http(port).get(urlsplit(report["url"]).path).body
    assert hashlib.sha256(stored).digest() == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.npm
@pytest.mark.parametrize("protocol", ["", "ietf-draft-05"])
def test_tus_js_client_goes_on_after_a_stall_longer_than_the_servers_patience(
    path: Path, tmp_path: Path, protocol: str
) -> None:
    with serving(WebServer(tmp_path / "volume")) as server:
        server.call(lambda: setattr(server.connections.watchdog, "period_seconds", 0.3))
        send_by_a_relay(server.port, path, seconds=1.5, protocol=protocol)


@pytest.mark.npm
@pytest.mark.long
@pytest.mark.timeout(150)
def test_tus_js_client_goes_on_after_a_stall_of_more_than_a_minute(
    path: Path, start_module_server: StartServer
) -> None:
    send_by_a_relay(start_module_server().port, path, seconds=65)
