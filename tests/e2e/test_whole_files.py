"""What is not the whole file is never stored as one: fragments, wrappings, encodings, bodies of which nobody knows the
end. Contract §1; and ``PUT`` of those who go on with an upload later (§2.2).
"""

import json
import os
from urllib.parse import urlencode

import pytest

from tests.e2e.beneath import beneath
from tests.e2e.chunk_client import BASE, ChunkClient
from tests.e2e.ietf import COMPLETE, EXPECT, MORE, Ietf, interop
from tests.e2e.test_form_upload import MULTIPART, Part, assert_refused, fetched, file_part, form, post
from tests.e2e.tus import Tus, target_of
from tests.support.processes.server import ServerProcess
from tests.support.until import until
from tests.support.wire import Header, Http

MARK = os.urandom(32).hex().encode()

# As each of them names the chunk's place and their number; of the first two also as resumable.js counts, from 1.
CHUNKS: dict[str, dict[str, object]] = {
    "Dropzone": {"dzuuid": "a", "dzchunkindex": 1, "dztotalfilesize": 1000, "dztotalchunkcount": 3},
    "resumable.js": {"resumableChunkNumber": 2, "resumableTotalSize": 1000, "resumableTotalChunks": 3},
    "flow.js": {"flowChunkNumber": 1, "flowTotalSize": 1000, "flowTotalChunks": 3},
    "plupload": {"name": "a.bin", "chunk": 0, "chunks": 3},
    "plupload, by bytes": {"name": "a.bin", "offset": 0, "total": 1000},
    "Fine Uploader": {"qqpartindex": 1, "qqpartbyteoffset": 64, "qqtotalfilesize": 1000, "qqtotalparts": 3},
    "simple-uploader.js": {"chunkNumber": 1, "totalSize": 1000, "totalChunks": 3},
    "ng-file-upload": {"_chunkSize": 64, "_currentChunkSize": 64, "_chunkNumber": 0, "_totalSize": 1000},
    "Syncfusion": {"chunk-index": 1, "total-chunk": 3},
    "Kendo UI": {"metadata": json.dumps({"chunkIndex": 1, "totalChunks": 3, "uploadUid": "a"})},
    "DevExtreme": {"chunkMetadata": json.dumps({"Index": 1, "TotalCount": 3, "FileSize": 1000})},
    "an index without a number": {"chunk_index": 2},
}
WHOLE: dict[str, dict[str, object]] = {
    "Dropzone": {"dzchunkindex": 0, "dztotalfilesize": 64, "dztotalchunkcount": 1},
    "resumable.js": {"resumableChunkNumber": 1, "resumableTotalSize": 64, "resumableTotalChunks": 1},
    "plupload": {"name": "a.bin", "chunk": 0, "chunks": 1},
    "plupload of an empty file": {"name": "a.bin", "chunk": 0, "chunks": 0},
    "plupload, by bytes": {"offset": 0, "total": 64},
    "ng-file-upload": {"_chunkSize": 64, "_chunkNumber": 0, "_totalSize": 64},
    "words of a person": {"chunk": "of the wall", "chunks": "many", "metadata": "[1]", "offset": 60, "total": ""},
}
IN_HEAD: list[list[Header]] = [
    [("Content-Range", "bytes 5-9/10")],
    [("Content-Range", "bytes 0-63/*")],
    [("X-Content-Range", "bytes 64-127/1000")],
    [("OC-Chunked", "1")],
    [("Upload-Offset", "64")],
    [("Tus-Resumable", "1.0.0"), ("Upload-Complete", "?0")],
    [("uploader-chunk-number", "1"), ("uploader-chunks-total", "3")],
]


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left(module_server: ServerProcess, http: Http) -> object:
    yield
    assert beneath(module_server).settled(MARK, 0) == 0
    assert Tus(http).open_uploads() == {}


def fields(told: dict[str, object]) -> list[Part]:
    return [Part(f'; name="{name}"', str(value).encode()) for name, value in told.items()]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("uploader", CHUNKS)
def test_a_form_that_is_one_chunk_of_many_is_refused(http: Http, uploader: str, is_first: bool) -> None:
    parts = [*fields(CHUNKS[uploader]), file_part(MARK, "blob")]
    answer = post(http, *(parts if is_first else reversed(parts)))
    assert_refused(answer, 400)
    assert answer.json()["code"] == "not_whole_file"


@pytest.mark.parametrize("uploader", WHOLE)
def test_a_file_that_such_an_uploader_sends_in_one_piece_is_a_file(http: Http, uploader: str) -> None:
    content = os.urandom(64)
    answer = post(http, *fields(WHOLE[uploader]), file_part(content))
    assert fetched(http, answer.json()["file"]["url"]) == content


@pytest.mark.parametrize("uploader", ["Dropzone", "plupload, by bytes", "an index without a number"])
def test_a_query_says_it_as_well(http: Http, uploader: str) -> None:
    query = urlencode(CHUNKS[uploader])
    assert post(http, file_part(MARK), query=f"?{query}").json()["code"] == "not_whole_file"
    assert http.request("PUT", f"/upload/a.bin?{query}", [], MARK).json()["code"] == "not_whole_file"
    assert http.request("PUT", f"/upload/a.bin?{urlencode(WHOLE['Dropzone'])}", [], b"whole").status == 201


@pytest.mark.parametrize("headers", IN_HEAD, ids=str)
def test_a_fragment_is_refused_before_its_body(http: Http, headers: list[Header]) -> None:
    for method, target, type_, body in (
        ("PUT", "/upload/a.bin", ("Content-Type", "image/png"), MARK),
        ("POST", "/upload", MULTIPART, form(file_part(MARK))),
    ):
        with http.connect() as connection:
            length = ("Content-Length", str(len(body)))
            connection.send_head(method, target, [type_, length, EXPECT, *headers])
            answer = connection.receive(within=5)
        assert (answer.status, answer.json()["code"], answer.interim) == (400, "not_whole_file", ())


def test_a_part_that_has_a_range_is_a_fragment(http: Http) -> None:
    ranged = Part('; name="file"; filename="a.bin"\r\nContent-Range: bytes 0-63/1000', MARK)
    assert post(http, ranged).json()["code"] == "not_whole_file"


@pytest.mark.parametrize(
    "media_type", [MULTIPART[1], "Multipart/Form-Data;boundary=x", "multipart/byteranges; boundary=x"]
)
def test_a_form_is_not_the_file_that_a_put_brings(http: Http, media_type: str) -> None:
    told: Header = ("Content-Type", media_type)
    assert http.request("PUT", "/upload/a.bin", [told], form(file_part(MARK))).status == 415
    for target, method in (("/upload/a.bin", "PUT"), ("/uploads", "POST")):
        assert http.request(method, target, [told, COMPLETE, interop(8)], form(file_part(MARK))).status == 415


def test_a_saved_page_is_a_file_though_it_is_multipart(http: Http) -> None:
    assert (
        http.request("PUT", "/upload/a.mht", [("Content-Type", "multipart/related; boundary=x")], b"--x").status == 201
    )


@pytest.mark.parametrize(
    "header",
    [
        "Content-Transfer-Encoding: base64",
        "content-transfer-encoding:  Quoted-Printable ",
        "Content-Transfer-Encoding: x-uuencode",
        "Content-Encoding: gzip",
    ],
)
def test_an_encoded_part_is_refused(http: Http, module_server: ServerProcess, header: str) -> None:
    encoded = Part(f'; name="file"; filename="a.bin"\r\n{header}', MARK)
    answer = post(http, file_part(b"before it"), encoded)
    assert_refused(answer, 415)
    assert answer.json()["code"] == "unsupported_media_type"
    with ChunkClient(module_server.port) as client:
        upload_id = client.init()
    told = fields({"chunk_size": 64, "upload_id": upload_id, "chunk_index": 0})
    assert http.request("POST", f"{BASE}/upload/chunk/", [MULTIPART], form(*told, encoded)).status == 415
    assert Tus(http).open_uploads()[upload_id]["offset"] == 0
    Tus(http).delete(f"/uploads/{upload_id}")


@pytest.mark.parametrize("encoding", ["binary", "8bit", "7BIT"])
def test_a_part_that_says_it_is_not_encoded_is_not(http: Http, encoding: str) -> None:
    part = Part(f'; name="file"; filename="a.bin"\r\nContent-Transfer-Encoding: {encoding}', b"as it is")
    let_be = Part('; name="note"\r\nContent-Transfer-Encoding: quoted-printable', b"kind=20regards")
    assert fetched(http, post(http, let_be, part).json()["file"]["url"]) == b"as it is"


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_a_put_that_tells_no_length_is_refused(http: Http, version: str) -> None:
    with http.connect() as connection:
        connection.send(f"PUT /upload/a.bin {version}\r\nHost: 127.0.0.1:{http.port}\r\n\r\n".encode())
        answer = connection.receive(within=5)
    assert (answer.status, answer.json()["code"]) == (411, "length_required")


# --- PUT, by those who go on later


@pytest.mark.parametrize("size", [5, 2_000_000])
def test_a_put_that_is_not_complete_can_be_gone_on_with(http: Http, size: int) -> None:
    content = os.urandom(size)
    ietf = Ietf(http)
    answer = http.request("PUT", "/upload/caf%C3%A9.bin", [interop(8), MORE], content[: size // 2])
    target = target_of(answer)
    assert target.startswith("/uploads/")
    assert answer.header("Upload-Complete") == "?0"
    assert answer.interim[0].status == 104
    assert ietf.stands(target) == ("?0", size // 2)
    done = ietf.patch(target, size // 2, content[size // 2 :], COMPLETE)
    assert (done.status, done.json()["name"], done.json()["size"]) == (201, "café.bin", size)
    assert ietf.content(target) == content


@pytest.mark.parametrize("version", [8, 6, 5, 3, None])
def test_a_put_that_is_complete_is_the_file_as_json(http: Http, version: int | None) -> None:
    says: Header = ("Upload-Incomplete", "?0") if version == 3 else COMPLETE
    answer = http.request("PUT", "/upload/a.txt", [*Ietf(http, version).spoken, says], b"hello")
    assert (answer.status, answer.header("Upload-Complete"), answer.json()["name"]) == (201, "?1", "a.txt")
    assert Ietf(http).content(target_of(answer)) == b"hello"


def test_a_put_that_is_cut_is_gone_on_with_where_its_104_said(http: Http) -> None:
    with http.connect() as connection:
        connection.send_head("PUT", "/upload/a.txt", [interop(8), COMPLETE, ("Content-Length", "10")])
        announced = connection.receive_interim()
        target = announced.header("Location") or ""
        connection.send(b"hello")
    until(lambda: http.get(target).json()["offset"] == 5)
    ietf = Ietf(http)
    assert ietf.stands(target) == ("?0", 5)
    assert ietf.patch(target, 5, b"world", COMPLETE).status == 201
    assert ietf.content(target) == b"helloworld"


def test_a_fragment_is_none_of_this_dialect_either(http: Http) -> None:
    told: Header = ("Content-Range", "bytes 5-9/10")
    for method, target in (("PUT", "/upload/a.bin"), ("POST", "/uploads")):
        answer = http.request(method, target, [interop(8), COMPLETE, told], MARK)
        assert (answer.status, answer.json()["code"]) == (400, "not_whole_file")
