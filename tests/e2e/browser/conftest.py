"""A real browser on a real server. Everything a page complains about in its console fails its test."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.e2e.browser.chromium import FLAGS, Watch, chromium_path, forget, with_renderer
from tests.e2e.browser.upload_page import UploadPage
from tests.e2e.tus import Tus
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http

MakeFile = Callable[..., Path]
Download = Callable[[str], str]


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Until something else is tested: while it lives, Playwright occupies the thread's event loop, which that needs."""
    chromium_path()
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        yield process


@pytest.fixture
def server(shared_server: ServerProcess) -> ServerProcess:
    """The module's server, without what the test before left unfinished: the page would list it."""
    tus = Tus(Http(shared_server.port))
    for upload_id in tus.open_uploads():
        tus.delete(f"/uploads/{upload_id}")
    return shared_server


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def shared_context(browser: Browser, shared_server: ServerProcess) -> Iterator[BrowserContext]:
    with with_renderer(browser.new_context(), shared_server.url) as context:
        yield context


@pytest.fixture
def context(shared_context: BrowserContext) -> Iterator[BrowserContext]:
    """A browser that has never been here before, as far as a page can tell."""
    yield shared_context
    forget(shared_context)


@pytest.fixture(scope="module")
def narrow_context(browser: Browser, shared_server: ServerProcess) -> Iterator[BrowserContext]:
    """Whose pages are 360 pixels wide, and axe may run in them; who takes it has it ``forget``."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, bypass_csp=True)
    with with_renderer(context, shared_server.url) as narrow:
        yield narrow


@pytest.fixture
def watched(context: BrowserContext, server: ServerProcess) -> tuple[UploadPage, Watch]:
    page = context.new_page()
    watch = Watch(page)
    upload_page = UploadPage(page, server.url)
    upload_page.open()
    return upload_page, watch


@pytest.fixture
def page(watched: tuple[UploadPage, Watch]) -> Iterator[UploadPage]:
    """The page, open; a word in its console or an uncaught error fails the test."""
    upload_page, watch = watched
    yield upload_page
    assert watch.errors == []


@pytest.fixture
def troubled_page(watched: tuple[UploadPage, Watch]) -> UploadPage:
    """The page, for tests that provoke trouble: the browser itself writes every failed request to the console."""
    return watched[0]


@pytest.fixture
def watch(watched: tuple[UploadPage, Watch]) -> Watch:
    return watched[1]


@pytest.fixture
def server_tus(server: ServerProcess) -> Tus:
    """Another client of the same server."""
    return Tus(Http(server.port))


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """``make_file("a.mov", size=…)`` writes random bytes into a folder of the test; ``hole`` adds empty ones."""
    folder = tmp_path / "files"
    folder.mkdir()

    def make(name: str, *, size: int, hole: int = 0) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        os.truncate(path, size + hole)
        return path

    return make


@pytest.fixture
def download(server: ServerProcess) -> Download:
    """The SHA-256 of what the server sends for a URL."""

    def fetch(url: str) -> str:
        assert url.startswith(server.url)
        answer = Http(server.port).get(urlsplit(url).path)
        assert answer.status == 200, f"GET {url}: {answer.status}"
        return hashlib.sha256(answer.body).hexdigest()

    return fetch


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
