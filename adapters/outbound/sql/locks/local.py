"""One upload's lease in this process: at most one request inside, at most one that waits for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import LongshoreError, RepositoryUnavailable, UploadTakenOver
from domain.ids import UploadId


class Occupant:
    """One request in its block, or on its way there."""

    def __init__(self, on_wanted: Callable[[], None]) -> None:
        self._on_wanted = on_wanted
        self.is_inside = False
        self.wanted = asyncio.Event()
        self.turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        """Have it leave; who is not inside yet gives up."""
        if not self.wanted.is_set():
            self.wanted.set()
            if self.is_inside:
                asyncio.get_running_loop().call_soon(self._on_wanted)

    def tell(self, *, is_its_turn: bool) -> None:
        if not self.turn.done():
            self.turn.set_result(is_its_turn)


@dataclass(slots=True, eq=False)
class LocalLease:
    """``token`` is the lease, if we have it; to be believed in until ``safe_until`` on the monotonic clock.

    ``wanted_by`` is the request of another process that wants it. ``lapsed`` is the last token that could not be
    renewed in time.
    """

    upload_id: UploadId
    token: str | None = None
    safe_until: float = 0.0
    occupant: Occupant | None = None
    waiter: Occupant | None = None
    wanted_by: str | None = None
    idle_since: float = 0.0
    lapsed: str | None = None

    def loss_of(self, token: str) -> LongshoreError:
        """Why the lease that was, or is, ``token`` can't be believed in."""
        return loss(has_lapsed=token in (self.token, self.lapsed))

    def dismiss_waiter(self) -> None:
        """A newer request has come."""
        if self.waiter is not None:
            self.waiter.tell(is_its_turn=False)
            self.waiter = None

    def admit_waiter(self) -> bool:
        """The occupant has left; whether somebody was waiting, and is the occupant now."""
        self.occupant, self.waiter = self.waiter, None
        if self.occupant is not None:
            self.occupant.tell(is_its_turn=True)
        return self.occupant is not None


def loss(*, has_lapsed: bool) -> LongshoreError:
    if has_lapsed:
        return RepositoryUnavailable("the lease could not be renewed in time")
    return UploadTakenOver("a newer request for this upload took over")
