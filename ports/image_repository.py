"""Keeps the images: what has become of each, and where its thumbnails are.
Contract: tests/contract/test_image_repository.py."""

from abc import abstractmethod
from typing import Protocol

from domain.ids import FileId
from domain.image import Image


class ImageRepository(Protocol):
    """An image goes with its file's record; who deletes that notes the renditions' blobs as to be deleted."""

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
    async def save(self, image: Image) -> None:
        """Keep what has become of it. Blobs that its renditions had before and have no more are the caller's to note.
        If it is gone meanwhile, nothing happens."""
