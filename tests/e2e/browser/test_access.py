"""For everyone: keyboard, screen reader, small screens, both themes; and nothing from anywhere else."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect

from tests.e2e.browser.chromium import Watch, forget
from tests.e2e.browser.conftest import MakeFile
from tests.e2e.browser.upload_page import UploadPage
from tests.e2e.tus import Tus, metadata
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require

pytestmark = pytest.mark.browser

MIB = 1024 * 1024
AXE = Path(__file__).resolve().parents[2] / "clients" / "node_modules" / "axe-core" / "axe.min.js"
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")


@pytest.fixture
def narrow(narrow_context: BrowserContext, server: ServerProcess) -> Iterator[UploadPage]:
    """The page, 360 pixels wide; axe may run in it."""
    page = UploadPage(narrow_context.new_page(), server.url)
    page.open()
    yield page
    forget(narrow_context)


def serious(page: Page) -> list[str]:
    """What axe finds serious or critical."""
    if not AXE.is_file():
        require("axe-core", "run `npm ci --prefix tests/clients`")
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{violation['id']}: {json.dumps([node['html'] for node in violation['nodes']])}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def overflow(page: Page) -> int:
    """Pixels one would have to scroll sideways."""
    too_wide: int = page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
    return too_wide


def assert_fit_for_all(page: UploadPage) -> None:
    for theme in THEMES:
        # Without motion the new colours are there at once, not half of them.
        page.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert serious(page.page) == [], theme
        assert overflow(page.page) == 0, theme


def test_the_empty_page_is_fit_for_all(narrow: UploadPage) -> None:
    assert_fit_for_all(narrow)


def test_the_busy_page_is_fit_for_all(narrow: UploadPage, make_file: MakeFile) -> None:
    narrow.limit_upload_speed(1 * MIB)
    long_name = "a very long name without any end in sight " * 4 + ".tar.gz"
    narrow.choose(*(make_file(name, size=6 * MIB) for name in (long_name, "b.mov", "c.mov", "queued.mov")))
    narrow.wait_for_stored("b.mov", 1)
    narrow.press("c.mov", "Pause")
    assert_fit_for_all(narrow)


def test_the_page_in_trouble_is_fit_for_all(narrow: UploadPage, make_file: MakeFile, server_tus: Tus) -> None:
    server_tus.created(1000, metadata(filename="missing.mov"))
    narrow.reload()
    narrow.expect_state("missing.mov", "missing")
    narrow.page.route("**/uploads/*", by_method(PATCH=507))
    narrow.choose(make_file("full.mov", size=100_000))
    narrow.expect_state("full.mov", "failed")
    narrow.page.unroute_all()
    narrow.page.route("**/uploads/*", by_method(PATCH=503))
    narrow.choose(make_file("away.mov", size=100_000))
    narrow.expect_state("away.mov", "waiting")
    assert_fit_for_all(narrow)


def test_the_finished_page_is_fit_for_all(narrow: UploadPage, make_file: MakeFile) -> None:
    narrow.choose(make_file("a.mov", size=1000), make_file("b" * 120 + ".mov", size=1000))
    narrow.expect_done("a.mov", "b" * 120 + ".mov")
    assert_fit_for_all(narrow)


def test_the_question_before_cancelling_is_fit_for_all(narrow: UploadPage, make_file: MakeFile) -> None:
    narrow.limit_upload_speed(1 * MIB)
    narrow.choose(make_file("a.mov", size=9 * MIB))
    narrow.wait_for_stored("a.mov", 1)
    narrow.press("a.mov", "Cancel")
    expect(narrow.page.get_by_role("dialog", name="Cancel this upload?")).to_be_visible()
    assert_fit_for_all(narrow)


def test_everything_works_by_keyboard(page: UploadPage, make_file: MakeFile) -> None:
    keyboard, focused = page.page.keyboard, page.page.locator(":focus")
    page.limit_upload_speed(4 * MIB)
    tab_to(page.page, "files")
    with page.page.expect_file_chooser() as chosen:
        keyboard.press("Enter")
    chosen.value.set_files(make_file("a.bin", size=24 * MIB))
    page.wait_for_stored("a.bin", 1)

    tab_to(page.page, "Pause: a.bin")
    assert focused.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    keyboard.press("Enter")
    page.expect_state("a.bin", "paused")
    expect(focused).to_have_attribute("aria-label", "Resume: a.bin")
    keyboard.press("Space")
    page.expect_state("a.bin", "sending")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(page.page.get_by_role("dialog")).to_be_visible()
    keyboard.press("Escape")
    expect(focused).to_have_attribute("aria-label", "Cancel: a.bin")

    keyboard.press("Shift+Tab")  # the pause button is about to disappear
    expect(focused).to_have_attribute("aria-label", "Pause: a.bin")
    page.limit_upload_speed(None)
    page.expect_done("a.bin")
    expect(focused).to_have_attribute("aria-label", "Open: a.bin")
    tab_to(page.page, "Remove from list: a.bin")
    keyboard.press("Enter")
    expect(page.rows).to_have_count(0)
    expect(focused).to_have_attribute("id", "files")


def test_a_folder_can_be_chosen_by_keyboard(page: UploadPage, make_file: MakeFile) -> None:
    folder = make_file("album/a.txt", size=10).parent
    tab_to(page.page, "choose-folder")
    with page.page.expect_file_chooser() as chosen:
        page.page.keyboard.press("Enter")
    chosen.value.set_files(folder)
    page.expect_done("album/a.txt")


def test_a_screen_reader_hears_a_summary(page: UploadPage, make_file: MakeFile) -> None:
    heard = page.page.locator("#announcements")
    expect(heard).to_have_attribute("aria-live", "polite")
    page.page.evaluate(
        """() => {
            window.heard = [];
            const region = document.getElementById("announcements");
            new MutationObserver(() => window.heard.push(region.textContent)).observe(region, { childList: true });
        }"""
    )
    files = [make_file(f"{number}.bin", size=1000) for number in range(12)]
    page.choose(*files)
    page.expect_done(*(file.name for file in files))
    expect(heard).to_contain_text("All uploads are finished.", timeout=15_000)
    sentences: list[str] = page.page.evaluate("window.heard")
    assert len(sentences) <= 3, f"twelve small files are no reason to talk so much: {sentences}"
    assert "12 files added." in sentences[0]
    assert len(re.findall(r"\d+\.bin", " ".join(sentences))) <= 1  # one that came alone may be named


def test_the_bar_speaks(page: UploadPage, make_file: MakeFile) -> None:
    page.limit_upload_speed(2 * MIB)
    page.choose(make_file("a.bin", size=8 * MIB))
    page.wait_for_stored("a.bin", 5)
    bar = page.page.get_by_role("progressbar", name="a.bin")
    assert 5 <= int(bar.get_attribute("aria-valuenow") or "") <= 100
    assert "percent stored" in (bar.get_attribute("aria-valuetext") or "")


def test_motion_colours_size_and_touch_are_as_the_reader_has_them(
    browser: Browser, server: ServerProcess, make_file: MakeFile
) -> None:
    at_400_percent = ViewportSize(width=320, height=256)  # of a screen of 1280 by 1024
    context = browser.new_context(
        reduced_motion="reduce", forced_colors="active", viewport=at_400_percent, is_mobile=True, has_touch=True
    )
    page = UploadPage(context.new_page(), server.url)
    page.open()
    expect(page.page.get_by_role("button", name="Take a photo")).to_be_visible()
    expect(page.page.locator("#camera")).to_have_attribute("capture", "environment")
    page.limit_upload_speed(1 * MIB)
    page.choose(make_file("a.bin", size=4 * MIB))
    bar = page.row("a.bin").locator(".bar-stored")
    assert bar.evaluate("bar => getComputedStyle(bar).transitionProperty") == "none"
    assert bar.evaluate("bar => getComputedStyle(bar.parentElement).borderTopStyle") == "solid"
    for tab in ("Files", "Work", "Activity", "Admin", "Upload"):
        page.page.get_by_role("link", name=tab, exact=True).click()
        expect(page.page.get_by_role("heading", level=1, name=tab)).to_be_visible()
        assert overflow(page.page) == 0, tab
    context.close()


def test_nothing_comes_from_another_origin(
    page: UploadPage, watch: Watch, make_file: MakeFile, server: ServerProcess
) -> None:
    page.reload()
    page.choose(make_file("a.bin", size=9 * MIB))
    page.expect_done("a.bin")
    page.page.wait_for_timeout(500)
    origins = {urlsplit(url).netloc for url in watch.requests if not url.startswith(("data:", "blob:"))}
    assert origins == {f"127.0.0.1:{server.port}"}
    assert len(watch.requests) > 10


def test_no_script_or_style_is_inline(page: UploadPage) -> None:
    html = page.page.request.get(page.url).text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)
    policy = page.page.request.get(page.url).headers["content-security-policy"]
    assert "unsafe" not in policy


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the element with that id or label has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and wanted in (focused.get_attribute("id"), focused.get_attribute("aria-label")):
            return
    raise AssertionError(f"Tab never reaches {wanted}")


def by_method(**answers: int) -> Callable[[Route], None]:
    """A route that answers some methods as a server in trouble would and lets the others through."""

    def answer(route: Route) -> None:
        status = answers.get(route.request.method)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, headers={"Tus-Resumable": "1.0.0"}, body="")

    return answer
