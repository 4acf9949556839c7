"""Free loopback ports for the real servers of the tests."""

import random
import socket

# Below every ephemeral range: a client that retries against a stopped server in that range can be given
# the server's own port as its source port, connect to itself, and keep the restarted server from binding.
_LOWEST, _HIGHEST = 15_000, 30_000


def free_port() -> int:
    """A loopback port nobody listens on now. Drawn at random, so that parallel test processes rarely meet."""
    draw = random.SystemRandom()
    for _ in range(200):
        port = draw.randint(_LOWEST, _HIGHEST)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free loopback port between {_LOWEST} and {_HIGHEST}")


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
