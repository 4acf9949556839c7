"""``/metrics``: what Prometheus reads, in its text format (version 0.0.4)."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import cast

from tornado.httputil import HTTPServerRequest

from adapters.inbound.common.auth import Authenticator, IpNetwork
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.operations.caller import is_administrator
from application.observing.observation import ObservationUseCase
from domain.access import STRANGER
from domain.errors import AccessRefused, Unauthenticated
from domain.measures import Family, Sample

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WORDS = "metrics are for administrators, and for the networks of METRICS_NETWORKS"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class MetricsRoute:
    """For administrators, for whoever comes directly from one of the networks that may, and in mode ``open`` for all.

    ``measured``: what servers count of themselves.
    """

    def __init__(
        self,
        observation: ObservationUseCase,
        authenticator: Authenticator,
        networks: Collection[IpNetwork],
        measured: Callable[[], Sequence[Family]],
    ) -> None:
        self._observation = observation
        self._authenticator = authenticator
        self._networks = networks
        self._measured = measured

    def resources(self) -> Sequence[Resource]:
        route = {"GET": self.get, "HEAD": self.get}
        return [Resource(re.compile(r"/metrics/?"), route, admits_strangers=True, is_for_monitors=True)]

    async def get(self, exchange: Exchange) -> Reply:
        authenticator = self._authenticator
        may_read = is_administrator(authenticator.mode, is_admin=exchange.principal.is_admin)
        request = cast(HTTPServerRequest, exchange.request)  # only our own server has this route
        if not may_read and not authenticator.comes_directly_from(request, self._networks):
            if exchange.principal == STRANGER:
                raise Unauthenticated(_WORDS)
            raise AccessRefused(_WORDS)
        families = [*self._measured(), *await self._observation.run()]
        headers = {"Content-Type": _MEDIA_TYPE, "Cache-Control": "no-store"}
        return Reply(200, headers, text_of(families).encode())


def text_of(families: Sequence[Family]) -> str:
    return "".join(line for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.text}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for sample in family.samples:
        yield f"{family.name}{sample.suffix}{_labels(sample)} {_number(sample.value)}\n"


def _labels(sample: Sample) -> str:
    if not sample.labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in sample.labels.items()) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
