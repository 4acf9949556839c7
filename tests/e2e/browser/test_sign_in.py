"""The page where the server asks for tokens: it says so, and goes on once it has one."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, expect

from domain.picture import PictureFormat
from tests.e2e.browser.chromium import Watch
from tests.e2e.browser.upload_page import UploadPage
from tests.e2e.test_tokens import JWT, ours
from tests.support.pictures import encoded, quarters
from tests.support.processes.server import ServerProcess
from tests.support.tokens import signed

pytestmark = pytest.mark.browser


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("guarded") / "data", JWT) as process:
        yield process


def test_where_no_token_would_help_none_is_asked_for(context: BrowserContext, tmp_path: Path) -> None:
    with ServerProcess(tmp_path, {"AUTH_MODE": "gateway", "TRUSTED_PROXIES": "203.0.113.1"}) as server:
        page = UploadPage(context.new_page(), server.url)
        with page.page.expect_response("**/uploads?state=open") as refused:
            page.open()
        assert (refused.value.status, refused.value.header_value("WWW-Authenticate")) == (401, "X-User-Id")
        (tmp_path / "a.txt").write_text("a")
        page.choose(tmp_path / "a.txt")
        page.expect_state("a.txt", "failed")
        assert page.page.locator("#sign-in").is_hidden()


def test_the_page_asks_for_a_token_and_shows_it_wherever_it_has_to(
    guarded: ServerProcess, context: BrowserContext, tmp_path: Path
) -> None:
    photo, token = tmp_path / "sea.jpg", signed(ours())
    photo.write_bytes(encoded(quarters(1200, 900), PictureFormat.JPEG))
    page = UploadPage(context.new_page(), guarded.url)
    watch = Watch(page.page)
    page.open()
    form = page.page.locator("#sign-in")
    expect(form).to_contain_text("This server wants to know who you are.")
    page.choose(photo)
    page.expect_state(photo.name, "failed")
    expect(page.words(photo.name)).to_contain_text("Sign in, then retry.")

    form.get_by_label("Token").fill("rubbish")
    form.get_by_role("button", name="Sign in").click()
    expect(form.get_by_role("alert")).to_have_text("This server does not take that token, or no longer. Paste another.")
    expect(page.page.get_by_role("button", name="Sign out")).to_have_count(0)

    form.get_by_label("Token").fill(token)
    form.get_by_role("button", name="Sign in").click()
    expect(form).to_be_hidden()
    page.expect_done(photo.name)
    thumbnail = page.row(photo.name).get_by_role("img", name=f"Thumbnail of {photo.name}")
    expect(thumbnail).to_be_visible(timeout=15_000)
    assert thumbnail.evaluate("image => image.decode().then(() => image.naturalWidth)") == 300
    with page.page.expect_popup() as opened:
        page.press(photo.name, "Open")
    opened.value.wait_for_url("**/files/*/content?expires=*")
    opened.value.close()

    page.open()  # still signed in
    expect(page.page.locator(".thumbnail:visible")).to_have_count(1)
    assert form.is_hidden()
    assert not [url for url in watch.requests if token in url]
    assert any(urlsplit(url).path == "/tickets" for url in watch.requests)
