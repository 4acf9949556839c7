"""What the supervisor is told, and how a process becomes it."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

_ROOT = str(Path(__file__).resolve().parents[__name__.count(".")])
"""Where our top package lies, in a checkout or installed."""
_SUPERVISE = f"""import sys
root = sys.argv.pop(1)
if root not in sys.path:
    sys.path.insert(0, root)
from {__name__.rpartition(".")[0]}.supervisor import main
main()"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    command: Sequence[str]
    """What starts a server."""
    processes: int
    listening: Sequence[int]
    log_level: str
    log_format: Literal["console", "json"] | None
    greeting: str
    """What is printed once all of them serve."""
    patience: Mapping[str, Any] = field(default_factory=dict)
    """The ``…_seconds`` of the supervisor's that are to be others."""


def supervisor_command(order: Order) -> list[str]:
    return [sys.executable, "-P", "-c", _SUPERVISE, _ROOT, json.dumps(asdict(order))]


def become_supervisor(order: Order) -> NoReturn:
    """As this process, whose settings have taken 50 MiB to read: the supervisor does without all that."""
    for descriptor in order.listening:
        os.set_inheritable(descriptor, True)
    os.execv(sys.executable, supervisor_command(order))  # noqa: S606 -- this very Python


def own_command() -> Sequence[str]:
    """What this process was started by."""
    return [sys.executable, *sys.orig_argv[1:]]
