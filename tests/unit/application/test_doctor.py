"""The doctor: what is there and what is recorded, compared; on a volume, with the records in memory."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.outbound.memory.audit import MemoryAudit
from adapters.outbound.memory.database import MemoryDatabase
from adapters.outbound.volume.medium import VolumeMedium
from adapters.outbound.volume.volume import Volume
from application.doctor import DoctorUseCase
from domain.file import File
from domain.finding import Finding
from domain.ids import BlobKey, UploadId
from tests.support.builders import NOW, ShiftedClock, a_file, an_id, an_upload

AN_HOUR = timedelta(hours=1)


class Practice:
    def __init__(self, folder: Path) -> None:
        self.volume, self.database, self.clock = Volume(folder), MemoryDatabase(), ShiftedClock()
        self.volume.prepare()

    def keep(self, content: bytes = b"x" * 10, *, file: File | None = None) -> File:
        """A file whose bytes are there."""
        file = file or a_file(size=len(content), crc64=None)
        self.database.files[file.id] = file
        self.lay(self.volume.blob_path(file.blob_key), content)
        return file

    def lay(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(content)

    async def findings(self, *, scrub: bool = False) -> list[Finding]:
        doctor = DoctorUseCase(
            medium=VolumeMedium(self.volume), audit=MemoryAudit(self.database), clock=self.clock, spared=AN_HOUR
        )
        return [finding async for finding in doctor.examine(scrub=scrub)]

    async def problems(self, *, scrub: bool = False) -> list[str]:
        return [finding.text for finding in await self.findings(scrub=scrub) if not finding.good]


@pytest.fixture
def practice(tmp_path: Path) -> Practice:
    return Practice(tmp_path / "volume")


async def test_nothing_is_wrong_with_a_file_whose_bytes_are_there(practice: Practice) -> None:
    practice.keep()
    assert await practice.problems(scrub=True) == []
    assert "all 1 files are there" in (await practice.findings())[-1].text


async def test_without_its_marker_a_volume_is_not_compared_with_anything(practice: Practice) -> None:
    practice.keep()
    (practice.volume.root / ".longshore").unlink()
    (told,) = await practice.problems()
    assert "not mounted" in told


async def test_a_volume_that_is_away_may_only_not_be_mounted(practice: Practice) -> None:
    practice.keep()
    practice.volume.root.rename(practice.volume.root.with_name("elsewhere"))
    (told,) = await practice.problems()
    assert "is it mounted?" in told


async def test_missing_bytes_are_told_by_the_file(practice: Practice) -> None:
    file = practice.keep()
    practice.volume.blob_path(file.blob_key).unlink()
    assert await practice.problems() == [f"file {file.id}: its bytes are missing"]


async def test_of_many_problems_some_are_named_and_the_rest_counted(practice: Practice) -> None:
    for _ in range(13):
        file = a_file()
        practice.database.files[file.id] = file
    told = await practice.problems()
    assert len(told) == 11
    assert told[-1] == "… and 3 files more"


async def test_scrubbing_tells_how_many_can_not_be_compared(practice: Practice) -> None:
    practice.keep()
    assert "1 files have no checksum" in (await practice.findings(scrub=True))[-2].text


@pytest.mark.parametrize(
    ("path_of", "told"),
    [
        (lambda volume: volume.staged_path(UploadId(an_id())), "1 staged uploads (1KiB bytes) belong to nobody"),
        (lambda volume: volume.blob_path(BlobKey(an_id())), "1 sealed blobs (1KiB bytes) belong to no file"),
    ],
    ids=["staged", "sealed"],
)
async def test_what_belongs_to_nobody_is_told_once_it_is_old(
    practice: Practice, path_of: Callable[[Volume], Path], told: str
) -> None:
    practice.lay(path := path_of(practice.volume), bytes(1024))
    assert await practice.problems() == []
    old = path.stat().st_mtime - 2 * AN_HOUR.total_seconds()
    os.utime(path, (old, old))
    (line,) = await practice.problems()
    assert line.startswith(told)


async def test_what_an_upload_under_way_has_staged_or_sealed_is_somebodys(practice: Practice) -> None:
    upload = an_upload()
    practice.database.uploads[upload.id] = upload
    practice.clock.shift = 2 * AN_HOUR
    practice.lay(practice.volume.staged_path(upload.id), b"x")
    practice.lay(practice.volume.blob_path(BlobKey(upload.id)), b"x")
    assert await practice.problems() == []


async def test_a_deletion_that_did_not_come_to_its_end_is_told(practice: Practice) -> None:
    practice.database.blob_deletions[BlobKey(an_id())] = NOW
    practice.clock.shift = NOW - practice.clock.now()
    assert await practice.problems() == []
    practice.clock.shift += 2 * AN_HOUR
    (line,) = await practice.problems()
    assert line.startswith("1 blobs were to be deleted")
