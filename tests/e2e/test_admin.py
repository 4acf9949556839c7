"""What administrators see and may do at /admin, and what everybody is told of themselves at /me."""

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_tokens import JWT, ours
from tests.e2e.tus import Tus, metadata
from tests.support.processes.server import ServerProcess
from tests.support.tokens import ANNA, BERT, signed
from tests.support.wire import Header, Http


@pytest.fixture(scope="module")
def guarded(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(**JWT)


def _as(who: str, scope: str | None = None) -> Header:
    return "Authorization", f"Bearer {signed(ours(who, scope=scope))}"


def test_everybody_is_told_who_they_are(guarded: ServerProcess) -> None:
    http = Http(guarded.port)
    anna, admin = (http.get("/me", _as(*who)).json() for who in ((ANNA,), (BERT, "admin")))
    assert (anna["auth_mode"], anna["owner"], anna["is_admin"]) == ("jwt", f"user:{ANNA}", False)
    assert (admin["owner"], admin["is_admin"]) == (f"user:{BERT}", True)
    stranger = http.get("/me")
    assert (stranger.status, stranger.json()["owner"], stranger.json()["is_admin"]) == (200, None, False)
    assert stranger.header("Cache-Control") == "no-store"
    assert anna["max_upload_size"] == 50 * 1024**3
    refused = http.get("/me", ("Authorization", "Bearer no.token.atall"))
    assert (refused.status, refused.json()["code"]) == (401, "invalid_token")
    assert "invalid_token" in (refused.header("WWW-Authenticate") or "")


@pytest.mark.parametrize("path", ["/admin", "/admin/cleanup", f"/admin/jobs/{'0' * 32}/retry"])
def test_only_administrators_are_let_in(guarded: ServerProcess, path: str) -> None:
    http, method = Http(guarded.port), "POST" if path.endswith("retry") else "GET"
    assert http.request(method, path).status == 401
    refused = http.request(method, path, [_as(ANNA)])
    assert (refused.status, refused.json()["code"]) == (403, "forbidden")
    assert http.request(method, path, [_as(BERT, "admin")]).status == (404 if method == "POST" else 200)


def test_an_administrator_sees_the_uploads_of_all(guarded: ServerProcess) -> None:
    http = Http(guarded.port)
    created = http.request(
        "POST", "/uploads", [_as(ANNA), ("Tus-Resumable", "1.0.0"), ("Upload-Length", "7"), metadata(filename="a.mov")]
    )
    assert created.status == 201
    seen = http.get("/admin", _as(BERT, "admin")).json()
    assert [(one["filename"], one["owner"], one["length"]) for one in seen["open_uploads"]] == [
        ("a.mov", f"user:{ANNA}", 7)
    ]
    assert seen["usage"] == {"open_uploads": 0, "files": 0, "bytes": 0}, "of who asks"
    assert seen["quota"]["open_uploads"] == 100_000
    assert seen["jobs"] == {"queued": 0, "running": 0, "dead": 0} and seen["dead_jobs"] == []
    assert {disk["name"] for disk in seen["disks"]} == {"data", "storage"}
    assert all(0 < disk["free"] <= disk["size"] for disk in seen["disks"])


def test_where_everything_is_everyones_anybody_is_one(tus: Tus) -> None:
    assert tus.http.get("/me").json()["is_admin"] is True
    told = tus.http.get("/admin/cleanup").json()
    assert set(told) == {
        "expired_uploads",
        "orphans",
        "deleted_blobs",
        "forgotten_uploads",
        "instruction_inputs",
    }
