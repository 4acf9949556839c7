"""Pages of other origins: shut out by default; friends can read all that tus needs. Contract §2.1, §0."""

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.tus import Tus
from tests.support.wire import Header, Http

FRIEND = "https://app.example"
OTHER_FRIEND = "http://localhost:3000"
STRANGERS = [
    "https://evil.example",
    "null",
    "https://app.example.evil.example",
    "https://evil-app.example",
    "http://app.example",
    "https://app.example:444",
    "https://sub.app.example",
    "https://app.exampl",
    "https://APP.example/",
    "https://app.example, https://evil.example",
    "*",
]
EXPOSED = {
    "location",
    "tus-version",
    "tus-resumable",
    "tus-extension",
    "tus-max-size",
    "tus-checksum-algorithm",
    "upload-offset",
    "upload-length",
    "upload-defer-length",
    "upload-metadata",
    "upload-expires",
    "upload-concat",
}
SENT_BY_CLIENTS = {
    "content-type",
    "tus-resumable",
    "upload-offset",
    "upload-length",
    "upload-defer-length",
    "upload-metadata",
    "upload-concat",
    "upload-checksum",
    "x-http-method-override",
}


@pytest.fixture(scope="module")
def opened(start_module_server: StartServer) -> Tus:
    """A server that pages of FRIEND and OTHER_FRIEND may use."""
    return Tus(Http(start_module_server(CORS_ORIGINS=f"{FRIEND},{OTHER_FRIEND}").port))


@pytest.mark.parametrize("origin", [FRIEND, OTHER_FRIEND])
def test_a_preflight_of_a_friend_is_answered_in_full(opened: Tus, origin: str) -> None:
    for target, method in (("/uploads", "POST"), (opened.created(1), "PATCH")):
        wishes = ",".join(sorted(SENT_BY_CLIENTS))
        asked = ("Access-Control-Request-Method", method), ("Access-Control-Request-Headers", wishes)
        answer = opened.options(("Origin", origin), *asked, target=target)
        assert answer.status in (200, 204)
        assert answer.header("Access-Control-Allow-Origin") == origin
        assert answer.words("Access-Control-Allow-Methods") >= {"post", "head", "patch", "delete", "get"}
        assert answer.words("Access-Control-Allow-Headers") >= SENT_BY_CLIENTS
        assert "origin" in answer.words("Vary")


@pytest.mark.parametrize("wishes", ["traceparent", "X-Whatever,traceparent, x-b3-traceid", "a , b", "~!#$%&'*+.^_`|-1"])
def test_a_friend_may_send_any_header(opened: Tus, wishes: str) -> None:
    """Contract §2: tracing libraries add theirs to every request of a page."""
    asked = ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", wishes)
    targets = (
        "/uploads",
        "/upload",
        "/api/v1/file/upload/init",
        "/files/" + "0" * 32,
        "/health",
        "/events",
        "/nowhere",
    )
    for target in targets:
        answer = opened.options(("Origin", FRIEND), *asked, target=target)
        assert answer.status == 204
        assert answer.words("Access-Control-Allow-Headers") == {wish.strip().lower() for wish in wishes.split(",")}


@pytest.mark.parametrize("origin", ["https://APP.example", "https://app.example:443", "HTTPS://app.example."])
def test_a_friend_is_known_however_it_is_written(opened: Tus, origin: str) -> None:
    answer = opened.create(1, ("Origin", origin))
    assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (201, origin)


@pytest.mark.parametrize(
    "junk",
    ["", ",", "a,,b", "a,", "a b", "a:b", "a;b", '"a"', "a\tb", "<script>", "a,(b)", "x" * 2049, "a," * 1024 + "a"],
)
def test_what_is_no_list_of_names_is_not_told_again(opened: Tus, junk: str) -> None:
    asked = ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", junk)
    answer = opened.options(("Origin", FRIEND), *asked)
    assert answer.status == 204
    assert answer.header("Access-Control-Allow-Origin") == FRIEND
    assert answer.header("Access-Control-Allow-Headers") is None


def test_a_stranger_is_not_told_what_it_may_send(opened: Tus) -> None:
    asked = ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "traceparent")
    answer = opened.options(("Origin", STRANGERS[0]), *asked)
    assert answer.header("Access-Control-Allow-Headers") is None


def test_a_friend_can_read_the_headers_of_every_answer(opened: Tus) -> None:
    origin: Header = ("Origin", FRIEND)
    target = opened.created(10)
    unknown = "/uploads/" + "0" * 32
    answers = [
        opened.options(origin),
        opened.create(10, origin),
        opened.head(target, origin),
        opened.patch(target, 0, b"hello", origin),
        opened.patch(target, 0, b"hello", origin),
        opened.create("junk", origin),
        opened.head(unknown, origin),
        opened.http.request("POST", "/uploads", [origin]),
        opened.patch(target, 5, b"too many bytes", origin),
        opened.http.get("/uploads?state=open", origin),
        opened.delete(target, origin),
    ]
    assert [answer.status for answer in answers[1:]] == [201, 200, 204, 409, 400, 404, 412, 413, 200, 204]
    for answer in answers:
        assert answer.header("Access-Control-Allow-Origin") == FRIEND, answer
        assert "origin" in answer.words("Vary"), answer
        assert answer.words("Access-Control-Expose-Headers") >= EXPOSED, answer


@pytest.mark.parametrize("origin", STRANGERS)
def test_a_stranger_is_let_in_nowhere(opened: Tus, origin: str) -> None:
    preflight = opened.options(("Origin", origin), ("Access-Control-Request-Method", "POST"))
    for answer in (
        preflight,
        opened.create(1, ("Origin", origin)),
        opened.create("junk", ("Origin", origin)),
    ):
        assert answer.header("Access-Control-Allow-Origin") is None
        assert answer.header("Access-Control-Allow-Credentials") is None
        assert answer.status < 500


def test_no_origin_is_let_in_by_default(tus: Tus) -> None:
    for origin in (FRIEND, "null"):
        answer = tus.options(("Origin", origin), ("Access-Control-Request-Method", "POST"))
        assert answer.header("Access-Control-Allow-Origin") is None


def test_other_routes_follow_the_same_rule(opened: Tus) -> None:
    for target in ("/health", "/files/" + "0" * 32, "/uploads?state=open"):
        assert opened.http.get(target, ("Origin", FRIEND)).header("Access-Control-Allow-Origin") == FRIEND
        assert opened.http.get(target, ("Origin", "null")).header("Access-Control-Allow-Origin") is None


def test_a_friend_can_read_a_refusal_of_what_is_no_resource_of_ours(opened: Tus) -> None:
    for target in ("/events", "/ws/progress", "/nowhere"):
        refused = opened.http.request("POST", target, [("Origin", FRIEND)])
        assert refused.status in (404, 405)
        assert refused.header("Access-Control-Allow-Origin") == FRIEND, target


def test_a_friend_can_read_what_each_route_tells(opened: Tus) -> None:
    file = opened.completed(b"hello").rpartition("/")[2]
    everywhere = {"retry-after", "www-authenticate", "x-request-id"}
    content = {"accept-ranges", "content-disposition", "content-range", "etag", "repr-digest"}
    for target, exposed in (
        ("/health", set()),
        (f"/files/{file}", set()),
        (f"/files/{file}/content", content),
        (f"/uploads/{file}", content | EXPOSED),
        ("/events?upload_id=", set()),
        ("/api/v1/file/get/" + file, set()),
    ):
        answer = opened.http.get(target, ("Origin", FRIEND))
        assert answer.words("Access-Control-Expose-Headers") >= exposed | everywhere, target
    put = opened.http.request("PUT", "/upload/a.txt", [("Origin", FRIEND)], b"hello")
    assert put.words("Access-Control-Expose-Headers") >= {"location", "repr-digest"} | everywhere


def test_an_answer_without_an_origin_still_varies_by_it(opened: Tus) -> None:
    """Else a shared cache could hand a friend an answer that lacks its permission."""
    assert "origin" in opened.http.get(opened.completed(b"hello")).words("Vary")
