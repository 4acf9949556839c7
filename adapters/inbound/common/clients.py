"""Whose requests are counted together."""

import ipaddress

from tornado.httputil import HTTPServerRequest

from adapters.inbound.common.auth import Authenticator
from application.rate_limit import RateLimiter
from domain.access import STRANGER, Principal
from domain.errors import Unauthenticated
from domain.rate import Told


def neighbourhood(client: str) -> str:
    """An IPv6 host owns a /64 and could call from a new address each time: so the /64 is the client."""
    if ":" not in client:
        return client
    if client.startswith("::ffff:") and "." in client:  # IPv4, as a socket for both tells it
        return client.removeprefix("::ffff:")
    try:
        return str(ipaddress.IPv6Network((client.partition("%")[0], 64), strict=False))
    except ValueError:
        return client


class Counter:
    """Counts requests: a user's by whom they are, all others by the address they come from, for whatever else they say
    of themselves costs nothing to make up."""

    def __init__(self, limiter: RateLimiter, authenticator: Authenticator) -> None:
        self._limiter = limiter
        self._authenticator = authenticator

    async def count(self, request: HTTPServerRequest, principal: Principal) -> Told | None:
        """Raises:
        TooManyRequests: it was not counted.
        """
        return await self._limiter.check(self._client(request, principal), is_user=principal.is_user)

    async def count_upload(self, request: HTTPServerRequest, principal: Principal) -> Told | None:
        """The same, of the beginning of an upload; None: it did not count as a request."""
        return await self._limiter.check_upload(self._client(request, principal), is_user=principal.is_user)

    async def caller(self, request: HTTPServerRequest) -> Principal:
        """Who opens what stays open, counted. To guess at tickets costs the database something: so whoever shows one is
        counted before it is looked for.

        Raises:
            TooManyRequests, Unauthenticated
        """
        if "ticket" in request.query_arguments:
            await self.count(request, STRANGER)
            return await self._authenticator.caller(request)
        try:
            principal = await self._authenticator.caller(request)
        except Unauthenticated:
            await self.count(request, STRANGER)
            raise
        await self.count(request, principal)
        return principal

    def _client(self, request: HTTPServerRequest, principal: Principal) -> str:
        return principal.owner if principal.is_user else neighbourhood(self._authenticator.client_ip(request))
