"""The server's command line: ``starter.py [serve | worker | migrate | cleanup | jobs | doctor | check-config]``, and
``longshore`` where it is installed."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from infrastructure import version

if TYPE_CHECKING:
    from infrastructure.settings import Settings

_FAILED = 1
_MISUSED = 2
_SERVING = ("serve", "worker")
_ON_SETTINGS = "Settings are environment variables or lines of .env; check-config shows them all."


def main(
    arguments: Sequence[str] | None = None,
    *,
    program: str = "starter.py",
    others: Mapping[str, str] = MappingProxyType({}),
) -> NoReturn:
    """Run one verb and end the process: 0 done, 1 it failed or found problems, 2 wrong settings or usage.

    ``program``: what it was called as; ``others``: verbs that are run elsewhere and named here, with what they do.
    """
    _take_standard_streams()
    try:
        try:
            sys.exit(_act(_parser(program, others).parse_args(arguments)))
        finally:
            _flush()
    except BrokenPipeError:  # whoever read what we print (head, less) has seen enough
        _print_no_more()
        sys.exit(128 + signal.SIGPIPE)


def _take_standard_streams() -> None:
    """Where one is closed, the next file that is opened would get its number, and then what is meant for the stream."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # has the lowest number that is free: this one


def _flush() -> None:
    if sys.stdout is None:  # it was closed as Python came up
        return
    try:
        sys.stdout.flush()  # --help and --version end by SystemExit
    except BrokenPipeError:
        raise
    except OSError:  # it goes to a file on a full disk: what was to be done is done all the same
        _print_no_more()


def _print_no_more() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end


def _act(options: argparse.Namespace) -> int:
    if options.verb in _SERVING:
        for number in (signal.SIGTERM, signal.SIGINT):  # until there is a loop that sees to them
            signal.signal(number, lambda *_: sys.exit(0))
    return _with_settings(options)


# All that is ours is imported from here on: it takes most of a second, in which the process may be told to stop.
def _with_settings(options: argparse.Namespace) -> int:
    from domain.errors import LongshoreError  # noqa: PLC0415
    from infrastructure.logging import configure_logging  # noqa: PLC0415
    from infrastructure.setting_sources import SettingsError, load_settings  # noqa: PLC0415
    from infrastructure.setting_values import in_one_line  # noqa: PLC0415

    if processes := getattr(options, "processes", None):
        os.environ["PROCESSES"] = processes
    try:
        settings = load_settings()
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return _MISUSED
    configure_logging(settings.log_level, settings.log_format)
    os.umask(0o077)  # the database and what lies beside it: names, owners and credentials are nobody else's to read
    try:
        return _run(options, settings)
    except LongshoreError as error:
        print(in_one_line(error), file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return 130  # what shells expect after Ctrl-C


def _parser(program: str, others: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Longshore: resumable, durable uploads with live progress.",
        epilog=_ON_SETTINGS,
    )
    parser.add_argument("--version", action="version", version=f"longshore {version()}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb")
    parser.set_defaults(verb="serve")
    serve = verbs.add_parser("serve", help="migrate, then serve until SIGTERM or Ctrl-C (the default)")
    serve.add_argument("--processes", metavar="N", help="by so many processes, which are looked after (PROCESSES)")
    worker = verbs.add_parser("worker", help="do jobs, and nothing else, until SIGTERM or Ctrl-C")
    worker.add_argument(
        "--slots", type=_count, metavar="N", help="how many at once (default: one more than there are cores)"
    )
    verbs.add_parser("migrate", help="bring the database's tables up to date")
    cleanup = verbs.add_parser(
        "cleanup", help="end expired uploads, remove nobody's bytes, forget what ended long ago, once"
    )
    cleanup.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    jobs = verbs.add_parser("jobs", help="list the jobs there are, or have a dead one done again")
    asked = jobs.add_subparsers(title="what to do", metavar="list | retry ID", dest="asked", required=True)
    asked.add_parser("list", help="a line for each, the dead first")
    retry = asked.add_parser("retry", help="have a dead one done again, or all that are of a kind")
    retry.add_argument("id", metavar="ID | KIND")
    doctor = verbs.add_parser("doctor", help="look whether everything is in order; changes nothing")
    doctor.add_argument("--scrub", action="store_true", help="also read every file and compare its checksum")
    verbs.add_parser("check-config", help="print the effective settings, secrets masked")
    for verb, what in others.items():
        verbs.add_parser(verb, help=what)
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("1 to 1000")
    return int(text)


# What only one verb needs is imported when it runs.
def _run(options: argparse.Namespace, settings: "Settings") -> int:
    verbs: dict[str, Callable[[], int]] = {
        "serve": lambda: _serve(settings),
        "worker": lambda: _worker(settings, options.slots),
        "migrate": lambda: _migrate(settings),
        "cleanup": lambda: _cleanup(settings, is_dry=options.dry_run),
        "jobs": lambda: _jobs(settings, options),
        "doctor": lambda: asyncio.run(_doctor(settings, scrub=options.scrub)),
        "check-config": lambda: _check_config(settings),
    }
    return verbs[options.verb]()


def _migrate(settings: "Settings") -> int:
    from adapters.outbound.sql.database import Database  # noqa: PLC0415
    from infrastructure.migrate import CannotMigrate, migrate  # noqa: PLC0415

    async def run() -> None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(settings.database_url)
        try:
            await migrate(database)
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except CannotMigrate as error:
        print(error, file=sys.stderr)
        return _FAILED
    print("the database is up to date")
    return 0


def _cleanup(settings: "Settings", *, is_dry: bool) -> int:
    from application.upkeep.cleanup import Cleaned  # noqa: PLC0415
    from infrastructure.capability import CannotStart  # noqa: PLC0415
    from infrastructure.startup import started  # noqa: PLC0415

    async def run() -> tuple[Cleaned, int]:
        async with started(settings) as container:
            uploads, instructions = container.cleanup(), container.instruction_cleanup()
            if is_dry:
                return await uploads.foresee(), await instructions.foresee()
            return await uploads.run(), await instructions.run()

    try:
        cleaned, inputs = asyncio.run(run())
    except CannotStart as error:
        print(error, file=sys.stderr)
        return _FAILED
    print(
        f"{'would be done: ' if is_dry else ''}"
        f"{cleaned.expired_uploads} expired uploads ended, {cleaned.orphans} orphans removed, "
        f"{cleaned.forgotten_uploads} ended uploads forgotten, {cleaned.deleted_blobs} blobs deleted, "
        f"{inputs} inputs of instructions removed, {cleaned.ended_files} files ended"
    )
    return 0


def _worker(settings: "Settings", slots: int | None) -> int:
    from infrastructure.worker import run  # noqa: PLC0415

    return run(settings, slots=slots)


def _jobs(settings: "Settings", options: argparse.Namespace) -> int:
    from infrastructure.capability import CannotStart  # noqa: PLC0415
    from infrastructure.jobs import list_jobs, retry_jobs  # noqa: PLC0415

    asked = list_jobs(settings) if options.asked == "list" else retry_jobs(settings, options.id)
    try:
        lines = asyncio.run(asked)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return _FAILED
    for line in lines:
        print(line)
    return 0


def _check_config(settings: "Settings") -> int:
    from infrastructure.capabilities import CAPABILITIES  # noqa: PLC0415
    from infrastructure.capability import CannotStart  # noqa: PLC0415

    for name, value in settings.shown().items():
        print(f"{name}={value}")
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    try:
        for capability in CAPABILITIES:
            capability.before_serving(settings)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return _MISUSED
    return 0


async def _doctor(settings: "Settings", *, scrub: bool) -> int:
    from infrastructure.doctor import examine  # noqa: PLC0415

    good = True
    async with aclosing(examine(settings, scrub=scrub)) as findings:  # whoever reads may leave in the middle
        async for finding in findings:
            print(finding, flush=True)
            good = good and finding.good
    return 0 if good else _FAILED


def _serve(settings: "Settings") -> int:
    from infrastructure.supervision.supervised import Supervised  # noqa: PLC0415

    supervised = Supervised.here()
    if settings.processes and not supervised:
        return _supervise(settings)
    from infrastructure.server import run  # noqa: PLC0415

    return run(settings, supervised)


def _supervise(settings: "Settings") -> int:
    from infrastructure.capability import CannotStart  # noqa: PLC0415
    from infrastructure.server import greeting  # noqa: PLC0415
    from infrastructure.supervision.listening import listen  # noqa: PLC0415
    from infrastructure.supervision.order import Order, become_supervisor, own_command  # noqa: PLC0415

    try:
        sockets = listen(settings.api_host, settings.api_port)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return _FAILED
    order = Order(
        command=own_command(),
        processes=settings.processes or 1,
        listening=[each.fileno() for each in sockets],
        log_level=settings.log_level,
        log_format=settings.log_format,
        greeting=greeting(settings),
    )
    return become_supervisor(order)
