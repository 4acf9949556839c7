"""Keeps instructions and their details. Contract: tests/contract/test_instruction_repository.py."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import DetailId, InstructionId, OwnerId
from domain.instruction import Detail, DetailStatus, Instruction, Place, Selection, WaitingPlace


class InstructionRepository(Protocol):
    """An instruction's status and ``updated_at`` are those of its details whenever it is read."""

    @abstractmethod
    async def add(self, instruction: Instruction) -> None: ...

    @abstractmethod
    async def find(self, instruction_id: InstructionId) -> Instruction:
        """Raises:
        InstructionNotFound: unknown.
        """

    @abstractmethod
    async def list(
        self, owner: OwnerId, selection: Selection, *, after: Place | None, limit: int
    ) -> tuple[Sequence[Instruction], Place | None]:
        """The owner's, the newest first; those that come ``after`` a place in that order. And where to go on, None:
        there are no more. Fewer than ``limit``, or none, may be followed by others: it looks at so many at a time."""

    @abstractmethod
    async def add_detail(self, detail: Detail) -> None:
        """Its instruction is there."""

    @abstractmethod
    async def find_detail(self, detail_id: DetailId) -> Detail:
        """By its own id, or that of its output.

        Raises:
            DetailNotFound: unknown.
        """

    @abstractmethod
    async def list_details(self, instruction_id: InstructionId) -> Sequence[Detail]:
        """All of them, the oldest first."""

    @abstractmethod
    async def count_details(self, instruction_id: InstructionId) -> int: ...

    @abstractmethod
    async def save_detail(self, detail: Detail, *, was: DetailStatus) -> bool:
        """Keep what has become of it; return False, and change nothing, if it is gone or its status not what it
        ``was``. If it is kept, nobody else changes it until this unit of work is over."""

    @abstractmethod
    async def remove_detail(self, detail_id: DetailId) -> None:
        """Forget it, if it is there."""

    @abstractmethod
    async def list_left(
        self, *, finished_before: datetime, after: WaitingPlace | None = None, limit: int
    ) -> Sequence[Detail]:
        """Those that were over before then and whose input is their own and not cleaned yet, the oldest first; those
        that come ``after`` a place in that order."""

    @abstractmethod
    async def list_stale(self, *, changed_before: datetime, limit: int) -> Sequence[Detail]:
        """Those that are not over, have not changed since then, and which no job will work on, the oldest first."""

    @abstractmethod
    async def is_needed(self, detail: Detail) -> bool:
        """Whether another detail has the file of its input."""
