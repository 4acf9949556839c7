"""Instructions: made, told of, given files to work on. ``editing.py`` does the work, a worker's job for each file."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from application.download import DownloadUseCase, OpenFile
from application.file import FileUseCase
from application.observing.trace import current_trace
from application.picture_intake import PictureIntake
from application.upload.keeping import KeepUseCase
from application.views import DetailView
from domain.access import Principal
from domain.errors import (
    DetailNotFound,
    FileGone,
    FileNotFound,
    InvalidPicture,
    ProductNotFound,
    TooManyDetails,
    UploadTooLarge,
)
from domain.file import File
from domain.file_draft import FileDraft
from domain.ids import DetailId, FileId, InstructionId, JobId
from domain.instruction import EDIT, MAX_DETAILS, Detail, DetailFile, Instruction, Place, Selection
from domain.job import Job
from domain.picture import PictureFormat
from domain.product import PRODUCTS, Product, Recipe, product_by
from domain.size import format_size
from domain.upload import Upload
from ports.byte_source import ByteSource
from ports.clock import Clock
from ports.id_generator import IdGenerator
from ports.image_processor import ImageProcessor
from ports.spool import Spool
from ports.unit_of_work import UnitOfWork, UnitOfWorkFactory

_NOTHING: Mapping[str, str] = {}


class InstructionUseCase:
    """Whose an instruction is may be known: someone else's is Forbidden, an unknown one InstructionNotFound.

    ``keeper`` is whose the files are: the principal, where callers are known by one name to all of the server.
    """

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        keeping: KeepUseCase,
        downloads: DownloadUseCase,
        files: FileUseCase,
        processor: ImageProcessor,
        spool: Spool,
        clock: Clock,
        ids: IdGenerator,
        products: Sequence[Product] = PRODUCTS,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._keeping = keeping
        self._downloads = downloads
        self._files = files
        self._intake = PictureIntake(processor)
        self._spool = spool
        self._clock = clock
        self._ids = ids
        self._products = products

    def list_products(self) -> Sequence[Product]:
        """Those that instructions may be made for."""
        return [product for product in self._products if product.is_active]

    async def create(self, principal: Principal, product: str, parameters: object = None) -> Instruction:
        """``product``: its id or key.

        Raises:
            ProductNotFound
            InvalidRequest: parameters that the product does not take.
        """
        found, now = self._product(product), self._clock.now()
        instruction = Instruction(
            id=InstructionId(self._ids.new()),
            owner=principal.owner,
            product_id=found.id,
            recipe=Recipe.of(found, parameters),
            created_at=now,
            updated_at=now,
        )
        async with self._unit_of_work() as work:
            await work.instructions.add(instruction)
            await work.commit()
        return instruction

    async def list(
        self, principal: Principal, selection: Selection, *, after: Place | None = None, limit: int
    ) -> tuple[Sequence[Instruction], Place | None]:
        """The principal's own (an administrator's too: only their own), the newest first; and where the next page
        begins, if there is one."""
        async with self._unit_of_work() as work:
            return await work.instructions.list(principal.owner, selection, after=after, limit=limit)

    async def get(self, principal: Principal, instruction_id: InstructionId) -> Instruction:
        async with self._unit_of_work() as work:
            return await _find(work, principal, instruction_id)

    async def receive(
        self, principal: Principal, keeper: Principal, instruction_id: InstructionId, source: ByteSource, filename: str
    ) -> Detail | None:
        """Bring a picture in and have it worked on; None (and nothing kept) if its body was cut.

        Raises:
            InvalidPicture, TooManyPixels: by its first bytes, or its header; or the product takes no such pictures.
            UploadTooLarge, BudgetExceeded, Unavailable: nothing is kept.
        """
        instruction = await self.get(principal, instruction_id)
        product = self._product(instruction.product_id)
        made: list[Detail] = []

        async def enlist(work: UnitOfWork, _: Upload, file: File) -> None:
            made.append(await self._enlist(work, instruction, file, is_own=True))

        async with self._spool.open() as picture:
            await self._intake.gather(source, picture, max_size=product.max_bytes)
            if source.is_cut:
                return None
            format_ = await self._intake.look(picture, asker=principal.owner)
            _check_format(product, format_)
            draft = FileDraft.of(filename=filename, media_type=format_.media_type)
            await self._keeping.keep(keeper, draft, picture, alongside=enlist)
        return made[0]

    async def attach(
        self,
        principal: Principal,
        keeper: Principal,
        instruction_id: InstructionId,
        file_id: FileId,
        given: Mapping[str, str] = _NOTHING,
    ) -> Detail:
        """Have a stored file worked on, whatever brought it; it stays what it was, and is nothing to be cleaned.

        Raises:
            FileNotFound, CredentialRefused: it is not the keeper's.
            InvalidPicture, TooManyPixels, UploadTooLarge: as ``receive``.
            FileGone, Unavailable
        """
        async with self._unit_of_work() as work:
            instruction = await _find(work, principal, instruction_id)
            file = await work.files.find(file_id)
        file.check_changed_by(keeper, given, self._clock.now())
        product = self._product(instruction.product_id)
        if file.size > product.max_bytes:
            raise UploadTooLarge(f"a picture may have {format_size(product.max_bytes)} at most")
        opened = await self._downloads.open_stored(file)
        try:
            _check_format(product, await self._intake.look(opened.blob, asker=principal.owner))
        finally:
            await opened.blob.close()
        async with self._unit_of_work() as work:
            detail = await self._enlist(work, instruction, file, is_own=False)
            await work.commit()
        return detail

    async def withdraw(self, principal: Principal, keeper: Principal, details: Sequence[Detail]) -> None:
        """Take back what was received just now, with its files: what came along with it was refused."""
        for detail in details:
            async with self._unit_of_work() as work:
                await _find(work, principal, detail.instruction_id)
                await work.jobs.forget(EDIT, detail.id)  # whoever is at it keeps nothing, then
                output = (await work.instructions.find_detail(detail.id)).output
                await work.instructions.remove_detail(detail.id)
                await work.commit()
            for file in (detail.input, output):
                if file is not None:
                    with suppress(FileNotFound):
                        await self._files.delete(keeper, file.file_id)

    async def list_details(self, principal: Principal, instruction_id: InstructionId) -> Sequence[Detail]:
        async with self._unit_of_work() as work:
            await _find(work, principal, instruction_id)
            return await work.instructions.list_details(instruction_id)

    async def detail(self, principal: Principal, instruction_id: InstructionId, detail_id: DetailId) -> DetailView:
        """The input or the output that bears the id.

        Raises:
            DetailNotFound: the instruction has none of that id.
        """
        async with self._unit_of_work() as work:
            await _find(work, principal, instruction_id)
            detail = await work.instructions.find_detail(detail_id)
        if detail.instruction_id != instruction_id:
            raise DetailNotFound("instruction detail not found")
        return next(view for view in DetailView.both(detail) if view.id == detail_id)

    async def open(self, principal: Principal, instruction_id: InstructionId, detail_id: DetailId) -> OpenFile:
        """The detail's file; whoever gets it closes the blob.

        Raises:
            DetailNotFound, FileNotFound: there is none yet, or will be none.
            FileGone: it was deleted, or cleanup has taken it away.
        """
        view = await self.detail(principal, instruction_id, detail_id)
        if view.file is None:
            raise FileNotFound("there is no result, yet or at all: the detail's status tells")
        return await self._downloads.open_stored(await self._file(view.file))

    async def _file(self, known: DetailFile) -> File:
        try:
            async with self._unit_of_work() as work:
                file = await work.files.find(known.file_id)
            file.check_here(self._clock.now())
        except FileNotFound:
            raise FileGone("the file has been deleted") from None
        return file

    async def _enlist(self, work: UnitOfWork, instruction: Instruction, file: File, *, is_own: bool) -> Detail:
        if await work.instructions.count_details(instruction.id) >= MAX_DETAILS:
            raise TooManyDetails(f"an instruction has at most {MAX_DETAILS} files: make another one")
        now = self._clock.now()
        detail = Detail(
            id=DetailId(self._ids.new()),
            output_id=DetailId(self._ids.new()),
            instruction_id=instruction.id,
            input=DetailFile.of(file),
            is_own=is_own,
            created_at=now,
            updated_at=now,
        )
        await work.instructions.add_detail(detail)
        job = Job(JobId(self._ids.new()), EDIT, detail.id, created_at=now, due_at=now, trace=current_trace())
        await work.jobs.add(job)
        work.announce(detail.event(instruction.owner))
        return detail

    def _product(self, text: str) -> Product:
        product = product_by(text, self._products)
        if product is None:
            raise ProductNotFound("product not found")
        return product


async def _find(work: UnitOfWork, principal: Principal, instruction_id: InstructionId) -> Instruction:
    instruction = await work.instructions.find(instruction_id)
    instruction.check_seen_by(principal)
    return instruction


def _check_format(product: Product, format_: PictureFormat) -> None:
    if format_ not in product.formats:
        raise InvalidPicture(f"{product.key} takes no {format_.upper()}")
