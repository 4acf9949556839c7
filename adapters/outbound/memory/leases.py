"""What a lease is in memory: who holds it, who waits for it, and the token of its present run."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False)
class LeaseRequest:
    """One block that is, or wants to be, the holder."""

    owner: object
    on_wanted: Callable[[], None]
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


@dataclass(eq=False)
class LeaseState:
    """``owner`` is the lock that held it last: while that stays the same, so does the token."""

    token: str = ""
    owner: object = None
    holder: LeaseRequest | None = None
    waiter: LeaseRequest | None = None

    def pass_on(self) -> None:
        """The holder has left: the newest request is next."""
        self.holder, self.waiter = self.waiter, None
        if self.holder is not None:
            self.holder.turn.set()
