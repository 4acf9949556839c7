"""Pictures: received, or made of stored files; told of, opened, and their thumbnails drawn."""

from collections.abc import Awaitable, Callable

import pytest

from domain.access import Principal
from domain.byte_range import ByteRange
from domain.errors import (
    FileGone,
    FileNotFound,
    ImageNotFound,
    InvalidPicture,
    JobTakenOver,
    LongshoreError,
    PictureCorrupted,
    ProcessorUnavailable,
    ThumbnailNotFound,
    TooManyPixels,
    UploadTooLarge,
)
from domain.events import EventType
from domain.ids import BlobKey, FileId, UploadId, file_id_of
from domain.image import ImageStatus
from domain.job import Job
from domain.rendition import Box
from tests.support.builders import ADMIN, ALICE, BOB, an_id
from tests.support.deployment import Deployment
from tests.support.gallery import HEIC, JPEG, PNG, Gallery
from tests.support.sources import CutSource, source_of


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def gallery(deployment: Deployment) -> Gallery:
    return Gallery(deployment)


async def stored(gallery: Gallery, data: bytes, who: Principal = ALICE) -> FileId:
    """By tus, say."""
    upload = await gallery.process.begin(len(data), who)
    await gallery.process.send(upload.id, data, who=who)
    return file_id_of(upload.id)


async def status(gallery: Gallery, image_id: FileId) -> tuple[ImageStatus, str]:
    view = await gallery.images.describe(ALICE, image_id)
    return view.status, view.error


async def thumbnail(gallery: Gallery, image_id: FileId, box: Box, who: Principal = ALICE) -> bytes:
    opened = await gallery.images.open_thumbnail(who, image_id, box)
    data = b"".join([block async for block in opened.blob.blocks(ByteRange(0, opened.blob.size))])
    await opened.blob.close()
    return data


def strays(deployment: Deployment) -> set[BlobKey]:
    """Blobs that neither a file nor a rendition has."""
    files, images = deployment.database.files.values(), deployment.database.images.values()
    known = {file.blob_key for file in files} | {one.blob_key for image in images for one in image.renditions}
    return set(deployment.memory.blobs) - known


class TestReceiving:
    async def test_a_picture_is_a_file_an_image_and_a_job_at_once(
        self, deployment: Deployment, gallery: Gallery
    ) -> None:
        view = await gallery.receive(JPEG)
        assert (view.status, view.boxes) == (ImageStatus.PROCESSING, frozenset())
        assert (view.file.media_type, view.file.owner, view.file.size) == ("image/jpeg", ALICE.owner, len(JPEG))
        assert await gallery.process.content(UploadId(view.file.id)) == JPEG
        (job,) = deployment.database.jobs.values()
        assert (job.kind, job.subject) == ("thumbnails", view.file.id)
        assert deployment.told(UploadId(view.file.id))[-1] is EventType.COMPLETED
        assert [event.type for event in deployment.image_events] == ["image.processing"]
        assert deployment.database.blob_deletions == {}

    @pytest.mark.parametrize(
        ("data", "filename", "media_type"),
        [(HEIC, "a.jpg", "image/heic"), (PNG, "picture", "image/png"), (JPEG, "a.png", "image/jpeg")],
    )
    async def test_what_it_is_its_bytes_say(
        self, gallery: Gallery, data: bytes, filename: str, media_type: str
    ) -> None:
        view = await gallery.receive(data, filename=filename)
        assert (view.file.media_type, view.file.name) == (media_type, filename)

    @pytest.mark.parametrize(
        ("data", "error"),
        [(b"", InvalidPicture), (b"GIF8, or so it seems", InvalidPicture), (JPEG * 100, UploadTooLarge)],
        ids=["nothing", "no picture", "too large"],
    )
    async def test_what_its_first_bytes_rule_out_leaves_nothing(
        self, deployment: Deployment, gallery: Gallery, data: bytes, error: type[LongshoreError]
    ) -> None:
        with pytest.raises(error):
            await gallery.receive(data)
        assert not (deployment.memory.blobs or deployment.database.files or deployment.database.jobs)

    async def test_what_its_header_rules_out_leaves_nothing(self, deployment: Deployment, gallery: Gallery) -> None:
        gallery.processor.look_error = TooManyPixels("100 MP are too many")
        with pytest.raises(TooManyPixels):
            await gallery.receive(JPEG)
        assert not (deployment.memory.blobs or deployment.database.files)

    async def test_who_looks_at_it_may_be_away(self, gallery: Gallery) -> None:
        gallery.processor.look_error = ProcessorUnavailable("it died")
        assert (await gallery.receive(PNG)).file.media_type == "image/png"

    async def test_a_cut_picture_is_none(self, deployment: Deployment, gallery: Gallery) -> None:
        for sent in (b"", JPEG[:20], JPEG):
            cut = CutSource([sent] if sent else [], length=1000)
            assert await gallery.images.receive(ALICE, cut, filename="a.jpg") is None
        assert not (deployment.memory.blobs or deployment.database.files)

    async def test_what_speaks_against_it_after_its_last_byte_keeps_it_from_being_kept(
        self, deployment: Deployment, gallery: Gallery
    ) -> None:
        async def speak(size: int) -> None:
            assert size == len(JPEG)
            raise InvalidPicture("there was another one behind it")

        with pytest.raises(InvalidPicture):
            await gallery.images.receive(ALICE, source_of(JPEG), filename="a.jpg", before_kept=speak)
        assert not (deployment.memory.blobs or deployment.database.files)


class TestEnlisting:
    async def test_a_stored_file_becomes_an_image_once(self, deployment: Deployment, gallery: Gallery) -> None:
        file_id = await stored(gallery, PNG)
        views = [await gallery.images.enlist(ALICE, file_id) for _ in range(3)]
        assert [view.status for view in views] == [ImageStatus.PROCESSING] * 3
        assert len(deployment.database.jobs) == len(deployment.image_events) == 1
        assert await gallery.work() == 1
        assert (await gallery.images.enlist(ALICE, file_id)).status is ImageStatus.DONE
        assert not deployment.database.jobs

    async def test_what_is_no_picture_is_refused(self, deployment: Deployment, gallery: Gallery) -> None:
        for data in (b"", b"a letter"):
            with pytest.raises(InvalidPicture):
                await gallery.images.enlist(ALICE, await stored(gallery, data))
        assert not (deployment.database.images or deployment.database.jobs)

    async def test_only_its_owner_may(self, gallery: Gallery) -> None:
        file_id = await stored(gallery, PNG)
        for who, id_ in ((BOB, file_id), (ALICE, FileId(an_id()))):
            with pytest.raises(FileNotFound):
                await gallery.images.enlist(who, id_)
        assert (await gallery.images.enlist(ADMIN, file_id)).file.owner == ALICE.owner

    async def test_one_that_failed_is_queued_anew(self, deployment: Deployment, gallery: Gallery) -> None:
        gallery.processor.draw_error = PictureCorrupted("it breaks off")
        image_id = (await gallery.receive(JPEG)).file.id
        await gallery.work()
        assert await status(gallery, image_id) == (ImageStatus.ERROR, "it breaks off")
        gallery.processor.draw_error = None
        assert (await gallery.images.enlist(ALICE, image_id)).status is ImageStatus.PROCESSING
        assert await gallery.work() == 1
        assert await status(gallery, image_id) == (ImageStatus.DONE, "")
        assert [event.type for event in deployment.image_events] == [
            *("image.processing", "image.failed", "image.processing", "image.done")
        ]


class TestOpening:
    async def test_thumbnails_are_opened_as_the_file_is(self, gallery: Gallery) -> None:
        image_id = (await gallery.receive(JPEG, filename="sea.jpeg")).file.id
        with pytest.raises(ThumbnailNotFound):
            await gallery.images.open_thumbnail(ALICE, image_id, Box.SMALL)
        await gallery.work()
        assert [await thumbnail(gallery, image_id, box) for box in Box] == [b"100x100", b"300x300", b"1200x1200"]
        assert await thumbnail(gallery, image_id, Box.SMALL, ADMIN) == b"100x100"
        with pytest.raises(FileNotFound):
            await gallery.images.open_thumbnail(BOB, image_id, Box.SMALL)
        with pytest.raises(FileNotFound):
            await gallery.images.describe(BOB, image_id)
        opened = await gallery.images.open_thumbnail(ALICE, image_id, Box.MEDIUM)
        assert (opened.file.name, opened.file.media_type) == ("sea-300x300.jpg", "image/jpeg")
        await opened.blob.close()

    async def test_the_link_of_the_file_opens_them(self, gallery: Gallery) -> None:
        view = await gallery.receive(JPEG)
        await gallery.work()
        link = gallery.process.downloads.sign(view.file)
        opened = await gallery.images.open_thumbnail(BOB, view.file.id, Box.SMALL, link=link)
        assert opened.file.size == len(b"100x100")
        await opened.blob.close()
        assert (await gallery.images.describe(BOB, view.file.id, link=link)).status is ImageStatus.DONE

    async def test_a_file_that_nobody_enlisted_is_no_image(self, gallery: Gallery) -> None:
        with pytest.raises(ImageNotFound):
            await gallery.images.describe(ALICE, await stored(gallery, PNG))


class TestRendering:
    async def test_the_picture_that_is_drawn_is_the_file(self, deployment: Deployment, gallery: Gallery) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        assert await gallery.work() == 1
        assert gallery.processor.drawn == [JPEG]
        view = await gallery.images.describe(ALICE, image_id)
        assert (view.status, view.boxes) == (ImageStatus.DONE, frozenset(Box))
        assert [event.status for event in deployment.image_events] == ["PROCESSING", "DONE"]
        assert not (strays(deployment) or deployment.database.blob_deletions or deployment.database.jobs)

    @pytest.mark.parametrize(
        "error", [PictureCorrupted("it breaks off"), TooManyPixels("too many"), InvalidPicture("none")]
    )
    async def test_what_can_not_be_drawn_is_an_error_in_words(
        self, deployment: Deployment, gallery: Gallery, error: LongshoreError
    ) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        gallery.processor.draw_error = error
        assert await gallery.work() == 1
        assert await status(gallery, image_id) == (ImageStatus.ERROR, error.detail)
        assert (deployment.image_events[-1].type, deployment.image_events[-1].error) == ("image.failed", error.detail)
        assert not deployment.database.jobs

    async def test_bytes_that_were_taken_away_are_an_error(self, deployment: Deployment, gallery: Gallery) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        deployment.memory.blobs.clear()
        await gallery.work()
        assert (await status(gallery, image_id))[0] is ImageStatus.ERROR

    async def test_a_processor_that_is_away_is_the_workers_affair(
        self, deployment: Deployment, gallery: Gallery
    ) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        gallery.processor.draw_error = ProcessorUnavailable("it died")
        job = await claimed(gallery)
        with pytest.raises(ProcessorUnavailable):
            await gallery.handler.run(job)
        assert (await status(gallery, image_id))[0] is ImageStatus.PROCESSING
        async with gallery.process.units() as work:
            await gallery.handler.give_up(work, job, "it died")
            await work.jobs.bury(job, error="it died")
            await work.commit()
        state, words = await status(gallery, image_id)
        assert state is ImageStatus.ERROR and words and "died" not in words
        async with gallery.process.units() as work:
            await gallery.handler.revived(work, await work.jobs.revive(job.id))
            await work.commit()
        gallery.processor.draw_error = None
        assert await gallery.work() == 1
        assert (await status(gallery, image_id))[0] is ImageStatus.DONE
        assert [event.type for event in deployment.image_events] == [
            *("image.processing", "image.failed", "image.processing", "image.done")
        ]

    async def test_run_twice_there_is_one_set_of_thumbnails(self, deployment: Deployment, gallery: Gallery) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        first = await claimed(gallery)
        second = await taken_over(gallery, first)
        await gallery.handler.run(second)
        with pytest.raises(JobTakenOver):
            await gallery.handler.run(first)
        assert (await gallery.images.describe(ALICE, image_id)).boxes == frozenset(Box)
        assert len(deployment.memory.blobs) == 1 + len(Box)
        assert not (strays(deployment) or deployment.database.blob_deletions)

    async def test_one_that_comes_too_late_leaves_nothing(self, deployment: Deployment, gallery: Gallery) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        first = await claimed(gallery)

        async def overtake() -> None:
            await gallery.handler.run(await taken_over(gallery, first))

        meanwhile(gallery, overtake)
        with pytest.raises(JobTakenOver):
            await gallery.handler.run(first)
        assert (await gallery.images.describe(ALICE, image_id)).boxes == frozenset(Box)
        assert not (strays(deployment) or deployment.database.blob_deletions)

    async def test_a_file_that_is_deleted_meanwhile_leaves_nothing(
        self, deployment: Deployment, gallery: Gallery
    ) -> None:
        image_id = (await gallery.receive(JPEG)).file.id

        async def delete() -> None:
            await gallery.process.files.delete(ALICE, image_id)

        meanwhile(gallery, delete)
        assert await gallery.work() == 1
        assert not (deployment.memory.blobs or deployment.database.blob_deletions or deployment.database.jobs)
        assert [event.type for event in deployment.image_events] == ["image.processing"]

    async def test_a_file_that_was_deleted_before_needs_nothing(self, deployment: Deployment, gallery: Gallery) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        await gallery.process.files.delete(ALICE, image_id)
        assert await gallery.work() == 0
        assert gallery.processor.drawn == []
        assert not (deployment.memory.blobs or deployment.database.jobs)

    async def test_a_deleted_file_takes_its_thumbnails_with_it(self, deployment: Deployment, gallery: Gallery) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        await gallery.work()
        await gallery.process.files.delete(ALICE, image_id)
        assert not (deployment.memory.blobs or deployment.database.blob_deletions)
        with pytest.raises(FileNotFound):
            await gallery.images.describe(ALICE, image_id)

    async def test_a_thumbnail_whose_bytes_are_gone_says_so(self, deployment: Deployment, gallery: Gallery) -> None:
        image_id = (await gallery.receive(JPEG)).file.id
        await gallery.work()
        for rendition in deployment.database.images[image_id].renditions:
            del deployment.memory.blobs[rendition.blob_key]
        with pytest.raises(FileGone):
            await gallery.images.open_thumbnail(ALICE, image_id, Box.SMALL)


async def claimed(gallery: Gallery) -> Job:
    job = await gallery.claim()
    assert job is not None
    return job


async def taken_over(gallery: Gallery, job: Job) -> Job:
    """By another worker: its lease has run out."""
    async with gallery.process.units() as work:
        await work.jobs.renew(job, lease_seconds=-1)
        await work.commit()
    return await claimed(gallery)


def meanwhile(gallery: Gallery, happens: Callable[[], Awaitable[None]]) -> None:
    """While the next thumbnails are drawn."""
    gallery.processor.while_drawing = happens
