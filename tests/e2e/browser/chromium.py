"""Debian's Chromium under Playwright: started, watched, and killed as a crash would."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Playwright, WebSocket

from tests.support.processes.services import require_program

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Chromium tells of each task in the category "toplevel" as well, beside four events that nobody asks about: twice the
# work, and some ends of a trace took most of a minute.
_TASK, _CATEGORY = "RunTask", "disabled-by-default-devtools.timeline"


def chromium_path() -> str:
    """Where the system's Chromium is; the test ends (see ``require``) when there is none."""
    return require_program("chromium", "chromium-browser", "google-chrome")


class Watch:
    """What a page did that a person does not see: its requests and its complaints."""

    def __init__(self, page: Page) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.patch_offsets: list[int] = []
        self.dialogs: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("request", lambda request: self._note_offset(request.method, request.headers))
        page.on("websocket", self._note_socket)
        page.on("dialog", self._note_dialog)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)

    def _note_offset(self, method: str, headers: dict[str, str]) -> None:
        if method == "PATCH" and "upload-offset" in headers:
            self.patch_offsets.append(int(headers["upload-offset"]))

    def _note_dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.type)
        dialog.accept()

    def _note_socket(self, socket: WebSocket) -> None:
        self.requests.append(socket.url)


@contextlib.contextmanager
def profile(playwright: Playwright, folder: Path) -> Iterator[BrowserContext]:
    """A browser with a memory: whatever its pages keep is in ``folder`` and there again the next time."""
    context = playwright.chromium.launch_persistent_context(
        folder, executable_path=chromium_path(), args=FLAGS, headless=True
    )
    try:
        yield context
    finally:
        with contextlib.suppress(Exception):  # it may have been killed by the test
            context.close()


@contextlib.contextmanager
def with_renderer(context: BrowserContext, url: str) -> Iterator[BrowserContext]:
    """One page of the server's stays open in it, and with it what draws the server's pages: to start that, and to read
    our scripts into it, is more than most tests do with it."""
    context.new_page().goto(f"{url}/health")
    yield context
    context.close()


def forget(context: BrowserContext) -> None:
    """Close its pages but the first, and have it forget where it has been."""
    first, *pages = context.pages
    origins = {f"{at.scheme}://{at.netloc}" for at in (urlsplit(page.url) for page in context.pages)}
    for page in pages:
        page.close()
    session = context.new_cdp_session(first)
    for origin in origins:
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    session.detach()
    context.clear_cookies()
    context.clear_permissions()


class Task(NamedTuple):
    """Something that a page's main thread did in one go: while it runs, no frame is drawn."""

    begun: float
    """On the clock of ``time.monotonic``, in seconds."""
    work: float
    """Milliseconds of the processor, so that it does not matter what else the machine is doing."""


@contextlib.contextmanager
def tasks_of_pages(browser: Browser) -> Iterator[list[Task]]:
    """Filled at its end. A page that still has much to do by then is best closed: it would only hold that up."""
    found: list[Task] = []
    session = browser.new_browser_cdp_session()
    told: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda end: told.append(end))  # noqa: PLW0108 -- it can't mark a builtin
    session.send("Tracing.start", {"traceConfig": {"includedCategories": [_CATEGORY], "excludedCategories": ["*"]}})
    try:
        yield found
    finally:
        session.send("Tracing.end")
        page = browser.contexts[0].pages[0]
        while not told:
            page.wait_for_timeout(50)
        session.detach()
    named = [event for event in events if event["name"] == "thread_name"]
    main = {(event["pid"], event["tid"]) for event in named if event["args"]["name"] == "CrRendererMain"}
    tasks = [event for event in events if event["name"] == _TASK and (event["pid"], event["tid"]) in main]
    found += [Task(event["ts"] / 1e6, event.get("tdur", 0) / 1000) for event in tasks]
    assert found, "the trace tells of no task"


def kill(folder: Path) -> None:
    """SIGKILL every process of the browser that runs on ``folder``: no goodbye, no last write."""
    browsers = [
        process
        for process in psutil.Process().children(recursive=True)
        if f"--user-data-dir={folder}" in _command(process)
    ]
    assert browsers, f"no browser runs on {folder}"
    family = {child for browser in browsers for child in browser.children(recursive=True)} | set(browsers)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(list(family), timeout=10)
    # The lock names the dead process; a new browser would take a while to believe it.
    (folder / "SingletonLock").unlink(missing_ok=True)


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []
