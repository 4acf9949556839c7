"""How values are spelt on the wire: digits, instants, tus metadata and checksums. Strict in, safe out.

Names of files are spelt in so many ways that they have a module of their own: ``file_names.py``.
"""

import base64
import binascii
import re
from datetime import datetime

from domain.checksum import Checksum
from domain.errors import InvalidChecksum, InvalidMetadata, InvalidRequest, UnknownChecksumAlgorithm
from domain.metadata import MAX_BYTES, MAX_PAIRS, Metadata

TUS_ALGORITHMS = ("sha1", "sha256", "md5", "crc32")
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_METADATA_KEY = re.compile(r"[!-+\--~]+", re.ASCII)  # visible ASCII but the comma
_SHA256_HEX = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_MAX_METADATA_HEADER = MAX_BYTES * 4 // 3 + MAX_PAIRS * 8


def parse_digits(text: str, what: str) -> int:
    """A length, offset or index: up to 15 digits and nothing else (``007`` is seven).

    Raises:
        InvalidRequest: naming ``what``.
    """
    if not _DIGITS.fullmatch(text):
        raise InvalidRequest(f"{what}: a whole number of at most 15 digits")
    return int(text)


def format_instant(moment: datetime) -> str:
    """ISO 8601 with a ``Z``; ``moment`` is in UTC, as all of ours are."""
    return moment.isoformat().replace("+00:00", "Z")


def parse_metadata(header: str) -> Metadata:
    """tus 1.0 Upload-Metadata: ``key base64,key2,…``; unique keys, in the order sent, bare keys kept bare.

    Raises:
        InvalidMetadata: a key or a value is not of that form, or there is too much of it.
    """
    if not header:
        return Metadata()
    if len(header) > _MAX_METADATA_HEADER:
        raise InvalidMetadata(f"at most {MAX_BYTES} bytes of metadata")
    pairs = header.split(",", MAX_PAIRS)
    if len(pairs) > MAX_PAIRS:
        raise InvalidMetadata(f"at most {MAX_PAIRS} metadata pairs")
    return Metadata(tuple(_parse_pair(pair.lstrip(" \t")) for pair in pairs))


def format_metadata(metadata: Metadata) -> str:
    """What ``parse_metadata`` was given, to the letter; a header can't end with a space, whoever sends it."""
    return ",".join(
        key if value is None else f"{key} {base64.b64encode(value).decode('ascii')}" for key, value in metadata.pairs
    ).rstrip(" ")


def parse_checksum(header: str) -> Checksum:
    """tus 1.0 Upload-Checksum: ``algorithm base64``.

    Raises:
        InvalidChecksum, UnknownChecksumAlgorithm.
    """
    algorithm, _, encoded = header.partition(" ")
    if algorithm not in TUS_ALGORITHMS:
        raise UnknownChecksumAlgorithm(f"known algorithms: {', '.join(TUS_ALGORITHMS)}")
    digest = _decode_base64(encoded)
    if digest is None:
        raise InvalidChecksum("the checksum is not base64")
    return Checksum(algorithm, digest)


def parse_sha256(metadata: Metadata) -> bytes | None:
    """The whole file's SHA-256 from the metadata key ``sha256``: hexadecimal or base64; None without one.

    Raises:
        InvalidChecksum: it is neither; one that nobody checked would be worse than none.
    """
    text = metadata.text("sha256")
    if text is None:
        return None
    digest = bytes.fromhex(text) if _SHA256_HEX.fullmatch(text) else _decode_base64(text)
    if digest is None or len(digest) != 32:
        raise InvalidChecksum("the metadata's sha256 is 64 hexadecimal digits, or base64 of 32 bytes")
    return digest


def _parse_pair(pair: str) -> tuple[str, bytes | None]:
    key, space, encoded = pair.partition(" ")
    if not _METADATA_KEY.fullmatch(key):
        raise InvalidMetadata("a metadata key is empty or has other characters than visible ASCII")
    if not space:
        return key, None
    value = _decode_base64(encoded)
    if value is None:
        raise InvalidMetadata("a metadata value is not base64")
    return key, value


def _decode_base64(text: str) -> bytes | None:
    """None unless encoding the bytes again gives ``text``: anything else could not be given back."""
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return value if base64.b64encode(value).decode("ascii") == text else None
