"""Several files in one download: which they are is kept for an hour, and opened by a link that needs no more."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from application.digest import DigestUseCase
from application.download import DownloadUseCase, OpenFile
from domain.access import Principal
from domain.archive import ARCHIVE_LIFE, MAX_ARCHIVED, Archive
from domain.errors import AccessRefused, FileGone, FileNotFound, Gone, InvalidRequest, LinkExpired, NotFound
from domain.file import File
from domain.file_list import FileOrder, FilePlace, FileSelection
from domain.ids import FileId
from domain.ticket import digest_of
from ports.archives import Archives
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.unit_of_work import UnitOfWorkFactory

_FILES_AT_ONCE = 500
_NO_CREDENTIAL: Mapping[str, str] = {}


class ArchiveUseCase:
    """``shown``: what the link has in it; whoever has that may download what its maker may."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        archives: Archives,
        downloads: DownloadUseCase,
        digests: DigestUseCase,
        clock: Clock,
        ids: IdGenerator,
        life: timedelta = ARCHIVE_LIFE,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._archives = archives
        self._downloads = downloads
        self._digests = digests
        self._clock = clock
        self._ids = ids
        self._life = life

    async def make(self, maker: Principal, file_ids: Sequence[FileId]) -> tuple[str, Archive, Sequence[File]]:
        """What its link shows, the archive, and what is in it now.

        Raises:
            FileNotFound, CredentialRefused, FileExpired: one of them is not the maker's to open.
        """
        now = self._clock.now()
        known = await self._find(file_ids)
        for file_id in file_ids:
            if (file := known.get(file_id)) is None:
                raise FileNotFound(f"{file_id}: no such file")
            file.check_opened_by(maker, _NO_CREDENTIAL, now)
        return await self._keep(maker, "files", [known[file_id] for file_id in file_ids], now)

    async def make_of_folder(self, maker: Principal, folder: str) -> tuple[str, Archive, Sequence[File]]:
        """As ``make``: all of the maker's files whose path leads into ``folder``.

        Raises:
            FileNotFound: there are none.
            InvalidRequest: there are too many.
        """
        now = self._clock.now()
        selection = FileSelection(maker.owner, folder=folder.rstrip("/") + "/")
        files: list[File] = []
        after: FilePlace | None = None
        while True:
            async with self._unit_of_work() as work:
                page = await work.files.list(selection, FileOrder.OLDEST, after=after, now=now, limit=_FILES_AT_ONCE)
            files += page.files
            after = page.after
            if len(files) > MAX_ARCHIVED:
                raise InvalidRequest(f"path: more than {MAX_ARCHIVED} files are in there; take the folders in it")
            if after is None:
                break
        if not files:
            raise FileNotFound("path: no files are in there")
        for file in files:
            file.check_opened_by(maker, _NO_CREDENTIAL, now)
        files.sort(key=lambda file: (file.path or "", file.created_at, file.id))
        return await self._keep(maker, folder.rstrip("/").rpartition("/")[2], files, now)

    async def find(self, shown: str) -> tuple[Archive, Sequence[File]]:
        """The archive, and what is in it: all of it, or it can't be had any more.

        Raises:
            LinkExpired: or it was never made.
            FileGone: one of its files is there no longer, or not for its maker.
        """
        now = self._clock.now()
        archive = await self._archives.find(digest_of(shown))
        if archive is None or archive.expires_at <= now:
            raise LinkExpired("the link has expired, or is none of ours: make another one")
        known = await self._find(archive.file_ids)
        try:
            files = [known[file_id] for file_id in archive.file_ids]
            for file in files:
                file.check_opened_by(archive.maker, _NO_CREDENTIAL, now)
        except (KeyError, NotFound, Gone, AccessRefused):
            raise FileGone("a file that was to be in it is there no longer: make another link") from None
        return archive, files

    async def open(self, file: File) -> OpenFile:
        """Raises:
        FileGone, StorageUnavailable
        """
        return await self._downloads.open_stored(file)

    async def crc32(self, file: File) -> int:
        """Read now, if it has to be."""
        return await self._digests.crc32(file) if file.crc32 is None else file.crc32

    async def note_crc32s(self, found: Mapping[FileId, int]) -> None:
        """By who has sent all of their bytes: they need not be read for it another time."""
        await self._digests.note_crc32s(found)

    async def _keep(
        self, maker: Principal, name: str, files: Sequence[File], now: datetime
    ) -> tuple[str, Archive, Sequence[File]]:
        shown = self._ids.secret()
        archive = Archive(
            digest=digest_of(shown),
            maker=Principal(maker.owner, is_admin=maker.is_admin),
            name=f"{name} {now:%Y-%m-%d}.zip",
            file_ids=tuple(file.id for file in files),
            expires_at=now + self._life,
        )
        await self._archives.add(archive, now=now)
        return shown, archive, files

    async def _find(self, file_ids: Sequence[FileId]) -> Mapping[FileId, File]:
        known: dict[FileId, File] = {}
        async with self._unit_of_work() as work:
            for start in range(0, len(file_ids), _FILES_AT_ONCE):
                known.update(await work.files.find_many(file_ids[start : start + _FILES_AT_ONCE]))
        return known
