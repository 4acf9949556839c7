"""tus 1.0.0, checksum. Contract §2.1; tus §Checksum: on a mismatch the offset MUST NOT change."""

import base64
import hashlib
import os
import zlib
from collections.abc import Callable

import pytest

from tests.e2e.conftest import everywhere
from tests.e2e.tus import BYTES, VERSION, Tus, id_of, target_of
from tests.support.wire import Header, Response, chunked

DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
}


def checksum(algorithm: str, data: bytes) -> Header:
    return ("Upload-Checksum", f"{algorithm} {base64.b64encode(DIGESTS[algorithm](data)).decode()}")


def test_the_algorithms_are_told_and_the_extension_is_named(tus: Tus) -> None:
    answer = tus.options()
    assert "checksum" in answer.words("Tus-Extension")
    assert answer.words("Tus-Checksum-Algorithm") == set(DIGESTS)


@everywhere
def test_the_example_of_the_protocol_holds(tus: Tus) -> None:
    target = tus.created(11)
    answer = tus.patch(target, 0, b"hello world", ("Upload-Checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="))
    assert (answer.status, answer.header("Upload-Offset")) == (204, "11")


@everywhere
@pytest.mark.parametrize("algorithm", DIGESTS)
def test_matching_chunks_are_taken(tus: Tus, algorithm: str) -> None:
    chunks = [os.urandom(70_000), b"", os.urandom(1), os.urandom(5_000)]
    content = b"".join(chunks)
    target = tus.created(len(content))
    offset = 0
    for chunk in chunks:
        assert tus.patch(target, offset, chunk, checksum(algorithm, chunk)).status == 204
        offset += len(chunk)
    assert tus.content(target) == content


@everywhere
@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_mismatch_leaves_the_offset_and_no_trace_in_the_file(tus: Tus, algorithm: str) -> None:
    target = tus.created(10)
    tus.patch(target, 0, b"abc")
    refused = tus.patch(target, 3, b"XXXXXXX", checksum(algorithm, b"defghij"))
    assert refused.status == 460
    assert tus.offset(target) == 3
    assert tus.patch(target, 3, b"defghij", checksum(algorithm, b"defghij")).status == 204
    assert tus.content(target) == b"abcdefghij"


@everywhere
def test_a_mismatch_at_the_very_end_completes_nothing(tus: Tus) -> None:
    target = tus.created(5)
    assert tus.patch(target, 0, b"HELLO", checksum("sha256", b"hello")).status == 460
    assert id_of(target) in tus.open_uploads()
    assert tus.offset(target) == 0


@everywhere
def test_an_empty_body_is_checked_too(tus: Tus) -> None:
    target = tus.created(5)
    assert tus.patch(target, 0, b"", checksum("sha256", b"hello")).status == 460
    assert _patch_chunked(tus, target, 0, b"", checksum("sha256", b"hello")).status == 460
    tus.patch(target, 0, b"hello")
    assert tus.patch(target, 5, b"", checksum("sha256", b"hello")).status == 460
    assert tus.patch(target, 5, b"", checksum("sha256", b"")).status == 204


@everywhere
def test_a_mismatch_in_a_long_body_leaves_no_checkpoint(tus: Tus) -> None:
    """A long body is checkpointed on the way; one with a checksum must not be, before it is proved."""
    body = os.urandom(20 * 1024 * 1024)
    target = tus.created(len(body) + 5)
    tus.patch(target, 0, b"start")
    assert tus.patch(target, 5, body, checksum("sha1", body[::-1])).status == 460
    assert tus.offset(target) == 5
    assert tus.patch(target, 5, body, checksum("sha1", body)).status == 204
    assert tus.content(target) == b"start" + body


def test_a_crc32_is_four_bytes_highest_first(tus: Tus) -> None:
    value = zlib.crc32(b"hello")
    lowest_first = base64.b64encode(value.to_bytes(4, "little")).decode()
    target = tus.created(5)
    assert tus.patch(target, 0, b"hello", ("Upload-Checksum", f"crc32 {lowest_first}")).status == 460
    highest_first = base64.b64encode(value.to_bytes(4, "big")).decode()
    assert tus.patch(target, 0, b"hello", ("Upload-Checksum", f"crc32 {highest_first}")).status == 204


@pytest.mark.parametrize("algorithm", ["sha512", "adler32", "crc64nvme", "none", "shake_128", "sha-1", "__class__"])
def test_an_unknown_algorithm_is_refused(tus: Tus, algorithm: str) -> None:
    target = tus.created(5)
    assert tus.patch(target, 0, b"hello", ("Upload-Checksum", f"{algorithm} aGVsbG8=")).status == 400
    assert tus.offset(target) == 0


@pytest.mark.parametrize("value", ["", "sha1", "sha1 ", "sha1 !!!!", "sha1 aGVsbG8", "sha1 aGVsbG8=", " x", "sha1 a b"])
def test_a_malformed_checksum_is_refused(tus: Tus, value: str) -> None:
    target = tus.created(5)
    assert tus.patch(target, 0, b"hello", ("Upload-Checksum", value)).status == 400
    assert tus.offset(target) == 0


def test_two_checksums_are_refused(tus: Tus) -> None:
    target = tus.created(5)
    both = checksum("sha1", b"hello"), checksum("md5", b"hello")
    assert tus.patch(target, 0, b"hello", *both).status == 400
    assert tus.offset(target) == 0


@everywhere
def test_a_chunked_body_is_checked_too(tus: Tus) -> None:
    target = tus.created(10)
    assert _patch_chunked(tus, target, 0, b"HELLO", checksum("sha1", b"hello")).status == 460
    assert tus.offset(target) == 0
    assert _patch_chunked(tus, target, 0, b"hello", checksum("sha1", b"hello")).status == 204
    assert tus.offset(target) == 5


@everywhere
def test_the_body_of_a_creation_is_checked_too(tus: Tus) -> None:
    good = tus.create(5, checksum("sha256", b"hello"), body=b"hello")
    assert good.header("Upload-Offset") == "5"
    assert tus.content(target_of(good)) == b"hello"
    assert tus.create(5, checksum("sha256", b"hello"), body=b"HELLO").status == 460
    assert tus.create(5, ("Upload-Checksum", "sha512 aGVsbG8="), body=b"hello").status == 400


@everywhere
def test_an_unproved_prefix_of_a_cut_body_can_be_sent_again(tus: Tus) -> None:
    content = os.urandom(1000)
    target = tus.created(len(content))
    with tus.begin_patch(target, 0, len(content), content[:600], checksum("sha1", content)) as connection:
        connection.finish_sending()
        assert connection.ends(within=5)
    offset = tus.offset(target)
    assert tus.patch(target, offset, content[offset:], checksum("sha1", content[offset:])).status == 204
    assert tus.content(target) == content


# --- trailers: required to work only if they are promised


@pytest.fixture(scope="module")
def trailing(tus: Tus) -> Tus:
    if "checksum-trailer" not in tus.extensions():
        pytest.skip("the server does not promise checksum-trailer")
    return tus


@everywhere
@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_checksum_after_the_body_is_checked(trailing: Tus, algorithm: str) -> None:
    target = trailing.created(10)
    refused = _patch_chunked(trailing, target, 0, b"HELLO", trailer=checksum(algorithm, b"hello"))
    assert refused.status == 460
    assert trailing.offset(target) == 0
    taken = _patch_chunked(trailing, target, 0, b"hello", trailer=checksum(algorithm, b"hello"))
    assert (taken.status, taken.header("Upload-Offset")) == (204, "5")


@everywhere
def test_a_mismatching_trailer_of_a_long_body_leaves_no_checkpoint(trailing: Tus) -> None:
    body = os.urandom(20 * 1024 * 1024)
    target = trailing.created(len(body))
    assert _patch_chunked(trailing, target, 0, body, trailer=checksum("sha1", b"other")).status == 460
    assert trailing.offset(target) == 0


@everywhere
def test_a_trailer_of_an_unknown_algorithm_is_refused(trailing: Tus) -> None:
    target = trailing.created(5)
    answer = _patch_chunked(trailing, target, 0, b"hello", trailer=("Upload-Checksum", "sha512 aGVsbG8="))
    assert answer.status == 400
    assert trailing.offset(target) == 0


def _patch_chunked(
    tus: Tus, target: str, offset: int, body: bytes, *headers: Header, trailer: Header | None = None
) -> Response:
    half = len(body) // 2
    trailers = [trailer] if trailer else []
    named: list[Header] = [("Trailer", trailer[0])] if trailer else []
    framing: list[Header] = [("Transfer-Encoding", "chunked"), ("Upload-Offset", str(offset))]
    raw = chunked(body[:half], body[half:], trailers=trailers)
    return tus.http.request("PATCH", target, [VERSION, BYTES, *framing, *named, *headers], raw)
