"""Driver errors become the domain's, here and nowhere else."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from domain.errors import RepositoryUnavailable, StorageFull

_OURS = (exc.IntegrityError, exc.DataError, exc.ProgrammingError, exc.NotSupportedError)
_OUR_SQLSTATES = ("22", "23", "42")  # bad data, broken constraint, bad SQL: a bug of ours, not a database away
_DISK_FULL = "53100"


@contextmanager
def translated() -> Iterator[None]:
    """Raise RepositoryUnavailable for whatever may pass by itself, StorageFull for a full disk; bugs stay what they are."""
    try:
        yield
    except exc.DBAPIError as error:
        _raise_if_full(error.orig)
        if isinstance(error, _OURS):
            raise
        raise RepositoryUnavailable("the database is away") from error
    except (exc.TimeoutError, OSError, TimeoutError) as error:
        raise RepositoryUnavailable("the database is away") from error
    except sqlite3.Error as error:
        _raise_if_full(error)
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError):
            raise
        raise RepositoryUnavailable("the database is away") from error
    except Exception as error:
        if not _is_asyncpg(error):
            raise
        _raise_if_full(error)
        if str(getattr(error, "sqlstate", "") or "").startswith(_OUR_SQLSTATES):
            raise
        raise RepositoryUnavailable("the database is away") from error


def _is_asyncpg(error: Exception) -> bool:
    # Told by name: with SQLite asyncpg is never imported.
    return any(kind.__module__.startswith("asyncpg") for kind in type(error).__mro__)


def _raise_if_full(error: BaseException | None) -> None:
    full = (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(error, "sqlstate", None) == _DISK_FULL
    )
    if full:
        raise StorageFull("no room left for the database") from error
