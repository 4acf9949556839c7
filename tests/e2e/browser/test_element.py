"""``<longshore-uploader>`` on somebody else's page: one script tag, another origin, its own token."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.chromium import Watch
from tests.e2e.browser.conftest import MakeFile
from tests.e2e.browser.test_access import serious
from tests.e2e.test_tokens import JWT, ours
from tests.support.processes.server import ServerProcess
from tests.support.tokens import signed
from tests.support.wire import Http

pytestmark = pytest.mark.browser


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Somebody else's web server, and the folder of its pages."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def test_an_element_uploads_from_another_site(
    browser: Browser, site: tuple[str, Path], tmp_path: Path, make_file: MakeFile
) -> None:
    (origin, folder), token = site, signed(ours())
    with ServerProcess(tmp_path / "data", {**JWT, "CORS_ORIGINS": origin}) as server:
        (folder / "index.html").write_text(
            f"""<!doctype html><html lang="en"><head><title>Somebody else's</title><link rel="icon" href="data:,">
            <script type="module" src="{server.url}/static/uploader.js"></script></head>
            <body><main><h1>Send us your files</h1>
            <longshore-uploader endpoint="{server.url}/" token="{token}"></longshore-uploader></main>
            <script>addEventListener("longshore-stored", ({{ detail }}) => (window.stored = detail))</script>
            </body></html>"""
        )
        context = browser.new_context()
        page = context.new_page()
        watch = Watch(page)
        page.goto(origin)
        file = make_file("a.bin", size=3_000_000)
        expect(page.get_by_text("or drop them here")).to_be_visible()
        page.set_input_files("longshore-uploader input#files", file)
        row = page.locator("longshore-uploader .row")
        expect(row).to_have_attribute("data-state", "done", timeout=20_000)
        told = page.evaluate("window.stored")
        assert (told["name"], told["size"]) == ("a.bin", 3_000_000)
        content = Http(server.port).get(f"/files/{told['id']}/content", ("Authorization", f"Bearer {token}"))
        assert content.status == 200 and content.body == file.read_bytes()
        assert serious(page) == []
        assert page.title() == "Somebody else's"
        assert watch.errors == []
        context.close()


def test_a_token_that_is_not_good_is_told_once_and_another_one_goes_on(
    browser: Browser, site: tuple[str, Path], tmp_path: Path, make_file: MakeFile
) -> None:
    origin, folder = site
    with ServerProcess(tmp_path / "data", {**JWT, "CORS_ORIGINS": origin}) as server:
        (folder / "index.html").write_text(
            f"""<!doctype html><html lang="en"><head><title>Somebody else's</title><link rel="icon" href="data:,">
            <script>addEventListener("longshore-sign-in", () => (window.wanted = (window.wanted ?? 0) + 1))</script>
            <script type="module" src="{server.url}/static/uploader.js"></script></head>
            <body><longshore-uploader endpoint="{server.url}/" token="of yesterday"></longshore-uploader></body>"""
        )
        context = browser.new_context()
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(origin)
        page.wait_for_function("window.wanted === 1")
        expect(page.get_by_text("or drop them here")).to_be_visible()
        assert asked.count(f"{server.url}/me") == 2, "with the token, and as a stranger"
        page.set_input_files("longshore-uploader input#files", make_file("a.bin", size=300_000))
        row = page.locator("longshore-uploader .row")
        expect(row).to_have_attribute("data-state", "failed", timeout=20_000)
        page.eval_on_selector("longshore-uploader", "(it, token) => it.setAttribute('token', token)", signed(ours()))
        expect(row).to_have_attribute("data-state", "done", timeout=20_000)
        assert page.evaluate("window.wanted") == 1
        context.close()
