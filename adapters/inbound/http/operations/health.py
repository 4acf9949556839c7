"""``/health``: what a load balancer asks."""

import re
from collections.abc import Sequence

from adapters.inbound.common.admission import Drain
from adapters.inbound.common.encoding import format_instant
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource, json_reply
from application.health import HealthUseCase


class Health:
    """200 while all it leans on is there; 503 if something is away, and once the server drains, so that no new clients
    are sent here. A full disk is told, and is no 503: downloads go on. Anybody may ask, as often as they like."""

    def __init__(self, health: HealthUseCase, drain: Drain) -> None:
        self._health = health
        self._drain = drain

    def resources(self) -> Sequence[Resource]:
        return [Resource(re.compile(r"/health/?"), {"GET": self.get, "HEAD": self.get}, is_public=True)]

    async def get(self, exchange: Exchange) -> Reply:
        health = await self._health.run()
        status = "draining" if self._drain.has_begun else "healthy" if health.is_healthy else "unhealthy"
        content: dict[str, object] = {"status": status, "services": dict(health.services)}
        if health.is_full:
            content["full"] = True
        content["timestamp"] = format_instant(health.time)
        return json_reply(content, 200 if status == "healthy" else 503, {"Cache-Control": "no-store"})
