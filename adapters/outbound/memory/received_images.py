"""What image sessions have received, in memory. Contract: tests/contract/test_received_images.py."""

from collections.abc import Sequence

from adapters.outbound.memory.uploads import Changes
from domain.received_image import ImageSession, ReceivedImage
from ports.received_images import ReceivedImages


class MemoryReceivedImages(ReceivedImages):
    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def list(self, session: ImageSession) -> Sequence[ReceivedImage]:
        of_session = [image for image in self._changes.all_received_images() if image.session == session]
        return sorted(of_session, key=lambda image: image.index)

    async def lock(self, session: ImageSession) -> None:
        """Nobody can come between here and the commit, if nothing is waited for."""

    async def put(self, image: ReceivedImage) -> None:
        self._changes.received_images[image.session, image.index] = image

    async def remove(self, image: ReceivedImage) -> None:
        if image in await self.list(image.session):
            self._changes.received_images[image.session, image.index] = None
