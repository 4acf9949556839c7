"""Image sessions over the memory adapters: limits, look-alikes, replacements, and whatever may break off in between."""

import uuid
from contextlib import suppress
from datetime import timedelta

import pytest

from adapters.outbound.memory.spool import MemorySpool
from adapters.outbound.system.id_generator import SystemIdGenerator
from application.image_receiver import ImageReceiverUseCase, Incoming
from domain.access import ANYBODY, Principal, user
from domain.errors import (
    DuplicatePicture,
    Forbidden,
    ImageNotFound,
    InvalidPicture,
    InvalidRequest,
    LengthExceeded,
    LongshoreError,
    PictureCorrupted,
    ProcessorUnavailable,
    QuotaExceeded,
    RepositoryUnavailable,
    StorageFull,
    StorageUnavailable,
    TooManyFiles,
    TooManyImages,
    UploadNotOpen,
    UploadTooLarge,
)
from domain.image import ImageStatus
from domain.received_image import ImageSession, ReceivedImage, SessionLimits, judge
from domain.upload_policy import UploadPolicy
from ports.room import Room
from tests.support.deployment import Deployment, Process
from tests.support.faults import Died, Point
from tests.support.image_processor import PlainProcessor, plain_picture

USER = str(uuid.UUID(int=7))
WHO = user(USER)
MAX = 200
LATER = timedelta(hours=2)


class NoRoom(Room):
    async def check(self, size: int) -> int:
        raise StorageFull("no room is left")


class House:
    """Receivers over one database and one storage."""

    def __init__(self, *, max_count: int = 3, policy: UploadPolicy | None = None) -> None:
        self.deployment = Deployment(policy)
        self.limits = SessionLimits(max_count=max_count, max_bytes=MAX)
        self.processor = PlainProcessor()
        self.session = ImageSession.of(WHO, user_id=USER, session_id=str(uuid.uuid4()))

    def receiver(self, process: Process | None = None, room: Room | None = None) -> ImageReceiverUseCase:
        process = process or self.deployment.process()
        return ImageReceiverUseCase(
            unit_of_work=process.units,
            keeping=process.keeping,
            blobs=process.blobs,
            spool=MemorySpool(),
            processor=self.processor,
            clock=self.deployment.clock,
            ids=SystemIdGenerator(),
            limits=self.limits,
            room=room,
        )

    async def send(
        self, data: bytes, index: int = 0, *, receiver: ImageReceiverUseCase | None = None, frame: int = MAX
    ) -> str:
        incoming = await (receiver or self.receiver()).begin(WHO, self.session, index, file_name="a.jpg")
        try:
            for at in range(0, len(data), frame):
                await incoming.take(data[at : at + frame])
            return await incoming.finish()
        finally:
            await incoming.close()

    async def received(self) -> list[ReceivedImage]:
        async with self.deployment.process().units() as work:
            return list(await work.received_images.list(self.session))

    async def after_cleanup(self) -> list[ReceivedImage]:
        """What the session has; each has its file, its image, its job and its bytes, and nothing else has any."""
        self.deployment.clock.pass_by(LATER)
        await self.deployment.process().cleanup.run()
        database, received = self.deployment.database, await self.received()
        ids = {image.file_id for image in received}
        assert database.blob_deletions == {}
        assert self.deployment.memory.blobs.keys() == {self.session.prefix + image.name for image in received}
        assert set(database.files) == set(database.images) == ids
        assert {str(id_) for id_ in database.uploads} == ids
        assert {job.subject for job in database.jobs.values()} >= ids  # the others' workers find nothing to do
        return received


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("frame", [1, 5, MAX])
async def test_what_is_received_is_a_file_an_image_and_a_job(house: House, frame: int) -> None:
    data = plain_picture(1)
    name = await house.send(data, 7, frame=frame)
    (image,) = await house.after_cleanup()
    assert (image.name, image.index, image.dhash) == (name, 7, 1)
    assert name == f"7_{image.file_id}.jpg"
    assert house.deployment.memory.blobs == {
        f"images/{USER}/{house.session.session_id}/original/{name}": data,
    }
    file = house.deployment.database.files[image.file_id]
    assert (file.name, file.media_type, file.owner) == ("a.jpg", "image/jpeg", WHO.owner)
    assert house.deployment.database.images[image.file_id].status is ImageStatus.PROCESSING


async def test_a_full_quota_is_told_before_bytes_come_but_one_may_take_the_place_of_another() -> None:
    house = House(policy=UploadPolicy(max_files=1))
    await house.send(plain_picture(0xFFFF), 0)
    with pytest.raises(TooManyFiles):
        await house.receiver().begin(WHO, house.session, 1, file_name="a.jpg")
    await house.send(plain_picture(0xFFFF << 16), 0)
    house = House(policy=UploadPolicy(max_bytes=100))
    with pytest.raises(QuotaExceeded):
        await house.receiver().begin(WHO, house.session, 0, file_name="a.jpg", size=101)


async def test_the_limit_is_told_before_bytes_come_and_holds_if_it_is_reached_meanwhile(house: House) -> None:
    receiver = house.receiver()
    late = await receiver.begin(WHO, house.session, 9, file_name="a.jpg")
    for index in range(3):
        await house.send(plain_picture(0xFFFF << 16 * index), index)
    with pytest.raises(TooManyImages):
        await receiver.begin(WHO, house.session, 3, file_name="a.jpg")
    await late.take(plain_picture(0xFFFF << 48))
    with pytest.raises(TooManyImages):
        await late.finish()
    await late.close()
    assert len(await house.after_cleanup()) == 3


async def test_one_that_takes_anothers_place_is_no_more_than_there_were(house: House) -> None:
    for index in range(3):
        await house.send(plain_picture(0xFFFF << 16 * index), index)
    name = await house.send(plain_picture(0xFFFF), 0)
    assert next(image.name for image in await house.after_cleanup()) == name


async def test_ten_bits_of_difference_make_another_picture(house: House) -> None:
    await house.send(plain_picture(0), 0)
    with pytest.raises(DuplicatePicture):
        await house.send(plain_picture(2**9 - 1), 1)
    await house.send(plain_picture(2**10 - 1), 1)
    await house.send(plain_picture(1 << 63), 0)
    assert len(await house.after_cleanup()) == 2


@pytest.mark.parametrize(
    "refused",
    [
        plain_picture(0xFFFF)[:-1],  # it breaks off
        plain_picture(0xFFFF, filling=bytes(MAX)),
        plain_picture(0xFFFF << 16),  # as the other index
        b"GIF89a" + bytes(100),
        b"\xff\xd8",
        b"",
    ],
)
async def test_a_replacement_that_is_refused_leaves_the_earlier_picture(house: House, refused: bytes) -> None:
    await house.send(plain_picture(1), 0)
    await house.send(plain_picture(0xFFFF << 16), 1)
    before = await house.received()
    with pytest.raises((InvalidPicture, UploadTooLarge)):
        await house.send(refused, 0)
    assert await house.after_cleanup() == before


async def test_of_an_announced_size_neither_less_nor_more_is_taken(house: House) -> None:
    data = plain_picture(1)
    for size, kind in ((len(data) + 1, PictureCorrupted), (len(data) - 1, LengthExceeded)):
        incoming = await house.receiver().begin(WHO, house.session, 0, file_name="a", size=size)
        with pytest.raises(kind):
            await _all_of(incoming, data)
        await incoming.close()
    for size, refusal in ((MAX + 1, UploadTooLarge), (0, InvalidPicture)):
        with pytest.raises(refusal):
            await house.receiver().begin(WHO, house.session, 0, file_name="a", size=size)
    assert await house.after_cleanup() == []


async def _all_of(incoming: Incoming, data: bytes) -> str:
    await incoming.take(data)
    return await incoming.finish()


async def test_one_that_nobody_waits_for_is_not_kept(house: House) -> None:
    incoming = await house.receiver().begin(WHO, house.session, 0, file_name="a.jpg")
    await incoming.take(plain_picture(1))
    incoming.forsake()
    with pytest.raises(UploadNotOpen):
        await incoming.finish()
    await incoming.close()
    assert await house.after_cleanup() == []


async def test_a_deleted_one_is_gone_with_all_that_belonged_to_it(house: House) -> None:
    names = [await house.send(plain_picture(0xFFFF << 16 * index), index) for index in range(2)]
    await house.receiver().delete(house.session, names[0])
    assert [image.name for image in await house.after_cleanup()] == names[1:]
    for name in (names[0], "../x", "", "1_x.jpg"):
        with pytest.raises(ImageNotFound):
            await house.receiver().delete(house.session, name)


async def test_where_there_is_no_room_no_bytes_are_asked_for(house: House) -> None:
    receiver = house.receiver(room=NoRoom())
    with pytest.raises(StorageFull):
        await receiver.begin(WHO, house.session, 0, file_name="a.jpg")


async def test_a_processor_that_is_away_refuses_what_it_has_not_seen(house: House) -> None:
    house.processor.error = ProcessorUnavailable("it died")
    with pytest.raises(ProcessorUnavailable):
        await house.send(plain_picture(1))
    house.processor.error = InvalidPicture("no picture after all")
    with pytest.raises(PictureCorrupted):
        await house.send(plain_picture(1))
    assert await house.after_cleanup() == []


@pytest.mark.parametrize("error", [Died(), RepositoryUnavailable(), StorageUnavailable()], ids=repr)
@pytest.mark.parametrize(
    ("point", "times"),
    [
        *((Point.READ, times) for times in range(5)),
        *((Point.SAVE, times) for times in range(3)),
        *((Point.ANNOUNCE, times) for times in range(3)),
        *((point, 0) for point in (Point.PUT, Point.PUT_DONE, Point.COMPLETE, Point.DELETE)),
    ],
)
async def test_wherever_a_replacement_breaks_off_the_earlier_or_the_later_picture_is_there(
    house: House, point: Point, times: int, error: BaseException
) -> None:
    before = await house.send(plain_picture(1), 0)
    process = house.deployment.process()
    process.faults.put(point, error, after=times)
    after = None
    with suppress(Died, LongshoreError):
        after = await house.send(plain_picture(2), 0, receiver=house.receiver(process))
    (image,) = await house.after_cleanup()
    if after is None:
        assert image.name == before or image.dhash == 2
    else:
        assert image.name == after


def test_only_plain_ids_of_the_caller_name_a_session() -> None:
    other = str(uuid.uuid4())
    session = ImageSession.of(user("0" * 24), user_id="0" * 24, session_id=other.upper())
    assert session.prefix == f"images/{'0' * 24}/{other}/original/"
    assert ImageSession.of(ANYBODY, user_id=other.upper(), session_id=other).user_id == other
    assert ImageSession.of(user(other), user_id=other.upper(), session_id=other).user_id == other
    with pytest.raises(Forbidden):
        ImageSession.of(WHO, user_id=other, session_id=other)
    for wrong in (
        "",
        "..",
        "../" + other,
        other + "\n",
        "a" * 23,
        other.replace("-", ""),
        other + "/..",
        "\u0661" * 24,
    ):
        _check_refused(ANYBODY, wrong, other)
        _check_refused(ANYBODY, other, wrong)
    _check_refused(ANYBODY, other, "0" * 24)


def _check_refused(who: Principal, user_id: str, session_id: str) -> None:
    with pytest.raises(InvalidRequest):
        ImageSession.of(who, user_id=user_id, session_id=session_id)


@pytest.mark.parametrize("head", [b"\xff\xd8", b"\x89PN", b"RIFF\1\2\3\4WEB", b"\0\0\0\x20ftyp", b"", b"\0"])
def test_as_long_as_it_may_be_a_picture_more_is_waited_for(head: bytes) -> None:
    assert judge(head) is None
    with pytest.raises(InvalidPicture):
        judge(head, is_all=True)


@pytest.mark.parametrize(
    "head",
    [
        *(b"GIF", b"x", b"%PDF-1.7", b"PK\3\4", b"\xff\xd9", b"RIFF\1\2\3\4WAVE"),
        b"\0\0\0\x18ftypisom" + bytes(60),
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf" + bytes(60),
    ],
)
def test_what_can_be_none_is_refused_by_its_first_bytes(head: bytes) -> None:
    with pytest.raises(InvalidPicture):
        judge(head)
