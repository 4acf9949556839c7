"""What every instruction repository promises (ports/instruction_repository.py)."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from domain.access import Principal
from domain.errors import DetailNotFound, InstructionNotFound
from domain.ids import DetailId, InstructionId
from domain.instruction import EDIT, Detail, DetailFile, DetailStatus, Instruction, Place, Selection
from domain.job import JobState
from domain.product import PRODUCTS, Recipe
from tests.contract.suites.stores import Process, Store, StoreSuite
from tests.support.builders import ALICE, BOB, NOW, a_file, a_job, an_id

SECOND = timedelta(seconds=1)
_TOGETHER = {
    "": "PENDING",
    "PENDING PENDING": "PENDING",
    "PENDING DONE": "PROCESSING",
    "PENDING FAILED": "PROCESSING",
    "PENDING PROCESSING": "PROCESSING",
    "PROCESSING DONE FAILED": "PROCESSING",
    "DONE DONE": "DONE",
    "DONE FAILED": "FAILED",
}
PRODUCT = next(product for product in PRODUCTS if product.parameters)


def an_instruction(owner: Principal = ALICE, *, at: int = 0) -> Instruction:
    now = NOW + at * SECOND
    return Instruction(InstructionId(an_id()), owner.owner, PRODUCT.id, Recipe.of(PRODUCT), now, now)


def a_detail(instruction: Instruction, *, at: int = 0, is_own: bool = True) -> Detail:
    now = NOW + at * SECOND
    return Detail(
        id=DetailId(an_id()),
        output_id=DetailId(an_id()),
        instruction_id=instruction.id,
        input=DetailFile.of(a_file(name="the sea, \u2713.jpg")),
        is_own=is_own,
        created_at=now,
        updated_at=now,
    )


def told(detail: Detail) -> tuple[object, ...]:
    return tuple(getattr(detail, field.name) for field in fields(detail))


async def added(process: Process, *instructions: Instruction) -> None:
    async with process.unit_of_work() as work:
        for instruction in instructions:
            await work.instructions.add(instruction)
        await work.commit()


async def with_details(process: Process, *statuses: DetailStatus, owner: Principal = ALICE) -> Instruction:
    instruction = an_instruction(owner)
    await added(process, instruction)
    for status in statuses:
        detail = a_detail(instruction)
        detail.status = status
        await detail_added(process, detail)
    return instruction


async def detail_added(process: Process, detail: Detail) -> Detail:
    async with process.unit_of_work() as work:
        await work.instructions.add_detail(detail)
        await work.commit()
    return detail


async def saved(process: Process, detail: Detail, *, was: DetailStatus) -> bool:
    async with process.unit_of_work() as work:
        is_kept = await work.instructions.save_detail(detail, was=was)
        await work.commit()
    return is_kept


async def kept(process: Process, detail_id: DetailId) -> tuple[object, ...]:
    async with process.unit_of_work() as work:
        return told(await work.instructions.find_detail(detail_id))


async def listed(
    process: Process, selection: Selection | None = None, *, after: Place | None = None, limit: int = 100
) -> list[InstructionId]:
    async with process.unit_of_work() as work:
        found, _ = await work.instructions.list(ALICE.owner, selection or Selection(), after=after, limit=limit)
        return [instruction.id for instruction in found]


class InstructionRepositorySuite(StoreSuite):
    async def test_an_instruction_comes_back_as_it_was_added(self, process: Process) -> None:
        instruction = an_instruction()
        async with process.unit_of_work() as work:
            await work.instructions.add(instruction)
            assert await work.instructions.find(instruction.id) == instruction
            await work.commit()
        async with process.unit_of_work() as work:
            assert await work.instructions.find(instruction.id) == instruction
            with pytest.raises(InstructionNotFound):
                await work.instructions.find(InstructionId(an_id()))

    async def test_a_detail_comes_back_as_it_was_saved_by_either_of_its_ids(self, process: Process) -> None:
        instruction = await with_details(process)
        detail = await detail_added(process, a_detail(instruction))
        assert await kept(process, detail.id) == await kept(process, detail.output_id) == told(detail)
        detail.begin(NOW)
        assert await saved(process, detail, was=DetailStatus.PENDING)
        detail.finish(a_file(name="the sea.webp"), NOW)
        detail.clean()
        assert await saved(process, detail, was=DetailStatus.PROCESSING)
        assert await kept(process, detail.output_id) == told(detail)
        with pytest.raises(DetailNotFound):
            await kept(process, DetailId(an_id()))

    async def test_one_that_has_another_status_meanwhile_or_is_gone_is_not_saved(self, process: Process) -> None:
        detail = await detail_added(process, a_detail(await with_details(process)))
        late = replace(detail)
        detail.fail("it's no picture", NOW)
        assert await saved(process, detail, was=DetailStatus.PENDING)
        late.begin(NOW)
        assert not await saved(process, late, was=DetailStatus.PENDING)
        assert await kept(process, detail.id) == told(detail)
        async with process.unit_of_work() as work:
            await work.instructions.remove_detail(detail.id)
            await work.instructions.remove_detail(detail.id)
            await work.commit()
        assert not await saved(process, detail, was=DetailStatus.FAILED)

    async def test_an_instruction_is_as_its_details_are(self, process: Process) -> None:
        made: dict[InstructionId, str] = {}
        for statuses, status in _TOGETHER.items():
            instruction = await with_details(process, *map(DetailStatus, statuses.split()))
            made[instruction.id] = status
            async with process.unit_of_work() as work:
                assert (await work.instructions.find(instruction.id)).status == status, statuses
        for each in DetailStatus:
            wanted = [instruction_id for instruction_id, status in made.items() if status == each]
            assert sorted(await listed(process, Selection(status=each))) == sorted(wanted)

    async def test_it_was_changed_when_one_of_its_details_was(self, process: Process) -> None:
        instruction = await with_details(process)
        await detail_added(process, a_detail(instruction, at=7))
        await detail_added(process, a_detail(instruction, at=5))
        async with process.unit_of_work() as work:
            assert (await work.instructions.find(instruction.id)).updated_at == NOW + 7 * SECOND

    async def test_they_are_listed_the_newest_first_page_by_page(self, process: Process) -> None:
        instructions = [an_instruction(at=at // 2) for at in range(5)]  # two of each moment
        await added(process, *instructions, an_instruction(BOB))
        newest = sorted(instructions, key=lambda each: (each.created_at, each.id), reverse=True)
        wanted = [each.id for each in newest]
        assert await listed(process) == wanted
        places = [(each.created_at, each.id) for each in newest]
        pages = [await listed(process, after=after, limit=2) for after in (None, places[1], places[3], places[4])]
        assert pages == [wanted[:2], wanted[2:4], wanted[4:], []]

    async def test_they_are_selected_by_time(self, process: Process) -> None:
        instructions = [an_instruction(at=at) for at in range(4)]
        await added(process, *instructions)
        since, until = NOW + SECOND, NOW + 2 * SECOND
        ids = [each.id for each in reversed(instructions)]
        assert await listed(process, Selection(since=since)) == ids[:3]
        assert await listed(process, Selection(until=until)) == ids[1:]
        assert await listed(process, Selection(since=since, until=until)) == ids[1:3]

    async def test_details_are_listed_the_oldest_first(self, process: Process) -> None:
        instruction, other = await with_details(process), await with_details(process, DetailStatus.DONE)
        details = [await detail_added(process, a_detail(instruction, at=at)) for at in (2, 0, 1)]
        async with process.unit_of_work() as work:
            listed = await work.instructions.list_details(instruction.id)
            assert await work.instructions.count_details(instruction.id) == 3
            assert await work.instructions.count_details(other.id) == 1
        assert [detail.id for detail in listed] == [details[1].id, details[2].id, details[0].id]

    async def test_what_is_left_are_inputs_of_their_own_that_were_over_long_ago(self, process: Process) -> None:
        instruction = await with_details(process)
        over = [a_detail(instruction, at=at, is_own=at != 2) for at in range(6)]
        for detail in over[1:]:
            detail.fail("", detail.created_at)
        over[3].clean()
        for detail in over:
            await detail_added(process, detail)
        async with process.unit_of_work() as work:
            left = await work.instructions.list_left(finished_before=NOW + 5 * SECOND, limit=10)
            one = await work.instructions.list_left(finished_before=NOW + 5 * SECOND, limit=1)
            end = one[0].finished_at
            assert end is not None
            rest = await work.instructions.list_left(finished_before=NOW + 5 * SECOND, after=(end, one[0].id), limit=10)
        assert [detail.id for detail in left] == [over[1].id, over[4].id]
        assert [detail.id for detail in one] == [over[1].id]
        assert [detail.id for detail in rest] == [over[4].id]

    async def test_stale_are_those_that_no_job_will_work_on(self, process: Process) -> None:
        instruction = await with_details(process, DetailStatus.DONE)
        lost, queued, dead, fresh = [await detail_added(process, a_detail(instruction, at=at)) for at in range(4)]
        async with process.unit_of_work() as work:
            for detail in (queued, dead):
                await work.jobs.add(a_job(EDIT, subject=detail.id))
            await work.jobs.add(a_job("another", subject=lost.id))
            await work.commit()
        async with process.unit_of_work() as work:
            job = await work.jobs.claim([EDIT], token=an_id(), lease_seconds=60)
            while job is not None and job.subject != dead.id:
                job = await work.jobs.claim([EDIT], token=an_id(), lease_seconds=60)
            assert job is not None
            await work.jobs.bury(job, error="")
            await work.commit()
            assert [job.subject for job in await work.jobs.list(JobState.DEAD, limit=2)] == [dead.id]
        async with process.unit_of_work() as work:
            stale = await work.instructions.list_stale(changed_before=NOW + 3 * SECOND, limit=10)
        assert [detail.id for detail in stale] == [lost.id, dead.id]
        assert fresh.id not in {detail.id for detail in stale}

    async def test_an_input_may_be_needed_by_another(self, store: Store) -> None:
        process = store.process()
        instruction = await with_details(process)
        first, second = [a_detail(instruction) for _ in range(2)]
        third = replace(a_detail(instruction), input=first.input)
        for detail in (first, second, third):
            await detail_added(process, detail)
        async with process.unit_of_work() as work:
            needed = [await work.instructions.is_needed(detail) for detail in (first, second, third)]
        assert needed == [True, False, True]
