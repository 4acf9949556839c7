"""What frameworks and servers are given of a store."""

from collections.abc import Collection

from adapters.inbound.frameworks.dialects import Dialects
from longshore.embed import Longshore


def dialects_of(longshore: Longshore, origins: Collection[str]) -> Dialects:
    """
    Raises:
        TypeError: what ``on_disk`` gives has not been opened.
    """
    if not isinstance(longshore, Longshore):
        raise TypeError(
            "a store has to be open: `async with on_disk(folder) as store`;"
            " `longshore.asgi.application(on_disk(folder), …)` opens it itself"
        )
    return Dialects(longshore.core, longshore.policy, origins=origins)
