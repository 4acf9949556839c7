"""What goes wrong is said in plain words, with a way on."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.browser.conftest import Download, MakeFile, sha256
from tests.e2e.browser.upload_page import UploadPage, target_of
from tests.e2e.tus import Tus
from tests.support.processes.server import ServerProcess

pytestmark = pytest.mark.browser

MIB = 1024 * 1024


@pytest.fixture
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that takes 1 MiB at most."""
    data = tmp_path_factory.mktemp("small") / "data"
    with ServerProcess(data, {"MAX_UPLOAD_SIZE": "1MiB"}) as process:
        yield process


def test_too_large_is_said_at_once(browser: Browser, small_server: ServerProcess, make_file: MakeFile) -> None:
    context = browser.new_context()
    page = UploadPage(context.new_page(), small_server.url)
    page.open()
    page.choose(make_file("a.bin", size=2 * MIB), make_file("b.bin", size=MIB))
    page.expect_state("a.bin", "failed")
    expect(page.words("a.bin")).to_contain_text("too large for this server")
    page.expect_done("b.bin")
    context.close()


def test_a_deleted_upload_can_start_again(
    troubled_page: UploadPage, make_file: MakeFile, server_tus: Tus, download: Download
) -> None:
    page, file = troubled_page, make_file("a.bin", size=12 * MIB)
    page.limit_upload_speed(4 * MIB)
    page.choose(file)
    page.wait_for_stored("a.bin", 5)
    page.press("a.bin", "Pause")
    old = target_of(page.upload_url("a.bin"))
    assert server_tus.delete(old).status == 204
    page.expect_state("a.bin", "failed")
    expect(page.words("a.bin")).to_contain_text("The server no longer has this upload")
    page.limit_upload_speed(None)
    page.press("a.bin", "Start again")
    page.expect_done("a.bin")
    assert target_of(page.upload_url("a.bin")) != old
    assert download(page.content_url("a.bin")) == sha256(file)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (507, "The server has no room left."),
        (403, "You are not allowed to do this."),
        (410, "The server no longer has this upload"),
        (415, "The server refused this file: No such thing"),
    ],
)
def test_a_refusal_is_explained_and_can_be_retried(
    troubled_page: UploadPage, make_file: MakeFile, status: int, words: str
) -> None:
    page = troubled_page
    page.page.route("**/uploads/*", lambda route: refuse(route, status))
    page.choose(make_file("a.bin", size=1000))
    page.expect_state("a.bin", "failed")
    expect(page.words("a.bin")).to_contain_text(words)
    page.page.unroute_all()
    page.press("a.bin", "Start again" if status == 410 else "Retry")
    page.expect_done("a.bin")


def test_a_server_that_is_away_is_asked_again(troubled_page: UploadPage, make_file: MakeFile) -> None:
    page = troubled_page
    page.page.route("**/uploads/*", lambda route: refuse(route, 503, {"Retry-After": "60"}))
    page.choose(make_file("a.bin", size=1000))
    page.expect_state("a.bin", "waiting")
    expect(page.words("a.bin")).to_contain_text("The server is away for a moment. Trying again in 60\u00a0s.")
    page.page.unroute_all()
    page.press("a.bin", "Retry now")
    page.expect_done("a.bin")


def refuse(route: Route, status: int, headers: dict[str, str] | None = None) -> None:
    """Answer a PATCH as a server in trouble would; everything else goes through."""
    if route.request.method != "PATCH":
        route.continue_()
        return
    route.fulfill(
        status=status,
        headers={"Tus-Resumable": "1.0.0", **(headers or {})},
        content_type="application/problem+json",
        json={"status": status, "code": "made_up", "detail": "No such thing"},
    )
