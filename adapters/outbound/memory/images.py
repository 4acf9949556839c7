"""Images in memory. Contract: tests/contract/test_image_repository.py."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from adapters.outbound.memory.uploads import Changes
from domain.errors import ImageNotFound
from domain.ids import BlobKey, FileId
from domain.image import Image
from ports.image_repository import ImageRepository


class MemoryImageRepository(ImageRepository):
    """What goes in or out is copied: no caller has the kept entity."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def add(self, image: Image) -> None:
        if self._changes.image(image.id) is None:
            self._changes.images[image.id] = replace(image)

    async def find(self, image_id: FileId) -> Image:
        image = await self.find_any(image_id)
        if image is None:
            raise ImageNotFound("no such image")
        return image

    async def find_any(self, image_id: FileId) -> Image | None:
        image = self._changes.image(image_id)
        return None if image is None else replace(image)

    async def find_many(self, image_ids: Collection[FileId]) -> Mapping[FileId, Image]:
        found = {image_id: await self.find_any(image_id) for image_id in image_ids}
        return {image_id: image for image_id, image in found.items() if image is not None}

    async def save(self, image: Image) -> bool:
        if self._changes.image(image.id) is None:
            return False
        self._changes.images[image.id] = replace(image)
        return True

    async def remove(self, image_id: FileId) -> Sequence[BlobKey]:
        image = self._changes.image(image_id)
        self._changes.images[image_id] = None
        return [] if image is None else [rendition.blob_key for rendition in image.renditions]
