"""Contract of ports/received_images.py, on every database."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.file import File
from domain.ids import BlobKey, UploadId
from domain.received_image import ImageSession, ReceivedImage, SessionLimits
from tests.contract.suites.stores import Process, Store
from tests.support.builders import ALICE, BOB, NOW, a_file, an_upload
from tests.support.stores import opened_store

HIGHEST = 2**64 - 1


@pytest.fixture
async def store(store_url: str | None) -> AsyncIterator[Store]:
    async with opened_store(store_url) as store:
        yield store


@pytest.fixture
def process(store: Store) -> Process:
    return store.process()


def a_session() -> ImageSession:
    return ImageSession(ALICE.owner, str(uuid.uuid4()), str(uuid.uuid4()))


def of(session: ImageSession, index: int, file: File, *, dhash: int = 0) -> ReceivedImage:
    return ReceivedImage(session, index, file.id, f"{index}_{file.id}.jpg", dhash)


async def received(process: Process, session: ImageSession, index: int, *, dhash: int = 0) -> ReceivedImage:
    """Committed, with its file."""
    file = a_file(owner=ALICE)
    image = of(session, index, file, dhash=dhash)
    async with process.unit_of_work() as work:
        await work.uploads.add(an_upload(id=file.id, owner=ALICE))
        await work.files.add(file)
        await work.received_images.put(image)
        await work.commit()
    return image


async def listed(process: Process, session: ImageSession) -> list[ReceivedImage]:
    async with process.unit_of_work() as work:
        return list(await work.received_images.list(session))


async def test_a_session_that_nobody_knows_is_empty(process: Process) -> None:
    assert await listed(process, a_session()) == []


async def test_what_was_received_is_listed_by_index(process: Process) -> None:
    session = a_session()
    images = [await received(process, session, index, dhash=HIGHEST - index) for index in (9, 0, 2**31 - 1)]
    assert await listed(process, session) == [images[1], images[0], images[2]]


async def test_sessions_know_nothing_of_each_other(process: Process) -> None:
    session = a_session()
    image = await received(process, session, 1)
    for other in (
        replace(session, owner=BOB.owner),
        replace(session, user_id=str(uuid.uuid4())),
        replace(session, session_id=str(uuid.uuid4())),
    ):
        assert await listed(process, other) == []
        theirs = await received(process, other, 1)
        assert await listed(process, other) == [theirs]
    assert await listed(process, session) == [image]


async def test_one_of_the_same_index_takes_the_others_place(process: Process) -> None:
    session = a_session()
    await received(process, session, 3)
    neighbour = await received(process, session, 4)
    newer = await received(process, session, 3, dhash=7)
    assert await listed(process, session) == [newer, neighbour]


async def test_only_that_very_one_is_removed(process: Process) -> None:
    session = a_session()
    old, other = await received(process, session, 1), await received(process, session, 2)
    new = await received(process, session, 1)
    async with process.unit_of_work() as work:
        for _ in range(2):
            await work.received_images.remove(old)
        await work.received_images.remove(other)
        assert list(await work.received_images.list(session)) == [new]
        await work.commit()
    assert await listed(process, session) == [new]


async def test_one_goes_with_its_file(process: Process) -> None:
    session = a_session()
    gone, stays = await received(process, session, 1), await received(process, session, 2)
    async with process.unit_of_work() as work:
        await work.files.delete(gone.file_id)
        assert list(await work.received_images.list(session)) == [stays]
        await work.commit()
    assert await listed(process, session) == [stays]


async def test_without_a_commit_nothing_has_changed(process: Process) -> None:
    session = a_session()
    image = await received(process, session, 1)
    async with process.unit_of_work() as work:
        await work.received_images.lock(session)
        await work.received_images.remove(image)
    assert await listed(process, session) == [image]


async def test_a_limit_that_is_looked_at_under_the_lock_holds_for_all_processes(store: Store) -> None:
    """Each looks whether there is room, and adds one if there is."""
    session, limits = a_session(), SessionLimits(max_count=5)
    processes = [store.process(wait_seconds=20) for _ in range(2)]

    async def add(process: Process, index: int) -> None:
        file = replace(a_file(owner=ALICE), blob_key=BlobKey(f"images/{index}"))
        async with process.unit_of_work() as work:
            await work.received_images.lock(session)
            if len(await work.received_images.list(session)) >= limits.max_count:
                return
            await work.uploads.add(an_upload(id=UploadId(file.id), owner=ALICE))
            await work.files.add(file)
            await work.received_images.put(of(session, index, file))
            await work.commit()

    await asyncio.gather(*(add(processes[index % 2], index) for index in range(12)))
    assert len(await listed(processes[0], session)) == 5


async def test_one_session_does_not_wait_for_another(process: Process, store: Store, store_url: str | None) -> None:
    if store_url is not None and store_url.startswith("sqlite"):
        return  # it has one writer at a time
    one, two = a_session(), a_session()
    async with process.unit_of_work() as work:
        await work.received_images.lock(one)
        async with store.process().unit_of_work() as other:
            await asyncio.wait_for(other.received_images.lock(two), 5)
            await other.blob_deletions.add(BlobKey("x"), NOW)
            await other.commit()
