"""The folder itself: its layout, its rights, and the marker that tells it from a wrong one.

    <root>/.longshore           marker: the volume's id
    <root>/staged/<ab>/<id>     bytes of an unfinished upload, written in place
    <root>/blobs/<ab>/<id>      sealed bytes
    <root>/images/…             sealed bytes whose key bears their place: what image sessions have received

``<ab>`` are the first two digits of the generated id: no folder grows too large.
"""

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from domain.errors import FileGone, FileTooLargeForDisk, StorageFull, StorageUnavailable
from domain.ids import BlobKey, UploadId

Result = TypeVar("Result")

_MARKER = ".longshore"
_KNOWN_SHARDS = 16 * 1024
_ATTEMPTS = 20  # to have a folder that somebody removes just now; another one that takes images away may do so often
# Names are generated, yet a link that somebody planted is never followed.
OPEN_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


class WrongVolume(Exception):
    """The folder is not the volume that was expected; nothing has been changed in it."""


class Volume:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.staged = root / "staged"
        self.blobs = root / "blobs"
        self.images = root / "images"
        self._shards: set[Path] = set()  # those this process has made durable

    def prepare(self) -> str:
        """Lay the folder out if it is new; return the volume's id.

        Raises:
            WrongVolume: it holds something else.
            StorageUnavailable, StorageFull.
        """
        with translated():
            self._make_root()
            if (volume_id := self.identify()) is not None:
                return volume_id
            if strangers := [entry.name for entry in self.root.iterdir() if not _may_be_there(entry.name)]:
                raise WrongVolume(f"holds other things ({min(strangers)}, …) and no {_MARKER} marker")
            for folder in (self.staged, self.blobs):
                folder.mkdir(mode=0o700, exist_ok=True)
            return self._mark()

    def identify(self) -> str | None:
        """The id in the marker; None without one."""
        try:
            return (self.root / _MARKER).read_text().strip() or None
        except FileNotFoundError:
            return None

    def staged_path(self, upload_id: UploadId) -> Path:
        return self.staged / upload_id[:2] / upload_id

    def blob_path(self, key: BlobKey) -> Path:
        return self.root / key if "/" in key else self.blobs / key[:2] / key

    def place_of(self, key: BlobKey) -> str:
        """Below the root, for others who read there."""
        return self.blob_path(key).relative_to(self.root).as_posix()

    def make_shard(self, path: Path) -> None:
        """Have the folder that ``path`` is to lie in, its entry durable; in any thread."""
        self._have(path.parent)

    def _have(self, folder: Path) -> None:
        """With all that it lies in. Also one that is there already is made durable once: who made it may have died
        before that, or not have come to it yet."""
        if folder in self._shards:
            return
        if folder.parent != self.root:
            self._have(folder.parent)
        elif not folder.is_dir() and self.identify() is None:
            # Of a volume that is not mounted nothing is there: what was written then would be hidden by it later.
            raise StorageUnavailable("the volume is not mounted")
        with suppress(FileExistsError):  # of Path.mkdir's exist_ok this is an error if it is taken away just then
            os.mkdir(folder, 0o700)
        sync_folder(folder.parent)
        if len(self._shards) >= _KNOWN_SHARDS:
            self._shards.clear()  # to make one durable again does no harm
        self._shards.add(folder)

    def sync_entry(self, path: Path) -> None:
        """Make durable that ``path`` is not there, nor perhaps the folder that it lay in."""
        folder = path.parent
        while True:
            try:
                sync_folder(folder)
            except FileNotFoundError:
                if folder == self.root or self.identify() is None:
                    raise StorageUnavailable("the volume is not mounted") from None
                folder = folder.parent
            else:
                return

    def remove_empty(self, folder: Path) -> None:
        """Take away what has become empty of the folders that keys with a place have made."""
        while folder != self.images and folder.is_relative_to(self.images):
            self._shards.discard(folder)
            try:
                folder.rmdir()
            except OSError:
                return  # it is not empty
            folder = folder.parent

    def in_shard(self, path: Path, use: Callable[[], Result]) -> Result:
        """What ``use`` returns, which needs the folder that ``path`` is to lie in.

        Folders may be taken away at any moment: backups and tidy scripts remove empty ones. Then they are made again.
        """
        for _ in range(_ATTEMPTS - 1):
            with suppress(FileNotFoundError):
                self.make_shard(path)
                return use()
            self._shards.difference_update(path.parents)
        self.make_shard(path)
        return use()

    def check(self) -> None:
        """Raise unless bytes can be stored: the marker is there, the medium is writable and not full."""
        with translated():
            if self.identify() is None:
                raise StorageUnavailable("the volume is not mounted")
            figures = os.statvfs(self.root)
            if figures.f_flag & os.ST_RDONLY:
                raise StorageUnavailable("the volume is read-only")
            if figures.f_bavail == 0:
                raise StorageFull("the volume is full")

    def _make_root(self) -> None:
        missing = [folder for folder in (self.root, *self.root.parents) if not folder.exists()]
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)

    def _mark(self) -> str:
        """Write the marker whole or not at all; of two servers that start at once, one's id stands."""
        draft = self.root / f"{_MARKER}.{secrets.token_hex(8)}"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
        try:
            os.write(fd, secrets.token_hex(16).encode() + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        with suppress(FileExistsError):  # the other server's: it stands
            os.link(draft, self.root / _MARKER)
        os.unlink(draft)
        sync_folder(self.root)
        return self.identify() or ""


def _may_be_there(name: str) -> bool:
    """Whether a folder without a marker may hold it: another server is laying the volume out just now, or one was
    cut off; and a disk that was just formatted is not empty either."""
    return name in ("staged", "blobs", "images", "lost+found") or name.startswith(_MARKER)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the operating system says into what the core understands."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("no room is left in storage") from error
        if error.errno == errno.EFBIG:
            raise FileTooLargeForDisk("no file may be so long there") from error
        raise StorageUnavailable(f"storage failed: {errno.errorcode.get(error.errno or 0, 'unknown')}") from error


@contextmanager
def gone_if_missing(volume: Volume | None = None) -> Iterator[None]:
    """Within ``translated``: a missing file is bytes taken away behind our back, unless all of ``volume`` is."""
    try:
        yield
    except FileNotFoundError as error:
        if volume is not None and volume.identify() is None:
            raise StorageUnavailable("the volume is not mounted") from error
        raise FileGone("the bytes are gone") from error
