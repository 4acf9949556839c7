"""What a page of somebody else's would have its visitor's browser do, or read."""

from collections.abc import Callable, Sequence

from tests.e2e.attacks.besieged import FRIEND, Attack, Besieged, Told, asked
from tests.e2e.test_form_upload import MULTIPART, file_part, form
from tests.e2e.tus import VERSION
from tests.support.wire import Header

PAGES = "e2e/test_foreign_pages.py"
EVIL, NULL = ("https://evil.example", "null")
FILE = form(file_part(b"x"))
_FOREIGN = (403, "forbidden")


def shared(origin: str, method: str = "GET") -> Callable[[Besieged], Told]:
    """What a page there is let read, and whether with what its visitor is known by."""

    def tried(besieged: Besieged) -> Told:
        asks: list[Header] = [("Origin", origin), ("Access-Control-Request-Method", "PATCH")]
        answer = besieged.http.request(method, "/uploads?state=open", asks)
        allowed = answer.header("Access-Control-Allow-Origin"), answer.header("Access-Control-Allow-Credentials")
        return answer.status, " ".join(map(str, allowed))

    return tried


ATTACKS: Sequence[Attack] = (
    Attack("a form of another page", asked("POST", "/upload", MULTIPART, ("Origin", EVIL), body=FILE), _FOREIGN, PAGES),
    Attack(
        "a form of nobody's page", asked("POST", "/upload", MULTIPART, ("Origin", NULL), body=FILE), _FOREIGN, PAGES
    ),
    Attack(
        "a page that hides its origin",
        asked("POST", "/upload", MULTIPART, ("Sec-Fetch-Site", "cross-site"), body=FILE),
        _FOREIGN,
        PAGES,
    ),
    Attack(
        "a page whose name begins as a friend's",
        asked("DELETE", "/files/x", ("Origin", f"{FRIEND}.evil.test")),
        _FOREIGN,
        PAGES,
    ),
    Attack(
        "a page whose name ends as a friend's",
        asked("DELETE", "/files/x", ("Origin", "https://evilapp.example")),
        _FOREIGN,
        PAGES,
    ),
    Attack(
        "a friend's page without TLS", asked("DELETE", "/files/x", ("Origin", "http://app.example")), _FOREIGN, PAGES
    ),
    Attack(
        "a friend and another in one", asked("DELETE", "/files/x", ("Origin", f"{FRIEND}, {EVIL}")), _FOREIGN, PAGES
    ),
    Attack(
        "another page overrides the method",
        asked("POST", f"/uploads/{'0' * 32}", VERSION, ("X-HTTP-Method-Override", "DELETE"), ("Origin", EVIL)),
        _FOREIGN,
        PAGES,
    ),
    Attack("another page gets a ticket", asked("POST", "/tickets", ("Origin", EVIL)), _FOREIGN, PAGES),
    Attack("another page reads", shared(EVIL), (200, "None None"), PAGES),
    Attack("nobody's page reads", shared(NULL), (200, "None None"), PAGES),
    Attack("another page asks what it may", shared(EVIL, "OPTIONS"), (204, "None None"), PAGES),
    Attack("a friend may, without cookies", shared(FRIEND), (200, f"{FRIEND} None"), PAGES),
    Attack("another name for us", asked("GET", "/", ("Host", "evil.test")), (421, "misdirected_request"), PAGES),
    Attack(
        "a name that begins as ours",
        asked("GET", "/", ("Host", "localhost.evil.test")),
        (421, "misdirected_request"),
        PAGES,
    ),
)
