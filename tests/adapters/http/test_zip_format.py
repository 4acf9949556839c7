"""The ZIP that files are downloaded in: read by Python's zipfile, of whatever sizes, from any byte to any other."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest

from adapters.inbound.http.files.zip_format import Contents, Member, ZipFormat
from adapters.inbound.http.files.zip_names import names_in_archive
from domain.byte_range import ByteRange
from tests.support.builders import a_file

GIB = 1024**3
WHEN = datetime(2026, 11, 20, 10, 0, 1, tzinfo=UTC)


class Bytes(Contents):
    def __init__(self, *contents: bytes) -> None:
        self.contents = contents
        self.counted: list[int] = []

    async def blocks(self, number: int, wanted: ByteRange) -> AsyncGenerator[bytes, None]:
        for at in range(wanted.start, wanted.end, 7):
            yield self.contents[number][at : min(at + 7, wanted.end)]

    async def crc32(self, number: int) -> int:
        self.counted.append(number)
        return zlib.crc32(self.contents[number])


class Holes(Contents):
    """Bytes of any number, none of which there is; their CRC-32 is a lie."""

    async def blocks(self, number: int, wanted: ByteRange) -> AsyncGenerator[bytes, None]:
        raise AssertionError("nobody asks for bytes")
        yield b""

    async def crc32(self, number: int) -> int:
        return number


def members(sizes: Sequence[int]) -> list[Member]:
    return [Member(f"d/ü{number}.txt".encode(), size, WHEN) for number, size in enumerate(sizes)]


async def read(format_: ZipFormat, contents: Contents, start: int = 0, end: int | None = None) -> bytes:
    wanted = ByteRange(start, format_.size if end is None else end)
    return b"".join([block async for block in format_.blocks(wanted, contents)])


async def test_what_is_written_is_what_others_read(tmp_path: Path) -> None:
    contents = Bytes(b"", b"hello", bytes(1000), b"x")
    format_ = ZipFormat(members([len(content) for content in contents.contents]))
    path = tmp_path / "a.zip"
    path.write_bytes(await read(format_, contents))
    assert path.stat().st_size == format_.size
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        assert [archive.read(info) for info in archive.infolist()] == [*contents.contents]
        info = archive.infolist()[1]
        assert (info.filename, info.compress_type, info.date_time) == ("d/ü1.txt", ZIP_STORED, (2026, 11, 20, 10, 0, 0))
        assert (info.flag_bits, info.external_attr >> 16) == (0x808, 0o100644)


async def test_every_range_of_it_is_a_part_of_the_whole() -> None:
    contents = Bytes(b"", b"hello", bytes(range(20)))
    format_ = ZipFormat(members([len(content) for content in contents.contents]))
    whole = await read(format_, contents)
    for start in range(len(whole)):
        for end in (start + 1, start + 30, len(whole)):
            assert await read(format_, contents, start, min(end, len(whole))) == whole[start:end], (start, end)


async def test_a_range_of_bytes_asks_for_no_crc32_but_those_in_it() -> None:
    contents = Bytes(bytes(100), bytes(1000), bytes(100))
    format_ = ZipFormat(members([100, 1000, 100]))
    await read(format_, contents, 500, 600)
    assert contents.counted == []
    await read(format_, contents, 500, 1300)
    assert contents.counted == [1]


@pytest.mark.parametrize(
    "sizes",
    [
        [0xFFFF_FFFE, 5],
        [0xFFFF_FFFF, 5],
        [5 * GIB, 5, 0, 6 * GIB, 7],
        [1, *[3 * GIB] * 3],
    ],
    ids=["just small", "just large", "large ones", "far ones"],
)
def test_beyond_32_bits(tmp_path: Path, sizes: list[int]) -> None:
    """Where bytes would be there are holes."""
    format_ = ZipFormat(members(sizes))
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        file.truncate(format_.size)
        at = 0
        for number, size in enumerate(sizes):
            record = 30 + len(f"d/ü{number}.txt".encode()) + 9 + (20 if size >= 0xFFFF_FFFF else 0)
            for start, end in ((at, at + record), (at + record + size, at + record + size + 16)):
                file.seek(start)
                file.write(asyncio.run(read(format_, Holes(), start, end)) if end > start else b"")
            at += record + size + (24 if size >= 0xFFFF_FFFF else 16)
        file.seek(at)
        file.write(asyncio.run(read(format_, Holes(), at)))
    with ZipFile(path) as archive:
        assert [info.file_size for info in archive.infolist()] == sizes
        assert [info.CRC for info in archive.infolist()] == [*range(len(sizes))]
        for info in archive.infolist():
            with archive.open(info) as opened:  # which compares what is told at both places
                assert info.file_size < GIB or opened.read(1) == b"\0"


async def test_more_members_than_16_bits_count() -> None:
    count = 66_000
    format_ = ZipFormat(members([0]) * count)
    end = await read(format_, Holes(), format_.size - 56 - 20 - 22)
    assert (end[:4], end[24:32], end[32:40]) == (b"PK\x06\x06", *[count.to_bytes(8, "little")] * 2)
    assert (end[56:60], end[76:80], end[86:88]) == (b"PK\x06\x07", b"PK\x05\x06", b"\xff\xff")


def test_each_has_a_name_of_its_own_wherever_it_is_unpacked() -> None:
    told = ["a.txt", "a.txt", "A.TXT", "a (2).txt", "d/a.txt", "d", ".env", ".env", "e.tar.gz", "e.tar.gz", "ä", "ä"]
    files = [a_file(name="?", path=path) for path in told]
    assert names_in_archive(files) == [
        *("a.txt", "a (2).txt", "A (3).TXT", "a (2) (2).txt", "d/a.txt", "d (2)", ".env", ".env (2)"),
        *("e.tar.gz", "e.tar (2).gz", "ä", "ä (2)"),
    ]
    many = names_in_archive([a_file(name="image.jpg") for _ in range(10_000)])
    assert (len(set(many)), many[-1]) == (10_000, "image (10000).jpg")
