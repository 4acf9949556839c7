"""A server's place in the hands of a supervisor, for as little as a start of Python's costs: it writes down what it is
told, and how it is to behave it reads from the file ``behaviour`` in its folder.

It is run by its file, without packages: ``python -I -S``.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path


def main() -> None:
    given = json.loads(os.environ["LONGSHORE_SUPERVISED"])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    link = socket.socket(fileno=given["link"])
    behaviour = Path("behaviour").read_text().split()
    if "fails" in behaviour:
        sys.exit(3)
    link.send(b"+")
    note("serves", given["berth"])
    if link.recv(1):
        note("relieved", given["berth"])
    else:
        note("stops", given["berth"])
    if "lingers" in behaviour:
        signal.pause()


def note(what: str, berth: int) -> None:
    with Path("notes").open("a") as notes:
        notes.write(f"{what} {berth} {os.getpid()}\n")


if __name__ == "__main__":
    main()
