"""``POST /upload`` (multipart, streamed) and ``PUT /upload/{name}`` (``curl -T``). Contract §2, §2.3."""

import contextlib
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import psutil
import pytest

from tests.e2e.beneath import beneath
from tests.e2e.conftest import StartServer, everywhere, on_each_database
from tests.e2e.tus import Tus, id_of, metadata, target_of
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require_program
from tests.support.until import until
from tests.support.wire import Header, Http, Response, WebSocket, chunked

BOUNDARY = "----a-boundary-of-our-own"
MULTIPART: Header = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
FILE_KEYS = {"id", "name", "size", "media_type", "checksum", "url"}


@dataclass(frozen=True)
class Part:
    """One part of a form; ``disposition`` is what follows ``form-data``."""

    disposition: str
    content: bytes
    media_type: str | None = None

    def encode(self) -> bytes:
        head = f"Content-Disposition: form-data{self.disposition}\r\n"
        head += f"Content-Type: {self.media_type}\r\n" if self.media_type else ""
        return f"--{BOUNDARY}\r\n{head}\r\n".encode("utf-8", "surrogateescape") + self.content + b"\r\n"


def file_part(content: bytes, name: str = "a.txt", media_type: str = "text/plain", *, field: str = "file") -> Part:
    return Part(f'; name="{field}"; filename="{name}"', content, media_type)


def form(*parts: Part) -> bytes:
    return b"".join(part.encode() for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def post(http: Http, *parts: Part, query: str = "") -> Response:
    return http.request("POST", f"/upload{query}", [MULTIPART], form(*parts))


def fetched(http: Http, url: str) -> bytes:
    """What the link of an answer leads to; it may be relative."""
    parts = urlsplit(urljoin(f"http://127.0.0.1:{http.port}/upload", url))
    answer = http.get(parts.path + (f"?{parts.query}" if parts.query else ""))
    assert answer.status == 200, answer
    return answer.body


def assert_refused(answer: Response, *statuses: int) -> None:
    """The seed's envelope: ``{"status":"error","message",…}``, and nothing that tells of our insides."""
    assert answer.status in statuses, answer
    body = answer.json()
    assert body["status"] == "error"
    assert isinstance(body["message"], str) and body["message"]
    assert "Traceback" not in answer.body.decode() and "file" not in body


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", [], 405),
        ("PUT", [], 405),
        ("POST", [("Content-Encoding", "gzip")], 415),
        ("POST", [("Expect", "a-miracle")], 417),
        ("POST", [("Origin", "https://elsewhere.example")], 403),
    ],
)
def test_what_the_server_refuses_before_it_reads_the_form_is_in_the_envelope_too(
    http: Http, method: str, headers: list[Header], status: int
) -> None:
    answer = http.request(method, "/upload/", [MULTIPART, *headers])
    assert_refused(answer, status)
    assert answer.json()["request_id"] == answer.header("X-Request-Id")
    assert status != 405 or answer.words("Allow") == {"post", "options"}


# --- one form


@everywhere
def test_a_file_is_stored_and_answered_to_the_letter(http: Http) -> None:
    answer = post(http, file_part(b"hello world", "a.txt"))
    assert answer.status == 200
    assert (answer.header("Content-Type") or "").startswith("application/json")
    body = answer.json()
    assert body.keys() == {"status", "message", "file"}
    assert (body["status"], body["message"]) == ("success", "File 'a.txt' uploaded successfully!")
    file = body["file"]
    assert file.keys() == FILE_KEYS
    assert (file["name"], file["size"], file["media_type"]) == ("a.txt", 11, "text/plain")
    assert file["checksum"]
    assert fetched(http, file["url"]) == b"hello world"
    assert http.get(f"/files/{file['id']}").json()["name"] == "a.txt"


@everywhere
def test_several_files_are_stored_in_their_order(http: Http) -> None:
    contents = [b"one", b"", os.urandom(200_000)]
    answer = post(http, *[file_part(content, f"{number}.bin") for number, content in enumerate(contents)])
    assert answer.status == 200
    files = answer.json()["files"]
    assert [file["name"] for file in files] == ["0.bin", "1.bin", "2.bin"]
    assert all(file.keys() == FILE_KEYS for file in files)
    assert [fetched(http, file["url"]) for file in files] == contents
    assert len({file["id"] for file in files}) == 3


@everywhere
def test_an_empty_file_is_a_file(http: Http) -> None:
    file = post(http, file_part(b"", "empty.txt")).json()["file"]
    assert (file["size"], fetched(http, file["url"])) == (0, b"")


def test_other_fields_beside_the_file_are_let_be(http: Http) -> None:
    note = Part('; name="note"', b"kind regards")
    other_file = file_part(b"not asked for", field="attachment")
    body = post(http, note, other_file, file_part(b"hello"), note).json()
    assert fetched(http, body["file"]["url"]) == b"hello"


def test_a_file_that_looks_like_a_boundary_is_kept_whole(http: Http) -> None:
    content = f"\r\n--{BOUNDARY[:-1]}\r\n--{BOUNDARY[:-1]}x\r\n----\r\n--\n--{BOUNDARY}\n".encode() * 2000 + b"\r\n--"
    assert fetched(http, post(http, file_part(content)).json()["file"]["url"]) == content


@everywhere
def test_a_form_may_come_in_pieces_of_any_size(http: Http) -> None:
    content = os.urandom(5_000)
    raw = form(file_part(content))
    pieces = [raw[:1], raw[1:3], *[raw[start : start + 7] for start in range(3, len(raw), 7)]]
    answer = http.request("POST", "/upload", [MULTIPART, ("Transfer-Encoding", "chunked")], chunked(*pieces))
    assert fetched(http, answer.json()["file"]["url"]) == content


def test_a_quoted_boundary_a_preamble_and_an_epilogue_are_understood(http: Http) -> None:
    quoted: Header = ("Content-Type", f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"')
    raw = b"this is the preamble\r\n" + form(file_part(b"hello")) + b"and this the epilogue"
    answer = http.request("POST", "/upload", [quoted], raw)
    assert fetched(http, answer.json()["file"]["url"]) == b"hello"


def test_a_trailing_slash_is_accepted(http: Http) -> None:
    assert http.request("POST", "/upload/", [MULTIPART], form(file_part(b"hello"))).status == 200


@everywhere
def test_a_long_form_is_never_held_in_memory(http: Http, module_server: ServerProcess) -> None:
    post(http, file_part(b"warm up"))
    process = psutil.Process(module_server.pid)
    before = process.memory_info().rss
    block, count = os.urandom(1024 * 1024), 96
    head, _, tail = form(file_part(b"<>", "big.bin")).partition(b"<>")
    highest = before
    with http.connect() as connection:
        framing: Header = ("Content-Length", str(len(head) + len(tail) + count * len(block)))
        connection.send(connection.head_bytes("POST", "/upload", [MULTIPART, framing]) + head)
        for _ in range(count):
            connection.send(block)
            highest = max(highest, process.memory_info().rss)
        connection.send(tail)
        answer = connection.receive()
    assert answer.json()["file"]["size"] == count * len(block)
    # For a bucket a part is gathered while another one is on its way.
    mebibytes = 60 if "STORAGE_URL" in module_server.env else 40
    assert highest - before < mebibytes * 1024 * 1024


# --- names


@on_each_database
@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('; filename="łódź ✓.txt"', "łódź ✓.txt"),
        (r'; filename="say \"hi\".txt"', 'say "hi".txt'),
        ('; filename="a;b=c.txt"', "a;b=c.txt"),
        ("; filename=plain.txt", "plain.txt"),
        ('; filename="C:\\fakepath\\x.txt"', "x.txt"),
        ('; filename="../../../etc/passwd"', "passwd"),
        # RFC 7578 §4.2: filename* MUST NOT be used in forms, so it must not win over the honest one
        ("; filename=\"good.txt\"; filename*=UTF-8''evil.exe", "good.txt"),
        ("; filename*=UTF-8''evil.exe; filename=\"good.txt\"", "good.txt"),
        # yet some send nothing else
        ("; filename*=UTF-8''%c5%82%c3%b3d%c5%ba.txt", "łódź.txt"),
        ("; filename*=iso-8859-1'fr'caf%E9.txt", "café.txt"),
        ("; filename*0*=UTF-8''a%20long; filename*1=' name.txt'", "a long' name.txt'"),
        ('; filename="=?utf-8?B?xYLDs2TFui50eHQ=?="', "łódź.txt"),
        ('; filename="=?iso-8859-1?q?caf=E9_=26_co=2Etxt?="', "café & co.txt"),
        ('; filename="caf\udce9.txt"', "café.txt"),  # in Latin-1
        ('; filename="say %22hi%22%0D%0A100%.txt"', 'say "hi"100%.txt'),
        (r'; filename="100%22 \"hi\".txt"', '100%22 "hi".txt'),
        ('; filename="say "hi".txt"', 'say "hi".txt'),
    ],
)
def test_a_name_is_understood_as_browsers_and_curl_write_it(http: Http, parameters: str, name: str) -> None:
    answer = post(http, Part(f'; name="file"{parameters}', b"hello"))
    assert answer.status == 200, answer
    file = answer.json()["file"]
    assert file["name"] == name
    assert answer.json()["message"] == f"File '{name}' uploaded successfully!"
    assert fetched(http, file["url"]) == b"hello"


@on_each_database
@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "/",
        "\\",
        "\0.txt",
        "a\0b.txt",
        "\x1b[31mred",
        "CON",
        "a\u202etxt.exe",
        "x" * 4096,
        " ",
        "'",
        "%00",
        "~",
    ],
    ids=ascii,
)
def test_a_nasty_name_is_display_data_only(http: Http, module_server: ServerProcess, name: str) -> None:
    answer = post(http, file_part(b"nasty", name))
    assert answer.status in (200, 400), answer
    if answer.status == 200:
        file = answer.json()["file"]
        assert fetched(http, file["url"]) == b"nasty"
        assert not {"/", "\\", "\0", "\x1b", "\u202e"} & set(file["name"] + answer.json()["message"])
    outside = {path.name for path in module_server.data_dir.parent.iterdir()} - {module_server.data_dir.name}
    assert "passwd" not in outside and "nasty" not in outside


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("文" * 200 + ".tar.gz", "文" * 82 + ".tar.gz"),
        ("é" * 125 + ".txt", "é" * 125 + ".txt"),
        ("e\u0301" * 100 + ".png", "e\u0301" * 83 + ".png"),
        (" a  name.txt ", " a  name.txt "),
        ("=?utf-8?q?no_header?=.txt", "=?utf-8?q?no_header?=.txt"),
        ("caf\udce9.txt", "café.txt"),
    ],
    ids=ascii,
)
def test_a_name_leaves_as_it_came_whatever_brought_it(http: Http, tus: Tus, sent: str, told: str) -> None:
    raw = sent.encode("utf-8", "surrogateescape")
    ids = [id_of(tus.completed(b"x", metadata(filename=raw)))]
    ids.append(id_of(http.request("PUT", f"/upload/{quote(raw)}", [], b"x").header("Location") or ""))
    charset = "ISO-8859-1" if "\udce9" in sent else "UTF-8"
    named = ("Content-Disposition", f"inline; filename*={charset}''{quote(raw)}")
    ietf: list[Header] = [("Upload-Complete", "?1"), named]
    ids.append(id_of(target_of(http.request("POST", "/uploads", ietf, b"x"))))
    if "=?" not in sent:
        ids.append(post(http, file_part(b"x", sent)).json()["file"]["id"])
    begun = http.request("POST", "/api/v1/file/upload/init", [MULTIPART], form(Part('; name="filename"', raw)))
    ids.append(begun.json()["data"]["upload_id"])
    assert tus.open_uploads()[ids.pop()]["filename"] == told
    for file_id in ids:
        assert http.get(f"/files/{file_id}").json()["name"] == told
        disposition = http.get(f"/files/{file_id}/content").header("Content-Disposition") or ""
        assert disposition.endswith(f"''{quote(told)}" if told.isascii() is False else f'filename="{told}"'), (
            disposition
        )


# --- refusals


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [Part('; name="note"', b"hello")],
        [file_part(b"hello", field="attachment")],
        [Part('; name="file"', b"a field, not a file")],
        [Part('; filename="a.txt"', b"a part without a name")],
        [Part("", b"a part without anything")],
    ],
)
def test_a_form_without_a_file_is_refused(http: Http, parts: list[Part]) -> None:
    assert_refused(post(http, *parts), 400)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b"hello"),
        ("application/json", b"{}"),
        ("multipart/form-data", form(file_part(b"hello"))),
        ("multipart/form-data; boundary=", form(file_part(b"hello"))),
        (f"multipart/form-data; boundary={'b' * 5000}", form(file_part(b"hello"))),
        ("multipart/form-data; boundary=another", form(file_part(b"hello"))),
        (MULTIPART[1], b""),
        (MULTIPART[1], b"not a form at all"),
        (MULTIPART[1], form(file_part(b"hello"))[: -len(BOUNDARY) - 6]),  # the last boundary is missing
        (MULTIPART[1], file_part(b"hello").encode().partition(b"\r\n\r\n")[0]),  # ends within a part's head
    ],
)
def test_what_is_no_form_is_refused(http: Http, content_type: str | None, body: bytes) -> None:
    named: list[Header] = [("Content-Type", content_type)] if content_type else []
    assert_refused(http.request("POST", "/upload", named, body), 400, 415)


def test_giant_part_headers_are_refused_in_bounds(http: Http, module_server: ServerProcess) -> None:
    before = psutil.Process(module_server.pid).memory_info().rss
    giants = [
        Part('; name="file"; filename="' + "x" * 2_000_000 + '"', b"hello"),
        Part('; name="file"; filename="a.txt"\r\nX-Giant: ' + "y" * 2_000_000, b"hello"),
        Part('; name="file"; filename="a.txt"' + "\r\nX-Many: z" * 100_000, b"hello"),
        Part('; name="' + "n" * 2_000_000 + '"', b"hello"),
    ]
    for giant in giants:
        assert_refused(post(http, giant), 400, 413, 431)
    assert psutil.Process(module_server.pid).memory_info().rss - before < 40 * 1024 * 1024


@pytest.mark.parametrize("count", [1_001, 20_000])
@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_too_many_files_are_refused_before_the_first_is_stored(http: Http, framing: str, count: int) -> None:
    upload_id = str(uuid.uuid4())
    watcher = WebSocket.open(http, f"/ws/progress?upload_id={upload_id}")
    raw = form(*[file_part(b"x", f"{number}.txt") for number in range(count)])
    told = [MULTIPART, ("Transfer-Encoding", "chunked")] if framing == "chunked" else [MULTIPART]
    answer = http.request("POST", f"/upload?upload_id={upload_id}", told, chunked(raw) if framing == "chunked" else raw)
    assert_refused(answer, 413)
    assert answer.json()["code"] == "too_many_form_parts" and "1000" in answer.json()["message"]
    watcher.send_json({"action": "ping"})
    seen = []
    for message in watcher.messages(within=5):
        seen.append(message["type"])
        if message["type"] == "pong":
            break
    watcher.close()
    assert seen == ["error", "pong"]


def test_as_many_parts_as_are_allowed_are_a_form_and_one_more_is_not(http: Http, module_server: ServerProcess) -> None:
    mark = os.urandom(64).hex().encode()
    notes = [Part('; name="note"', b"x" * 2_000)] * 999
    assert fetched(http, post(http, file_part(b"hello"), *notes).json()["file"]["url"]) == b"hello"
    answer = post(http, file_part(mark), *notes, Part('; name="note"', b"one more"))
    assert (answer.status, answer.json()["code"]) == (413, "too_many_form_parts")
    assert beneath(module_server).settled(mark, 0) == 0


def test_what_nobody_asked_for_is_passed_over_in_bounds_however_long(http: Http, module_server: ServerProcess) -> None:
    process = psutil.Process(module_server.pid)
    before = process.memory_info().rss
    note, other_file = Part('; name="note"', b"x" * 20_000_000), file_part(b"y" * 200_000, field="attachment")
    assert fetched(http, post(http, note, file_part(b"hello"), other_file).json()["file"]["url"]) == b"hello"
    assert fetched(http, post(http, other_file, file_part(b"hello"), note).json()["file"]["url"]) == b"hello"
    assert process.memory_info().rss - before < 40 * 1024 * 1024


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_file_over_the_maximum_is_refused(start_server: StartServer, framing: str) -> None:
    server = start_server(MAX_UPLOAD_SIZE="50000")
    http = Http(server.port)
    assert post(http, file_part(b"x" * 50_000)).status == 200
    raw = form(file_part(b"x", "a.bin"), file_part(b"x" * 50_001, "b.bin"))
    if framing == "chunked":
        answer = http.request("POST", "/upload", [MULTIPART, ("Transfer-Encoding", "chunked")], chunked(raw))
    else:
        answer = http.request("POST", "/upload", [MULTIPART], raw)
    assert_refused(answer, 413)
    assert answer.json()["message"].startswith("b.bin: ")
    assert beneath(server).settled(b"x" * 1000, 1) == 1


@everywhere
def test_a_form_cut_in_its_file_leaves_no_file(http: Http, module_server: ServerProcess) -> None:
    mark = os.urandom(64).hex().encode()
    raw = form(file_part(mark * 5_000))
    with http.connect() as connection:
        connection.send_head("POST", "/upload", [MULTIPART, ("Content-Length", str(len(raw)))])
        connection.send(raw[: len(raw) // 2])
        time.sleep(0.2)
    assert beneath(module_server).settled(mark, 0) == 0


@everywhere
@pytest.mark.parametrize("size", [5_000, 3_000_000])
def test_what_has_come_of_a_file_is_stored_within_a_second_though_its_form_stalls(http: Http, size: int) -> None:
    upload_id, before = str(uuid.uuid4()), Tus(http).open_uploads().keys()
    raw = form(file_part(os.urandom(size)))
    with http.connect() as connection:
        connection.send_head("POST", f"/upload?upload_id={upload_id}", [MULTIPART, ("Content-Length", str(len(raw)))])
        connection.send(raw[:-1000])
        until(lambda: Tus(http).open_uploads().keys() - before)  # its file has begun to come
        watcher = WebSocket.open(http, f"/ws/progress?upload_id={upload_id}")
        offsets = [message["offset"] for message in watcher.messages(within=1.9)]
        watcher.close()
        assert size - 2000 < max(offsets) < size, offsets
        connection.send(raw[-1000:])
        assert connection.receive().status == 200


def test_a_kill_in_a_form_leaves_its_files_each_whole_or_not_at_all(start_server: StartServer) -> None:
    server = start_server()
    first, second = (os.urandom(64).hex().encode() for _ in range(2))
    raw = form(file_part(first * 5_000, "first.txt"), file_part(second * 5_000, "second.txt"))
    http = Http(server.port)
    with http.connect() as connection:
        connection.send_head("POST", "/upload", [MULTIPART, ("Content-Length", str(len(raw)))])
        connection.send(raw[:-1000])
        until(lambda: _stored(server.data_dir) and _staged(server.data_dir, second))
        server.kill()
    server.restart()
    [file_id] = _stored(server.data_dir)
    assert fetched(http, f"/files/{file_id}/content") == first * 5_000
    [unfinished] = Tus(http).open_uploads().values()
    assert unfinished["filename"] == "second.txt" and unfinished["url"]


@everywhere
def test_a_form_refused_after_a_good_file_leaves_no_file(http: Http, module_server: ServerProcess) -> None:
    mark = os.urandom(64).hex().encode()
    raw = file_part(mark * 5_000).encode() + b"--" + BOUNDARY.encode() + b"\r\nbroken head"
    assert_refused(http.request("POST", "/upload", [MULTIPART], raw), 400)
    assert beneath(module_server).settled(mark, 0) == 0


def test_a_refused_form_gets_its_answer_and_no_100(http: Http) -> None:
    with http.connect() as connection:
        headers: list[Header] = [
            ("Content-Type", "text/plain"),
            ("Content-Length", "5"),
            ("Expect", "100-continue"),
        ]
        connection.send_head("POST", "/upload", headers)
        answer = connection.receive(within=5)
    assert_refused(answer, 400, 415)
    assert answer.interim == ()


# --- watched by its own page


@everywhere
def test_a_page_can_watch_its_own_form_post(http: Http) -> None:
    upload_id = str(uuid.uuid4())
    content = os.urandom(400_000)
    raw = form(file_part(content, "watched.bin"))
    half = len(raw) // 2
    with http.connect() as connection:
        connection.send_head("POST", f"/upload?upload_id={upload_id}", [MULTIPART, ("Content-Length", str(len(raw)))])
        connection.send(raw[:half])
        time.sleep(0.3)
        watcher = WebSocket.open(http, f"/ws/progress?upload_id={upload_id}")
        snapshot = next(watcher.messages(within=5))
        connection.send(raw[half:])
        assert connection.receive().status == 200
    seen: list[dict[str, Any]] = [snapshot]
    for message in watcher.messages(within=5):
        seen.append(message)
        if message["type"] == "upload.completed":
            break
    watcher.close()
    assert snapshot["type"] == "upload.snapshot"
    assert seen[-1]["type"] == "upload.completed"
    assert {message["upload_id"] for message in seen} == {upload_id}
    assert {message["filename"] for message in seen} == {"watched.bin"}
    assert seen[-1]["offset"] == len(content)


@pytest.mark.parametrize("upload_id", ["junk", "1", "../x", "%00", "0" * 5000, "'--"])
def test_an_upload_id_that_is_no_uuid_is_refused(http: Http, upload_id: str) -> None:
    assert_refused(post(http, file_part(b"hello"), query=f"?upload_id={upload_id}"), 400)


@everywhere
def test_an_upload_id_used_again_replaces_nothing(http: Http) -> None:
    query = f"?upload_id={uuid.uuid4()}"
    first = post(http, file_part(b"first"), query=query).json()["file"]
    second = post(http, file_part(b"second"), query=query)
    assert second.status < 500
    assert fetched(http, first["url"]) == b"first"


# --- curl


def curl(*words: str, body: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    program = require_program("curl")
    return subprocess.run(
        [program, "--silent", "--show-error", "--fail-with-body", "--max-time", "30", *words],
        input=body,
        stdin=None if body is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=40,
        check=False,
    )


@everywhere
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_curl_uploads_a_file_and_is_told_the_link(http: Http, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)  # above 1 MiB curl asks with Expect: 100-continue first
    (tmp_path / "my file.bin").write_bytes(content)
    done = curl("-T", str(tmp_path / "my file.bin"), f"http://127.0.0.1:{http.port}/upload/")
    assert done.returncode == 0, done
    link = _link(done.stdout)
    assert fetched(http, link) == content
    disposition = http.get(urlsplit(link).path).header("Content-Disposition") or ""
    assert "my file.bin" in disposition or "my%20file.bin" in disposition


@everywhere
def test_curl_uploads_what_comes_through_a_pipe(http: Http) -> None:
    content = os.urandom(500_000)
    done = curl("-T", "-", f"http://127.0.0.1:{http.port}/upload/from-a-pipe.bin", body=content)
    assert done.returncode == 0, done
    assert fetched(http, _link(done.stdout)) == content


@everywhere
def test_curl_posts_a_form(http: Http, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    path = tmp_path / 'quoted "name".bin'
    path.write_bytes(content)
    done = curl("-F", f"file=@{json.dumps(str(path))};type=application/x-own", f"http://127.0.0.1:{http.port}/upload")
    assert done.returncode == 0, done
    file = json.loads(done.stdout)["file"]
    assert (file["name"], file["media_type"], file["size"]) == (path.name, "application/x-own", len(content))
    assert fetched(http, file["url"]) == content


@pytest.mark.parametrize(
    ("path", "name"),
    [("caf%C3%A9.txt", "café.txt"), ("a%2Fb.txt", "b.txt"), ("..%2f..%2fetc%2fpasswd", "passwd")],
)
def test_a_put_takes_its_name_from_the_address(http: Http, path: str, name: str) -> None:
    answer = http.request("PUT", f"/upload/{path}", [], b"hello")
    assert answer.status in (200, 201)
    link = _link(answer.body)
    assert fetched(http, link) == b"hello"
    disposition = http.get(urlsplit(link).path).header("Content-Disposition") or ""
    assert f'"{name}"' in disposition or f"''{quote(name)}" in disposition
    assert ".." not in disposition and "%2f" not in disposition.lower()


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_put_over_the_maximum_is_refused(start_server: StartServer, framing: str) -> None:
    http = Http(start_server(MAX_UPLOAD_SIZE="50000").port)
    body = b"x" * 50_001
    if framing == "chunked":
        answer = http.request("PUT", "/upload/big.bin", [("Transfer-Encoding", "chunked")], chunked(body))
    else:
        answer = http.request("PUT", "/upload/big.bin", [], body)
    assert answer.status == 413


@everywhere
def test_a_put_cut_in_its_body_leaves_no_file(http: Http, module_server: ServerProcess) -> None:
    mark = os.urandom(64).hex().encode()
    body = mark * 5_000
    with http.connect() as connection:
        connection.send_head("PUT", "/upload/cut.bin", [("Content-Length", str(len(body)))])
        connection.send(body[: len(body) // 2])
        time.sleep(0.2)
    assert beneath(module_server).settled(mark, 0) == 0


def _link(printed: bytes) -> str:
    """The one link that is printed; a terminal shows it on a line of its own."""
    lines = printed.decode().split("\n")
    assert len(lines) == 2 and lines[1] == "", printed
    assert "/files/" in lines[0]
    return lines[0]


def _stored(data_dir: Path) -> list[str]:
    return [path.name for path in (data_dir / "storage" / "blobs").rglob("*") if path.is_file()]


def _staged(data_dir: Path, mark: bytes) -> bool:
    return any(_contents_with(data_dir / "storage" / "staged", mark))


def _contents_with(folder: Path, mark: bytes) -> Iterable[bool]:
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the server tidies up meanwhile
            yield path.is_file() and mark in path.read_bytes()
