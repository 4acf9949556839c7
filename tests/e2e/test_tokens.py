"""``AUTH_MODE=jwt``: whose token says so calls, and nobody else, whatever the dialect."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_client import Here
from tests.e2e.test_owners import GATEWAY, UNKNOWN, requests_for
from tests.e2e.test_visibility import described
from tests.e2e.tus import VERSION, Tus, id_of
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.tokens import ANNA, BERT, SECRET, claims, forged, jwk_of, pem_of, put_keys, rsa_pair, signed
from tests.support.wire import Header, Http, Response, WebSocket

JWT = {
    "AUTH_MODE": "jwt",
    "AUTH_JWT_SECRET": SECRET,
    "AUTH_JWT_AUDIENCE": "files",
    "AUTH_JWT_ISSUER": "https://issuer.example",
}
INVALID = 'Bearer error="invalid_token"'


def ours(user_id: str = ANNA, **more: Any) -> dict[str, Any]:
    usual = {"iss": "https://issuer.example", "aud": "files", "now": datetime.now(UTC)}
    return claims(user_id, **{**usual, **more})


def bearing(http: Http, token: str) -> Http:
    return http.with_headers(("Authorization", f"Bearer {token}"))


@dataclass(frozen=True)
class Guarded:
    """A server that asks for tokens, as two users, an administrator and somebody without one see it."""

    server: ServerProcess
    nobody: Http
    anna: Tus
    bert: Tus
    admin: Tus


@pytest.fixture(scope="module")
def guarded(start_module_server: StartServer) -> Guarded:
    server = start_module_server(**JWT)
    http = Http(server.port)
    anna, bert, admin = (
        signed(ours(who, scope=scope)) for who, scope in ((ANNA, "files"), (BERT, None), (BERT, "admin"))
    )
    return Guarded(server, http, Tus(bearing(http, anna)), Tus(bearing(http, bert)), Tus(bearing(http, admin)))


PAST = int(datetime.now(UTC).timestamp()) - 1
FUTURE = PAST + 3600
REFUSED: dict[str, Callable[[], str]] = {
    "none": lambda: forged(ours(), alg="none"),
    "none, signed": lambda: forged(ours(), SECRET.encode(), alg="none"),
    "another secret": lambda: signed(ours(), SECRET[::-1]),
    "another algorithm": lambda: signed(ours(), SECRET * 2, "HS512"),
    "a key pair": lambda: signed(ours(), rsa_pair(), "RS256"),
    "kid": lambda: forged(ours(), b"\0", alg="HS256", kid="../../../../dev/null"),
    "jwk": lambda: forged(ours(), b"x", alg="HS256", jwk={"kty": "oct", "k": "eA"}),
    "jku": lambda: forged(ours(), b"x", alg="HS256", jku="http://127.0.0.1:1/keys.json"),
    "crit": lambda: forged(ours(), SECRET.encode(), alg="HS256", crit=["exp"]),
    "tampered": lambda: signed(ours()).replace(".", ".e30", 1),
    "cut": lambda: signed(ours())[:-1],
    "expired": lambda: signed(ours(exp=PAST)),
    "endless": lambda: signed(ours(exp=None)),
    "not yet": lambda: signed(ours(nbf=FUTURE)),
    "of tomorrow": lambda: signed(ours(iat=FUTURE)),
    "another audience": lambda: signed(ours(aud="others")),
    "no audience": lambda: signed(ours(aud=None)),
    "another issuer": lambda: signed(ours(iss="https://evil.example")),
    "no subject": lambda: signed(ours(sub=None)),
    "a subject that is no id": lambda: signed(ours("anna")),
    "oversized": lambda: signed(ours(note="x" * 8192)),
    "junk": lambda: "junk",
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_token_that_is_not_good_is_no_token(guarded: Guarded, what: str) -> None:
    token = REFUSED[what]()
    answer = bearing(guarded.nobody, token).get("/uploads?state=open")
    assert (answer.status, answer.header("WWW-Authenticate"), answer.json()["code"]) == (401, INVALID, "invalid_token")
    assert token not in answer.body.decode()


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "Bearer")],
        [("Authorization", "Basic YTpi")],
        [("x-user-id", ANNA)],
        [("Cookie", "access_token=x")],
    ],
)
def test_who_shows_no_token_is_told_that_one_is_wanted(guarded: Guarded, headers: list[Header]) -> None:
    answer = guarded.nobody.get("/uploads?state=open", *headers)
    assert (answer.status, answer.header("WWW-Authenticate"), answer.json()["code"]) == (
        401,
        "Bearer",
        "unauthenticated",
    )


def test_a_token_in_a_url_is_not_believed(guarded: Guarded) -> None:
    token = signed(ours())
    for name in ("access_token", "token", "ticket"):
        answer = guarded.nobody.get(f"/events?scope=mine&{name}={token}")
        assert answer.status == 401
        assert guarded.nobody.get(f"/uploads?state=open&{name}={token}").status == 401


def test_every_dialect_says_so_in_its_own_words(guarded: Guarded) -> None:
    bad = bearing(guarded.nobody, signed(ours(exp=PAST)))
    said: dict[tuple[str, str], Callable[[Response], object]] = {
        ("POST", "/uploads"): lambda answer: (
            answer.json()["code"] == "invalid_token" and answer.header("Tus-Resumable")
        ),
        ("POST", "/upload"): lambda answer: answer.json()["code"] == "invalid_token",
        ("PUT", "/upload/a.txt"): lambda answer: answer.json()["code"] == "invalid_token",
        ("POST", "/images"): lambda answer: "expired" in answer.json()["detail"] and "title" not in answer.json(),
        ("POST", "/api/v1/file/upload/init"): lambda answer: answer.json()["success"] is False,
        ("GET", "/events?scope=mine"): lambda answer: answer.json()["code"] == "invalid_token",
        ("GET", f"/files/{UNKNOWN}"): lambda answer: answer.json()["code"] == "invalid_token",
    }
    for (method, target), is_right in said.items():
        answer = bad.request(method, target, [VERSION, ("Upload-Length", "5")], b"" if method != "GET" else None)
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, INVALID), target
        assert is_right(answer), (target, answer.body)


_VARYING = re.compile(rb'"request_id": ?"[^"]*"|[0-9a-f]{32}')


def _essence(tus: Tus, request: tuple[str, str, list[Header], bytes | None]) -> tuple[int, bytes]:
    answer = tus.http.request(*request)
    return answer.status, _VARYING.sub(b"", answer.body)


@pytest.mark.parametrize("is_completed", [False, True])
def test_what_is_anothers_answers_as_what_does_not_exist(guarded: Guarded, is_completed: bool) -> None:
    target = guarded.anna.completed(b"hello") if is_completed else guarded.anna.created(5)
    for theirs, unknown in zip(requests_for(id_of(target)), requests_for(UNKNOWN), strict=True):
        assert _essence(guarded.bert, theirs) == _essence(guarded.bert, unknown), theirs[:2]
    assert guarded.admin.http.get(f"/uploads/{id_of(target)}").status == 200
    if is_completed:
        assert guarded.anna.content(target) == b"hello"


def test_a_token_goes_on_with_what_another_of_the_same_user_began(guarded: Guarded) -> None:
    target = guarded.anna.created(10)
    guarded.anna.patch(target, 0, b"hello")
    again = Tus(bearing(guarded.nobody, signed(ours(ANNA.upper()))))
    assert again.offset(target) == 5
    assert again.patch(target, 5, b"again").status == 204


def test_strangers_may_what_they_always_may(guarded: Guarded) -> None:
    public = described(guarded.server, id_of(guarded.anna.completed(b"for all")), "public", None)
    bad = bearing(guarded.nobody, "junk")
    for http in (guarded.nobody, bad):
        assert http.get(f"/files/{public}/content").body == b"for all"
        assert http.get("/health").status == 200
        assert http.get("/").status == 200
    private = id_of(guarded.anna.completed(b"mine"))
    link = guarded.anna.http.request("POST", f"/files/{private}/links?seconds=60").json()["url"]
    assert guarded.nobody.get(link).body == b"mine"
    for http, way_in in ((guarded.nobody, "Bearer"), (bad, INVALID)):
        answer = http.get(f"/files/{private}/content")
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, way_in)


SOCKETS = ["/ws/progress?scope=mine", "/image/upload?"]


def ticket_of(tus: Tus) -> str:
    answer = tus.http.request("POST", "/tickets")
    assert (answer.status, answer.header("Cache-Control")) == (201, "no-store")
    assert set(answer.json()) == {"ticket", "expires_at"}
    ends = datetime.fromisoformat(answer.json()["expires_at"])
    assert timedelta(seconds=20) < ends - datetime.now(UTC) <= timedelta(seconds=30)
    return str(answer.json()["ticket"])


@pytest.mark.parametrize("target", SOCKETS)
def test_a_ticket_opens_one_socket(guarded: Guarded, target: str) -> None:
    ticket = ticket_of(guarded.anna)
    WebSocket.open(guarded.nobody, f"{target}&ticket={ticket}").close()
    for again in (ticket, ticket_of(guarded.anna)[::-1], ""):
        with pytest.raises(AssertionError, match="401"):
            WebSocket.open(guarded.nobody, f"{target}&ticket={again}")


def test_a_ticket_opens_what_is_its_owners_and_nothing_else(guarded: Guarded) -> None:
    mine, theirs = id_of(guarded.anna.created(5)), id_of(guarded.bert.created(5))
    watcher = WebSocket.open(guarded.nobody, f"/ws/progress?upload_id={mine}&ticket={ticket_of(guarded.anna)}")
    assert next(watcher.messages(within=5))["upload_id"] == mine
    watcher.send_json({"action": "subscribe", "upload_ids": [theirs]})
    assert next(watcher.messages(within=5))["code"] == "not_found"
    watcher.close()


@pytest.mark.parametrize("target", ["/events?scope=mine&ticket=", "/notifications/sse?ticket="])
def test_a_ticket_opens_one_stream_of_events(guarded: Guarded, target: str) -> None:
    target += ticket_of(guarded.anna)
    with guarded.nobody.connect() as connection:
        connection.send_head("GET", target, [])
        assert connection.receive_head().status == 200
    assert guarded.nobody.get(target).status == 401


def test_a_ticket_is_for_sockets_and_streams_alone(guarded: Guarded) -> None:
    ticket = ticket_of(guarded.anna)
    assert guarded.nobody.get(f"/uploads?state=open&ticket={ticket}").status == 401
    assert guarded.nobody.request("POST", f"/tickets?ticket={ticket}").status == 401
    assert bearing(guarded.nobody, ticket).get("/uploads?state=open").status == 401


def test_a_ticket_is_good_at_every_process(start_server: StartServer) -> None:
    first = start_server(**JWT)
    beside = ServerProcess(first.data_dir, first.env, log_path=first.data_dir / "beside.log")
    with beside:
        anna = Tus(bearing(Http(first.port), signed(ours())))
        ticket = ticket_of(anna)
        WebSocket.open(Http(beside.port), f"/ws/progress?scope=mine&ticket={ticket}").close()
        with pytest.raises(AssertionError, match="401"):
            WebSocket.open(Http(first.port), f"/ws/progress?scope=mine&ticket={ticket}")


@pytest.mark.parametrize(("env", "headers"), [({}, []), (GATEWAY, [("x-user-id", ANNA)])], ids=["open", "gateway"])
def test_who_needs_no_token_may_have_a_ticket_all_the_same(
    start_server: StartServer, env: dict[str, str], headers: list[Header]
) -> None:
    http = Http(start_server(**env).port)
    target = f"/ws/progress?scope=mine&ticket={ticket_of(Tus(http.with_headers(*headers)))}"
    WebSocket.open(http, target).close()
    with pytest.raises(AssertionError, match="401"):
        WebSocket.open(http, target)


def soon() -> str:
    """A token that ends within a second."""
    return signed(ours(exp=datetime.now(UTC).timestamp() + 0.8))


@pytest.mark.parametrize("by_ticket", [False, True])
def test_a_socket_is_closed_as_its_token_expires(guarded: Guarded, by_ticket: bool) -> None:
    anna, upload = bearing(guarded.nobody, soon()), guarded.anna.created(5)
    query = f"&ticket={anna.request('POST', '/tickets').json()['ticket']}" if by_ticket else ""
    http = guarded.nobody if by_ticket else anna
    watcher = WebSocket.open(http, f"/ws/progress?upload_id={id_of(upload)}{query}")
    receiver = WebSocket.open(anna, "/image/upload")
    with anna.connect() as stream, anna.connect() as notified:
        stream.send_head("GET", f"/events?upload_id={id_of(upload)}", anna.headers)
        notified.send_head("GET", "/notifications/sse", anna.headers)
        assert [message["type"] for message in watcher.messages(within=5)] == ["upload.snapshot"]
        assert watcher.close_code == 4401
        assert (list(receiver.messages(within=5)), receiver.close_code) == ([], 4401)
        assert stream.ends(within=5)
        assert notified.ends(within=5)


def test_after_that_nothing_is_told_and_nothing_is_taken(guarded: Guarded) -> None:
    """Though its client does not close, which it has five seconds for."""
    anna, upload = bearing(guarded.nobody, soon()), guarded.anna.created(5)
    watcher, receiver = WebSocket.open(anna, "/ws/progress?scope=mine"), WebSocket.open(anna, "/image/upload")
    for socket in (watcher, receiver):
        assert list(socket.messages(within=5)) is not None and socket.close_code == 4401
        socket.close_code = None
    watcher.send_json({"action": "subscribe", "upload_ids": [id_of(upload)]})
    receiver.send_json({"action": "upload", "file_idx": 0, "file_name": "a.jpg", "user_id": ANNA, "session_id": ANNA})
    guarded.anna.patch(upload, 0, b"hello")
    for socket in (watcher, receiver):
        assert list(socket.messages(within=0.2)) == []


def test_no_token_is_told_to_the_log(guarded: Guarded) -> None:
    ticket = ticket_of(guarded.anna)
    for _ in range(2):
        guarded.nobody.get(f"/events?ticket={ticket}")
    token = signed(ours(BERT, exp=PAST))
    for target in ("/uploads?state=open", f"/events?scope=mine&access_token={token}"):
        bearing(guarded.nobody, token).get(target)
    log = guarded.server.log_path.read_text()
    assert "invalid_token" in log
    assert token.rpartition(".")[2] not in log and SECRET not in log and ticket not in log


def test_keys_come_from_a_file_and_change_with_it(start_module_server: StartServer, tmp_path: Path) -> None:
    file, one, two = tmp_path / "keys.json", rsa_pair("one"), rsa_pair("two")
    put_keys(file, jwk_of(one, "1"))
    http = Http(start_module_server(AUTH_MODE="jwt", AUTH_JWT_JWKS_FILE=str(file)).port)

    def status(token: str) -> int:
        return bearing(http, token).get("/uploads?state=open").status

    old, new = signed(ours(), one, "RS256", kid="1"), signed(ours(), two, "RS256", kid="2")
    swapped = forged(ours(), pem_of(one), alg="HS256", kid="1")
    assert [status(token) for token in (old, new, swapped)] == [200, 401, 401]
    put_keys(file, jwk_of(one, "1"), jwk_of(two, "2"))
    assert [status(token) for token in (old, new)] == [200, 200]
    file.write_text("{")
    assert [status(token) for token in (old, new)] == [200, 200]
    put_keys(file, jwk_of(two, "2"))
    assert [status(token) for token in (old, new)] == [401, 200]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"AUTH_JWT_SECRET": "change-me-change-me-change-me-42"}, "AUTH_JWT_SECRET: "),
        ({"AUTH_JWT_JWKS_FILE": "/nowhere/keys.json"}, "AUTH_JWT_JWKS_FILE: /nowhere/keys.json cannot be read"),
    ],
)
def test_without_keys_of_use_nothing_starts(tmp_path: Path, env: dict[str, str], said: str) -> None:
    done = run_verb("serve", data_dir=tmp_path, env={"AUTH_MODE": "jwt", **env})
    assert done.returncode != 0
    line = done.stderr.splitlines()[-1]
    assert line.startswith(said) and "change-me" not in done.stderr


def test_a_broken_file_of_keys_is_told_before_anything_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{")
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    env = {"AUTH_MODE": "jwt", "AUTH_JWT_JWKS_FILE": str(file)}
    said = f"AUTH_JWT_JWKS_FILE: {file} is no JWK set"
    for verb in ("serve", "check-config", "doctor"):
        done = run_verb(verb, data_dir=data_dir, env=env)
        assert done.returncode != 0
        assert said in done.stdout + done.stderr
    assert not (data_dir / "files.db").exists()


def test_the_client_says_where_it_looks_for_a_token(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Here(tmp_path, guarded.server)
    here.file("a.txt", b"waves")
    for token, code, words in (
        (None, 4, "($LONGSHORE_TOKEN is not set)"),
        ("rubbish", 4, "($LONGSHORE_TOKEN is not accepted)"),
        (signed(ours()), 0, "stored a.txt"),
    ):
        monkeypatch.delenv("LONGSHORE_TOKEN", raising=False)
        if token is not None:
            monkeypatch.setenv("LONGSHORE_TOKEN", token)
        assert words in here.run("put", "a.txt", code=code)
