"""Pictures on the page: what becomes of them after their last byte, and their thumbnails. Contract §2.6."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from domain.picture import PictureFormat
from tests.e2e.browser.chromium import Watch
from tests.e2e.browser.upload_page import UploadPage
from tests.e2e.tus import Tus, metadata
from tests.support.pictures import encoded, quarters

pytestmark = pytest.mark.browser

_SEEN = """() => {
    window.seen = []
    window.shifted = 0
    const note = () => document.querySelectorAll(".words").forEach((words) => window.seen.push(words.textContent))
    new MutationObserver(note).observe(document.getElementById("app"), {
        childList: true, subtree: true, characterData: true,
    })
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value
    }).observe({ type: "layout-shift" })
}"""
_COLOUR = """(image) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d")
    canvas.drawImage(image, 0, 0, image.naturalWidth / 4, image.naturalHeight / 4, 0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
}"""


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """One that no browser here can show, and one that it can."""
    made = []
    for format_ in (PictureFormat.HEIC, PictureFormat.JPEG):
        path = tmp_path / f"sea.{format_.extension}"
        path.write_bytes(encoded(quarters(1200, 900), format_))
        made.append(path)
    return made


def test_a_picture_shows_its_thumbnail_and_does_so_again(page: UploadPage, watch: Watch, photos: list[Path]) -> None:
    page.page.evaluate(_SEEN)
    page.choose(*photos)
    page.expect_done(*(photo.name for photo in photos))
    page.page.evaluate("window.shifted = 0")  # until then the list was made, and put in order
    for photo in photos:
        thumbnail = page.row(photo.name).get_by_role("img", name=f"Thumbnail of {photo.name}")
        expect(thumbnail).to_be_visible(timeout=15_000)
        thumbnail.evaluate("image => image.decode()")
        red, green, blue, _ = thumbnail.evaluate(_COLOUR)
        assert red > 150 > max(green, blue)
        expect(page.row(photo.name).locator(".words")).to_have_text(stored(photo))
    seen = " ".join(page.page.evaluate("window.seen"))
    assert "Checking the picture…" in seen and "Making a thumbnail…" in seen
    assert page.page.evaluate("window.shifted") == 0

    watch.requests.clear()
    page.reload()
    expect(page.page.locator(".thumbnail:visible")).to_have_count(len(photos))
    assert not [url for url in watch.requests if url.endswith("/images")]


def test_what_can_not_be_drawn_is_said_and_holds_nothing_up(troubled_page: UploadPage, photos: list[Path]) -> None:
    page, (heic, jpeg) = troubled_page, photos
    jpeg.write_bytes(jpeg.read_bytes()[:2000])
    letter = jpeg.with_name("letter.png")
    letter.write_text("Dear all,")
    page.choose(jpeg, letter, heic)
    page.expect_done(jpeg.name, letter.name, heic.name)
    expect(page.row(jpeg.name).locator(".words")).to_contain_text("No thumbnail: the picture is damaged.")
    expect(page.row(letter.name).locator(".words")).to_contain_text("No thumbnail: it can’t be read as a picture.")
    expect(page.row(heic.name).locator(".thumbnail")).to_be_visible()
    expect(page.page.locator("#announcements")).to_contain_text(f"{jpeg.name}: No thumbnail", timeout=15_000)
    page.reload()
    expect(page.row(jpeg.name).locator(".words")).to_contain_text("No thumbnail: the picture is damaged.")


def test_what_is_no_picture_is_asked_about_once(troubled_page: UploadPage, watch: Watch, server_tus: Tus) -> None:
    """In the list of files, where a name and a type are all that is known."""
    page = troubled_page.page
    server_tus.completed(b"Dear all,", metadata(filename="letter.png", filetype="image/png"))
    with page.expect_response("**/images") as refused:
        page.goto(f"{troubled_page.url}/#files")
    assert refused.value.status == 400
    server_tus.completed(
        encoded(quarters(90, 60), PictureFormat.JPEG), metadata(filename="a.jpg", filetype="image/jpeg")
    )
    watch.requests.clear()
    page.reload()
    expect(page.locator(".card[aria-label='a.jpg'] .thumbnail")).to_be_visible(timeout=15_000)
    assert len([url for url in watch.requests if url.endswith("/images")]) == 1


def stored(photo: Path) -> str:
    size = photo.stat().st_size
    text = f"{size / 1000:.1f}" if size < 99_950 else f"{size / 1000:.0f}"
    return f"{text.removesuffix('.0')}\u00a0kB stored"
