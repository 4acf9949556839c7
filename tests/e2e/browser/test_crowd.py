"""Very many files: the page stays smooth, and never meets the server's rate limit by its own work."""

import time

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.chromium import Watch, tasks_of_pages
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
    with tasks_of_pages(browser) as tasks:
        page.choose(*files)
        expect(page.page.locator("#overall")).to_contain_text("of 2,000 files", timeout=20_000)
        page.page.mouse.move(200, 400)
        listed = time.monotonic()
        for _ in range(10):
            page.page.mouse.wheel(0, 3000)
            page.page.wait_for_timeout(100)
        page.page.get_by_label("Find uploads by name").fill("1234")
        expect(page.rows).to_have_count(1)
        page.page.get_by_label("Find uploads by name").fill("")
        expect(page.rows).to_have_count(20)
        page.page.close()  # it would copy two thousand files
    taking_in = sorted((task.work for task in tasks if task.begun < listed), reverse=True)
    looking = [task.work for task in tasks if task.begun >= listed]
    slowness = max(1, taking_in[0] / HANDED_OVER)
    assert slowness < 3
    assert taking_in[1] < SMOOTH * slowness
    assert max(looking) < SMOOTH * slowness


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
