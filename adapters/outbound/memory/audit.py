"""The records in memory, for looking at. Contract: tests/contract/test_audit.py."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from adapters.outbound.memory.database import MemoryDatabase
from domain.finding import Finding, Recorded, ok
from domain.ids import BlobKey, FileId, UploadId
from domain.job import Job, JobState
from ports.audit import Audit


class MemoryAudit(Audit):
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self.is_sound = False

    async def findings(self) -> AsyncIterator[Finding]:
        self.is_sound = True
        yield ok("the records are in memory")

    async def storage_id(self) -> str | None:
        return None

    async def open_uploads(self, ids: Sequence[str]) -> set[str]:
        found = ((id_, self._database.uploads.get(UploadId(id_))) for id_ in ids)
        return {id_ for id_, upload in found if upload is not None and upload.state.is_open}

    async def known_blobs(self, keys: Sequence[str]) -> set[str]:
        kept = {file.blob_key for file in self._database.files.values()} | self._database.blob_deletions.keys()
        return {key for key in keys if BlobKey(key) in kept} | await self.open_uploads(keys)

    async def count_undeleted(self, before: datetime) -> int:
        return sum(noted_at < before for noted_at in self._database.blob_deletions.values())

    async def files(self) -> AsyncIterator[Recorded]:
        for file in sorted(self._database.files.values(), key=lambda file: file.id):
            yield Recorded(file.id, file.blob_key, file.size, file.crc64, file.sha256)

    async def has_file(self, file_id: FileId) -> bool:
        return file_id in self._database.files

    async def dead_jobs(self, *, limit: int) -> Sequence[Job]:
        dead = [job for job in self._database.jobs.values() if job.state is JobState.DEAD]
        return sorted(dead, key=lambda job: (job.created_at, job.id))[:limit]

    async def neglected_jobs(self, since: datetime) -> int:
        wanted = [job for job in self._database.jobs.values() if job.state is not JobState.DEAD]
        if any(job.state is JobState.RUNNING and job.due_at >= since for job in wanted):
            return 0
        return sum(job.due_at < since for job in wanted)
