"""``python -m benchmarks.growth`` (``make scale``): the same work over a thousand rows and over a million, on SQLite
and on PostgreSQL; what rows take on the disk, and connections in memory. How to read it: docs/scale.md."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Missing
from benchmarks.growth.bucket import asked_for
from benchmarks.growth.memory import slopes
from benchmarks.growth.requests import Measured, measured, served, written_each
from benchmarks.growth.stores import PostgresStore, SqliteStore, Store, cluster
from benchmarks.scale import GIB, MIB
from benchmarks.workbench import HERE, PROJECT, Workbench

PARTS = ("sqlite", "postgresql", "doctor", "bucket", "memory")
ALLOWED = 1.5


def main() -> int:
    """0: everything ran. A figure past what is allowed is shown and is no failure."""
    options = _options()
    results = HERE / "results" / "growth.json"
    found: dict[str, Any] = json.loads(results.read_text()) if results.exists() else {}  # parts of an earlier run
    with closing(Workbench(options.folder)) as workbench:
        for part in options.only:
            if part == "memory":
                found[part] = _memory(workbench, options.connections)
            elif part == "bucket":
                found[part] = _bucket(workbench.folder, options.many)
            elif part == "doctor":
                found[part] = _doctor(workbench.folder, options.few, options.many // 10)
            else:
                with _stores(part, workbench.folder, options) as (few, many):
                    found[part] = _grown(few, many, options)
    results.parent.mkdir(exist_ok=True)
    results.write_text(json.dumps(found, indent=2) + "\n")
    print(f"written: benchmarks/results/{results.name}")
    return 0


@contextmanager
def _stores(part: str, folder: Path, options: argparse.Namespace) -> Iterator[tuple[Store, Store]]:
    with ExitStack() as stack:
        stores: list[Store] = []
        server = stack.enter_context(cluster()) if part == "postgresql" else None
        for count in (options.few, options.many):
            place = folder / f"{part}-{count}"
            store = SqliteStore(place, count) if server is None else PostgresStore(place, count, server)
            began = time.monotonic()
            store.fill()
            print(f"{store.kind}: {count:,} files made in {time.monotonic() - began:.0f} s", flush=True)
            stores.append(store)
        yield stores[0], stores[1]


def _grown(few: Store, many: Store, options: argparse.Namespace) -> dict[str, Any]:
    _print_sizes(many)
    starts = [[_seconds_to_start(store) for _ in range(options.rounds)] for store in (few, many)]
    lines = [Measured("start a server", min(starts[0]) * 1e3, min(starts[1]) * 1e3)]
    lines += measured(few, many, rounds=options.rounds, each=options.each)
    writes = [written_each(store, options.each * options.rounds) for store in (few, many)]
    chores = [_chores(store, options.rounds) for store in (few, many)]
    lines += [Measured(name, took, chores[1][name]) for name, took in chores[0].items()]
    print(f"\n{few.kind}{'':<42}{few.many:>12,} {many.many:>12,} rows")
    for line in lines:
        mark = "" if line.growth <= ALLOWED or line.many < 1 else "  MORE"
        print(f"  {line.name:<48}{line.few:>9.2f} ms {line.many:>9.2f} ms {line.growth:>6.2f} x{mark}", flush=True)
    print(f"  a small whole file alone is written as {writes[0] / 1024:.0f} KiB, {writes[1] / 1024:.0f} KiB")
    return {
        "few": few.many,
        "many": many.many,
        "written": writes,
        "sizes": [[size.table, size.name, size.rows, size.bytes] for size in many.sizes()],
        "times": {line.name: [round(line.few, 3), round(line.many, 3)] for line in lines},
    }


def _print_sizes(store: Store) -> None:
    sizes = store.sizes()
    of_table = Counter[str]()
    for size in sizes:
        of_table[size.table] += size.bytes
    print(f"\n{store.kind}: bytes for each of {store.many:,} files; {sum(of_table.values()) / 2**20:,.0f} MiB in all")
    for table, total in of_table.most_common():
        if total / store.many < 1:
            continue
        print(f"  {table:<24}{total / store.many:>8.0f}")
        for size in sorted(sizes, key=lambda size: -size.bytes):
            if size.table == table and size.bytes / store.many >= 1:
                each = size.bytes / max(size.rows, 1)
                print(f"    {size.name:<52}{size.bytes / store.many:>6.0f}  {size.rows:>10,} rows of {each:.0f}")


def _seconds_to_start(store: Store) -> float:
    began = time.perf_counter()
    with served(store):
        return time.perf_counter() - began


def _chores(store: Store, times: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth.chores", str(times)],
        env={**store.environment, "PYTHONPATH": str(PROJECT), "WORKERS_INLINE": "0"},
        cwd=store.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _doctor(folder: Path, few: int, many: int) -> dict[str, float]:
    """It looks at each file: what a million more take. Their bytes are holes; it looks at names and sizes alone."""
    took = {}
    for count in (few, many):
        store = SqliteStore(folder / f"doctor-{count}", count)
        store.fill()
        with served(store):
            pass  # lays the volume out
        _make_blobs(store)
        began = time.perf_counter()
        told = store.run_verb("doctor")
        took[str(count)] = time.perf_counter() - began
        assert f"all {count} files are there" in told, told[-1000:]
    each = (took[str(many)] - took[str(few)]) / (many - few)
    print(f"\ndoctor: {took[str(few)]:.1f} s for {few:,} files, {each * 1e6:.0f} s more for a million")
    return {**took, "seconds_each": each}


def _make_blobs(store: Store) -> None:
    blobs = store.folder / "storage" / "blobs"
    for shard in {f"{number:02x}" for number in range(256)}:
        (blobs / shard).mkdir(mode=0o700, exist_ok=True)
    keys = {
        str(key): int(str(size)) for key, size in store.query("SELECT blob_key, size FROM files ORDER BY id = blob_key")
    }
    keys |= {str(key): int(str(size)) for key, size in store.query("SELECT blob_key, size FROM renditions")}
    for key, size in keys.items():
        path = blobs / key[:2] / key
        path.touch(0o600)
        os.truncate(path, size)
        os.utime(path, (0, 0))


def _bucket(folder: Path, many: int) -> dict[str, Any]:
    print("\nrequests to S3 for one file, and those that S3 charges as writes and as reads")
    found = {}
    for asked in asked_for(folder / "bucket", largest=GIB if many >= 1_000_000 else MIB):
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(asked.requests.items()))
        print(f"  {asked.what:<40}{asked.writes:>5} {asked.reads:>5}   {told}", flush=True)
        found[asked.what] = asked.requests
    return found


def _memory(workbench: Workbench, connections: int) -> dict[str, float]:
    print("\nmemory of each further one, over the first ones")
    found = {}
    for slope in slopes(workbench, connections):
        print(f"  {slope.name:<48}{slope.kib_each:>8.1f} KiB  ({slope.few:,} to {slope.many:,})", flush=True)
        found[slope.name] = round(slope.kib_each, 2)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="How cost grows with the rows.")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", type=int, default=20, help="requests of a kind in each round")
    parser.add_argument("--connections", type=int, default=8_000)
    parser.add_argument("--only", type=_parts, default=PARTS, help=",".join(PARTS))
    parser.add_argument("--folder", type=Path, default=HERE / ".work", help="a disk with 10 GiB to spare")
    return parser.parse_args()


def _parts(text: str) -> Sequence[str]:
    if unknown := set(text.split(",")) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(PARTS)}")
    return text.split(",")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Missing as reason:
        sys.exit(f"nothing measured: {reason}")
