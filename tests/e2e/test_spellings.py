"""What means the same is the same: ids in any case, escaped paths, a part's URL under any name. Contract §1."""

import json
import uuid

import pytest

from tests.e2e.tus import BYTES, VERSION, Tus, id_of, target_of
from tests.support.wire import Header, Http, WebSocket

PARTIAL: Header = ("Upload-Concat", "partial")
FORM: Header = ("Content-Type", "multipart/form-data; boundary=b")
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'


def form(*fields: tuple[str, str], file: bytes | None = None) -> bytes:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    ending = b"" if file is None else b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    return "".join(parts).encode() + ending + (file or b"") + b"\r\n--b--\r\n"


def test_an_id_is_the_same_in_any_case(tus: Tus) -> None:
    target = tus.created(10)
    shouted = f"/uploads/{id_of(target).upper()}"
    assert tus.patch(shouted, 0, b"hello").status == 204
    assert tus.offset(target) == tus.offset(shouted) == 5
    assert tus.patch(target, 5, b"world").status == 204
    file = id_of(target).upper()
    assert tus.http.get(f"/files/{file}/content").body == b"helloworld"
    assert tus.http.get(f"/files/{file}").json()["id"] == id_of(target)
    assert tus.http.get(f"/api/v1/file/status/{file}").json()["data"]["status"] == "SUCCESS"
    assert tus.delete(shouted).status == 204
    assert tus.head(target).status in (404, 410)


def test_the_chunk_api_takes_them_so_too(http: Http) -> None:
    begun = http.request("POST", "/api/v1/file/upload/init").json()["data"]["upload_id"]
    fields = [("upload_id", begun.upper()), ("chunk_size", "5"), ("chunk_index", "0")]
    sent = http.request("POST", "/api/v1/file/upload/chunk", [FORM], form(*fields, file=b"hello"))
    assert (sent.status, sent.json()["data"]["upload_id"]) == (200, begun)


@pytest.mark.parametrize("path", ["/%75ploads", "/uplo%61ds/", "/%75%70%6C%6f%61%64%73"])
def test_a_path_is_the_same_escaped(tus: Tus, path: str) -> None:
    target = target_of(tus.http.request("POST", path, [VERSION, ("Upload-Length", "5")]))
    escaped = f"{path.rstrip('/')}/{''.join(f'%{ord(letter):02x}' for letter in id_of(target))}"
    assert tus.patch(escaped, 0, b"hello").status == 204
    assert tus.content(target) == tus.content(escaped) == b"hello"


@pytest.mark.parametrize("path", ["/%68ealth", "/stat%69c/app.js", "/event%73?upload_id=x", "/%77s/progress"])
def test_so_is_every_other_path(http: Http, path: str) -> None:
    with http.connect() as connection:
        connection.send_head("GET", path)
        assert connection.receive_head().status in (200, 426)


def test_a_name_keeps_what_is_escaped_in_it(http: Http) -> None:
    for path, name in (("a%2541", "a%41"), ("%61%20b", "a b"), ("a%25", "a%")):
        link = http.request("PUT", f"/upload/{path}", [], b"hello").header("Location") or ""
        assert http.get(link).json()["name"] == name


@pytest.mark.parametrize(
    "written",
    [
        "/uploads/{id}",
        "/uploads/{ID}/",
        "uploads/{id}",
        "https://files.example/uploads/{id}",
        "http://FILES.example:80/prefix/uploads/{id}",
        "http://[::1]:1/%75ploads/{id}",
        "//files.example/uploads/{id}?a=b",
    ],
)
def test_a_part_is_named_by_its_id_under_whatever_name(tus: Tus, written: str) -> None:
    parts = [tus.completed(content, PARTIAL) for content in (b"hello", b" world")]
    urls = [written.format(id=id_of(part), ID=id_of(part).upper()) for part in parts]
    answer = tus.http.request("POST", "/uploads", [VERSION, ("Upload-Concat", f"final;{' '.join(urls)}")])
    assert tus.content(target_of(answer)) == b"hello world"
    assert tus.head(target_of(answer)).header("Upload-Concat") == f"final;{' '.join(urls)}"


def test_a_form_is_watched_by_its_id_in_any_case(http: Http) -> None:
    """And told as its reader wrote it: who asks for capitals looks for capitals in what comes."""
    chosen = str(uuid.uuid4())
    for posted, watched in ((chosen.upper(), chosen), (chosen, chosen.upper()), (chosen.upper(), chosen.upper())):
        assert http.request("POST", f"/upload?upload_id={posted}", [FORM], FILE).status == 200
        socket = WebSocket.open(http, f"/ws/progress?upload_id={watched}")
        shown = next(socket.messages(within=10))
        assert (shown["type"], shown["upload_id"]) == ("upload.snapshot", watched)
        socket.close()
        with http.connect() as connection:
            connection.send_head("GET", f"/events?upload_id={watched}")
            assert connection.receive_head().status == 200
            told = b""
            while not told.endswith(b"}\n\n"):
                told += connection.take(1)
            assert json.loads(told.partition(b"data: ")[2])["upload_id"] == watched
    unknown = str(uuid.uuid4()).upper()
    socket = WebSocket.open(http, f"/ws/progress?upload_id={unknown}")
    assert next(socket.messages(within=10))["upload_id"] == unknown
    socket.close()


def test_a_creation_that_brings_bytes_may_be_escaped_as_well(tus: Tus) -> None:
    created = tus.http.request("POST", "/upl%6Fads", [VERSION, BYTES, ("Upload-Length", "5")], b"hello")
    assert tus.content(target_of(created)) == b"hello"
