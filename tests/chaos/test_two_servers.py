"""Two servers on one database: they start at once, take over from each other, and one may die or freeze."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.rig.beside import in_thread
from tests.chaos.rig.client import TUS, HangingPatch, ResumingUpload, ask
from tests.chaos.rig.content import Content
from tests.chaos.rig.disk import wait_until_stopped
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import doubled_files, wrong_content
from tests.chaos.rig.watcher import ProgressWatcher
from tests.e2e.test_tus_concatenation import join, partials
from tests.e2e.tus import Tus, target_of
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

_MIB = 1024 * 1024
_HAND_OVER_SECONDS = 2.0  # what a lock may take to change hands between live processes
_MARGIN_SECONDS = 1.5
_LEASE_SECONDS = 20.0  # a dead holder's lease has run out by then


def test_two_servers_starting_at_once_on_an_empty_database_both_come_up(tmp_path: Path, postgres_url: str) -> None:
    servers = _two_servers(tmp_path, postgres_url)
    with contextlib.ExitStack() as stack:
        for server in servers:
            server.start(wait=False)
            stack.callback(server.kill)
        for server in servers:
            server.wait_until_healthy()
        here, there = servers
        upload = ResumingUpload(here.url, Content(1, 300_000), chunk_sizes=[100_000])
        upload.run(within=20)
        assert wrong_content(there.url, [upload]) == []


def test_two_servers_starting_at_once_on_one_new_sqlite_file_both_come_up(tmp_path: Path) -> None:
    servers = [
        ServerProcess(tmp_path / "data", CHAOS, migrates=True, log_path=tmp_path / f"{name}.log") for name in "ab"
    ]
    with contextlib.ExitStack() as stack:
        for server in servers:
            server.start(wait=False)
            stack.callback(server.kill)
        for server in servers:
            server.wait_until_healthy()
        upload = ResumingUpload(servers[0].url, Content(1, 300_000), chunk_sizes=[100_000])
        upload.run(within=20)
        assert wrong_content(servers[1].url, [upload]) == []


def test_an_upload_begun_at_one_server_goes_on_at_the_other(pair: "Pair") -> None:
    """Chunk by chunk from one to the other and back."""
    here, there = pair
    upload = ResumingUpload(here.url, Content(2, 2 * _MIB), chunk_sizes=[200_000])
    upload.create()
    for turn in range(6):
        other = ResumingUpload(pair[turn % 2].url, upload.content, chunk_sizes=[200_000])
        other.location = upload.location
        offset = other.resume()
        assert offset == turn * 200_000
        assert other.send(offset) == offset + 200_000
        other.close()
        upload.promised = other.promised
    upload.run(within=30)
    assert upload.broken_promises == [] and upload.surprises == {}
    assert wrong_content(there.url, [upload]) == []
    assert doubled_files(_volume(here), [upload]) == []


def test_a_part_that_another_server_joined_can_be_terminated(pair: "Pair") -> None:
    """Here it is known as it was before; nobody's request is newer."""
    here, there = (Tus(Http(server.port)) for server in pair)
    parts = partials(here, b"hello", b" world")
    final = target_of(join(there, parts))
    assert [here.delete(part).status for part in parts] == [204, 204]
    assert here.content(final) == b"hello world"


def test_a_hanging_request_at_one_server_is_ended_by_a_head_at_the_other(pair: "Pair") -> None:
    here, there = pair
    upload = ResumingUpload(here.url, Content(3, 2 * _MIB), chunk_sizes=[_MIB])
    upload.create()
    upload.close()
    with _hanging(here, upload, sent=700_000) as hanging:
        asked = time.monotonic()
        answer = ask(there.url, "HEAD", upload.location, TUS)
        took = time.monotonic() - asked
        assert answer.status == 200
        assert took < _HAND_OVER_SECONDS + _MARGIN_SECONDS
        offset = int(answer.header("upload-offset"))
        assert offset <= 700_000
        assert hanging.ended_within(_MARGIN_SECONDS) is not None, "the older request still hangs"

        upload.url = there.url
        _at(upload, there).run(within=30)
    assert wrong_content(here.url, [upload]) == []
    assert doubled_files(_volume(here), [upload]) == []


def test_a_killed_holder_of_a_lease_does_not_keep_the_other_server_out(pair: "Pair") -> None:
    here, there = pair
    upload = ResumingUpload(here.url, Content(4, 2 * _MIB), chunk_sizes=[300_000])
    upload.create()
    upload.send(0)
    upload.close()
    with _hanging(here, upload, sent=100_000):
        here.kill()
        killed = time.monotonic()
        heir = _at(upload, there)
        heir.run(within=_LEASE_SECONDS + 15)
        first = next(ack.at for ack in heir.acknowledgements)
        print(f"the other server went on {first - killed:.1f} s after the kill")
        assert first - killed < _LEASE_SECONDS
    assert heir.broken_promises == []
    assert wrong_content(there.url, [heir]) == []


def test_late_bytes_of_a_frozen_holder_are_never_written(pair: "Pair") -> None:
    """A server is stopped amid some bodies (a paused virtual machine), another takes over, then it wakes up.

    What it still has to write are other bytes than those which its heir has acknowledged in their place.
    """
    here, there = pair
    uploads = [ResumingUpload(here.url, Content(seed, 3 * _MIB), chunk_sizes=[_MIB]) for seed in range(12)]
    heirs = [_at(upload, there) for upload in uploads]
    frozen = threading.Event()
    with contextlib.ExitStack() as stack:
        for upload, heir in zip(uploads, heirs, strict=True):
            upload.create()
            upload.send(0)
            upload.close()
            heir.location, heir.promised = upload.location, upload.promised
        # A third of them flow, so that a thread is at them; the others have paused, or have yet to begin.
        sent = [(0, 0, 1000)[number % 3] for number in range(len(uploads))]
        hanging = [
            stack.enter_context(_hanging(here, upload, sent=size)) for upload, size in zip(uploads, sent, strict=True)
        ]
        flows = [in_thread(_flow, one, upload, frozen) for one, upload in zip(hanging[::3], uploads[::3], strict=True)]
        time.sleep(1)
        here.signal(signal.SIGSTOP)
        try:
            wait_until_stopped(here.pid)
            frozen.set()
            flows += [
                in_thread(_send_all, one, bytes(_MIB - size))
                for number, (one, size) in enumerate(zip(hanging, sent, strict=True))
                if number % 3
            ]
            for thread in [in_thread(heir.run, within=_LEASE_SECONDS + 15) for heir in heirs]:
                thread.join(_LEASE_SECONDS + 20)
        finally:
            here.signal(signal.SIGCONT)
        for thread in flows:
            thread.join(10)
        time.sleep(2)
    assert all(heir.complete for heir in heirs), "the other server never took over"
    assert [line for heir in heirs for line in heir.broken_promises] == []
    assert wrong_content(there.url, heirs) == []
    assert wrong_content(here.url, heirs) == []


def test_progress_at_one_server_is_seen_at_the_other(pair: "Pair") -> None:
    here, there = pair
    upload = ResumingUpload(here.url, Content(6, 2 * _MIB), chunk_sizes=[200_000], pause=0.15)
    upload.create()
    with ProgressWatcher(there.url, upload.id) as watcher:
        watcher.wait_for(lambda message: message["type"] == "upload.snapshot", within=10)
        upload.run(within=30)
        completed = watcher.wait_for(lambda message: message["type"] == "upload.completed", within=10)
    assert completed["offset"] == completed["length"] == 2 * _MIB
    offsets = [message["offset"] for message in watcher.messages]
    assert offsets == sorted(offsets), "progress went back"
    between = [message for message in watcher.messages if message["type"] == "upload.progress"]
    assert len(between) >= 3, f"hardly any progress was told: {watcher.messages}"


Pair = tuple[ServerProcess, ServerProcess]


@pytest.fixture
def pair(tmp_path: Path, server_postgres_url: str) -> Iterator[Pair]:
    """Two servers on one PostgreSQL and one volume."""
    here, there = _two_servers(tmp_path, server_postgres_url)
    with here, there:
        yield here, there


def _two_servers(tmp_path: Path, postgres_url: str) -> Pair:
    env = {
        **CHAOS,
        "DATABASE_URL": postgres_url,
        "EVENTS_URL": "postgres://",
        "STORAGE_PATH": str(tmp_path / "volume"),
    }
    return ServerProcess(tmp_path / "here", env), ServerProcess(tmp_path / "there", env)


def _volume(server: ServerProcess) -> Path:
    return Path(server.env["STORAGE_PATH"])


def _at(upload: ResumingUpload, server: ServerProcess) -> ResumingUpload:
    """The same upload, brought on by a client of another server."""
    other = ResumingUpload(server.url, upload.content, chunk_sizes=[200_000])
    other.location, other.promised = upload.location, upload.promised
    return other


@contextlib.contextmanager
def _hanging(server: ServerProcess, upload: ResumingUpload, *, sent: int) -> Iterator[HangingPatch]:
    """A PATCH that announces a megabyte, sends its first ``sent`` bytes and then nothing more."""
    start = upload.promised
    hanging = HangingPatch(
        server.url,
        upload.location,
        offset=start,
        announced=_MIB,
        sent=upload.content.read(start, start + sent),
    )
    try:
        time.sleep(0.3)  # let it get hold of the upload
        yield hanging
    finally:
        hanging.close()


def _flow(hanging: HangingPatch, upload: ResumingUpload, frozen: threading.Event) -> None:
    """A little of the right content every few milliseconds; once the server is frozen, zeros for all the
    rest.
    """
    start = upload.promised
    at = start
    with contextlib.suppress(OSError):
        while not frozen.wait(0.003):
            hanging.more(upload.content.read(at, at + 500))
            at += 500
        hanging.more(bytes(start + _MIB - at))


def _send_all(hanging: HangingPatch, data: bytes) -> None:
    with contextlib.suppress(OSError):
        hanging.more(data)
