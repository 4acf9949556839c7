"""Contract of ports/archives.py, in memory and on each database."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from adapters.outbound.memory.archives import MemoryArchives
from adapters.outbound.sql.repositories.archives import SqlArchives
from domain.access import ADMINISTRATOR, Principal
from domain.archive import ARCHIVE_LIFE, MAX_ARCHIVED, Archive
from domain.ids import FileId
from domain.ticket import digest_of
from ports.archives import Archives
from tests.support.builders import ALICE, NOW, an_id
from tests.support.stores import opened_store


@pytest.fixture
async def sides(store_url: str | None) -> AsyncIterator[Sequence[Archives]]:
    """The same archives, as two processes see them."""
    if store_url is None:
        yield [MemoryArchives()] * 2
        return
    async with opened_store(store_url) as store:
        databases = [store.process().database for _ in range(2)]
        yield [SqlArchives(database) for database in databases if database is not None]


def an_archive(maker: Principal = ALICE, files: int = 1, life: timedelta = ARCHIVE_LIFE) -> Archive:
    ids = tuple(FileId(an_id()) for _ in range(files))
    return Archive(digest_of(an_id()), maker, "Ürlaub 2026.zip", ids, NOW + life)


async def test_an_archive_is_found_as_often_as_it_is_looked_for(sides: Sequence[Archives]) -> None:
    one, other = sides
    for archive in (an_archive(), an_archive(ADMINISTRATOR, 3), an_archive(files=MAX_ARCHIVED)):
        await one.add(archive, now=NOW)
        for side in (other, one, other):
            found = await side.find(archive.digest)
            assert found == archive and found is not None
            assert found.maker.is_admin is archive.maker.is_admin
    assert await one.find(digest_of("")) is None


async def test_what_is_over_does_not_stay(sides: Sequence[Archives]) -> None:
    old, young = an_archive(), an_archive(life=ARCHIVE_LIFE * 2)
    for archive in (old, young):
        await sides[0].add(archive, now=NOW)
    await sides[0].add(an_archive(), now=NOW + ARCHIVE_LIFE)
    assert await sides[1].find(old.digest) is None
    assert await sides[1].find(young.digest) == young
