"""No question costs more for there being a million uploads: how each database goes about every one of them.

The statements are those that the repositories really send; PostgreSQL, which would rather read a small table whole, is
told not to. What is dearer by its nature has a line of its own here.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, event

from adapters.outbound.sql.audit import SqlAudit
from adapters.outbound.sql.census import SqlCensus
from adapters.outbound.sql.database import Database
from adapters.outbound.sql.locks.leases import SqlLeases
from adapters.outbound.sql.locks.process_identity import ProcessIdentity
from adapters.outbound.sql.repositories.archives import SqlArchives
from adapters.outbound.sql.repositories.tickets import SqlTickets
from domain.archive import Archive
from domain.file_list import FileOrder, FilePlace, FileSelection
from domain.finding import ok
from domain.ids import BlobKey, DetailId, FileId, InstructionId, UploadId
from domain.image import Image
from domain.instruction import DetailStatus, Selection
from domain.job import JobState
from domain.received_image import ImageSession
from domain.ticket import Ticket
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadState
from domain.webhook import DELIVERY
from ports.unit_of_work import UnitOfWork
from tests.support.builders import ADMIN, ALICE, NOW, ShiftedClock, a_file, a_job, an_id, an_upload, extent
from tests.support.stores import Process, Store

_BIG = (
    *("uploads", "received_ranges", "files", "images", "renditions", "received_images", "usage"),
    *("instructions", "instruction_details", "notifications", "jobs", "outbox"),
)
_FEW = "(?:open|watched|sharing|expiring|restorable|unfolded|undigested|no_file|left|under_way|kind_due_at|dead)"
"""What indexes of few rows are called; such a one may be gone through from its beginning."""
_KEYS: Mapping[str, datetime | str | int] = {"created_at": NOW, "name": "f5", "size": 7}
_PLACES = {order: FilePlace(_KEYS[order.value_name], FileId("0" * 32)) for order in FileOrder}

Question = Callable[[Process], Awaitable[object]]


def _asked(about: Callable[[UnitOfWork], Awaitable[object]]) -> Question:
    async def ask(process: Process) -> None:
        async with process.unit_of_work() as work:
            await about(work)
            await work.commit()

    return ask


def _listed(selection: FileSelection, order: FileOrder, after: FilePlace | None) -> Question:
    return _asked(lambda work: work.files.list(selection, order, after=after, now=NOW, limit=100))


def _of_database(about: Callable[[Database], Awaitable[object]]) -> Question:
    async def ask(process: Process) -> None:
        assert process.database is not None
        await about(process.database)

    return ask


async def _of_uploads(work: UnitOfWork) -> None:
    upload = an_upload(owner=ALICE, received=(extent(0, 10),))
    await work.uploads.add(upload)
    await work.uploads.get(upload.id, ALICE)
    await work.uploads.received_within(upload.id, extent(0, 5).range)
    await work.uploads.settle_chunk_size(upload.id, 10)
    await work.uploads.follow_file(upload.id, UploadState.ABORTED, NOW)
    await work.uploads.is_known(upload.id)
    await work.uploads.open_among([upload.id])
    await work.uploads.delete(upload.id)


async def _of_files(work: UnitOfWork) -> None:
    file = a_file(owner=ALICE, sha256=b"7" * 32)
    await work.files.add(file)
    await work.files.find(file.id)
    await work.files.find_many([file.id, FileId(an_id())])
    assert await work.files.find_same(ALICE.owner, b"7" * 32, file.size)
    await work.files.save(replace(file, name="b"), was=file)
    await work.files.save_digests({file.id: b"7" * 32})
    await work.files.save_crc32s({file.id: 7})
    await work.files.bin(file.id, NOW)
    await work.files.restore(file.id, NOW)
    await work.files.is_ended(file.id, NOW)
    assert await work.files.delete(file.id)


async def _of_images(work: UnitOfWork) -> None:
    file = a_file(owner=ALICE)
    await work.files.add(file)
    image = Image.of(file, file.id, NOW)
    await work.images.add(image)
    await work.images.find_many([file.id])
    await work.images.save(image)
    await work.images.remove(file.id)
    await work.files.delete(file.id)


async def _of_notifications(work: UnitOfWork) -> None:
    for owner in (ALICE.owner, None):
        await work.notifications.after(owner, 7, limit=100)
        await work.notifications.number_of(owner, an_id())
        await work.notifications.newest(owner)


async def _of_jobs(work: UnitOfWork) -> None:
    job = a_job()
    await work.jobs.add(job)
    claimed = await work.jobs.claim([job.kind, "other"], token="t", lease_seconds=60)
    assert claimed is not None
    await work.jobs.renew(claimed, lease_seconds=60)
    await work.jobs.put_back(claimed, seconds=0, error="no")
    await work.jobs.forget(job.kind, job.subject)


async def _of_audit(database: Database) -> None:
    audit = SqlAudit(database, tables=lambda _: ok("tables"))
    await audit.known_blobs([an_id(), an_id()])
    await audit.open_uploads([an_id(), an_id()])
    await audit.dead_jobs(limit=10)
    await audit.neglected_jobs(NOW)
    assert [one async for one in audit.files()] == []


async def _of_leases(database: Database) -> None:
    leases = SqlLeases(database, ShiftedClock(), ProcessIdentity.here())
    await leases.find(an_upload().id)
    await leases.wanted()
    await leases.renew(["a", "b"])
    await leases.release(["a", "b"])
    await leases.close()


async def _of_links(database: Database) -> None:
    digest = an_id() * 2
    await SqlArchives(database).add(Archive(digest, ALICE, "a", (FileId(an_id()),), NOW), now=NOW)
    await SqlArchives(database).find(digest)
    await SqlTickets(database).add(Ticket(digest, ALICE, NOW), now=NOW)
    await SqlTickets(database).take(digest)


_SESSION = ImageSession(owner=ALICE.owner, user_id="7" * 24, session_id="12345678-1234-1234-1234-123456789abc")
_QUESTIONS: Mapping[str, Question] = {
    "an upload": _asked(_of_uploads),
    "what is watched": _asked(lambda work: work.uploads.find_watched([("w", ALICE), ("v", ALICE)])),
    "what an administrator watches": _asked(lambda work: work.uploads.find_watched([("w", ADMIN)])),
    "what is open": _asked(lambda work: work.uploads.list_open(ALICE, limit=100)),
    "what has expired": _asked(lambda work: work.uploads.list_expired(NOW, limit=200)),
    "what has ended": _asked(lambda work: work.uploads.forget_ended(before=NOW, limit=50)),
    "what a crash left": _asked(lambda work: work.uploads.list_assembling(after=(NOW, UploadId("0" * 32)), limit=1000)),
    "a quota": _asked(lambda work: work.uploads.usage(ALICE.owner)),
    "a quota that is checked": _asked(lambda work: work.uploads.check_usage(ALICE.owner, UploadPolicy(max_bytes=10))),
    "a file": _asked(_of_files),
    **{
        f"files, sort={order}, {'next' if after else 'first'} page of {whose}": _listed(selection, order, after)
        for order, place in _PLACES.items()
        for after in (None, place)
        for whose, selection in (
            ("all", FileSelection(ALICE.owner)),
            ("some", FileSelection(ALICE.owner, name="a", media_type="image/", folder="b/", find="c")),
        )
    },
    "everybody's files": _listed(FileSelection(None), FileOrder.NEWEST, _PLACES[FileOrder.NEWEST]),
    "files without a digest": _asked(lambda work: work.files.list_undigested(after=(NOW, FileId("0")), limit=100)),
    "files without a folded name": _asked(lambda work: work.files.fold_names(limit=100)),
    "files that are over": _asked(lambda work: work.files.list_ended(NOW, limit=200)),
    "an image": _asked(_of_images),
    "an image session": _asked(lambda work: work.received_images.list(_SESSION)),
    "bytes to be deleted": _asked(
        lambda work: work.blob_deletions.list_left(before=NOW, after=BlobKey("a"), limit=200)
    ),
    "an instruction": _asked(lambda work: work.instructions.list_details(InstructionId(an_id()))),
    "a detail's details": _asked(lambda work: work.instructions.count_details(InstructionId(an_id()))),
    "instructions": _asked(
        lambda work: work.instructions.list(
            ALICE.owner, Selection(since=NOW), after=(NOW, InstructionId(an_id())), limit=100
        )
    ),
    "instructions that failed": _asked(
        lambda work: work.instructions.list(ALICE.owner, Selection(DetailStatus.FAILED), after=None, limit=100)
    ),
    "inputs that are left": _asked(
        lambda work: work.instructions.list_left(finished_before=NOW, after=(NOW, DetailId("0")), limit=100)
    ),
    "details that nobody does": _asked(lambda work: work.instructions.list_stale(changed_before=NOW, limit=100)),
    "notifications": _asked(_of_notifications),
    "notifications that are old": _asked(lambda work: work.notifications.forget(before=NOW, limit=200)),
    "a job": _asked(_of_jobs),
    "dead jobs": _asked(lambda work: work.jobs.list(JobState.DEAD, limit=100)),
    "events that were not told": lambda process: process.outbox.publish_left(older_than=NOW),
    "the doctor's": _of_database(_of_audit),
    "leases": _of_database(_of_leases),
    "tickets and archives": _of_database(_of_links),
    "old deliveries": _asked(lambda work: work.jobs.forget_old(DELIVERY, before=NOW, limit=200)),
    "the queue": _asked(lambda work: work.jobs.count()),
    "the census": _of_database(lambda database: SqlCensus(database).count()),
}
_DEARER = {
    "the queue": {"jobs"},  # counted, job by job: those that are done are gone
    "notifications": {"notifications"},  # the newest of all is the first in its table
    "old deliveries": {"jobs"},  # likewise, each half hour
    "the census": {"jobs", "usage"},  # a row for each owner
}
"""Questions whose answers cost as much as these tables are long."""
_SORTED = {
    "an instruction",  # a thousand details at most
    "an image",  # its three thumbnails
    "what is watched",  # uploads of one id
    "what an administrator watches",
    "a file",  # those that share its bytes
    "the queue",
    "the census",
}


async def test_no_question_reads_or_sorts_a_big_table(shared_store: Store) -> None:
    process = shared_store.process()
    assert process.database is not None
    wrong = []
    with _noted() as statements:
        for name, question in _QUESTIONS.items():
            statements.clear()
            await question(process)
            assert statements, name
            for statement, values in list(statements.items()):
                plan = await process.database.read(partial(_plan, name, statement, values))
                wrong += [f"{name}: {why}\n{statement}\n{plan}\n" for why in _faults(name, plan)]
    assert not wrong, "\n".join(wrong)


@contextmanager
def _noted() -> Iterator[dict[str, Any]]:
    """What is sent meanwhile, with the first values of each; what is only inserted is left out."""
    statements: dict[str, Any] = {}

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if re.match(r"SELECT .*\sFROM|UPDATE|DELETE|WITH", statement, re.DOTALL):
            statements.setdefault(statement, values[0] if isinstance(values, list) else values)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _plan(name: str, statement: str, values: Any, connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        return "\n".join(row[3] for row in rows)
    for setting in ("seqscan", "hashjoin", "mergejoin"):
        connection.exec_driver_sql(f"SET enable_{setting} = off")
    connection.exec_driver_sql(f"SET enable_sort = {'on' if name in _SORTED else 'off'}")
    return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values).all())


def _faults(name: str, plan: str) -> Sequence[str]:
    read_whole = _whole_of_sqlite(plan) if "cost=" not in plan else _whole_of_postgresql(plan)
    faults = [f"reads all of {table}" for table in sorted(set(read_whole) & set(_BIG) - _DEARER.get(name, set()))]
    if name not in _SORTED and re.search(r"TEMP B-TREE FOR (ORDER|GROUP) BY|(?<!Incremental )Sort  \(", plan):
        faults.append("sorts what it has found")
    return faults


def _whole_of_sqlite(plan: str) -> Iterator[str]:
    """A list that is read in the order of an index stops where its page is full."""
    for table, index in re.findall(r"^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", plan, re.MULTILINE):
        if not re.search(_FEW, index) and not index.startswith("ix_files_listed"):
            yield table


def _whole_of_postgresql(plan: str) -> Iterator[str]:
    yield from re.findall(r"Seq Scan on (\w+)", plan)
    for index, table, more in re.findall(
        r"Index (?:Only )?Scan (?:Backward )?using (\w+) on (\w+).*\n(.*)", plan + "\n"
    ):
        if "Index Cond" not in more and not re.search(_FEW, index) and not index.startswith("ix_files_listed"):
            yield table
