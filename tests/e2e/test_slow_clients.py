"""Slow loris, in the headers and in the body, is cut off: after 20 s, and below 1 KiB/s over 30 s.

They dawdle side by side; a minute is waited in all, in which other tests have the machine.
"""

import contextlib
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.dawdler import Dawdler
from tests.e2e.tus import Tus
from tests.support.wire import Header, Http

pytestmark = pytest.mark.timeout(120)
HEADER_SECONDS = 20.0
BODY_SECONDS = 30.0
SLACK_SECONDS = 5.0


@pytest.fixture(scope="module")
def dawdlers(start_module_server: StartServer) -> Iterator[dict[str, Dawdler]]:
    """Clients that are too slow, each in its own way, on a server of their own."""
    with contextlib.ExitStack() as clients:
        tus = Tus(Http(start_module_server().port))
        headers = tus.http.connect()
        headers.send(b"POST /uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        form = tus.http.connect()
        multipart: Header = ("Content-Type", "multipart/form-data; boundary=b")
        form.send_head("POST", "/upload", [multipart, ("Content-Length", "100000")])
        form.send(b'--b\r\nContent-Disposition: form-data; name="file"; filename="slow.bin"\r\n\r\n')
        slow = {
            "silent": Dawdler(tus.http.connect(), drip=b""),
            "headers": Dawdler(headers, drip=b"x"),
            "body": Dawdler(tus.begin_patch(tus.created(100_000), 0, 100_000, b"hello"), drip=b"x"),
            "long body": Dawdler(tus.begin_patch(tus.created(5_000_000), 0, 5_000_000, b"hello"), drip=b"x"),
            "form": Dawdler(form, drip=b"x"),
        }
        for dawdler in slow.values():
            clients.callback(dawdler.close)
        yield slow


def test_slow_headers_are_cut_off(dawdlers: dict[str, Dawdler]) -> None:
    seconds = dawdlers["headers"].cut_after(within=HEADER_SECONDS + SLACK_SECONDS)
    assert seconds is not None and seconds > HEADER_SECONDS / 2


def test_a_silent_connection_is_cut_off(dawdlers: dict[str, Dawdler]) -> None:
    assert dawdlers["silent"].cut_after(within=HEADER_SECONDS + SLACK_SECONDS) is not None


@pytest.mark.parametrize("kind", ["body", "long body", "form"])
def test_a_slow_body_is_cut_off(dawdlers: dict[str, Dawdler], kind: str) -> None:
    """Between one window and two: the server looks once a window, and the first look finds half of one."""
    seconds = dawdlers[kind].cut_after(within=2 * BODY_SECONDS + SLACK_SECONDS)
    assert seconds is not None and seconds > BODY_SECONDS / 2
