"""The chunk API of the real server, over sockets: contract §2.5, to the letter."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.chunk_client import BASE, Answer, ChunkClient
from tests.e2e.conftest import StartServer
from tests.e2e.tus import Tus, target_of
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http, WebSocket

SIZE = 1000
LARGEST = 65536
SEEDS_EXTENSIONS = """txt jpg png pdf mp4 mp3 mov avi doc docx xls xlsx ppt pptx gif bmp tiff csv json xml html zip
rar tar gz wav flac ogg webm mkv heic svg psd ai eps tif tga"""
NOT_BEGUN = "File directory not found. Please initialize first!"
UNKNOWN = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(MAX_CHUNK_SIZE=str(LARGEST))


@pytest.fixture
def client(server: ServerProcess) -> Iterator[ChunkClient]:
    with ChunkClient(server.port) as client:
        yield client


def uploaded(client: ChunkClient, body: bytes, **fields: object) -> Answer:
    """All chunks of ``body``, completed."""
    upload_id = client.init()
    for index, start in enumerate(range(0, len(body), SIZE)):
        assert client.chunk(upload_id, index, body[start : start + SIZE], SIZE).status == 200
    return client.complete(upload_id, **{"total_chunks": -(-len(body) // SIZE), "total_size": len(body), **fields})


def test_the_calls_one_after_the_other_give_the_shapes_to_the_letter(client: ChunkClient) -> None:
    body = os.urandom(2500)
    begun = client.post("/upload/init/", {})
    assert begun.body.keys() == {"data", "message", "success"}
    assert (begun.body["message"], begun.body["success"]) == ("", True)
    assert begun.data.keys() == {"chunk_size", "upload_id"} and begun.data["chunk_size"] == LARGEST
    upload_id = begun.data["upload_id"]
    assert client.status(upload_id).data == {"status": "PENDING"}
    for index in range(3):
        stored = client.chunk(upload_id, index, body[index * SIZE : (index + 1) * SIZE], SIZE)
        assert stored.data == {"chunk_index": index, "upload_id": upload_id}
        assert stored.body["message"] == "The chunk is uploaded successfully!"
    assert client.status(upload_id).data == {"status": "PENDING"}
    answer = client.complete(upload_id, total_chunks=3, total_size=2500, detail='{"album": "summer", "page": 3}')
    assert answer.body["message"] == ""
    file = answer.data
    assert file.keys() == {"id", "path", "content_type", "detail", "credential", "download_url"}
    assert file["path"] == f"public/{file['id']}.png"
    assert file["content_type"] == "image/png"
    assert file["detail"] == {"album": "summer", "page": "3"}
    assert file["credential"] is None
    assert client.content(file["download_url"]) == body
    assert client.get(file["id"]).data == file
    assert client.status(file["id"]).data == {"status": "SUCCESS"}
    refused = client.retry(file["id"])
    assert (refused.status, refused.errors, refused.body["message"]) == (400, [], "File uploaded previously!")
    assert client.complete(upload_id, total_chunks=3, total_size=2500).data == file


def test_a_private_file_opens_to_its_credential_and_to_its_link(client: ChunkClient) -> None:
    credential = {"user": "42", "team": "ä&=?"}
    file = uploaded(client, b"x" * 1500, credential=json.dumps({"user": 42, "team": "ä&=?"})).data
    assert file["credential"] == credential
    assert file["path"] == f"private/{file['id']}.png"
    assert "signature=" in file["download_url"]
    assert client.content(file["download_url"]) == b"x" * 1500
    again = client.get(file["id"], **credential).data
    assert {**again, "download_url": ""} == {**file, "download_url": ""}
    for shown in ({}, {"user": "43", "team": "ä&=?"}, {"user": "42"}):
        for answer in (client.get(file["id"], **shown), client.status(file["id"], **shown)):
            assert (answer.status, answer.errors, answer.body["message"]) == (403, [], "Permision denied")
    assert client.status(file["id"], **credential).data == {"status": "SUCCESS"}
    assert client.retry(file["id"]).status == 403
    assert client.retry(file["id"], credential=json.dumps(credential)).status == 400


@pytest.mark.parametrize("suffix", ["", "/"])
def test_a_trailing_slash_changes_nothing(client: ChunkClient, suffix: str) -> None:
    upload_id = client.request("POST", f"{BASE}/upload/init{suffix}").data["upload_id"]
    fields = {"chunk_size": 5, "upload_id": upload_id, "chunk_index": 0}
    assert client.post(f"/upload/chunk{suffix}", fields, b"hello").status == 200
    told = {"upload_id": upload_id, "total_chunks": 1, "total_size": 5}
    file = client.post(
        f"/upload/complete{suffix}", {**told, "file_extension": "txt", "content_type": "text/plain"}
    ).data
    assert client.request("GET", f"{BASE}/get/{file['id']}{suffix}").status == 200
    assert client.request("GET", f"{BASE}/status/{file['id']}{suffix}").status == 200
    assert client.post(f"/upload/retry{suffix}", {"file_id": file["id"]}).status == 400


def test_forms_may_be_urlencoded_where_no_file_is_in_them(client: ChunkClient) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    begun = client.request("POST", f"{BASE}/upload/init/", b"total_size=5&filename=a%20b.txt", **form).data
    assert client.chunk(begun["upload_id"], 0, b"hello", 5).status == 200
    told = f"upload_id={begun['upload_id']}&total_chunks=1&total_size=5&file_extension=txt&content_type=text%2Fplain"
    file = client.request("POST", f"{BASE}/upload/complete/", told.encode(), **form).data
    assert client.request("POST", f"{BASE}/upload/retry", f"file_id={file['id']}".encode(), **form).status == 400
    no_file = client.request("POST", f"{BASE}/upload/chunk/", b"chunk_size=5&chunk_index=0&upload_id=x", **form)
    assert no_file.status == 422 and no_file.errors == ["[body->file] field required"]


@pytest.mark.parametrize("file_first", [False, True])
def test_fields_that_nobody_asked_for_may_be_of_any_number_and_length(client: ChunkClient, file_first: bool) -> None:
    notes = {"note": "x" * 200_000} | {f"note{number}": "" for number in range(100)}
    begun = client.post("/upload/init/", {**notes, "filename": "n" * 5000 + ".png"})
    told = {"chunk_size": 5, "upload_id": begun.data["upload_id"], "chunk_index": 0}
    assert client.post("/upload/chunk/", {**notes, **told}, b"hello", file_first=file_first).status == 200
    refused = client.post("/upload/chunk/", {**told, "chunk_index": "0" * 70_000}, b"hello", file_first=file_first)
    assert refused.status == 413 and "chunk_index" in refused.body["message"]
    file = client.complete(begun.data["upload_id"], total_chunks=1, total_size=5, **notes).data
    assert client.content(file["download_url"]) == b"hello"


@pytest.mark.parametrize("file_first", [False, True])
@pytest.mark.parametrize("size", [1, LARGEST - 1, LARGEST])
def test_the_fields_may_come_before_or_after_the_file(client: ChunkClient, size: int, file_first: bool) -> None:
    body = os.urandom(size)
    upload_id = client.init(total_size=size)
    for _ in range(2):
        assert client.chunk(upload_id, 0, body, size, file_first=file_first).status == 200
    assert client.chunk(upload_id, 0, body[:-1] + b"\0\1", size, file_first=file_first).status in (409, 422)
    file = client.complete(upload_id, total_chunks=1, total_size=size).data
    assert client.content(file["download_url"]) == body


@pytest.mark.parametrize("extension", [*SEEDS_EXTENSIONS.split(), "jpeg", "webp", "heif", "avif"])
def test_every_known_extension_is_taken(client: ChunkClient, extension: str) -> None:
    file = uploaded(client, b"hello", file_extension=extension).data
    assert file["path"].endswith(f".{extension}")


# What is missing or wrong

CHUNK: dict[str, object] = {"chunk_size": SIZE, "upload_id": UNKNOWN, "chunk_index": 0}
COMPLETE: dict[str, object] = {
    "upload_id": UNKNOWN,
    "total_chunks": 1,
    "total_size": SIZE,
    "file_extension": "png",
    "content_type": "image/png",
}
JUNK = ["", "x", "-1", "1.5", "+1", " 1", "1_0", "0x10", "1e3", "٣", "1" * 16, "1" * 5000, "NaN", "\0", "'; --", "null"]


@pytest.mark.parametrize("name", CHUNK)
def test_a_missing_field_of_a_chunk_is_named(client: ChunkClient, name: str) -> None:
    fields = {other: value for other, value in CHUNK.items() if other != name}
    for file_first in (False, True):
        answer = client.post("/upload/chunk/", fields, b"x" * SIZE, file_first=file_first)
        assert (answer.status, answer.errors, answer.body["message"]) == (422, [f"[body->{name}] field required"], "")


def test_every_missing_field_is_named_at_once(client: ChunkClient) -> None:
    answer = client.post("/upload/chunk/", {})
    assert answer.status == 422
    assert sorted(answer.errors) == sorted(f"[body->{name}] field required" for name in [*CHUNK, "file"])
    answer = client.post("/upload/complete/", {})
    assert sorted(answer.errors) == sorted(f"[body->{name}] field required" for name in COMPLETE)
    assert client.post("/upload/retry", {}).errors == ["[body->file_id] field required"]


def test_a_chunk_without_its_file_is_refused(client: ChunkClient) -> None:
    answer = client.post("/upload/chunk/", {**CHUNK, "upload_id": client.init()})
    assert (answer.status, answer.errors) == (422, ["[body->file] field required"])
    answer = client.post("/upload/chunk/", {**CHUNK, "upload_id": client.init(), "file": "only text"})
    assert (answer.status, answer.errors) == (422, ["[body->file] field required"])


@pytest.mark.parametrize("name", COMPLETE)
def test_a_missing_field_of_a_completion_is_named(client: ChunkClient, name: str) -> None:
    fields = {other: value for other, value in COMPLETE.items() if other != name}
    answer = client.post("/upload/complete/", fields)
    assert (answer.status, answer.errors) == (422, [f"[body->{name}] field required"])


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ["chunk_size", "chunk_index", "upload_id"])
def test_junk_in_a_chunks_field_is_refused(client: ChunkClient, name: str, junk: str) -> None:
    fields = {**CHUNK, "upload_id": client.init(), name: junk}
    for file_first in (False, True):
        answer = client.post("/upload/chunk/", fields, b"x" * SIZE, file_first=file_first)
        assert answer.status == 422 and answer.errors and answer.errors[0].startswith(f"[body->{name}] ")


def test_a_number_that_is_too_low_is_told_its_bound(client: ChunkClient) -> None:
    for name, least in {"chunk_index": 0, "chunk_size": 1}.items():
        for number in ("-1", "-007", "-" + "9" * 15):
            answer = client.post("/upload/chunk/", {**CHUNK, name: number}, b"x" * SIZE)
            assert (answer.status, answer.errors) == (
                422,
                [f"[body->{name}] input should be greater than or equal to {least}"],
            )
    for number in ("-0", "--1", "-", "-x"):
        answer = client.post("/upload/chunk/", {**CHUNK, "chunk_index": number}, b"x" * SIZE)
        assert "valid integer" in answer.errors[0]


@pytest.mark.parametrize("junk", [*JUNK, "jpge", "PNG", "image", "a/b/c", "image/\r\nx", "[1]", "{", '"a"', "1"])
@pytest.mark.parametrize("name", COMPLETE)
def test_junk_in_a_completions_field_is_refused(client: ChunkClient, name: str, junk: str) -> None:
    if name.startswith("total_") and junk == "1":
        pytest.skip("that is a number")
    answer = client.post("/upload/complete/", {**COMPLETE, "upload_id": client.init(), name: junk})
    assert answer.status == 422 and answer.errors and answer.errors[0].startswith(f"[body->{name}] ")


@pytest.mark.parametrize("name", ["credential", "detail"])
@pytest.mark.parametrize(
    "junk",
    ["x", "[]", "1", "null", '"a"', "{", '{"a": {"b": 1}}', '{"a": [1]}', "[" * 20_000, '{"a": NaN}', "{'a': 1}"],
    ids=range(11),
)
def test_what_is_no_flat_json_object_is_refused(client: ChunkClient, name: str, junk: str) -> None:
    answer = client.post("/upload/complete/", {**COMPLETE, "upload_id": client.init(), name: junk})
    assert (answer.status, answer.errors) == (422, [f"[body->{name}] invalid json format for {name}"])


def test_json_values_become_strings(client: ChunkClient) -> None:
    detail = '{"n": 1, "f": 1.5, "b": true, "z": null, "s": "x", "u": "\\ud800", "big": ' + "9" * 300 + "}"
    file = uploaded(client, b"hello", detail=detail).data
    expected = {"n": "1", "f": "1.5", "b": "True", "z": "None", "s": "x", "u": "\ud800", "big": "9" * 300}
    assert file["detail"] == expected
    assert client.get(file["id"]).data["detail"] == expected


def test_too_much_credential_or_detail_is_refused(client: ChunkClient) -> None:
    for name in ("credential", "detail"):
        answer = uploaded(client, b"hello", **{name: json.dumps({"a": "x" * 40_000})})
        assert answer.status == 422 and answer.errors[0].startswith(f"[body->{name}] ")


def test_an_empty_credential_is_none(client: ChunkClient) -> None:
    for credential in ("", "{}"):
        assert uploaded(client, b"hello", credential=credential).data["path"].startswith("public/")


@pytest.mark.parametrize("junk", ["x", "-1", "1" * 16])
def test_init_takes_no_junk(client: ChunkClient, junk: str) -> None:
    answer = client.post("/upload/init/", {"total_size": junk})
    assert answer.status == 422 and answer.errors[0].startswith("[body->total_size] ")


def test_init_refuses_what_is_too_large_at_once(client: ChunkClient) -> None:
    answer = client.post("/upload/init/", {"total_size": 10**14})
    assert answer.status == 422 and answer.errors[0].startswith("[body->total_size] ")


def test_a_chunk_size_over_the_largest_is_refused(client: ChunkClient) -> None:
    upload_id = client.init()
    answer = client.chunk(upload_id, 0, b"x", LARGEST + 1)
    assert answer.status == 422
    assert answer.errors == [f"[body->chunk_size] input should be less than or equal to {LARGEST}"]
    assert client.chunk(upload_id, 0, b"x", 0).status == 422


@pytest.mark.parametrize("file_first", [False, True])
def test_a_chunk_longer_than_its_size_is_refused(client: ChunkClient, file_first: bool) -> None:
    upload_id = client.init()
    for size, length in ((SIZE, SIZE + 1), (LARGEST, 4 * LARGEST)):
        answer = client.chunk(upload_id, 0, b"x" * length, size, file_first=file_first)
        assert (answer.status, answer.errors) == (422, ["[body->file] file sile is larger than valid chunk size"])
        client.close()
    assert client.chunk(upload_id, 0, b"x" * SIZE, SIZE).status == 200


@pytest.mark.parametrize("upload_id", [UNKNOWN, "x", "../../etc/passwd", "%00", "0" * 31, "A" * 32, "é"])
def test_an_unknown_upload_is_refused(client: ChunkClient, upload_id: str) -> None:
    for answer in (
        client.chunk(upload_id, 0, b"x", 1),
        client.chunk(upload_id, 0, b"x", 1, file_first=True),
        client.complete(upload_id, total_chunks=1, total_size=1),
    ):
        assert (answer.status, answer.body["message"]) == (422, NOT_BEGUN)
        assert answer.errors == [f"[body->upload_id] {NOT_BEGUN.lower()}"]


@pytest.mark.parametrize("file_id", [UNKNOWN, "x", "..%2f..%2fetc%2fpasswd", "%00"])
def test_an_unknown_file_is_not_found(client: ChunkClient, file_id: str) -> None:
    for answer in (client.get(file_id), client.status(file_id), client.retry(file_id)):
        assert (answer.status, answer.errors, answer.body["message"]) == (404, [], "Not found!")


def test_an_unfinished_upload_is_no_file_and_nothing_to_retry(client: ChunkClient) -> None:
    upload_id = client.init()
    assert client.get(upload_id).status == 404
    answer = client.retry(upload_id)
    assert (answer.status, answer.body["message"]) == (400, "File is uploading!")


# What does not fit together


def test_a_chunk_sent_again_with_other_bytes_is_a_conflict(client: ChunkClient) -> None:
    upload_id = client.init()
    for file_first in (False, True):
        assert client.chunk(upload_id, 0, b"x" * SIZE, SIZE, file_first=file_first).status == 200
        for other in (b"x" * 999 + b"y", b"x" * 999, b"y" * SIZE):
            answer = client.chunk(upload_id, 0, other, SIZE, file_first=file_first)
            assert answer.status == 409 and answer.errors == [] and answer.body["message"]
    file = client.complete(upload_id, total_chunks=1, total_size=SIZE).data
    assert client.content(file["download_url"]) == b"x" * SIZE


def test_a_size_that_changes_between_chunks_is_a_conflict(client: ChunkClient) -> None:
    upload_id = client.init()
    assert client.chunk(upload_id, 1, b"x" * SIZE, SIZE).status == 200
    assert client.chunk(upload_id, 0, b"x" * 500, 500).status == 409


def test_a_gap_is_answered_with_the_missing_indexes(client: ChunkClient) -> None:
    upload_id = client.init()
    for index in (0, 2, 5):
        client.chunk(upload_id, index, b"x" * SIZE, SIZE)
    answer = client.complete(upload_id, total_chunks=8, total_size=7500)
    assert (answer.status, answer.body["message"]) == (409, "Chunks are missing: 1, 3, 4, 6, 7")
    assert answer.errors == [f"[body->total_chunks] chunk {index} is missing" for index in (1, 3, 4, 6, 7)]
    for index in (1, 3, 4):
        client.chunk(upload_id, index, b"x" * SIZE, SIZE)
    # What was told before may have been wrong.
    assert client.complete(upload_id, total_chunks=6, total_size=6000).data["id"]


def test_a_completion_without_any_chunk_misses_all_of_them(client: ChunkClient) -> None:
    answer = client.complete(client.init(), total_chunks=2, total_size=1500)
    assert (answer.status, answer.body["message"]) == (409, "Chunks are missing: 0, 1")
    answer = client.complete(client.init(), total_chunks=10**14, total_size=10**14)
    assert answer.status in (409, 422)


@pytest.mark.parametrize(("chunks", "size"), [(2, 3000), (4, 3000), (3, 2000), (3, 2999), (1, 10), (3, 4001)])
def test_totals_that_disagree_with_the_chunks_are_refused(client: ChunkClient, chunks: int, size: int) -> None:
    upload_id = client.init()
    for index in range(3):
        client.chunk(upload_id, index, b"x" * SIZE, SIZE)
    answer = client.complete(upload_id, total_chunks=chunks, total_size=size)
    assert answer.status in (409, 422) and answer.errors
    assert client.complete(upload_id, total_chunks=3, total_size=3000).status == 200


def test_a_total_that_was_announced_otherwise_is_refused(client: ChunkClient) -> None:
    upload_id = client.init(total_size=1000)
    assert client.chunk(upload_id, 1, b"x", SIZE).status == 422
    assert client.chunk(upload_id, 0, b"x" * 999, SIZE).status == 422
    assert client.chunk(upload_id, 0, b"x" * 1000, SIZE).status == 200
    assert client.complete(upload_id, total_chunks=1, total_size=999).status == 422


@pytest.mark.parametrize("chunks", [0, 1])
def test_an_empty_file_can_be_brought_in(client: ChunkClient, chunks: int) -> None:
    upload_id = client.init()
    if chunks:
        assert client.chunk(upload_id, 0, b"", SIZE).status == 200
    file = client.complete(upload_id, total_chunks=chunks, total_size=0).data
    assert client.content(file["download_url"]) == b""


def test_a_completed_upload_takes_no_more_chunks(client: ChunkClient) -> None:
    file = uploaded(client, b"x" * SIZE).data
    answer = client.chunk(file["id"], 1, b"x" * SIZE, SIZE)
    assert answer.status == 409 and answer.errors == []


@pytest.mark.parametrize("first", [None, '{"k": "v", "n": 1}'])
def test_a_completion_is_said_again_with_the_same_words_or_not_at_all(client: ChunkClient, first: str | None) -> None:
    told: dict[str, object] = {"total_chunks": 1, "total_size": SIZE, "credential": first, "detail": '{"page": 3}'}
    file = uploaded(client, b"x" * SIZE, **told).data
    others: dict[str, list[object]] = {
        "credential": ['{"k": "w"}', '{"k": "v", "n": 2}', '{"k": "v", "n": 1, "o": 2}', None if first else '{"a": 1}'],
        "detail": ['{"page": 4}', "{}"],
        "total_size": [SIZE - 1],
        "file_extension": ["jpg"],
        "content_type": ["image/jpeg"],
    }
    for name, values in others.items():
        for value in values:
            answer = client.complete(file["id"], **{**told, name: value})
            assert (answer.status, len(answer.errors)) == (409, 1), (name, value)
            assert answer.errors[0].startswith(f"[body->{name}] the upload has been completed with another ")
            assert answer.body["message"] and "stays as it is" in answer.body["message"]
    for again in (told, {**told, "detail": None}, {**told, "credential": first and '{"n": "1", "k": "v"}'}):
        repeated = client.complete(file["id"], **again).data
        assert {**repeated, "download_url": ""} == {**file, "download_url": ""}


@pytest.mark.parametrize(("index", "size"), [(0, SIZE), (1, SIZE), (0, 500), (5, SIZE)])
@pytest.mark.parametrize("has_begun", [False, True])
def test_an_aborted_upload_says_so_whatever_is_wrong_with_the_chunk(
    client: ChunkClient, server: ServerProcess, has_begun: bool, index: int, size: int
) -> None:
    upload_id = client.init(total_size=2500)
    if has_begun:
        assert client.chunk(upload_id, 0, b"x" * SIZE, SIZE).status == 200
    assert Tus(Http(server.port)).delete(f"/uploads/{upload_id}").status == 204
    answer = client.chunk(upload_id, index, b"x" * size, size)
    assert (answer.status, answer.errors, answer.body["message"]) == (410, [], "the upload was aborted")


# Other dialects


def test_an_upload_begun_by_chunks_can_be_looked_at_in_tus(client: ChunkClient, server: ServerProcess) -> None:
    tus = Tus(Http(server.port))
    upload_id = client.init(total_size=2500, filename="holiday.png")
    for index in (2, 0):
        client.chunk(upload_id, index, b"x" * (500 if index == 2 else SIZE), SIZE)
    assert tus.offset(f"/uploads/{upload_id}") == 1000
    seen = tus.open_uploads()[upload_id]
    assert (seen["offset"], seen["length"], seen["filename"], seen["state"]) == (1000, 2500, "holiday.png", "RECEIVING")
    assert client.chunk(upload_id, 1, b"x" * SIZE, SIZE).status == 200
    assert tus.offset(f"/uploads/{upload_id}") == 2500
    file = client.complete(upload_id, total_chunks=3, total_size=2500).data
    assert tus.content(f"/uploads/{upload_id}") == b"x" * 2500
    assert tus.http.get(f"/files/{file['id']}").json()["name"] == "holiday.png"


def test_a_watcher_sees_the_chunks_arrive(client: ChunkClient, server: ServerProcess) -> None:
    upload_id = client.init(total_size=3000)
    watcher = WebSocket.open(Http(server.port), f"/ws/progress?upload_id={upload_id}")
    messages = watcher.messages(within=10)
    first = next(messages)
    assert (first["type"], first["offset"], first["length"]) == ("upload.snapshot", 0, 3000)
    for index in (1, 0, 2):
        client.chunk(upload_id, index, b"x" * SIZE, SIZE)
    client.complete(upload_id, total_chunks=3, total_size=3000)
    seen: list[dict[str, Any]] = [first]
    while seen[-1]["type"] != "upload.completed":
        seen.append(next(messages))
    watcher.close()
    offsets = [message["offset"] for message in seen]
    assert offsets == sorted(offsets) and offsets[-1] == 3000


def test_chunks_can_complete_what_tus_began(client: ChunkClient, server: ServerProcess) -> None:
    tus = Tus(Http(server.port))
    upload_id = target_of(tus.create(2000)).rsplit("/", 1)[-1]
    for index in (1, 0):
        assert client.chunk(upload_id, index, b"x" * SIZE, SIZE).status == 200
    assert client.complete(upload_id, total_chunks=2, total_size=2000).data["id"] == upload_id


# Errors that come before the dialect, in its own words all the same


def test_other_methods_are_refused_in_the_envelope(client: ChunkClient) -> None:
    for method, path in (("GET", "/upload/init/"), ("PUT", "/upload/chunk/"), ("POST", f"/get/{UNKNOWN}")):
        answer = client.request(method, BASE + path)
        assert answer.status == 405 and answer.errors == []
        assert answer.headers["allow"]


@pytest.mark.parametrize("body", [b"", b"x", b"--b", b"--b--", b"--b\r\n\r\n"])
def test_broken_forms_are_refused_in_the_envelope(client: ChunkClient, body: bytes) -> None:
    for path in ("/upload/init/", "/upload/chunk/", "/upload/complete/", "/upload/retry"):
        answer = client.request("POST", BASE + path, body, **{"Content-Type": "multipart/form-data; boundary=b"})
        assert answer.status in (200, 400, 422)
        if answer.status != 200:
            assert isinstance(answer.errors, list)


def test_strangers_are_refused_in_the_envelope(start_module_server: StartServer) -> None:
    server = start_module_server(AUTH_MODE="gateway", TRUSTED_PROXIES="127.0.0.1")
    alice, bob = ({"x-user-id": digit * 24} for digit in "ab")
    with ChunkClient(server.port) as stranger, ChunkClient(server.port, alice) as owner:
        answer = stranger.post("/upload/init/", {})
        assert answer.status == 401 and answer.errors == [] and answer.headers["www-authenticate"]
        upload_id = owner.init()
        with ChunkClient(server.port, bob) as other:
            assert other.chunk(upload_id, 0, b"x", 1).body["message"] == NOT_BEGUN
            assert other.complete(upload_id, total_chunks=1, total_size=1).status == 422
            assert other.status(upload_id).status == 404
            assert other.retry(upload_id).status == 404
        assert owner.chunk(upload_id, 0, b"x", 1).status == 200
        credential = '{"key": "secret"}'
        file = owner.complete(upload_id, total_chunks=1, total_size=1, credential=credential).data
        assert stranger.get(file["id"]).status == 403
        assert stranger.get(file["id"], key="secret").data["path"].startswith("private/")
        assert stranger.status(file["id"], key="secret").data == {"status": "SUCCESS"}


def test_chunks_do_not_count_against_the_rate_limit(start_module_server: StartServer) -> None:
    server = start_module_server(RATE_LIMIT="5/hour")
    with ChunkClient(server.port) as client:
        upload_id = client.init()
        for index in range(20):
            assert client.chunk(upload_id, index, b"x", 1).status == 200
        for _ in range(5):
            assert client.chunk(UNKNOWN, 0, b"x", 1).status == 422
        answer = client.post("/upload/init/", {})
        assert answer.status == 429 and answer.errors == [] and int(answer.headers["retry-after"]) > 0
        assert client.chunk(upload_id, 20, b"x", 1).status == 200


def test_a_lost_volume_is_told_in_the_envelope(start_module_server: StartServer) -> None:
    server = start_module_server()
    with ChunkClient(server.port) as client:
        upload_id = client.init()
        client.chunk(upload_id, 0, b"x" * SIZE, SIZE)
        [staged] = server.data_dir.glob(f"storage/staged/*/{upload_id}")
        content = staged.read_bytes()
        staged.unlink()
        lost = client.complete(upload_id, total_chunks=1, total_size=SIZE, credential='{"a": "b"}')
        assert lost.status == 410 and lost.errors == []
        assert client.status(upload_id).data == {"status": "FAILURE"}
        assert client.retry(upload_id).status == 403
        assert client.retry(upload_id, credential='{"a": "b"}').status == 410
        staged.write_bytes(content)
        file = client.retry(upload_id, credential='{"a": "b"}').data
        assert file["path"].startswith("private/") and file["content_type"] == "image/png"
        assert client.status(upload_id, a="b").data == {"status": "SUCCESS"}
        (server.data_dir / "storage" / ".longshore").unlink()
        upload_id = client.init()
        (server.data_dir / "storage" / "staged").rename(server.data_dir / "storage" / "away")
        away = client.chunk(upload_id, 0, b"x" * SIZE, SIZE)
        assert away.status == 503 and away.errors == [] and away.headers["retry-after"]
