"""Clients that would be others, or more than one; owners that would have more than is theirs."""

from collections.abc import Callable, Sequence

from tests.e2e.attacks.besieged import Attack, Besieged, Told, told
from tests.e2e.tus import VERSION, Tus
from tests.support.wire import Header, Http, chunked

OWNERS, BUDGETS = "e2e/test_owners.py", "e2e/test_budgets.py"
CLARA, DORA, EMIL = ("c1a5a" * 4 + "0001", "d03a" * 6, "e311" * 6)


def calls_from_everywhere(besieged: Besieged) -> Told:
    """Each time as another client of a proxy that nobody trusts."""
    answers = []
    for number in range(8):
        address = f"203.0.113.{number}"
        said: list[Header] = [("X-Forwarded-For", address), ("X-Real-Ip", address), ("Forwarded", f"for={address}")]
        answers.append(told(Http(besieged.fronted.port).get("/uploads?state=open", *said)))
    return answers[-1]


def speaks_for_a_gateway(*headers: Header) -> Callable[[Besieged], Told]:
    return lambda besieged: told(Http(besieged.fronted.port).get("/uploads?state=open", *headers))


def many_open(besieged: Besieged) -> Told:
    tus = Tus(besieged.user(CLARA))
    return [told(tus.create(10)) for _ in range(6)][-1]


def many_announced(besieged: Besieged) -> Told:
    """Each is small enough."""
    tus = Tus(besieged.user(DORA))
    return [told(tus.create(3 << 20)) for _ in range(2)][-1]


def never_announced(besieged: Besieged) -> Told:
    body = chunked(*[bytes(1 << 20)] * 6)
    return told(besieged.user(EMIL).request("PUT", "/upload/a", [("Transfer-Encoding", "chunked")], body))


def parts_of_others(besieged: Besieged) -> Told:
    theirs = Tus(besieged.user()).completed(b"secret", ("Upload-Concat", "partial"))
    return told(besieged.user(EMIL).request("POST", "/uploads", [VERSION, ("Upload-Concat", f"final;{theirs}")]))


ATTACKS: Sequence[Attack] = (
    Attack("a name from no gateway", speaks_for_a_gateway(("X-User-Id", CLARA)), (401, "unauthenticated"), OWNERS),
    Attack(
        "a gateway's own address",
        speaks_for_a_gateway(("X-User-Id", CLARA), ("X-Forwarded-For", "10.0.0.1")),
        (401, "unauthenticated"),
        OWNERS,
    ),
    Attack("calls from everywhere", calls_from_everywhere, (429, "too_many_requests"), BUDGETS),
    Attack("a sixth open upload", many_open, (429, "too_many_open_uploads"), OWNERS),
    Attack("more announced than there is", many_announced, (413, "quota_exceeded"), OWNERS),
    Attack("more sent than there is", never_announced, (413, "quota_exceeded"), OWNERS),
    Attack("another's bytes for one's own", parts_of_others, (404, "upload_not_found"), OWNERS),
)
