"""What is refused whatever the route: a server that goes down or is full, a method that is none of a resource's."""

import logging

from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Resource


class GoingDown(Refusal):
    """What comes on an open connection while the server drains, or is cut by it."""

    def __init__(self) -> None:
        words = "The server stops or restarts: try again in a moment, with an upload from where HEAD says it is"
        super().__init__(503, "unavailable", words)


class NoRoom(Refusal):
    """There are more connections than descriptors for them."""

    log_level = logging.DEBUG  # the door has told of it once

    def __init__(self) -> None:
        super().__init__(503, "unavailable", "more clients are here than can be served: try again in a moment")


def allowed(resource: Resource) -> str:
    return ", ".join(sorted({*resource.methods, "OPTIONS"}))


def not_allowed(resource: Resource) -> Refusal:
    methods = allowed(resource)
    return Refusal(405, "method_not_allowed", f"allowed here: {methods}", {"Allow": methods})
