"""Gives stored files out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from application.digest import DigestUseCase
from application.erasing import find_or_recall
from domain.access import ADMINISTRATOR, MAX_LINK_LIFE, Disposition, DownloadToken, Principal
from domain.errors import FileGone
from domain.file import File
from domain.ids import FileId
from ports.blob_storage import Blob, BlobStorage
from ports.clock import Clock
from ports.download_signer import DownloadSigner
from ports.unit_of_work import UnitOfWorkFactory

# A second's work or less; who wants more than that comes back when the chore has been there.
_DIGEST_AT_ONCE_BYTES = 256 * 1024 * 1024
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class SignedToken:
    """What makes a link open a file for whoever has it."""

    token: DownloadToken
    signature: str


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file's record and its open bytes; whoever gets one closes ``blob``."""

    file: File
    blob: Blob

    async def link(self, *, disposition: str) -> str | None:
        """Where the client may fetch the bytes itself, named by ``disposition``; None: only here."""
        return await self.blob.link(disposition=disposition, media_type=self.file.media_type)


class DownloadUseCase:
    """Who may open a file is its own rule (``File.check_opened_by``); a signed link opens it to anyone.

    ``given`` is what the caller shows as a credential. Unknown files and private ones of other owners give the same
    FileNotFound; where a credential guards a file it is CredentialRefused. One that is over is FileExpired.
    """

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        blobs: BlobStorage,
        digests: DigestUseCase,
        signer: DownloadSigner,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._blobs = blobs
        self._digests = digests
        self._signer = signer
        self._clock = clock

    async def describe(self, principal: Principal, file_id: FileId, given: Mapping[str, str] = _NOTHING) -> File:
        async with self._unit_of_work() as work:
            file = await find_or_recall(work, principal, file_id)
        file.check_opened_by(principal, given, self._clock.now())
        return file

    async def open(self, principal: Principal, file_id: FileId, given: Mapping[str, str] = _NOTHING) -> OpenFile:
        """Raises:
        FileGone: the record is here but its bytes were taken away behind our back.
        """
        return await self.open_stored(await self.describe(principal, file_id, given))

    async def open_signed(self, link: SignedToken) -> OpenFile:
        """Whoever asks.

        Raises:
            LinkAltered: before anything else is looked at.
            LinkExpired
            FileNotFound, FileExpired: deleted meanwhile, or over.
        """
        return await self.open_stored(await self.describe_signed(link))

    async def describe_signed(self, link: SignedToken) -> File:
        """As ``describe``, whoever asks; raises what ``open_signed`` does."""
        self._signer.verify(link.token, link.signature)
        now = self._clock.now()
        link.token.check_time(now)
        async with self._unit_of_work() as work:
            file = await find_or_recall(work, ADMINISTRATOR, link.token.file_id)
        file.check_here(now)
        return file

    async def open_stored(self, file: File) -> OpenFile:
        """For who has asked already whether the caller may.

        Raises:
            FileGone, StorageUnavailable
        """
        blob = await self._blobs.open(file.blob_key)
        if blob.size != file.size:
            await blob.close()
            raise FileGone("the file's bytes are not what was stored")
        return OpenFile(file, blob)

    async def digested(self, file: File) -> File:
        """The file with its SHA-256, read now if it has to be; as it is if that would take long."""
        return await self._digests.know(file) if file.size <= _DIGEST_AT_ONCE_BYTES else file

    def sign(
        self, file: File, *, life: timedelta = MAX_LINK_LIFE, disposition: Disposition | None = None
    ) -> SignedToken:
        """What opens ``file``, which the caller may open, to others; nothing is kept of it.

        Raises:
            InvalidRequest: ``life`` is longer than seven days.
        """
        token = DownloadToken.lasting(file.id, life, self._clock.now(), disposition)
        return SignedToken(token, self._signer.sign(token))
