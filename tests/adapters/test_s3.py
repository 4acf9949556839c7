"""What only a bucket has: parts and pieces, other processes on the same bucket, answers that get lost."""

import asyncio
import hashlib
import os
import random
import socket
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.outbound.s3.address import BucketAddress
from adapters.outbound.s3.blob_storage import S3BlobStorage
from adapters.outbound.s3.bucket import Bucket, WrongBucket
from adapters.outbound.s3.chunk_storage import S3ChunkStorage
from adapters.outbound.s3.connection import Connection, Patience
from adapters.outbound.s3.layout import PartSizes
from adapters.outbound.s3.multiparts import Multiparts, Part
from adapters.outbound.s3.probe import answering, check_service
from adapters.outbound.s3.staging import SETTLING_SECONDS
from domain.byte_range import ByteRange
from domain.errors import FileGone, StorageUnavailable, UploadTakenOver
from domain.ids import BlobKey, UploadId
from tests.contract.suites.storages import Storages
from tests.support.processes.faulty_s3 import FaultyS3
from tests.support.processes.s3 import S3Server, opened
from tests.support.sources import HangingSource, source_of
from tests.support.storages import no_permit

A, B, C = (UploadId(digit * 32) for digit in "abc")
KIB, MIB = 1024, 1024 * 1024
# Small enough to try out a great many ways; rclone has no lower bound. radosgw has, so there the real sizes are used.
TINY = PartSizes(smallest=5 * KIB, usual=8 * KIB, largest=16 * KIB)


class ForgetfulMultiparts(Multiparts):
    """Does what it is asked, but the answers named get lost, or the request does."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.loses_answers_of: set[str] = set()
        self.refuses: set[str] = set()

    async def complete(self, name: str, multipart_id: str, parts: Mapping[int, Part]) -> None:
        await super().complete(name, multipart_id, parts)
        if "complete" in self.loses_answers_of:
            raise StorageUnavailable("no answer")

    async def put_part(self, name: str, multipart_id: str, number: int, data: bytes) -> str:
        if "put_part" in self.refuses:
            raise StorageUnavailable("no answer")
        return await super().put_part(name, multipart_id, number, data)


class ForgetfulBucket(Bucket):
    """As its multiparts; and plans wait for ``plans_pass``."""

    multiparts: ForgetfulMultiparts

    def __init__(self, address: BucketAddress) -> None:
        super().__init__(address)
        self.multiparts = ForgetfulMultiparts(self._connection)
        self.refuses: set[str] = set()
        self.plans_pass, self.plan_waits, self.plan_is_put = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.plans_pass.set()

    async def put(
        self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None, only_new: bool = False
    ) -> None:
        if "/plan" in name:
            self.plan_waits.set()
            await self.plans_pass.wait()
        await super().put(name, data, metadata=metadata, only_new=only_new)
        if "/plan" in name:
            self.plan_is_put.set()

    async def delete(self, names: Sequence[str]) -> None:
        if "delete" in self.refuses:
            raise StorageUnavailable("no answer")
        await super().delete(names)


class BucketStorages(Storages):
    """One process's. ``settles``: as a server waits, where another process may have begun the upload just now."""

    def __init__(self, bucket: Bucket, sizes: PartSizes | None, *, settles: bool) -> None:
        self.places = S3ChunkStorage(bucket, sizes, settling_seconds=SETTLING_SECONDS if settles else 0.0)
        super().__init__(self.places, S3BlobStorage(bucket))

    async def place(self, upload_id: UploadId, data: bytes, at: int) -> None:
        """Write a chunk where it belongs, whatever else is there."""
        source = source_of(data)
        async for _ in self.places.write(upload_id, at=at, source=source, limit=None, hasher=None, expects=0):
            pass


class Place:
    """One bucket; ``process`` for each server process that works on it."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.address = server.create_bucket()
        self._buckets: list[Bucket] = []
        self._spare: Bucket | None = None

    async def bucket(self) -> ForgetfulBucket:
        bucket = ForgetfulBucket(self.address)
        await bucket.open()
        await bucket.prepare()
        self._buckets.append(bucket)
        return bucket

    async def process(self, sizes: PartSizes | None = None, *, settles: bool = False) -> BucketStorages:
        """What another process would see: it shares nothing but the bucket (and, to save time, the connection)."""
        self._spare = self._spare or await self.bucket()
        return BucketStorages(self._spare, sizes, settles=settles)

    def names(self, prefix: str = "") -> list[str]:
        return self.server.names(self.address, prefix)

    @property
    def pieces(self) -> list[str]:
        return [name for name in self.names("staged/") if name.count("-") == 3]

    async def close(self) -> None:
        for bucket in self._buckets:
            await bucket.close()


@pytest.fixture
async def place(s3: S3Server) -> AsyncIterator[Place]:
    place = Place(s3)
    yield place
    await place.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a service that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def sizes(s3: S3Server) -> PartSizes:
    return TINY if s3.is_ours else PartSizes()


async def test_a_long_body_becomes_parts_and_a_piece_for_its_end(place: Place) -> None:
    storages = await place.process()
    data = os.urandom(20 * MIB)
    received = await storages.write(A, data)
    assert received.prefix == len(data)
    assert len(place.pieces) == 1
    assert place.names("blobs/") == []
    assert await storages.sealed(A, len(data)) == data
    assert place.names("staged/") == []
    assert place.server.multiparts(place.address) == []


async def test_bodies_of_a_parts_size_become_one_part_each(place: Place) -> None:
    data = os.urandom(30 * MIB)
    storages = await place.process()
    for at in range(0, len(data), 10 * MIB):
        await storages.write(A, data[at : at + 10 * MIB], at=at)
        assert place.pieces == []
    assert await storages.sealed(A, len(data)) == data


async def test_small_chunks_are_gathered_in_few_objects(place: Place, sizes: PartSizes) -> None:
    storages = await place.process(sizes)
    count, few = (150, 40) if sizes is TINY else (60, 100)
    chunk = sizes.usual * 5 // 2 // count
    data = os.urandom(chunk * count)
    for number in range(count):
        at = number * chunk
        await storages.write(A, data[at : at + chunk], at=at)
    assert len(place.pieces) < few
    assert await storages.sealed(A, len(data)) == data
    assert place.names("staged/") == []


async def test_another_process_goes_on_at_any_byte(place: Place, sizes: PartSizes) -> None:
    draw = random.Random(7)
    data = os.urandom(sizes.usual * 5 + 1234)
    at = 0
    while at < len(data):
        size = draw.randrange(1, sizes.usual * 2)
        storages = await place.process(sizes)
        await storages.write(A, data[at : at + size], at=at)
        at += size
    assert await (await place.process(sizes)).sealed(A, len(data)) == data


@pytest.mark.parametrize("share", [0.3, 0.75, 1.5])
async def test_chunks_come_in_any_order_side_by_side(place: Place, sizes: PartSizes, share: float) -> None:
    processes = [await place.process(sizes, settles=True) for _ in range(3)]
    chunk = int(sizes.usual * share)
    data = os.urandom(chunk * 20 + 99)
    starts = [*range(0, len(data), chunk)]
    random.Random(3).shuffle(starts)
    for group in range(0, len(starts), 8):
        await asyncio.gather(
            *(
                processes[at // chunk % 3].place(A, data[at : at + chunk], at)
                for at in [*starts[group : group + 8], *starts[:group:9]]  # some come again
            )
        )
    assert await processes[0].sealed(A, len(data)) == data


async def test_a_plan_that_was_held_up_takes_nothing_from_the_one_that_stands(place: Place, sizes: PartSizes) -> None:
    """Two processes find no plan; the parts of the one are in by the time the other's plan arrives."""
    slow_bucket = await place.bucket()
    slow, fast = BucketStorages(slow_bucket, sizes, settles=True), await place.process(sizes, settles=True)
    size = sizes.usual
    data = os.urandom(size * 4)
    slow_bucket.plans_pass.clear()
    writing = asyncio.create_task(slow.place(A, data[size : size * 2], size))
    await slow_bucket.plan_waits.wait()
    await fast.place(A, data[:size], 0)
    other = await place.process(sizes, settles=True)
    await other.place(A, data[size * 2 : size * 3], size * 2)
    slow_bucket.plans_pass.set()
    await writing
    await (await place.process(sizes)).place(A, data[size * 3 :], size * 3)
    assert len(place.server.multiparts(place.address)) == 1
    assert await fast.sealed(A, len(data)) == data
    assert place.names("staged/") == []


async def test_a_plan_that_comes_a_moment_later_takes_nothing_from_who_saw_the_first(
    place: Place, sizes: PartSizes
) -> None:
    slow_bucket, fast_bucket = await place.bucket(), await place.bucket()
    slow, fast = (BucketStorages(bucket, sizes, settles=True) for bucket in (slow_bucket, fast_bucket))
    other = await place.process(sizes, settles=True)
    size = sizes.usual
    data = os.urandom(size * 3)
    slow_bucket.plans_pass.clear()
    writing = [asyncio.create_task(slow.place(A, data[size : size * 2], size))]
    await slow_bucket.plan_waits.wait()
    writing.append(asyncio.create_task(fast.place(A, data[:size], 0)))
    await fast_bucket.plan_is_put.wait()
    writing.append(asyncio.create_task(other.place(A, data[size * 2 :], size * 2)))
    await asyncio.wait(writing[-1:], timeout=0.2)
    slow_bucket.plans_pass.set()
    await asyncio.gather(*writing)
    assert await (await place.process(sizes)).sealed(A, len(data)) == data


async def test_chunks_of_a_process_that_fill_a_part_together_make_it(place: Place, sizes: PartSizes) -> None:
    """Else sealing would have to read all of them again."""
    storages = await place.process(sizes)
    half = sizes.usual // 2
    data = os.urandom(half * 12)
    await storages.write(A, data[:half])
    await asyncio.gather(*(storages.place(A, data[at : at + half], at) for at in range(half, len(data), half)))
    multipart = place.server.run(lambda client: client.list_multipart_uploads(Bucket=place.address.name))["Uploads"][0]
    parts = place.server.run(
        lambda client: client.list_parts(
            Bucket=place.address.name, Key=multipart["Key"], UploadId=multipart["UploadId"]
        )
    )["Parts"]
    assert [part["Size"] for part in parts] == [half * 2] * 6
    assert await storages.sealed(A, len(data)) == data


async def test_other_bytes_for_a_part_of_a_part_win(place: Place, sizes: PartSizes) -> None:
    """A refused checksum, or a crash before the bytes were recorded: the client comes again, cut otherwise."""
    size = sizes.usual
    refused, good = os.urandom(size * 4), os.urandom(size * 4)
    await (await place.process(sizes)).write(A, refused)
    storages = await place.process(sizes)
    await storages.write(A, good[: size + size // 3])
    await storages.write(A, refused[size + size // 3 : size * 2], at=size + size // 3)
    storages = await place.process(sizes)
    await storages.write(A, good[size * 2 + 5 : size * 3 - 5], at=size * 2 + 5)
    wanted = bytearray(refused)
    wanted[: size + size // 3] = good[: size + size // 3]
    wanted[size * 2 + 5 : size * 3 - 5] = good[size * 2 + 5 : size * 3 - 5]
    assert await (await place.process(sizes)).sealed(A, len(wanted)) == bytes(wanted)
    assert place.names("staged/") == []


async def test_parts_past_the_end_that_counts_are_left_out(place: Place, sizes: PartSizes) -> None:
    data = os.urandom(sizes.usual * 4)
    await (await place.process(sizes)).write(A, data)
    size = sizes.usual * 5 // 2
    assert await (await place.process(sizes)).sealed(A, size) == data[:size]


@pytest.mark.parametrize("seed", range(6))
async def test_any_history_gives_the_bytes_written_last(place: Place, sizes: PartSizes, seed: int) -> None:
    if sizes is not TINY:
        pytest.skip("with parts of real size it would take minutes")
    draw = random.Random(seed)
    length = draw.randrange(1, sizes.usual * 6)
    wanted = bytearray()
    storages = await place.process(sizes)
    while len(wanted) < length:
        at = draw.choice([len(wanted), len(wanted), draw.randrange(len(wanted) + 1)])
        data = draw.randbytes(draw.choice([1, 100, 3000, sizes.usual, sizes.usual * 2]))[: length - at]
        if draw.random() < 0.4:
            storages = await place.process(sizes)
        await storages.write(A, data, at=at, announced=draw.random() < 0.7)
        wanted[at : at + len(data)] = data
    size = draw.choice([length, length, draw.randrange(length + 1)])
    assert await storages.sealed(A, size) == wanted[:size]


async def test_long_parts_are_joined_across_their_edges_and_stay(place: Place, sizes: PartSizes) -> None:
    one, two = os.urandom(sizes.usual * 3 + 11), os.urandom(sizes.usual * 2)
    storages = await place.process(sizes)
    await storages.write(A, one)
    await storages.write(B, two + b"never counted")
    joined = one + two + one
    await (await place.process(sizes)).chunks.join(C, [(A, len(one)), (B, len(two)), (A, len(one))])
    assert await storages.sealed(C, len(joined)) == joined
    assert {found.upload_id async for found in storages.chunks.staged()} == {A, B}
    await storages.chunks.join(UploadId("d" * 32), [(B, len(two)), (A, len(one))])  # asked again
    assert await storages.sealed(UploadId("d" * 32), len(one) + len(two)) == two + one
    for part in (A, B):
        await storages.chunks.discard(part)
    assert place.names("staged/") == []
    assert place.names("blobs/") == [f"blobs/{C}", f"blobs/{'d' * 32}"]


async def test_an_answer_to_the_completion_may_get_lost(place: Place, sizes: PartSizes) -> None:
    bucket = await place.bucket()
    storage = S3ChunkStorage(bucket, sizes)
    data = os.urandom(sizes.usual * 3)
    await (await place.process(sizes)).write(A, data)
    bucket.multiparts.loses_answers_of.add("complete")
    assert await storage.seal(A, size=len(data)) == BlobKey(A)
    assert await (await place.process(sizes)).sealed(A, len(data)) == data


@pytest.mark.parametrize("parts", [3, 0.1])
async def test_what_a_crash_leaves_beside_the_blob_is_swept_and_the_blob_stays(
    place: Place, sizes: PartSizes, parts: float
) -> None:
    data = os.urandom(int(sizes.usual * parts))
    bucket = await place.bucket()
    await (await place.process(sizes)).write(A, data)
    bucket.refuses.add("delete")
    await S3ChunkStorage(bucket, sizes).seal(A, size=len(data))
    storages = await place.process(sizes)
    assert [found.upload_id async for found in storages.chunks.staged()] == [A]
    assert await storages.sealed(A, len(data)) == data
    assert place.names("staged/") == []

    await storages.write(B, data)
    await S3ChunkStorage(bucket, sizes).seal(B, size=len(data))
    storages = await place.process(sizes)
    await storages.chunks.discard(B)
    assert place.names("staged/") == []
    assert await storages.read(BlobKey(B), len(data)) == data


async def test_a_part_that_can_not_be_stored_is_not_told_of(place: Place, sizes: PartSizes) -> None:
    bucket = await place.bucket()
    bucket.multiparts.refuses.add("put_part")
    data = os.urandom(sizes.usual * 2)
    writing = S3ChunkStorage(bucket, sizes).write(A, at=0, source=source_of(data), limit=None, hasher=None)
    with pytest.raises(StorageUnavailable):
        await anext(writing)
    storages = await place.process(sizes)
    await storages.write(A, data)
    assert await storages.sealed(A, len(data)) == data


async def test_multiparts_that_nothing_else_is_left_of_are_found_and_discarded(place: Place) -> None:
    storages = await place.process()
    bucket = await place.bucket()
    await bucket.multiparts.begin(f"blobs/{A}", metadata={})
    (staged,) = [found async for found in storages.chunks.staged()]
    assert staged.upload_id == A
    assert abs(datetime.now(UTC) - staged.modified_at) < timedelta(minutes=1)
    await storages.chunks.discard(A)
    assert place.server.multiparts(place.address) == []


async def test_parts_taken_away_behind_our_back_are_told(place: Place, sizes: PartSizes) -> None:
    storages = await place.process(sizes)
    data = os.urandom(sizes.usual * 2)
    await storages.write(A, data)
    bucket = await place.bucket()
    async for multipart in bucket.multiparts.under_way("blobs/"):
        await bucket.multiparts.abort(multipart.name, multipart.id)
    with pytest.raises(FileGone):
        await storages.write(A, data, at=len(data))
    with pytest.raises(FileGone):
        await (await place.process(sizes)).chunks.seal(A, size=len(data))


async def test_nothing_is_written_once_the_permit_is_gone(place: Place, sizes: PartSizes) -> None:
    storages = await place.process(sizes)
    for size in (10, sizes.usual):
        writing = storages.chunks.write(
            A, at=0, source=source_of(bytes(size)), limit=None, hasher=None, permit=no_permit
        )
        with pytest.raises(UploadTakenOver):
            await anext(writing)
    assert place.pieces == []


async def test_what_a_slow_client_has_sent_is_durable_after_a_second(place: Place) -> None:
    storages = await place.process()
    source = HangingSource([b"first"], length=100)
    writing = storages.chunks.write(A, at=0, source=source, limit=None, hasher=None)
    async with asyncio.timeout(5):
        extent = await anext(writing)
    assert extent.range == ByteRange(0, 5)
    source.stop()
    with suppress(StopAsyncIteration):
        await anext(writing)
    assert await storages.sealed(A, 5) == b"first"


async def test_a_link_gives_the_bytes_under_the_name_it_was_made_for(place: Place) -> None:
    storages = await place.process()
    data = os.urandom(100_000)
    await storages.write(A, data)
    blob = await storages.blobs.open(await storages.chunks.seal(A, size=len(data)))
    disposition = "attachment; filename=\"a_.png\"; filename*=UTF-8''a%E2%82%AC.png"
    link = await blob.link(disposition=disposition, media_type="image/png")
    assert link is not None

    def fetch() -> tuple[str | None, str | None, bytes]:
        with urllib.request.urlopen(link) as answer:  # noqa: S310 -- our own
            return answer.headers["Content-Disposition"], answer.headers["Content-Type"], answer.read()

    told, media_type, fetched = await asyncio.to_thread(fetch)
    await blob.close()
    assert (told, media_type) == (disposition, "image/png")
    assert hashlib.sha256(fetched).digest() == hashlib.sha256(data).digest()


async def test_a_storage_that_gives_no_links_says_so(place: Place) -> None:
    bucket = await place.bucket()
    await bucket.put(f"blobs/{A}", b"abc")
    blob = await S3BlobStorage(bucket, gives_links=False).open(BlobKey(A))
    assert await blob.link(disposition="attachment", media_type="text/plain") is None
    await blob.close()


async def test_a_blob_that_is_read_here_is_not_said_to_be_gone_before_its_last_reader(place: Place) -> None:
    bucket = await place.bucket()
    blobs = S3BlobStorage(bucket)
    await bucket.put(f"blobs/{A}", b"abc")
    readers = [await blobs.open(BlobKey(A)) for _ in range(2)]
    for reader in readers:
        assert not await blobs.delete(BlobKey(A))
        assert place.names("blobs/") == [f"blobs/{A}"]
        await reader.close()
    assert place.names("blobs/") == []
    assert await blobs.delete(BlobKey(A))


async def test_a_last_reader_that_can_not_take_the_bytes_along_leaves_them_to_the_next_call(place: Place) -> None:
    bucket = await place.bucket()
    blobs = S3BlobStorage(bucket)
    await bucket.put(f"blobs/{A}", b"abc")
    reader = await blobs.open(BlobKey(A))
    assert not await blobs.delete(BlobKey(A))
    bucket.refuses.add("delete")
    with pytest.raises(StorageUnavailable):
        await reader.close()
    bucket.refuses.clear()
    assert await blobs.delete(BlobKey(A))
    assert place.names("blobs/") == []


async def test_a_service_that_answers_404_for_what_is_not_there_is_understood(place: Place) -> None:
    """Google's does so; Amazon, radosgw and rclone say 204."""
    address = place.address
    with FaultyS3(str(address.endpoint)) as faulty:
        bucket = Bucket(replace(address, endpoint=faulty.endpoint))
        await bucket.open()
        faulty.faults, faulty.share = [404], 1.0
        assert await S3BlobStorage(bucket).delete(BlobKey(A))
        await bucket.close()
        assert faulty.done[404] == 1


async def test_an_answer_that_breaks_off_is_asked_for_again(place: Place) -> None:
    """So does one for an object that another process is just replacing, where the service gives what is there."""

    class Once(FaultyS3):
        def _choose(self, head: bytes) -> str | int | None:
            self.share = 1.0 if not self.done["cut"] else 0.0
            return super()._choose(head)

    expected = await (await place.bucket()).identify()
    with Once(str(place.address.endpoint)) as faulty:
        bucket = await opened(replace(place.address, endpoint=faulty.endpoint))
        faulty.faults = ["cut"]
        assert await bucket.identify() == expected
        assert faulty.done["cut"] == 1
        await bucket.close()


async def test_the_marker_stays_what_it_was(place: Place) -> None:
    first, second = await place.bucket(), await place.bucket()
    assert await first.identify() == await second.prepare()


async def test_a_bucket_that_holds_other_things_is_not_marked(s3: S3Server) -> None:
    address = s3.create_bucket()
    s3.run(lambda client: client.put_object(Bucket=address.name, Key="holidays/1.jpg", Body=b"x"))
    bucket = Bucket(address)
    await bucket.open()
    with pytest.raises(WrongBucket, match="holidays"):
        await bucket.prepare()
    await bucket.close()


@pytest.mark.parametrize("wrong", [{}, {"access_key": "x", "secret_key": "y"}], ids=["no bucket", "no key either"])
async def test_a_bucket_that_is_away_is_no_lost_file(place: Place, wrong: dict[str, str]) -> None:
    bucket = Bucket(replace(place.address, name="no-such-bucket", **wrong))
    await bucket.open()
    blobs, chunks = S3BlobStorage(bucket), S3ChunkStorage(bucket)
    for asked in (bucket.check(), blobs.open(BlobKey(A)), blobs.delete(BlobKey(A)), chunks.seal(A, size=1)):
        with pytest.raises(StorageUnavailable):
            await asked
    await bucket.close()


async def test_a_bucket_that_is_not_found_when_listed_is_away(s3: S3Server) -> None:
    """A 404 for a listing speaks of the bucket, whatever word comes with it: no upload's bytes are gone."""
    with FaultyS3(s3.endpoint) as faulty:
        bucket = await opened(replace(s3.create_bucket(), endpoint=faulty.endpoint))
        storage = S3ChunkStorage(bucket)
        faulty.forgets_bucket = True
        with pytest.raises(StorageUnavailable):
            await storage.seal(A, size=1)
        with pytest.raises(StorageUnavailable):
            await anext(aiter(bucket.multiparts.under_way("blobs/")))
        await bucket.close()


async def test_a_service_that_takes_connections_and_never_answers_is_not_waited_for_long(silent: str) -> None:
    """Else each of the few requests of a start would be tried for two minutes."""
    bucket = await opened(BucketAddress("any", "us-east-1", silent, "key", "secret"))
    async with asyncio.timeout(5):
        with pytest.raises(StorageUnavailable, match=r"does not answer: 0\.3 s"):
            async with answering(0.3):
                await bucket.identify()
        with pytest.raises(StorageUnavailable, match="does not answer"):
            async with answering(0.3):
                await check_service(bucket)
    await bucket.close()


async def test_one_that_falls_silent_in_the_middle_is_not_asked_to_clear_up(place: Place) -> None:
    class Silent(ForgetfulMultiparts):
        async def put_part(self, name: str, multipart_id: str, number: int, data: bytes) -> str:
            return await asyncio.Event().wait() and ""

        async def abort(self, name: str, multipart_id: str) -> None:
            raise AssertionError("it would be waited for")

    bucket = await place.bucket()
    bucket.multiparts = Silent(bucket._connection)
    with pytest.raises(StorageUnavailable, match="does not answer"):
        async with answering(0.5):
            await check_service(bucket)
    storages = await place.process()
    (left,) = [found async for found in storages.chunks.staged()]
    await storages.chunks.discard(left.upload_id)  # as cleanup will
    assert place.server.multiparts(place.address) == []


async def test_how_long_and_how_often_a_request_is_tried_is_a_buckets_own(silent: str) -> None:
    bucket = Bucket(
        BucketAddress("any", "us-east-1", silent, "key", "secret"), Patience(answer_seconds=0.1, attempts=2)
    )
    await bucket.open()
    async with asyncio.timeout(5):
        with pytest.raises(StorageUnavailable):
            await bucket.identify()
    await bucket.close()


@pytest.mark.parametrize(
    ("total", "chunk", "part"),
    [
        (50 * 1024**3, None, 8 * MIB),
        (50 * 1024**3, 10 * MIB, 10 * MIB),
        (50 * 1024**3, 100 * MIB, 8 * MIB),
        (100 * MIB, 3_000_000, 9_000_000),
        (100 * MIB, 64 * KIB, 8 * MIB),
        (100 * 1024**3, None, 16 * MIB),
        (5 * 1024**4, None, 1024 * MIB),
    ],
)
def test_parts_are_as_large_as_ten_thousand_of_them_must_be(total: int, chunk: int | None, part: int) -> None:
    size = PartSizes().of(total, chunk=chunk)
    assert size == part
    assert size * 10_000 >= total
