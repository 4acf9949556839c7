"""Turns a request into the one who makes it, and into the address that its requests are counted under."""

import asyncio
import ipaddress
import re
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import lru_cache
from typing import Literal

from tornado.httputil import HTTPServerRequest

from adapters.inbound.common.heads import Head
from domain.access import ANYBODY, Principal, guest, parse_user_id, user
from domain.errors import Unauthenticated

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_HOPS = 32
_IDS = frozenset({"X-User-Id", "X-Guest-Id"})
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP")


class Authenticator:
    """Believes what ``mode`` allows: nothing (``open``), a trusted gateway's headers, or a bearer token.

    Wants servers with Tornado's ``xheaders`` off: then ``remote_ip`` is the socket's own peer, whatever
    a header claims.
    """

    def __init__(
        self,
        mode: Literal["open", "gateway", "jwt"] = "open",
        *,
        trusted_proxies: Sequence[IpNetwork] = (),
        verify_token: Callable[[str], Principal] | None = None,
        redeem_ticket: Callable[[str], Awaitable[Principal]] | None = None,
    ) -> None:
        """``verify_token``: a token verifier's ``verify``; mode ``jwt`` needs it. ``redeem_ticket``: without it there
        are no tickets."""
        if mode == "jwt" and verify_token is None:
            raise ValueError("mode jwt needs something that verifies tokens")
        self._mode: Literal["open", "gateway", "jwt"] = mode
        self._trusted = tuple(trusted_proxies)
        self._verify_token = verify_token
        self._redeem_ticket = redeem_ticket

    @property
    def mode(self) -> Literal["open", "gateway", "jwt"]:
        return self._mode

    def principal(self, request: HTTPServerRequest) -> Principal:
        """Raises:
        Unauthenticated: nobody said who calls, or nobody who may say so.
        """
        if self._mode == "gateway":
            return self._of_gateway(request)
        if self._verify_token is not None:
            return self._verify_token(_bearer_token(request))
        return ANYBODY

    async def caller(self, request: HTTPServerRequest) -> Principal:
        """As ``principal``, or by the ticket of a query: for what a browser opens without headers of its own."""
        shown = request.query_arguments.get("ticket")
        if shown is None or self._redeem_ticket is None:
            return self.principal(request)
        if self._mode == "gateway":
            self._check_gateway(request)
        return await self._redeem_ticket(shown[0].decode("utf-8", "replace"))

    def named(self, request: Head, principal: Principal) -> Principal:
        """``principal``, whom the request was found to be; in mode ``open``, whoever it says: for dialects whose
        clients always do.

        Raises:
            Unauthenticated: it does not.
        """
        return _of_headers(request) if self._mode == "open" else principal

    def says_who(self, request: HTTPServerRequest) -> bool:
        """Whether ``named`` has something to go by, in mode ``open``."""
        return self._mode != "open" or not _IDS.isdisjoint(request.headers)

    def client_ip(self, request: HTTPServerRequest) -> str:
        """Whose requests to count: the peer, or the one a trusted proxy says it speaks for.

        Each trusted proxy appends the address it was called from, so the right-most entry that is not a
        trusted proxy's is the last one that nobody outside could write.
        """
        client = _parse_ip(request.remote_ip or "")
        if client is None:
            return request.remote_ip or ""
        hops = ",".join(request.headers.get_list("X-Forwarded-For")).rsplit(",", _MAX_HOPS)
        while self._trusts(client) and hops:
            hop = _parse_ip(hops.pop())
            if hop is None:
                break
            client = hop
        return str(client)

    def comes_directly_from(self, request: HTTPServerRequest, networks: Collection[IpNetwork]) -> bool:
        """Whether whoever is at the other end of the connection is in one of these, and speaks for nobody else: a proxy
        is no proof of where its clients are."""
        peer = _parse_ip(request.remote_ip or "")
        if peer is None or any(name in request.headers for name in _FORWARDED):
            return False
        return any(peer in network for network in networks)

    def is_proxy(self, ip: str) -> bool:
        """Whether a trusted proxy's address is ``ip``."""
        address = _parse_ip(ip)
        return address is not None and self._trusts(address)

    def _check_gateway(self, request: HTTPServerRequest) -> None:
        peer = _parse_ip(request.remote_ip or "")
        if peer is None or not self._trusts(peer):
            raise Unauthenticated("requests have to come through the gateway")

    def _of_gateway(self, request: HTTPServerRequest) -> Principal:
        self._check_gateway(request)
        return _of_headers(request)

    def _trusts(self, address: IpAddress) -> bool:
        return any(address in network for network in self._trusted)


def at_expiry(principal: Principal, end: Callable[[], None]) -> asyncio.TimerHandle | None:
    """Have ``end`` called once it is no longer known who calls; None: that never comes."""
    if principal.expires_at is None:
        return None
    return asyncio.get_running_loop().call_later(max(0.0, principal.expires_at.timestamp() - time.time()), end)


def _of_headers(request: Head) -> Principal:
    if user_id := request.headers.get("x-user-id"):
        principal = user(parse_user_id(user_id))
    elif guest_id := request.headers.get("x-guest-id"):
        principal = guest(parse_user_id(guest_id))
    else:
        raise Unauthenticated("missing user identification - provide either x-user-id or x-guest-id header")
    is_admin = "admin" in re.split(r"[\s,]+", request.headers.get("x-user-scope", ""))
    return Principal(principal.owner, is_admin=is_admin)


def _bearer_token(request: HTTPServerRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("missing user identification - provide a bearer token", wants_token=True)
    return token.strip()


@lru_cache(maxsize=1024)  # a crowd mostly comes from few
def _parse_ip(text: str) -> IpAddress | None:
    """An address as proxies write them, perhaps with a port; IPv4 within IPv6 becomes plain IPv4."""
    text = text.strip()
    if found := re.fullmatch(r"\[([^\]]*)\](?::[0-9]+)?|([0-9.]+):[0-9]+", text):
        text = found[1] or found[2]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
