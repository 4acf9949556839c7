"""So many clients, each in a thread of its own, who do one errand after the other until they are told to stop."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial

from tests.chaos.crowd.line import GaveUp, Line
from tests.chaos.crowd.pictures import image, instruction, picture, receiver
from tests.chaos.crowd.readers import by_socket, by_stream, download, notifications
from tests.chaos.crowd.records import Records
from tests.chaos.crowd.uploads import chunks, ietf, quitter, tus
from tests.chaos.crowd.whole_files import form_field, put
from tests.chaos.rig.client import TUS

Errand = Callable[[Line], None]

MIX: Mapping[str, tuple[Errand, int]] = {
    "tus": (tus, 60),
    "IETF": (ietf, 30),
    "chunk API": (chunks, 20),
    "quitters": (quitter, 6),
    "PUT": (put, 14),
    "form": (form_field, 10),
    "images": (image, 8),
    "image receiver": (receiver, 6),
    "instructions": (instruction, 8),
    "WebSocket": (by_socket, 14),
    "SSE": (by_stream, 10),
    "notifications": (notifications, 4),
    "downloads": (download, 10),
}
"""Of 200."""
_OWNERS = 20


class Crowd:
    """``size`` clients in the proportions of ``MIX``, one of each kind at least."""

    def __init__(self, url: str, size: int, *, pace: float = 1, kept: float = 0.5) -> None:
        """``pace``: how long their pauses are; ``kept``: how many files they do not delete."""
        self._url = url
        self.records = Records()
        self.owners = [str(uuid.UUID(int=number + 2**100)) for number in range(_OWNERS)]
        whole = sum(count for _, count in MIX.values())
        self._threads: list[threading.Thread] = []
        self._listeners: list[threading.Thread] = []
        for who, (errand, share) in MIX.items():
            for number in range(max(1, round(share * size / whole))):
                owner = self.owners[number % _OWNERS]
                line = Line(url, owner, who, self.records, seed=number, pace=pace, kept=kept)
                work = partial(self._work, line, errand)
                thread = threading.Thread(target=work, name=f"{who} {number}", daemon=True)
                if errand is notifications:
                    self.records.listeners.add(owner)
                    self._listeners.append(thread)
                else:
                    self._threads.append(thread)
        for number in range(24):
            picture(number)  # before anything is timed

    @property
    def _everybody(self) -> list[threading.Thread]:
        return [*self._listeners, *self._threads]

    def __len__(self) -> int:
        return len(self._everybody)

    def start(self, *, within: float = 5.0) -> None:
        """One after the other, all of them ``within`` so many seconds."""
        for thread in self._everybody:
            thread.start()
            time.sleep(within / len(self._everybody))

    def finish(self, *, within: float = 120.0) -> None:
        """Let everybody come to an end, and wait for that; who does not is written down."""
        self.records.over.set()
        deadline = time.monotonic() + within
        for threads in (self._threads, self._listeners):
            for thread in threads:
                thread.join(max(deadline - time.monotonic(), 0.0))
            self.records.closing.set()
        self.records.errors += [f"{thread.name} does not end" for thread in self._everybody if thread.is_alive()]

    def end_unfinished(self) -> int:
        """End the uploads that their owners still have under way, which is what no client has got to know of."""
        ended = 0
        for owner in self.owners:
            line = Line(self._url, owner, "the end", self.records)
            while listed := json.loads(line.ask("GET", "/uploads?state=open").body)["uploads"]:  # a hundred at a time
                for upload in listed:
                    line.ask("DELETE", f"/uploads/{upload['id']}", headers=TUS)
                ended += len(listed)
            line.wire.close()
        return ended

    def _work(self, line: Line, errand: Errand) -> None:
        while not self.records.over.is_set():
            try:
                errand(line)
                self.records.count(self.records.done, line.who)
            except GaveUp:
                self.records.count(self.records.gave_up, line.who)
            except Exception as error:  # noqa: BLE001 -- whoever reads the report judges it
                self.records.errors.append(f"{line.who}: {error!r}"[:300])
                time.sleep(1)
        line.wire.close()
