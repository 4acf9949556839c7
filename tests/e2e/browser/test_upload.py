"""The page at / in a real browser: files go up, bars move, buttons do what they say."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.chromium import Watch
from tests.e2e.browser.conftest import Download, MakeFile, sha256
from tests.e2e.browser.upload_page import UploadPage, target_of
from tests.e2e.tus import Tus
from tests.support.processes.server import ServerProcess

pytestmark = pytest.mark.browser

MIB = 1024 * 1024
_PASTE = """() => {
    const clipboardData = new DataTransfer()
    clipboardData.items.add(new File(["copied"], "pasted.txt"))
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }))
}"""


def test_several_files_arrive_byte_for_byte(page: UploadPage, make_file: MakeFile, download: Download) -> None:
    files = [
        make_file("big.mov", size=20 * MIB + 17),
        make_file("small.txt", size=1200),
        make_file("empty", size=0),
        make_file("Grüße aus Ümeå ☂.pdf", size=300_000),
        make_file("exactly-one-chunk.bin", size=8 * MIB),
    ]
    page.choose(*files)
    page.expect_done(*(file.name for file in files))
    assert {file.name: download(page.content_url(file.name)) for file in files} == {
        file.name: sha256(file) for file in files
    }
    expect(page.page.locator("#overall")).to_have_text("5 files stored")


def test_the_finished_file_is_named_by_the_upload(page: UploadPage, make_file: MakeFile, server: ServerProcess) -> None:
    page.choose(make_file("a.bin", size=10_000))
    page.expect_done("a.bin")
    upload_id = page.upload_url("a.bin").rsplit("/", 1)[1]
    assert page.content_url("a.bin") == f"{server.url}/files/{upload_id}/content"


def test_the_bar_tells_sent_from_stored(page: UploadPage, make_file: MakeFile) -> None:
    page.limit_upload_speed(3 * MIB)
    page.choose(make_file("a.bin", size=12 * MIB))
    seen: set[tuple[int, int]] = set()

    def both_tones() -> bool:
        seen.add(page.percentages("a.bin"))
        return any(0 < stored < sent for stored, sent in seen)

    page.wait_until(both_tones, "a stretch that is sent and not yet stored, behind one that is")
    assert all(stored <= sent for stored, sent in seen)
    stored_bar, sent_bar = (
        page.row("a.bin").locator(css).evaluate("bar => bar.getBoundingClientRect().right")
        for css in (".bar-stored", ".bar-sent")
    )
    assert stored_bar <= sent_bar + 1
    page.limit_upload_speed(None)
    page.expect_done("a.bin")


def test_the_server_tells_what_is_stored_before_it_acknowledges(
    page: UploadPage, make_file: MakeFile, watch: Watch
) -> None:
    page.limit_upload_speed(1 * MIB)
    page.choose(make_file("a.bin", size=5 * MIB))  # one request; nothing is acknowledged before its end
    page.wait_for_stored("a.bin", 5)
    assert watch.patch_offsets == [0]
    assert any(url.endswith("/ws/progress") for url in watch.requests)
    page.limit_upload_speed(None)
    page.expect_done("a.bin")


def test_without_a_websocket_acknowledged_bytes_count(troubled_page: UploadPage, make_file: MakeFile) -> None:
    page = troubled_page
    page.page.route_web_socket("**/ws/progress", lambda socket: socket.close())
    page.reload()
    page.limit_upload_speed(6 * MIB)
    page.choose(make_file("a.bin", size=20 * MIB))
    seen: set[int] = set()

    def second_request_acknowledged() -> bool:
        seen.add(page.percentages("a.bin")[0])
        return 80 in seen

    page.wait_until(second_request_acknowledged, "two of three requests are acknowledged")
    assert seen == {0, 40, 80}
    page.expect_done("a.bin")


def test_speed_and_time_left_are_told(page: UploadPage, make_file: MakeFile) -> None:
    page.limit_upload_speed(2 * MIB)
    page.choose(make_file("a.bin", size=40 * MIB))
    pace = page.row("a.bin").locator(".pace")
    expect(pace).to_have_text(re.compile(r"^[\d.]+\s[kM]B/s · .+ left$"), timeout=15_000)
    expect(page.page).to_have_title(re.compile(r"^\d+% · Longshore$"))


def test_pause_stops_the_bytes_and_resume_goes_on(
    page: UploadPage, make_file: MakeFile, download: Download, server_tus: Tus, watch: Watch
) -> None:
    file = make_file("a.bin", size=24 * MIB)
    page.limit_upload_speed(6 * MIB)
    page.choose(file)
    page.wait_for_stored("a.bin", 35)
    page.press("a.bin", "Pause")
    page.expect_state("a.bin", "paused")
    target = target_of(page.upload_url("a.bin"))
    page.page.wait_for_timeout(1500)  # what was on its way has landed or is lost
    held = server_tus.offset(target)
    page.page.wait_for_timeout(1000)
    assert server_tus.offset(target) == held > 0

    page.limit_upload_speed(None)
    sent_before = len(watch.patch_offsets)
    page.press("a.bin", "Resume")
    page.expect_done("a.bin")
    assert watch.patch_offsets[sent_before] == held
    assert download(page.content_url("a.bin")) == sha256(file)


def test_cancel_asks_and_has_the_server_forget(troubled_page: UploadPage, make_file: MakeFile, server_tus: Tus) -> None:
    page = troubled_page  # while the cut request still holds the upload, deleting may take a second attempt
    page.limit_upload_speed(2 * MIB)
    page.choose(make_file("a.bin", size=30 * MIB))
    page.wait_for_stored("a.bin", 5)
    target = target_of(page.upload_url("a.bin"))

    page.press("a.bin", "Cancel")
    page.page.get_by_role("button", name="Keep it").click()
    page.expect_state("a.bin", "sending")

    page.press("a.bin", "Cancel")
    page.page.get_by_role("button", name="Cancel the upload").click()
    expect(page.rows).to_have_count(0)
    page.wait_until(lambda: server_tus.head(target).status in (404, 410), "the upload is gone from the server")
    assert server_tus.open_uploads() == {}
    page.reload()
    expect(page.rows).to_have_count(0)


def test_three_go_at_once_and_the_rest_wait_their_turn(page: UploadPage, make_file: MakeFile) -> None:
    files = [make_file(f"{number}.bin", size=3 * MIB) for number in range(6)]
    page.limit_upload_speed(2 * MIB)
    page.choose(*files)
    sending = page.page.locator('.row[data-state="sending"]')
    expect(sending).to_have_count(3)
    expect(page.page.locator('.row[data-state="queued"]')).to_have_count(3)
    page.limit_upload_speed(None)
    page.expect_done(*(file.name for file in files))


def test_pause_all_and_resume_all(page: UploadPage, make_file: MakeFile) -> None:
    files = [make_file(f"{number}.bin", size=6 * MIB) for number in range(4)]
    page.limit_upload_speed(1 * MIB)
    page.choose(*files)
    pause, resume = (page.page.get_by_role("button", name=f"{what} all") for what in ("Pause", "Resume"))
    place = pause.bounding_box()
    pause.press("Enter")
    expect(page.page.locator('.row[data-state="paused"]')).to_have_count(4)
    expect(resume).to_be_focused()
    at = resume.bounding_box()
    assert place and at and (at["x"], at["y"]) == (place["x"], place["y"]), "whatever comes and goes beside it"
    page.limit_upload_speed(None)
    resume.press("Enter")
    page.expect_done(*(file.name for file in files))


def test_the_same_file_twice_is_one_upload(page: UploadPage, make_file: MakeFile) -> None:
    file = make_file("a.bin", size=8 * MIB)
    page.limit_upload_speed(1 * MIB)
    page.choose(file)
    page.expect_state("a.bin", "sending")
    page.choose(file)
    expect(page.rows).to_have_count(1)
    expect(page.page.locator("#announcements")).to_contain_text("already on the list", timeout=10_000)


def test_what_is_dropped_or_pasted_anywhere_is_taken(page: UploadPage, make_file: MakeFile, download: Download) -> None:
    deep = make_file("photos/2026/deep.txt", size=100)
    make_file("photos/top.txt", size=100)
    page.drop(deep.parents[1], make_file("single.txt", size=100))
    page.page.evaluate(_PASTE)
    page.expect_done("photos/2026/deep.txt", "photos/top.txt", "single.txt", "pasted.txt")
    assert download(page.content_url("photos/2026/deep.txt")) == sha256(deep)


def test_a_picked_folder_keeps_its_paths(page: UploadPage, make_file: MakeFile) -> None:
    inner = make_file("album/one/a.txt", size=100)
    make_file("album/b.txt", size=100)
    page.page.set_input_files("#folder", inner.parents[1])
    page.expect_done("album/one/a.txt", "album/b.txt")


def test_the_link_is_copied(page: UploadPage, make_file: MakeFile) -> None:
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.choose(make_file("a.bin", size=10))
    page.expect_done("a.bin")
    page.press("a.bin", "Copy link")
    assert page.page.evaluate("navigator.clipboard.readText()") == page.content_url("a.bin")
    expect(page.row("a.bin").locator(".copy")).to_have_text("Copied")


def test_a_program_finds_its_file_under_the_link(page: UploadPage, make_file: MakeFile, download: Download) -> None:
    file = make_file("a.jpg.exe", size=5000)
    page.choose(file)
    page.expect_done(file.name)
    assert download(page.content_url(file.name)) == sha256(file)


def test_without_scripts_a_plain_form_uploads(
    browser: Browser, server: ServerProcess, make_file: MakeFile, download: Download
) -> None:
    file = make_file("plain.bin", size=70_000)
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(server.url)
    page.set_input_files("#plain-file", file)
    with page.expect_response("**/upload") as answered:
        page.get_by_role("button", name="Upload").click()
    body = answered.value.json()
    assert body["status"] == "success"
    assert download(f"{server.url}/files/{body['file']['id']}/content") == sha256(file)
    page.context.close()
