"""How much work a run does: the sizes that count, and tiny ones that only prove that the parts run."""

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Scale:
    rounds: int
    body_bytes: int
    chunk_bytes: int
    chunk_connections: tuple[int, ...]
    chunk_seconds: float
    chunk_upload_bytes: int
    file_bytes: int
    file_seconds: float
    memory_rounds: int
    slow_uploads: int
    slow_seconds: float
    storms: tuple[tuple[int, int], ...]
    """Crowds that watch: how many sockets, and of how many uploads each."""
    watch_seconds: float
    websockets: int
    idle_seconds: float
    photo_size: tuple[int, int]
    photo_seconds: float
    completion_bytes: tuple[int, ...]
    completions: int


FULL = Scale(
    rounds=5,
    body_bytes=GIB,
    chunk_bytes=64 * KIB,
    chunk_connections=(8, 64),
    chunk_seconds=4.0,
    chunk_upload_bytes=64 * MIB,
    file_bytes=100 * KIB,
    file_seconds=3.0,
    memory_rounds=3,
    slow_uploads=1_000,
    slow_seconds=10.0,
    storms=((1_000, 40), (5_000, 10)),
    watch_seconds=4.0,
    websockets=10_000,
    idle_seconds=3.0,
    photo_size=(4000, 3000),
    photo_seconds=4.0,
    completion_bytes=(MIB, 64 * MIB, GIB),
    completions=3,
)

LARGEST_COMPLETION_BYTES = 10 * GIB

SMOKE = Scale(
    rounds=1,
    body_bytes=4 * MIB,
    chunk_bytes=64 * KIB,
    chunk_connections=(2, 4),
    chunk_seconds=0.3,
    chunk_upload_bytes=MIB,
    file_bytes=100 * KIB,
    file_seconds=0.3,
    memory_rounds=1,
    slow_uploads=20,
    slow_seconds=1.0,
    storms=((40, 4), (20, 2)),
    watch_seconds=0.3,
    websockets=50,
    idle_seconds=0.2,
    photo_size=(800, 600),
    photo_seconds=0.2,
    completion_bytes=(64 * KIB, MIB),
    completions=2,
)


def size(count: int) -> str:
    """``count`` bytes as people say it: ``64 KiB``, ``1 GiB``."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"
