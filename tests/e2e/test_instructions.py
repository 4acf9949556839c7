"""Instructions: made, given files, worked on, told of and cleaned; in the words that their clients know."""

import json
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from PIL import Image

from tests.e2e.conftest import StartServer
from tests.e2e.test_form_upload import MULTIPART, Part, file_part, form
from tests.e2e.test_images import picture
from tests.e2e.test_owners import ANNA, BERT, UNKNOWN, as_user
from tests.e2e.test_tokens import JWT
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.until import until
from tests.support.wire import Header, Http, Response

JSON: Header = ("Content-Type", "application/json")
GUEST: Header = ("X-Guest-Id", ANNA)
COMPRESS = "images/compress"
MISSING = "missing user identification - provide either x-user-id or x-guest-id header"
DETAIL_KEYS = {
    *("id", "instruction_id", "file_id", "file_name", "file_size", "mime_type", "status", "output_id", "error"),
    *("created_at", "updated_at", "started_at", "finished_at"),
}


@pytest.fixture(scope="module")
def module_server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server()


@pytest.fixture
def anna(http: Http) -> Http:
    return as_user(http, ANNA)


@pytest.fixture
def bert(http: Http) -> Http:
    return as_user(http, BERT)


def post(http: Http, target: str, body: object) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.request("POST", target, [JSON], data)


def data_of(answer: Response, status: int = 200) -> dict[str, Any]:
    assert answer.status == status, answer
    envelope = answer.json()
    assert envelope.keys() == {"message", "errors", "data"}
    assert isinstance(envelope["message"], str) and envelope["errors"] is None
    data: dict[str, Any] = envelope["data"]
    return data


def assert_refused(answer: Response, status: int, message: str | None = None) -> None:
    envelope = answer.json()
    assert answer.status == status, answer
    assert envelope.keys() == {"message", "errors", "data"}
    assert envelope["data"] is None and envelope["errors"][0]["code"]
    assert message in (None, envelope["message"])
    assert envelope["message"] and "Traceback" not in envelope["message"]


def made(http: Http, product: str = COMPRESS, **parameters: object) -> str:
    answer = post(http, "/instructions", {"product_id": product, "parameters": parameters})
    return str(data_of(answer)["instruction"]["id"])


def add(http: Http, instruction_id: str, *parts: Part) -> Response:
    return http.request("POST", f"/instructions/{instruction_id}/details", [MULTIPART], form(*parts))


def added(http: Http, instruction_id: str, data: bytes, name: str = "sea.jpg") -> dict[str, Any]:
    return data_of(add(http, instruction_id, file_part(data, name, "image/jpeg")))


def over(http: Http, detail: dict[str, Any]) -> dict[str, Any]:
    """The detail, once it is DONE or FAILED."""

    def look() -> dict[str, Any]:
        answer = http.get(f"/instructions/{detail['instruction_id']}/details/{detail['id']}")
        told: dict[str, Any] = data_of(answer)["detail"]
        assert told.keys() == DETAIL_KEYS
        return told if told["status"] in ("DONE", "FAILED") else {}

    return until(look)


def file_of(http: Http, detail: dict[str, Any], *headers: Header) -> Response:
    return http.get(f"/instructions/{detail['instruction_id']}/details/{detail['id']}/file", *headers)


# --- making and listing


def test_products_are_told_with_their_limits(http: Http, anna: Http) -> None:
    for who in (http, anna):
        products = data_of(who.get("/products"))["products"]
        assert [product["key"] for product in products] == [
            *("images/compress", "images/convert", "images/resize", "images/thumbnails", "images/strip-metadata"),
        ]
    for product in products:
        assert product.keys() == {"id", "key", "name", "is_active", "limits", "parameters"}
        assert product["limits"]["max_file_size"] == 50 * 1024**2
        assert "image/heic" in product["limits"]["mime_types"]
        assert made(anna, product["id"])


@pytest.mark.parametrize(
    ("headers", "body", "status", "message"),
    [
        ([], b"no json", 400, "invalid request body"),
        ([], [1], 400, "invalid request body"),
        ([], {"product_id": 7}, 400, "invalid request body"),
        ([], {}, 400, "ProductID is required"),
        ([], {"product_id": ""}, 400, "ProductID is required"),
        ([], {"product": COMPRESS}, 400, "ProductID is required"),
        ([], {"product_id": COMPRESS}, 401, MISSING),
        ([("X-User-Id", "anna")], {"product_id": COMPRESS}, 401, "invalid user ID format"),
        ([("X-Guest-Id", "7" * 25)], {"product_id": COMPRESS}, 401, "invalid user ID format"),
        ([("X-User-Id", ANNA)], {"product_id": UNKNOWN}, 404, "product not found"),
        ([("X-User-Id", ANNA)], {"product_id": "images/gild"}, 404, "product not found"),
        ([("X-User-Id", ANNA)], {"product_id": COMPRESS, "parameters": {"quality": 0}}, 400, None),
        ([("X-User-Id", ANNA)], {"product_id": COMPRESS, "parameters": []}, 400, None),
    ],
)
def test_what_can_not_be_made_is_told_in_the_words_of_that_service(
    http: Http, headers: list[Header], body: object, status: int, message: str | None
) -> None:
    assert_refused(post(http.with_headers(*headers), "/instructions", body), status, message)


def test_an_instruction_is_told_as_it_was_made(anna: Http) -> None:
    instruction_id = made(anna, quality=40)
    told = data_of(anna.get(f"/instructions/{instruction_id}"))["instruction"]
    created = told.pop("created_at")
    assert created.endswith("Z")
    assert told.pop("updated_at") == created
    assert told.pop("product_id")
    assert told == {
        "id": instruction_id,
        "user_id": ANNA,
        "guest_id": None,
        "product_key": COMPRESS,
        "parameters": {"quality": 40},
        "status": "PENDING",
    }


def test_everybody_has_a_list_of_their_own_page_by_page(http: Http) -> None:
    clara, guest = as_user(http, "c1a5a" * 4 + "0000"), http.with_headers(GUEST)
    ids = [made(clara) for _ in range(5)]
    made(guest)
    told: list[str] = []
    query = "?limit=2"
    while query:
        page = data_of(clara.get(f"/instructions{query}"))
        told += [each["id"] for each in page["instructions"]]
        query = page["next_cursor"] and f"?limit=2&cursor={page['next_cursor']}"
    assert told == ids[::-1]
    first, third = (data_of(clara.get(f"/instructions/{each}"))["instruction"]["created_at"] for each in ids[::2][:2])
    for query, wanted in (
        (f"from={quote(third)}", ids[2:]),
        (f"to={third}", ids[:3]),
        (f"from={first}&to={third}", ids[:3]),
        (f"from={first.replace('Z', '+00:00')}", ids),  # a plus that nobody encoded
        (f"from={first[:10]}", ids),
        (f"to={first[:10]}&status=pending", ids),
        (f"to={first[:10].replace('-', '')}", ids),
        ("to=2020-01-01", []),
        ("status=DONE", []),
    ):
        listed = data_of(clara.get(f"/instructions?{query}"))["instructions"]
        assert [each["id"] for each in listed] == wanted[::-1], query


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "cursor=x", "cursor=", "status=GONE", "status="),
        *("from=yesterday", "to=2026-13-01", "from=0001-01-01T00:00:00%2B23:00", "cursor=99999999999999999-" + UNKNOWN),
    ],
)
def test_a_list_is_not_guessed_from_a_malformed_query(anna: Http, query: str) -> None:
    answer = anna.get(f"/instructions?{query}")
    if query.startswith("cursor=9"):
        data_of(answer)  # far away, yet a place
    else:
        assert_refused(answer, 400)


# --- working


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "heic"])
def test_a_picture_is_worked_on_from_post_to_done(anna: Http, kind: str) -> None:
    data, instruction_id = picture(kind), made(anna, "images/convert", format="png")
    pair = added(anna, instruction_id, data, f"sea.{kind}")
    given, output = pair["input"], pair["output"]
    assert pair["details"] == [{"input": given, "output": output}]
    assert given.keys() == output.keys() == DETAIL_KEYS
    assert (given["file_name"], given["file_size"], given["mime_type"]) == (f"sea.{kind}", len(data), f"image/{kind}")
    assert (given["status"], given["output_id"], given["started_at"]) == ("PENDING", output["id"], None)
    assert (output["status"], output["output_id"], output["file_name"]) == ("PENDING", None, None)
    given, output = over(anna, given), over(anna, output)
    assert (given["status"], given["error"], output["status"]) == ("DONE", None, "DONE")
    assert given["created_at"] < given["started_at"] < given["finished_at"] == given["updated_at"]
    source, result = file_of(anna, given), file_of(anna, output)
    assert (source.status, source.body) == (200, data)
    assert (result.status, len(result.body)) == (200, output["file_size"])
    assert (result.header("Content-Type"), result.header("X-Content-Type-Options")) == (output["mime_type"], "nosniff")
    part = file_of(anna, output, ("Range", "bytes=1-3"))
    assert (part.status, part.body) == (206, result.body[1:4])
    assert file_of(anna, output, ("If-None-Match", result.header("ETag") or "")).status == 304
    assert (output["file_name"], output["mime_type"], result.body[1:4]) == ("sea.png", "image/png", b"PNG")
    assert data_of(anna.get(f"/instructions/{instruction_id}"))["instruction"]["status"] == "DONE"
    listed = data_of(anna.get(f"/instructions/{instruction_id}/details"))["details"]
    assert listed == [given, output]
    assert anna.get(f"/files/{output['file_id']}").json()["size"] == output["file_size"]


@pytest.mark.parametrize(
    ("product", "parameters", "format_", "size"),
    [
        (COMPRESS, {"quality": 30}, "JPEG", (1600, 1200)),
        ("images/convert", {"format": "webp"}, "WEBP", (1600, 1200)),
        ("images/resize", {"width": 400, "height": 400}, "JPEG", (400, 300)),
        ("images/thumbnails", {"box": 100}, "JPEG", (100, 75)),
        ("images/strip-metadata", {}, "JPEG", (1600, 1200)),
    ],
)
def test_each_product_does_what_it_says(
    anna: Http, product: str, parameters: dict[str, object], format_: str, size: tuple[int, int]
) -> None:
    output = over(anna, added(anna, made(anna, product, **parameters), picture("jpeg"))["output"])
    with Image.open(BytesIO(file_of(anna, output).body)) as result:
        assert (result.format, result.size) == (format_, size)


def test_a_poison_picture_ends_failed_with_its_reason(anna: Http) -> None:
    instruction_id = made(anna)
    good = added(anna, instruction_id, picture("jpeg"))["input"]
    bad = added(anna, instruction_id, picture("jpeg")[:2000])
    told = over(anna, bad["input"])
    assert told["status"] == "FAILED" and "damaged" in told["error"]
    assert over(anna, bad["output"])["error"] == told["error"]
    assert_refused(file_of(anna, bad["output"]), 404)
    assert over(anna, good)["status"] == "DONE"
    assert data_of(anna.get(f"/instructions/{instruction_id}"))["instruction"]["status"] == "FAILED"


def test_many_files_come_in_one_form(anna: Http) -> None:
    instruction_id = made(anna, "images/thumbnails")
    parts = [file_part(picture(kind), f"a.{kind}", "image/x") for kind in ("jpeg", "png", "webp")]
    pairs = data_of(add(anna, instruction_id, *parts))["details"]
    assert [pair["input"]["file_name"] for pair in pairs] == ["a.jpeg", "a.png", "a.webp"]
    assert {over(anna, pair["input"])["status"] for pair in pairs} == {"DONE"}


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"a letter", 400), (b"<svg/>", 400), (b"\xff\xd8\xff" + bytes(50 * 1024**2), 413)],
    ids=["nothing", "text", "svg", "too large"],
)
def test_a_form_is_taken_whole_or_not_at_all(anna: Http, content: bytes, status: int) -> None:
    instruction_id = made(anna)
    good = file_part(picture("png"), "a.png", "image/png")
    refused = add(anna, instruction_id, good, file_part(content, "b.jpg", "image/jpeg"))
    assert_refused(refused, status)
    assert refused.json()["message"].startswith("b.jpg: ")
    assert data_of(anna.get(f"/instructions/{instruction_id}/details"))["details"] == []


def test_what_is_no_form_with_a_file_is_refused(anna: Http) -> None:
    instruction_id = made(anna)
    target = f"/instructions/{instruction_id}/details"
    assert_refused(add(anna, instruction_id, Part('; name="file"', b"text")), 400)
    assert_refused(anna.request("POST", target, [("Content-Type", "image/png")], picture("png")), 400)
    chunk = Part('; name="dztotalchunkcount"', b"3")
    assert_refused(add(anna, instruction_id, chunk, file_part(picture("png"), "a.png", "image/png")), 400)
    assert_refused(post(anna, target, {"file_id": 7}), 400, "invalid request body")
    assert_refused(post(anna, target, {"file_id": UNKNOWN}), 404)


def test_a_file_that_came_by_tus_is_attached(anna: Http, tus: Tus) -> None:
    data = picture("webp")
    file_id = id_of(tus.completed(data, metadata(filename="sea.webp")))
    instruction_id = made(anna, "images/strip-metadata")
    pair = data_of(post(anna, f"/instructions/{instruction_id}/details", {"file_id": file_id}))
    assert pair["input"]["file_id"] == file_id
    assert over(anna, pair["input"])["status"] == "DONE"
    assert file_of(anna, pair["input"]).body == data
    letter = id_of(tus.completed(b"a letter"))
    assert_refused(post(anna, f"/instructions/{instruction_id}/details", {"file_id": letter}), 400)


def test_a_detail_outlives_its_file(anna: Http) -> None:
    output = over(anna, added(anna, made(anna), picture("png"))["output"])
    assert anna.request("DELETE", f"/files/{output['file_id']}").status == 204
    assert over(anna, output)["status"] == "DONE"
    assert_refused(file_of(anna, output), 410)


# --- whose


def test_ids_that_can_be_none_are_told_apart_from_unknown_ones(anna: Http) -> None:
    detail = added(anna, made(anna), picture("png"))["input"]
    one = f"/instructions/{detail['instruction_id']}"
    for path in ("/instructions/7", f"/instructions/{UNKNOWN}x/details", f"{one}/details/x", f"{one}/details/x/file"):
        assert_refused(anna.get(path), 400, "invalid id")
    for path in (f"/instructions/{UNKNOWN}", f"{one}/details/{UNKNOWN}", f"{one}/details/{UNKNOWN}/file"):
        assert_refused(anna.get(path), 404)
    assert_refused(anna.get(f"/instructions/{UUID(UNKNOWN)}"), 404)
    assert anna.get(f"/instructions/{UUID(detail['instruction_id'])}/details/{UUID(detail['id'])}").status == 200
    assert anna.get(f"{one.upper().lower()}/").status == 200
    assert_refused(anna.request("DELETE", one), 405)


# --- cleaning


def test_cleanup_takes_inputs_away_and_nothing_else(anna: Http, tus: Tus, module_server: ServerProcess) -> None:
    instruction_id = made(anna)
    pair = added(anna, instruction_id, picture("png"))
    attached = id_of(tus.completed(picture("jpeg")))
    other = data_of(post(anna, f"/instructions/{instruction_id}/details", {"file_id": attached}))["input"]
    given, output = over(anna, pair["input"]), over(anna, pair["output"])
    over(anna, other)
    admin = anna.with_headers(("X-User-Scope", "admin"))
    waiting, query = dict[str, Any](), "?limit=1"
    while query:
        page = data_of(admin.get(f"/files{query}"))
        waiting |= {file["id"]: file for file in page["files"]}
        query = f"?limit=1&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert list(waiting) == [file["id"] for file in data_of(admin.get("/files?limit=1000"))["files"]]
    assert_refused(admin.get("/files?cursor=1-x"), 400)
    for who, status in ((tus.http, 401), (anna, 403)):
        refused = who.get("/files")
        assert_refused(refused, status)
        assert "GET /uploads?state=completed" in refused.json()["errors"][0]["hint"]
    assert given["id"] in waiting and other["id"] not in waiting
    assert waiting[given["id"]]["cleanup_at"] > given["finished_at"]
    env = {"CLEANUP_AFTER": "100ms", "API_PORT": str(module_server.port)}
    done = run_verb("cleanup", data_dir=module_server.data_dir, env=env)
    assert (done.returncode, "inputs of instructions removed" in done.stdout) == (0, True), done.stderr
    assert given["id"] not in {file["id"] for file in data_of(admin.get("/files"))["files"]}
    assert over(anna, given)["file_id"] is None
    assert_refused(file_of(anna, given), 410)
    assert file_of(anna, output).status == file_of(anna, other).status == 200
    assert anna.get(f"/files/{attached}").status == 200


def test_where_tokens_say_who_calls_one_is_asked_for_in_the_envelope(start_module_server: StartServer) -> None:
    http = Http(start_module_server(**JWT).port)
    for method, target in (("GET", "/products"), ("POST", "/instructions"), ("GET", "/notifications/sse")):
        answer = http.request(method, target, [("X-User-Id", ANNA)])
        assert_refused(answer, 401, "missing user identification - provide a bearer token")
        assert answer.header("WWW-Authenticate") == "Bearer"
        assert answer.json()["errors"][0]["code"] == "unauthenticated"


def test_eight_forms_at_once_are_all_worked_on(anna: Http) -> None:
    instruction_id = made(anna, "images/thumbnails")
    with ThreadPoolExecutor(8) as threads:
        pairs = list(threads.map(lambda _: added(anna, instruction_id, picture("png")), range(8)))
    assert [over(anna, pair["output"])["status"] for pair in pairs] == ["DONE"] * 8
    assert len({pair["output"]["id"] for pair in pairs}) == 8
