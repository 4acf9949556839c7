"""Chunk and blob storage in one folder: bytes are written where they stay, and sealing takes the suffix off.

    <folder>/<id>.part      bytes of an unfinished upload
    <folder>/<id>           sealed bytes, under their blob's key

What is told as stored survives a power cut: bytes once their file and its entry are fsynced, a blob once its new name
is. Of Longshore it imports the domain and the ports, and nothing else.
"""

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from domain.byte_range import ByteRange, Extent
from domain.checksum import Hasher, crc64nvme  # plain Python; awscrt.checksums has one for large files
from domain.errors import FileGone, StorageFull, StorageUnavailable, UploadNotFound
from domain.ids import BlobKey, UploadId, blob_key_of, parse_upload_id
from ports.blob_storage import Blob, BlobStorage
from ports.byte_source import ByteSource
from ports.chunk_storage import ChunkStorage, Staged

_STRETCH_BYTES = 8 * 1024 * 1024
_STRETCH_SECONDS = 1.0
_BLOCK_BYTES = 256 * 1024

P = ParamSpec("P")
T = TypeVar("T")


class FolderChunkStorage(ChunkStorage):
    """``folder`` is there, and nobody else keeps anything in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(
        self,
        upload_id: UploadId,
        *,
        at: int,
        source: ByteSource,
        limit: int | None,
        hasher: Hasher | None,
        permit: Callable[[], None] = lambda: None,
        expects: int | None = None,
    ) -> AsyncGenerator[Extent, None]:
        permit()  # before a file is made, too
        end = None if limit is None else at + limit
        with _opened(self._part(upload_id), least=at if expects is None else expects, writes=True) as fd:
            while end is None or at < end:
                room = _STRETCH_BYTES if end is None else min(_STRETCH_BYTES, end - at)
                with _translated():
                    size = await source.pour(fd, at=at, limit=room, seconds=_STRETCH_SECONDS, permit=permit)
                if not size:
                    break
                await _in_thread(self._make_durable, fd)  # first: what is yielded is promised to the client
                crc64 = await _in_thread(_read_back, fd, at, at + size, hasher)
                yield Extent(ByteRange(at, at + size), crc64)
                at += size

    async def holds(self, upload_id: UploadId, *, extent: Extent, source: ByteSource) -> bool:
        at, end = extent.range.start, extent.range.end
        with _opened(self._part(upload_id), least=end) as fd:
            while at < end:
                block = await source.read(min(_BLOCK_BYTES, end - at))
                if not block or await _in_thread(os.pread, fd, len(block), at) != block:
                    return False
                at += len(block)
        return True

    async def join(self, upload_id: UploadId, parts: Sequence[tuple[UploadId, int]]) -> None:
        def copy_all() -> None:
            with _opened(self._part(upload_id), writes=True) as target:
                for part_id, size in parts:
                    with _opened(self._part(part_id), least=size) as part:
                        _append(part, target, size)
                self._make_durable(target)

        await _in_thread(copy_all)

    async def seal(self, upload_id: UploadId, *, size: int, fenced: bool = False) -> BlobKey:
        await _in_thread(self._seal, upload_id, size, fenced=fenced)
        return blob_key_of(upload_id)

    async def discard(self, upload_id: UploadId) -> None:
        await _in_thread(self._part(upload_id).unlink, missing_ok=True)

    async def staged(self) -> AsyncIterator[Staged]:
        for staged in await _in_thread(self._list):
            yield staged

    def _part(self, upload_id: UploadId) -> Path:
        return self._folder / f"{upload_id}.part"

    def _make_durable(self, fd: int) -> None:
        os.fsync(fd)
        _sync_folder(self._folder)

    def _seal(self, upload_id: UploadId, size: int, *, fenced: bool) -> None:
        part, blob = self._part(upload_id), self._folder / blob_key_of(upload_id)
        if not part.exists() and blob.exists() and blob.stat().st_size == size:
            return  # sealed before, by a call that a crash kept from being recorded
        with _opened(part, least=size, writes=True) as fd:
            os.ftruncate(fd, size)
            os.fsync(fd)
            if fenced:
                # Whoever still has the file open writes into that, not into its copy. It always copies: how the
                # kernel tells whether there is anybody is in adapters/outbound/volume/fence.py.
                copy = part.with_suffix(".copy")
                with _opened(copy, writes=True) as target:
                    _append(fd, target, size)
                    os.ftruncate(target, size)
                    os.fsync(target)
                copy.replace(blob)
                part.unlink()
            else:
                part.replace(blob)
        _sync_folder(self._folder)

    def _list(self) -> list[Staged]:
        found = []
        for path in self._folder.glob("*.part"):
            with suppress(UploadNotFound, FileNotFoundError):  # not one of ours; sealed or discarded meanwhile
                modified_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                found.append(Staged(parse_upload_id(path.stem), modified_at))
        return found


class FolderBlob(Blob):
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = os.fstat(fd).st_size

    @property
    def size(self) -> int:
        return self._size

    @property
    def fd(self) -> int | None:
        return self._fd

    async def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        at = wanted.start
        while at < wanted.end:
            block = await _in_thread(os.pread, self._fd, min(_BLOCK_BYTES, wanted.end - at), at)
            if not block:
                raise FileGone("the file is shorter than it was")
            yield block
            at += len(block)

    async def link(self, *, disposition: str, media_type: str) -> str | None:
        return None

    async def close(self) -> None:
        os.close(self._fd)


class FolderBlobStorage(BlobStorage):
    """``folder``: that of the ``FolderChunkStorage``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def open(self, key: BlobKey) -> Blob:
        with _translated():
            return FolderBlob(os.open(self._folder / key, os.O_RDONLY))

    async def put(self, key: BlobKey, content: bytes | Blob) -> int:
        if not isinstance(content, bytes):
            content = b"".join([block async for block in content.blocks(ByteRange(0, content.size))])
        await _in_thread(self._put, key, content)
        return crc64nvme(content)

    async def delete(self, key: BlobKey) -> bool:
        def unlink() -> None:
            (self._folder / key).unlink(missing_ok=True)
            _sync_folder(self._folder)  # or a power cut brings it back when nobody knows any more that it was to go

        await _in_thread(unlink)
        return True  # also while it is read: the kernel keeps the bytes for the reader

    async def check(self) -> None:
        figures = await _in_thread(os.statvfs, self._folder)
        if figures.f_flag & os.ST_RDONLY:
            raise StorageUnavailable("the folder is read-only")
        if not figures.f_bavail:
            raise StorageFull("the disk is full")

    def _put(self, key: BlobKey, data: bytes) -> None:
        blob = self._folder / key
        blob.parent.mkdir(parents=True, exist_ok=True)  # a key may bear its place: images/…
        draft = self._folder / f"{secrets.token_hex(16)}.part"  # as if of an upload, so that cleanup finds it
        with _opened(draft, writes=True) as fd:
            os.pwrite(fd, data, 0)
            os.fsync(fd)
        draft.replace(blob)
        _sync_folder(blob.parent)


@contextmanager
def _opened(path: Path, *, least: int = 0, writes: bool = False) -> Iterator[int]:
    """With at least so many bytes in it, or it is FileGone; where none are wanted, who writes makes the file."""
    made_if_missing = 0 if least else os.O_CREAT
    with _translated():
        fd = os.open(path, os.O_RDWR | made_if_missing if writes else os.O_RDONLY, 0o600)
    try:
        if os.fstat(fd).st_size < least:
            raise FileGone("the bytes are not what was received")
        yield fd
    finally:
        os.close(fd)


def _read_back(fd: int, at: int, end: int, hasher: Hasher | None) -> int:
    """What ``pour`` has written is seen here for the first time; its CRC-64/NVME."""
    crc64 = 0
    while at < end:
        block = os.pread(fd, min(_BLOCK_BYTES, end - at), at)
        if not block:
            raise FileGone("the file is shorter than what was written")
        crc64 = crc64nvme(block, crc64)
        if hasher:
            hasher.update(block)
        at += len(block)
    return crc64


def _append(part: int, target: int, size: int) -> None:
    """The first ``size`` bytes of ``part``, where ``target`` stands."""
    at = 0
    while at < size:
        block = os.pread(part, min(_BLOCK_BYTES, size - at), at)
        if not block:
            raise FileGone("a part is shorter than it was")
        at += os.write(target, block)  # which may write less than it was given


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Over when it says so, even if the caller is cancelled: until then the descriptor that it uses stays open."""
    call = asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))
    try:
        with _translated():
            return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise


@contextmanager
def _translated() -> Iterator[None]:
    """What the operating system says, in the words of domain/errors.py."""
    try:
        yield
    except FileNotFoundError:
        raise FileGone("the bytes are gone") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("no room is left in storage") from error
        raise StorageUnavailable(f"storage failed: {errno.errorcode.get(error.errno or 0, 'unknown')}") from error
