"""Work that goes on beside the test's own."""

import threading
from collections.abc import Callable


def in_thread(work: Callable[..., object], *values: object, **named: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=values, kwargs=named, daemon=True)
    thread.start()
    return thread
