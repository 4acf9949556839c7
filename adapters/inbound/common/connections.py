"""How many connections one client may hold open. One that holds more is told so, by a reply that ends the connection.

Clients behind a trusted proxy are the proxy's to bound: all their connections are its own.
"""

import socket
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from weakref import WeakSet

from adapters.inbound.common.clients import neighbourhood

_TOLD_AT_ONCE = 64
"""Of those that a client has too many, so many may ask something and be told; the rest is closed without a word."""
_FEW = 64


@dataclass(slots=True)
class _Held:
    """One client's connections; those that are closed go when there may be many of them."""

    sockets: set[socket.socket] = field(default_factory=set)
    looked_at: int = _FEW

    def forget_closed(self) -> None:
        self.sockets = {one for one in self.sockets if one.fileno() >= 0}
        self.looked_at = max(_FEW, 2 * len(self.sockets))


class ConnectionBudget:
    def __init__(self, per_client: int | None = None, *, is_proxy: Callable[[str], bool] = lambda _: False) -> None:
        """``per_client``: None, no limit. ``is_proxy``: whether an address is a trusted proxy's."""
        self._per_client = per_client
        self._is_proxy = is_proxy
        self._held: OrderedDict[str, _Held] = OrderedDict()  # the client that came longest ago comes first
        self._over: WeakSet[socket.socket] = WeakSet()

    def admit(self, source: socket.socket, address: object) -> bool:
        """Whether the connection is to be served at all; of one that is, ``is_over`` says whether with a refusal."""
        ip = address[0] if isinstance(address, tuple) else ""
        if self._per_client is None or not ip or self._is_proxy(ip):
            return True
        key = neighbourhood(ip)
        held = self._held.setdefault(key, _Held())
        if len(held.sockets) >= min(held.looked_at, self._per_client):
            held.forget_closed()
        held.sockets.add(source)
        self._held.move_to_end(key)
        self._forget_gone()
        excess = len(held.sockets) - self._per_client
        if excess > 0:
            self._over.add(source)
        return excess <= _TOLD_AT_ONCE

    def is_over(self, source: socket.socket) -> bool:
        return source in self._over

    def _forget_gone(self) -> None:
        """Let go of clients that have no connection left; two a connection is faster than they come."""
        for key in list(islice(self._held, 2)):
            if any(one.fileno() >= 0 for one in self._held[key].sockets):
                self._held.move_to_end(key)
            else:
                del self._held[key]
