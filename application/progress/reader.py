"""One who watches, with all that they wish to see."""

from application.progress.channel import Watch
from application.progress.messages import ProgressMessage, Subscriber
from domain.access import Principal
from domain.ids import UploadId

MAX_WATCHES = 1000
"""Ids one subscriber may watch, those without an upload among them."""


class Reader:
    """One subscriber with all its wishes. ``wants_all``: of its owner's uploads, but the ``unwanted``."""

    __slots__ = ("_ended", "is_reading", "is_told", "principal", "subscriber", "unwanted", "wants_all", "watches")

    def __init__(self, subscriber: Subscriber, principal: Principal) -> None:
        self.subscriber = subscriber
        self.principal = principal
        self.watches: dict[str, Watch] = {}
        self.wants_all = False
        self.is_reading = False
        self.is_told = False  # whether it has been told anything yet
        self.unwanted: dict[str, None] = {}  # empty, a set weighs four times as much
        self._ended: dict[UploadId, None] = {}  # the last ones it was shown unasked: a late report shows none again

    def wants(self, watch_id: str, upload_id: UploadId) -> bool:
        """Whether an upload of its owner is to be shown, for all that the reader did not name it."""
        return (
            self.wants_all
            and watch_id not in self.watches
            and watch_id not in self.unwanted
            and upload_id not in self._ended
            and len(self.watches) < MAX_WATCHES
        )

    def is_told_of_images(self, watch_id: str) -> bool:
        """Whether it hears of its owner's pictures unasked, and not by a wish of its own for that upload."""
        watch = self.watches.get(watch_id)
        return watch_id not in self.unwanted and (watch is None or watch.of_scope)

    def saw_the_end(self, upload_id: UploadId) -> None:
        self._ended[upload_id] = None
        if len(self._ended) > MAX_WATCHES:
            del self._ended[next(iter(self._ended))]

    def tell(self, messages: list[ProgressMessage]) -> None:
        """Send the answers to some of its wishes, together."""
        if not self.is_told:
            # What others were shown, too, has the number of that time; a reader is told in the order of the numbers.
            messages.sort(key=lambda message: float("inf") if message.sequence is None else message.sequence)
        self.is_told = True
        if messages:
            self.subscriber.offer_all(messages)
