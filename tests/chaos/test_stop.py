"""SIGTERM under load: the server ends in order, and whoever was uploading goes on with the next one."""

import contextlib
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.chaos.rig.client import TUS, Fleet, HangingPatch, ResumingUpload, Wire
from tests.chaos.rig.content import Content
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import doubled_files, file_rows, lost_promises, wrong_content
from tests.support.processes.server import DRAIN_SECONDS, ServerProcess
from tests.support.until import until

pytestmark = [pytest.mark.chaos, pytest.mark.serial, pytest.mark.timeout(150)]


def test_sigterm_under_fifty_uploads_ends_in_order_and_all_of_them_go_on(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        fleet = Fleet(50, lambda number: _slow(server, number))
        fleet.start()
        try:
            until(
                lambda: sum(bool(upload.acknowledgements) for upload in list(fleet.uploads)) >= 50,
                "fifty uploads never got under way",
                within=30,
            )
            began = time.monotonic()
            assert server.terminate() == 0
            print(f"50 uploads running: SIGTERM to exit took {time.monotonic() - began:.1f} s")
            time.sleep(0.3)
            server.start()
        finally:
            fleet.finish()
        assert "Traceback" not in server.log()
        assert fleet.errors == []
        assert fleet.broken_promises == []
        assert fleet.surprises == {}
        assert lost_promises(server.url, fleet.uploads) == []
        assert wrong_content(server.url, fleet.uploads) == []
        assert doubled_files(server.data_dir / "storage", fleet.uploads) == []
        assert file_rows(server.data_dir / "files.db") == len(fleet.uploads)


def test_a_request_that_is_nearly_done_is_let_through_while_draining(tmp_path: Path) -> None:
    """And meanwhile an open connection is told by /health that this server is going away."""
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        content = Content(1, 1_000_000)
        upload = ResumingUpload(server.url, content, chunk_sizes=[1 << 20])
        upload.create()
        upload.close()
        probe = Wire(server.url)
        assert probe.request("GET", "/health").status == 200
        hanging = HangingPatch(
            server.url, upload.location, offset=0, announced=content.length, sent=content.read(0, 500_000)
        )
        try:
            time.sleep(0.5)
            server.signal(signal.SIGTERM)
            time.sleep(0.5)
            with contextlib.suppress(OSError):  # closed: that says it, too
                assert probe.request("GET", "/health").status == 503
            hanging.more(content.read(500_000, content.length))
            assert b" 204 " in hanging.socket.recv(4096)
        finally:
            hanging.close()
            probe.close()
        assert server.wait() == 0
        server.start()
        upload.run(within=20)
        assert wrong_content(server.url, [upload]) == []


@pytest.mark.long
def test_a_request_that_never_ends_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        content = Content(1, 50_000_000)
        upload = ResumingUpload(server.url, content, chunk_sizes=[1 << 20])
        upload.create()
        upload.close()
        hanging = HangingPatch(server.url, upload.location, offset=0, announced=content.length, sent=b"")
        over = threading.Event()
        sending = threading.Thread(target=_trickle, args=(hanging, content, over), daemon=True)
        sending.start()
        try:
            time.sleep(2)
            began = time.monotonic()
            assert server.terminate(DRAIN_SECONDS + 10) == 0
            assert time.monotonic() - began < DRAIN_SECONDS
        finally:
            over.set()
            hanging.close()
            sending.join(10)
        server.start()
        told = Wire(server.url)
        assert int(told.request("HEAD", upload.location, TUS).header("upload-offset")) > 0
        told.close()
        upload.run(within=60)
        assert wrong_content(server.url, [upload]) == []


def _slow(server: ServerProcess, number: int) -> ResumingUpload:
    return ResumingUpload(server.url, Content(number, 250_000 + number), chunk_sizes=[17_000], pause=0.15)


def _trickle(hanging: HangingPatch, content: Content, over: threading.Event) -> None:
    at = 0
    while not over.wait(0.05):
        try:
            hanging.more(content.read(at, at + 10_000))
        except OSError:
            return
        at += 10_000
