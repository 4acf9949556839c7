"""What image sessions have received, as rows. Contract: tests/contract/test_received_images.py."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.image_tables import received_images
from adapters.outbound.sql.repositories.mapping import received_image_from_row, received_image_to_row
from domain.received_image import ImageSession, ReceivedImage
from ports.received_images import ReceivedImages

_c = received_images.c


class SqlReceivedImages(ReceivedImages):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def list(self, session: ImageSession) -> Sequence[ReceivedImage]:
        rows = await self._transaction.read(select(received_images).where(_of(session)).order_by(_c.position))
        return [received_image_from_row(row, session) for row in rows]

    async def lock(self, session: ImageSession) -> None:
        # SQLite has one writer at a time anyway: there it is enough to have begun to write.
        key = _key(session)

        def lock(connection: Connection) -> None:
            if not self._transaction.is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(key)))

        await self._transaction.write(lock)

    async def put(self, image: ReceivedImage) -> None:
        row = received_image_to_row(image)
        there = delete(received_images).where(_of(image.session), _c.position == image.index)

        def put(connection: Connection) -> None:
            connection.execute(there)
            connection.execute(insert(received_images), row)

        await self._transaction.change(put)

    async def remove(self, image: ReceivedImage) -> None:
        gone = delete(received_images).where(_of(image.session), _c.file_id == image.file_id)
        await self._transaction.change(lambda connection: connection.execute(gone))


def _of(session: ImageSession) -> ColumnElement[bool]:
    return and_(_c.owner == session.owner, _c.user_id == session.user_id, _c.session_id == session.session_id)


def _key(session: ImageSession) -> int:
    """A number for PostgreSQL's locks by number; two sessions of one only wait for each other."""
    text = f"{session.owner}\0{session.user_id}\0{session.session_id}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big", signed=True)
