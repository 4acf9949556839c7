"""The file to come, as its client describes it: an upload carries this until it is a file's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.access import NOBODY, Credential, Principal, Visibility, is_small
from domain.checksum import Checksum
from domain.errors import CompletedOtherwise, CredentialRefused, InvalidDetail
from domain.metadata import Metadata


@dataclass(frozen=True, slots=True)
class FileDraft:
    """Whatever was not said has its default. What has a credential is private.

    ``sha256`` and ``sha512`` are of the whole file: other bytes never become one. ``detail`` is told with the file.
    """

    metadata: Metadata = field(default_factory=Metadata)
    visibility: Visibility = Visibility.PRIVATE
    credential: Credential | None = None
    detail: Mapping[str, str] | None = None
    sha256: bytes | None = None
    sha512: bytes | None = None

    def __post_init__(self) -> None:
        if self.detail is not None and not is_small(self.detail):
            raise InvalidDetail("too much detail")
        _ = self.checksums  # which refuses digests of another size
        if self.credential is not None:
            object.__setattr__(self, "visibility", Visibility.PRIVATE)

    @classmethod
    def of(cls, *, filename: str, media_type: str | None = None, path: str | None = None) -> "FileDraft":
        return cls(Metadata.of(filename=filename, media_type=media_type, path=path))

    @property
    def checksums(self) -> Sequence[Checksum]:
        """Of the whole file, those that were announced."""
        told = (("sha256", self.sha256), ("sha512", self.sha512))
        return [Checksum(algorithm, digest) for algorithm, digest in told if digest is not None]

    def amended(self, last: "FileDraft") -> "FileDraft":
        """As the client's last word says; checksums and detail that it does not repeat still hold."""
        return replace(
            last,
            detail=self.detail if last.detail is None else last.detail,
            sha256=self.sha256 if last.sha256 is None else last.sha256,
            sha512=self.sha512 if last.sha512 is None else last.sha512,
        )

    def check_repeated(self, again: "FileDraft") -> None:
        """Whether ``again`` tells of this very file. Who says otherwise would believe, say, a public one to be private.

        The credential comes first: one who does not know it is told nothing of the rest.

        Raises:
            CompletedOtherwise
        """
        said: Sequence[tuple[str, object, object]] = (
            ("credential", again.credential, self.credential),
            ("visibility", again.visibility, self.visibility),
            ("detail", again.detail, self.detail),
            ("name", again.metadata.filename, self.metadata.filename),
            ("media type", again.metadata.media_type, self.metadata.media_type),
        )
        for what, now, first in said:
            if now is not None and now != first:
                raise CompletedOtherwise(what)

    def check_tried_by(self, principal: Principal, given: Mapping[str, str], *, is_owner: bool) -> None:
        """As ``File.check_changed_by``. ``is_owner``: whether the file will be theirs.

        Raises:
            CredentialRefused: the file to come has a credential, and ``given`` is not it.
        """
        is_known = is_owner and principal.owner != NOBODY  # nobody is no one in particular
        shown = self.credential is None or self.credential.is_shown_by(given)
        if not (shown or is_known or principal.is_admin):
            raise CredentialRefused("the credential does not open this file")
