"""How a number of bytes is written for people, and in settings."""

MAX_SIZE = 10**15 - 1  # lengths on the wire have at most 15 digits
_UNITS = ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB"))


def format_size(size: int) -> str:
    """In the largest unit that loses nothing: ``16MiB``, ``1000``."""
    for power, unit in _UNITS:
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return str(size)
