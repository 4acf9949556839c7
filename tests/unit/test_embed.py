"""The example for embedders runs from anywhere, without a web server, and leaves nothing behind but its files."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "embed.py"

_WITHOUT_TORNADO = """
import importlib.abc, runpy, sys, threading

class NoTornado(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tornado":
            raise ModuleNotFoundError("No module named 'tornado' in this program", name=name)

sys.meta_path.insert(0, NoTornado())
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
print("threads left:", [thread.name for thread in threading.enumerate() if not thread.daemon])
"""

_WITH_PYDANTIC_ALONE = """
import importlib.abc, runpy, sys

class Nothing(importlib.abc.MetaPathFinder):
    allowed = sys.stdlib_module_names | {
        "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection",
        "adapters", "application", "domain", "infrastructure", "longshore", "ports",
    }

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError("No module named " + repr(name) + " in this program", name=name)

sys.meta_path.insert(0, Nothing())
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

_OUTPUT = """\
In memory:
  began <id>, 1048576 bytes to come
  sent from byte 0, stored 700000 of 1048576: RECEIVING
  heard: upload.completed at byte 1048576
  sent from byte 700000, stored 1048576 of 1048576: COMPLETED
  read holiday.mov back, 1048576 bytes, crc64nvme:<crc>: byte for byte the same
With SQLite and a folder:
  began <id>, 20971520 bytes to come
  sent from byte 0, stored 12582912 of 20971520: RECEIVING
  ... the program ends and is started again ...
  heard: upload.completed at byte 20971520
  sent from byte 12582912, stored 20971520 of 20971520: COMPLETED
  read holiday.mov back, 20971520 bytes, crc64nvme:<crc>: byte for byte the same
"""


def run(*arguments: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def generalised(output: str) -> str:
    output = re.sub(r"began [0-9a-f]{32}", "began <id>", output)
    return re.sub(r"crc64nvme:[0-9a-f]{16}", "crc64nvme:<crc>", output)


def test_it_tells_what_it_does_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert generalised(run(str(EXAMPLE), folder=tmp_path)) == _OUTPUT
    assert list(tmp_path.iterdir()) == []


def test_it_needs_no_web_server_and_ends_cleanly(tmp_path: Path) -> None:
    data = tmp_path / "data"
    output = run("-c", _WITHOUT_TORNADO, str(EXAMPLE), str(data), folder=tmp_path)
    assert generalised(output) == _OUTPUT + "threads left: ['MainThread']\n"
    assert sorted(entry.name for entry in data.iterdir()) == ["files.db", "link.secret", "storage"]
    (blob,) = [path for path in (data / "storage" / "blobs").rglob("*") if path.is_file()]
    assert blob.stat().st_size == 20 * 1024 * 1024


def test_the_way_in_memory_needs_pydantic_alone(tmp_path: Path) -> None:
    output = run("-c", _WITH_PYDANTIC_ALONE, str(EXAMPLE), folder=tmp_path)
    in_memory, _, on_disk = generalised(output).partition("With SQLite and a folder:\n")
    assert _OUTPUT.startswith(in_memory) and "COMPLETED" in in_memory
    assert on_disk == "  left out, for it needs sqlalchemy: docs/embedding.md says what else\n"


def test_it_stays_short_enough_to_read() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 100


def test_routes_for_frameworks_need_neither_tornado_nor_a_database(tmp_path: Path) -> None:
    root = str(EXAMPLE.parents[1])
    program = f"import sys; sys.path.insert(0, {root!r}); import longshore.asgi, longshore.fastapi, longshore.django"
    seen = "print(sorted({'tornado', 'sqlalchemy', 'PIL'} & sys.modules.keys()))"
    assert run("-c", f"{program}; {seen}", folder=tmp_path) == "[]\n"
