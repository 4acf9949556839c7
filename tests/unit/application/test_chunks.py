"""Placing chunks, over the memory adapters: what counts, what is refused, what stands beside what."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import TypedDict

import pytest

from application.views import UploadView
from domain.access import Credential, Principal, Visibility
from domain.byte_range import ByteRange
from domain.errors import (
    BytesMissing,
    ChunkDiffers,
    ChunkSizeChanged,
    CompletedOtherwise,
    FileGone,
    InvalidChunk,
    LengthExceeded,
    LongshoreError,
    QuotaExceeded,
    RepositoryUnavailable,
    StorageFull,
    UploadExpired,
    UploadGone,
    UploadNotFound,
    UploadNotOpen,
    UploadTakenOver,
    UploadTooLarge,
)
from domain.events import EventType
from domain.file_draft import FileDraft
from domain.ids import UploadId, file_id_of
from domain.metadata import Metadata
from domain.upload_policy import UploadPolicy
from domain.upload_state import UploadState
from tests.support.builders import ALICE, BOB, an_id
from tests.support.deployment import NAME, Deployment, Process
from tests.support.faults import Died, Point
from tests.support.sources import CutSource, HangingSource, source_of

SIZE = 1000


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def process(deployment: Deployment) -> Process:
    return deployment.process()


async def begin(process: Process, length: int | None = None) -> UploadId:
    view = await process.uploads.create(ALICE, NAME, length=length, completes_on_request=True)
    return view.id


async def place(
    process: Process, upload_id: UploadId, index: int, data: bytes, *, size: int = SIZE, who: Principal = ALICE
) -> UploadView | None:
    source = source_of(data, block=333, announced=False)
    return await process.uploads.place(who, upload_id, index=index, chunk_size=size, source=source)


async def hang(process: Process, upload_id: UploadId, index: int, sent: bytes) -> "asyncio.Task[UploadView | None]":
    """A chunk's request that has sent so much and now keeps silent."""
    source = HangingSource([sent] if sent else [], length=None)
    placing = process.uploads.place(ALICE, upload_id, index=index, chunk_size=SIZE, source=source)
    request = asyncio.create_task(placing)
    await asyncio.wait_for(source.hangs.wait(), 2)
    return request


def a_body(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def chunks_of(body: bytes) -> list[bytes]:
    return [body[at : at + SIZE] for at in range(0, len(body), SIZE)]


async def test_chunks_in_any_order_make_the_file(deployment: Deployment, process: Process) -> None:
    body = a_body(10 * SIZE + 1)
    upload_id = await begin(process)
    order = list(enumerate(chunks_of(body)))
    random.Random(2).shuffle(order)
    for index, data in order:
        view = await place(process, upload_id, index, data)
        assert view and view.state is UploadState.RECEIVING
    view = await process.uploads.complete(ALICE, upload_id, length=len(body))
    assert view.state is UploadState.COMPLETED and view.chunk_size == SIZE
    assert await process.content(upload_id) == body
    assert (await process.downloads.describe(ALICE, file_id_of(upload_id))).checksum
    assert deployment.told(upload_id)[0] is EventType.CREATED


async def test_many_at_once_and_twice_make_the_same_file(process: Process) -> None:
    body = a_body(40 * SIZE - 1)
    upload_id = await begin(process, len(body))
    order = list(enumerate(chunks_of(body)))
    random.Random(3).shuffle(order)
    await asyncio.gather(*(place(process, upload_id, index, data) for index, data in order))
    await asyncio.gather(*(place(process, upload_id, index, data) for index, data in reversed(order)))
    await process.uploads.complete(ALICE, upload_id, length=len(body))
    assert await process.content(upload_id) == body


async def test_two_processes_take_chunks_of_one_upload_at_once(deployment: Deployment) -> None:
    processes = [deployment.process(), deployment.process()]
    body = a_body(30 * SIZE)
    upload_id = await begin(processes[0])
    await asyncio.gather(
        *(place(processes[index % 2], upload_id, index, data) for index, data in enumerate(chunks_of(body)))
    )
    await processes[1].uploads.complete(ALICE, upload_id)
    assert await processes[0].content(upload_id) == body


async def test_the_offset_is_the_unbroken_prefix_and_never_goes_back(deployment: Deployment, process: Process) -> None:
    body = a_body(5 * SIZE)
    upload_id = await begin(process, len(body))
    for index in (1, 3, 0, 2, 4):
        await place(process, upload_id, index, chunks_of(body)[index])
    told = [event.offset for event in deployment.events if event.upload_id == upload_id]
    assert told == [0, 0, 0, 2 * SIZE, 4 * SIZE, 5 * SIZE]
    assert (await process.uploads.look_at(ALICE, upload_id)).offset == 5 * SIZE


async def test_what_another_process_placed_counts_in_the_offset_before_long(deployment: Deployment) -> None:
    ours, theirs = deployment.process(), deployment.process()
    upload_id = await begin(ours)
    await place(ours, upload_id, 1, b"b" * SIZE)
    await place(theirs, upload_id, 0, b"a" * SIZE)
    deployment.clock.pass_by(timedelta(seconds=2))
    await place(ours, upload_id, 2, b"c" * SIZE)
    assert deployment.events[-1].offset == 3 * SIZE


async def test_all_bytes_alone_complete_nothing(process: Process) -> None:
    upload_id = await begin(process, SIZE)
    await place(process, upload_id, 0, b"x" * SIZE)
    assert (await process.uploads.inspect(ALICE, upload_id)).state is UploadState.RECEIVING


async def test_a_gap_is_named(process: Process) -> None:
    upload_id = await begin(process)
    for index in (0, 3, 5):
        await place(process, upload_id, index, b"x" * SIZE)
    with pytest.raises(BytesMissing) as refused:
        await process.uploads.complete(ALICE, upload_id, length=7 * SIZE)
    assert refused.value.gaps == ((SIZE, 3 * SIZE), (4 * SIZE, 5 * SIZE), (6 * SIZE, 7 * SIZE))


@pytest.mark.parametrize(
    "other", [b"x" * 999 + b"y", b"x" * 999, b"", b"y" + b"x" * 999], ids=["last", "short", "empty", "first"]
)
async def test_the_same_chunk_with_other_bytes_is_refused_and_changes_nothing(process: Process, other: bytes) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    with pytest.raises(ChunkDiffers):
        await place(process, upload_id, 0, other)
    await place(process, upload_id, 0, b"x" * SIZE)
    await process.uploads.complete(ALICE, upload_id, length=SIZE)
    assert await process.content(upload_id) == b"x" * SIZE


async def test_a_chunk_is_compared_though_its_row_has_been_folded(process: Process) -> None:
    body = a_body(2000 * 10)
    upload_id = await begin(process)
    for index in range(2000):
        await place(process, upload_id, index, body[index * 10 : index * 10 + 10], size=10)
        if index % 500 == 0:
            process.deployment.clock.pass_by(timedelta(seconds=2))
    process.deployment.clock.pass_by(timedelta(seconds=2))
    await place(process, upload_id, 7, body[70:80], size=10)
    assert len(process.deployment.database.received[upload_id]) < 1100
    with pytest.raises(ChunkDiffers):
        await place(process, upload_id, 8, body[70:80], size=10)
    await process.uploads.complete(ALICE, upload_id)
    assert await process.content(upload_id) == body


async def test_bytes_received_otherwise_than_as_chunks_are_no_chunk(process: Process) -> None:
    upload_id = await begin(process)
    await process.send(upload_id, b"x" * 1500)
    await place(process, upload_id, 0, b"x" * SIZE)
    with pytest.raises(ChunkDiffers):
        await place(process, upload_id, 1, b"x" * SIZE)


async def test_bytes_in_a_row_can_not_go_over_chunks_further_on(process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 1, b"x" * SIZE)
    with pytest.raises(ChunkDiffers):
        await process.send(upload_id, b"y" * 1500)
    await place(process, upload_id, 0, b"z" * SIZE)
    await process.send(upload_id, b"w", at=2 * SIZE)
    await process.uploads.complete(ALICE, upload_id)
    assert await process.content(upload_id) == b"z" * SIZE + b"x" * SIZE + b"w"


async def test_the_size_of_the_first_chunk_is_that_of_all(deployment: Deployment, process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    for other in (process, deployment.process()):
        with pytest.raises(ChunkSizeChanged):
            await place(other, upload_id, 1, b"x" * 500, size=500)
    await place(deployment.process(), upload_id, 1, b"x" * SIZE)


async def test_of_two_first_sizes_one_stands(deployment: Deployment) -> None:
    ours, theirs = deployment.process(), deployment.process()
    upload_id = await begin(ours)
    answers = await asyncio.gather(
        place(ours, upload_id, 0, b"x" * SIZE),
        place(theirs, upload_id, 9, b"x" * 500, size=500),
        return_exceptions=True,
    )
    assert sorted(isinstance(answer, ChunkSizeChanged) for answer in answers) == [False, True]


async def test_a_cut_first_chunk_settles_no_size(process: Process) -> None:
    upload_id = await begin(process)
    cut = CutSource([b"x" * 100], length=None)
    assert await process.uploads.place(ALICE, upload_id, index=0, chunk_size=500, source=cut) is None
    await place(process, upload_id, 0, b"x" * SIZE)


@pytest.mark.parametrize("length", [None, 5 * SIZE])
async def test_a_chunk_longer_than_its_size_is_refused(process: Process, length: int | None) -> None:
    upload_id = await begin(process, length)
    with pytest.raises(InvalidChunk):
        await place(process, upload_id, 0, b"x" * (SIZE + 1))
    assert (await process.uploads.look_at(ALICE, upload_id)).offset == 0


async def test_only_the_last_chunk_may_be_shorter(process: Process) -> None:
    announced, unknown = await begin(process, 1500), await begin(process)
    with pytest.raises(InvalidChunk):
        await place(process, announced, 0, b"x" * 999)
    await place(process, announced, 1, b"x" * 500)
    await place(process, unknown, 1, b"x" * SIZE)
    with pytest.raises(InvalidChunk):
        await place(process, unknown, 0, b"x" * 999)


async def test_no_chunk_goes_past_the_announced_length(process: Process) -> None:
    upload_id = await begin(process, 1500)
    for index, data in ((1, b"x" * 501), (2, b"x"), (10**12, b"x")):
        with pytest.raises(LengthExceeded):
            await place(process, upload_id, index, data)


async def test_no_chunk_goes_past_the_largest_upload() -> None:
    process = Deployment(UploadPolicy(max_length_bytes=1500)).process()
    upload_id = await begin(process)
    for index, data in ((1, b"x" * 501), (2, b"x")):
        with pytest.raises(UploadTooLarge):
            await place(process, upload_id, index, data)
    await place(process, upload_id, 1, b"x" * 500)


async def test_no_chunk_goes_past_its_owners_quota() -> None:
    process = Deployment(UploadPolicy(max_bytes=2 * SIZE)).process()
    upload_id = await begin(process)
    for index in (4, 0):
        await place(process, upload_id, index, bytes(SIZE))
    with pytest.raises(QuotaExceeded):
        await place(process, upload_id, 1, bytes(SIZE))
    assert (await process.uploads.look_at(ALICE, upload_id)).offset == SIZE


@pytest.mark.parametrize("length", [None, 0])
async def test_an_empty_file_may_have_an_empty_chunk(process: Process, length: int | None) -> None:
    upload_id = await begin(process, length)
    assert await place(process, upload_id, 0, b"") is not None
    view = await process.uploads.complete(ALICE, upload_id, length=0)
    assert view.state is UploadState.COMPLETED
    assert await process.content(upload_id) == b""


async def test_no_other_chunk_may_be_empty(process: Process) -> None:
    upload_id = await begin(process)
    with pytest.raises(InvalidChunk):
        await place(process, upload_id, 1, b"")


async def test_a_cut_chunk_does_not_count(process: Process) -> None:
    upload_id = await begin(process)
    cut = CutSource([b"x" * 600], length=None)
    assert await process.uploads.place(ALICE, upload_id, index=0, chunk_size=SIZE, source=cut) is None
    assert (await process.uploads.look_at(ALICE, upload_id)).offset == 0
    await place(process, upload_id, 0, b"y" * SIZE)


async def test_for_one_chunk_the_newest_request_wins(deployment: Deployment, process: Process) -> None:
    upload_id = await begin(process)
    older = await hang(process, upload_id, 0, b"x" * 600)
    beside = await hang(process, upload_id, 1, b"b" * SIZE)
    async with asyncio.timeout(2):
        await place(deployment.process(), upload_id, 0, b"y" * SIZE)
        with pytest.raises(UploadTakenOver):
            await older
    assert not beside.done()
    view = await process.uploads.look_at(ALICE, upload_id)
    assert view.offset == SIZE
    beside.cancel()


async def test_one_chunk_many_times_at_once_is_fine_each_time(deployment: Deployment) -> None:
    running = [deployment.process(), deployment.process()]
    upload_id = await begin(running[0])
    answers = await asyncio.gather(*(place(running[n % 2], upload_id, 0, b"x" * SIZE) for n in range(12)))
    assert None not in answers


async def test_completing_ends_chunks_that_hang(process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    hanging = await hang(process, upload_id, 1, b"y" * 10)
    async with asyncio.timeout(2):
        await process.uploads.complete(ALICE, upload_id, length=SIZE)
        with pytest.raises(UploadTakenOver):
            await hanging
    with pytest.raises(UploadNotOpen):
        await place(process, upload_id, 1, b"y" * SIZE)
    assert await process.content(upload_id) == b"x" * SIZE


async def test_those_who_complete_at_once_get_the_same_file(deployment: Deployment, process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    hanging = await hang(process, upload_id, 1, b"y" * 10)
    views = await asyncio.gather(*(process.uploads.complete(ALICE, upload_id, length=SIZE) for _ in range(5)))
    assert views == views[:1] * 5
    assert views[0].state is UploadState.COMPLETED
    assert deployment.told(upload_id).count(EventType.COMPLETED) == 1
    with pytest.raises(UploadTakenOver):
        await hanging


async def test_of_those_who_complete_at_once_and_differently_each_gets_its_own_answer(process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    hanging = await hang(process, upload_id, 1, b"y" * 10)
    lengths = [3 * SIZE, SIZE, 2 * SIZE, SIZE, 4 * SIZE]
    asked = [process.uploads.complete(ALICE, upload_id, length=length) for length in lengths]
    stranger = process.uploads.complete(BOB, upload_id, length=SIZE)
    missing, first, longer, again, longest, refused = await asyncio.gather(*asked, stranger, return_exceptions=True)
    assert isinstance(missing, BytesMissing)
    assert isinstance(first, UploadView) and first.state is UploadState.COMPLETED
    assert again == first, "said again, it gives the same file"
    assert [type(other) for other in (longer, longest)] == [CompletedOtherwise] * 2
    assert isinstance(refused, UploadNotFound)
    with pytest.raises(UploadTakenOver):
        await hanging


async def test_those_who_complete_at_once_and_meet_a_fault_hear_of_it_together(process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    hanging = await hang(process, upload_id, 1, b"y" * 10)
    process.faults.put(Point.SEAL, StorageFull())
    asked = [process.uploads.complete(ALICE, upload_id, length=SIZE) for _ in range(5)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StorageFull] * 5
    with pytest.raises(UploadTakenOver):
        await hanging
    process.faults.heal()
    assert (await process.uploads.complete(ALICE, upload_id, length=SIZE)).state is UploadState.COMPLETED


async def test_one_who_goes_away_leaves_the_completion_to_the_others(process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    hanging = await hang(process, upload_id, 1, b"y" * 10)
    first, second = (asyncio.create_task(process.uploads.complete(ALICE, upload_id, length=SIZE)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).state is UploadState.COMPLETED
    assert first.cancelled()
    with pytest.raises(UploadTakenOver):
        await hanging


@pytest.mark.parametrize("again", [{}, {"a": "2"}, None])
async def test_detail_told_again_replaces_what_was_told_before(process: Process, again: dict[str, str] | None) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    process.faults.put(Point.SEAL, StorageFull())
    with pytest.raises(StorageFull):
        await process.uploads.complete(ALICE, upload_id, length=SIZE, draft=FileDraft(detail={"a": "1"}))
    process.faults.heal()
    await process.uploads.complete(ALICE, upload_id, length=SIZE, draft=FileDraft(detail=again))
    file = await process.downloads.describe(ALICE, file_id_of(upload_id))
    assert file.detail == ({"a": "1"} if again is None else again)


class Word(TypedDict, total=False):
    """What a completion can carry."""

    length: int | None
    draft: FileDraft


KEY = Credential({"k": "v", "n": "1"})
SECRET = FileDraft(NAME.metadata, credential=KEY, detail={"a": "1"})
OPEN = FileDraft(NAME.metadata, Visibility.PUBLIC)
FILENAME, MEDIA_TYPE = NAME.metadata.filename, NAME.metadata.media_type


async def completed_with(process: Process, draft: FileDraft) -> UploadId:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    await process.uploads.complete(ALICE, upload_id, length=SIZE, draft=draft)
    return upload_id


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (OPEN, {"draft": OPEN, "length": SIZE}),
        (SECRET, {"draft": SECRET}),
        (SECRET, {"draft": replace(SECRET, credential=Credential({"n": "1", "k": "v"}))}),
        (SECRET, {"draft": FileDraft(NAME.metadata)}),
        (SECRET, {}),
    ],
)
async def test_the_same_word_again_gives_the_same_file(process: Process, first: FileDraft, again: Word) -> None:
    upload_id = await completed_with(process, first)
    file = await process.downloads.describe(ALICE, file_id_of(upload_id))
    assert (await process.uploads.complete(ALICE, upload_id, **again)).state is UploadState.COMPLETED
    assert await process.downloads.describe(ALICE, file_id_of(upload_id)) == file


@pytest.mark.parametrize(
    ("first", "again", "what"),
    [
        (OPEN, {"draft": replace(OPEN, credential=KEY)}, "credential"),
        (SECRET, {"draft": replace(SECRET, credential=Credential({"k": "v"}), detail={"a": "2"})}, "credential"),
        (SECRET, {"draft": replace(SECRET, credential=Credential({"k": "v", "n": "1", "o": "2"}))}, "credential"),
        (SECRET, {"draft": OPEN}, "visibility"),
        (OPEN, {"draft": FileDraft(NAME.metadata)}, "visibility"),
        (SECRET, {"draft": replace(SECRET, detail={})}, "detail"),
        (OPEN, {"draft": replace(OPEN, detail={"a": "1"})}, "detail"),
        (OPEN, {"length": SIZE - 1}, "length"),
        (OPEN, {"draft": OPEN, "length": SIZE - 1}, "length"),
        (OPEN, {"draft": replace(OPEN, metadata=Metadata.of(filename="other", media_type=MEDIA_TYPE))}, "name"),
        (OPEN, {"draft": replace(OPEN, metadata=Metadata.of(filename=FILENAME, media_type="a/b"))}, "media type"),
    ],
)
async def test_another_word_is_refused_and_changes_nothing(
    process: Process, first: FileDraft, again: Word, what: str
) -> None:
    upload_id = await completed_with(process, first)
    file = await process.downloads.describe(ALICE, file_id_of(upload_id))
    with pytest.raises(CompletedOtherwise, match=what) as refusal:
        await process.uploads.complete(ALICE, upload_id, **again)
    assert refusal.value.what == what
    assert await process.downloads.describe(ALICE, file_id_of(upload_id)) == file


async def test_of_two_words_at_once_the_later_one_is_refused(process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    first, second = await asyncio.gather(
        process.uploads.complete(ALICE, upload_id, draft=OPEN),
        process.uploads.complete(ALICE, upload_id, draft=SECRET),
        return_exceptions=True,
    )
    assert isinstance(first, UploadView) and isinstance(second, CompletedOtherwise)
    assert (await process.downloads.describe(ALICE, file_id_of(upload_id))).visibility is Visibility.PUBLIC


@pytest.mark.parametrize("why", [UploadTakenOver(), RepositoryUnavailable()])
async def test_a_late_chunk_writes_nothing(process: Process, why: LongshoreError) -> None:
    upload_id = await begin(process)
    process.lock.doubt = why
    with pytest.raises(type(why)):
        await place(process, upload_id, 0, b"x" * SIZE)
    assert upload_id not in process.deployment.memory.staged


@pytest.mark.parametrize("sent", [b"", b"x" * 10])
@pytest.mark.parametrize("why", [UploadTakenOver(), RepositoryUnavailable()])
async def test_a_chunk_that_loses_its_lease_hears_why(process: Process, why: LongshoreError, sent: bytes) -> None:
    upload_id = await begin(process)
    hanging = await hang(process, upload_id, 0, sent)
    process.lock.lose(why)
    with pytest.raises(type(why)):
        await hanging


async def test_looking_on_leaves_chunks_alone_and_a_head_ends_them(process: Process) -> None:
    upload_id = await begin(process)
    hanging = await hang(process, upload_id, 0, b"x" * 10)
    assert (await process.uploads.look_at(ALICE, upload_id)).offset == 0
    assert not hanging.done()
    await process.uploads.inspect(ALICE, upload_id)
    with pytest.raises(UploadTakenOver):
        await hanging


@pytest.mark.parametrize("who", [BOB, ALICE])
async def test_unknown_uploads_and_those_of_others_look_the_same(process: Process, who: Principal) -> None:
    upload_id = await begin(process) if who is BOB else UploadId(an_id())
    with pytest.raises(UploadNotFound):
        await place(process, upload_id, 0, b"x" * SIZE, who=who)
    if who is BOB:
        await place(process, upload_id, 0, b"x" * SIZE)
        with pytest.raises(UploadNotFound):
            await place(process, upload_id, 1, b"x" * SIZE, who=who)


async def test_an_aborted_upload_takes_no_chunk(process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    await process.uploads.abort(ALICE, upload_id)
    with pytest.raises(UploadGone):
        await place(process, upload_id, 1, b"x" * SIZE)
    assert upload_id not in process.deployment.memory.staged


@pytest.mark.parametrize("has_begun", [True, False])
@pytest.mark.parametrize(("index", "size"), [(0, SIZE), (1, SIZE), (0, SIZE // 2), (5, SIZE), (2, SIZE)])
async def test_an_upload_that_is_over_says_so_whatever_is_wrong_with_the_chunk(
    process: Process, index: int, size: int, has_begun: bool
) -> None:
    aborted, expired = [await begin(process, 2 * SIZE) for _ in range(2)]
    if has_begun:
        for upload_id in (aborted, expired):
            await place(process, upload_id, 0, b"x" * SIZE)
    await process.uploads.abort(ALICE, aborted)
    process.deployment.clock.pass_by(timedelta(days=2))
    with pytest.raises(UploadGone):
        await place(process, aborted, index, b"x" * size, size=size)
    with pytest.raises(UploadExpired):
        await place(process, expired, index, b"x" * size, size=size)


@pytest.mark.parametrize(
    ("point", "error"),
    [
        (Point.WRITE, StorageFull("full")),
        (Point.RECORD, RepositoryUnavailable("away")),
        (Point.RECORDED, RepositoryUnavailable("away")),
        (Point.READ, RepositoryUnavailable("away")),
    ],
)
async def test_after_a_fault_the_chunk_is_sent_again(process: Process, point: Point, error: LongshoreError) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 1, b"x" * SIZE)
    process.faults.put(point, error)
    with pytest.raises(type(error)):
        await place(process, upload_id, 0, b"y" * SIZE)
    process.faults.heal()
    await place(process, upload_id, 0, b"y" * SIZE)
    await process.uploads.complete(ALICE, upload_id)
    assert await process.content(upload_id) == b"y" * SIZE + b"x" * SIZE


@pytest.mark.parametrize("point", [Point.WRITE, Point.WRITTEN, Point.RECORD, Point.RECORDED])
async def test_after_a_kill_another_process_goes_on(deployment: Deployment, point: Point) -> None:
    dying, other = deployment.process(), deployment.process()
    upload_id = await begin(dying)
    await place(dying, upload_id, 1, b"x" * SIZE)
    dying.faults.put(point, Died())
    with pytest.raises(Died):
        await place(dying, upload_id, 0, b"y" * SIZE)
    await place(other, upload_id, 0, b"y" * SIZE)
    await other.uploads.complete(ALICE, upload_id)
    assert await other.content(upload_id) == b"y" * SIZE + b"x" * SIZE


async def test_bytes_lost_behind_our_back_are_no_gap_of_zeros(process: Process) -> None:
    upload_id = await begin(process)
    await place(process, upload_id, 0, b"x" * SIZE)
    process.deployment.memory.staged.pop(upload_id)
    for index in (0, 1):
        with pytest.raises(FileGone):
            await place(process, upload_id, index, b"x" * SIZE)


async def test_ranges_know_what_they_share() -> None:
    assert ByteRange(0, 10).overlaps(ByteRange(9, 20))
    assert not ByteRange(0, 10).overlaps(ByteRange(10, 20))
