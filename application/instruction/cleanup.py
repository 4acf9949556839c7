"""Takes away what instructions need no more: inputs of details that are over. What came of them stays, and so does
every file that came in for something else."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from application.blob_deletions import BlobDeleter
from application.clock_jumps import ClockJumps
from application.erasing import erase
from domain.access import Principal
from domain.errors import Forbidden
from domain.ids import BlobKey, FileId
from domain.instruction import Detail, WaitingPlace
from ports.blob_storage import BlobStorage
from ports.clock import Clock
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

_BATCH = 200
_FORESEEN = 1000
_STALE = "nobody has worked on it in time"


class InstructionCleanup:
    """``run`` may be called at any time, any number of times, in several processes."""

    def __init__(self, *, unit_of_work: UnitOfWorkFactory, blobs: BlobStorage, clock: Clock, after: timedelta) -> None:
        """``after``: for how long an input is kept once it has been worked on."""
        self._unit_of_work = unit_of_work
        self._deleter = BlobDeleter(unit_of_work, blobs)
        self._clock = clock
        self._after = after
        self._jumps = ClockJumps(clock)

    async def run(self) -> int:
        """How many files were taken away."""
        now = self._clock.now()
        if self._jumps.jumped(now):
            return 0  # as application/upkeep/cleanup.py has it
        await self._fail_stale(now)
        cleaned = 0
        while True:
            left = await self._list_left(now - self._after)
            for detail in left:
                cleaned += await self._clean(detail, now)
            if len(left) < _BATCH:
                return cleaned

    async def foresee(self) -> int:
        """How many files ``run`` would take away now, counted up to a thousand; nothing is changed."""
        left = await self._list_left(self._clock.now() - self._after, limit=_FORESEEN)
        async with self._unit_of_work() as work:
            return sum([not await _has_another_use(work, detail) for detail in left])

    async def list_waiting(
        self, principal: Principal, *, after: WaitingPlace | None = None, limit: int
    ) -> tuple[Sequence[tuple[Detail, datetime]], WaitingPlace | None]:
        """Details whose inputs are to be taken away, and from when on, the next ones first; and where the next page
        begins, if there is one.

        Raises:
            Forbidden: to all but administrators.
        """
        if not principal.is_admin:
            raise Forbidden("forbidden")
        whenever = datetime.max.replace(tzinfo=self._clock.now().tzinfo)
        found = await self._list_left(whenever, after=after, limit=limit + 1)
        page = [(detail, detail.finished_at or detail.updated_at) for detail in found[:limit]]
        place = (page[-1][1], page[-1][0].id) if len(found) > limit else None
        return [(detail, end + self._after) for detail, end in page], place

    async def _list_left(
        self, before: datetime, *, after: WaitingPlace | None = None, limit: int = _BATCH
    ) -> Sequence[Detail]:
        async with self._unit_of_work() as work:
            return await work.instructions.list_left(finished_before=before, after=after, limit=limit)

    async def _clean(self, detail: Detail, now: datetime) -> bool:
        keys: list[BlobKey] = []
        async with self._unit_of_work() as work:
            is_needed = await _has_another_use(work, detail)
            if is_needed:
                detail.let_go()
            else:
                detail.clean()
            if not await work.instructions.save_detail(detail, was=detail.status):
                return False  # it is to be worked on once more
            if not is_needed:
                keys = await erase(work, detail.input.file_id, now)
            await work.commit()
        for key in keys:
            await self._deleter.delete_now(key)
        return not is_needed

    async def _fail_stale(self, now: datetime) -> None:
        async with self._unit_of_work() as work:
            stale = await work.instructions.list_stale(changed_before=now - self._after, limit=_BATCH)
            for detail in stale:
                was = detail.status
                detail.fail(_STALE, now)
                if await work.instructions.save_detail(detail, was=was):
                    instruction = await work.instructions.find(detail.instruction_id)
                    work.announce(detail.event(instruction.owner))
            if stale:
                await work.commit()


async def _has_another_use(work: UnitOfWork, detail: Detail) -> bool:
    """Whether somebody has made an image of the file, or has another detail work on it."""
    file_id: FileId = detail.input.file_id
    return await work.images.find_any(file_id) is not None or await work.instructions.is_needed(detail)
