"""A full disk is no one-way street: bytes are refused before they are read, everything else goes on.

Each way in which bytes come, on a disk that others have filled to the last byte, or down to what is to be left.
"""

import contextlib
import json
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.rig.disk import LoopDisk, fill, small_tmpfs
from tests.chaos.rig.settings import CHAOS
from tests.e2e.chunk_client import ChunkClient
from tests.e2e.tus import BYTES, VERSION, Tus, id_of
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.until import becomes
from tests.support.wire import Header, Http, Response, chunked

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(90)]

_KIB = 1024
_MIB = 1024 * 1024
_CONTENT = bytes(range(256)) * 1024
_FORM: Header = ("Content-Type", "multipart/form-data; boundary=b")
_EXPECT: Header = ("Expect", "100-continue")


@pytest.fixture
def disk(mounts: Path) -> Iterator[Path]:
    """40 MB, as the cards in small machines have them left; data folder, volume and database are on it."""
    disk = LoopDisk(mounts / "disk.img", mounted_at=mounts / "disk")
    disk.format(40 * _MIB)
    with disk:
        yield disk.path


def test_on_a_full_disk_only_bytes_are_refused(tmp_path: Path, disk: Path) -> None:
    with _server(disk, tmp_path) as server, ChunkClient(server.port) as chunks:
        http, tus = Http(server.port), Tus(Http(server.port))
        files = [id_of(tus.completed(_CONTENT)) for _ in range(3)]
        uploads = [tus.created(5 * _MIB, body=_CONTENT) for _ in range(2)]
        chunked_upload = chunks.init()
        ballast = disk / "data" / "files.db-ballast"
        whole = ballast.stat()
        assert whole.st_blocks * 512 >= whole.st_size > _MIB, "it holds no room"
        fill(disk / "filler")

        assert becomes(lambda: "full" in http.get("/health").json())
        health = http.get("/health")
        assert (health.status, health.json()["status"], health.json()["full"]) == (200, "healthy", True)
        for what, answer in _ways_in(http, uploads[0], len(_CONTENT)):
            assert (answer.status, answer.interim) == (507, ()), (what, answer)
            assert answer.header("Retry-After") is None, what
            assert "no room" in answer.body.decode(), what
        for file_first in (False, True):
            assert chunks.chunk(chunked_upload, 0, b"x" * 1000, 1000, file_first=file_first).status == 507

        assert http.get(f"/files/{files[0]}/content").body == _CONTENT
        assert http.request("GET", f"/files/{files[0]}/content", [("Range", "bytes=5-9")]).body == _CONTENT[5:10]
        assert tus.offset(uploads[0]) == len(_CONTENT)
        # By now the disk is as full as it was: nothing that was asked above has freed any of it.
        assert tus.delete(uploads[0]).status == 204
        assert http.request("DELETE", f"/files/{files[0]}").status == 204
        done = run_verb("cleanup", data_dir=server.data_dir, env=CHAOS)
        assert done.returncode == 0, done.stderr

        fill(disk / "filler again")
        assert server.terminate() == 0
        server.start()
        assert http.get("/health").json()["full"] is True
        assert tus.delete(uploads[1]).status == 204
        assert http.request("DELETE", f"/files/{files[1]}").status == 204
        assert http.get(f"/files/{files[2]}/content").body == _CONTENT
        _no_line_comes_again(server.log())

        for filler in ("filler", "filler again"):
            (disk / filler).unlink()
        assert becomes(lambda: "full" not in http.get("/health").json())
        assert becomes(lambda: http.get("/health").status == 200 and ballast.stat().st_size == whole.st_size)
        assert tus.content(tus.completed(_CONTENT)) == _CONTENT


def test_what_is_to_be_left_is_left_and_a_body_of_unknown_size_stops_there(tmp_path: Path, mounts: Path) -> None:
    with (
        small_tmpfs(mounts / "small", size=40 * _MIB) as small,
        _server(small, tmp_path, MIN_FREE_SPACE="10MiB") as server,
    ):
        http, tus = Http(server.port), Tus(Http(server.port))
        target = tus.created(None, ("Upload-Defer-Length", "1"))
        connection = http.connect()
        framing: list[Header] = [VERSION, BYTES, ("Upload-Offset", "0"), ("Transfer-Encoding", "chunked")]
        connection.send_head("PATCH", target, framing)
        with contextlib.suppress(OSError):
            connection.send(chunked(*[bytes(_MIB)] * 40))
        assert connection.receive("PATCH").status == 507
        offset = tus.offset(target)
        assert 8 * _MIB <= offset <= 30 * _MIB
        assert _free(small) > 2 * _MIB, "it went on for long after the last that fitted"

        too_much = http.request("PUT", "/upload/a.bin", [_EXPECT, ("Content-Length", str(30 * _MIB))])
        assert (too_much.status, too_much.interim) == (507, ())
        assert tus.delete(target).status == 204
        assert http.request("PUT", "/upload/a.bin", body=bytes(5 * _MIB)).status == 201


def test_a_file_that_is_too_long_for_its_file_system_is_not_asked_for_again(tmp_path: Path) -> None:
    """EFBIG, here by RLIMIT_FSIZE; FAT32 says so at 4 GiB."""
    with ServerProcess(tmp_path / "data", CHAOS) as server, ChunkClient(server.port) as chunks:
        http, tus = Http(server.port), Tus(Http(server.port))
        target, small, upload = tus.created(20 * _MIB, body=bytes(3 * _MIB)), tus.created(5 * _MIB), chunks.init()
        assert tus.patch(small, 0, bytes(4 * _MIB - 1000)).status == 204
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(6 * _MIB)
        before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4 * _MIB, before[1]))
        told = {
            "PATCH": tus.patch(target, 3 * _MIB, bytes(5 * _MIB)),
            "a small PATCH": tus.patch(small, 4 * _MIB - 1000, bytes(2000)),
            "POST": tus.create(6 * _MIB, body=bytes(6 * _MIB)),
            "PUT": http.request("PUT", "/upload/a.bin", body=bytes(6 * _MIB)),
            "form": http.request("POST", "/upload", [_FORM], form + b"\r\n--b--\r\n"),
        }
        for what, answer in told.items():
            assert (answer.status, answer.header("Retry-After")) == (507, None), (what, answer)
            assert answer.json()["code"] == "file_too_large_for_disk", what
            assert "again" not in answer.body.decode(), what
        assert chunks.chunk(upload, 0, bytes(6 * _MIB), 6 * _MIB).status == 507
        assert chunks.chunk(upload, 0, bytes(6 * _MIB), 6 * _MIB, file_first=True).status == 507
        assert 3 * _MIB <= tus.offset(target) <= 4 * _MIB, "the prefix is kept"
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
        assert tus.patch(target, tus.offset(target), bytes(_MIB)).status == 204


def test_a_log_on_a_full_disk_keeps_nobody_from_serving(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", {**CHAOS, "MIN_FREE_SPACE": "900TB"}, log_path=Path("/dev/full")) as server:
        http = Http(server.port)
        assert http.request("PUT", "/upload/a.bin", body=b"x").status == 507
        assert http.get("/health").json()["full"] is True
        assert server.terminate() == 0


def _server(disk: Path, tmp_path: Path, **env: str) -> ServerProcess:
    return ServerProcess(disk / "data", {**CHAOS, **env}, log_path=tmp_path / "server.log")


def _ways_in(http: Http, upload: str, offset: int) -> Iterator[tuple[str, Response]]:
    """Bytes by each dialect, whose clients ask first whether they may send them."""
    patch: list[Header] = [VERSION, BYTES, ("Upload-Offset", str(offset))]
    for size in (1, 64 * _KIB, _MIB):
        length: Header = ("Content-Length", str(size))
        yield f"PATCH of {size}", http.request("PATCH", upload, [*patch, length, _EXPECT])
        yield f"PUT of {size}", http.request("PUT", "/upload/a.bin", [length, _EXPECT])
        yield f"form of {size}", http.request("POST", "/upload", [_FORM, length, _EXPECT])
    unknown: Header = ("Transfer-Encoding", "chunked")
    yield "PATCH of unknown size", http.request("PATCH", upload, [*patch, unknown, _EXPECT])
    yield "PUT of unknown size", http.request("PUT", "/upload/a.bin", [unknown, _EXPECT])
    created: list[Header] = [VERSION, BYTES, ("Upload-Length", "5"), ("Content-Length", "5"), _EXPECT]
    yield "POST", http.request("POST", "/uploads", created)
    ietf: list[Header] = [("Upload-Complete", "?1"), ("Upload-Draft-Interop-Version", "8"), ("Content-Length", "5")]
    yield "POST by the draft", http.request("POST", "/uploads", [*ietf, _EXPECT])


def _no_line_comes_again(log: str) -> None:
    """Of one process, but for who was refused what."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    lines = [line for line in lines if "level" in line]  # those of the access log have none
    told = [line["message"] for line in lines if line["level"] != "info" or "full" in line["message"]]
    full = [text for text in told if "disk is full" in text]
    assert 1 <= len(full) <= 2, "once for each start"
    assert len(told) <= len(full) * 2, told


def _free(folder: Path) -> int:
    return int(subprocess.check_output(["stat", "-f", "-c", "%a", folder])) * 4096
