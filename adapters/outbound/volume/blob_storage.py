"""Sealed blobs on a volume, read from their files."""

import os
import secrets
from collections.abc import AsyncIterator
from functools import partial

from awscrt.checksums import crc64nvme

from adapters.outbound.volume.staging import Durability, write_all
from adapters.outbound.volume.threads import Threads
from adapters.outbound.volume.volume import OPEN_FLAGS, Volume, gone_if_missing, sync_folder, translated
from domain.byte_range import ByteRange
from domain.errors import FileGone
from domain.ids import BlobKey, UploadId
from ports.blob_storage import Blob, BlobStorage
from ports.health import HealthCheck

_BLOCK_BYTES = 256 * 1024
_COPY_BYTES = 1024 * 1024


class VolumeBlob(Blob):
    def __init__(self, fd: int, size: int, threads: Threads) -> None:
        self._fd = fd
        self._size = size
        self._threads = threads

    @property
    def size(self) -> int:
        return self._size

    @property
    def fd(self) -> int | None:
        return self._fd

    async def blocks(self, wanted: ByteRange) -> AsyncIterator[bytes]:
        at = wanted.start
        while at < wanted.end:
            count = min(_BLOCK_BYTES, wanted.end - at)
            with translated():
                block = await self._threads.run(partial(os.pread, self._fd, count, at))
            if not block:
                raise FileGone("the file is shorter than it was")
            yield block
            at += len(block)

    async def link(self, *, disposition: str, media_type: str) -> str | None:
        return None

    async def close(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        os.close(self._fd)


class VolumeBlobStorage(BlobStorage, HealthCheck):
    def __init__(self, volume: Volume, threads: Threads, *, durability: Durability = Durability.ACK) -> None:
        self._volume = volume
        self._threads = threads
        self._durability = durability

    async def open(self, key: BlobKey) -> Blob:
        def open_blob() -> VolumeBlob:
            with translated(), gone_if_missing(self._volume):
                fd = os.open(self._volume.blob_path(key), os.O_RDONLY | OPEN_FLAGS)
                return VolumeBlob(fd, os.fstat(fd).st_size, self._threads)

        return await self._threads.run(open_blob, undo=VolumeBlob.let_go)

    async def put(self, key: BlobKey, content: bytes | Blob) -> int:
        if not isinstance(content, bytes) and content.fd is None:
            content = b"".join([block async for block in content.blocks(ByteRange(0, content.size))])
        return await self._threads.run_to_end(partial(self._put, key, content))

    async def delete(self, key: BlobKey) -> bool:
        def unlink() -> None:
            blob = self._volume.blob_path(key)
            with translated():
                blob.unlink(missing_ok=True)
                # Else a power cut could bring it back when nobody knows any more that it was to go. Also where it is
                # not there: who unlinked it may have died before this.
                self._volume.sync_entry(blob)
            self._volume.remove_empty(blob.parent)

        await self._threads.run(unlink)
        return True

    async def check(self) -> None:
        await self._threads.run(self._volume.check)

    def _put(self, key: BlobKey, content: bytes | Blob) -> int:
        """Staged under a name that is no upload's, so that cleanup finds what a crash leaves; then renamed."""
        staged = self._volume.staged_path(UploadId(secrets.token_hex(16)))
        blob = self._volume.blob_path(key)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS
        with translated():
            fd = self._volume.in_shard(staged, lambda: os.open(staged, flags, 0o600))
            try:
                crc64 = _write(fd, content)
                if self._durability is not Durability.NONE:
                    os.fsync(fd)
                self._volume.in_shard(blob, partial(os.rename, staged, blob))
            except BaseException:
                staged.unlink(missing_ok=True)
                raise
            finally:
                os.close(fd)
            if self._durability is not Durability.NONE:
                sync_folder(blob.parent)
        return crc64


def _write(fd: int, content: bytes | Blob) -> int:
    """All of it; return its checksum."""
    if isinstance(content, bytes):
        write_all(fd, content, 0)
        return int(crc64nvme(content))
    at = crc64 = 0
    while at < content.size:
        data = os.pread(content.fd or 0, min(_COPY_BYTES, content.size - at), at)
        if not data:
            raise FileGone("the content is shorter than it was")
        write_all(fd, data, at)
        crc64 = crc64nvme(data, crc64)
        at += len(data)
    return crc64
