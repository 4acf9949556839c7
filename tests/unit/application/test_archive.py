"""Archives: whose rights decide, until when, and that no CRC-32 is counted twice."""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.outbound.memory.archives import MemoryArchives
from adapters.outbound.system.id_generator import SystemIdGenerator
from application.file.archive import ArchiveUseCase
from domain.access import Principal, Visibility
from domain.archive import ARCHIVE_LIFE, MAX_ARCHIVED
from domain.errors import CredentialRefused, FileExpired, FileGone, FileNotFound, InvalidRequest, LinkExpired
from domain.file import File, FileChange
from domain.ids import FileId, file_id_of
from tests.support.builders import ADMIN, ALICE, BOB, a_file, an_id
from tests.support.deployment import Deployment, Process

DATA = b"0123456789"
PUBLIC, PRIVATE = (FileChange(visibility=visibility) for visibility in (Visibility.PUBLIC, Visibility.PRIVATE))


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def process(deployment: Deployment) -> Process:
    return deployment.process()


@pytest.fixture
def archives(deployment: Deployment, process: Process) -> ArchiveUseCase:
    return ArchiveUseCase(
        unit_of_work=process.units,
        archives=MemoryArchives(),
        downloads=process.downloads,
        digests=process.digests,
        clock=deployment.clock,
        ids=SystemIdGenerator(),
    )


async def stored(process: Process, who: Principal = ALICE) -> FileId:
    upload = await process.begin(len(DATA), who)
    await process.send(upload.id, DATA, who=who)
    return file_id_of(upload.id)


async def kept(process: Process, *files: File) -> None:
    async with process.units() as work:
        for file in files:
            await work.files.add(file)
        await work.commit()


async def known(process: Process, file_id: FileId) -> File:
    async with process.units() as work:
        return await work.files.find(file_id)


async def test_it_is_good_for_an_hour(deployment: Deployment, process: Process, archives: ArchiveUseCase) -> None:
    file_id = await stored(process)
    shown, archive, files = await archives.make(ALICE, [file_id])
    assert (archive.expires_at, archive.name) == (deployment.clock.now() + ARCHIVE_LIFE, "files 2026-11-20.zip")
    assert [file.id for file in files] == [file_id]
    deployment.clock.pass_by(ARCHIVE_LIFE - timedelta(seconds=1))
    assert await archives.find(shown) == (archive, files)
    deployment.clock.pass_by(timedelta(seconds=1))
    for link in (shown, "", archive.digest, "\ud800"):
        with pytest.raises(LinkExpired):
            await archives.find(link)


async def test_what_is_not_the_makers_does_not_come_in(process: Process, archives: ArchiveUseCase) -> None:
    own, foreign = await stored(process, BOB), await stored(process)
    guarded, over = a_file(owner=ALICE, credential={"k": "v"}), a_file(owner=BOB)
    await kept(process, guarded, replace(over, expires_at=over.created_at))
    refusals: Mapping[FileId, type[Exception]] = {
        foreign: FileNotFound,
        FileId(an_id()): FileNotFound,
        guarded.id: CredentialRefused,
        over.id: FileExpired,
    }
    for file_id, refusal in refusals.items():
        with pytest.raises(refusal):
            await archives.make(BOB, [own, file_id])
    assert (await archives.make(ADMIN, [own, foreign, guarded.id]))[1].maker == ADMIN


async def test_the_makers_rights_are_those_of_the_moment(process: Process, archives: ArchiveUseCase) -> None:
    file_id = await stored(process)
    await process.files.change(ALICE, file_id, PUBLIC)
    shown, *_ = await archives.make(BOB, [file_id])
    await process.files.change(ALICE, file_id, PRIVATE)
    with pytest.raises(FileGone):
        await archives.find(shown)
    await process.files.change(ALICE, file_id, PUBLIC)
    await archives.find(shown)
    await process.files.delete(ALICE, file_id)
    with pytest.raises(FileGone):
        await archives.find(shown)


async def test_of_a_folder_there_is_what_is_in_it_and_not_too_much(process: Process, archives: ArchiveUseCase) -> None:
    inside = [a_file(owner=ALICE, path=path) for path in ("d/a", "d/b/c", "d/b/a")]
    await kept(process, *inside, a_file(owner=ALICE, path="d2/a"), a_file(owner=BOB, path="d/a"), a_file(owner=ALICE))
    _, archive, files = await archives.make_of_folder(ALICE, "d")
    assert [file.path for file in files] == ["d/a", "d/b/a", "d/b/c"]
    assert archive.name == "d 2026-11-20.zip"
    with pytest.raises(FileNotFound):
        await archives.make_of_folder(ALICE, "e")
    await kept(process, *(a_file(owner=ALICE, path=f"many/{n}") for n in range(MAX_ARCHIVED)))
    assert len((await archives.make_of_folder(ALICE, "many/"))[2]) == MAX_ARCHIVED
    await kept(process, a_file(owner=ALICE, path="many/more"))
    with pytest.raises(InvalidRequest):
        await archives.make_of_folder(ALICE, "many/")


async def test_a_crc32_is_read_for_once(process: Process, archives: ArchiveUseCase, deployment: Deployment) -> None:
    one, other = await stored(process), await stored(process)
    found = zlib.crc32(DATA)
    await process.digests.run()
    assert (await known(process, one)).crc32 == found, "by who reads it for the SHA-256"
    third = await stored(process)
    file = await known(process, third)
    assert file.crc32 is None
    assert await archives.crc32(file) == found
    deployment.memory.blobs.clear()
    assert await archives.crc32(file) == found, "which is as it was read before"
    await archives.note_crc32s({other: 7, third: 7})
    assert (await known(process, third)).crc32 == found
