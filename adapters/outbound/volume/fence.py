"""Keeps a sealed blob from whoever still has its file open for writing.

Sealing renames the very file that chunks were written to. A writer that was thought dead (its process frozen between
asking for permission and the write) would write into the blob when it wakes up. The kernel knows whether
there is one: a read lease is refused while anybody has the file open for writing. Then the blob becomes a copy, and
the old file, without a name, is all that the late bytes can reach.
"""

import errno
import fcntl
import os
import secrets
import shutil
from pathlib import Path

from adapters.outbound.volume.volume import OPEN_FLAGS, sync_folder

# Not everywhere: macOS has none, some network filesystems refuse.
_SETLEASE: int | None = getattr(fcntl, "F_SETLEASE", None)
_COPY_BYTES = 1024 * 1024


def fence(blob: Path) -> None:
    """Return when nobody can write to ``blob`` any more. Under that name nobody opens it for writing.

    Raises:
        OSError: in the end the blob is what it was.
    """
    fd = os.open(blob, os.O_RDONLY | OPEN_FLAGS)
    try:
        if _has_writers(fd):
            _replace_by_copy(fd, blob)
    finally:
        os.close(fd)


def _has_writers(fd: int) -> bool:
    if _SETLEASE is None:
        return False
    try:
        fcntl.fcntl(fd, _SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(fd, _SETLEASE, fcntl.F_UNLCK)
    return False


def _replace_by_copy(fd: int, blob: Path) -> None:
    draft = blob.with_name(f"{blob.name}.{secrets.token_hex(8)}")
    try:
        with (
            open(fd, "rb", closefd=False) as sealed,
            open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600), "wb") as copy,
        ):
            shutil.copyfileobj(sealed, copy, _COPY_BYTES)
            copy.flush()
            os.fsync(copy.fileno())
        os.rename(draft, blob)
        sync_folder(blob.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
