"""What a run needs around it: a working folder, the source body, compiled programs, peers' packages."""

import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Missing
from benchmarks.scale import MIB, size

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
INSTALL_SECONDS = 300
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  only the source body lies there, in a folder of our own


class Workbench:
    """Everything temporary of one run. What is missing is looked for once and then stays missing."""

    def __init__(self, parent: Path) -> None:
        self._made_parent = None if parent.exists() else parent
        parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        self._puts_off_removal = False
        self._source_folder: Path | None = None
        self._found: dict[str, Path | Missing] = {}

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._source_folder:
            shutil.rmtree(self._source_folder, ignore_errors=True)
        if self._made_parent and not any(self._made_parent.iterdir()):
            self._made_parent.rmdir()

    @contextmanager
    def fresh_folder(self) -> Iterator[Path]:
        """An empty folder on the measured disk, for one server's life."""
        folder = Path(tempfile.mkdtemp(prefix="server-", dir=self.folder))
        try:
            yield folder
        finally:
            if self._puts_off_removal:
                for path in folder.rglob("*"):
                    if path.is_file():
                        os.truncate(path, 0)
            else:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def putting_off_removal(self) -> Iterator[None]:
        """Remove the files that servers leave at the end of the block, and before that their bytes alone.

        ext4 looks at each inode that was deleted within the last minutes before it gives one to a new file: where
        files are made by the thousand, that would weigh more than what is measured.
        """
        self._puts_off_removal = True
        try:
            yield
        finally:
            self._puts_off_removal = False
            for folder in self.folder.glob("server-*"):
                shutil.rmtree(folder, ignore_errors=True)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def source(self, length: int) -> Path:
        """A file of ``length`` bytes to send; in memory where there is room, so that it costs no disk."""
        if self._source_folder is None:
            roomy = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > 2 * length
            self._source_folder = Path(
                tempfile.mkdtemp(prefix="longshore-bench-", dir=SHARED_MEMORY if roomy else self.folder)
            )
        path = self._source_folder / f"body-{length}"
        if not path.exists():
            block = os.urandom(MIB)
            with path.open("wb") as file:
                for start in range(0, length, len(block)):
                    file.write(block[: length - start])
        return path

    def warm_up_disk(self, length: int) -> None:
        """Write and remove ``length`` bytes: some disks hand out untouched blocks far slower."""
        if self.free_bytes() < 2 * length:
            raise Missing(f"no room on the disk: {size(2 * length)} are needed")
        path = self.folder / "warm-up"
        block = os.urandom(MIB)
        with path.open("wb") as file:
            for _ in range(0, length, len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()

    def warm_up_memory(self, length: int) -> None:
        """Touch and give back the memory that files of ``length`` bytes will take in the page cache.

        On a virtual machine, memory that nobody used for some seconds belongs to the host again; fetching it
        back page by page is slower than any server here and hits whoever comes first.
        """
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
        with mmap.mmap(-1, min(length + length // 4, available // 2), flags=mmap.MAP_PRIVATE) as memory:
            memory.madvise(mmap.MADV_HUGEPAGE)
            for page in range(0, len(memory), mmap.PAGESIZE):
                memory[page] = 1

    def tool(self, name: str) -> Path:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
        if not found:
            raise Missing(f"{name} is not on PATH")
        return Path(found)

    def program(self, source: str) -> Path:
        """The C program ``source`` (a path below benchmarks/), compiled for this run."""
        return self._once(source, lambda: self._compile(HERE / source))

    def peers_python(self) -> Path:
        """The interpreter that has the packages of pyproject's ``bench`` extra; not the project's own."""
        return self._once("python", self._install_python_peers)

    def peers_node_modules(self) -> Path:
        return self._once("npm", self._install_node_peers)

    def _once(self, what: str, make: Callable[[], Path]) -> Path:
        if what not in self._found:
            try:
                self._found[what] = make()
            except Missing as reason:
                self._found[what] = reason
        found = self._found[what]
        if isinstance(found, Missing):
            raise found
        return found

    def _compile(self, source: Path) -> Path:
        compiler = next(filter(None, map(shutil.which, ("gcc", "cc", "clang"))), None)
        if compiler is None:
            raise Missing(f"no C compiler for {source.name}")
        program = self.folder / source.stem
        _install([compiler, "-O2", "-Wall", "-Wextra", "-o", program, source], f"compiling {source.name}")
        return program

    def _install_python_peers(self) -> Path:
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
        wanted: list[str] = project["project"]["optional-dependencies"]["bench"]
        home = HERE / ".venv"
        marker, python = home / "installed", home / "bin" / "python"
        if not marker.is_file() or marker.read_text() != "\n".join(wanted):
            _install([sys.executable, "-m", "venv", "--clear", home], "creating benchmarks/.venv")
            quietly = ["install", "--quiet", "--retries", "1"]
            _install([python, "-m", "pip", *quietly, *wanted], "installing the Python peers")
            marker.write_text("\n".join(wanted))
        return python

    def _install_node_peers(self) -> Path:
        npm, modules, lock = self.tool("npm"), HERE / "node_modules", HERE / "package-lock.json"
        marker = modules / ".installed"
        if not marker.is_file() or marker.read_text() != lock.read_text():
            quietly = ["--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
            _install([npm, "ci", *quietly, "--prefix", HERE], "installing the Node peers")
            marker.write_text(lock.read_text())
        return modules


def _install(arguments: Sequence[str | Path], what: str) -> None:
    """Run an installer; its failure (no network, say) makes what it installs missing, not the run fail."""
    print(f"… {what}", flush=True)
    command = [str(argument) for argument in arguments]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise Missing(f"{what} took longer than {INSTALL_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise Missing(f"{what} failed: {_first_error(error.stderr) or error.returncode}") from None


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower() and "warn" not in line.lower()]
    return lines[0].replace(str(PROJECT), ".")[:200] if lines else ""
