"""A deleted file's bytes go for good: though the server is killed before them, though storage is away just then."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.chaos.rig.client import ask
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import file_rows
from tests.e2e.tus import Tus, id_of
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.processes.strace import SYNCS, Strace, is_log
from tests.support.until import until
from tests.support.wire import Http

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(90)]

# Nothing is spared because it might still be in somebody's hands; nothing comes by itself while we look.
_AT_ONCE = {**CHAOS, "CLEANUP_AFTER": "100ms"}


def _stored(server: ServerProcess) -> tuple[str, Path]:
    """A file's id, and where its bytes lie."""
    file_id = id_of(Tus(Http(server.port)).completed(os.urandom(100_000)))
    (blob,) = (path for path in (server.data_dir / "storage" / "blobs").rglob("*") if path.is_file())
    return file_id, blob


def _doctor(server: ServerProcess) -> list[str]:
    """The problems that it finds."""
    done = run_verb("doctor", data_dir=server.data_dir, env=_AT_ONCE)
    return [line for line in done.stdout.splitlines() if line.startswith("PROBLEM")]


def _cleanup(server: ServerProcess) -> str:
    done = run_verb("cleanup", data_dir=server.data_dir, env=_AT_ONCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_kill_between_the_commit_and_the_bytes_leaves_them_to_cleanup(tmp_path: Path) -> None:
    """Killed when the kernel has been asked to unlink the file and has not begun."""
    with ServerProcess(tmp_path / "data", _AT_ONCE) as server:
        file_id, blob = _stored(server)
        deleting = threading.Thread(target=_delete, args=(server, file_id), daemon=True)
        with Strace(
            server.pid, tmp_path / "trace", calls=["unlink"], paths=[blob], inject=["unlink:delay_enter=5000000"]
        ) as strace:
            deleting.start()
            until(strace.begun, "the bytes were never to be deleted", within=30)
            server.kill()
            strace.kill()
        deleting.join(30)
    assert blob.exists()
    assert file_rows(server.data_dir / "files.db") == 0
    time.sleep(0.2)
    assert len(_doctor(server)) == 1
    assert "1 blobs deleted" in _cleanup(server)
    assert not blob.exists()
    assert _doctor(server) == []


def _delete(server: ServerProcess, file_id: str) -> None:
    try:
        ask(server.url, "DELETE", f"/files/{file_id}")
    except OSError:
        return  # killed before the answer


def test_the_note_goes_after_the_bytes_and_the_answer_after_both(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", CHAOS) as server:
        file_id, blob = _stored(server)
        with Strace(server.pid, tmp_path / "trace", calls=["unlink", "sendto", "sendmsg", "write", *SYNCS]) as strace:
            assert ask(server.url, "DELETE", f"/files/{file_id}").status == 204
    trace = strace.trace()
    (unlink,) = trace.select("unlink", where=lambda call: str(blob) in call.paths)
    (folder,) = trace.syncs_of(str(blob.parent))
    (answer,) = (call for call in trace.calls if call.answer == 204)
    commits = [call for call in trace.select(*SYNCS) if is_log(call.target) and call.left < answer.entered]
    assert commits[0].left < unlink.entered, "a record without bytes, had the power failed"
    assert unlink.left < folder.entered
    assert folder.left < commits[-1].entered, "bytes without a note, had the power failed"


@pytest.mark.parametrize("by", ["the server", "the command"])
@pytest.mark.parametrize("empty", [False, True], ids=["away", "an empty mount point"])
def test_a_file_deleted_while_the_volume_is_away_goes_when_it_is_back(tmp_path: Path, by: str, *, empty: bool) -> None:
    interval = {"CLEANUP_INTERVAL": "500ms"} if by == "the server" else {}
    with ServerProcess(tmp_path / "data", {**_AT_ONCE, **interval}) as server:
        file_id, blob = _stored(server)
        storage = server.data_dir / "storage"
        storage.rename(tmp_path / "away")
        if empty:
            storage.mkdir()
        assert ask(server.url, "DELETE", f"/files/{file_id}").status == 204
        assert ask(server.url, "GET", f"/files/{file_id}").status == 404
        time.sleep(1.2)
        assert ask(server.url, "GET", "/health").status == 503
        if empty:
            storage.rmdir()
        (tmp_path / "away").rename(storage)
        if by == "the server":
            until(lambda: not blob.exists(), "the chore never deleted the bytes")
        else:
            assert blob.exists()
            assert len(_doctor(server)) == 1
            assert "1 blobs deleted" in _cleanup(server)
            assert not blob.exists()
        assert _doctor(server) == []
        assert "Traceback" not in server.log()
