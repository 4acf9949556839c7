"""What every chunk storage promises (ports/chunk_storage.py)."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.byte_range import ByteRange, Extent, ReceivedRanges
from domain.checksum import Checksum, crc64nvme
from domain.errors import FileGone, LongshoreError, RepositoryUnavailable, UploadTakenOver
from domain.ids import UploadId, blob_key_of
from tests.contract.suites.storages import StorageFactory, Storages, StorageSuite
from tests.support.sources import CutSource, StalledSource, source_of

A, B, C = (UploadId(digit * 32) for digit in "abc")
MIB = 1024 * 1024
# Each example tidies up after the one before; the suite is inherited under several names.
_HARMLESS = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]


class ChunkStorageSuite(StorageSuite):
    @pytest.mark.parametrize("announced", [True, False])
    @pytest.mark.parametrize("size", [1, 1000, 300 * 1024, 2 * MIB + 1])
    async def test_what_is_written_is_sealed_byte_for_byte(
        self, storages: Storages, size: int, announced: bool
    ) -> None:
        data = os.urandom(size)
        received = await storages.write(A, data, announced=announced)
        assert received.prefix == size
        assert await storages.sealed(A, size) == data

    async def test_stretches_carry_the_checksum_of_their_bytes(self, storages: Storages) -> None:
        data = os.urandom(MIB)
        received = await storages.write(A, data)
        assert received.crc64() == crc64nvme(data)

    async def test_a_long_body_is_checkpointed_every_8_mib_at_the_latest(self, storages: Storages) -> None:
        size = 9 * MIB
        source = source_of(bytes(size), block=MIB, announced=False)
        writing = storages.chunks.write(A, at=0, source=source, limit=None, hasher=None)
        sizes = [extent.range.size async for extent in writing]
        assert max(sizes) <= 8 * MIB
        assert sum(sizes) == size

    async def test_a_cut_body_keeps_what_had_arrived(self, storages: Storages) -> None:
        source = CutSource([b"x" * 1000, b"y" * 500], length=MIB)
        received = ReceivedRanges()
        async for extent in storages.chunks.write(A, at=0, source=source, limit=None, hasher=None):
            received.add(extent)
        assert source.is_cut
        assert received.prefix == 1500
        assert await storages.sealed(A, 1500) == b"x" * 1000 + b"y" * 500

    @pytest.mark.parametrize("announced", [True, False])
    async def test_no_more_than_the_limit_is_taken(self, storages: Storages, announced: bool) -> None:
        source = source_of(b"0123456789", block=4, announced=announced)
        extents = [e async for e in storages.chunks.write(A, at=0, source=source, limit=6, hasher=None)]
        assert extents[-1].range.end == 6
        assert await source.read(100) in (b"67", b"6789")
        assert await storages.sealed(A, 6) == b"012345"

    async def test_the_hasher_sees_every_byte_in_order(self, storages: Storages) -> None:
        for size in (1000, 700 * 1024):
            data = os.urandom(size)
            hasher = Checksum("sha256", bytes(32)).hasher()
            async for _ in storages.chunks.write(A, at=0, source=source_of(data), limit=None, hasher=hasher):
                pass
            assert hasher.digest() == hashlib.sha256(data).digest()

    async def test_the_later_bytes_win(self, storages: Storages) -> None:
        await storages.write(A, b"first try..")
        await storages.write(A, b"SECOND", at=0)
        assert await storages.sealed(A, 11) == b"SECONDtry.."

    async def test_sealing_leaves_out_what_was_never_counted(self, storages: Storages) -> None:
        await storages.write(A, b"counted, not counted")
        assert await storages.sealed(A, 7) == b"counted"

    async def test_sealing_twice_gives_the_same_blob(self, storages: Storages) -> None:
        await storages.write(A, b"abc")
        assert [await storages.chunks.seal(A, size=3) for _ in range(2)] == [blob_key_of(A)] * 2
        assert await storages.sealed(A, 3) == b"abc"

    async def test_an_empty_upload_can_be_sealed(self, storages: Storages) -> None:
        assert await storages.sealed(A, 0) == b""
        assert await storages.sealed(A, 0) == b""

    async def test_bytes_that_are_not_there_are_not_sealed(self, storages: Storages) -> None:
        with pytest.raises(FileGone):
            await storages.chunks.seal(A, size=1)
        await storages.write(A, b"ab")
        with pytest.raises(FileGone):
            await storages.chunks.seal(A, size=3)

    async def test_parts_are_joined_in_order_and_stay(self, storages: Storages) -> None:
        one, two = os.urandom(MIB + 3), os.urandom(10)
        await storages.write(A, one)
        await storages.write(B, two + b"never counted")
        await storages.chunks.join(C, [(A, len(one)), (B, len(two)), (A, len(one))])
        assert await storages.sealed(C, 2 * len(one) + len(two)) == one + two + one
        assert await storages.sealed(A, len(one)) == one

    async def test_a_part_that_is_gone_can_not_be_joined(self, storages: Storages) -> None:
        with pytest.raises(FileGone):
            await storages.chunks.join(C, [(A, 1)])

    @pytest.mark.parametrize("size", [1, 9 * MIB])
    async def test_without_a_permit_nothing_is_written_and_the_reason_is_told(
        self, storages: Storages, size: int
    ) -> None:
        for why in (UploadTakenOver("a newer one"), RepositoryUnavailable("too slow")):

            def refuse(why: LongshoreError = why) -> None:
                raise why

            writing = storages.chunks.write(
                A, at=0, source=source_of(bytes(size)), limit=None, hasher=None, permit=refuse
            )
            with pytest.raises(type(why), match=why.detail):
                await anext(writing)
        await storages.write(A, b"y" * 10)
        assert await storages.sealed(A, 10) == b"y" * 10

    async def test_discarded_bytes_are_gone(self, storages: Storages) -> None:
        await storages.write(A, b"abc")
        await storages.chunks.discard(A)
        await storages.chunks.discard(B)
        assert [staged async for staged in storages.chunks.staged()] == []
        with pytest.raises(FileGone):
            await storages.chunks.seal(A, size=3)

    async def test_staged_uploads_are_listed_until_they_are_sealed(self, storages: Storages) -> None:
        await storages.write(A, b"abc")
        await storages.write(B, b"abc")
        staged = [staged async for staged in storages.chunks.staged()]
        assert {found.upload_id for found in staged} == {A, B}
        assert all(abs(datetime.now(UTC) - found.modified_at) < timedelta(minutes=1) for found in staged)
        await storages.chunks.seal(A, size=3)
        assert [found.upload_id async for found in storages.chunks.staged()] == [B]

    async def test_many_uploads_are_written_side_by_side(self, storages: Storages) -> None:
        ids = [UploadId(f"{number:032x}") for number in range(40)]
        payloads = [os.urandom(5000 + number) for number in range(40)]
        await asyncio.gather(*(storages.write(id_, data) for id_, data in zip(ids, payloads, strict=True)))
        for id_, data in zip(ids, payloads, strict=True):
            assert await storages.sealed(id_, len(data)) == data

    @given(chunks=st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=8), announced=st.booleans())
    @settings(max_examples=25, suppress_health_check=_HARMLESS, deadline=None)
    async def test_any_cutting_into_chunks_gives_the_same_file(
        self, storages: Storages, chunks: list[bytes], announced: bool
    ) -> None:
        await storages.chunks.discard(B)
        received, whole = ReceivedRanges(), b"".join(chunks)
        at = 0
        for chunk in chunks:
            for extent in await storages.write(B, chunk, at=at, announced=announced):
                received.add(extent)
            at += len(chunk)
        assert received.prefix == len(whole)
        assert received.crc64() == crc64nvme(whole)
        assert await storages.sealed(B, len(whole)) == whole

    async def test_chunks_are_written_in_any_order(self, storages: Storages) -> None:
        body = os.urandom(5 * 70_000)
        end = 0
        for index in (3, 0, 4, 1, 2):
            chunk, at = body[index * 70_000 : (index + 1) * 70_000], index * 70_000
            source = source_of(chunk, announced=index % 2 == 0)
            writing = storages.chunks.write(A, at=at, source=source, limit=70_000, hasher=None, expects=end)
            extents = [extent async for extent in writing]
            assert (extents[0].range.start, extents[-1].range.end) == (at, at + 70_000)
            end = max(end, at + 70_000)
        assert await storages.sealed(A, len(body)) == body

    async def test_chunks_of_one_upload_are_written_side_by_side(self, storages: Storages) -> None:
        body = os.urandom(20 * 50_000)

        async def write(at: int) -> None:
            source = source_of(body[at : at + 50_000], block=7000, announced=False)
            async for _ in storages.chunks.write(A, at=at, source=source, limit=50_000, hasher=None, expects=0):
                pass

        await asyncio.gather(*(write(at) for at in range(0, len(body), 50_000)))
        assert await storages.sealed(A, len(body)) == body

    @pytest.mark.parametrize("held", [None, b"12345"])
    async def test_a_chunk_is_not_written_where_received_bytes_are_gone(
        self, storages: Storages, held: bytes | None
    ) -> None:
        if held:
            await storages.write(A, held)
        with pytest.raises(FileGone):
            async for _ in storages.chunks.write(A, at=20, source=source_of(b"x"), limit=1, hasher=None, expects=10):
                pass

    @pytest.mark.parametrize("size", [10, 300_000])
    async def test_storage_tells_whether_it_holds_the_same_bytes(self, storages: Storages, size: int) -> None:
        body = os.urandom(size)
        await storages.write(A, b"before" + body + b"after")
        extent = Extent(ByteRange(6, 6 + size), crc64nvme(body))

        async def holds(data: bytes) -> bool:
            return await storages.chunks.holds(A, extent=extent, source=source_of(data, announced=False))

        assert await holds(body)
        assert not await holds(body[:-1])
        assert not await holds(b"")
        assert not await holds(body[:-1] + bytes([body[-1] ^ 1]))
        source = source_of(body + b"after", announced=False)
        assert await storages.chunks.holds(A, extent=extent, source=source)
        assert await source.gather(100) == b"after"
        assert await storages.sealed(A, size + 11) == b"before" + body + b"after"

    async def test_bytes_that_are_not_there_are_not_compared(self, storages: Storages) -> None:
        for held in (b"", b"ab"):
            if held:
                await storages.write(A, held)
            with pytest.raises(FileGone):
                await storages.chunks.holds(A, extent=Extent(ByteRange(0, 3), None), source=source_of(b"abc"))

    async def test_what_one_process_stored_another_goes_on_with(self, factory: StorageFactory) -> None:
        async with factory() as one:
            await one.write(A, b"written by one, ")
            async with factory() as beside:
                await beside.write(A, b"then beside it, ", at=16)
        async with factory() as heir:
            await heir.write(A, b"then after it", at=32)
            assert [found.upload_id async for found in heir.chunks.staged()] == [A]
            key = await heir.chunks.seal(A, size=45)
        async with factory() as reader:
            assert await reader.read(key, 45) == b"written by one, then beside it, then after it"

    async def test_who_still_writes_while_it_is_sealed_can_not_reach_a_fenced_blob(
        self, factory: StorageFactory
    ) -> None:
        late = StalledSource([None, b"wrong"])

        async def write_late(storages: Storages) -> None:
            async for _ in storages.chunks.write(A, at=0, source=late, limit=None, hasher=None, expects=0):
                pass

        async with factory() as one, factory() as frozen:
            await one.write(A, b"right")
            writing = asyncio.create_task(write_late(frozen))
            await asyncio.sleep(0.05)  # it has begun
            key = await one.chunks.seal(A, size=5, fenced=True)
            late.goes_on.set()
            await asyncio.wait([writing])
            assert await one.read(key, 5) == b"right"
