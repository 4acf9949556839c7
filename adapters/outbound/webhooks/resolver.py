"""Names become addresses here, and only those that may be reached go on: what is connected to is what was looked at."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from tornado.netutil import Resolver

from domain.public_address import is_public

Addresses = list[tuple[int, Any]]
LookUp = Callable[[str, int, int], Coroutine[Any, Any, Addresses]]


class NotPublic(OSError):
    """All that a name stands for is within."""


class CheckedResolver(Resolver):
    """Each name is asked for once at a time: one whose name servers hang takes one thread, not all of them."""

    def initialize(self, *, allow_private: bool, look_up: LookUp | None = None) -> None:
        self._allow_private = allow_private
        self._look_up = look_up or _look_up
        self._asked: dict[tuple[str, int, int], asyncio.Task[Addresses]] = {}

    async def resolve(self, host: str, port: int, family: int = socket.AF_UNSPEC) -> Addresses:
        """Raises:
        NotPublic: it has no address that may be reached.
        OSError: nobody knows it.
        """
        key = (host, port, family)
        asking = self._asked.get(key)
        if asking is None:
            asking = self._asked[key] = asyncio.create_task(self._look_up(*key))
            asking.add_done_callback(lambda task: self._answered(key, task))
        addresses = await asyncio.shield(asking)
        allowed = [one for one in addresses if self._allow_private or is_public(one[1][0])]
        if not allowed:
            raise NotPublic(f"{addresses[0][1][0]} is a private address, which needs WEBHOOKS_ALLOW_PRIVATE=1")
        return allowed

    def close(self) -> None:
        for asking in list(self._asked.values()):
            asking.cancel()

    def _answered(self, key: tuple[str, int, int], asking: "asyncio.Task[Addresses]") -> None:
        self._asked.pop(key, None)
        if not asking.cancelled():
            asking.exception()  # looked at, should all who asked have gone


async def _look_up(host: str, port: int, family: int) -> Addresses:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [(one[0], one[4]) for one in found]
