"""tus 1.0.0, creation with its two relatives: with-upload and defer-length. Contract §2.1; tus §Creation."""

import base64
import os
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.tus import BYTES, VERSION, Tus, id_of, metadata, odd_pieces, target_of
from tests.support.until import becomes
from tests.support.wire import Header, Http, Response, chunked

DEFERRED: Header = ("Upload-Defer-Length", "1")
EXPECT: Header = ("Expect", "100-continue")
MAX = 100_000

GOOD_METADATA = [
    "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential",
    "zeta emV0YQ==,alpha YWxwaGE=,middle bWlkZGxl",  # order is not ours to change
    "bare",
    "bare,other,third",
    "empty ,filename YQ==",  # the space before an empty value MAY be left out, so it may be there, too
    f"filename {base64.b64encode('słońce ✓ 日本.txt'.encode()).decode()}",
    f"bytes {base64.b64encode(bytes(range(256))).decode()}",
    f"evil {base64.b64encode(b'a' + bytes([13, 10]) + b'X-Evil: 1').decode()}",
    "Key S2V5,key a2V5",  # keys differ by case
    "k!#$%&'*+-.^_`|~ dg==",
    "padded YWI=,full YWJj",
]
BAD_METADATA = [
    "filename !!!!",
    "filename YQ",  # RFC 4648 §3.2: the padding is not optional here
    "filename YQ=",
    "filename Y",
    "filename a-_b",  # the URL-safe alphabet is another one
    "filename YQ==YQ==",
    "filename YQ== YQ==",
    "filename YQ==,filename Yg==",
    "bare,bare",
    "filename YQ==,,other Yg==",
    ",",
    ",filename YQ==",
    "filename YQ==,",
]


# --- creation


def test_an_upload_is_created_empty(tus: Tus) -> None:
    created = tus.create(100)
    assert created.status == 201
    target = target_of(created)
    assert target.startswith("/uploads/")
    answer = tus.head(target)
    assert (answer.header("Upload-Offset"), answer.header("Upload-Length")) == ("0", "100")
    assert answer.header("Upload-Metadata") is None


def test_links_begin_with_the_public_address(start_server: StartServer) -> None:
    server = start_server(PUBLIC_URL="https://files.example.org/up")
    location = Tus(Http(server.port)).create(1).header("Location")
    assert location is not None
    assert location.startswith("https://files.example.org/up/uploads/")


def test_a_length_of_zero_completes_at_once(tus: Tus) -> None:
    target = tus.created(0, metadata(filename="empty.txt"))
    answer = tus.head(target)
    assert (answer.header("Upload-Offset"), answer.header("Upload-Length")) == ("0", "0")
    assert tus.content(target) == b""
    assert id_of(target) not in tus.open_uploads()
    assert tus.patch(target, 0, b"").status == 204
    assert tus.patch(target, 0, b"x").status == 413


def test_a_length_may_have_leading_zeros(tus: Tus) -> None:
    target = target_of(tus.create("007"))
    assert tus.head(target).header("Upload-Length") == "7"
    tus.patch(target, 0, b"seven!!")
    assert tus.content(target) == b"seven!!"


def test_neither_a_length_nor_its_deferral_is_refused(tus: Tus) -> None:
    _assert_creates_nothing(tus, 400)


def test_a_length_and_its_deferral_together_are_refused(tus: Tus) -> None:
    _assert_creates_nothing(tus, 400, ("Upload-Length", "5"), DEFERRED)


@pytest.mark.parametrize("value", ["0", "2", "01", "true", "", "-1", "1, 1", "1.0"])
def test_a_deferral_other_than_1_is_refused(tus: Tus, value: str) -> None:
    _assert_creates_nothing(tus, 400, ("Upload-Defer-Length", value))


# --- metadata


@pytest.mark.parametrize("sent", GOOD_METADATA)
def test_metadata_comes_back_exactly_as_sent(tus: Tus, sent: str) -> None:
    target = tus.created(5, ("Upload-Metadata", sent))
    answer = tus.head(target)
    assert answer.header("Upload-Metadata") == sent
    assert answer.header("X-Evil") is None
    tus.patch(target, 0, b"hello")
    assert tus.head(target).header("Upload-Metadata") == sent


def test_empty_metadata_is_accepted(tus: Tus) -> None:
    """tuspy sends the header even when it has nothing to say."""
    target = tus.created(5, ("Upload-Metadata", ""))
    assert not tus.head(target).header("Upload-Metadata")


@pytest.mark.parametrize("sent", BAD_METADATA)
def test_metadata_that_breaks_the_rules_is_refused(tus: Tus, sent: str) -> None:
    _assert_creates_nothing(tus, 400, ("Upload-Length", "5"), ("Upload-Metadata", sent))


def test_a_metadata_key_split_over_two_headers_is_still_a_duplicate(tus: Tus) -> None:
    one: Header = ("Upload-Metadata", "filename YQ==")
    other: Header = ("Upload-Metadata", "filename Yg==")
    _assert_creates_nothing(tus, 400, ("Upload-Length", "5"), one, other)


def test_a_flood_of_metadata_is_refused_in_bounds(tus: Tus) -> None:
    many = ",".join(f"key{number} dmFsdWU=" for number in range(2500))
    for flood in (many, "filename " + "QUFB" * 12_000):
        answer = tus.create(5, ("Upload-Metadata", flood))
        assert 400 <= answer.status < 500
    assert tus.created(5)


# --- limits


@pytest.fixture(scope="module")
def small(start_module_server: StartServer) -> Tus:
    """A server that takes uploads up to MAX bytes."""
    return Tus(Http(start_module_server(MAX_UPLOAD_SIZE=str(MAX)).port))


def test_the_maximum_is_told_and_kept(small: Tus) -> None:
    assert small.options().header("Tus-Max-Size") == str(MAX)
    assert small.create(MAX).status == 201
    _assert_creates_nothing(small, 413, ("Upload-Length", str(MAX + 1)))
    _assert_creates_nothing(small, 413, ("Upload-Length", "999999999999999"))


def test_a_deferred_length_over_the_maximum_is_refused(small: Tus) -> None:
    target = small.created(None, DEFERRED)
    assert small.patch(target, 0, b"hello", ("Upload-Length", str(MAX + 1))).status == 413
    answer = small.head(target)
    assert answer.header("Upload-Length") is None
    assert answer.header("Upload-Defer-Length") == "1"


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_more_bytes_than_the_maximum_are_refused_when_no_length_was_told(small: Tus, framing: str) -> None:
    target = small.created(None, DEFERRED)
    too_much = b"x" * (MAX + 1)
    if framing == "chunked":
        headers: list[Header] = [VERSION, BYTES, ("Transfer-Encoding", "chunked"), ("Upload-Offset", "0")]
        answer = small.http.request("PATCH", target, headers, chunked(*odd_pieces(too_much)))
    else:
        answer = small.patch(target, 0, too_much)
    assert answer.status == 413
    assert small.offset(target) <= MAX


# --- a deferred length


def test_a_deferred_length_is_told_as_such_until_it_is_known(tus: Tus) -> None:
    target = tus.created(None, DEFERRED)
    assert tus.patch(target, 0, b"hello").status == 204
    unknown = tus.head(target)
    assert unknown.header("Upload-Defer-Length") == "1"
    assert unknown.header("Upload-Length") is None
    assert tus.patch(target, 5, b" wor", ("Upload-Length", "11")).status == 204
    known = tus.head(target)
    assert known.header("Upload-Defer-Length") is None
    assert known.header("Upload-Length") == "11"
    assert tus.patch(target, 9, b"ld").status == 204
    assert tus.content(target) == b"hello world"


def test_a_deferred_upload_is_not_complete_before_its_length_is_known(tus: Tus) -> None:
    target = tus.created(None, DEFERRED)
    tus.patch(target, 0, b"hello")
    assert tus.http.get(target).body != b"hello"
    assert id_of(target) in tus.open_uploads()


def test_an_empty_body_with_the_length_completes_a_deferred_upload(tus: Tus) -> None:
    target = tus.created(None, DEFERRED)
    tus.patch(target, 0, b"hello")
    answer = tus.patch(target, 5, b"", ("Upload-Length", "5"))
    assert (answer.status, answer.header("Upload-Offset")) == (204, "5")
    assert tus.content(target) == b"hello"


def test_a_deferred_upload_may_turn_out_empty(tus: Tus) -> None:
    target = tus.created(None, DEFERRED)
    assert tus.patch(target, 0, b"", ("Upload-Length", "0")).status == 204
    assert tus.content(target) == b""


def test_a_length_once_known_cannot_change(tus: Tus) -> None:
    deferred = tus.created(None, DEFERRED)
    tus.patch(deferred, 0, b"hello", ("Upload-Length", "10"))
    announced = tus.created(10)
    tus.patch(announced, 0, b"hello")
    for target in (deferred, announced):
        for other in ("11", "5", "0"):
            assert 400 <= tus.patch(target, 5, b"", ("Upload-Length", other)).status < 500
        assert tus.head(target).header("Upload-Length") == "10"
        assert tus.patch(target, 5, b"world", ("Upload-Length", "10")).status == 204


def test_a_length_below_what_came_already_is_refused(tus: Tus) -> None:
    target = tus.created(None, DEFERRED)
    tus.patch(target, 0, b"hello")
    assert 400 <= tus.patch(target, 5, b"", ("Upload-Length", "4")).status < 500
    assert tus.head(target).header("Upload-Defer-Length") == "1"


def test_a_length_below_the_body_that_tells_it_is_refused(tus: Tus) -> None:
    target = tus.created(None, DEFERRED)
    assert tus.patch(target, 0, b"hello", ("Upload-Length", "4")).status == 413
    assert tus.offset(target) <= 4


# --- creation with upload


def test_a_whole_file_may_come_with_its_creation(tus: Tus) -> None:
    created = tus.create(5, metadata(filename="a.txt"), body=b"hello")
    assert (created.status, created.header("Upload-Offset")) == (201, "5")
    assert tus.content(target_of(created)) == b"hello"


def test_a_first_chunk_may_come_with_the_creation(tus: Tus) -> None:
    created = tus.create(11, body=b"hello")
    assert (created.status, created.header("Upload-Offset")) == (201, "5")
    target = target_of(created)
    assert tus.offset(target) == 5
    assert tus.patch(target, 5, b" world").status == 204
    assert tus.content(target) == b"hello world"


def test_the_body_of_a_creation_may_be_chunked(tus: Tus) -> None:
    content = os.urandom(50_000)
    headers: list[Header] = [
        VERSION,
        BYTES,
        ("Upload-Length", str(len(content))),
        ("Transfer-Encoding", "chunked"),
    ]
    created = tus.http.request("POST", "/uploads", headers, chunked(*odd_pieces(content)))
    assert created.header("Upload-Offset") == str(len(content))
    assert tus.content(target_of(created)) == content


def test_a_deferred_upload_may_begin_with_its_creation(tus: Tus) -> None:
    created = tus.create(None, DEFERRED, body=b"hello")
    assert (created.status, created.header("Upload-Offset")) == (201, "5")
    assert tus.head(target_of(created)).header("Upload-Defer-Length") == "1"


def test_a_body_of_another_content_type_is_refused_at_creation(tus: Tus) -> None:
    before = tus.open_uploads().keys()
    headers: list[Header] = [VERSION, ("Upload-Length", "5"), ("Content-Type", "text/plain")]
    assert tus.http.request("POST", "/uploads", headers, b"hello").status == 415
    assert tus.open_uploads().keys() == before


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_more_bytes_than_the_length_are_refused_at_creation(tus: Tus, framing: str) -> None:
    before = tus.open_uploads().keys()
    headers: list[Header] = [VERSION, BYTES, ("Upload-Length", "5")]
    body = b"hello world"
    if framing == "chunked":
        headers.append(("Transfer-Encoding", "chunked"))
        body = chunked(body)
    assert tus.http.request("POST", "/uploads", headers, body).status == 413
    assert tus.open_uploads().keys() == before  # nobody was told the address of what there was for a moment


def test_a_creation_cut_in_its_body_keeps_the_prefix(tus: Tus) -> None:
    """The client never saw the Location; the list of open uploads has it."""
    with tus.http.connect() as connection:
        headers: list[Header] = [VERSION, BYTES, ("Upload-Length", "1000"), ("Content-Length", "1000")]
        name = metadata(filename="cut-while-created.bin")
        connection.send(connection.head_bytes("POST", "/uploads", [*headers, name]) + b"x" * 600)
        time.sleep(0.3)

    def found() -> list[Mapping[str, Any]]:
        return [one for one in tus.open_uploads().values() if one["filename"] == "cut-while-created.bin"]

    assert becomes(lambda: [entry["offset"] for entry in found()] == [600]), found()
    target = f"/uploads/{found()[0]['id']}"
    assert tus.patch(target, 600, b"y" * 400).status == 204
    assert tus.content(target) == b"x" * 600 + b"y" * 400


# --- Expect: 100-continue


def test_an_accepted_creation_is_told_to_continue(tus: Tus) -> None:
    with tus.http.connect() as connection:
        headers: list[Header] = [VERSION, BYTES, ("Upload-Length", "5"), ("Content-Length", "5"), EXPECT]
        connection.send_head("POST", "/uploads", headers)
        assert connection.has_data(within=5), "the server waits for a body that waits for its 100"
        connection.send(b"hello")
        answer = connection.receive()
    assert [interim.status for interim in answer.interim] == [100]
    assert (answer.status, answer.header("Upload-Offset")) == (201, "5")


def test_an_accepted_patch_is_told_to_continue(tus: Tus) -> None:
    with tus.begin_patch(tus.created(5), 0, 5, b"", EXPECT) as connection:
        assert connection.has_data(within=5), "the server waits for a body that waits for its 100"
        connection.send(b"hello")
        answer = connection.receive("PATCH")
    assert [interim.status for interim in answer.interim] == [100]
    assert answer.status == 204


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (412, [BYTES, ("Upload-Length", "5")]),
        (412, [("Tus-Resumable", "0.2.2"), BYTES, ("Upload-Length", "5")]),
        (413, [VERSION, BYTES, ("Upload-Length", "999999999999999")]),
        (400, [VERSION, BYTES]),
        (400, [VERSION, BYTES, ("Upload-Length", "junk")]),
        (400, [VERSION, BYTES, ("Upload-Length", "5"), DEFERRED]),
        (400, [VERSION, BYTES, ("Upload-Length", "5"), ("Upload-Metadata", "filename !!!!")]),
        (413, [VERSION, BYTES, ("Upload-Length", "4")]),
        (415, [VERSION, ("Content-Type", "text/plain"), ("Upload-Length", "5")]),
    ],
)
def test_a_refused_creation_gets_its_answer_and_no_100(tus: Tus, status: int, headers: list[Header]) -> None:
    before = tus.open_uploads().keys()
    with tus.http.connect() as connection:
        connection.send_head("POST", "/uploads", [*headers, ("Content-Length", "5"), EXPECT])
        answer = connection.receive(within=5)
    assert (answer.status, [interim.status for interim in answer.interim]) == (status, [])
    assert tus.open_uploads().keys() == before


def test_a_refused_patch_gets_its_answer_without_its_body(tus: Tus) -> None:
    target = tus.created(10)
    with tus.begin_patch(target, 3, 5, b"", EXPECT) as connection:
        answer = connection.receive("PATCH", within=5)
    assert (answer.status, answer.interim) == (409, ())
    assert tus.offset(target) == 0


def _assert_creates_nothing(tus: Tus, status: int, *headers: Header) -> Response:
    before = tus.open_uploads().keys()
    answer = tus.http.request("POST", "/uploads", [VERSION, *headers])
    assert answer.status == status, answer
    assert answer.header("Location") is None
    assert tus.open_uploads().keys() == before
    return answer
