"""Whether a lease has run out is for the database's clock to say: PostgreSQL's own; with SQLite all processes are
on one machine, whose clock it is.
"""

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, func, literal, or_, type_coerce

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.tables import Instant
from ports.clock import Clock

TTL = timedelta(seconds=10)


class LeaseClock:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def after(self, delay: timedelta) -> ColumnElement[datetime]:
        if self._database.is_sqlite:
            return literal(self._clock.now() + delay, Instant())
        return type_coerce(func.now() + delay, Instant())

    def is_over(self, expires_at: Column[datetime], *, since: timedelta = timedelta(0)) -> ColumnElement[bool]:
        # An end far away was written before the clock was put back.
        return or_(expires_at <= self.after(-since), expires_at > self.after(2 * TTL))
