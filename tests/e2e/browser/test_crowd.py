"""Very many files: the page stays smooth, and never meets the server's rate limit by its own work."""

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.chromium import Watch, long_work
from tests.e2e.browser.conftest import MakeFile
from tests.e2e.browser.upload_page import UploadPage

pytestmark = pytest.mark.browser

SMOOTH = 50
"""Milliseconds between two frames that nobody notices."""
HANDED_OVER = 80
"""In which the browser alone hands two thousand files over, to an empty page, too, where no neighbour slows it down."""


def test_two_thousand_rows_stay_smooth(page: UploadPage, browser: Browser, make_file: MakeFile) -> None:
    files = [make_file(f"many/{number:04}.bin", size=number % 7 + 1) for number in range(2000)]
    page.page.route("**/uploads", lambda _: None)  # none is answered: all stay where they are
    with long_work(browser) as taking_in:
        page.choose(*files)
        expect(page.page.locator("#overall")).to_contain_text("of 2,000 files", timeout=20_000)
    slowness = max(1, taking_in[0] / HANDED_OVER)
    assert slowness < 3
    assert taking_in[1] < SMOOTH * slowness
    page.page.mouse.move(200, 400)
    with long_work(browser) as looking:
        for _ in range(10):
            page.page.mouse.wheel(0, 3000)
            page.page.wait_for_timeout(100)
        page.page.get_by_label("Find uploads by name").fill("1234")
        expect(page.rows).to_have_count(1)
        page.page.get_by_label("Find uploads by name").fill("")
        expect(page.rows).to_have_count(20)
    assert looking[0] < SMOOTH * slowness
    page.page.unroute_all()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_twelve_hundred_small_files_go_through_without_one_429(
    page: UploadPage, make_file: MakeFile, watch: Watch
) -> None:
    statuses: list[int] = []
    page.page.on("response", lambda answer: statuses.append(answer.status))
    folder = make_file("tree/top.txt", size=10).parent
    for number in range(1200):
        make_file(f"tree/{number % 3}/{number % 5}/{number}.txt", size=200 + number)
    page.drop(folder)
    expect(page.page.locator("#overall")).to_have_text("1,201 files stored", timeout=240_000)
    assert statuses.count(201) >= 1201 and 429 not in statuses
    assert watch.errors == []
