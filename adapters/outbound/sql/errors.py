"""Driver errors become the domain's, here and nowhere else."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from domain.errors import RepositoryUnavailable, StorageFull, Unavailable

_OURS = (exc.IntegrityError, exc.DataError, exc.ProgrammingError, exc.NotSupportedError)
_SQLITES_OURS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
_OUR_SQLSTATES = ("22", "23", "42")  # bad data, a broken constraint, bad SQL
_DISK_FULL = "53100"


@contextmanager
def translated() -> Iterator[None]:
    """Raise RepositoryUnavailable for what may pass by itself, StorageFull for a full disk. Bugs stay bugs."""
    try:
        yield
    except exc.DBAPIError as error:
        if isinstance(error, _OURS) or (error.orig is not None and _is_ours(error.orig)):
            raise
        raise _unavailable(error.orig) from error
    except (exc.TimeoutError, OSError, TimeoutError) as error:
        raise _unavailable(error) from error
    except Exception as error:
        if not (isinstance(error, sqlite3.Error) or _is_asyncpg(error)) or _is_ours(error):
            raise
        raise _unavailable(error) from error


def _is_ours(error: BaseException) -> bool:
    """Whether it is a bug of ours rather than the database being away."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, _SQLITES_OURS) or _sqlite_code(error) == sqlite3.SQLITE_ERROR
    return str(getattr(error, "sqlstate", None) or "").startswith(_OUR_SQLSTATES)


def _is_asyncpg(error: Exception) -> bool:
    # Told by name: with SQLite asyncpg is never imported.
    return any(kind.__module__.startswith("asyncpg") for kind in type(error).__mro__)


def is_full(error: BaseException) -> bool:
    """Whether SQLite has found its disk full."""
    return _sqlite_code(getattr(error, "orig", error)) == sqlite3.SQLITE_FULL


def _unavailable(error: BaseException | None) -> Unavailable:
    if _sqlite_code(error) == sqlite3.SQLITE_FULL or getattr(error, "sqlstate", None) == _DISK_FULL:
        return StorageFull("no room left for the database")
    return RepositoryUnavailable("the database is away")


def _sqlite_code(error: BaseException | None) -> int | None:
    return getattr(error, "sqlite_errorcode", None)
