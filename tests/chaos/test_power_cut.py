"""The power goes off right after an acknowledgement: every acknowledged byte is on the disk when it comes
back.

How the power is cut, and why the copy of an image is a fair stand-in, is told in disk.py. The same cut must
find the loss when the server does not sync (DURABILITY=none), else it would prove nothing.
"""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.rig.client import Fleet, ResumingUpload, mixed_chunk_sizes
from tests.chaos.rig.content import Content
from tests.chaos.rig.machine import Machine, Server, StopAfter
from tests.chaos.rig.settings import CHAOS
from tests.chaos.rig.verify import doubled_files, file_rows, lost_bytes, lost_promises, wrong_content
from tests.support.ports import free_port
from tests.support.processes.server import ServerProcess

pytestmark = [pytest.mark.chaos, pytest.mark.serial]

_DISK = 512 << 20  # sparse: takes what is written
_CLIENTS = 6
_TRIES = 3  # the kernel may write back early when memory is short: then the loss needs another try to be seen


def _servers(mounts: Path, **env: str) -> Callable[[Path], Server]:
    port = free_port()

    def make(data_dir: Path) -> Server:
        return ServerProcess(data_dir, {**CHAOS, **env}, port=port, log_path=mounts / "server.log")

    return make


@pytest.mark.timeout(120)
def test_no_power_cut_loses_an_acknowledged_byte(mounts: Path) -> None:
    _survives(mounts, cuts=2)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_power_cut_of_ten_loses_an_acknowledged_byte(mounts: Path) -> None:
    _survives(mounts, cuts=10)


@pytest.mark.timeout(120)
def test_without_durability_the_same_cut_loses_bytes(mounts: Path) -> None:
    """If this one fails, the cuts above are not cuts."""
    for attempt in range(_TRIES):
        with Machine(_folder(mounts, attempt), _servers(mounts, DURABILITY="none"), disk_size=_DISK) as machine:
            if cut_after_one_chunk(machine, seed=attempt):
                return
    pytest.fail(f"{_TRIES} power cuts of a server that never syncs lost nothing: the harness is blind")


@pytest.mark.timeout(120)
def test_with_durability_complete_a_finished_file_survives_the_cut(mounts: Path) -> None:
    with Machine(mounts, _servers(mounts, DURABILITY="complete"), disk_size=_DISK) as machine:
        stop = StopAfter(threading.Event())
        upload = ResumingUpload(
            machine.server.url, Content(7, 3_000_001), chunk_sizes=[1 << 20], on_acknowledgement=stop
        )
        stop.arm(machine.server.pid, acknowledgements=1, completions_only=True)
        upload.run()
        assert stop.stopped.is_set()
        machine.cut_power()
        assert wrong_content(machine.server.url, [upload]) == []


def cut_after_one_chunk(machine: Machine, *, seed: int) -> list[str]:
    """Create, let all settle on the disk, acknowledge one chunk, cut: what is lost of it."""
    gate = threading.Event()
    stop = StopAfter(gate)
    upload = ResumingUpload(
        machine.server.url, Content(seed, 4 << 20), chunk_sizes=[256 << 10], on_acknowledgement=stop
    )
    upload.create()
    machine.disk.flush()
    stop.arm(machine.server.pid, acknowledgements=1)
    upload.send(0)
    upload.close()
    assert stop.stopped.is_set() and upload.promised == 256 << 10
    machine.cut_power()
    return lost_promises(machine.server.url, [upload])


def _survives(mounts: Path, *, cuts: int) -> None:
    with Machine(mounts, _servers(mounts), disk_size=_DISK) as machine:
        fleet, losses = run_under_cuts(machine, cuts=cuts, seed=2026)
        assert losses == []
        assert fleet.errors == []
        assert fleet.surprises == {}
        volume = machine.data_dir / "storage"
        assert wrong_content(machine.server.url, fleet.uploads) == []
        assert doubled_files(volume, fleet.uploads) == []
        assert file_rows(machine.data_dir / "files.db") == len(fleet.uploads)


def run_under_cuts(machine: Machine, *, cuts: int, seed: int) -> tuple[Fleet, list[str]]:
    """Uploads side by side while the power goes ``cuts`` times; what was lost at any boot, one line each.

    Every second cut comes right after the acknowledgement of a last byte, the others after one amid a file.
    """
    draw = random.Random(seed)
    gate = threading.Event()
    stop = StopAfter(gate)

    def upload(number: int) -> ResumingUpload:
        length = draw.randrange(300_000, 4_000_000)
        return ResumingUpload(
            machine.server.url,
            Content(seed + number, length),
            chunk_sizes=mixed_chunk_sizes(number),
            pause=0.005,
            on_acknowledgement=stop,
            gate=gate,
        )

    fleet = Fleet(_CLIENTS, upload)
    losses: list[str] = []
    gate.set()
    fleet.start()
    try:
        for cut in range(cuts):
            at_a_last_byte = cut % 2 == 1
            count = draw.randrange(1, 5) if at_a_last_byte else draw.randrange(15, 60)
            stop.arm(machine.server.pid, acknowledgements=count, completions_only=at_a_last_byte)
            assert stop.stopped.wait(60), f"cut {cut}: no acknowledgement came to cut the power after"
            machine.cut_power()
            known = list(fleet.uploads)
            finished = [one for one in known if one.promised == one.content.length]
            losses += [f"cut {cut}: {line}" for line in lost_promises(machine.server.url, known)]
            losses += [f"cut {cut}: {line}" for line in lost_bytes(machine.data_dir, known)]
            losses += [f"cut {cut}: {line}" for line in wrong_content(machine.server.url, finished)]
            if losses:
                break
            gate.set()
    finally:
        gate.set()
        fleet.finish()
    return fleet, losses + fleet.broken_promises


def _folder(mounts: Path, number: int) -> Path:
    folder = mounts / str(number)
    folder.mkdir()
    return folder
