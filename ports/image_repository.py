"""Keeps the images: what has become of each, and where its thumbnails are.
Contract: tests/contract/test_image_repository.py."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.ids import BlobKey, FileId
from domain.image import Image


class ImageRepository(Protocol):
    """An image goes with its file's record; who deletes that has called ``remove`` before."""

    @abstractmethod
    async def add(self, image: Image) -> None:
        """Keep ``image``; nothing happens if one of its id is kept already."""

    @abstractmethod
    async def find(self, image_id: FileId) -> Image:
        """Raises:
        ImageNotFound: unknown.
        """

    @abstractmethod
    async def find_any(self, image_id: FileId) -> Image | None:
        """As ``find``; None where there is none."""

    @abstractmethod
    async def find_many(self, image_ids: Collection[FileId]) -> Mapping[FileId, Image]:
        """Those that there are; at most 500 at once."""

    @abstractmethod
    async def save(self, image: Image) -> bool:
        """Keep what has become of it; return whether it is still there. If it is, it stays until this unit of work is
        over. Blobs that its renditions had before and have no more are the caller's to note."""

    @abstractmethod
    async def remove(self, image_id: FileId) -> Sequence[BlobKey]:
        """Forget it; return what its renditions' blobs are called, to be noted as to be deleted.

        Who draws it at the same time has committed before, and these are among them, or finds it gone.
        """
