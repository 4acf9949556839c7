"""Writes down, in the server that has this folder on its PYTHONPATH, each statement that goes to its database.

Python imports a module of this name by itself. ``STATEMENTS`` names the file; each line is one statement.
"""

import os

from sqlalchemy import Engine, event

_file = os.open(os.environ["STATEMENTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@event.listens_for(Engine, "before_cursor_execute")
def _note(connection: object, cursor: object, statement: str, *_: object) -> None:
    os.write(_file, " ".join(statement.split()).encode() + b"\n")
