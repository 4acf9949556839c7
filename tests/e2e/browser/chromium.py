"""Debian's Chromium under Playwright: started, watched, and killed as a crash would."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

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

_TASK = "ThreadControllerImpl::RunTask"


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
def long_work(browser: Browser, page: Page, trace: Path) -> Iterator[list[float]]:
    """Filled at its end with the tasks of the page's main thread, the longest first: the processor time of each in
    milliseconds, so that it does not matter what else the machine is doing. While one runs, no frame is drawn.
    """
    durations: list[float] = []
    browser.start_tracing(page=page, path=trace, categories=["toplevel"])
    try:
        yield durations
    finally:
        browser.stop_tracing()
    events = json.loads(trace.read_bytes())["traceEvents"]
    named = [event for event in events if event["name"] == "thread_name"]
    main = {(event["pid"], event["tid"]) for event in named if event["args"]["name"] == "CrRendererMain"}
    tasks = [event for event in events if event["name"] == _TASK and (event["pid"], event["tid"]) in main]
    durations += sorted((event.get("tdur", 0) / 1000 for event in tasks), reverse=True)
    assert durations, "the trace tells of no task"


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
