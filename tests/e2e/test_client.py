"""``longshore put`` and its like against a real server, and what may come between the two."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from longshore.client import Client, Different, FileChanged, NotFound, Patience, Progress, SentElsewhere, ServerAway
from longshore.client.command.main import main as command
from tests.e2e.conftest import StartServer
from tests.support.ports import free_port, listens
from tests.support.processes.process import ROOT, ChildProcess
from tests.support.processes.server import ServerProcess
from tests.support.relay import StallingRelay
from tests.support.until import until
from tests.support.wire import Http

_LARGE = 96 * 1024 * 1024
_STUCK = 6 * 1024 * 1024
_PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # of a program in the background shells have it ignored
runpy.run_module("longshore", run_name="__main__")
"""


class Here:
    """A folder to work in, and the command as it is run there."""

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self.folder, self.server = folder, server
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(folder / "state"),
            "LONGSHORE_URL": server.url,
        }

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", _PROGRAM, *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **pipes)

    def run(self, *words: str, code: int = 0) -> str:
        """What it said on stdout; where it ended with another code than 0, what it said on stderr."""
        said, complained = self.ran(*words, code=code)
        return complained if code else said

    def ran(self, *words: str, code: int) -> tuple[str, str]:
        """Within this process, which saves its start."""
        said, complained = io.StringIO(), io.StringIO()
        with contextlib.ExitStack() as stack:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.chdir(self.folder)
            for name in ("XDG_STATE_HOME", "LONGSHORE_URL"):
                patch.setenv(name, self.environment[name])
            stack.enter_context(contextlib.redirect_stdout(said))
            stack.enter_context(contextlib.redirect_stderr(complained))
            with pytest.raises(SystemExit) as ended:
                command(words)
        assert ended.value.code == code, said.getvalue() + complained.getvalue()
        return said.getvalue(), complained.getvalue()

    def told(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        said, complained = self.ran(*words, "--json", code=code)
        assert complained == ""
        return [json.loads(line) for line in said.splitlines()]

    def notes(self) -> list[Path]:
        return list((self.folder / "state").rglob("*.json"))

    def offset(self) -> int:
        """Of the only upload that is not over; 0 without one."""
        uploads = Http(self.server.port).get("/uploads?state=open").json()["uploads"]
        return sum(upload["offset"] for upload in uploads)


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server()


@pytest.fixture
def here(server: ServerProcess, tmp_path: Path) -> Here:
    return Here(tmp_path, server)


@pytest.fixture
def client(server: ServerProcess, here: Here, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("XDG_STATE_HOME", here.environment["XDG_STATE_HOME"])
    with Client(server.url) as client:
        yield client


# --- the way of a file


def test_a_file_is_put_listed_shared_fetched_and_deleted(here: Here) -> None:
    content = os.urandom(3_000_000)
    here.file("🎉 fête.bin", content)
    [stored] = here.told("put", "🎉 fête.bin")
    assert (stored["name"], stored["size"], stored["verified"]) == ("🎉 fête.bin", len(content), True)
    [listed] = here.told("ls", "fête")
    assert (listed["id"], listed["name"], listed["url"]) == (stored["id"], "🎉 fête.bin", stored["url"])
    assert listed["created_at"] == Http(here.server.port).get(f"/files/{stored['id']}").json()["created_at"]
    assert "🎉 fête.bin" in here.run("ls")
    link = here.run("share", "🎉 fête.bin", "--for", "1h").strip()
    assert link.startswith(f"{here.server.url}/files/") and "signature=" in link
    assert here.run("get", link, "-o", "copy.bin") == "fetched copy.bin (2.9 MiB)\n"
    assert (here.folder / "copy.bin").read_bytes() == content
    (here.folder / "elsewhere").mkdir()
    here.run("get", stored["id"], "-o", "elsewhere")
    assert (here.folder / "elsewhere" / "🎉 fête.bin").read_bytes() == content
    assert "it is there already" in here.run("get", stored["id"], code=1)
    here.run("get", stored["id"], "--force")
    here.run("rm", "🎉 fête.bin")
    assert "there is no file called" in here.run("rm", "🎉 fête.bin", code=1)
    for what in ("", "trip/", "../../x", "/etc/passwd", "0" * 31, "http://127.0.0.1:9/files/" + "0" * 32):
        words = here.run("rm", what, code=1)
        assert "no file" in words or "that is a link" in words
    assert "there is no file called ../../x" in here.run("get", "../../x", code=1)
    assert "no such file" in here.run("get", stored["url"], code=1)
    assert here.told("ls", "fête") == []
    assert here.notes() == []


def test_a_file_that_is_put_twice_is_there_twice(here: Here) -> None:
    here.file("again.txt", b"waves")
    ids = {each["id"] for _ in range(2) for each in here.told("put", "again.txt")}
    assert len(ids) == 2 and {each["id"] for each in here.told("ls", "again.txt")} == ids
    assert "2 files are called again.txt; say by id which one" in here.run("share", "again.txt", code=1)


def test_a_folder_comes_with_its_tree_and_one_bad_file_keeps_no_other_from_its_way(here: Here) -> None:
    for name in ("trip/day 1/a.txt", "trip/day 2/b.txt", "trip/empty", "trip/.DS_Store"):
        here.file(name, b"" if name.endswith("empty") else name.encode())
    (here.folder / "trip" / "broken").symlink_to("nowhere")
    told = here.told("put", "trip", "missing.txt", code=1)
    stored = {each["path"]: each["size"] for each in told if each["event"] == "stored"}
    assert stored == {"trip/day 1/a.txt": 16, "trip/day 2/b.txt": 16, "trip/empty": 0}
    failed = {each["file"]: each["error"] for each in told if each["event"] == "failed"}
    assert failed == dict.fromkeys(("trip/broken", "missing.txt"), "No such file or directory")
    assert {each["path"] for each in here.told("ls", "TRIP")} == set(stored)
    assert here.run("get", "trip/day 1/a.txt") == "fetched a.txt (16 bytes)\n"
    assert here.run("ls", "trap") == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(here: Here) -> None:
    here.file("secret", b"x").chmod(0)
    assert "secret: Permission denied" in here.run("put", "secret", code=1)


def test_a_pipe_is_no_file(here: Here) -> None:
    os.mkfifo(here.folder / "pipe")
    assert "not a regular file" in here.run("put", "pipe", code=1)


def test_a_name_can_not_play_with_the_terminal(here: Here) -> None:
    here.file("red\x1b[31m\n.txt", b"x")
    assert "\x1b" not in here.run("put", "red\x1b[31m\n.txt")


# --- breaking off and going on


@contextlib.contextmanager
def under_way(here: Here) -> Iterator[subprocess.Popen[str]]:
    """``put large``, which is stuck in the middle; at the end of the block the way is free."""
    with StallingRelay(here.server.port, after=_STUCK, seconds=60) as relay:
        here.environment["LONGSHORE_URL"] = f"http://127.0.0.1:{relay.port}"
        with here.begin("put", "large") as putting:
            try:
                until(lambda: relay.has_stalled, within=20)
                yield putting
                putting.wait(20)
            finally:
                putting.kill()
        relay.go_on()
        assert len(here.notes()) == 1 and 0 < here.offset() < _STUCK
        [stored] = here.told("put", "large")
        assert stored["verified"] and (here.offset(), here.notes()) == (0, [])
        assert stored["size"] == (here.folder / "large").stat().st_size


def test_after_a_kill_the_same_command_goes_on(here: Here) -> None:
    here.file("large", os.urandom(4 * _STUCK))
    with under_way(here) as putting:
        putting.kill()


def test_ctrl_c_leaves_what_is_stored_and_says_so(here: Here) -> None:
    here.file("large", os.urandom(4 * _STUCK))
    with under_way(here) as putting:
        putting.send_signal(signal.SIGINT)
        said, complained = putting.communicate(timeout=20)
        assert (putting.returncode, said) == (130, "")
        assert complained == "stopped: the same command goes on where it was\n"


def test_what_was_begun_of_a_file_that_has_changed_is_dropped(here: Here) -> None:
    path = here.file("large", os.urandom(4 * _STUCK))
    with under_way(here) as putting:
        putting.kill()
        path.write_bytes(b"another one")


def test_a_file_that_changes_while_it_is_sent_is_not_stored(here: Here, client: Client) -> None:
    path = here.file("growing", os.urandom(4_000_000))

    def grow(progress: Progress) -> None:
        if progress.stored:
            with path.open("ab") as file:
                file.write(b"more")

    with pytest.raises(FileChanged):
        client.put(path, on_progress=grow)
    assert here.offset() == 0 and here.notes() == []
    assert list(client.files(name="growing")) == []


def test_a_file_is_not_sent_there_by_two_at_once(here: Here, client: Client) -> None:
    path, seen = here.file("twice", os.urandom(4_000_000)), list[str]()

    def again(progress: Progress) -> None:
        if progress.stored and not seen:
            with here.begin("put", "twice") as other:
                seen.append(other.communicate(timeout=20)[1])

    client.put(path, on_progress=again)
    assert "is being sent by another process" in seen[0]
    assert SentElsewhere.code == "sent_elsewhere"


def test_a_server_that_is_killed_and_comes_back_gets_the_rest(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    here = Here(tmp_path, server)
    here.file("large", os.urandom(2 * _STUCK))
    with StallingRelay(server.port, after=_STUCK, seconds=60) as relay:
        here.environment["LONGSHORE_URL"] = f"http://127.0.0.1:{relay.port}"
        putting = here.begin("put", "large", "--json")
        until(lambda: relay.has_stalled, within=20)
        server.kill()
        server.start()
        relay.go_on()
        said, complained = putting.communicate(timeout=40)
    assert (putting.returncode, complained) == (0, "")
    content = Http(server.port).get(f"/files/{json.loads(said)['id']}/content").body
    assert content == (here.folder / "large").read_bytes()


def test_a_server_that_stays_away_is_given_up(here: Here) -> None:
    here.file("a", b"x")
    for words in (["put", "a"], ["ls"], ["rm", "0" * 32], ["watch"]):
        complained = here.run(*words, "--server", "http://127.0.0.1:9", "--patience", "1s", code=3)
        assert "127.0.0.1:9" in complained and "Traceback" not in complained


def test_what_is_fetched_goes_on_where_it_was_cut(here: Here, client: Client) -> None:
    content = os.urandom(8_000_000)
    stored = client.put(here.file("far.bin", content))

    class Cut(Exception):
        pass

    def cut(progress: Progress) -> None:
        if progress.stored > 3_000_000:
            raise Cut

    with pytest.raises(Cut):
        client.get(stored.id, here.folder / "copy", on_progress=cut)
    [part] = here.folder.glob("copy.*.part")
    assert 3_000_000 < part.stat().st_size < len(content)
    seen: list[int] = []
    client.get(stored.id, here.folder / "copy", on_progress=lambda progress: seen.append(progress.stored))
    assert seen[0] > 3_000_000 and (here.folder / "copy").read_bytes() == content
    part.write_bytes(b"something else, as long as one likes")
    with pytest.raises(Different):
        client.get(stored.id, here.folder / "copy", overwrites=True)
    assert list(here.folder.glob("*.part")) == []


# --- terminals, pipes, watching


def test_nobody_who_reads_what_is_printed_is_no_trouble(here: Here) -> None:
    for number in range(3):
        here.file(f"many/{number}", b"x")
    putting = here.begin("put", "many", "-j", "1")
    assert putting.stdout is not None
    putting.stdout.close()
    _, complained = putting.communicate(timeout=20)
    assert (putting.returncode, complained) == (141, "")


def test_at_a_terminal_there_are_bars_of_two_tones(here: Here) -> None:
    here.file("large", os.urandom(2 * _STUCK))
    ours, its = os.openpty()
    with StallingRelay(here.server.port, after=_STUCK, seconds=0.5) as relay:  # so long it is sent and not yet stored
        here.environment["LONGSHORE_URL"] = f"http://127.0.0.1:{relay.port}"
        putting = here.begin("put", "large", stderr=its)
        os.close(its)
        shown = _all_of(ours).decode(errors="replace")
        said = putting.communicate(timeout=20)[0]
    assert putting.returncode == 0, shown
    assert said.startswith("stored large (12.0 MiB) ")
    assert all(part in shown for part in ("large", "━", "╍", "─"))


def _all_of(terminal: int) -> bytes:
    shown = b""
    with contextlib.suppress(OSError):  # the other end was the last one
        while block := os.read(terminal, 65536):
            shown += block
    os.close(terminal)
    return shown


def test_what_moves_is_watched(here: Here) -> None:
    http = Http(here.server.port, (("Tus-Resumable", "1.0.0"),))
    answer = http.request("POST", "/uploads", [("Upload-Length", "5")])
    target = answer.header("Location") or ""
    watching = here.begin("watch", target.rpartition("/")[2], "--json")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["type"] == "upload.snapshot"
    patch = [("Upload-Offset", "0"), ("Content-Type", "application/offset+octet-stream")]
    assert http.request("PATCH", target, patch, b"hello").status == 204
    said, complained = watching.communicate(timeout=20)
    assert (watching.returncode, complained) == (0, "")
    assert json.loads(said.splitlines()[-1])["type"] == "upload.completed"
    assert "longshore: 123: there is no such upload" in here.run("watch", "123", code=1)


# --- as a library


def test_the_library_says_what_went_wrong(here: Here, client: Client) -> None:
    with pytest.raises(NotFound) as refused:
        client.delete("0" * 32)
    assert (refused.value.status, refused.value.code) == (404, "file_not_found") and refused.value.request_id
    with pytest.raises(FileNotFoundError):
        client.put(here.folder / "missing")
    with pytest.raises(ServerAway), Client("http://127.0.0.1:9", patience=Patience(give_up=0)) as nobody:
        nobody.put(here.file("a", b"x"))


def test_who_calls_is_told_to_the_server_alone(here: Here, server: ServerProcess) -> None:
    """Also where somebody has it fetch a link that leads elsewhere."""
    heard: list[str | None] = []

    class Listening(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            heard.append(self.headers.get("Authorization"))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listening) as other:
        threading.Thread(target=other.serve_forever).start()
        link = f"http://127.0.0.1:{other.server_address[1]}/files/{'0' * 32}/content"
        for url in (server.url, link.removesuffix(f"/files/{'0' * 32}/content")):
            with Client(url, token="secret") as client, pytest.raises(NotFound):
                client.get(link, here.folder)
        other.shutdown()
    assert heard == [None, "Bearer secret"]


@pytest.mark.parametrize("checksum", ["sha256", "crc32", "none"])
def test_every_way_to_check_is_understood_by_the_server(here: Here, client: Client, checksum: str) -> None:
    progress: list[Progress] = []
    content = os.urandom(5_000_000)
    stored = client.put(here.file("checked", content), checksum=checksum, on_progress=progress.append)
    assert stored.is_verified and progress[-1] == Progress(len(content), len(content), len(content))
    assert any(each.sent > each.stored for each in progress)


# --- another server


def test_a_server_that_does_not_say_whether_it_speaks_tus_is_told_by_its_own_words(here: Here) -> None:
    asked: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            asked.append(self.path)
            self.send_error(int(self.path.split("/")[1]), "in its own words")

        def log_message(self, *_: object) -> None:
            pass

    here.file("a", b"x")
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as other:
        threading.Thread(target=other.serve_forever).start()
        for status, code, words in (
            ("429", 1, "in its own words"),
            ("503", 1, "in its own words"),
            ("401", 4, "in its own words"),
            ("403", 4, "in its own words"),
            ("404", 1, "does not speak tus 1.0"),
            ("405", 1, "does not speak tus 1.0"),
        ):
            url = f"http://127.0.0.1:{other.server_address[1]}/{status}"
            assert words in here.run("put", "a", "--server", url, "--patience", "0s", code=code)
        other.shutdown()
    elsewhere = [path for path in asked if not path.endswith("/uploads")]
    assert elsewhere == ["/404/", "/404", "/405/", "/405"]


@pytest.mark.npm
def test_the_reference_server_of_tus_is_served_as_well(here: Here) -> None:
    script, modules = ROOT / "benchmarks" / "peers" / "tus_server.mjs", ROOT / "benchmarks" / "node_modules"
    node = shutil.which("node")
    if node is None or not modules.is_dir():
        pytest.skip("node and benchmarks/node_modules (make bench) are needed")
    port = free_port()
    here.environment["LONGSHORE_URL"] = f"http://127.0.0.1:{port}/files"
    small, large = here.file("small", b"x"), here.file("large", os.urandom(_LARGE))
    (here.folder / "theirs").mkdir()
    with ChildProcess([node, script, str(port), here.folder / "theirs"], name="@tus/server"):
        until(lambda: listens(port), within=10)
        putting = here.begin("put", "large")
        until(lambda: here.notes() and _largest(here.folder / "theirs") > 0, within=20, every=0.002)
        putting.kill()
        putting.communicate()
        told = here.told("put", "large", "small")
    assert {each["name"] for each in told} == {"small", "large"}
    for each in told:
        stored = here.folder / "theirs" / each["url"].rpartition("/")[2]
        assert stored.read_bytes() == (small if each["name"] == "small" else large).read_bytes()


def _largest(folder: Path) -> int:
    return max((path.stat().st_size for path in folder.iterdir() if path.suffix != ".json"), default=0)
