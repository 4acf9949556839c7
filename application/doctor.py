"""Looks whether what is there and what is recorded are one, and changes nothing; it may run beside a server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from application.jobs import NEGLECT, NEGLECTED
from domain.finding import Finding, ok, problem
from domain.size import format_size
from ports.audit import Audit
from ports.clock import Clock
from ports.medium import Medium

_PAGE = 500
_NAMED = 10  # of problems of one kind so many are named, the rest are counted


class DoctorUseCase:
    """``spared``: what is younger than this may be in somebody's hands, and is left out of account."""

    def __init__(self, *, medium: Medium, audit: Audit, clock: Clock, spared: timedelta) -> None:
        self._medium = medium
        self._audit = audit
        self._clock = clock
        self._spared = spared

    async def examine(self, *, scrub: bool = False) -> AsyncIterator[Finding]:
        """Everything there is to say, one finding at a time; ``scrub`` also reads every byte of every file.

        Raises:
            Unavailable: storage or database went away meanwhile.
        """
        async for finding in self._medium.findings():
            yield finding
        async for finding in self._audit.findings():
            yield finding
        if self._medium.id is None or not self._audit.is_sound:
            return
        before = self._clock.now() - self._spared
        yield await self._belongs(self._medium.id)
        yield await self._leftovers(before)
        yield await self._deletions(before)
        yield await self._strays(before)
        async for finding in self._jobs():
            yield finding
        async for finding in self._files(scrub=scrub):
            yield finding

    async def _belongs(self, found: str) -> Finding:
        known = await self._audit.storage_id()
        if known is None:
            return ok("the database has not met its storage yet")
        if known != found:
            return problem("the database belongs to another storage: a wrong folder, bucket or database is named")
        return ok("storage and database belong together")

    async def _leftovers(self, before: datetime) -> Finding:
        """Staged bytes whose upload is over or was never known."""
        count, size = await _count_unknown(self._medium.staged(before), self._audit.open_uploads)
        if count:
            return problem(f"{count} staged uploads ({format_size(size)} bytes) belong to nobody: cleanup removes them")
        return ok("every staged upload is somebody's")

    async def _deletions(self, before: datetime) -> Finding:
        """Blobs that should be gone by now. What was deleted just now may be another process's work."""
        if count := await self._audit.count_undeleted(before):
            return problem(f"{count} blobs were to be deleted and could not be: cleanup deletes them")
        return ok("what was deleted is gone")

    async def _strays(self, before: datetime) -> Finding:
        """Sealed bytes that no file and no unfinished upload speaks of, and that nobody knows are to be deleted."""
        count, size = await _count_unknown(self._medium.blobs(before), self._audit.known_blobs)
        if count:
            return problem(f"{count} sealed blobs ({format_size(size)} bytes) belong to no file")
        return ok("every sealed blob is a file's")

    async def _jobs(self) -> AsyncIterator[Finding]:
        dead = await self._audit.dead_jobs(limit=_NAMED + 1)
        for job in dead[:_NAMED]:
            error = " ".join(job.error.split())
            yield problem(f"job {job.id} ({job.kind} {job.subject}) is given up: {error}; jobs retry {job.id}?")
        if len(dead) > _NAMED:
            yield problem("… and more: jobs list")
        if not dead:
            yield ok("no job has been given up")
        if count := await self._audit.neglected_jobs(self._clock.now() - NEGLECT):
            yield problem(f"{count} {NEGLECTED}")

    async def _files(self, *, scrub: bool) -> AsyncIterator[Finding]:
        count = bad = unknown = 0
        async for recorded in self._audit.files():
            count += 1
            wrong = await self._medium.wrong_with(recorded, scrub=scrub)
            # It may simply have been deleted while we looked.
            if wrong and await self._audit.has_file(recorded.file_id):
                bad += 1
                if bad <= _NAMED:
                    yield problem(f"file {recorded.file_id}: {wrong}")
            unknown += recorded.crc64 is None and recorded.sha256 is None
        if bad > _NAMED:
            yield problem(f"… and {bad - _NAMED} files more")
        if scrub and unknown:
            yield ok(f"{unknown} files have no checksum to compare with (their chunks overlapped)")
        if not bad:
            yield ok(f"all {count} files are there" + (", every byte of them as it was received" if scrub else ""))


async def _count_unknown(
    held: AsyncIterator[Mapping[str, int]], known: Callable[[Sequence[str]], Awaitable[set[str]]]
) -> tuple[int, int]:
    """How many that are held nobody knows, and how many bytes those are."""
    count = size = 0
    async for some in held:
        names = sorted(some)
        for start in range(0, len(names), _PAGE):
            page = names[start : start + _PAGE]
            unknown = set(page) - await known(page)
            count += len(unknown)
            size += sum(some[name] for name in unknown)
    return count, size
