"""Taking the port: by a server that is alone, or by the supervisor of several."""

import socket
from collections.abc import Sequence

from tornado.netutil import bind_sockets

from adapters.inbound.common.uris import authority_of
from infrastructure.capability import CannotStart

_BACKLOG = 4096  # of a crowd that connects at once, whoever finds no place comes again a second later


def listen(host: str, port: int) -> Sequence[socket.socket]:
    """Raises:
    CannotStart: somebody has it, or it is nobody's to have.
    """
    try:
        return bind_sockets(port, host, backlog=_BACKLOG)
    except OSError as error:
        raise CannotStart(f"cannot listen on {authority_of(host, port)}: {error.strerror}") from error
