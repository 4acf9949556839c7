"""INSERT … ON CONFLICT: both databases have it, SQLAlchemy keeps it in their dialects."""

from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert_into(table: Table, *, is_sqlite: bool) -> "sqlite.Insert | postgresql.Insert":
    if is_sqlite:
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 -- 3 MiB and 40 ms that SQLite does without

    return postgresql.insert(table)
