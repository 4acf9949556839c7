"""Images as rows. Contract: tests/contract/test_image_repository.py."""

from sqlalchemy import Connection, delete, insert, select, update

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.repositories.mapping import image_from_row, image_to_row, rendition_to_row
from adapters.outbound.sql.tables import images, renditions
from domain.errors import ImageNotFound
from domain.ids import FileId
from domain.image import Image
from ports.image_repository import ImageRepository


class SqlImageRepository(ImageRepository):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, image: Image) -> None:
        row = image_to_row(image)
        added = insert_into(images, is_sqlite=self._transaction.is_sqlite).on_conflict_do_nothing()
        await self._transaction.change(lambda connection: connection.execute(added, row))

    async def find(self, image_id: FileId) -> Image:
        image = await self.find_any(image_id)
        if image is None:
            raise ImageNotFound("no such image")
        return image

    async def find_any(self, image_id: FileId) -> Image | None:
        rows = await self._transaction.read(select(images).where(images.c.id == image_id))
        if not rows:
            return None
        drawn = select(renditions).where(renditions.c.image_id == image_id).order_by(renditions.c.box)
        return image_from_row(rows[0], await self._transaction.read(drawn))

    async def save(self, image: Image) -> None:
        row = image_to_row(image)
        drawn = [rendition_to_row(image.id, rendition) for rendition in image.renditions]

        def save(connection: Connection) -> None:
            if not connection.execute(update(images).where(images.c.id == image.id).values(row)).rowcount:
                return
            connection.execute(delete(renditions).where(renditions.c.image_id == image.id))
            if drawn:
                connection.execute(insert(renditions), drawn)

        await self._transaction.change(save)
