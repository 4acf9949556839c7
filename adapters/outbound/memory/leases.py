"""What a lease is in memory: who holds it, who waits for it, and the token of its present run."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.byte_range import ByteRange
from domain.errors import UploadTakenOver


@dataclass(eq=False)
class LeaseRequest:
    """One block that is, or wants to be, the holder; of the whole upload where ``range`` is None."""

    owner: object
    on_wanted: Callable[[], None]
    range: ByteRange | None = None
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    is_asked: bool = False
    is_outbid: bool = False
    turn: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        if not self.is_asked:
            self.is_asked = True
            asyncio.get_running_loop().call_soon(self.on_wanted)

    def outbid(self) -> None:
        self.is_outbid = True
        self.turn.set()

    def meets(self, wanted: ByteRange) -> bool:
        return self.range is not None and self.range.overlaps(wanted)


@dataclass(eq=False)
class LeaseState:
    """``owner`` is the lock that held it last as a whole: while that stays the same, so does the token.

    ``generation`` stays the same while only ranges are held.
    """

    token: str = ""
    owner: object = None
    holder: LeaseRequest | None = None
    waiter: LeaseRequest | None = None
    generation: str = ""
    sharers: list[LeaseRequest] = field(default_factory=list)
    range_waiters: list[LeaseRequest] = field(default_factory=list)

    def stands(self, token: str) -> bool:
        return token == self.token or any(sharer.token == token for sharer in self.sharers)

    def check(self, token: str) -> None:
        if not self.stands(token):
            raise UploadTakenOver("a newer request for this upload took over")

    def pass_on(self) -> None:
        """The holder has left, or a sharer has: the newest request is next."""
        if self.sharers:
            return
        self.holder, self.waiter = self.waiter, None
        if self.holder is not None:
            self.holder.turn.set()
        self.wake_ranges()

    def leave(self, sharer: LeaseRequest) -> None:
        self.sharers.remove(sharer)
        if self.holder is None:
            self.pass_on()
        self.wake_ranges()

    def wake_ranges(self) -> None:
        for waiter in self.range_waiters:
            waiter.turn.set()

    def blocking(self, wanted: ByteRange) -> list[LeaseRequest]:
        """Who has to leave before ``wanted`` can be held; whoever waits for the whole goes first."""
        whole = [request for request in (self.holder, self.waiter) if request is not None]
        return whole or [sharer for sharer in self.sharers if sharer.meets(wanted)]

    def share(self, request: LeaseRequest) -> None:
        if self.token or not self.generation:
            self.token, self.owner, self.generation = "", None, secrets.token_hex(16)
        self.sharers.append(request)
