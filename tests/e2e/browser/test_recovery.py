"""Reloads, crashes, dead servers and dead lines: the upload goes on, and asks for help only where it must."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright, expect

from tests.e2e.browser.chromium import Watch, kill, profile
from tests.e2e.browser.conftest import Download, MakeFile, sha256
from tests.e2e.browser.upload_page import UploadPage, target_of
from tests.e2e.tus import Tus, metadata
from tests.support.processes.server import ServerProcess

pytestmark = pytest.mark.browser

MIB = 1024 * 1024
TOO_LARGE_TO_COPY = 2 * 1024 * MIB + 1


def test_a_killed_browser_resumes_without_being_asked(
    playwright: Playwright, server: ServerProcess, make_file: MakeFile, download: Download, tmp_path: Path
) -> None:
    file, folder = make_file("a.bin", size=16 * MIB), tmp_path / "profile"
    expected = sha256(file)
    with profile(playwright, folder) as context:
        page = UploadPage(context.new_page(), server.url)
        page.open()
        page.limit_upload_speed(2 * MIB)
        page.choose(file)
        page.wait_for_stored("a.bin", 30)
        page.wait_until_kept("a.bin")
        kill(folder)
    file.unlink()  # what goes on is the browser's own copy

    with profile(playwright, folder) as context:
        reopened = context.new_page()
        watch = Watch(reopened)
        page = UploadPage(reopened, server.url)
        page.open()
        page.expect_done("a.bin")
        assert watch.patch_offsets[0] >= 0.3 * 16 * MIB
        assert watch.errors == []
        assert download(page.content_url("a.bin")) == expected


def test_queued_files_survive_a_killed_browser_too(
    playwright: Playwright, server: ServerProcess, make_file: MakeFile, download: Download, tmp_path: Path
) -> None:
    files = [make_file(f"{number}.bin", size=2 * MIB) for number in range(5)]
    folder = tmp_path / "profile"
    with profile(playwright, folder) as context:
        page = UploadPage(context.new_page(), server.url)
        page.open()
        page.limit_upload_speed(MIB // 2)
        page.choose(*files)
        for file in files:
            page.wait_until_kept(file.name)
        kill(folder)
    with profile(playwright, folder) as context:
        page = UploadPage(context.new_page(), server.url)
        page.open()
        page.expect_done(*(file.name for file in files))
        for file in files:
            assert download(page.content_url(file.name)) == sha256(file)


def test_a_reload_goes_on_where_it_was(page: UploadPage, make_file: MakeFile, download: Download, watch: Watch) -> None:
    file = make_file("a.bin", size=12 * MIB)
    page.limit_upload_speed(3 * MIB)
    page.choose(file)
    page.wait_until_kept("a.bin")
    page.wait_for_stored("a.bin", 35)
    before = len(watch.patch_offsets)
    page.reload()
    page.limit_upload_speed(None)
    page.expect_done("a.bin")
    assert watch.patch_offsets[before] > 0
    assert watch.dialogs == []
    assert download(page.content_url("a.bin")) == sha256(file)


def test_a_pause_outlives_a_reload(page: UploadPage, make_file: MakeFile) -> None:
    page.limit_upload_speed(2 * MIB)
    page.choose(make_file("a.bin", size=12 * MIB))
    page.wait_until_kept("a.bin")
    page.wait_for_stored("a.bin", 1)
    page.press("a.bin", "Pause")
    page.expect_state("a.bin", "paused")
    page.reload()
    page.limit_upload_speed(None)
    page.page.wait_for_timeout(1000)
    page.expect_state("a.bin", "paused")
    page.press("a.bin", "Resume")
    page.expect_done("a.bin")


def test_finished_files_stay_listed_until_they_are_cleared(page: UploadPage, make_file: MakeFile) -> None:
    page.choose(make_file("a.bin", size=1000))
    page.expect_done("a.bin")
    link = page.content_url("a.bin")
    page.reload()
    page.expect_done("a.bin")
    assert page.content_url("a.bin") == link
    page.page.get_by_role("button", name="Clear finished").click()
    expect(page.rows).to_have_count(0)
    page.reload()
    expect(page.rows).to_have_count(0)


def test_rows_keep_their_order(page: UploadPage, make_file: MakeFile, server_tus: Tus) -> None:
    server_tus.created(1000, metadata(filename="begun elsewhere.bin"))
    names = [f"{number}.bin" for number in (3, 1, 4, 0, 5, 9, 2, 6)]
    page.choose(*(make_file(name, size=1000) for name in names))
    page.expect_done(*names)
    page.reload()
    page.expect_state("begun elsewhere.bin", "missing")
    assert page.names == ["begun elsewhere.bin", *names], "what wants somebody first, then in the order of beginning"
    page.choose(make_file("later.bin", size=1000))
    page.expect_done("later.bin")
    names = [*names, "later.bin"]
    page.pick_again("begun elsewhere.bin", make_file("begun elsewhere.bin", size=1000))
    page.expect_done("begun elsewhere.bin")
    page.reload()
    page.expect_done("begun elsewhere.bin", *names)
    assert page.names == ["begun elsewhere.bin", *names]


def test_a_killed_server_is_waited_for(
    troubled_page: UploadPage, server: ServerProcess, make_file: MakeFile, download: Download
) -> None:
    page = troubled_page
    files = [make_file("a.bin", size=24 * MIB), make_file("b.bin", size=20 * MIB)]
    page.limit_upload_speed(6 * MIB)
    page.choose(*files)
    page.wait_for_stored("a.bin", 10)
    server.kill()
    expect(page.words("a.bin")).to_contain_text("The server can’t be reached. Trying again in")
    server.start()
    page.limit_upload_speed(None)
    page.expect_done("a.bin", "b.bin", within=40)
    assert [download(page.content_url(file.name)) for file in files] == [sha256(file) for file in files]


def test_a_lost_line_is_waited_for(troubled_page: UploadPage, make_file: MakeFile, download: Download) -> None:
    page = troubled_page
    file = make_file("a.bin", size=40 * MIB)
    page.limit_upload_speed(6 * MIB)
    page.choose(file)
    page.wait_for_stored("a.bin", 5)
    page.cut_the_line()  # the request under way may still get through; the next one will not
    expect(page.words("a.bin")).to_contain_text("You are offline.", timeout=15_000)
    page.limit_upload_speed(None)
    page.expect_done("a.bin")
    assert download(page.content_url("a.bin")) == sha256(file)


def test_an_upload_begun_elsewhere_is_continued_with_the_same_file(
    page: UploadPage, make_file: MakeFile, download: Download, server_tus: Tus, watch: Watch
) -> None:
    file = make_file("film.mov", size=10 * MIB)
    content = file.read_bytes()
    target = server_tus.created(len(content), metadata(filename="film.mov"))
    assert server_tus.patch(target, 0, content[: 4 * MIB]).status == 204
    page.reload()
    page.expect_state("film.mov", "missing")
    expect(page.words("film.mov")).to_have_text(
        "Begun in another browser. 4.2 MB of 10.5 MB stored. Pick the file to continue."
    )
    page.pick_again("film.mov", file)
    page.expect_done("film.mov")
    assert target_of(page.upload_url("film.mov")) == target
    assert watch.patch_offsets == [4 * MIB]
    assert download(page.content_url("film.mov")) == sha256(file)


def test_marks_that_the_server_leaves_out_make_no_other_name(
    page: UploadPage, make_file: MakeFile, server_tus: Tus
) -> None:
    name = "\u200efilm\u202e.mov"  # messengers put such into names
    server_tus.created(1000, metadata(filename=name))
    page.reload()
    page.expect_state("film.mov", "missing")
    page.pick_again("film.mov", make_file(name, size=1000))
    page.expect_done("film.mov")


def test_choosing_a_file_that_is_missed_continues_its_upload(
    page: UploadPage, make_file: MakeFile, server_tus: Tus, watch: Watch
) -> None:
    file = make_file("film.mov", size=2 * MIB)
    changed_at = str(file.stat().st_mtime_ns // 1_000_000)
    target = server_tus.created(2 * MIB, metadata(filename="film.mov", lastModified=changed_at))
    assert server_tus.patch(target, 0, file.read_bytes()[:MIB]).status == 204
    page.reload()
    page.expect_state("film.mov", "missing")
    page.choose(file)
    page.expect_done("film.mov")
    expect(page.rows).to_have_count(1)
    assert watch.patch_offsets == [MIB]


@pytest.mark.parametrize("note", [{}, {"lastModified": "1234567890000"}], ids=["unknown", "other"])
def test_a_namesake_is_never_joined_to_stored_bytes(
    page: UploadPage, make_file: MakeFile, server_tus: Tus, download: Download, note: dict[str, str]
) -> None:
    target = server_tus.created(2 * MIB, metadata(filename="film.mov", **note))
    assert server_tus.patch(target, 0, bytes(MIB)).status == 204
    page.reload()
    page.expect_state("film.mov", "missing")
    file = make_file("film.mov", size=2 * MIB)
    page.choose(file)
    expect(page.rows).to_have_count(2)
    finished = page.page.locator('.row[data-state="done"]')
    expect(finished).to_have_count(1)
    href: str = finished.locator(".open").evaluate("link => link.href")
    assert download(href) == sha256(file)
    assert server_tus.offset(target) == MIB


def test_a_different_file_is_not_mixed_in(page: UploadPage, make_file: MakeFile, server_tus: Tus, watch: Watch) -> None:
    target = server_tus.created(2 * MIB, metadata(filename="film.mov"))
    assert server_tus.patch(target, 0, bytes(MIB)).status == 204
    page.reload()
    page.pick_again("film.mov", make_file("other/film.mov", size=MIB))
    expect(page.words("film.mov")).to_contain_text("That is a different file")
    assert watch.patch_offsets == []
    assert server_tus.offset(target) == MIB


@pytest.mark.parametrize("listens_after", [0, 1000], ids=["at once", "late"])
def test_an_upload_that_moves_elsewhere_is_left_alone(
    page: UploadPage, make_file: MakeFile, server_tus: Tus, listens_after: int
) -> None:
    content = make_file("film.mov", size=2 * MIB).read_bytes()
    target = server_tus.created(2 * MIB, metadata(filename="film.mov"))
    page.delay_the_feed(listens_after)
    page.reload()
    page.expect_state("film.mov", "missing")
    assert server_tus.patch(target, 0, content[:MIB]).status == 204
    page.expect_state("film.mov", "elsewhere")
    assert server_tus.patch(target, MIB, content[MIB:]).status == 204
    page.expect_done("film.mov")


def test_opening_the_page_ends_nobodys_request(
    page: UploadPage, make_file: MakeFile, server_tus: Tus, watch: Watch
) -> None:
    content = make_file("film.mov", size=2 * MIB).read_bytes()
    target = server_tus.created(2 * MIB, metadata(filename="film.mov", lastModified="1234567890000"))
    with server_tus.begin_patch(target, 0, 2 * MIB, content[:MIB]) as sending:
        page.reload()
        expect(page.row("film.mov")).to_be_visible()
        page.page.wait_for_timeout(1000)  # for whatever the page asks about it
        assert not sending.has_data(within=0), "its request was answered before its end"
        sending.send(content[MIB:])
        assert sending.receive("PATCH").header("Upload-Offset") == str(2 * MIB)
    page.expect_done("film.mov")
    assert not [url for url in watch.requests if target_of(url) == target]


def test_a_second_tab_watches_and_takes_over(
    page: UploadPage, context: BrowserContext, make_file: MakeFile, download: Download
) -> None:
    file = make_file("a.bin", size=16 * MIB)
    page.limit_upload_speed(2 * MIB)
    page.choose(file)
    page.wait_until_kept("a.bin")
    second = UploadPage(context.new_page(), page.url)
    second.open()
    second.expect_state("a.bin", "elsewhere")
    second.wait_for_stored("a.bin", 5)
    second.choose(make_file("b.bin", size=1000))
    second.expect_done("b.bin")
    page.page.close()
    second.expect_done("a.bin")
    assert second.names == ["a.bin", "b.bin"]
    assert download(second.content_url("a.bin")) == sha256(file)


def test_a_file_that_vanished_from_disk_is_finished_from_the_copy(
    playwright: Playwright, server: ServerProcess, make_file: MakeFile, download: Download, tmp_path: Path
) -> None:
    file = make_file("a.bin", size=12 * MIB)
    expected = sha256(file)
    with profile(playwright, tmp_path / "profile") as context:  # a private window copies nothing
        page = UploadPage(context.new_page(), server.url)
        page.open()
        page.limit_upload_speed(3 * MIB)
        page.choose(file)
        page.wait_until_kept("a.bin")
        file.unlink()
        page.limit_upload_speed(None)
        page.expect_done("a.bin")
        assert download(page.content_url("a.bin")) == expected


def test_leaving_warns_only_while_bytes_would_be_lost(page: UploadPage, make_file: MakeFile) -> None:
    def would_warn() -> bool:
        asked: bool = page.page.evaluate("!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))")
        return asked

    assert not would_warn()
    page.limit_upload_speed(1 * MIB)
    page.choose(make_file("small.bin", size=4 * MIB))
    page.wait_until_kept("small.bin")
    assert not would_warn()
    page.choose(make_file("huge.bin", size=0, hole=TOO_LARGE_TO_COPY))
    page.expect_state("huge.bin", "sending")
    assert would_warn()
    page.press("huge.bin", "Pause")
    assert not would_warn()


def test_a_file_too_large_to_copy_is_asked_for_again(
    page: UploadPage, make_file: MakeFile, server_tus: Tus, watch: Watch
) -> None:
    file = make_file("huge.bin", size=0, hole=TOO_LARGE_TO_COPY)
    page.limit_upload_speed(8 * MIB)
    page.choose(file)
    page.wait_until(lambda: len(watch.patch_offsets) > 1, "the first request is through")
    target = target_of(page.upload_url("huge.bin"))
    page.reload()
    page.expect_state("huge.bin", "missing")
    expect(page.words("huge.bin")).to_contain_text("Pick the file to continue.")
    page.page.wait_for_timeout(1000)  # what was on its way has landed or is lost
    offset, before = server_tus.offset(target), len(watch.patch_offsets)
    page.limit_upload_speed(8 * MIB)
    page.pick_again("huge.bin", file)
    page.wait_until(lambda: len(watch.patch_offsets) > before, "it goes on")
    assert watch.patch_offsets[before] == offset > 0


def test_nothing_is_kept_in_local_storage(page: UploadPage, make_file: MakeFile) -> None:
    page.limit_upload_speed(1 * MIB)
    page.choose(make_file("a.bin", size=4 * MIB))
    page.wait_for_stored("a.bin", 1)
    assert page.page.evaluate("Object.keys(localStorage)") == []
    assert page.page.evaluate("document.cookie") == ""


def test_the_copy_is_deleted_once_the_file_is_stored(page: UploadPage, make_file: MakeFile) -> None:
    page.limit_upload_speed(4 * MIB)
    page.choose(make_file("a.bin", size=4 * MIB))
    page.wait_until_kept("a.bin")
    page.limit_upload_speed(None)
    page.expect_done("a.bin")
    page.wait_until(lambda: page.kept_names() == [], "the browser's copy is gone")
