"""How an ordinary client asks: again after what it takes for a passing trouble, as often and as late as tus-js-client.

That client tries again at once, after 1, 3 and 5 seconds, counted anew with each success; Uppy does the same. Tried
again are: a connection that is refused, cut or silent, 409, 423, 502, 503, 504 and 507. Not tried again, as there, is
any other 4xx; 429 neither (limits are wide here), and a 500, though clients do try again, is nothing to be seen at all.
"""

import random
import time
from collections.abc import Collection, Mapping, Sequence

from tests.chaos.crowd.records import Records
from tests.chaos.rig.client import Answer, Wire

DELAYS = (0.0, 1.0, 3.0, 5.0)
RETRIED = frozenset({409, 423, 502, 503, 504, 507})
_SUCCESS = frozenset({200, 201, 204})


class GaveUp(Exception):
    """It has tried as often as an ordinary client does."""


class Patience:
    """Of one client; ``failed`` waits, or says that it is over."""

    def __init__(self, delays: Sequence[float] = DELAYS) -> None:
        self._delays = delays
        self._tries = 0

    def succeeded(self) -> None:
        self._tries = 0

    def failed(self) -> None:
        if self._tries >= len(self._delays):
            raise GaveUp
        time.sleep(self._delays[self._tries])
        self._tries += 1


class Line:
    """Of a client of one owner: one connection, kept as long as it lasts."""

    def __init__(
        self, url: str, owner: str, who: str, records: Records, *, seed: int = 0, pace: float = 1, kept: float = 0.5
    ) -> None:
        """``pace``: how long its pauses are; ``kept``: how many of its files it does not delete."""
        self.url = url
        self.owner = owner
        self.who = who
        self.records = records
        self.kept = kept
        self._pace = pace
        self.draw = random.Random(f"{who} {seed}")
        self.headers = {"X-User-Id": owner}
        self.wire = Wire(url)

    def ask(
        self,
        method: str,
        path: str,
        body: Sequence[bytes] = (),
        headers: Mapping[str, str] | None = None,
        *,
        expects: Collection[int] = _SUCCESS,
        sampled: str = "",
    ) -> Answer:
        """Its answer, tried again like an ordinary client's.

        Raises:
            GaveUp: without success; or the answer was no success, and none to try again after.
        """
        patience, asked_at = Patience(), time.monotonic()
        length = {"Content-Length": str(sum(map(len, body)))} if body or method in ("POST", "PUT", "PATCH") else {}
        while True:
            began = time.monotonic()
            try:
                answer = self.wire.request(method, path, {**self.headers, **length, **(headers or {})}, body)
            except OSError as error:
                self.troubled(0, type(error).__name__)
            else:
                if answer.status in expects:
                    self.records.answer(self.who, answer.status)
                    if sampled:
                        self.records.sample(sampled, began, asked_at, f"{method} {path}")
                    return answer
                self.troubled(answer.status, f"{method} {answer.body[:160]!r}")
                if answer.status not in RETRIED:
                    raise GaveUp
            patience.failed()

    def troubled(self, status: int, detail: str) -> None:
        """An answer that is no success; 0: none at all."""
        self.records.answer(self.who, status)
        if status == 0 or status in RETRIED:
            self.records.count(self.records.retried, str(status) if status else "cut")
        else:
            self.records.count(self.records.surprises, f"{self.who}: {status} {detail}")

    def pause(self, least: float, most: float) -> None:
        """What it does otherwise; nothing, once the run is over."""
        self.records.over.wait(self.draw.uniform(least, most) * self._pace)
