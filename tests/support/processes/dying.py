"""Commits what has become of a detail, and is killed before anybody has heard of it.

python -m tests.support.processes.dying DATABASE_URL OWNER
"""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

from adapters.outbound.sql.database import Database
from adapters.outbound.sql.repositories.outbox import SqlOutbox
from adapters.outbound.sql.repositories.unit_of_work import SqlUnitOfWorkFactory
from domain.access import Principal
from domain.events import Event
from domain.ids import OwnerId
from ports.progress_notifier import ProgressNotifier
from tests.support.builders import an_instruction_event

_AGO = timedelta(minutes=1)  # who is alive has announced its own by then


class Dying(ProgressNotifier):
    def publish(self, event: Event) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


async def main(database_url: str, owner: str) -> None:
    database = Database(database_url)
    began = datetime.now(UTC) - _AGO
    async with SqlUnitOfWorkFactory(database, SqlOutbox(database, Dying()))() as work:
        for second, status in enumerate(("PENDING", "PROCESSING", "DONE")):
            time = began + timedelta(seconds=second)
            work.announce(an_instruction_event(owner=Principal(OwnerId(owner)), status=status, time=time))
        await work.commit()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
