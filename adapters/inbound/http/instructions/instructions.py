"""Instructions at ``/instructions``, what can be done at ``/products``, what cleanup will take away at ``/files``."""

import re
from collections.abc import MutableSequence, Sequence
from concurrent.futures import Executor
from contextlib import aclosing

from multipart import parse_options_header

from adapters.inbound.common.auth import Authenticator
from adapters.inbound.common.encoding import format_instant
from adapters.inbound.common.errors import Refusal
from adapters.inbound.http.engine.exchange import Exchange, Reply, Resource
from adapters.inbound.http.engine.framing import CutShort
from adapters.inbound.http.engine.multipart import FormPart, FormReader, broken_form, parse_boundary
from adapters.inbound.http.engine.wholeness import check_whole, not_whole
from adapters.inbound.http.files.files import Files
from adapters.inbound.http.files.presented import parse_shown
from adapters.inbound.http.forms.claims import Claims
from adapters.inbound.http.instructions.envelope import (
    enveloped,
    enveloped_refusal,
    refusal_of_waiting,
    told_detail,
    told_instruction,
    told_pairs,
    told_product,
)
from adapters.inbound.http.instructions.fields import (
    format_cursor,
    parse_attached,
    parse_cursor,
    parse_detail,
    parse_instruction,
    parse_limit,
    parse_product,
    parse_selection,
    query_of,
    read_object,
)
from application.instruction import InstructionUseCase
from application.instruction.cleanup import InstructionCleanup
from application.upload import UploadUseCase
from application.views import DetailView
from domain.access import Principal
from domain.ids import DetailId, InstructionId
from domain.instruction import Detail


class Instructions:
    """One method a route (docs/http.md, Instructions); each answers by an envelope, refusals too. Beside what any route
    may answer: 401 nobody says who calls; 400 an id or a field that can't be one; 403 someone else's; 404 unknown.

    - ``post``: 200; ``add``: 200; 400 no picture, none that the product takes, no whole form or a chunk of a file;
      413 too large, or too many pixels; 415 a part that is encoded.
    - ``file``: as ``Files.content``; 404 there is none yet; 410 it was deleted, or cleaned.
    - ``waiting``: 403 to all but administrators.
    """

    def __init__(
        self,
        *,
        instructions: InstructionUseCase,
        cleanup: InstructionCleanup,
        uploads: UploadUseCase,
        files: Files,
        authenticator: Authenticator,
        executor: Executor,
    ) -> None:
        self._instructions = instructions
        self._cleanup = cleanup
        self._uploads = uploads
        self._files = files
        self._authenticator = authenticator
        self._executor = executor

    def resources(self) -> Sequence[Resource]:
        get, get_all, get_detail, get_details, file, products, waiting = (
            {"GET": route, "HEAD": route}
            for route in (self.get, self.list, self.detail, self.details, self.file, self.products, self.waiting)
        )
        one = "/instructions/(?P<id>[^/]+)"
        details = f"{one}/details"
        return [
            Resource(re.compile(r"/products/?"), products, refusal=enveloped_refusal),
            Resource(re.compile(r"/files/?"), waiting, refusal=refusal_of_waiting),
            Resource(re.compile(r"/instructions/?"), {**get_all, "POST": self.post}, refusal=enveloped_refusal),
            Resource(re.compile(rf"{one}/?"), get, refusal=enveloped_refusal),
            Resource(
                re.compile(rf"{details}/?"),
                {**get_details, "POST": self.add},
                begins_uploads=True,
                refusal=enveloped_refusal,
            ),
            Resource(re.compile(rf"{details}/(?P<detail_id>[^/]+)/?"), get_detail, refusal=enveloped_refusal),
            Resource(
                re.compile(rf"{details}/(?P<detail_id>[^/]+)/file/?"),
                file,
                exposes=Files.exposes,
                sends_files=True,
                refusal=enveloped_refusal,
            ),
        ]

    async def products(self, _: Exchange) -> Reply:
        return enveloped("ok", {"products": [told_product(each) for each in self._instructions.list_products()]})

    async def post(self, exchange: Exchange) -> Reply:
        told = await read_object(exchange)
        product = parse_product(told)
        instruction = await self._instructions.create(self._caller(exchange), product, told.get("parameters"))
        return enveloped("instruction created", {"instruction": told_instruction(instruction)})

    async def list(self, exchange: Exchange) -> Reply:
        query, caller = query_of(exchange), self._caller(exchange)
        place, limit = parse_cursor(query), parse_limit(query)
        page, after = await self._instructions.list(
            caller, parse_selection(query), after=place and (place[0], InstructionId(place[1])), limit=limit
        )
        return enveloped("ok", {"instructions": list(map(told_instruction, page)), "next_cursor": format_cursor(after)})

    async def get(self, exchange: Exchange, text: str) -> Reply:
        caller = self._caller(exchange)
        instruction = await self._instructions.get(caller, parse_instruction(text))
        return enveloped("ok", {"instruction": told_instruction(instruction)})

    async def add(self, exchange: Exchange, text: str) -> Reply:
        """Files in a form, or the id of a stored one in JSON."""
        caller, instruction_id = self._caller(exchange), parse_instruction(text)
        await self._instructions.get(caller, instruction_id)  # before any of the body is read
        media_type = parse_options_header(exchange.headers.get("Content-Type", ""))[0]
        if media_type == "application/json":
            file_id = parse_attached(await read_object(exchange))
            shown = parse_shown(exchange.request.query)
            attached = await self._instructions.attach(caller, exchange.principal, instruction_id, file_id, shown)
            return enveloped("file attached", told_pairs([attached]))
        received = await self._receive(exchange, caller, instruction_id)
        return enveloped(f"{len(received)} files created" if received[1:] else "file created", told_pairs(received))

    async def details(self, exchange: Exchange, text: str) -> Reply:
        caller = self._caller(exchange)
        details = await self._instructions.list_details(caller, parse_instruction(text))
        return enveloped("ok", {"details": [told_detail(view) for each in details for view in DetailView.both(each)]})

    async def detail(self, exchange: Exchange, text: str, detail: str) -> Reply:
        caller = self._caller(exchange)
        view = await self._instructions.detail(caller, parse_instruction(text), parse_detail(detail))
        return enveloped("ok", {"detail": told_detail(view)})

    async def file(self, exchange: Exchange, text: str, detail: str) -> Reply:
        caller = self._caller(exchange)
        opened = await self._instructions.open(caller, parse_instruction(text), parse_detail(detail))
        return await self._files.give(exchange, opened, None)

    async def waiting(self, exchange: Exchange) -> Reply:
        query, caller = query_of(exchange), self._caller(exchange)
        place, limit = parse_cursor(query), parse_limit(query)
        waiting, after = await self._cleanup.list_waiting(
            caller, after=place and (place[0], DetailId(place[1])), limit=limit
        )
        files = [
            {**told_detail(DetailView.input(detail)), "cleanup_at": format_instant(due)} for detail, due in waiting
        ]
        return enveloped("ok", {"files": files, "next_cursor": format_cursor(after)})

    def _caller(self, exchange: Exchange) -> Principal:
        """Whose the instructions are. In an open server its files are everyone's, as all are there."""
        return self._authenticator.named(exchange.request, exchange.principal)

    async def _receive(self, exchange: Exchange, caller: Principal, instruction_id: InstructionId) -> Sequence[Detail]:
        """All files of the form, or none of them."""
        received: list[Detail] = []
        try:
            await self._receive_parts(exchange, caller, instruction_id, received)
        except Exception:
            await self._instructions.withdraw(caller, exchange.principal, received)
            raise
        return received

    async def _receive_parts(
        self, exchange: Exchange, caller: Principal, instruction_id: InstructionId, received: MutableSequence[Detail]
    ) -> None:
        await self._uploads.check_room(exchange.body.length)
        check_whole(exchange.headers, is_resumable=False)
        claims = Claims(exchange)
        reader = FormReader(exchange.body, parse_boundary(exchange), self._executor)
        await reader.look_ahead()
        async with aclosing(reader.parts()) as parts:
            async for part in parts:
                if part.name != "file" or not part.filename:
                    await claims.read(part)
                    continue
                if received:
                    await exchange.count_upload()  # the first one has been, with the request
                with part.named_in_refusals():
                    received.append(await self._receive_part(exchange, part, caller, instruction_id))
        if not received:
            raise Refusal(400, "no_file", "the form has no field named file with a file in it")
        claims.check(sum(detail.input.size for detail in received))
        if exchange.body.is_cut:
            raise CutShort

    async def _receive_part(
        self, exchange: Exchange, part: FormPart, caller: Principal, instruction_id: InstructionId
    ) -> Detail:
        if part.is_ranged:
            raise not_whole()
        part.check_encoding()
        detail = await self._instructions.receive(caller, exchange.principal, instruction_id, part, part.filename)
        if detail is None:
            raise broken_form()
        return detail
