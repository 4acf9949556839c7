"""What is noticed as files are chosen: bytes that are here already, another tab that sends them, a folder's litter."""

import re

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.e2e.browser.chromium import Watch
from tests.e2e.browser.conftest import Download, MakeFile, sha256
from tests.e2e.browser.test_trouble import refuse
from tests.e2e.browser.upload_page import UploadPage, target_of
from tests.e2e.tus import Tus
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http

pytestmark = pytest.mark.browser

MIB = 1024 * 1024


def test_bytes_that_are_stored_already_are_not_sent_again(
    page: UploadPage, make_file: MakeFile, watch: Watch, download: Download
) -> None:
    small, large = make_file("a.bin", size=100_000), make_file("large.bin", size=40 * MIB)  # read in pieces
    page.choose(small, large)
    page.expect_done("a.bin", "large.bin")
    sent = len(watch.patch_offsets)
    for file in (small, large):
        page.choose(file.rename(file.with_name(f"copy of {file.name}")))
        copy = f"copy of {file.name}"
        page.expect_done(copy)
        expect(page.words(copy)).to_contain_text("Was here already, nothing had to be sent")
        assert download(page.content_url(copy)) == sha256(file.with_name(copy))
    assert len(watch.patch_offsets) == sent


def test_a_small_file_goes_in_one_request_and_once_if_its_answer_is_lost(
    troubled_page: UploadPage, make_file: MakeFile, watch: Watch, server: ServerProcess, download: Download
) -> None:
    page, file = troubled_page, make_file("letter.txt", size=20_000)
    lost: list[int] = []

    def lose(route: Route) -> None:
        if lost or route.request.method != "POST":
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort("connectionreset")

    page.page.route("**/uploads", lose)
    page.choose(file)
    page.expect_done("letter.txt")
    assert lost == [201]
    assert watch.patch_offsets == []
    assert download(page.content_url("letter.txt")) == sha256(file)
    assert len(Http(server.port).get("/uploads?state=completed&name=letter.txt").json()["uploads"]) == 1


def test_a_file_that_another_tab_sends_is_not_sent_twice(
    page: UploadPage, context: BrowserContext, make_file: MakeFile, server_tus: Tus
) -> None:
    file = make_file("a.bin", size=12 * MIB)
    second = UploadPage(context.new_page(), page.url)
    second.open()
    page.limit_upload_speed(2 * MIB)
    page.choose(file)
    page.wait_for_stored("a.bin", 1)
    second.choose(make_file("b.bin", size=10))  # before that it may not have made its list
    second.expect_state("a.bin", "elsewhere")
    second.choose(file)
    expect(second.page.locator("#announcements")).to_contain_text("is being sent from another tab", timeout=10_000)
    expect(second.rows).to_have_count(2)
    assert len(server_tus.open_uploads()) == 1
    page.limit_upload_speed(None)
    second.expect_done("a.bin")


def test_a_folder_keeps_its_tree_and_leaves_its_litter(page: UploadPage, make_file: MakeFile, server_tus: Tus) -> None:
    deep = make_file("album/one/two/a.txt", size=100)
    for litter in (".DS_Store", "Thumbs.db", "one/._a.txt", "one/desktop.ini"):
        make_file(f"album/{litter}", size=10)
    page.drop(deep.parents[2])
    page.expect_done("album/one/two/a.txt")
    page.page.set_input_files("#folder", deep.parents[2])
    expect(page.rows).to_have_count(2)
    file_id = target_of(page.content_url("album/one/two/a.txt")).split("/")[-2] if page.rows.count() == 1 else None
    listed = server_tus.http.get("/uploads?state=completed&limit=5&name=a.txt").json()["uploads"]
    assert {one["path"] for one in listed} == {"album/one/two/a.txt"}
    assert file_id is None or file_id in {one["id"] for one in listed}


def test_an_error_can_be_told_to_whoever_keeps_the_log(troubled_page: UploadPage, make_file: MakeFile) -> None:
    page = troubled_page
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.route("**/uploads/*", lambda route: refuse(route, 507, {"X-Request-Id": "abc-123"}))
    page.choose(*(make_file(f"{number}.bin", size=100_000 + number) for number in range(2)))
    for name in ("0.bin", "1.bin"):
        page.expect_state(name, "failed")
    page.press("0.bin", "Copy details")
    assert "X-Request-Id: abc-123" in page.page.evaluate("navigator.clipboard.readText()")
    page.page.unroute_all()
    page.page.get_by_role("button", name="Retry all").click()
    page.expect_done("0.bin", "1.bin")


def test_all_can_be_cancelled_and_some_be_found(page: UploadPage, make_file: MakeFile, server_tus: Tus) -> None:
    page.limit_upload_speed(1 * MIB)
    page.choose(*(make_file(f"{number}.bin", size=2 * MIB + number) for number in range(10)))
    expect(page.rows).to_have_count(10)
    page.page.get_by_label("Find uploads by name").fill("7.b")
    expect(page.rows).to_have_count(1)
    page.page.get_by_label("Find uploads by name").fill("")
    expect(page.page.locator("#overall")).to_have_text(re.compile(r"^0 of 10 files stored · .+ of 21.MB · \d+%"))
    page.page.get_by_role("button", name="Cancel all").click()
    page.page.get_by_role("button", name="Cancel them all").click()
    expect(page.rows).to_have_count(0)
    page.wait_until(lambda: server_tus.open_uploads() == {}, "they are gone from the server")


def test_a_server_that_is_back_is_tried_at_once(troubled_page: UploadPage, make_file: MakeFile) -> None:
    page = troubled_page
    page.page.route("**/uploads", lambda route: route.abort())
    page.page.route("**/health", lambda route: route.abort())
    page.choose(make_file("a.bin", size=1000))
    for _ in range(4):  # until the pauses are long
        page.expect_state("a.bin", "waiting")
        page.page.wait_for_timeout(500)
    page.page.unroute_all()
    page.expect_done("a.bin", within=3)
    assert Http(int(page.url.rsplit(":", 1)[1])).get("/health").status == 200
