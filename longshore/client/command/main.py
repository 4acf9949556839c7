"""``longshore put | ls | get | rm | share | watch``: arguments in, exit codes out.

0 all is done · 1 something is not, and it was said what · 2 misused · 3 the server is away · 4 not allowed ·
130 Ctrl-C · 141 whoever read what we print is gone.
"""

import argparse
import asyncio
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from longshore.client.asynchronous import AsyncClient
from longshore.client.command.asking import fetch, link, list_files, remove, watch
from longshore.client.command.output import Output, plain
from longshore.client.command.putting import put
from longshore.client.errors import ClientError, NotAllowed, ServerAway
from longshore.client.server import DEFAULT_URL, Patience
from longshore.client.verbs import VERBS

FAILED, AWAY, NOT_ALLOWED = 1, 3, 4

_LIFE = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
_WHICH = "an id, or a name or path that one file alone has"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_RUN: dict[str, Callable[[AsyncClient, argparse.Namespace, Output], Awaitable[int]]] = {
    "put": put,
    "ls": list_files,
    "get": fetch,
    "rm": remove,
    "share": link,
    "watch": watch,
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    options = _parser().parse_args(arguments)
    try:
        sys.exit(_run(options))
    except KeyboardInterrupt:
        print(_ON_INTERRUPT.get(options.verb, "stopped"), file=sys.stderr)
        _hush()
        sys.exit(130)
    except BrokenPipeError:
        _hush()
        sys.exit(128 + signal.SIGPIPE)


_SHORT_PATIENCE = 5.0  # where nothing is lost by asking again
_ON_INTERRUPT = {
    "put": "stopped: the same command goes on where it was",
    "get": "stopped: the same command goes on where it was",
}


def _run(options: argparse.Namespace) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names may be anything
    output = Output(is_json=options.json, is_quiet=options.quiet)
    try:
        code = asyncio.run(_act(options, output))
        sys.stdout.flush()
    except ClientError as error:
        output.complain(error)
        return code_of(error)
    return code


async def _act(options: argparse.Namespace, output: Output) -> int:
    moves_bytes = options.verb in ("put", "get", "watch")
    usual = Patience().give_up if moves_bytes else _SHORT_PATIENCE
    patience = Patience(give_up=usual if options.patience is None else options.patience)
    async with AsyncClient(options.server, token=os.environ.get("LONGSHORE_TOKEN"), patience=patience) as client:
        return await _RUN[options.verb](client, options, output)


def code_of(error: Exception) -> int:
    return NOT_ALLOWED if isinstance(error, NotAllowed) else AWAY if isinstance(error, ServerAway) else FAILED


def _hush() -> None:
    """Python flushes once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="longshore", description="Files on a server, from here.")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    common = _common()
    made = {
        verb: verbs.add_parser(
            verb, help=VERBS[verb], description=f"{VERBS[verb][0].upper()}{VERBS[verb][1:]}.", parents=[common]
        )
        for verb in VERBS
    }
    _describe_put(made["put"])
    _describe_ls(made["ls"])
    _describe_get(made["get"])
    made["rm"].add_argument("files", nargs="+", metavar="FILE", help=_WHICH)
    _describe_share(made["share"])
    made["watch"].add_argument("uploads", nargs="*", metavar="ID", help="only these uploads, until all are over")
    return parser


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--server",
        metavar="URL",
        default=os.environ.get("LONGSHORE_URL") or DEFAULT_URL,
        help=f"default: $LONGSHORE_URL, else {DEFAULT_URL}; who calls is said by $LONGSHORE_TOKEN",
    )
    common.add_argument("--json", action="store_true", help="a line of JSON for each file, on stdout")
    common.add_argument("-q", "--quiet", action="store_true", help="only say what went wrong")
    common.add_argument(
        "--patience",
        type=_seconds,
        metavar="TIME",
        help="how long a server may be away before it is given up (default: 5m; of ls, rm and share 5s)",
    )
    return common


def _describe_put(put_: argparse.ArgumentParser) -> None:
    put_.add_argument("files", nargs="+", metavar="FILE", help="a file, or a folder with all that is in it")
    put_.add_argument("-j", "--parallel", type=_count, default=4, metavar="N", help="files at once (default: 4)")
    put_.add_argument(
        "--checksum",
        choices=("auto", "sha256", "sha1", "crc32", "md5", "none"),
        default="auto",
        help="what each request is checked by on its way (default: the strongest that the server knows)",
    )
    put_.add_argument("--name", help="what the file is to be called; for one file only")


def _describe_ls(ls: argparse.ArgumentParser) -> None:
    ls.add_argument("name", nargs="?", default="", help="a part of the name, or of the folder")
    ls.add_argument("--type", default="", metavar="TYPE", help="the beginning of the media type, such as image/")
    ls.add_argument("--sort", default="", metavar="KEY", help="created_at, name or size; a - before it turns it round")
    ls.add_argument("--limit", type=_count, metavar="N", help="so many at most")
    ls.add_argument("--open", action="store_true", help="uploads that are not over, instead of files")


def _describe_get(get: argparse.ArgumentParser) -> None:
    get.add_argument("files", nargs="+", metavar="FILE", help=f"a link, or {_WHICH}")
    get.add_argument("-o", "--output", default=".", metavar="PATH", help="a file or a folder; - is stdout")
    get.add_argument("--force", action="store_true", help="replace what is there already")


def _describe_share(share: argparse.ArgumentParser) -> None:
    share.add_argument("files", nargs="+", metavar="FILE", help=_WHICH)
    share.add_argument(
        "--for", dest="life", type=_seconds, metavar="TIME", help="how long: 90s, 30m, 12h, 7d (default: 7d, the most)"
    )
    share.add_argument("--inline", action="store_true", help="have browsers show it where they can, not save it")


def _seconds(text: str) -> float:
    found = _LIFE.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError("a time such as 90s, 30m, 12h or 7d")
    return float(int(found[1]) * _SECONDS[found[2]])


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"a number from 1 on, not {plain(text)}")
    return int(text)
