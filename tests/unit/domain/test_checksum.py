import base64
import hashlib
from dataclasses import replace

import pytest
from awscrt import checksums
from hypothesis import given
from hypothesis import strategies as st

from domain.checksum import ALGORITHMS, Checksum, Comparison, crc64nvme, crc64nvme_combine
from domain.errors import InvalidChecksum, UnknownChecksumAlgorithm


def test_crc64nvme_is_the_published_one() -> None:
    # The check value of the CRC catalogue for CRC-64/NVME.
    assert crc64nvme(b"123456789") == 0xAE8B14860A799888


@given(st.binary(max_size=2000), st.binary(max_size=200))
def test_crc64nvme_agrees_with_the_native_one(data: bytes, before: bytes) -> None:
    assert crc64nvme(data, crc64nvme(before)) == checksums.crc64nvme(before + data)


@given(st.lists(st.binary(max_size=500), max_size=6))
def test_checksums_of_stretches_combine_to_that_of_the_whole(stretches: list[bytes]) -> None:
    combined = 0
    for stretch in stretches:
        combined = crc64nvme_combine(combined, checksums.crc64nvme(stretch), len(stretch))
    assert combined == checksums.crc64nvme(b"".join(stretches))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(1, 2**50))
def test_combining_agrees_with_the_native_one_for_any_size(first: int, second: int, size: int) -> None:
    assert crc64nvme_combine(first, second, size) == checksums.combine_crc64nvme(first, second, size)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_a_checksum_matches_its_own_bytes_only(algorithm: str) -> None:
    checksum = Checksum(algorithm, hashlib.new(algorithm, b"hello").digest())
    good, bad = checksum.hasher(), checksum.hasher()
    good.update(b"hel")
    good.update(b"lo")
    bad.update(b"hellO")
    assert checksum.matches(good)
    assert not checksum.matches(bad)


def test_crc32_is_four_bytes_highest_first() -> None:
    checksum = Checksum("crc32", base64.b64decode("y/Q5Jg=="))  # cbf43926, the catalogue's check value
    hasher = checksum.hasher()
    hasher.update(b"123456789")
    assert checksum.matches(hasher)


def test_an_unknown_algorithm_is_refused_by_name() -> None:
    with pytest.raises(UnknownChecksumAlgorithm, match="sha256"):
        Checksum("sha3", bytes(64))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_digest_of_another_size_is_refused(algorithm: str) -> None:
    with pytest.raises(InvalidChecksum):
        Checksum(algorithm, bytes(5))


def test_a_comparison_is_with_every_checksum() -> None:
    right = [Checksum(name, hashlib.new(name, b"hello").digest()) for name in ("sha256", "sha512", "md5")]
    for wrong in (None, *right):
        others = [replace(one, digest=bytes(len(one.digest))) if one is wrong else one for one in right]
        comparison = Comparison(others)
        comparison.update(b"hel")
        comparison.update(memoryview(b"lo"))
        assert comparison.differing() == next((one for one in others if one not in right), None)
