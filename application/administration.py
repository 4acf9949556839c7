"""What an administrator looks at: the disks, what failed for good, what cleanup would do, whose uploads are open."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from application.jobs import JobsUseCase
from application.upkeep.cleanup import Cleaned
from application.views import UploadView
from domain.access import Principal
from domain.errors import Forbidden
from domain.ids import JobId
from domain.job import Job, JobState
from domain.upload_policy import Usage
from ports.clock import Clock
from ports.unit_of_work import UnitOfWorkFactory

_SHOWN = 100
_LONGEST_LIFE = timedelta(days=3651)  # of an upload: a day more than UPLOAD_TTL can say


@dataclass(frozen=True, slots=True)
class DiskFigures:
    """Of the disk that ``name`` is on, in bytes."""

    name: str
    size: int
    free: int


@dataclass(frozen=True, slots=True)
class Overview:
    """``dead_jobs`` and ``open_uploads``: a hundred at most; of the uploads those that expire first. ``usage`` is the
    asking administrator's own."""

    disks: Sequence[DiskFigures]
    usage: Usage
    jobs: Mapping[JobState, int]
    dead_jobs: Sequence[Job]
    open_uploads: Sequence[UploadView]


class AdministrationUseCase:
    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        jobs: JobsUseCase,
        foresee_uploads: Callable[[], Awaitable[Cleaned]],
        foresee_inputs: Callable[[], Awaitable[int]],
        disks: Callable[[], Awaitable[Sequence[DiskFigures]]],
    ) -> None:
        """``foresee_uploads``, ``foresee_inputs``: what the two cleanups would do now."""
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._jobs = jobs
        self._foresee_uploads = foresee_uploads
        self._foresee_inputs = foresee_inputs
        self._disks = disks

    async def overview(self, principal: Principal) -> Overview:
        """Raises:
        Forbidden: to all but administrators.
        """
        _check(principal)
        disks = await self._disks()
        async with self._unit_of_work() as work:  # left without a commit
            return Overview(
                disks=disks,
                usage=await work.uploads.usage(principal.owner),
                jobs=await work.jobs.count(),
                dead_jobs=await work.jobs.list(JobState.DEAD, limit=_SHOWN),
                open_uploads=[
                    UploadView.of(upload)
                    for upload in await work.uploads.list_expired(self._clock.now() + _LONGEST_LIFE, limit=_SHOWN)
                ],
            )

    async def foresee_cleanup(self, principal: Principal) -> tuple[Cleaned, int]:
        """What cleanup would do now, and of how many inputs of instructions; it looks through all that is staged.

        Raises:
            Forbidden: to all but administrators.
        """
        _check(principal)
        return await self._foresee_uploads(), await self._foresee_inputs()

    async def retry(self, principal: Principal, job_id: JobId) -> Job:
        """Have a dead job done again.

        Raises:
            Forbidden: to all but administrators.
            JobNotFound: there is no such job, or it is not dead.
        """
        _check(principal)
        return await self._jobs.retry(job_id)


def _check(principal: Principal) -> None:
    if not principal.is_admin:
        raise Forbidden("this is for administrators")
