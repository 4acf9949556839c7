"""What owners do with the files that they have: find them again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from application.views import ImageView
from domain.access import NOBODY, Principal
from domain.errors import Forbidden, InvalidRequest
from domain.file import File
from domain.file_list import FileOrder, FilePage, FilePlace, FileSelection
from domain.ids import FileId, OwnerId
from ports.clock import Clock
from ports.unit_of_work import UnitOfWorkFactory

ANY_OWNER = OwnerId("*")
"""In place of an owner: whoever it is."""
_IMAGES_AT_ONCE = 500


class FileUseCase:
    def __init__(self, *, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    async def list(
        self,
        principal: Principal,
        selection: FileSelection,
        order: FileOrder = FileOrder.NEWEST,
        *,
        after: FilePlace | None = None,
        limit: int = 100,
    ) -> FilePage:
        """Files that are there, a page at a time. Without an owner in the ``selection`` the principal's (an
        administrator's, too: only their own); with ``ANY_OWNER`` everybody's, by creation time alone.

        Raises:
            Forbidden: someone else's, to all but administrators.
            InvalidRequest: everybody's, in another order.
        """
        selection = replace(selection, owner=_owner_for(principal, selection.owner))
        if selection.owner is None and order.value_name != "created_at":
            raise InvalidRequest("sort: everybody's files come by created_at alone")
        async with self._unit_of_work() as work:
            return await work.files.list(selection, order, after=after, now=self._clock.now(), limit=limit)

    async def images_of(self, files: Sequence[File]) -> Mapping[FileId, ImageView]:
        """Of those that an image was made of."""
        known: dict[FileId, ImageView] = {}
        async with self._unit_of_work() as work:
            for start in range(0, len(files), _IMAGES_AT_ONCE):
                some = {file.id: file for file in files[start : start + _IMAGES_AT_ONCE]}
                images = await work.images.find_many(some.keys())
                known |= {image_id: ImageView.of(image, some[image_id]) for image_id, image in images.items()}
        return known


def _owner_for(principal: Principal, wanted: OwnerId | None) -> OwnerId | None:
    """None: everybody."""
    if wanted in (None, principal.owner) or principal.owner == NOBODY:  # what is nobody's is everyone's
        return principal.owner
    if not principal.is_admin:
        raise Forbidden("other people's files are for administrators")
    return None if wanted == ANY_OWNER else wanted
