"""The wheel, built once and installed beside a program that has a ``domain`` of its own."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from domain.picture import PictureFormat
from tests.e2e.tus import Tus
from tests.support.pictures import encoded, quarters
from tests.support.processes.process import ROOT
from tests.support.processes.server import ServerProcess, clean_environment
from tests.support.until import until
from tests.support.wire import Http

_FOLDERS = ("longshore", "domain", "ports", "application", "adapters", "infrastructure")
_PROGRAM = """
import asyncio, json, sys
import domain, ports
from longshore.embed import in_memory, user

async def main():
    store, me = in_memory(), user("alice")
    file = await store.put(me, "holiday.mov", b"waves")
    return b"".join([block async for block in store.read(me, file.id)]).decode()

read = asyncio.run(main())
names = {"domain", "ports", "application", "adapters", "infrastructure"}
print(json.dumps({"read": read, "theirs": [domain.WHOSE, ports.WHOSE],
                  "top": sorted(name for name in sys.modules if name.partition(".")[0] in names),
                  "heavy": sorted({"tornado", "sqlalchemy", "structlog"} & set(sys.modules))}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", target, ROOT], check=True, timeout=50)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed: beside somebody's own ``domain`` and ``ports``."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-compile", "--no-index", "--target", target, wheel], check=True, timeout=50)
    for name in ("domain", "ports"):
        (target / name).mkdir()
        (target / name / "__init__.py").write_text("WHOSE = 'theirs'\n")
    return target


@pytest.fixture(scope="module")
def installed(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """``longshore serve`` as it was installed, in an empty folder."""
    server = ServerProcess(tmp_path_factory.mktemp("data"), {"PYTHONPATH": str(site)}, migrates=True)
    server.command = (sys.executable, str(site / "bin" / "longshore"), "serve")
    with server:
        yield server


def run(site: Path, *words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**clean_environment(folder), "PYTHONPATH": str(site), **environment}
    command = [sys.executable, "-W", "error", *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=50, check=False)


def test_it_holds_what_is_in_the_repository_and_nothing_else(wheel: Path) -> None:
    git = ["git", "ls-files", "-co", "--exclude-standard", *_FOLDERS]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    tracked = [name for name in listed.stdout.decode().splitlines() if (ROOT / name).is_file()]
    expected = {name if name.startswith("longshore/") else f"longshore/{name}" for name in tracked}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected


def test_it_stands_beside_a_domain_of_the_programs_own(site: Path, tmp_path: Path) -> None:
    done = run(site, "-c", _PROGRAM, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "read": "waves",
        "theirs": ["theirs", "theirs"],
        "top": ["domain", "ports"],
        "heavy": [],
    }


def test_the_command_has_the_verbs_of_server_and_client(site: Path, tmp_path: Path) -> None:
    done = run(site, "-m", "longshore", folder=tmp_path)
    assert done.returncode == 0 and "usage: longshore " in done.stdout
    told = {line.split()[0] for line in done.stdout.splitlines() if line.startswith(("  ", "    ")) and line.split()}
    assert {"serve", "worker", "migrate", "cleanup", "jobs", "doctor", "check-config"} <= told
    assert {"put", "ls", "get", "rm", "share", "watch"} <= told


def test_its_server_serves_stores_and_draws(installed: ServerProcess) -> None:
    http = Http(installed.port)
    assert (http.get("/").status, http.get("/static/app.js").status) == (200, 200)
    with ThreadPoolExecutor(8) as crowd:  # many small chunks at once have the writing process started
        targets = list(crowd.map(lambda seed: Tus(http).completed(bytes([seed]) * 65536), range(32)))
    assert http.get(targets[7]).body == bytes([7]) * 65536
    command_lines = [" ".join(child.cmdline()) for child in psutil.Process(installed.pid).children()]
    assert any("longshore.infrastructure.recording_writer" in line for line in command_lines), command_lines
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n%b\r\n--x--\r\n'
    picture = body % encoded(quarters(), PictureFormat.JPEG)
    answer = http.request("POST", "/images", [("Content-Type", "multipart/form-data; boundary=x")], picture)
    assert answer.status == 200, answer
    image = answer.json()["id"]
    until(lambda: http.get(f"/images/{image}").json()["status"] == "DONE", within=20)


def test_its_client_brings_a_file_there(installed: ServerProcess, site: Path, tmp_path: Path) -> None:
    (tmp_path / "waves.bin").write_bytes(os.urandom(3_000_000))
    home = {"XDG_STATE_HOME": str(tmp_path / "state"), "LONGSHORE_URL": installed.url}
    done = run(site, "-m", "longshore", "put", "--json", "waves.bin", folder=tmp_path, **home)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["event"], told["size"], told["verified"]) == ("stored", 3_000_000, True)
    content = Http(installed.port).get(f"/files/{told['id']}/content").body
    assert content == (tmp_path / "waves.bin").read_bytes()
