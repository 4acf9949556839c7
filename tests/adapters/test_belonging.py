"""Which storage is whose database's, start after start; the real parts, in this process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from application.upload import UploadUseCase
from domain.file_draft import FileDraft
from domain.ids import UploadId, file_id_of
from infrastructure.capability import CannotStart
from infrastructure.setting_sources import load_settings
from infrastructure.startup import started
from tests.support.builders import ALICE
from tests.support.processes.s3 import S3Server
from tests.support.processes.server import lay_out_database
from tests.support.sources import source_of

Act = Callable[[UploadUseCase], Awaitable[object]]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return made(tmp_path / "data")


def made(data_dir: Path) -> Path:
    data_dir.mkdir()
    lay_out_database(data_dir / "files.db")
    return data_dir


async def nothing(_: UploadUseCase) -> None: ...


async def a_file(uploads: UploadUseCase) -> UploadId:
    view = await uploads.store(ALICE, FileDraft(), source=source_of(b"hello"))
    assert view is not None
    return view.id


async def an_unfinished_upload(uploads: UploadUseCase) -> UploadId:
    upload = await uploads.create(ALICE, FileDraft(), length=50)
    await uploads.append(ALICE, upload.id, at=0, source=source_of(b"hello"))
    return upload.id


async def an_aborted_upload(uploads: UploadUseCase) -> None:
    await uploads.abort(ALICE, await an_unfinished_upload(uploads))


async def an_announced_upload(uploads: UploadUseCase) -> None:
    await uploads.create(ALICE, FileDraft(), length=50)


def start(data_dir: Path, act: Act = nothing, *, env: Mapping[str, str] = MappingProxyType({})) -> str:
    """Start, act and end; what kept it from starting, if that is so."""
    settings = load_settings({"DATA_DIR": str(data_dir), **env}, data_dir / "no.env")

    async def run() -> None:
        async with started(settings) as parts:
            await act(parts.uploads())

    try:
        asyncio.run(run())
    except CannotStart as error:
        return str(error)
    return ""


@pytest.mark.parametrize("act", [an_aborted_upload, an_announced_upload])
def test_as_long_as_nothing_is_stored_another_folder_is_taken_and_the_first_one_again(data_dir: Path, act: Act) -> None:
    other = {"STORAGE_PATH": str(data_dir / "mnt" / "disk")}
    for env in ({}, other, other, {}):
        assert start(data_dir, act, env=env) == ""
    assert start(data_dir, a_file, env=other) == ""
    assert start(data_dir).startswith(f"STORAGE_PATH: {data_dir / 'storage'} is not this database's volume")
    assert start(data_dir, env=other) == ""


@pytest.mark.parametrize("act", [a_file, an_unfinished_upload])
def test_what_is_stored_is_not_left_behind(data_dir: Path, tmp_path: Path, act: Act) -> None:
    assert start(data_dir, act) == ""
    for _ in range(2):
        assert "cp -a OLD/." in start(data_dir, env={"STORAGE_PATH": str(tmp_path / "new")})
        assert not (tmp_path / "new").exists()
    assert start(data_dir) == ""


def test_once_the_only_file_is_deleted_there_is_nothing_to_lose_again(data_dir: Path, tmp_path: Path) -> None:
    settings = load_settings({"DATA_DIR": str(data_dir)}, data_dir / "no.env")

    async def come_and_go() -> None:
        async with started(settings) as parts:
            upload_id = await a_file(parts.uploads())
            await parts.stored_files().delete(ALICE, file_id_of(upload_id))

    asyncio.run(come_and_go())
    assert start(data_dir, env={"STORAGE_PATH": str(tmp_path / "new")}) == ""


def test_a_folder_of_another_database_is_never_taken_nor_one_with_other_things(data_dir: Path, tmp_path: Path) -> None:
    assert start(made(tmp_path / "other")) == start(data_dir) == ""
    assert "a wrong volume is named or mounted" in start(
        data_dir, env={"STORAGE_PATH": str(tmp_path / "other" / "storage")}
    )
    (tmp_path / "holidays").mkdir()
    (tmp_path / "holidays" / "1.jpg").touch()
    assert "holds other things" in start(data_dir, env={"STORAGE_PATH": str(tmp_path / "holidays")})
    assert start(data_dir) == ""


def test_a_bucket_in_place_of_a_folder_and_of_another_bucket(data_dir: Path, s3: S3Server) -> None:
    one, two = s3.settings(s3.create_bucket()), s3.settings(s3.create_bucket())
    for env in ({}, one, two, {}, two):
        assert start(data_dir, env=env) == ""
    assert start(data_dir, a_file, env=two) == ""
    assert "cp -a" in start(data_dir)
    assert "rclone copy" in start(data_dir, env=one)
    assert start(data_dir, env=two) == ""
