"""``/tickets``: what a browser shows where it can't send a header, as it opens a WebSocket or an event stream."""

import re
from collections.abc import Sequence

from adapters.inbound.common.encoding import format_instant
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from application.ticket import TicketUseCase


class TicketRoutes:
    def __init__(self, tickets: TicketUseCase) -> None:
        self._tickets = tickets

    def resources(self) -> Sequence[Resource]:
        return [Resource(re.compile(r"/tickets/?"), {"POST": self.post})]

    async def post(self, exchange: Exchange) -> Reply:
        ticket, expires_at = await self._tickets.issue(exchange.principal)
        content = {"ticket": ticket, "expires_at": format_instant(expires_at)}
        return json_reply(content, 201, {"Cache-Control": "no-store"})
