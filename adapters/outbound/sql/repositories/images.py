"""Images as rows. Contract: tests/contract/test_image_repository.py."""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

from sqlalchemy import Connection, delete, insert, select, update

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.image_tables import images, renditions
from adapters.outbound.sql.insert import insert_into
from adapters.outbound.sql.repositories.mapping import image_from_row, image_to_row, rendition_to_row
from domain.errors import ImageNotFound
from domain.ids import BlobKey, FileId
from domain.image import Image
from ports.image_repository import ImageRepository

_DRAWN = (
    select(images, renditions)
    .outerjoin_from(images, renditions, renditions.c.image_id == images.c.id)
    .order_by(images.c.id, renditions.c.box)
)


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
        return (await self.find_many([image_id])).get(image_id)

    async def find_many(self, image_ids: Collection[FileId]) -> Mapping[FileId, Image]:
        # One statement: an image is not seen without what was drawn of it, nor the other way round.
        rows = await self._transaction.read(_DRAWN.where(images.c.id.in_(image_ids)))
        of_image = {image_id: list(group) for image_id, group in groupby(rows, lambda row: row["id"])}
        return {
            FileId(image_id): image_from_row(group[0], [row for row in group if row["box"] is not None])
            for image_id, group in of_image.items()
        }

    async def save(self, image: Image) -> bool:
        row = image_to_row(image)
        drawn = [rendition_to_row(image.id, rendition) for rendition in image.renditions]

        def save(connection: Connection) -> bool:
            if not connection.execute(update(images).where(images.c.id == image.id).values(row)).rowcount:
                return False
            connection.execute(delete(renditions).where(renditions.c.image_id == image.id))
            if drawn:
                connection.execute(insert(renditions), drawn)
            return True

        return await self._transaction.write(save)

    async def remove(self, image_id: FileId) -> Sequence[BlobKey]:
        locked = select(images.c.id).where(images.c.id == image_id).with_for_update()
        drawn = select(renditions.c.blob_key).where(renditions.c.image_id == image_id)

        def remove(connection: Connection) -> Sequence[BlobKey]:
            # PostgreSQL: who draws it is waited for here; a statement of its own then sees what they committed.
            if connection.execute(locked).first() is None:
                return []
            keys = connection.execute(drawn).scalars().all()
            connection.execute(delete(images).where(images.c.id == image_id))
            return [BlobKey(key) for key in keys]

        return await self._transaction.write(remove)
