"""Digest fields, RFC 9530: ``sha-256=:base64:, …``. Algorithms we don't know, or don't trust, are passed over."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from adapters.inbound.common.errors import Refusal
from adapters.inbound.common.structured_fields import parse_dictionary
from domain.checksum import Checksum
from domain.errors import ChecksumMismatch, InvalidChecksum, Sha256Mismatch

_ALGORITHMS = {"sha-512": "sha512", "sha-256": "sha256"}  # RFC 9530 §5: the active ones


class ReprDigest(NamedTuple):
    """What the whole representation should amount to; None where nothing is said."""

    sha256: bytes | None = None
    sha512: bytes | None = None


def parse_content_digest(header: str | None) -> Sequence[Checksum]:
    """What one body should amount to, by each algorithm that is known here.

    Raises:
        InvalidRequest: not a dictionary.
        InvalidChecksum: a digest that no such algorithm gives.
    """
    return _checksums(header, "Content-Digest")


def parse_repr_digest(header: str | None) -> ReprDigest:
    """Raises:
    InvalidRequest, InvalidChecksum: as above.
    """
    return ReprDigest(**{checksum.algorithm: checksum.digest for checksum in _checksums(header, "Repr-Digest")})


@contextmanager
def digests_checked(*, whole: Mapping[str, str] | None = None) -> Iterator[None]:
    """Word a mismatch as draft-ietf-httpapi-digest-fields-problem-types does: 400, for 460 is tus's.

    ``whole``: headers to go with it where it is not one body but the whole file that is another one.
    """
    try:
        yield
    except ChecksumMismatch as error:
        headers = whole if isinstance(error, Sha256Mismatch) else None
        raise Refusal(400, "digest_mismatch", error.detail, headers) from None


def _checksums(header: str | None, what: str) -> list[Checksum]:
    if header is None:
        return []
    members = parse_dictionary(header, what)
    return [_checksum(key, members[key], what) for key in _ALGORITHMS if key in members]


def _checksum(key: str, digest: object, what: str) -> Checksum:
    if not isinstance(digest, bytes):
        raise InvalidChecksum(f"{what}: the digest of {key} is a byte sequence")
    return Checksum(_ALGORITHMS[key], digest)
