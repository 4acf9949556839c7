"""Checksums: what clients may send with a chunk, and the CRC-64/NVME that every stored byte is counted in."""

import hashlib
import hmac
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from domain.errors import InvalidChecksum, UnknownChecksumAlgorithm

Buffer = bytes | bytearray | memoryview


class Hasher(Protocol):
    """Takes bytes in order."""

    def update(self, data: Buffer, /) -> None: ...


class Digester(Hasher, Protocol):
    """Then tells their digest; what ``hashlib`` objects are."""

    def digest(self) -> bytes: ...


class Crc32:
    """CRC-32 as four bytes, highest first."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, data: Buffer, /) -> None:
        self.value = zlib.crc32(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(4, "big")


_DIGEST_SIZES = {"sha1": 20, "sha256": 32, "md5": 16, "crc32": 4, "sha512": 64}
ALGORITHMS = tuple(_DIGEST_SIZES)


@dataclass(frozen=True, slots=True)
class Checksum:
    """An algorithm of ``ALGORITHMS`` and a digest of its size."""

    algorithm: str
    digest: bytes

    def __post_init__(self) -> None:
        if self.algorithm not in _DIGEST_SIZES:
            raise UnknownChecksumAlgorithm(f"known algorithms: {', '.join(ALGORITHMS)}")
        if len(self.digest) != _DIGEST_SIZES[self.algorithm]:
            raise InvalidChecksum(f"a {self.algorithm} digest has {_DIGEST_SIZES[self.algorithm]} bytes")

    def hasher(self) -> Digester:
        if self.algorithm == "crc32":
            return Crc32()
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def matches(self, hasher: Digester) -> bool:
        return hmac.compare_digest(self.digest, hasher.digest())


class Comparison(Hasher):
    """Compares the bytes it takes with every one of ``checksums``, which are of several algorithms."""

    def __init__(self, checksums: Iterable[Checksum]) -> None:
        self._hashers = [(checksum, checksum.hasher()) for checksum in checksums]

    def update(self, data: Buffer, /) -> None:
        for _, hasher in self._hashers:
            hasher.update(data)

    def differing(self) -> Checksum | None:
        """One that the bytes are not of."""
        return next((checksum for checksum, hasher in self._hashers if not checksum.matches(hasher)), None)


# CRC-64/NVME, reflected, as NVMe 2.0 §5.2.1.3.4 and S3 have it. The bits of a reflected polynomial
# run backwards: bit 63 is x^0.
_POLYNOMIAL = 0x9A6C9329AC4BC9B5
_ONE = 1 << 63
_MASK = (1 << 64) - 1


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc64nvme(data: Buffer, previous: int = 0) -> int:
    """The CRC of ``data`` after bytes whose CRC was ``previous``.

    Plain Python, some MB/s: for where there is nothing but the standard library; all storages bring a native one.
    """
    value = previous ^ _MASK
    for byte in bytes(data):
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ _MASK


def _multiply(a: int, b: int) -> int:
    """a times b modulo the polynomial."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & _MASK
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def _powers() -> list[int]:
    """x^8, x^16, x^32, …: what 2^k further bytes do to a CRC."""
    powers = [_ONE >> 8]
    while len(powers) < 64:
        powers.append(_multiply(powers[-1], powers[-1]))
    return powers


_POWERS = _powers()


def _shift(size: int) -> int:
    """x^(8 * size): the factor that ``size`` further bytes put before a CRC."""
    factor = _ONE
    for bit, power in enumerate(_POWERS):
        if size >> bit & 1:
            factor = _multiply(factor, power)
    return factor


@lru_cache(maxsize=4)  # each takes some 90 KiB
def _shift_tables(size: int) -> list[list[int]]:
    """What ``_shift(size)`` makes of each byte of a CRC, the highest first. Chunk sizes recur, so they are kept."""
    row, tables = _shift(size), []
    for _ in range(8):
        table = [0] * 256
        rows = []
        for _ in range(8):
            rows.append(row)
            row = (row >> 1) ^ (_POLYNOMIAL if row & 1 else 0)
        for value in range(1, 256):
            lowest = value & -value
            table[value] = table[value ^ lowest] ^ rows[8 - lowest.bit_length()]
        tables.append(table)
    return tables


def crc64nvme_combine(first: int, second: int, second_size: int) -> int:
    """The CRC of two stretches one after the other, from the CRC of each; microseconds for any size."""
    for table, byte in zip(_shift_tables(second_size), first.to_bytes(8, "big"), strict=True):
        second ^= table[byte]
    return second
