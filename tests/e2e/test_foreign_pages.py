"""What a stranger's page may have its visitor's browser do here: nothing that changes anything. Contract §0, §1."""

from dataclasses import dataclass

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.tus import BYTES, VERSION, Tus, target_of
from tests.support.wire import Header, Http, Response

FRIEND = "https://app.example"
OWN = "https://files.example"
USER: Header = ("x-user-id", "0" * 24)
FORM: Header = ("Content-Type", "multipart/form-data; boundary=b")
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'
UPGRADE: list[Header] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


@dataclass(frozen=True)
class Site:
    """``http`` to a server that listens on 127.0.0.1, in the mode ``open`` if not told otherwise."""

    http: Http

    def get(self, host: str, target: str = "/health", *headers: Header) -> Response:
        return self.http.request("GET", target, [("Host", host), *headers])

    def post(self, *headers: Header) -> Response:
        """A file by a form: what any page can have any browser send, without asking anybody."""
        return self.http.request("POST", "/upload", [FORM, *headers], FILE)

    def watch(self, *headers: Header) -> int:
        """The status of a WebSocket's handshake; the connection is closed then."""
        with self.http.connect() as connection:
            connection.send_head("GET", "/ws/progress", [*self.http.headers, *UPGRADE, *headers])
            return connection.receive_head().status


@pytest.fixture(scope="module")
def site(start_module_server: StartServer) -> Site:
    server = start_module_server(
        PUBLIC_URL=f"{OWN}:443/prefix",
        ALLOWED_HOSTS="Box.local., 192.168.7.7,fd00::7",
        CORS_ORIGINS=f"{FRIEND}:443,http://[0:0::1]:5173, https://m\u00fcnchen.example",
    )
    return Site(Http(server.port))


@pytest.fixture(scope="module")
def gateway(start_module_server: StartServer) -> Site:
    """Somebody says who calls there, so it has any name; a stranger's page has its visitor's rights all the same."""
    return Site(Http(start_module_server(AUTH_MODE="gateway", TRUSTED_PROXIES="127.0.0.1").port, (USER,)))


OUR_NAMES = [
    *("localhost", "LOCALHOST", "localhost.", "localhost:1", "127.0.0.1:80", "127.0.0.1:", "[::1]", "[0:0:0::1]:8888"),
    *("files.example", "FILES.example:443", "files.example.:8443", "f%69les.example", "[::ffff:127.0.0.1]:1"),
    *("box.local", "Box.LOCAL:8888", "192.168.7.7:8888", "[fd00::7]", "[FD00:0::7]:8888"),
]
FOREIGN_NAMES = [
    *("evil.test", "evil.test:8888", "localhost.evil.test", "evil-localhost", "127.0.0.1.evil.test", "xlocalhost"),
    *(
        "192.168.7.8",
        "10.0.0.1:8888",
        "[fd00::8]",
        "0.0.0.0",
        "sub.files.example",
        "example",
        "files.example.evil.test",
    ),
    *("localhost,evil.test", "localhost@evil.test", "evil.test#localhost", "[localhost]", "::1", "localhost:x"),
]


@pytest.mark.parametrize("host", OUR_NAMES)
def test_it_answers_to_its_own_names(site: Site, host: str) -> None:
    assert site.get(host).status == 200
    assert site.watch(("Host", host)) == 101


@pytest.mark.parametrize("host", FOREIGN_NAMES)
def test_a_name_that_somebody_else_points_here_is_not_answered_to(site: Site, host: str) -> None:
    """A page there would be of our own origin, to its visitor's browser: it could read everything."""
    for target in ("/health", "/", "/static/app.js", "/uploads?state=open", "/events?scope=mine", "/nowhere"):
        answer = site.get(host, target)
        assert answer.status in (400, 421), (host, target)
        if answer.status == 421:
            assert answer.json()["code"] == "misdirected_request"
            assert "ALLOWED_HOSTS" in answer.json()["detail"]
    assert site.watch(("Host", host)) in (400, 421)
    assert site.post(("Host", host)).status in (400, 421)


def test_a_name_is_refused_before_the_body(site: Site) -> None:
    with site.http.connect() as connection:
        headers: list[Header] = [("Host", "evil.test"), VERSION, ("Upload-Length", "1000000"), BYTES]
        connection.send_head("POST", "/uploads", [*headers, ("Content-Length", "1000000"), ("Expect", "100-continue")])
        answer = connection.receive("POST")
        assert (answer.status, answer.interim) == (421, ())


def test_who_says_no_name_is_answered(site: Site) -> None:
    """Load balancers ask so; browsers never do."""
    with site.http.connect() as connection:
        connection.send(b"GET /health HTTP/1.0\r\n\r\n")
        assert connection.receive_head().status == 200


def test_whoever_tells_who_calls_may_call_it_anything(gateway: Site) -> None:
    for host in FOREIGN_NAMES[:6]:
        assert gateway.get(host, "/uploads?state=open").status == 200
        assert gateway.watch(("Host", host)) == 101


FOREIGN_PAGES = [
    *("https://evil.example", "http://evil.test:8888", "null", "file://", "garbage", "http://[", "http://"),
    *("http://127.0.0.1:1", "http://localhost", "http://127.0.0.1.evil.example", "http://evil@127.0.0.1"),
    *("http://app.example", "https://app.example:444", "https://app.example.evil.example", "https://xapp.example"),
    *(
        "http://files.example:444",
        "https://app.example, https://evil.example",
        "http://[::1]:5174",
        "chrome-extension://a",
    ),
]


@pytest.mark.parametrize("origin", FOREIGN_PAGES)
def test_a_strangers_page_changes_nothing(site: Site, gateway: Site, origin: str) -> None:
    for server in (site, gateway):
        answer = server.post(("Origin", origin))
        assert (answer.status, answer.json()["code"]) == (403, "forbidden")
        assert server.watch(("Origin", origin)) == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
@pytest.mark.parametrize(
    "target", ["/uploads", "/upload/a.txt", "/api/v1/file/upload/init", "/files/x", "/", "/nowhere"]
)
def test_it_is_refused_on_every_route_before_anything_else(site: Site, method: str, target: str) -> None:
    length = ("Content-Length", "100000000")
    for page in (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")):
        with site.http.connect() as connection:
            connection.send_head(method, target, [page, length, ("Expect", "100-continue")])
            answer = connection.receive(method)
        assert (answer.status, answer.interim) == (403, ()), page


def test_another_method_than_the_first_line_says_is_one_that_changes(site: Site) -> None:
    target = Tus(site.http).created(5)
    path = target[target.index("/uploads/") :]
    override: Header = ("X-HTTP-Method-Override", "DELETE")
    foreign: Header = ("Origin", "https://evil.example")
    for method in ("POST", "GET"):
        assert site.http.request(method, path, [VERSION, override, foreign]).status == 403
    assert Tus(site.http).offset(path) == 0


def test_nothing_is_left_of_what_was_refused(site: Site) -> None:
    before = site.http.get("/uploads?state=open").body
    for page in (("Origin", "null"), ("Sec-Fetch-Site", "cross-site")):
        headers: list[Header] = [VERSION, BYTES, ("Upload-Length", "5"), page]
        assert site.http.request("POST", "/uploads", headers, b"hel").status == 403
    assert site.http.get("/uploads?state=open").body == before


@pytest.mark.parametrize(
    "page",
    [
        (("Origin", FRIEND),),
        (("Origin", "https://APP.example:443"),),
        (("Origin", FRIEND), ("Sec-Fetch-Site", "cross-site")),
        (("Origin", "http://[::1]:5173"),),
        (("Origin", "https://xn--mnchen-3ya.example"),),
        (("Origin", OWN),),
        (("Origin", f"{OWN}:443"), ("Sec-Fetch-Site", "same-origin")),
        (("Origin", "http://localhost"), ("Host", "localhost")),
        (("Origin", "http://localhost"), ("Host", "localhost:80")),
        (("Origin", "https://localhost"), ("Host", "localhost:443")),
        (("Origin", "https://LOCALHOST"), ("Host", "localhost.")),
        (("Origin", "http://localhost:8080"), ("Host", "LocalHost:8080")),
        (("Origin", "http://[::1]:8888"), ("Host", "[0:0::1]:8888")),
        (("Origin", "https://box.local"), ("Host", "box.local:80")),  # a balancer before the proxy ends TLS
        (("Sec-Fetch-Site", "same-origin"),),
        (("Sec-Fetch-Site", "none"),),
        (),
    ],
    ids=str,
)  # fmt: skip
def test_our_own_pages_and_their_friends_may_and_who_is_no_page(site: Site, page: tuple[Header, ...]) -> None:
    assert site.post(*page).status == 200
    assert site.watch(*page) == 101


def test_a_browser_that_compared_for_itself_is_believed(site: Site) -> None:
    """The Host that a proxy tells may be its own word for us; what no page can set tells that the page is ours."""
    assert site.post(("Origin", "https://files.internal"), ("Sec-Fetch-Site", "same-origin")).status == 200
    assert site.post(("Origin", "null"), ("Sec-Fetch-Site", "same-origin")).status == 200  # by Referrer-Policy
    assert site.watch(("Origin", "https://files.internal"), ("Sec-Fetch-Site", "same-origin")) == 403


def test_to_look_is_no_change(site: Site) -> None:
    for page in (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")):
        for target in ("/health", "/", "/uploads?state=open"):
            answer = site.http.get(target, page)
            assert answer.status == 200
            assert answer.header("Access-Control-Allow-Origin") is None


def test_the_refusal_is_dressed_as_its_dialect_has_it(site: Site) -> None:
    foreign: Header = ("Origin", "https://evil.example")
    tus = site.http.request("POST", "/uploads", [VERSION, ("Upload-Length", "5"), foreign])
    assert (tus.status, tus.header("Tus-Resumable")) == (403, "1.0.0")
    chunk = site.http.request("POST", "/api/v1/file/upload/init", [foreign])
    assert (chunk.status, chunk.json()["success"]) == (403, False)


def test_a_friend_learns_why_the_name_is_wrong(site: Site) -> None:
    answer = site.get("evil.test", "/health", ("Origin", FRIEND))
    assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (421, FRIEND)


def test_every_page_may_where_all_are_named(start_server: StartServer) -> None:
    """``*`` as a name says: I know what I do."""
    site = Site(Http(start_server(CORS_ORIGINS="*", ALLOWED_HOSTS="*").port))
    assert site.post(("Sec-Fetch-Site", "cross-site")).status == 200
    for origin in ("https://any.example", "null"):
        assert site.post(("Origin", origin), ("Sec-Fetch-Site", "cross-site")).status == 200
        assert site.watch(("Origin", origin), ("Sec-Fetch-Site", "cross-site")) == 101
    assert site.get("any.example").status == 200
    assert target_of(Tus(site.http).create(1, ("Host", "any.example"), ("Origin", "null"))).startswith("/uploads/")
