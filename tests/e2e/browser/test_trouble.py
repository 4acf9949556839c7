"""What goes wrong is said in plain words, with a way on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.browser.conftest import Download, MakeFile, sha256
from tests.e2e.browser.upload_page import UploadPage, target_of
from tests.e2e.tus import Tus
from tests.support.ports import free_port, listens
from tests.support.processes.process import ChildProcess
from tests.support.processes.server import ServerProcess
from tests.support.processes.services import require_program
from tests.support.until import becomes

pytestmark = pytest.mark.browser

MIB = 1024 * 1024


@pytest.fixture
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that takes 1 MiB at most."""
    data = tmp_path_factory.mktemp("small") / "data"
    with ServerProcess(data, {"MAX_UPLOAD_SIZE": "1MiB"}) as process:
        yield process


def test_too_large_is_said_at_once(browser: Browser, small_server: ServerProcess, make_file: MakeFile) -> None:
    context = browser.new_context()
    page = UploadPage(context.new_page(), small_server.url)
    page.open()
    page.choose(make_file("a.bin", size=2 * MIB), make_file("b.bin", size=MIB))
    page.expect_state("a.bin", "failed")
    expect(page.words("a.bin")).to_contain_text("too large for this server")
    page.expect_done("b.bin")
    context.close()


def test_a_deleted_upload_can_start_again(
    troubled_page: UploadPage, make_file: MakeFile, server_tus: Tus, download: Download
) -> None:
    page, file = troubled_page, make_file("a.bin", size=12 * MIB)
    page.limit_upload_speed(4 * MIB)
    page.choose(file)
    page.wait_for_stored("a.bin", 5)
    page.press("a.bin", "Pause")
    old = target_of(page.upload_url("a.bin"))
    assert server_tus.delete(old).status == 204
    page.expect_state("a.bin", "failed")
    expect(page.words("a.bin")).to_contain_text("The server no longer has this upload")
    page.limit_upload_speed(None)
    page.press("a.bin", "Start again")
    page.expect_done("a.bin")
    assert target_of(page.upload_url("a.bin")) != old
    assert download(page.content_url("a.bin")) == sha256(file)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (507, "The server has no room left."),
        (403, "You are not allowed to do this."),
        (410, "The server no longer has this upload"),
        (415, "The server refused this file: No such thing"),
    ],
)
def test_a_refusal_is_explained_and_can_be_retried(
    troubled_page: UploadPage, make_file: MakeFile, status: int, words: str
) -> None:
    page = troubled_page
    page.page.route("**/uploads/*", lambda route: refuse(route, status))
    page.choose(make_file("a.bin", size=100_000))
    page.expect_state("a.bin", "failed")
    expect(page.words("a.bin")).to_contain_text(words)
    page.page.unroute_all()
    page.press("a.bin", "Start again" if status == 410 else "Retry")
    page.expect_done("a.bin")


def test_a_server_that_is_away_is_asked_again(troubled_page: UploadPage, make_file: MakeFile) -> None:
    page = troubled_page
    page.page.route("**/uploads/*", lambda route: refuse(route, 503, {"Retry-After": "60"}))
    page.choose(make_file("a.bin", size=100_000))
    page.expect_state("a.bin", "waiting")
    expect(page.words("a.bin")).to_contain_text("The server is away for a moment. Trying again in 60\u00a0s.")
    page.page.unroute_all()
    page.press("a.bin", "Retry now")
    page.expect_done("a.bin")


def test_a_sign_of_life_ends_the_waiting_and_a_request_for_less_is_met_in_silence(
    troubled_page: UploadPage, make_file: MakeFile
) -> None:
    page = troubled_page
    for life in ("another upload", "the browser's word"):
        name = f"{life}.bin"
        page.page.route("**/uploads/*", lambda route: refuse(route, 503, {"Retry-After": "60"}))
        page.choose(make_file(name, size=100_000))
        page.expect_state(name, "waiting")
        page.page.unroute_all()
        if life == "another upload":
            page.choose(make_file("other.bin", size=100_000))
        else:
            page.page.evaluate("dispatchEvent(new Event('online'))")
        page.expect_done(name, within=10)
    states = page.page.evaluate_handle(
        """() => {
            const seen = [];
            const look = (changes) => changes.forEach(({ target }) => seen.push(target.dataset.state));
            new MutationObserver(look).observe(document, { attributeFilter: ["data-state"], subtree: true });
            return seen;
        }"""
    )
    refused: list[str] = []

    def refuse_three(route: Route) -> None:
        refused.append(route.request.url)
        refuse(route, 429, {"Retry-After": "1"}, method="POST" if len(refused) <= 3 else "none")

    page.page.route("**/uploads", refuse_three)
    names = [f"{number}.bin" for number in range(5)]
    page.choose(*(make_file(name, size=1000) for name in names))
    expect(page.words("0.bin")).to_contain_text("Waiting for its turn")
    page.expect_done(*names)
    assert len(refused) == 3 + 5, "asked for less, it sends less"
    assert set(states.json_value()) == {"queued", "sending", "done"}


def test_a_proxy_that_takes_little_is_sent_little(
    browser: Browser, server: ServerProcess, server_tus: Tus, make_file: MakeFile, tmp_path: Path
) -> None:
    """nginx, whose pages say 413 of a request, not of the file."""
    file, ports = make_file("a.bin", size=3 * MIB + 17), {"1m": free_port(), "10k": free_port()}
    config = tmp_path / "nginx.conf"
    config.write_text(
        NGINX.format(
            folder=tmp_path,
            servers="".join(
                f"server {{ listen 127.0.0.1:{port}; client_max_body_size {limit};"
                f" location / {{ proxy_pass {server.url}; proxy_set_header Host $http_host; }} }}"
                for limit, port in ports.items()
            ),
        )
    )
    context = browser.new_context()
    with ChildProcess([require_program("nginx"), "-e", "stderr", "-c", config], name="nginx"):
        assert becomes(lambda: all(map(listens, ports.values())))
        page = UploadPage(context.new_page(), f"http://127.0.0.1:{ports['1m']}/")
        page.open()
        page.choose(file)
        page.expect_done("a.bin")
        assert server_tus.content(target_of(page.upload_url("a.bin"))) == file.read_bytes()
        page = UploadPage(context.new_page(), f"http://127.0.0.1:{ports['10k']}/")
        page.open()
        page.choose(make_file("a.bin", size=3 * MIB))  # another one: what is there already need not pass
        page.expect_state("a.bin", "failed")
        expect(page.words("a.bin")).to_contain_text("A proxy on the way to the server refuses")
    context.close()


NGINX = """
daemon off; master_process off; pid {folder}/pid;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    {servers}
}}
"""


def refuse(route: Route, status: int, headers: dict[str, str] | None = None, *, method: str = "PATCH") -> None:
    """Answer a PATCH as a server in trouble would; everything else goes through."""
    if route.request.method != method:
        route.continue_()
        return
    route.fulfill(
        status=status,
        headers={"Tus-Resumable": "1.0.0", **(headers or {})},
        content_type="application/problem+json",
        json={"status": status, "code": "made_up", "detail": "No such thing"},
    )
