"""What every image repository promises (ports/image_repository.py)."""

import asyncio
from collections.abc import Sequence
from dataclasses import fields

import pytest

from domain.errors import ImageNotFound
from domain.ids import BlobKey, FileId
from domain.image import Image, ImageStatus
from domain.rendition import Box, Rendition
from tests.contract.suites.stores import Process, Store, StoreSuite
from tests.support.builders import NOW, a_file, an_id


def an_image(image_id: str) -> Image:
    return Image(id=FileId(image_id), watch_id="chosen", created_at=NOW, updated_at=NOW)


def a_rendition(box: Box) -> Rendition:
    return Rendition(box=box, width=int(box), height=7, media_type="image/webp", size=10, blob_key=BlobKey(an_id()))


def told(image: Image) -> tuple[object, ...]:
    return tuple(getattr(image, field.name) for field in fields(image))


async def added(process: Process) -> Image:
    file = a_file()
    image = an_image(file.id)
    async with process.unit_of_work() as work:
        await work.files.add(file)
        await work.images.add(image)
        await work.commit()
    return image


async def drawn(process: Process) -> Image:
    image = await added(process)
    image.finish([a_rendition(box) for box in Box], NOW)
    assert await saved(process, image)
    return image


async def saved(process: Process, image: Image) -> bool:
    async with process.unit_of_work() as work:
        is_there = await work.images.save(image)
        await work.commit()
    return is_there


async def check_kept(process: Process, image: Image) -> None:
    assert await saved(process, image)
    kept = await found(process, image.id)
    assert kept is not None
    assert told(kept) == told(image)


async def found(process: Process, image_id: FileId) -> Image | None:
    async with process.unit_of_work() as work:
        return await work.images.find_any(image_id)


async def removed(process: Process, image_id: FileId) -> Sequence[BlobKey]:
    async with process.unit_of_work() as work:
        keys = await work.images.remove(image_id)
        await work.files.delete(image_id)
        await work.commit()
    return keys


class ImageRepositorySuite(StoreSuite):
    async def test_an_image_comes_back_as_it_was_saved(self, process: Process) -> None:
        image = await added(process)
        image.queue(NOW)
        await check_kept(process, image)
        image.fail("it's broken, \u2713", NOW)
        await check_kept(process, image)
        image.finish([a_rendition(box) for box in Box], NOW)
        await check_kept(process, image)
        assert (image.status, image.updated_at > NOW) == (ImageStatus.DONE, True)

    async def test_adding_one_twice_keeps_the_first(self, process: Process) -> None:
        image = await drawn(process)
        async with process.unit_of_work() as work:
            await work.images.add(an_image(image.id))
            kept = await work.images.find(image.id)
            await work.commit()
        assert told(kept) == told(image)

    async def test_one_that_is_added_is_found_before_the_commit(self, process: Process) -> None:
        file = a_file()
        async with process.unit_of_work() as work:
            await work.files.add(file)
            await work.images.add(an_image(file.id))
            assert (await work.images.find(file.id)).status is ImageStatus.NEW
        assert await found(process, file.id) is None

    async def test_unknown_ones_are_told_apart(self, process: Process) -> None:
        first, second = await drawn(process), await added(process)
        unknown = FileId(an_id())
        async with process.unit_of_work() as work:
            with pytest.raises(ImageNotFound):
                await work.images.find(unknown)
            many = await work.images.find_many([unknown, second.id, first.id])
            assert await work.images.find_many([]) == {}
        assert {image_id: told(image) for image_id, image in many.items()} == {
            first.id: told(first),
            second.id: told(second),
        }
        assert await found(process, unknown) is None

    async def test_one_that_is_gone_is_not_saved(self, process: Process) -> None:
        image = await drawn(process)
        assert sorted(await removed(process, image.id)) == sorted(one.blob_key for one in image.renditions)
        assert not await saved(process, image)
        assert await found(process, image.id) is None
        assert await removed(process, image.id) == []

    async def test_it_goes_with_its_file(self, process: Process) -> None:
        image = await drawn(process)
        async with process.unit_of_work() as work:
            await work.files.delete(image.id)
            await work.commit()
        assert await found(process, image.id) is None

    async def test_who_draws_and_who_deletes_agree_whose_the_blobs_are(self, store: Store) -> None:
        """Either the deletion returns them, or whoever drew them is told that the image is gone."""
        for _ in range(5):
            drawing, deleting = store.process(), store.process()
            image = await added(drawing)
            image.finish([a_rendition(Box.SMALL)], NOW)
            is_there, keys = await asyncio.gather(saved(drawing, image), removed(deleting, image.id))
            assert list(keys) == ([image.renditions[0].blob_key] if is_there else [])
            assert await found(drawing, image.id) is None
