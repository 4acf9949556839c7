"""``/health``: what a load balancer asks."""

import json
import re
from collections.abc import Sequence

from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from application.health import HealthUseCase


class Health:
    """Answers 503 from the moment ``drain`` is called, so that no new clients are sent here."""

    def __init__(self, health: HealthUseCase) -> None:
        self._health = health
        self._is_draining = False

    def resources(self) -> Sequence[Resource]:
        return [Resource(re.compile(r"/health/?"), {"GET": self.get, "HEAD": self.get}, is_public=True)]

    def drain(self) -> None:
        self._is_draining = True

    async def get(self, exchange: Exchange) -> Reply:
        health = await self._health.run()
        status = "draining" if self._is_draining else "healthy" if health.is_healthy else "unhealthy"
        content = {
            "status": status,
            "services": dict(health.services),
            "timestamp": health.time.isoformat().replace("+00:00", "Z"),
        }
        headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
        return Reply(200 if status == "healthy" else 503, headers, json.dumps(content).encode())
