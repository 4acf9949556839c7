"""tus 1.0.0, expiration. Contract §2.1: expired 410; §0: UPLOAD_TTL."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.tus import Tus, id_of
from tests.support.processes.server import ServerProcess
from tests.support.until import until
from tests.support.wire import Header, Http, Response

DEFERRED: Header = ("Upload-Defer-Length", "1")
TTL_SECONDS = 2


@pytest.fixture(scope="module")
def hasty(start_module_server: StartServer) -> ServerProcess:
    """A server whose unfinished uploads live for TTL_SECONDS."""
    return start_module_server(UPLOAD_TTL=f"{TTL_SECONDS}s", CLEANUP_INTERVAL="1s", CLEANUP_AFTER="1s")


def test_a_new_upload_tells_when_it_expires(tus: Tus) -> None:
    assert "expiration" in tus.extensions()
    _assert_expires_in(tus.create(10), timedelta(hours=24))
    _assert_expires_in(tus.create(None, DEFERRED), timedelta(hours=24))
    _assert_expires_in(tus.create(10, body=b"hello"), timedelta(hours=24))


def test_every_patch_that_leaves_it_unfinished_tells_when_it_expires(tus: Tus) -> None:
    target = tus.created(10)
    for offset in range(3):
        _assert_expires_in(tus.patch(target, offset, b"x"), timedelta(hours=24))
    assert tus.head(target).status == 200


def test_an_expired_upload_is_gone_for_every_verb_and_its_bytes_are_freed(hasty: ServerProcess) -> None:
    tus = Tus(Http(hasty.port))
    size = 8 * 1024 * 1024
    before = _bytes_in(hasty.data_dir)
    untouched, begun, completed = tus.created(10), tus.created(size), tus.completed(b"kept")
    tus.patch(begun, 0, b"x" * (size - 1))
    assert _bytes_in(hasty.data_dir) >= before + size - 1
    time.sleep(TTL_SECONDS + 0.5)

    for target in (untouched, begun):
        head = tus.head(target)
        assert (head.status, head.header("Upload-Offset")) == (410, None)
        assert tus.patch(target, 0, b"x").status == 410
        assert tus.http.get(target).status in (404, 410)
        assert id_of(target) not in tus.open_uploads()
    patch = tus.patch(begun, size - 1, b"x")
    assert patch.status == 410
    assert tus.content(completed) == b"kept"  # what is finished does not expire

    until(
        lambda: _bytes_in(hasty.data_dir) <= before + size / 2,
        "the bytes of an expired upload are still on the volume",
        within=15,
    )
    assert tus.head(begun).status == 410  # still known as expired, not as unknown


def test_a_restart_does_not_revive_an_expired_upload(start_server: StartServer) -> None:
    server = start_server(UPLOAD_TTL="1s")
    tus = Tus(Http(server.port))
    target = tus.created(10)
    tus.patch(target, 0, b"hello")
    server.kill()
    time.sleep(1.1)
    server.start()
    assert tus.patch(target, 5, b"world").status == 410


def _assert_expires_in(answer: Response, ttl: timedelta) -> None:
    assert answer.status in (201, 204)
    sent = answer.header("Upload-Expires")
    assert sent is not None
    assert sent.endswith(" GMT")  # RFC 9110 §5.6.7
    expires = parsedate_to_datetime(sent)
    assert abs(expires - (datetime.now(UTC) + ttl)) < timedelta(seconds=10)


def _bytes_in(folder: Path) -> int:
    """Of the volume; the database and the log are not counted."""
    total = 0
    for path in (folder / "storage").rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # the server tidies up meanwhile
            continue
    return total
