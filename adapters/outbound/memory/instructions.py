"""Instructions in memory. Contract: tests/contract/test_instruction_repository.py."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from adapters.outbound.memory.uploads import Changes
from domain.errors import DetailNotFound, InstructionNotFound
from domain.ids import DetailId, InstructionId, OwnerId
from domain.instruction import EDIT, Detail, DetailStatus, Instruction, Place, Selection, WaitingPlace, taken_together
from domain.job import JobState
from ports.instruction_repository import InstructionRepository


class MemoryInstructionRepository(InstructionRepository):
    """Details are copied on their way in and out: no caller has the kept entity."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def add(self, instruction: Instruction) -> None:
        self._changes.instructions[instruction.id] = instruction

    async def find(self, instruction_id: InstructionId) -> Instruction:
        instruction = self._changes.instruction(instruction_id)
        if instruction is None:
            raise InstructionNotFound("instruction not found")
        return self._told(instruction)

    async def list(
        self, owner: OwnerId, selection: Selection, *, after: Place | None, limit: int
    ) -> tuple[Sequence[Instruction], Place | None]:
        told = (self._told(each) for each in self._changes.all_instructions() if each.owner == owner)
        found = [each for each in told if _is_selected(each, selection) and (after is None or _place(each) < after)]
        page = sorted(found, key=_place, reverse=True)[:limit]
        return page, _place(page[-1]) if len(found) > limit else None

    async def add_detail(self, detail: Detail) -> None:
        self._changes.details[detail.id] = replace(detail)

    async def find_detail(self, detail_id: DetailId) -> Detail:
        for detail in self._changes.all_details():
            if detail_id in (detail.id, detail.output_id):
                return replace(detail)
        raise DetailNotFound("instruction detail not found")

    async def list_details(self, instruction_id: InstructionId) -> Sequence[Detail]:
        return self._sorted(lambda detail: detail.instruction_id == instruction_id, lambda detail: detail.created_at)

    async def count_details(self, instruction_id: InstructionId) -> int:
        return len(await self.list_details(instruction_id))

    async def save_detail(self, detail: Detail, *, was: DetailStatus) -> bool:
        known = next((each for each in self._changes.all_details() if each.id == detail.id), None)
        if known is None or known.status is not was:
            return False
        self._changes.details[detail.id] = replace(detail)
        return True

    async def remove_detail(self, detail_id: DetailId) -> None:
        self._changes.details[detail_id] = None

    async def list_left(
        self, *, finished_before: datetime, after: WaitingPlace | None = None, limit: int
    ) -> Sequence[Detail]:
        def is_left(detail: Detail) -> bool:
            if detail.finished_at is None or detail.finished_at >= finished_before:
                return False
            follows = after is None or (detail.finished_at, detail.id) > after
            return follows and detail.is_own and not detail.is_cleaned

        return self._sorted(is_left, lambda detail: detail.finished_at or finished_before)[:limit]

    async def list_stale(self, *, changed_before: datetime, limit: int) -> Sequence[Detail]:
        worked_on = {
            job.subject for job in self._changes.all_jobs() if job.kind == EDIT and job.state is not JobState.DEAD
        }

        def is_stale(detail: Detail) -> bool:
            is_old = not detail.status.is_over and detail.updated_at < changed_before
            return is_old and detail.id not in worked_on

        return self._sorted(is_stale, lambda detail: detail.updated_at)[:limit]

    async def is_needed(self, detail: Detail) -> bool:
        return any(
            other.id != detail.id and other.input.file_id == detail.input.file_id
            for other in self._changes.all_details()
        )

    def _told(self, instruction: Instruction) -> Instruction:
        details = [each for each in self._changes.all_details() if each.instruction_id == instruction.id]
        changed = [instruction.created_at, *(detail.updated_at for detail in details)]
        status = taken_together([detail.status for detail in details])
        return replace(instruction, status=status, updated_at=max(changed))

    def _sorted(self, is_wanted: Callable[[Detail], bool], by: Callable[[Detail], datetime]) -> Sequence[Detail]:
        found = [replace(detail) for detail in self._changes.all_details() if is_wanted(detail)]
        return sorted(found, key=lambda detail: (by(detail), detail.id))


def _place(instruction: Instruction) -> Place:
    return instruction.created_at, instruction.id


def _is_selected(instruction: Instruction, selection: Selection) -> bool:
    return (
        selection.status in (None, instruction.status)
        and (selection.since is None or instruction.created_at >= selection.since)
        and (selection.until is None or instruction.created_at <= selection.until)
    )
