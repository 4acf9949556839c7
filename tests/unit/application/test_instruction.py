"""Instructions: made, told of, given files; the work on these, and what is taken away behind it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.access import Principal
from domain.byte_range import ByteRange
from domain.errors import (
    DetailNotFound,
    FileGone,
    FileNotFound,
    Forbidden,
    InstructionNotFound,
    InvalidPicture,
    InvalidRequest,
    JobTakenOver,
    LongshoreError,
    PictureCorrupted,
    ProcessorUnavailable,
    ProductNotFound,
    TooManyDetails,
    TooManyPixels,
    UploadTooLarge,
)
from domain.ids import DetailId, FileId, InstructionId
from domain.image import Image
from domain.instruction import MAX_DETAILS, Detail, DetailStatus, Instruction, Selection
from domain.job import Job
from domain.product import MAX_PRODUCT_BYTES, PRODUCTS, ProductKey
from tests.support.builders import ADMIN, ALICE, BOB, NOW, an_id
from tests.support.deployment import Deployment
from tests.support.image_processor import plain_picture
from tests.support.sources import CutSource, source_of
from tests.support.workbench import AFTER, PICTURE, Workbench

OTHER_PICTURE = plain_picture(99)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def bench(deployment: Deployment) -> Workbench:
    return Workbench(deployment)


@pytest.fixture
async def instruction(bench: Workbench) -> Instruction:
    return await bench.instruction()


async def content(bench: Workbench, detail: Detail, *, output: bool = False, who: Principal = ALICE) -> bytes:
    wanted = detail.output_id if output else detail.id
    opened = await bench.instructions.open(who, detail.instruction_id, wanted)
    data = b"".join([block async for block in opened.blob.blocks(ByteRange(0, opened.blob.size))])
    await opened.blob.close()
    return data


def is_empty(deployment: Deployment) -> bool:
    database = deployment.database
    return not (deployment.memory.blobs or database.files or database.jobs or database.details)


class TestMaking:
    @pytest.mark.parametrize("product", [PRODUCTS[0].id, PRODUCTS[0].key, PRODUCTS[0].id.upper()])
    async def test_a_product_is_named_by_id_or_key(self, bench: Workbench, product: str) -> None:
        made = await bench.instructions.create(ALICE, product, {"quality": 50})
        assert await bench.instructions.get(ALICE, made.id) == made
        assert (made.product_id, made.recipe.key, made.status) == (PRODUCTS[0].id, "images/compress", "PENDING")
        assert made.recipe.parameters == {"quality": 50}

    async def test_what_there_is_not_can_not_be_ordered(self, bench: Workbench) -> None:
        with pytest.raises(ProductNotFound):
            await bench.instructions.create(ALICE, "images/gild")
        with pytest.raises(InvalidRequest):
            await bench.instructions.create(ALICE, ProductKey.COMPRESS, {"quality": 0})

    async def test_they_are_listed_page_by_page(self, deployment: Deployment, bench: Workbench) -> None:
        made = []
        for _ in range(3):
            made.append((await bench.instruction()).id)
            deployment.clock.pass_by(timedelta(seconds=1))
        await bench.instruction(BOB)
        page, after = await bench.instructions.list(ALICE, Selection(), limit=2)
        assert [each.id for each in page] == [made[2], made[1]]
        assert after is not None
        page, after = await bench.instructions.list(ALICE, Selection(), after=after, limit=2)
        assert ([each.id for each in page], after) == ([made[0]], None)

    async def test_others_are_told_that_it_is_not_theirs(self, bench: Workbench, instruction: Instruction) -> None:
        detail = await bench.receive(instruction)
        use, here = bench.instructions, instruction.id

        async def all_of(who: Principal, there: InstructionId) -> None:
            for call in (
                lambda: use.get(who, there),
                lambda: use.list_details(who, there),
                lambda: use.detail(who, there, detail.id),
                lambda: use.open(who, there, detail.id),
                lambda: use.attach(who, who, there, detail.input.file_id),
                lambda: use.receive(who, who, there, source_of(PICTURE), "a.jpg"),
            ):
                with pytest.raises(Forbidden if there == here else InstructionNotFound):
                    await call()

        await all_of(BOB, here)
        await all_of(ALICE, InstructionId(an_id()))
        assert (await use.get(ADMIN, here)).owner == ALICE.owner
        other = await bench.instruction()
        for wanted in (detail.id, DetailId(an_id())):
            with pytest.raises(DetailNotFound):
                await use.detail(ALICE, other.id, wanted)


class TestReceiving:
    async def test_a_picture_is_a_file_a_detail_and_a_job_at_once(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        detail = await bench.receive(instruction)
        (job,) = deployment.database.jobs.values()
        assert (job.kind, job.subject) == ("instruction", detail.id)
        view, output = await bench.look(detail), await bench.look(detail, output=True)
        assert view.file is not None
        assert (view.status, view.file.name, view.file.size) == ("PENDING", "sea.jpg", len(PICTURE))
        assert (view.output_id, output.output_id, output.file) == (detail.output_id, None, None)
        assert await content(bench, detail) == PICTURE
        assert [(event.detail_id, event.status) for event in deployment.instruction_events] == [(detail.id, "PENDING")]
        with pytest.raises(FileNotFound):
            await content(bench, detail, output=True)

    @pytest.mark.parametrize(
        ("data", "error"),
        [(b"", InvalidPicture), (b"a letter", InvalidPicture), (PICTURE[:-1], PictureCorrupted)],
        ids=["nothing", "no picture", "broken"],
    )
    async def test_what_is_no_picture_leaves_nothing(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction, data: bytes, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            await bench.receive(instruction, data)
        assert is_empty(deployment)

    async def test_what_is_too_large_or_cut_leaves_nothing(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        with pytest.raises(UploadTooLarge):
            await bench.receive(instruction, PICTURE + bytes(MAX_PRODUCT_BYTES))
        cut = CutSource([PICTURE], length=1000)
        assert await bench.instructions.receive(ALICE, ALICE, instruction.id, cut, "a.jpg") is None
        assert is_empty(deployment)

    async def test_an_instruction_has_room_for_so_many(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        first = await bench.receive(instruction)
        for _ in range(MAX_DETAILS - 1):
            detail_id = DetailId(an_id())
            deployment.database.details[detail_id] = Detail(
                detail_id, DetailId(an_id()), instruction.id, first.input, is_own=True, created_at=NOW, updated_at=NOW
            )
        with pytest.raises(TooManyDetails):
            await bench.receive(instruction)
        assert len(deployment.database.files) == 1

    async def test_what_is_withdrawn_was_never_there(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        first = await bench.receive(instruction)
        assert await bench.work() == 1  # a worker may be quicker
        second = await bench.receive(instruction)
        await bench.instructions.withdraw(ALICE, ALICE, [first, second])
        assert is_empty(deployment)
        assert await bench.work() == 0

    async def test_what_is_withdrawn_while_it_is_worked_on_leaves_nothing_either(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        detail = await bench.receive(instruction)
        bench.processor.while_editing = lambda: bench.instructions.withdraw(ALICE, ALICE, [detail])
        assert await bench.work() == 1
        assert is_empty(deployment)
        assert await bench.work() == 0


class TestAttaching:
    async def test_a_stored_file_is_worked_on_and_stays_what_it_was(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        file_id = await bench.stored()
        detail = await bench.instructions.attach(ALICE, ALICE, instruction.id, file_id)
        assert await bench.work() == 1
        assert (await bench.look(detail)).status is DetailStatus.DONE
        deployment.clock.pass_by(2 * AFTER)
        assert await bench.cleanup.run() == 0
        assert await content(bench, detail) == PICTURE

    async def test_only_a_picture_of_ones_own(self, bench: Workbench, instruction: Instruction) -> None:
        for file_id, error in (
            (await bench.stored(who=BOB), FileNotFound),
            (FileId(an_id()), FileNotFound),
            (await bench.stored(b"a letter"), InvalidPicture),
        ):
            with pytest.raises(error):
                await bench.instructions.attach(ALICE, ALICE, instruction.id, file_id)


class TestWorking:
    async def test_what_comes_of_it_is_a_file_like_any_other(self, deployment: Deployment, bench: Workbench) -> None:
        instruction = await bench.instruction(product=ProductKey.CONVERT)
        detail = await bench.receive(instruction, filename="sea.png")
        assert await bench.work() == 1
        view, output = await bench.look(detail), await bench.look(detail, output=True)
        assert (view.status, output.status, view.error) == ("DONE", "DONE", "")
        assert output.file is not None
        assert (output.file.name, output.file.media_type, output.file.size) == ("sea.jpg", "image/jpeg", len(PICTURE))
        assert view.started_at is not None and view.finished_at is not None
        assert view.created_at < view.started_at < view.finished_at
        assert await content(bench, detail, output=True) == PICTURE
        file = await bench.process.downloads.describe(ALICE, output.file.file_id)
        assert (file.owner, file.name) == (ALICE.owner, "sea.jpg")
        assert bench.processor.recipes == [instruction.recipe]
        assert (await bench.instructions.get(ALICE, instruction.id)).status is DetailStatus.DONE
        events = deployment.instruction_events
        assert [event.status for event in events] == ["PENDING", "PROCESSING", "DONE"]
        assert len({event.id for event in events}) == 3
        assert not (deployment.database.jobs or deployment.database.blob_deletions)

    @pytest.mark.parametrize(
        "error", [PictureCorrupted("the picture is damaged"), TooManyPixels("too many"), FileGone("it is gone")]
    )
    async def test_what_can_not_be_done_is_told_in_words(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction, error: LongshoreError
    ) -> None:
        detail = await bench.receive(instruction)
        bench.processor.edit_error = error
        assert await bench.work() == 1
        for output in (False, True):
            view = await bench.look(detail, output=output)
            assert (view.status, view.error) == ("FAILED", error.detail)
        with pytest.raises(FileNotFound):
            await content(bench, detail, output=True)
        assert (deployment.instruction_events[-1].status, deployment.instruction_events[-1].error) == (
            *("FAILED", error.detail),
        )
        assert not deployment.database.jobs

    async def test_an_input_that_was_deleted_is_told_in_words(self, bench: Workbench, instruction: Instruction) -> None:
        detail = await bench.receive(instruction)
        await bench.process.files.delete(ALICE, detail.input.file_id)
        with pytest.raises(FileGone):
            await content(bench, detail)
        assert await bench.work() == 1
        assert (await bench.look(detail)).error == "its file has been deleted"

    async def test_a_processor_that_is_away_is_the_workers_affair(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        detail = await bench.receive(instruction)
        bench.processor.edit_error = ProcessorUnavailable("it died")
        job = await claimed(bench)
        with pytest.raises(ProcessorUnavailable):
            await bench.handler.run(job)
        assert (await bench.look(detail)).status is DetailStatus.PROCESSING
        async with bench.process.units() as work:
            await bench.handler.give_up(work, job, "it died")
            await work.jobs.bury(job, error="it died")
            await work.commit()
        view = await bench.look(detail)
        assert view.status is DetailStatus.FAILED and view.error and "died" not in view.error
        async with bench.process.units() as work:
            await bench.handler.revived(work, await work.jobs.revive(job.id))
            await work.commit()
        bench.processor.edit_error = None
        assert await bench.work() == 1
        view = await bench.look(detail)
        assert (view.status, view.error) == ("DONE", "")
        told = [event.status for event in deployment.instruction_events]
        assert told == ["PENDING", "PROCESSING", "FAILED", "PENDING", "PROCESSING", "DONE"]

    async def test_run_twice_there_is_one_output(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        detail = await bench.receive(instruction)
        first = await claimed(bench, lease_seconds=0)

        async def overtake() -> None:
            await bench.handler.run(await claimed(bench))

        bench.processor.while_editing = overtake
        with pytest.raises(JobTakenOver):
            await bench.handler.run(first)
        assert len(deployment.database.files) == len(deployment.memory.blobs) == 2
        assert await content(bench, detail, output=True) == PICTURE


async def claimed(bench: Workbench, *, lease_seconds: float = 60) -> Job:
    job = await bench.claim(lease_seconds=lease_seconds)
    assert job is not None
    return job


class TestCleaning:
    async def test_an_input_goes_some_time_after_it_is_over_and_what_came_of_it_stays(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        detail = await bench.receive(instruction)
        deployment.clock.pass_by(2 * AFTER)
        assert await bench.cleanup.run() == 0  # it is to be worked on yet
        await bench.work()
        deployment.clock.pass_by(AFTER - timedelta(seconds=1))
        assert await bench.cleanup.run() == 0
        ((waiting, due),), _ = await bench.cleanup.list_waiting(ADMIN, limit=10)
        assert waiting.id == detail.id
        assert timedelta(seconds=1) <= due - deployment.clock.now() < timedelta(seconds=2)
        assert await bench.cleanup.foresee() == 0
        deployment.clock.pass_by(timedelta(seconds=2))
        assert await bench.cleanup.foresee() == await bench.cleanup.run() == 1
        assert (await bench.look(detail)).is_cleaned
        assert not (await bench.look(detail, output=True)).is_cleaned
        with pytest.raises(FileGone):
            await content(bench, detail)
        assert await content(bench, detail, output=True) == PICTURE
        assert len(deployment.memory.blobs) == len(deployment.database.files) == 1
        assert await bench.cleanup.list_waiting(ADMIN, limit=10) == ([], None)
        assert await bench.cleanup.run() == 0

    async def test_what_has_found_another_use_stays(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        async def as_image(detail: Detail) -> None:
            image = Image(detail.input.file_id, watch_id="", created_at=NOW, updated_at=NOW)
            async with bench.process.units() as work:
                await work.images.add(image)
                await work.commit()

        async def as_input(detail: Detail) -> None:
            await bench.instructions.attach(ALICE, ALICE, instruction.id, detail.input.file_id)

        uses: list[Callable[[Detail], Awaitable[None]]] = [as_image, as_input]
        for use in uses:
            detail = await bench.receive(instruction)
            await bench.work()
            await use(detail)
            deployment.clock.pass_by(2 * AFTER)
            assert await bench.cleanup.run() == 0
            assert await content(bench, detail) == PICTURE

    async def test_a_clock_that_was_set_forward_takes_nothing_away(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        await bench.receive(instruction)
        await bench.work()
        deployment.clock.be_set(timedelta(days=400))
        assert await bench.cleanup.run() == 0
        deployment.clock.be_set(timedelta(days=-400))
        assert await bench.cleanup.run() == 0
        assert len(deployment.database.files) == 2

    async def test_a_detail_that_nobody_will_work_on_is_told_so(
        self, deployment: Deployment, bench: Workbench, instruction: Instruction
    ) -> None:
        detail = await bench.receive(instruction)
        deployment.database.jobs.clear()
        deployment.clock.pass_by(2 * AFTER)
        await bench.cleanup.run()
        view = await bench.look(detail)
        assert view.status is DetailStatus.FAILED and view.error
        assert deployment.instruction_events[-1].status == "FAILED"

    async def test_only_an_administrator_sees_what_waits(self, bench: Workbench) -> None:
        with pytest.raises(Forbidden):
            await bench.cleanup.list_waiting(ALICE, limit=10)
