"""A stored file: the record of bytes that will not change any more, and who may open it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.access import NOBODY, Credential, Principal, Visibility
from domain.errors import CredentialRefused, FileExpired, FileNotFound, InvalidRequest
from domain.file_name import file_name, file_path
from domain.ids import BlobKey, FileId, OwnerId

_MAX_EXTENSION = 16


UNDO_LIFE = timedelta(minutes=1)
"""For how long a deletion can be undone, if its owner wants that."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """What is to be otherwise with a file; None: nothing. ``is_of_expiry``: whether ``expires_at`` is meant, of which
    None says that it lasts."""

    name: str | None = None
    visibility: Visibility | None = None
    expires_at: datetime | None = None
    is_of_expiry: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """``crc64`` is the CRC-64/NVME of the whole file; None only where overlapping chunks hid it.

    ``sha256`` and ``crc32`` are None until somebody has read the bytes for them. ``blob_key`` may be another file's
    too: files of one owner with the same bytes share them. ``detail`` is what the client wants told with the file.
    ``path``: its place in the folder that it was dropped with, for display; no place in any storage.

    At ``expires_at`` it is over. Its owner has deleted it, and may think better of it, until ``restorable_until``.
    """

    id: FileId
    owner: OwnerId
    name: str
    media_type: str
    size: int
    crc64: int | None
    blob_key: BlobKey
    created_at: datetime
    visibility: Visibility = Visibility.PRIVATE
    credential: Credential | None = None
    detail: Mapping[str, str] | None = None
    sha256: bytes | None = None
    path: str | None = None
    expires_at: datetime | None = None
    restorable_until: datetime | None = None
    crc32: int | None = None

    @property
    def checksum(self) -> str | None:
        """As ``crc64nvme:<16 hex digits>``."""
        return None if self.crc64 is None else f"crc64nvme:{self.crc64:016x}"

    @property
    def shown_path(self) -> str:
        """For display: ``public/<id>.<extension>`` or ``private/…``; no place in any storage."""
        stem, _, extension = self.name.rpartition(".")
        is_plain = stem and extension.isascii() and extension.isalnum() and len(extension) <= _MAX_EXTENSION
        return f"{self.visibility}/{self.id}" + (f".{extension.lower()}" if is_plain else "")

    @property
    def is_guarded_from_its_owner(self) -> bool:
        """Whether being the owner is not enough to open it: where everybody is, the credential is what tells."""
        return self.owner == NOBODY and self.credential is not None

    def is_listed(self, now: datetime) -> bool:
        """Whether it is there, to those who may see it."""
        return self.restorable_until is None and not self._is_over(now)

    def check_opened_by(self, principal: Principal, given: Mapping[str, str], now: datetime) -> None:
        """Whether ``principal``, who shows ``given``, may read it without a signed link.

        Raises:
            FileNotFound: it is private, and not theirs: it looks like none. Or it has been deleted.
            CredentialRefused: it has a credential, and ``given`` is not it.
            FileExpired
        """
        if self.visibility is Visibility.PRIVATE and self.restorable_until is None:
            if self.credential is not None:
                self._check_shown(principal, given)
            elif not principal.may_see(self.owner):
                raise FileNotFound("no such file")
        self.check_here(now)

    def check_changed_by(self, principal: Principal, given: Mapping[str, str], now: datetime) -> None:
        """Whether ``principal`` may change it or take it away. Where everything is everyone's, a credential still
        guards it.

        Raises:
            FileNotFound, CredentialRefused, FileExpired: as ``check_opened_by``.
        """
        if self.restorable_until is None:
            self.check_owned_by(principal, given)
        self.check_here(now)

    def check_owned_by(self, principal: Principal, given: Mapping[str, str]) -> None:
        """As ``check_changed_by``, though it be deleted or over."""
        if not principal.may_see(self.owner):
            raise FileNotFound("no such file")
        if self.credential is not None:
            self._check_shown(principal, given)

    def check_here(self, now: datetime) -> None:
        """Whether it is there at all, whoever asks.

        Raises:
            FileNotFound: it has been deleted.
            FileExpired
        """
        if self.restorable_until is not None:
            raise FileNotFound("no such file")
        if self._is_over(now):
            raise FileExpired("the file has expired")

    def changed(self, change: FileChange, now: datetime) -> "File":
        """As its owner wants it.

        Raises:
            InvalidRequest: naming what can't be so.
        """
        if change.visibility is Visibility.PUBLIC and self.credential is not None:
            raise InvalidRequest("visibility: a file with a credential is private")
        if change.expires_at is not None and change.expires_at <= now:
            raise InvalidRequest("expires_at: a time to come")
        name = self.name if change.name is None else file_name(change.name)
        return replace(
            self,
            name=name,
            path=self._path_named(name),
            visibility=change.visibility or self.visibility,
            expires_at=change.expires_at if change.is_of_expiry else self.expires_at,
        )

    def _path_named(self, name: str) -> str | None:
        if self.path is None:
            return None
        folder, slash, last = self.path.rpartition("/")
        return file_path(f"{folder}{slash}{name}") if last == self.name else self.path

    def _is_over(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at

    def _check_shown(self, principal: Principal, given: Mapping[str, str]) -> None:
        is_owner = principal.owner == self.owner != NOBODY  # nobody is no one in particular
        shown = self.credential is not None and self.credential.is_shown_by(given)
        if not (shown or is_owner or principal.is_admin):
            raise CredentialRefused("the credential does not open this file")
