"""Takes the picture of the page that the README shows: a server of its own, made-up files, Chromium without a window.

``make picture``: to be done again when the page looks different.
"""

import io
import math
import os
import random
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.browser.chromium import FLAGS, chromium_path  # noqa: E402 -- found below the root
from tests.e2e.tus import Tus, metadata  # noqa: E402
from tests.support.processes.server import ServerProcess  # noqa: E402
from tests.support.wire import Http  # noqa: E402

_PICTURE = ROOT / "docs" / "page.webp"
_WIDTH, _HEIGHT = 660, 880
_MOST_BYTES = 80_000
_PLACES = ("pier.heic", "fog over the bay.jpg", "harbour.jpg", "evening.jpg", "dunes.jpg", "lighthouse.jpg")
_MIB = 1 << 20


def main() -> None:
    """Two tabs of it, side by side."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder) / "data") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        _store(Tus(Http(server.port)))
        shots = [_sending(browser, server.url, Path(folder)), _stored(browser, server.url)]
        browser.close()
    both = Image.new("RGB", (2 * _WIDTH + 12, _HEIGHT), "#d7dde2")
    for number, shot in enumerate(shots):
        both.paste(Image.open(io.BytesIO(shot)), (number * (_WIDTH + 12), 0))
    both.save(_PICTURE, quality=80, method=6)
    size = _PICTURE.stat().st_size
    print(f"{_PICTURE.relative_to(ROOT)}: {size} bytes")
    if size > _MOST_BYTES:
        sys.exit(f"more than {_MOST_BYTES} bytes")


def _opened(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light").new_page()
    page.goto(url)
    page.locator("#app").wait_for(state="visible")
    return page


def _sending(browser: Browser, url: str, folder: Path) -> bytes:
    """Some are stored, some on their way."""
    page = _opened(browser, url)
    page.set_input_files("#files", _made(folder, {"report.pdf": 2 * _MIB, "plan.ods": _MIB}))
    expect(page.locator("#overall")).to_have_text("2 files stored", timeout=20_000)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 6 * _MIB}
    network.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#files", _made(folder, {"holiday film.mov": 80 * _MIB, "slides.key": 40 * _MIB}))
    page.wait_for_timeout(6000)  # until speeds are told
    return page.screenshot()


def _stored(browser: Browser, url: str) -> bytes:
    page = _opened(browser, f"{url}/#files")
    expect(page.locator(".thumbnail:visible")).to_have_count(len(_PLACES), timeout=30_000)
    page.wait_for_timeout(500)
    return page.screenshot()


def _made(folder: Path, sizes: dict[str, int]) -> list[Path]:
    for name, size in sizes.items():
        (folder / name).write_bytes(os.urandom(size))
    return [folder / name for name in sizes]


def _store(tus: Tus) -> None:
    for number, name in enumerate(_PLACES):
        tus.completed(_landscape(number), metadata(filename=name, filetype="image/jpeg"))


def _landscape(number: int) -> bytes:
    """A sky, a sun, hills one behind the other."""
    draw, (width, height) = random.Random(number), (1200, 900)  # noqa: S311 -- no secret
    picture = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(picture)
    high, low = (draw.randint(60, 150), draw.randint(90, 170), 225), (250, draw.randint(180, 225), 170)
    for y in range(height):
        share = y / height
        pen.line([(0, y), (width, y)], fill=tuple(int(a + (b - a) * share) for a, b in zip(high, low, strict=True)))
    x = draw.randint(200, 900)
    pen.ellipse([x, 150, x + 110, 260], fill=(255, 240, 205))
    for layer in range(4):
        phase, waves = draw.uniform(0, 6), draw.uniform(1.5, 3.5)
        edge = [
            (x, height * (0.5 + 0.12 * layer + 0.05 * math.sin(x / width * waves * 2 * math.pi + phase) / (layer + 1)))
            for x in range(0, width + 1, 10)
        ]
        shade = 1 - 0.22 * layer
        pen.polygon([(0, height), *edge, (width, height)], fill=tuple(int(part * shade) for part in (70, 130, 140)))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=88)
    return written.getvalue()


if __name__ == "__main__":
    main()
