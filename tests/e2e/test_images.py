"""Pictures at ``/images``: taken in, or made of stored files, drawn, told of and given out. Contract §2.6."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import urlencode, urlsplit

import pillow_heif
import pytest
from PIL import Image

from tests.e2e.conftest import StartServer
from tests.e2e.test_form_upload import MULTIPART, Part, file_part, form
from tests.e2e.test_owners import ANNA, BERT, GATEWAY, UNKNOWN, as_user
from tests.e2e.test_progress import of_type, until, watch
from tests.e2e.test_visibility import CREDENTIAL, SHOWN, described
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.until import until as comes
from tests.support.wire import Header, Http, Response

BOXES = {"100x100": (100, 75), "300x300": (300, 225), "1200x1200": (1200, 900)}
JSON: Header = ("Content-Type", "application/json")
MAX_FILE_SIZE = 300_000
QUEUED = "Image uploaded successfully and queued for processing"


@cache
def picture(kind: str) -> bytes:
    """1600 by 1200 pixels of two colours."""
    image = Image.new("RGB", (1600, 1200), (200, 30, 30))
    image.paste((30, 30, 200), (0, 0, 800, 1200))
    file = BytesIO()
    if kind == "heic":
        pillow_heif.from_pillow(image).save(file, quality=80)
    else:
        image.save(file, kind)
    return file.getvalue()


def post(http: Http, data: bytes, name: str = "a.jpg", *, query: str = "") -> Response:
    return http.request("POST", f"/images{query}", [MULTIPART], form(file_part(data, name, "image/jpeg")))


def posted(http: Http, data: bytes, name: str = "a.jpg", *, query: str = "") -> str:
    """The id of the image, answered to the letter."""
    answer = post(http, data, name, query=query)
    assert answer.status == 200, answer
    assert (answer.header("Content-Type") or "").startswith("application/json")
    body = answer.json()
    assert body == {"id": body["id"], "status": "PROCESSING", "message": QUEUED}
    return str(body["id"])


def enlist(http: Http, file_id: str, query: str = "") -> Response:
    return http.request("POST", f"/images{query}", [JSON], json.dumps({"file_id": file_id}).encode())


def over(http: Http, image_id: str, query: str = "") -> dict[str, Any]:
    """What is told of it, once it is DONE or ERROR."""

    def look() -> dict[str, Any]:
        answer = http.get(f"/images/{image_id}{query}")
        assert answer.status == 200, answer
        body: dict[str, Any] = answer.json()
        assert list(body["thumbnails"]) == list(BOXES)
        assert all(body["thumbnails"].values()) == (body["status"] == "DONE")
        assert ("error" in body) == (body["status"] == "ERROR")
        return body if body["status"] in ("DONE", "ERROR") else {}

    return comes(look)


def target(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def assert_refused(answer: Response, status: int, detail: str | None = None) -> None:
    body = answer.json()
    assert answer.status == status, answer
    assert body.keys() == {"detail", "code", "request_id"}
    assert isinstance(body["detail"], str) and body["detail"]
    assert detail in (None, body["detail"])
    assert "Traceback" not in body["detail"]


@pytest.fixture(scope="module")
def module_server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(MAX_FILE_SIZE=str(MAX_FILE_SIZE), IMAGE_MAX_PIXELS="2MP")


# --- taking in


@pytest.mark.parametrize(
    ("kind", "name", "media_type"),
    [
        ("jpeg", "sea.jpg", "image/jpeg"),
        ("png", "SEA.PNG", "image/png"),
        ("webp", "sea.webp", "image/webp"),
        ("gif", "a sea", "image/gif"),
        ("heic", "sea.jpg", "image/heic"),  # as some phones name it
    ],
)
def test_a_picture_becomes_thumbnails(http: Http, kind: str, name: str, media_type: str) -> None:
    data = picture(kind)
    image_id = posted(http, data, name)
    told = over(http, image_id)
    assert told.keys() == {"id", "status", "original_url", "thumbnails"}
    assert (told["id"], told["status"]) == (image_id, "DONE")
    original = http.get(told["original_url"])
    assert (original.status, original.body, original.header("Content-Type")) == (200, data, media_type)
    file = http.get(f"/files/{image_id}").json()
    assert (file["name"], file["media_type"], file["size"]) == (name, media_type, len(data))
    for label, size in BOXES.items():
        answer = http.get(told["thumbnails"][label])
        drawn = Image.open(BytesIO(answer.body))
        assert drawn.size == size
        red, green, blue = drawn.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert blue > 150 > max(red, green)
        assert http.get(f"/images/{image_id}/thumbnails/{label.partition('x')[0]}/").body == answer.body


@pytest.mark.parametrize(
    ("data", "name", "status", "detail"),
    [
        (b"hello", "a.txt", 400, "File type .txt not allowed"),
        (picture("png"), "a.TXT", 400, "File type .txt not allowed"),
        (picture("png"), "a.jpg.exe", 400, "File type .exe not allowed"),
        (b"hello" * 100, "a.jpg", 400, None),
        (b"hello", "notes", 400, None),
        (b"", "a.jpg", 400, None),
        (b"GIF87", "a.gif", 400, None),
        (picture("png") + bytes(MAX_FILE_SIZE), "a.png", 413, None),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused_at_once(
    http: Http, data: bytes, name: str, status: int, detail: str | None
) -> None:
    assert_refused(post(http, data, name), status, detail)


def test_too_many_pixels_are_refused_by_the_header(http: Http) -> None:
    file = BytesIO()
    Image.new("1", (5000, 5000)).save(file, "png")
    assert_refused(post(http, file.getvalue(), "a.png"), 413)


def test_a_type_that_is_not_allowed_is_refused_before_its_bytes(http: Http) -> None:
    head = form(file_part(b"<>", "a.txt")).partition(b"<>")[0]
    with http.connect() as connection:
        connection.send_head("POST", "/images", [MULTIPART, ("Content-Length", "100000000")])
        connection.send(head)
        assert_refused(connection.receive(), 400, "File type .txt not allowed")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([MULTIPART], form(), 422),
        ([MULTIPART], form(file_part(picture("png"), "a.png", field="image")), 422),
        ([MULTIPART], form(Part('; name="file"', picture("png"))), 422),
        ([], b"", 422),
        ([("Content-Type", "image/png")], picture("png"), 422),
        ([JSON], b"{}", 422),
        ([JSON], b'{"file_id": 7}', 422),
        ([JSON], b"[]", 422),
        ([JSON], b"{", 400),
        ([MULTIPART], form(file_part(picture("png"), "a.png"), file_part(picture("png"), "b.png")), 400),
        ([MULTIPART], form(file_part(picture("png"), "a.png"))[:-20], 400),
        ([MULTIPART, ("Content-Range", "bytes 0-99/500")], form(file_part(picture("png"), "a.png")), 400),
        ([MULTIPART], form(Part('; name="dztotalchunkcount"', b"3"), file_part(picture("png"), "a.png")), 400),
        ([MULTIPART], form(file_part(picture("png"), "a.png"), Part('; name="dztotalchunkcount"', b"3")), 400),
        ([MULTIPART], form(Part('; name="file"; filename="a.png"\r\nContent-Transfer-Encoding: base64', b"iVBO")), 415),
    ],
)
def test_what_is_not_one_whole_picture_is_refused(
    http: Http, tus: Tus, headers: list[Header], body: bytes, status: int
) -> None:
    assert_refused(http.request("POST", "/images", headers, body), status)


def test_other_methods_and_odd_sizes_are_refused_in_the_same_words(http: Http) -> None:
    image_id = posted(http, picture("png"), "a.png")
    over(http, image_id)
    assert_refused(http.request("DELETE", f"/images/{image_id}"), 405)
    for size in ("200x200", "100x300", "large", "0100"):
        assert_refused(http.get(f"/images/{image_id}/thumbnails/{size}"), 404)
    for unknown in (UNKNOWN, "7", "..%2f..", image_id + "0", str(uuid.uuid4())):
        for path in ("", "/original", "/thumbnails/100"):
            assert_refused(http.get(f"/images/{unknown}{path}"), 404, "Image not found")
        assert_refused(enlist(http, unknown), 404, "Image not found")


def test_a_picture_that_breaks_off_ends_as_an_error_in_words(http: Http) -> None:
    data = picture("jpeg")
    image_id = posted(http, data[: len(data) // 3])
    told = over(http, image_id)
    assert (told["status"], bool(told["error"])) == ("ERROR", True)
    assert_refused(http.get(f"/images/{image_id}/thumbnails/100x100"), 404)
    assert http.get(f"/images/{image_id}/original").body == data[: len(data) // 3]
    again = enlist(http, image_id).json()
    assert (again["status"], over(http, image_id)["status"]) == ("PROCESSING", "ERROR")


# --- of stored files


def test_a_file_that_came_by_tus_is_given_thumbnails(http: Http, tus: Tus) -> None:
    file_id = id_of(tus.completed(picture("heic"), metadata(filename="sea.heic")))
    assert_refused(http.get(f"/images/{file_id}"), 404, "Image not found")
    answer = enlist(http, file_id)
    assert (answer.status, answer.json()["id"], answer.json()["status"]) == (200, file_id, "PROCESSING")
    first = over(http, file_id)
    assert enlist(http, file_id).json()["status"] == first["status"] == "DONE"
    assert over(http, file_id) == first


def test_a_file_that_is_no_picture_is_given_none(http: Http, tus: Tus) -> None:
    for content in (b"", b"a letter"):
        assert_refused(enlist(http, id_of(tus.completed(content, metadata(filename="a.jpg")))), 400)
    assert_refused(enlist(http, id_of(tus.created(100))), 404)


# --- giving out


def test_a_thumbnail_is_kept_by_who_has_it(http: Http) -> None:
    image_id = posted(http, picture("webp"), "sea.webp")
    for url in (over(http, image_id)["thumbnails"]["300x300"], f"/images/{image_id}/original"):
        answer = http.get(url)
        tag = answer.header("ETag") or ""
        assert tag.startswith('"') and answer.header("Cache-Control") == (
            "private, max-age=31536000, immutable, no-transform"
        )
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert "sandbox" in (answer.header("Content-Security-Policy") or "")
        assert (answer.header("Content-Disposition") or "").startswith('inline; filename="sea')
        known = http.get(url, ("If-None-Match", tag))
        assert (known.status, known.body, known.header("ETag")) == (304, b"", tag)
        assert http.get(url, ("If-None-Match", '"another"')).body == answer.body
        assert http.get(url, ("If-Match", '"another"')).status == 412
        part = http.get(url, ("Range", "bytes=10-19"), ("If-Range", tag))
        assert (part.status, part.body) == (206, answer.body[10:20])
        head = http.request("HEAD", url)
        assert (head.status, head.header("Content-Length"), head.header("ETag")) == (200, str(len(answer.body)), tag)


def test_what_is_deleted_takes_its_thumbnails_along(http: Http, module_server: ServerProcess) -> None:
    deleted, early = posted(http, picture("png"), "a.png"), posted(http, picture("heic"), "a.heic")
    assert http.request("DELETE", f"/files/{early}").status == 204
    url = over(http, deleted)["thumbnails"]["100x100"]
    assert http.request("DELETE", f"/files/{deleted}").status == 204
    for path in (url, f"/images/{deleted}", f"/images/{deleted}/original", f"/images/{early}"):
        assert_refused(http.get(path), 404, "Image not found")
    over(http, posted(http, picture("png"), "a.png"))  # what was queued before is done
    examined = run_verb("doctor", data_dir=module_server.data_dir, env={"API_PORT": str(module_server.port)})
    assert (examined.returncode, "every sealed blob is a file's" in examined.stdout) == (0, True), examined.stdout


def test_sixteen_at_once_are_all_drawn(http: Http) -> None:
    kinds = ["jpeg", "png", "webp", "heic"] * 4
    with ThreadPoolExecutor(16) as threads:
        ids = list(threads.map(lambda kind: posted(http, picture(kind), f"a.{kind}"), kinds))
    assert len(set(ids)) == 16
    assert {over(http, image_id)["status"] for image_id in ids} == {"DONE"}


# --- live


def test_what_becomes_of_it_is_told_live(http: Http, tus: Tus) -> None:
    chosen = str(uuid.uuid4()).upper()
    socket, mine = watch(http, f"?upload_id={chosen}"), watch(http, "?scope=mine")
    image_id = posted(http, picture("jpeg"), "sea.jpg", query=f"?upload_id={chosen}")
    for told in (until(socket, of_type("image.done")), until(mine, of_type("image.done"))):
        assert [message["type"] for message in told[-3:]] == ["upload.completed", "image.processing", "image.done"]
        assert {message["upload_id"].lower() for message in told[-3:]} == {chosen.lower()}
        assert (told[-1]["image_id"], told[-1]["status"], told[-1]["filename"]) == (image_id, "DONE", "sea.jpg")
    (snapshot,) = until(watch(http, f"?upload_id={chosen}"), of_type("upload.snapshot"))
    assert snapshot["image"] == {"image_id": image_id, "status": "DONE"}
    file_id = id_of(tus.completed(picture("png")[:300], metadata(filename="a.png")))
    socket = watch(http, f"?upload_id={file_id}")
    enlist(http, file_id)
    failed = until(socket, of_type("image.failed"))[-1]
    assert (failed["upload_id"], failed["status"], bool(failed["error"])) == (file_id, "ERROR", True)
    assert_refused(post(http, picture("png"), "a.png", query="?upload_id=7"), 400)


# --- whose


@dataclass(frozen=True)
class Gateway:
    server: ServerProcess
    anna: Http
    bert: Http
    nobody: Http

    def image(self, visibility: str = "private", credential: dict[str, str] | None = None) -> str:
        """Of Anna's, drawn."""
        image_id = posted(self.anna, picture("png"), "a.png")
        over(self.anna, image_id)
        return described(self.server, image_id, visibility, credential)


@pytest.fixture(scope="module")
def gateway(start_module_server: StartServer) -> Gateway:
    server = start_module_server(PUBLIC_URL="https://pictures.example.org", **GATEWAY)
    http = Http(server.port)
    return Gateway(server, as_user(http, ANNA), as_user(http, BERT), http)


def parts(image_id: str) -> list[str]:
    return [f"/images/{image_id}{path}" for path in ("", "/original", "/thumbnails/100x100")]


def test_someone_elses_image_is_as_unknown(gateway: Gateway) -> None:
    image_id = gateway.image()
    for path in parts(image_id):
        assert_refused(gateway.bert.get(path), 404, "Image not found")
        assert_refused(gateway.nobody.get(path), 401)
        assert gateway.anna.get(path).status == 200
    assert_refused(enlist(gateway.bert, image_id), 404, "Image not found")
    assert_refused(post(gateway.nobody, picture("png")), 401)
    told = gateway.anna.get(f"/images/{image_id}").json()
    assert told["thumbnails"]["100x100"] == f"https://pictures.example.org/images/{image_id}/thumbnails/100x100"


def test_a_public_image_is_anybodys_to_see_and_to_keep(gateway: Gateway) -> None:
    for path in parts(gateway.image("public"))[1:]:
        for who in (gateway.bert, gateway.nobody):
            answer = who.get(path)
            assert answer.status == 200
            assert (answer.header("Cache-Control") or "").startswith("public, max-age=31536000")
            assert answer.header("Cross-Origin-Resource-Policy") == "cross-origin"


def test_a_credential_opens_an_image_and_what_is_told_then_opens_it_alone(gateway: Gateway) -> None:
    image_id = gateway.image("private", CREDENTIAL)
    for path in parts(image_id):
        assert_refused(gateway.nobody.get(path), 403)
        assert gateway.nobody.get(f"{path}?{SHOWN}").status == 200
    told = gateway.nobody.get(f"/images/{image_id}?{SHOWN}").json()
    for url in (told["original_url"], *told["thumbnails"].values()):
        assert gateway.nobody.get(target(url)).status == 200


def test_a_link_to_the_file_opens_its_thumbnails(gateway: Gateway) -> None:
    image_id = gateway.image()
    link = gateway.anna.request("POST", f"/files/{image_id}/links", body=b"").json()["url"]
    query = urlsplit(link).query
    for path in parts(image_id):
        assert gateway.nobody.get(f"{path}?{query}").status == 200
        assert_refused(gateway.nobody.get(f"{path}?{query}0"), 403)
        assert_refused(gateway.nobody.get(f"{path}?{urlencode({'expires': 1, 'signature': 'x'})}"), 403)
    told = gateway.nobody.get(f"/images/{image_id}?{query}").json()
    assert gateway.nobody.get(target(told["thumbnails"]["300x300"])).status == 200
    assert gateway.anna.request("DELETE", f"/files/{image_id}").status == 204
    for path in (*parts(image_id), f"/files/{image_id}/content"):
        assert gateway.nobody.get(f"{path}?{query}").status == 404, "who follows a link is not asked who they are"


# --- elsewhere, and after a crash


def test_a_bucket_keeps_pictures_and_thumbnails(start_server: StartServer, request: pytest.FixtureRequest) -> None:
    s3 = request.getfixturevalue("s3")
    server = start_server(**s3.settings(s3.create_bucket()))
    http = Http(server.port)
    image_id = posted(http, picture("jpeg"), "sea.jpg")
    told = over(http, image_id)
    drawn = http.get(told["thumbnails"]["300x300"])
    assert (drawn.status, Image.open(BytesIO(drawn.body)).size) == (200, (300, 225))
    assert http.get(told["thumbnails"]["300x300"], ("If-None-Match", drawn.header("ETag") or "")).status == 304
    original = http.get(told["original_url"])
    assert (original.status, "sea.jpg" in (original.header("Location") or "")) == (307, True)
    assert http.request("DELETE", f"/files/{image_id}").status == 204
    examined = run_verb("doctor", data_dir=server.data_dir, env=server.env)
    assert (examined.returncode, "every sealed blob is a file's" in examined.stdout) == (0, True), examined.stdout


def test_a_server_that_is_killed_loses_no_picture(start_server: StartServer) -> None:
    server = start_server(WORKERS_INLINE="0")
    http = Http(server.port)
    good = [posted(http, picture(kind), f"a.{kind}") for kind in ("jpeg", "heic", "png", "webp")]
    bad = posted(http, picture("jpeg")[:1000])
    server.kill()
    server.env["WORKERS_INLINE"] = "1"
    server.start()
    assert [over(http, image_id)["status"] for image_id in (*good, bad)] == ["DONE"] * 4 + ["ERROR"]
