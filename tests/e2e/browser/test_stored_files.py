"""The tab of stored files: found again, looked at, shared with somebody else, deleted and brought back."""

import io
import re
import wave
import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from domain.picture import PictureFormat
from tests.e2e.browser.chromium import Watch
from tests.e2e.browser.test_access import THEMES, overflow, serious
from tests.e2e.tus import Tus, id_of, metadata
from tests.support.pictures import encoded, quarters
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http

pytestmark = pytest.mark.browser

TEXT = "<script>alert(1)</script> & other lines\n"
SEA = encoded(quarters(900, 600), PictureFormat.JPEG)


@pytest.fixture
def narrow(browser: Browser, server: ServerProcess) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 360, "height": 740}, bypass_csp=True, accept_downloads=True)
    page = context.new_page()
    watch = Watch(page)
    yield page
    assert watch.errors == []
    context.close()


def card(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has=page.get_by_text(name, exact=True))


@pytest.fixture
def stored(server_tus: Tus) -> dict[str, str]:
    """The id of each file, by its name; the newest last."""
    contents: list[tuple[str, str, bytes, dict[str, str]]] = [
        ("notes.txt", "text/plain", TEXT.encode(), {}),
        ("sea.jpg", "image/jpeg", SEA, {}),
        ("hill.heic", "image/heic", encoded(quarters(900, 600), PictureFormat.HEIC), {}),
        ("bell.wav", "audio/wav", _sound(), {}),
        ("plan.pdf", "application/pdf", _PDF, {}),
        ("deep.bin", "application/octet-stream", b"1234", {"relativePath": "album/2026/deep.bin"}),
    ]
    return {
        name: id_of(server_tus.completed(content, metadata(filename=name, filetype=media_type, **more)))
        for name, media_type, content, more in contents
    }


def test_stored_files_are_found_looked_at_shared_and_brought_back(
    narrow: Page, browser: Browser, server: ServerProcess, stored: dict[str, str]
) -> None:
    narrow.goto(f"{server.url}/#files")
    expect(narrow.locator(".card")).to_have_count(len(stored))
    _find(narrow, stored)
    _look(narrow)
    link = _share(narrow)
    somebody = browser.new_context()
    assert somebody.request.get(link).body() == SEA, "who opens it is somebody of whom nothing is known"
    somebody.close()
    card(narrow, "sea.jpg").get_by_role("button", name="Make public: sea.jpg").click()
    expect(card(narrow, "sea.jpg").locator(".badge")).to_have_text("public")
    assert Http(server.port).get(f"/files/{stored['sea.jpg']}").json()["visibility"] == "public"
    _delete_and_undo(narrow, Http(server.port), f"/files/{stored['notes.txt']}/content")
    _choose_several(narrow, len(stored))


def _find(page: Page, stored: dict[str, str]) -> None:
    names = page.locator(".card").evaluate_all("cards => cards.map((card) => card.getAttribute('aria-label'))")
    assert names == [*reversed(stored)], "the newest first"
    expect(card(page, "album/2026/deep.bin")).to_be_visible()
    for picture in ("sea.jpg", "hill.heic"):  # whatever brought them
        expect(card(page, picture).locator(".thumbnail")).to_be_visible(timeout=15_000)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        assert serious(page) == [], theme
        assert overflow(page) == 0
    page.get_by_label("Find files by name").fill("ALBUM")
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_label("Find files by name").fill("bel")
    expect(page.locator(".card")).to_have_attribute("aria-label", "bell.wav")
    page.get_by_label("Find files by name").fill("")
    page.get_by_label("Kind").select_option("image/")
    expect(page.locator(".card")).to_have_count(2)
    page.get_by_label("Kind").select_option("")
    page.get_by_label("Order").select_option("name")
    expect(page.locator(".card").first).to_have_attribute("aria-label", "bell.wav")


def _look(page: Page) -> None:
    """At one after the other, without leaving."""
    card(page, "bell.wav").get_by_label("Preview of bell.wav").click()
    dialog = page.get_by_role("dialog", name="bell.wav")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    card(page, "bell.wav").get_by_label("Select bell.wav").focus()
    page.keyboard.press("Tab")  # to its name
    page.keyboard.press("Enter")
    assert dialog.locator("audio").evaluate(_DURATION) == pytest.approx(1.0, abs=0.1)
    dialog.get_by_role("button", name="Next").click()
    expect(page.get_by_role("dialog", name="deep.bin")).to_contain_text("There is no preview of such files.")
    page.keyboard.press("ArrowRight")  # a HEIC, which no browser here shows by itself
    expect(page.get_by_role("dialog", name="hill.heic").locator("img")).to_have_js_property("naturalWidth", 900)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name="notes.txt").locator("pre")).to_have_text(TEXT)
    assert serious(page) == []
    page.get_by_role("button", name="Next").click()
    expect(page.locator("dialog iframe")).to_have_attribute("src", re.compile("^blob:"))
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator(":focus")).to_have_text("bell.wav")


def _share(page: Page) -> str:
    card(page, "sea.jpg").get_by_role("button", name="Share: sea.jpg").click()
    dialog = page.get_by_role("dialog", name="Share “sea.jpg”")
    expect(dialog.get_by_role("img", name="QR code of the link")).to_be_visible()
    link = dialog.get_by_label("Link", exact=True).input_value()
    assert "signature=" in link and "expires=" in link
    expect(dialog).to_contain_text("It ends ")
    assert serious(page) == []
    dialog.get_by_role("button", name="Close").click()
    return link


def _delete_and_undo(page: Page, http: Http, content: str) -> None:
    card(page, "notes.txt").get_by_role("button", name="Delete: notes.txt").click()
    expect(card(page, "notes.txt")).to_have_count(0)
    assert http.get(content).status in (404, 410)
    page.get_by_role("button", name="Undo").click()
    expect(card(page, "notes.txt")).to_be_visible()
    assert http.get(content).status == 200


def _choose_several(page: Page, count: int) -> None:
    for name in ("bell.wav", "plan.pdf"):
        card(page, name).get_by_label(f"Select {name}").check()
    chosen = page.get_by_role("group", name="Selection")
    expect(chosen).to_contain_text("2 files selected")
    assert serious(page) == []
    with page.expect_download() as saved:
        chosen.get_by_role("button", name="Download as ZIP").click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert sorted(archive.namelist()) == ["bell.wav", "plan.pdf"]
        assert archive.read("plan.pdf") == _PDF
    chosen.get_by_role("button", name="Delete").click()
    expect(page.locator(".card")).to_have_count(count - 2)


_DURATION = """(audio) => new Promise((resolve) => {
    if (audio.readyState > 0) resolve(audio.duration)
    audio.addEventListener("loadedmetadata", () => resolve(audio.duration))
})"""
_PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


def _sound() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000))
    return written.getvalue()
