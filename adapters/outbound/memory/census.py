"""Counts what the memory repositories keep. Contract: tests/contract/test_census.py."""

from collections import Counter

from adapters.outbound.memory.database import MemoryDatabase
from domain.census import Count
from ports.census import Census


class MemoryCensus(Census):
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def count(self) -> Count:
        database = self._database
        return Count(
            uploads=Counter(upload.state for upload in database.uploads.values() if upload.state.is_open),
            files=len(database.files),
            file_bytes=sum(file.size for file in database.files.values()),
            jobs=Counter((job.kind, job.state) for job in database.jobs.values()),
        )
