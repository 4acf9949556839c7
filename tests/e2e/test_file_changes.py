"""Files that are renamed, published, given an end, deleted and restored. Contract §2 (the table), §2.9."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.beneath import beneath
from tests.e2e.conftest import StartServer, everywhere, on_each_database
from tests.e2e.test_file_lists import listed, names
from tests.e2e.test_owners import ANNA, BERT, GATEWAY, UNKNOWN, as_user
from tests.e2e.test_visibility import CREDENTIAL, SHOWN, described, link_to
from tests.e2e.tus import VERSION, Tus, id_of, metadata
from tests.support.processes.server import ServerProcess, run_verb
from tests.support.until import until
from tests.support.wire import Header, Http, Response

JSON: Header = ("Content-Type", "application/json")


def patch(http: Http, file_id: str, change: object, *headers: Header, query: str = "") -> Response:
    body = change if isinstance(change, bytes) else json.dumps(change).encode()
    return http.request("PATCH", f"/files/{file_id}{query}", [JSON, *headers], body)


def post(http: Http, target: str, told: object) -> Any:
    answer = http.request("POST", target, [JSON], json.dumps(told).encode())
    assert answer.status == 200, answer
    return answer.json()["files"]


def stored(tus: Tus, content: bytes = b"hello", **told: str) -> str:
    return id_of(tus.completed(content, metadata(**{"filename": "a.txt", **told})))


def in_(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


# --- changes


@on_each_database
def test_a_file_is_renamed_and_its_bytes_stay_the_same(tus: Tus, http: Http) -> None:
    file_id = stored(tus, relativePath="d/e/a.txt")
    before, content = http.get(f"/files/{file_id}"), http.get(f"/files/{file_id}/content")
    answer = patch(http, file_id, {"name": "../Ünamed\u202e.PDF"})
    assert answer.status == 200
    record = answer.json()
    assert (record["name"], record["path"]) == ("Ünamed.PDF", "d/e/Ünamed.PDF")
    same = {key: value for key, value in before.json().items() if key not in ("name", "path", "sha256")}
    assert {key: record[key] for key in same} == same
    assert http.get(f"/files/{file_id}").header("ETag") == answer.header("ETag") != before.header("ETag")
    after = http.get(f"/files/{file_id}/content")
    assert (after.body, after.header("ETag")) == (content.body, content.header("ETag"))
    assert "%C3%9Cnamed.PDF" in (after.header("Content-Disposition") or "")
    assert names(http, name="ünamed") == ["Ünamed.PDF"]
    assert patch(http, file_id, {}).json()["name"] == "Ünamed.PDF"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x" * 5000}, "name"),
        ({"visibility": "secret"}, "visibility"),
        ({"visibility": None}, "visibility"),
        ({"visibility": ["public"]}, "visibility"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": 7}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"size": 7}, "size"),
        ({"name": "b", "owner": "me"}, "owner"),
        ([], "object"),
        (b"{", "JSON"),
        (b"\xff", "JSON"),
        (b"[" * 10_000, "JSON"),
    ],
    ids=str,
)
def test_what_can_not_be_changed_so_is_named(tus: Tus, http: Http, change: object, named: str) -> None:
    file_id = stored(tus)
    answer = patch(http, file_id, change)
    assert (answer.status, answer.json()["code"]) == (400, "invalid_request")
    assert named in answer.json()["detail"]
    assert http.get(f"/files/{file_id}").json()["name"] == "a.txt"


def test_a_change_is_json(tus: Tus, http: Http) -> None:
    file_id = stored(tus)
    for type_ in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = http.request("PATCH", f"/files/{file_id}", [("Content-Type", type_)], b'{"name":"b"}')
        assert answer.status == 415
        assert "application/json" in (answer.header("Accept-Patch") or "")
    merged: Header = ("Content-Type", "application/merge-patch+json; charset=utf-8")
    assert http.request("PATCH", f"/files/{file_id}", [merged], b'{"name":"b"}').status == 200
    assert patch(http, file_id, b" " * 20_000).status == 413
    assert patch(http, UNKNOWN, {"name": "b"}).status == 404
    assert patch(http, "x", {"name": "b"}).status == 404


@on_each_database
def test_a_change_can_be_bound_to_what_was_seen(tus: Tus, http: Http) -> None:
    file_id = stored(tus)
    seen = http.get(f"/files/{file_id}").header("ETag") or ""
    for wrong in ('"other"', f"W/{seen}", f'"{file_id}"'):
        answer = patch(http, file_id, {"name": "b"}, ("If-Match", wrong))
        assert (answer.status, answer.json()["code"]) == (412, "precondition_failed")
        assert http.request("DELETE", f"/files/{file_id}", [("If-Match", wrong)]).status == 412
    changed = patch(http, file_id, {"name": "b"}, ("If-Match", f'"x", {seen}'))
    assert changed.status == 200
    assert patch(http, file_id, {"name": "c"}, ("If-Match", seen)).status == 412
    assert patch(http, file_id, {"name": "c"}, ("If-Match", "*")).status == 200
    last = http.get(f"/files/{file_id}").header("ETag") or ""
    assert http.request("DELETE", f"/files/{file_id}", [("If-Match", last)]).status == 204


@pytest.fixture(scope="module")
def gateway(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(**GATEWAY)


def test_only_its_owner_changes_a_file_and_everybody_sees_what_is_public(gateway: ServerProcess) -> None:
    http = Http(gateway.port)
    anna, bert = as_user(http, ANNA), as_user(http, BERT)
    admin = bert.with_headers(("X-User-Scope", "admin"))
    file_id = stored(Tus(anna))
    content = f"/files/{file_id}/content"
    assert http.get(content).status == 401
    assert patch(anna, file_id, {"visibility": "public"}).json()["visibility"] == "public"
    assert http.get(content).status == 200
    for who, status in ((bert, 404), (http, 401)):
        for answer in (
            patch(who, file_id, {"name": "b"}),
            who.request("DELETE", f"/files/{file_id}?undo=1"),
            who.request("POST", f"/files/{file_id}/restore"),
        ):
            assert answer.status == status
    assert post(bert, "/files/delete", {"ids": [file_id]})[0]["code"] == "file_not_found"
    assert http.request("POST", "/files/delete", [JSON], b'{"ids":["x"]}').status == 401
    link = link_to(anna, file_id)
    assert patch(admin, file_id, {"visibility": "private"}).status == 200
    assert http.get(content).status == 401
    assert http.get(link).status == 200, "a link is a promise of its own"
    assert anna.get(content).status == 200


def test_a_file_with_a_credential_stays_private(gateway: ServerProcess) -> None:
    anna = as_user(Http(gateway.port), ANNA)
    file_id = described(gateway, stored(Tus(anna)), "private", CREDENTIAL)
    answer = patch(anna, file_id, {"visibility": "public"})
    assert (answer.status, answer.json()["detail"].partition(":")[0]) == (400, "visibility")
    assert patch(anna, file_id, {"name": "b", "visibility": "private"}).status == 200


def test_where_everyone_is_the_owner_the_credential_tells(tus: Tus, http: Http, module_server: ServerProcess) -> None:
    file_id = described(module_server, stored(tus), "private", CREDENTIAL)
    assert patch(http, file_id, {"name": "b"}).status == 403
    assert patch(http, file_id, {"name": "b"}, query=f"?{SHOWN}").status == 200
    assert http.request("DELETE", f"/files/{file_id}?undo=1").status == 403
    assert http.request("DELETE", f"/files/{file_id}?undo=1&{SHOWN}").status == 204
    assert http.request("POST", f"/files/{file_id}/restore").status == 403
    assert http.request("POST", f"/files/{file_id}/restore?{SHOWN}").status == 200


# --- an end


@everywhere
def test_what_is_over_is_gone_for_everybody_and_cleanup_takes_its_bytes(
    tus: Tus, http: Http, module_server: ServerProcess
) -> None:
    mark = b"over soon" * 50 + str(time.monotonic_ns()).encode()
    file_id, lasting = stored(tus, mark, filename="over soon"), stored(tus, filename="over later")
    assert patch(http, lasting, {"expires_at": in_(hours=1)}).status == 200
    link = link_to(http, file_id)
    assert patch(http, file_id, {"visibility": "public", "expires_at": in_(seconds=0.6)}).status == 200
    assert http.get(f"/files/{file_id}/content").status == 200
    until(lambda: http.get(f"/files/{file_id}").status == 410, within=5)
    for method, target in (
        ("GET", f"/files/{file_id}"),
        ("GET", f"/files/{file_id}/content"),
        ("HEAD", f"/files/{file_id}/content"),
        ("GET", link),
        ("POST", f"/files/{file_id}/links"),
        ("DELETE", f"/files/{file_id}"),
        ("POST", f"/files/{file_id}/restore"),
    ):
        assert http.request(method, target).status == 410, (method, target)
    for headers in ([VERSION], [], [("Upload-Draft-Interop-Version", "8")]):
        assert http.request("HEAD", f"/uploads/{file_id}", headers).status == 410, headers
    assert http.get(link).json()["code"] == "file_expired"
    assert patch(http, file_id, {"expires_at": None}).status == 410
    assert names(http, name="over ") == ["over later"]
    done = run_verb("cleanup", data_dir=module_server.data_dir, env=module_server.env)
    assert done.returncode == 0 and "1 files ended" in done.stdout, done
    assert beneath(module_server).holding(mark) == []
    assert http.get(f"/files/{file_id}").status == 410
    assert http.request("HEAD", f"/uploads/{file_id}", [VERSION]).status == 410
    assert patch(http, lasting, {"expires_at": None}).json()["expires_at"] is None


# --- thinking better of it


def hidden(http: Http, file_id: str) -> None:
    assert http.get(f"/files/{file_id}").status == 404
    assert http.get(f"/files/{file_id}/content").status == 404
    assert http.request("HEAD", f"/uploads/{file_id}", [VERSION]).status in (404, 410)
    assert http.get(f"/uploads/{file_id}").status in (404, 410)
    assert patch(http, file_id, {"name": "b"}).status == 404
    assert http.request("DELETE", f"/files/{file_id}").status == 404


@everywhere
def test_a_deletion_can_be_undone(tus: Tus, http: Http, module_server: ServerProcess) -> None:
    mark = b"undone" * 50 + str(time.monotonic_ns()).encode()
    file_id = stored(tus, mark, filename="to be undone")
    record, link = http.get(f"/files/{file_id}").json(), link_to(http, file_id)
    answer = http.request("DELETE", f"/files/{file_id}?undo=1")
    assert answer.status == 204
    left = datetime.fromisoformat(answer.header("Restorable-Until") or "") - datetime.now(UTC)
    assert timedelta(seconds=30) < left <= timedelta(minutes=1)
    hidden(http, file_id)
    assert http.get(link).status == 404
    assert names(http, name="to be undone") == []
    for _ in range(2):
        restored = http.request("POST", f"/files/{file_id}/restore")
        assert (restored.status, {**restored.json(), "sha256": 0}) == (200, {**record, "sha256": 0})
    assert http.get(link).body == http.get(f"/uploads/{file_id}").body == mark
    assert http.request("HEAD", f"/uploads/{file_id}", [VERSION]).header("Upload-Offset") == str(len(mark))
    assert names(http, name="to be undone") == ["to be undone"]
    assert http.request("DELETE", f"/files/{file_id}").status == 204
    assert beneath(module_server).settled(mark, 0) == 0
    assert http.request("POST", f"/files/{file_id}/restore").status == 404
    assert http.request("DELETE", f"/files/{stored(tus)}?undo=perhaps").status == 400


@on_each_database
def test_many_are_deleted_and_restored_at_once(tus: Tus, http: Http) -> None:
    ids = [stored(tus, filename="one of many") for _ in range(3)]
    wanted = [ids[0], ids[1].upper(), UNKNOWN, "x", ids[0]]
    told = post(http, "/files/delete", {"ids": wanted, "undo": True})
    assert [file["id"] for file in told] == wanted[:-1]
    assert [file["deleted"] for file in told] == [True, True, False, False]
    assert told[0]["restorable_until"] is not None
    assert {told[2]["code"], told[3]["code"]} == {"file_not_found"}
    assert len(names(http, name="one of many")) == 1
    told = post(http, "/files/restore", {"ids": [*ids, UNKNOWN]})
    assert [file["restored"] for file in told] == [True, True, True, False]
    assert len(names(http, name="one of many")) == 3
    told = post(http, "/files/delete", {"ids": ids})
    assert [(file["deleted"], file["restorable_until"]) for file in told] == [(True, None)] * 3
    assert post(http, "/files/delete", {"ids": ids[:1]})[0]["deleted"] is False
    assert listed(http, name="one of many")["uploads"] == []


@pytest.mark.parametrize(
    "told", [{}, [], {"ids": []}, {"ids": "x"}, {"ids": [7]}, {"ids": ["x"] * 1001}, {"ids": ["x"], "undo": "yes"}]
)
@pytest.mark.parametrize("target", ["/files/delete", "/files/restore"])
def test_ids_are_a_list_of_some(http: Http, target: str, told: object) -> None:
    answer = http.request("POST", target, [JSON], json.dumps(told).encode())
    assert (answer.status, answer.json()["code"]) == (400, "invalid_request")


def test_low_on_disk_a_deletion_frees_it_at_once(start_module_server: StartServer) -> None:
    server = start_module_server()
    tus = Tus(Http(server.port))
    ids: Sequence[str] = [stored(tus), stored(tus)]
    server.env["MIN_FREE_SPACE"] = "900TB"
    server.restart()
    answer = tus.http.request("DELETE", f"/files/{ids[0]}?undo=1")
    assert (answer.status, answer.header("Restorable-Until")) == (204, None)
    assert post(tus.http, "/files/delete", {"ids": ids[1:], "undo": True})[0]["restorable_until"] is None
    assert [tus.http.request("POST", f"/files/{file_id}/restore").status for file_id in ids] == [404, 404]
