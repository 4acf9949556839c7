"""Who calls is believed from the right mouth only. Requests are real ones, over a real socket."""

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.testing import bind_unused_port

from adapters.inbound.common.auth import Authenticator
from domain.access import ANYBODY, Principal, guest, user
from domain.errors import Unauthenticated

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
ELSEWHERE = [ipaddress.ip_network("192.0.2.0/24")]
UUID = "0b6a8a2e-3f0d-4c55-9d3e-7a1b2c3d4e5f"
HEX = "507f1f77bcf86cd799439011"

Ask = Callable[..., Any]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Send these headers to a server on loopback; give back what ``question`` says of the request."""
    stops = []

    async def ask(question: Callable[[HTTPServerRequest], Any], headers: list[tuple[str, str]]) -> Any:
        answers: list[Any] = []

        def answer(request: HTTPServerRequest) -> None:
            try:
                answers.append(question(request))
            except Unauthenticated as error:
                answers.append(error)
            connection = request.connection
            assert connection is not None
            _ = connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders({"Content-Length": "0"}))
            connection.finish()

        socket, port = bind_unused_port()
        server = HTTPServer(answer)
        server.add_socket(socket)
        stops.append(server.stop)
        sent = HTTPHeaders()
        for name, value in headers:
            sent.add(name, value)
        await AsyncHTTPClient().fetch(HTTPRequest(f"http://127.0.0.1:{port}/", headers=sent))
        (given,) = answers
        if isinstance(given, Unauthenticated):
            raise given
        return given

    yield ask
    for stop in stops:
        stop()


def gateway(trusted: Any = LOOPBACK) -> Callable[[HTTPServerRequest], Principal]:
    return Authenticator("gateway", trusted_proxies=trusted).principal


async def test_in_open_mode_everybody_is_the_same_whatever_they_claim(ask: Ask) -> None:
    principal = Authenticator("open", trusted_proxies=LOOPBACK).principal
    assert await ask(principal, [("x-user-id", UUID), ("x-user-scope", "admin")]) == ANYBODY


async def test_a_trusted_gateway_says_who_calls(ask: Ask) -> None:
    assert await ask(gateway(), [("x-user-id", UUID)]) == user(UUID)
    assert await ask(gateway(), [("x-user-id", HEX)]) == user(HEX)
    assert await ask(gateway(), [("x-guest-id", UUID)]) == guest(UUID)


async def test_one_person_is_one_owner_in_capitals_or_not(ask: Ask) -> None:
    assert await ask(gateway(), [("x-user-id", UUID.upper())]) == user(UUID)
    assert await ask(gateway(), [("x-user-id", HEX.upper())]) == user(HEX)


async def test_a_guest_is_never_the_user_of_the_same_id(ask: Ask) -> None:
    as_user = await ask(gateway(), [("x-user-id", UUID)])
    as_guest = await ask(gateway(), [("x-guest-id", UUID)])
    assert as_user.owner != as_guest.owner


@pytest.mark.parametrize(
    ("scope", "is_admin"),
    [("admin", True), ("files admin", True), ("files,admin", True), ("administrator", False),
     ("Admin", False), ("", False), ("not-admin", False)],
)  # fmt: skip
async def test_the_scope_admin_makes_an_administrator(ask: Ask, scope: str, is_admin: bool) -> None:
    principal = await ask(gateway(), [("x-user-id", UUID), ("x-user-scope", scope)])
    assert principal.is_admin is is_admin


async def test_headers_from_anybody_else_are_not_believed(ask: Ask) -> None:
    headers = [
        ("x-user-id", UUID),
        ("x-user-scope", "admin"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Real-Ip", "192.0.2.7"),
    ]
    with pytest.raises(Unauthenticated):
        await ask(gateway(ELSEWHERE), headers)
    with pytest.raises(Unauthenticated):
        await ask(gateway([]), headers)


async def test_without_an_id_nobody_calls(ask: Ask) -> None:
    for headers in ([], [("x-user-id", "")], [("x-user-scope", "admin")]):
        with pytest.raises(Unauthenticated):
            await ask(gateway(), headers)


@pytest.mark.parametrize(
    "user_id",
    ["1", "me", UUID[:-1], UUID + "0", "{" + UUID + "}", UUID.replace("-", ""), HEX[:-1], HEX + "0",
     "../../etc/passwd", "g" * 24, f"{UUID},{UUID}", "\xb2" * 24, "' OR 1=1"],
)  # fmt: skip
async def test_a_malformed_id_is_refused(ask: Ask, user_id: str) -> None:
    with pytest.raises(Unauthenticated):
        await ask(gateway(), [("x-user-id", user_id)])
    with pytest.raises(Unauthenticated):
        await ask(gateway(), [("x-user-id", user_id), ("x-guest-id", UUID)])


async def test_an_id_given_twice_is_refused(ask: Ask) -> None:
    with pytest.raises(Unauthenticated):
        await ask(gateway(), [("x-user-id", UUID), ("x-user-id", HEX)])


async def test_a_bearer_token_is_asked_of_whoever_verifies_them(ask: Ask) -> None:
    def verify(token: str) -> Principal:
        if token != "good":
            raise Unauthenticated("not a token of ours")
        return user(UUID)

    principal = Authenticator("jwt", verify_token=verify).principal
    assert await ask(principal, [("Authorization", "Bearer good")]) == user(UUID)
    for value in ("Bearer bad", "Bearer", "Basic good", "good"):
        with pytest.raises(Unauthenticated):
            await ask(principal, [("Authorization", value), ("x-user-id", UUID)])


def test_tokens_need_somebody_who_verifies_them() -> None:
    with pytest.raises(ValueError, match="jwt"):
        Authenticator("jwt")


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], "127.0.0.1"),
        (["203.0.113.9"], "203.0.113.9"),
        (["198.51.100.1, 203.0.113.9"], "203.0.113.9"),  # the left part is the client's own invention
        (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 127.0.0.5"], "203.0.113.9"),  # two proxies of ours
        (["127.0.0.9, 127.0.0.5"], "127.0.0.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, unknown"], "127.0.0.1"),
        (["203.0.113.9,"], "127.0.0.1"),
        (["a" * 5000], "127.0.0.1"),
        (["127.0.0.5," * 2000 + "127.0.0.5"], "127.0.0.5"),
    ],
)
async def test_behind_a_trusted_proxy_the_client_is_the_last_one_it_could_not_invent(
    ask: Ask, forwarded: list[str], client: str
) -> None:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    assert await ask(Authenticator("open", trusted_proxies=LOOPBACK).client_ip, headers) == client


async def test_without_a_trusted_proxy_the_client_is_the_peer(ask: Ask) -> None:
    headers = [("X-Forwarded-For", "203.0.113.9")]
    assert await ask(Authenticator("open").client_ip, headers) == "127.0.0.1"
    assert await ask(Authenticator("open", trusted_proxies=ELSEWHERE).client_ip, headers) == "127.0.0.1"


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ([("X-User-Id", UUID.upper())], user(UUID)),
        ([("X-Guest-Id", HEX)], guest(HEX)),
        ([("X-User-Id", HEX), ("X-Guest-Id", UUID)], user(HEX)),
        ([("X-User-Id", HEX), ("X-User-Scope", "files admin")], Principal(user(HEX).owner, is_admin=True)),
    ],
)
async def test_an_open_server_believes_names_where_a_dialect_needs_them(
    ask: Ask, headers: list[tuple[str, str]], named: Principal
) -> None:
    who = Authenticator("open")
    assert await ask(lambda request: who.named(request, who.principal(request)), headers) == named


async def test_a_dialect_that_needs_a_name_asks_for_it(ask: Ask) -> None:
    who = Authenticator("open")
    for headers, words in (([], "missing user identification"), ([("X-User-Id", "anna")], "invalid user ID format")):
        with pytest.raises(Unauthenticated, match=words):
            await ask(lambda request: who.named(request, ANYBODY), headers)


async def test_behind_a_gateway_a_dialect_learns_nothing_new(ask: Ask) -> None:
    who = Authenticator("gateway", trusted_proxies=ELSEWHERE)
    assert await ask(lambda request: who.named(request, user(UUID)), [("X-User-Id", HEX)]) == user(UUID)
