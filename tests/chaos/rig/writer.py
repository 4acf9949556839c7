"""The process beside a server that writes its small chunks, seen from outside."""

import psutil

_MODULES = {"infrastructure.recording_writer", "adapters.outbound.volume.writing.process"}  # with a ledger or without


def writer_of(server_pid: int) -> psutil.Process | None:
    """None as long as there is none; a child that is not yet, or no more, what it is to be does not count."""
    for child in psutil.Process(server_pid).children():
        try:
            if _MODULES & set(child.cmdline()):
                return child
        except psutil.Error:
            continue
    return None


def written_by(writer: psutil.Process) -> int:
    """Bytes it has written into files."""
    return int(writer.io_counters().write_chars)


def has_ended(writer: psutil.Process) -> bool:
    """A zombie has: whoever adopted it takes its time."""
    try:
        return not writer.is_running() or writer.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
