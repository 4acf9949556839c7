"""What every file repository promises of its lists (ports/file_repository.py)."""

import itertools
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from domain.file import File
from domain.file_list import FileOrder, FilePlace, FileSelection
from domain.ids import OwnerId
from tests.contract.suites.file_repository import add
from tests.contract.suites.stores import Process, StoreSuite
from tests.support.builders import ALICE, BOB, NOW, a_file

NAMES = ("Zebra.txt", "apple.TXT", "Äpfel.jpg", "ärger.png", "Straße.mov", "日本.txt", "100%_a.txt", "I.txt")
ALICES = FileSelection(ALICE.owner)
FOUND_BY: Mapping[str, set[str]] = {
    "": set(NAMES),
    "TXT": {"Zebra.txt", "apple.TXT", "日本.txt", "100%_a.txt", "I.txt"},
    "äPFEL": {"Äpfel.jpg"},
    "A\u0308pfel": {"Äpfel.jpg"},  # as macOS spells it
    "strasse": {"Straße.mov"},
    "本": {"日本.txt"},
    "%": {"100%_a.txt"},
    "_": {"100%_a.txt"},
    "*": set(),
    "'; --": set(),
}


def some_files() -> list[File]:
    """Of each value some are alike."""
    return [
        a_file(
            owner=ALICE,
            name=name,
            size=size,
            media_type="image/png" if name.endswith("png") else "text/plain",
            created_at=NOW + timedelta(microseconds=number // 3),
        )
        for number, (name, size) in enumerate((name, size) for name in NAMES for size in (0, 7))
    ]


async def pages(
    process: Process, selection: FileSelection, order: FileOrder = FileOrder.NEWEST, limit: int = 3
) -> list[File]:
    found: list[File] = []
    after: FilePlace | None = None
    while True:
        async with process.unit_of_work() as work:
            page = await work.files.list(selection, order, after=after, now=NOW, limit=limit)
        assert len(page.files) <= limit
        found += page.files
        after = page.after
        if after is None:
            return found


async def names(process: Process, selection: FileSelection) -> set[str]:
    return {file.name for file in await pages(process, selection, limit=100)}


class FileListSuite(StoreSuite):
    async def test_a_folder_has_what_its_paths_lead_into(self, process: Process) -> None:
        paths = ("Ü/a", "Ü/b/c", "ü/a", "Ü", "Ü2/a", "x/Ü/a", "%/a", None)
        await add(process, *(a_file(owner=ALICE, path=path) for path in paths), a_file(owner=BOB, path="Ü/a"))
        for folder, inside in (("Ü/", ["Ü/a", "Ü/b/c"]), ("Ü/b/", ["Ü/b/c"]), ("%/", ["%/a"]), ("_/", [])):
            found = await pages(process, FileSelection(ALICE.owner, folder=folder), limit=1)
            assert sorted(str(file.path) for file in found) == inside
        for part, inside in (("B/c", ["Ü/b/c"]), ("X/Ü", ["x/Ü/a"]), ("2/", ["Ü2/a"]), ("%", ["%/a"]), ("_", [])):
            found = await pages(process, FileSelection(ALICE.owner, find=part), limit=1)
            assert sorted(str(file.path) for file in found) == inside, part

    async def test_all_come_once_and_in_order(self, process: Process) -> None:
        files = some_files()
        await add(process, *random.sample(files, len(files)), a_file(owner=BOB))
        for order, limit in itertools.product(FileOrder, (1, 3, 16, 100)):
            found = await pages(process, ALICES, order, limit)
            assert found == sorted(files, key=order.place_of, reverse=order.is_descending), (order, limit)

    async def test_a_list_goes_on_where_it_was_whatever_comes_and_goes(self, process: Process) -> None:
        files = sorted(some_files(), key=FileOrder.NEWEST.place_of, reverse=True)
        await add(process, *files)
        async with process.unit_of_work() as work:
            first = await work.files.list(ALICES, FileOrder.NEWEST, after=None, now=NOW, limit=4)
            await work.files.delete(first.files[-1].id)
            await work.files.delete(first.files[0].id)
            await work.files.add(a_file(owner=ALICE, created_at=NOW + timedelta(hours=1)))
            await work.commit()
        async with process.unit_of_work() as work:
            rest = await work.files.list(ALICES, FileOrder.NEWEST, after=first.after, now=NOW, limit=100)
        assert [*rest.files] == files[4:]
        assert rest.after is None

    async def test_a_part_of_the_name_is_enough(self, process: Process) -> None:
        await add(process, *some_files(), a_file(owner=BOB, name="txt"))
        for part, found in FOUND_BY.items():
            assert await names(process, replace(ALICES, name=part)) == found, part
            assert await names(process, replace(ALICES, find=part)) == found, part

    async def test_a_media_type_is_told_by_how_it_begins(self, process: Process) -> None:
        await add(process, *some_files())
        assert await names(process, replace(ALICES, media_type="image/")) == {"ärger.png"}
        assert await names(process, replace(ALICES, media_type="text/plain", name="z")) == {"Zebra.txt"}
        assert await names(process, replace(ALICES, media_type="%")) == set()

    async def test_everybodys_come_together(self, process: Process) -> None:
        mine, theirs = a_file(owner=ALICE), a_file(owner=BOB, created_at=NOW + timedelta(1))
        await add(process, mine, theirs)
        assert await pages(process, FileSelection(None), limit=1) == [theirs, mine]
        assert await pages(process, FileSelection(OwnerId("user:carol"))) == []

    async def test_what_is_over_is_not_listed(self, process: Process) -> None:
        lasting = a_file(owner=ALICE, expires_at=NOW + timedelta(microseconds=1))
        over = a_file(owner=ALICE, expires_at=NOW)
        deleted = a_file(owner=ALICE, restorable_until=NOW + timedelta(minutes=1))
        await add(process, lasting, over, deleted)
        for order in FileOrder:
            assert await pages(process, ALICES, order) == [lasting]
