"""The documents of a real server: what they allow is sent, what comes back is what they say; and the page to read."""

import base64
import gzip
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from tests.e2e.conftest import ROOMY, StartServer
from tests.e2e.tus import Tus, id_of
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http

ME = {"x-user-id": str(uuid.uuid4())}
ENDLESS = {"/events", "/notifications/sse", "/ws/progress", "/image/upload"}
TINY_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@schemathesis.serializer("application/offset+octet-stream", "application/partial-upload")
def _as_it_is(_: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server(**ROOMY, UPLOAD_RATE_LIMIT="none")


@pytest.fixture(scope="module")
def known(server: ServerProcess) -> dict[str, str]:
    """Ids that are there, by the beginning of the paths that have them."""
    http = Http(server.port)
    picture = http.request("PUT", "/upload/a.png", [], TINY_PNG).header("Location") or ""
    image = http.request("POST", "/images", [("Content-Type", "application/json")], _json(file_id=id_of(picture)))
    assert image.status == 200, image
    made = http.request(
        "POST",
        "/instructions",
        [*ME.items(), ("Content-Type", "application/json")],
        _json(product_id="images/convert"),
    )
    return {
        "/uploads": id_of(Tus(http).created(10)),
        "/instructions": made.json()["data"]["instruction"]["id"],
        "/images": id_of(picture),
        "/files": id_of(picture),
        "/api": id_of(picture),
    }


def _json(**fields: str) -> bytes:
    return json.dumps(fields).encode()


def _try(server: ServerProcess, known: dict[str, str], examples: int) -> set[str]:
    """Send what the document allows, and some of it to what is there; what was answered, as ``GET /files/{id} 200``."""
    url, answered = f"http://127.0.0.1:{server.port}", set[str]()
    for result in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path not in ENDLESS:
            _try_one(operation, url, known, examples, answered)
    return answered


def _try_one(operation: Any, url: str, known: dict[str, str], examples: int, answered: set[str]) -> None:
    @given(case=operation.as_strategy(), is_there=st.sampled_from([True, False]))
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def sent(case: Any, is_there: bool) -> None:
        there = next((id_ for path, id_ in known.items() if case.path.startswith(path)), None)
        if is_there and there and "id" in (case.path_parameters or {}) and case.method.upper() != "DELETE":
            case.path_parameters["id"] = there
        answer = case.call(base_url=url, headers=ME if operation.path.startswith("/instructions") else {})
        answered.add(f"{case.method.upper()} {operation.path} {answer.status_code}")
        case.validate_response(answer, checks=CHECKS)

    sent()


def test_what_the_document_allows_is_answered_as_it_says(server: ServerProcess, known: dict[str, str]) -> None:
    answered = _try(server, known, 4)
    for told in ("GET /files/{id} 200", "GET /images/{id} 200", "GET /instructions/{id} 200", "GET /uploads 200"):
        assert told in answered
    assert len(answered) > 80


def test_every_route_has_a_head_where_it_has_a_get_and_takes_a_slash_at_its_end(
    server: ServerProcess, known: dict[str, str]
) -> None:
    http = Http(server.port, tuple(ME.items()))
    routes = {path: verbs.keys() for path, verbs in http.get("/openapi.json").json()["paths"].items()}
    reads = [path for path, verbs in routes.items() if "get" in verbs and not path.startswith("/static/")]
    assert len(reads) > 25
    for path in reads:
        id_ = next((id_ for beginning, id_ in known.items() if path.startswith(beginning)), "0" * 32)
        target = re.sub(r"{\w+}", id_, path)
        head = http.request("HEAD", target)
        assert head.status != 405 and head.body == b"", path
        assert http.request("HEAD", f"{target}/".replace("//", "/")).status == head.status, path
        if path not in ENDLESS | {"/uploads/{id}"}:  # whose HEAD tells an offset
            assert http.get(target).status == head.status, path


@pytest.mark.long
@pytest.mark.timeout(900)
def test_so_it_is_for_all_that_can_be_thought_of(server: ServerProcess, known: dict[str, str]) -> None:
    _try(server, known, 300)


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_brings_all_it_needs_and_asks_nobody_else(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy
    assert not re.findall(r"(?:src|href|url)=\"(?:https?:)?//", page.text)
    for link in re.findall(r'(?:src|href|spec-url)="([^"]+)"', page.text):
        assert client.get(str(page.url.join(link).path)).status_code == 200


def test_documents_come_compressed_and_only_once(client: httpx.Client) -> None:
    plain = client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    small = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip" and small.json() == plain.json()
    assert int(small.headers["Content-Length"]) < len(plain.content) / 5
    again = client.get("/openapi.json", headers={"If-None-Match": small.headers["ETag"]})
    assert again.status_code == 304
    assert len(gzip.compress(plain.content)) < 20_000


def test_what_is_told_knows_where_we_are(start_server: StartServer) -> None:
    server = start_server(PUBLIC_URL="https://files.example.org/shared")
    url = f"http://127.0.0.1:{server.port}"
    assert httpx.get(f"{url}/openapi.json").json()["servers"] == [{"url": "https://files.example.org/shared"}]
    host = httpx.get(f"{url}/asyncapi.json", headers={"Host": "files.example.org"}).json()["servers"]["http"]["host"]
    assert host == "files.example.org"
