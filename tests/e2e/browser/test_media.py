"""A browser's own player, on a file that it has to ask for in ranges."""

import io
import math
import wave
from array import array

import pytest
from playwright.sync_api import Browser, Response

from tests.e2e.tus import Tus, id_of, metadata
from tests.support.processes.server import ServerProcess

pytestmark = pytest.mark.browser

SECONDS = 240
RATE = 44_100
_PLAY = """async (url) => {
    const video = document.createElement("video")
    video.muted = true
    const happens = (name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, { once: true })
        video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true })
    })
    const known = happens("loadedmetadata")
    video.src = url
    document.body.append(video)
    await known
    const sought = happens("seeked")
    video.currentTime = video.duration - 2
    await sought
    const over = happens("ended")
    await video.play()
    await over
    return video.duration
}"""


def sound() -> bytes:
    """Four minutes that no browser loads at once: 42 MB of 16-bit stereo."""
    second = array("h", (int(9000 * math.sin(i / 20)) for i in range(RATE) for _ in range(2))).tobytes()
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(SECONDS):
            file.writeframes(second)
    return written.getvalue()


@pytest.mark.parametrize("way", ["content", "link"])
def test_a_video_element_plays_and_seeks(browser: Browser, server: ServerProcess, server_tus: Tus, way: str) -> None:
    upload = server_tus.completed(sound(), metadata(filename="a.wav", filetype="audio/wav"))
    url = f"/files/{id_of(upload)}/content"
    if way == "link":
        url = server_tus.http.request("POST", f"/files/{id_of(upload)}/links").json()["url"]
    context = browser.new_context(bypass_csp=True)  # our page shows no media, so it forbids itself to
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if answer.url.endswith(url) else None)
    page.goto(server.url)
    assert page.evaluate(_PLAY, url) == pytest.approx(SECONDS, abs=0.1)
    asked = [(answer.status, answer.request.headers.get("range", "")) for answer in answers]
    assert {status for status, _ in asked} == {206}
    starts = [int(field.removeprefix("bytes=").partition("-")[0]) for _, field in asked]
    assert starts[0] == 0 and max(starts) > 30_000_000, "it jumped to the end without what lies between"
    context.close()
