"""The secret of download links: made once for a data folder, whole, and nobody else's to read."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from infrastructure.link_secret import BadSecret, link_secret
from tests.support.processes.process import ROOT
from tests.support.processes.server import ServerProcess

_PROGRAM = """
import sys
from pathlib import Path
from infrastructure.link_secret import link_secret
sys.stdin.readline()
print(link_secret(Path(sys.argv[1]), None).decode())
"""


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    secret = link_secret(tmp_path, None)
    assert len(secret) >= 32
    assert link_secret(tmp_path, None) == secret
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_each_folder_has_its_own(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    assert len({link_secret(folder, None) for folder in folders}) == 2


def test_the_operators_secret_is_taken_and_nothing_written(tmp_path: Path) -> None:
    assert link_secret(tmp_path, SecretStr("the operator's")) == b"the operator's"
    assert list(tmp_path.iterdir()) == []


def test_servers_that_start_at_once_agree_on_one(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = {process.communicate()[0].strip() for process in processes}
    assert said == {link_secret(tmp_path, None).decode()}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_one_that_others_may_read_is_not_used(tmp_path: Path, mode: int) -> None:
    link_secret(tmp_path, None)
    [file] = tmp_path.iterdir()
    file.chmod(mode)
    with pytest.raises(BadSecret, match="others"):
        link_secret(tmp_path, None)


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 4096])
def test_a_file_that_holds_something_else_is_not_used(tmp_path: Path, content: bytes) -> None:
    link_secret(tmp_path, None)
    [file] = tmp_path.iterdir()
    file.write_bytes(content)
    with pytest.raises(BadSecret):
        link_secret(tmp_path, None)


def test_a_link_that_somebody_planted_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("0" * 64)
    target.chmod(0o600)
    (tmp_path / "link.secret").symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        link_secret(tmp_path, None)


def test_a_secret_for_all_to_read_stops_the_start_with_one_line(tmp_path: Path) -> None:
    link_secret(tmp_path, None)
    (tmp_path / "link.secret").chmod(0o644)
    server = ServerProcess(tmp_path)
    with pytest.raises(RuntimeError, match="ended with 1"):
        server.start()
    assert "LINK_SECRET: others on this machine may read" in server.log()
    assert "Traceback" not in server.log()
