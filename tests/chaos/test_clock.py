"""The machine's clock is set wrong by days and put right again while uploads are open: none is lost for it.

The server is a real process whose wall clock lies (libfaketime); its monotonic clock, and the times of its files, do
not, as on a machine whose clock somebody sets.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.rig.client import TUS, HangingPatch, ResumingUpload, ask
from tests.chaos.rig.content import Content
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import wrong_content
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require
from tests.support.until import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(90)]

_CLEANUP = 1  # second
_LIBRARY = "faketime/libfaketimeMT.so.1"
_CHUNK = 400_000


class WrongClock:
    """A server's wall clock, to be set at will while it runs."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")

    def set(self, shift: str) -> None:
        """``shift``: such as ``+3d``, against the machine's own clock."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{shift}\n")
        new.rename(self._file)

    @property
    def env(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(_libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # the same, to older ones
            "NO_FAKE_STAT": "1",
            # Else it takes a glibc of long ago for ours, and each wait of a thread ends at once and is begun anew.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clock")


@pytest.fixture
def clock(folder: Path) -> Iterator[WrongClock]:
    clock = WrongClock(folder / "clock")
    yield clock
    clock.set("+0")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    """One for all: beside this library it takes long to start."""
    env = {"CLEANUP_INTERVAL": f"{_CLEANUP}s", "CLEANUP_AFTER": "1h", "LOG_LEVEL": "DEBUG"}
    with ServerProcess(folder / "data", {**CHAOS, **WrongClock(folder / "clock").env, **env}) as server:
        yield server


@pytest.mark.parametrize("jump", ["+3d", "-3d", "+400d"])
def test_a_clock_that_jumps_and_is_put_right_ends_no_upload(
    server: ServerProcess, clock: WrongClock, jump: str
) -> None:
    waiting = [_begun(server, number, chunk=40_000) for number in range(5)]
    sending = _begun(server, 5, chunk=_CHUNK)
    hanging = HangingPatch(server.url, sending.location, offset=sending.promised, announced=2 * _CHUNK, sent=b"")
    _cleanups(server, 1)
    clock.set(jump)
    hanging.more(sending.content.read(_CHUNK, 2 * _CHUNK))
    [in_between] = _cleanups(server, 1)
    clock.set("+0")
    hanging.more(sending.content.read(2 * _CHUNK, 3 * _CHUNK))
    assert hanging.ended_within(10) is not None
    hanging.close()
    afterwards = _cleanups(server, 2)
    assert all("expired_uploads=0, orphans=0" in done for done in (in_between, *afterwards))

    assert int(ask(server.url, "HEAD", sending.location, TUS).header("upload-offset")) == 3 * _CHUNK
    for upload in (*waiting, sending):
        upload.run(within=30)
        assert upload.broken_promises == [] and upload.surprises == {}
    assert wrong_content(server.url, [*waiting, sending]) == []


def test_a_clock_that_was_right_all_along_does_end_them(server: ServerProcess, clock: WrongClock) -> None:
    """So the test above has teeth: of a clock that stays where it was set it is believed in the end."""
    upload = _begun(server, 1, chunk=_CHUNK)
    clock.set("+3d")
    done = _cleanups(server, 3)
    assert "expired_uploads=1" in "".join(done)
    assert ask(server.url, "HEAD", upload.location, TUS).status == 410


def _begun(server: ServerProcess, seed: int, *, chunk: int) -> ResumingUpload:
    upload = ResumingUpload(server.url, Content(seed, 4 * chunk + 3), chunk_sizes=[chunk])
    upload.create()
    upload.send(0)
    upload.close()
    assert upload.promised == chunk
    return upload


def _cleanups(server: ServerProcess, count: int) -> list[str]:
    """What the next cleanups say they have done."""
    before = len(_done(server))
    until(lambda: len(_done(server)) >= before + count, server.log_tail, within=count * _CLEANUP + 20)
    return _done(server)[before : before + count]


def _done(server: ServerProcess) -> list[str]:
    whole_lines = server.log().rpartition("\n")[0].splitlines()
    lines = [json.loads(line) for line in whole_lines if line.startswith("{") and "Cleaned(" in line]
    return [line["done"] for line in lines]


def _libfaketime() -> Path:
    found = [path for folder in ("/usr/lib", "/usr/local/lib") for path in Path(folder).glob(f"**/{_LIBRARY}")]
    if not found:
        require("libfaketime", f"no {_LIBRARY} in /usr/lib or /usr/local/lib (Debian: faketime)")
    return found[0]
