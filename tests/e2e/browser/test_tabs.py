"""The page's frame and its other tabs: languages, themes, work, activity, administration; and what it weighs."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from domain.picture import PictureFormat
from tests.e2e.browser.chromium import Watch, forget
from tests.e2e.browser.test_access import THEMES, overflow, serious
from tests.e2e.tus import Tus, metadata
from tests.support.pictures import encoded, quarters
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http

pytestmark = pytest.mark.browser

MIB = 1024 * 1024
FIRST_LOAD = 40_000
_FETCHED = """performance.getEntriesByType("resource").filter(({ name, transferSize }) =>
    name.includes("/static/") && transferSize > 0).map(({ name }) => name)"""


@pytest.fixture
def opened(narrow_context: BrowserContext, server: ServerProcess) -> Iterator[tuple[Page, Watch]]:
    page = narrow_context.new_page()
    yield page, Watch(page)
    forget(narrow_context)


@pytest.fixture
def narrow(opened: tuple[Page, Watch]) -> Iterator[Page]:
    page, watch = opened
    yield page
    assert watch.errors == []


def assert_fit_for_all(page: Page) -> None:
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert serious(page) == [], theme
        assert overflow(page) == 0, theme


@pytest.mark.parametrize("language", ["en-GB", "ru-RU"])
def test_who_looks_in_loads_little_and_keeps_it(browser: Browser, server: ServerProcess, language: str) -> None:
    context = browser.new_context(locale=language)
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 -- it can't mark a builtin
    page.goto(server.url, wait_until="networkidle")
    expect(page.locator("#app")).to_be_visible()
    weights = {answer.url: answer.request.sizes()["responseBodySize"] for answer in answers}
    assert sum(weights.values()) <= FIRST_LOAD, weights
    own = [answer for answer in answers if "/static/" in answer.url]
    for answer in own:
        headers = answer.headers
        assert headers["cache-control"] == "public, max-age=31536000, immutable", answer.url
        assert headers["vary"] == "Accept-Encoding"
        if not answer.url.endswith(".svg"):
            assert headers.get("content-encoding", "gzip" if weights[answer.url] < 512 else "") == "gzip", answer.url
    releases = {re.sub(r".*/static/([0-9a-f]{16})/.*", r"\1", answer.url) for answer in own}
    assert len(releases) == 1
    page.reload(wait_until="networkidle")
    assert page.evaluate(_FETCHED) == [], "it has been kept"
    context.close()


def test_files_come_as_they_are_to_who_can_not_unpack_them(server: ServerProcess) -> None:
    http = Http(server.port)
    packed = http.get("/static/app.js", ("Accept-Encoding", "br, gzip;q=0.5"))
    plain = http.get("/static/app.js", ("Accept-Encoding", "gzip;q=0"))
    assert packed.header("Content-Encoding") == "gzip" and plain.header("Content-Encoding") is None
    assert packed.header("ETag") != plain.header("ETag")
    assert plain.body.startswith(b"/** The page at")
    old = http.get(f"/static/{'0' * 16}/app.js")
    assert (old.status, old.header("Cache-Control")) == (200, "no-cache")
    assert http.get(f"/static/{'0' * 16}/../pages.py").status == 404
    assert http.get("/docs").status == 200, "the page's foot leads there"
    tag = packed.header("ETag") or ""
    again = http.get("/static/app.js", ("If-None-Match", tag), ("Accept-Encoding", "gzip"))
    assert again.status == 304


def test_the_page_speaks_the_readers_language(browser: Browser, server: ServerProcess, tmp_path: Path) -> None:
    context = browser.new_context(locale="ru-RU")
    page = context.new_page()
    watch = Watch(page)
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Загрузка файлов")
    assert page.evaluate("document.documentElement.lang") == "ru"
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(1_500_000))
    page.set_input_files("#files", file)
    expect(page.locator(".words")).to_have_text("1,5\u00a0МБ сохранено")
    expect(page.locator("#overall")).to_have_text("Сохранён 1 файл")
    sections = page.get_by_role("navigation").bounding_box()
    page.get_by_role("link", name="Файлы").click()
    expect(page.get_by_role("button", name="Списком")).to_be_visible()
    assert page.get_by_role("navigation").bounding_box() == sections, "on every tab at the same place"
    page.get_by_role("link", name="Загрузка").click()
    page.get_by_label("Язык").select_option("en")
    expect(page.locator(".words")).to_have_text("1.5\u00a0MB stored")
    assert page.evaluate("document.documentElement.lang") == "en-GB"
    page.get_by_label("Theme").select_option("dark")
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Upload files")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark
    assert watch.errors == []
    context.close()


def _of_108_megapixels() -> bytes:
    """A PNG whose header says so: it is refused by that."""
    png = bytearray(encoded(quarters(4, 4), PictureFormat.PNG))
    png[16:24] = struct.pack(">II", 12000, 9000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return bytes(png)


def test_work_is_a_table_with_the_state_of_each_file(
    opened: tuple[Page, Watch], server: ServerProcess, tmp_path: Path
) -> None:
    narrow, watch = opened
    good, bad = tmp_path / "sea.jpg", tmp_path / "cut.jpg"
    good.write_bytes(encoded(quarters(1200, 900), PictureFormat.JPEG))
    bad.write_bytes(good.read_bytes()[:2000])
    narrow.goto(f"{server.url}/#work")
    narrow.get_by_label("What to do").select_option("images/convert")
    narrow.get_by_label("format").select_option("webp")
    none = tmp_path / "notes.jpg"
    none.write_bytes(b"hello, world")
    large = tmp_path / "large.png"
    large.write_bytes(_of_108_megapixels())
    narrow.set_input_files("#work-files", [good, bad, none, large])
    narrow.get_by_role("button", name="Begin").click()
    row = narrow.get_by_role("row").filter(has_text="sea.jpg")
    expect(row.locator(".state")).to_have_text("done", timeout=20_000)
    broken = narrow.get_by_role("row").filter(has_text="cut.jpg")
    expect(broken.locator(".state")).to_have_text("failed", timeout=20_000)
    expect(broken).to_contain_text("damaged")
    refused = narrow.get_by_role("alert").get_by_role("paragraph")
    large_is = "large.png: the picture has 108 megapixels; at most 80 are taken"
    expect(refused).to_have_text(["2 files were refused.", re.compile("^notes.jpg: this is no picture"), large_is])
    assert_fit_for_all(narrow)
    narrow.get_by_label("Language").select_option("ru")
    large_is = "large.png: в изображении 108 мегапикселей, допустимо не более 80"
    expect(refused).to_have_text(["Отказано в 2 файлах.", re.compile("^notes.jpg: это не изображение"), large_is])
    expect(broken).to_contain_text("повреждено")
    narrow.get_by_label("Язык").select_option("en")
    assert sorted(re.findall(r"status of (\d+)", str(watch.errors))) == ["400", "413"], "the browser's own words"
    with narrow.expect_download() as saved:
        row.get_by_role("button", name=re.compile("^Save")).click()
    assert Path(saved.value.path()).read_bytes()[8:12] == b"WEBP"


def test_activity_shows_what_others_send_and_how_fast(narrow: Page, server: ServerProcess, server_tus: Tus) -> None:
    target = server_tus.created(2 * MIB, metadata(filename="theirs.mov"))
    narrow.goto(server.url)
    expect(narrow.locator("#rows .row")).to_have_count(1)  # the server tells of it once, and that was it
    narrow.get_by_role("link", name="Activity").click()
    row = narrow.locator(".moving .row").filter(has=narrow.get_by_text("theirs.mov", exact=True))
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0")
    assert server_tus.patch(target, 0, bytes(MIB)).status == 204
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    expect(narrow.locator(".chart canvas")).to_be_visible()
    expect(narrow.get_by_role("img", name=re.compile(r"^Now .+, at most 1.0.MB.s in the last"))).to_be_visible()
    assert_fit_for_all(narrow)
    assert server_tus.patch(target, MIB, bytes(MIB)).status == 204
    expect(row).to_contain_text("Stored · ")


def test_administrators_see_how_the_server_is(narrow: Page, server: ServerProcess, server_tus: Tus) -> None:
    target = server_tus.created(2 * MIB, metadata(filename="left.mov"))
    narrow.goto(f"{server.url}/#admin")
    expect(narrow.get_by_text("well", exact=True)).to_be_visible()
    expect(narrow.locator(".meter").first).to_be_visible()
    expect(narrow.get_by_role("row").filter(has_text="left.mov")).to_contain_text("nobody")
    narrow.get_by_role("button", name="Look").click()
    expect(narrow.get_by_text("End expired uploads")).to_be_visible()
    assert_fit_for_all(narrow)
    narrow.get_by_role("button", name="Cancel: left.mov").click()
    narrow.get_by_role("button", name="Cancel the upload").click()
    expect(narrow.get_by_role("row").filter(has_text="left.mov")).to_have_count(0)
    assert server_tus.head(target).status == 410
