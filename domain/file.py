"""A stored file: the record of bytes that will not change any more, and who may open it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.access import NOBODY, Credential, Principal, Visibility
from domain.errors import CredentialRefused, FileNotFound
from domain.ids import BlobKey, FileId, OwnerId

_MAX_EXTENSION = 16


@dataclass(frozen=True, slots=True)
class File:
    """``crc64`` is the CRC-64/NVME of the whole file; None only where overlapping chunks hid it.

    ``sha256`` is None until somebody has read the bytes for it. ``blob_key`` may be another file's too: files of
    one owner with the same bytes share them. ``detail`` is what the client wants told with the file. ``path``: its
    place in the folder that it was dropped with, for display; no place in any storage.

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
        return self.restorable_until is None and (self.expires_at is None or now < self.expires_at)

    def check_opened_by(self, principal: Principal, given: Mapping[str, str]) -> None:
        """Whether ``principal``, who shows ``given``, may read it without a signed link.

        Raises:
            FileNotFound: it is private, and not theirs: it looks like none.
            CredentialRefused: it has a credential, and ``given`` is not it.
        """
        if self.visibility is Visibility.PUBLIC:
            return
        if self.credential is not None:
            self._check_shown(principal, given)
        elif not principal.may_see(self.owner):
            raise FileNotFound("no such file")

    def check_changed_by(self, principal: Principal, given: Mapping[str, str]) -> None:
        """Whether ``principal`` may take it away. Where everything is everyone's, a credential still guards it.

        Raises:
            FileNotFound, CredentialRefused: as ``check_opened_by``.
        """
        if not principal.may_see(self.owner):
            raise FileNotFound("no such file")
        if self.credential is not None:
            self._check_shown(principal, given)

    def _check_shown(self, principal: Principal, given: Mapping[str, str]) -> None:
        is_owner = principal.owner == self.owner != NOBODY  # nobody is no one in particular
        shown = self.credential is not None and self.credential.is_shown_by(given)
        if not (shown or is_owner or principal.is_admin):
            raise CredentialRefused("the credential does not open this file")
