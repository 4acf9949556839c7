"""The page as a person uses it: what can be clicked on it, and what it says."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import CDPSession, Locator, Page, expect

PERCENTAGES = re.compile(r"(\d+) percent stored, (\d+) percent sent")


class UploadPage:
    """Wraps a Playwright page that shows ours."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self._network: CDPSession | None = None
        # Choosers are caught from the start: asked for only when a key is pressed, one can be too quick for us.
        page.on("filechooser", lambda _: None)

    def open(self) -> None:
        self.page.goto(self.url)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """The page has read what the browser kept for it."""
        self.page.locator("#app").wait_for(state="visible")

    def reload(self) -> None:
        self.page.reload()
        self.wait_until_ready()

    def choose(self, *files: Path) -> None:
        self.page.set_input_files("#files", list(files))

    def drop(self, *paths: Path) -> None:
        """Drop files and folders as a file manager would."""
        session = self.page.context.new_cdp_session(self.page)
        for kind in ("dragEnter", "dragOver", "drop"):
            data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
            session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
        session.detach()

    def limit_upload_speed(self, bytes_per_second: int | None) -> None:
        """Slow the page's sending down, as a thin line would; None takes the brake off."""
        self._set_network(upload=bytes_per_second or -1)

    def cut_the_line(self) -> None:
        """Offline, and the browser knows it; ``limit_upload_speed`` mends it."""
        self._set_network(offline=True)

    def _set_network(self, *, upload: int = -1, offline: bool = False) -> None:
        if self._network is None:
            self._network = self.page.context.new_cdp_session(self.page)
            self._network.send("Network.enable")
        self._network.send(
            "Network.emulateNetworkConditions",
            {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload},
        )

    def delay_the_feed(self, milliseconds: int) -> None:
        """From the next load on, what the page asks of its WebSocket is sent so much later."""
        self.page.add_init_script(
            f"""const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (...words) {{
                setTimeout(() => send.apply(this, words), {milliseconds});
            }};"""
        )

    # ---- rows

    @property
    def rows(self) -> Locator:
        return self.page.locator(".row")

    @property
    def names(self) -> list[str]:
        """Of the rows, from the top down."""
        names: list[str] = self.rows.evaluate_all("rows => rows.map((row) => row.getAttribute('aria-label'))")
        return names

    def row(self, name: str) -> Locator:
        return self.rows.filter(has=self.page.get_by_text(name, exact=True))

    def state(self, name: str) -> str:
        return self.row(name).get_attribute("data-state") or ""

    def words(self, name: str) -> Locator:
        return self.row(name).locator(".words")

    def press(self, name: str, label: str) -> None:
        """Click the button that says ``label`` to a screen reader, in the row of ``name``."""
        self.row(name).get_by_label(f"{label}: {name}", exact=True).click()

    def percentages(self, name: str) -> tuple[int, int]:
        """(stored, sent), as the bar tells them to those who cannot see it."""
        text = self.row(name).get_by_role("progressbar").get_attribute("aria-valuetext") or ""
        found = PERCENTAGES.fullmatch(text)
        assert found, f"the bar says {text!r}"
        return int(found[1]), int(found[2])

    def upload_url(self, name: str) -> str:
        """The upload's URL as IndexedDB has it: what the next page will go on with."""
        urls: list[str] = self.page.evaluate(
            """async (name) => {
                if (!(await indexedDB.databases()).some(({ name }) => name === "longshore:/")) return [];
                const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
                const database = await done(indexedDB.open("longshore:/"));
                const records = await done(database.transaction("records").objectStore("records").getAll());
                database.close();
                return records.filter((record) => record.name === name && record.url).map((record) => record.url);
            }""",
            name,
        )
        assert len(urls) == 1, f"{len(urls)} uploads of {name} are remembered"
        return urls[0]

    def wait_until_kept(self, name: str, *, within: float = 20) -> None:
        """The browser has its own copy of the file: the next page can go on without the person."""
        self.wait_until(lambda: name in self.kept_names(), f"{name} is copied", within=within)

    def kept_names(self) -> list[str]:
        names: list[str] = self.page.evaluate(
            """async () => {
                if (!(await indexedDB.databases()).some(({ name }) => name === "longshore:/")) return [];
                const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
                const database = await done(indexedDB.open("longshore:/"));
                const files = await done(database.transaction("bytes").objectStore("bytes").getAll());
                database.close();
                return files.map((file) => file.name);
            }"""
        )
        return names

    def pick_again(self, name: str, file: Path) -> None:
        with self.page.expect_file_chooser() as chosen:
            self.press(name, "Pick the file")
        chosen.value.set_files(file)

    def content_url(self, name: str) -> str:
        href: str = self.row(name).locator(".open").evaluate("link => link.href")
        return href

    # ---- waiting

    def wait_until(self, condition: Callable[[], bool], what: str, *, within: float = 20) -> None:
        """``what`` is said when it did not come true in time."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within} s: {what}"
            self.page.wait_for_timeout(50)  # unlike sleep, lets Playwright deliver what the page does

    def expect_state(self, name: str, state: str, *, within: float = 20) -> None:
        expect(self.row(name)).to_have_attribute("data-state", state, timeout=within * 1000)

    def expect_done(self, *names: str, within: float = 30) -> None:
        for name in names:
            self.expect_state(name, "done", within=within)

    def wait_for_stored(self, name: str, percent: int = 1, *, within: float = 20) -> None:
        """At least ``percent`` of the file is durable on the server, and the upload is not over yet."""
        self.wait_until(lambda: self.percentages(name)[0] >= percent, f"{percent} % of {name} stored", within=within)
        assert self.state(name) != "done", "the upload was over before the test could look"


def target_of(url: str) -> str:
    return urlsplit(url).path
