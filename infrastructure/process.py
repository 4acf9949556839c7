"""What processes of ours that run until they are told to stop have in common."""

import asyncio
import os
import signal
from collections.abc import Callable


def on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process there and then, as if nobody caught it."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        stopping.set()
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # Python's own for SIGINT would unwind, and wait for what runs

    for number in numbers:
        loop.add_signal_handler(number, stop)
    return stopping


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 -- it has no wheel for some platforms
    except ImportError:
        return None
    return uvloop.new_event_loop


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
