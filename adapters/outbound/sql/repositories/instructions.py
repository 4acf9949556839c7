"""Instructions and their details as rows. Contract: tests/contract/test_instruction_repository.py."""

import json
from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    ScalarSelect,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)

from adapters.outbound.sql.database import Transaction
from adapters.outbound.sql.instruction_tables import IS_LEFT, IS_UNDER_WAY, instruction_details, instructions
from adapters.outbound.sql.tables import jobs
from domain.errors import DetailNotFound, InstructionNotFound
from domain.ids import DetailId, FileId, InstructionId, OwnerId
from domain.instruction import EDIT, Detail, DetailFile, DetailStatus, Instruction, Place, Selection, WaitingPlace
from domain.job import JobState
from domain.product import ProductKey, Recipe
from ports.instruction_repository import InstructionRepository

_i, _d = instructions.c, instruction_details.c
_IS_LEFT: ColumnElement[bool] = text(IS_LEFT)  # type: ignore[assignment]
_IS_UNDER_WAY: ColumnElement[bool] = text(IS_UNDER_WAY)  # type: ignore[assignment]


def _status() -> ScalarSelect[str]:
    """As ``domain.instruction.taken_together``."""

    def count(*statuses: DetailStatus) -> ColumnElement[int]:
        return func.count().filter(_d.status.in_(statuses))

    pending, under_way = count(DetailStatus.PENDING), count(DetailStatus.PROCESSING)
    failed, over = count(DetailStatus.FAILED), count(DetailStatus.DONE, DetailStatus.FAILED)
    status = case(
        (or_(under_way > 0, and_(pending > 0, over > 0)), DetailStatus.PROCESSING.value),
        (failed > 0, DetailStatus.FAILED.value),
        (over > 0, DetailStatus.DONE.value),
        else_=DetailStatus.PENDING.value,
    )
    return select(status).where(_d.instruction_id == _i.id).scalar_subquery()


_LATEST = select(func.max(_d.updated_at)).where(_d.instruction_id == _i.id).scalar_subquery()
_TOLD = select(instructions, _status().label("status"), func.coalesce(_LATEST, _i.created_at).label("updated_at"))


_PLACE = tuple_(_i.created_at, _i.id)
_LOOKED_AT = 1000


def _in_order(instructions: Select[Any]) -> Select[Any]:
    return instructions.order_by(_i.created_at.desc(), _i.id.desc())


def _place(rows: Sequence[RowMapping]) -> Place | None:
    """Of the first one."""
    return (rows[0]["created_at"], InstructionId(rows[0]["id"])) if rows else None


class SqlInstructionRepository(InstructionRepository):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, instruction: Instruction) -> None:
        row = _instruction_to_row(instruction)
        await self._transaction.change(lambda connection: connection.execute(insert(instructions), row))

    async def find(self, instruction_id: InstructionId) -> Instruction:
        rows = await self._transaction.read(_TOLD.where(_i.id == instruction_id))
        if not rows:
            raise InstructionNotFound("instruction not found")
        return _instruction_from_row(rows[0])

    async def list(
        self, owner: OwnerId, selection: Selection, *, after: Place | None, limit: int
    ) -> tuple[Sequence[Instruction], Place | None]:
        within = [_i.owner == owner]
        if selection.since is not None:
            within.append(_i.created_at >= selection.since)
        if selection.until is not None:
            within.append(_i.created_at <= selection.until)
        if after is not None:
            within.append(after > _PLACE)
        last = None
        if selection.status is not None:
            # A status is that of all details: to look for one that few have would be to look at everything.
            looked_at = _in_order(select(_i.created_at, _i.id).where(*within)).offset(_LOOKED_AT - 1).limit(1)
            last = _place(await self._transaction.read(looked_at))
            within.append(_status() == selection.status.value)
        wanted = _TOLD.where(*within)
        if last is not None:
            wanted = wanted.where(last <= _PLACE)
        rows = await self._transaction.read(_in_order(wanted).limit(limit + 1))
        if len(rows) > limit:
            rows, last = rows[:limit], _place(rows[limit - 1 : limit])
        return [_instruction_from_row(row) for row in rows], last

    async def add_detail(self, detail: Detail) -> None:
        row = _detail_to_row(detail)
        await self._transaction.change(lambda connection: connection.execute(insert(instruction_details), row))

    async def find_detail(self, detail_id: DetailId) -> Detail:
        found = select(instruction_details).where(or_(_d.id == detail_id, _d.output_id == detail_id))
        rows = await self._transaction.read(found)
        if not rows:
            raise DetailNotFound("instruction detail not found")
        return _detail_from_row(rows[0])

    async def list_details(self, instruction_id: InstructionId) -> Sequence[Detail]:
        found = select(instruction_details).where(_d.instruction_id == instruction_id)
        rows = await self._transaction.read(found.order_by(_d.created_at, _d.id))
        return [_detail_from_row(row) for row in rows]

    async def count_details(self, instruction_id: InstructionId) -> int:
        counted = select(func.count().label("count")).where(_d.instruction_id == instruction_id)
        return int((await self._transaction.read(counted))[0]["count"])

    async def save_detail(self, detail: Detail, *, was: DetailStatus) -> bool:
        saved = update(instruction_details).where(_d.id == detail.id, _d.status == was.value)
        saved = saved.values(_detail_to_row(detail))
        return await self._transaction.write(lambda connection: connection.execute(saved).rowcount > 0)

    async def remove_detail(self, detail_id: DetailId) -> None:
        gone = delete(instruction_details).where(_d.id == detail_id)
        await self._transaction.change(lambda connection: connection.execute(gone))

    async def list_left(
        self, *, finished_before: datetime, after: WaitingPlace | None = None, limit: int
    ) -> Sequence[Detail]:
        left = select(instruction_details).where(_IS_LEFT, _d.finished_at < finished_before)
        if after is not None:
            left = left.where(tuple_(_d.finished_at, _d.id) > after)
        rows = await self._transaction.read(left.order_by(_d.finished_at, _d.id).limit(limit))
        return [_detail_from_row(row) for row in rows]

    async def list_stale(self, *, changed_before: datetime, limit: int) -> Sequence[Detail]:
        will_be_done = exists().where(jobs.c.subject == _d.id, jobs.c.kind == EDIT, jobs.c.state != JobState.DEAD.value)
        stale = select(instruction_details).where(_IS_UNDER_WAY, _d.updated_at < changed_before, ~will_be_done)
        rows = await self._transaction.read(stale.order_by(_d.updated_at, _d.id).limit(limit))
        return [_detail_from_row(row) for row in rows]

    async def is_needed(self, detail: Detail) -> bool:
        others = select(_d.id).where(_d.input_file_id == detail.input.file_id, _d.id != detail.id)
        return bool(await self._transaction.read(others.limit(1)))


def _instruction_to_row(instruction: Instruction) -> dict[str, Any]:
    return {
        "id": instruction.id,
        "owner": instruction.owner,
        "product_id": instruction.product_id,
        "product_key": instruction.recipe.key.value,
        "parameters": json.dumps(dict(instruction.recipe.parameters)),
        "created_at": instruction.created_at,
    }


def _instruction_from_row(row: RowMapping) -> Instruction:
    recipe = Recipe(ProductKey(row["product_key"]), MappingProxyType(json.loads(row["parameters"])))
    return Instruction(
        id=InstructionId(row["id"]),
        owner=OwnerId(row["owner"]),
        product_id=row["product_id"],
        recipe=recipe,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        status=DetailStatus(row["status"]),
    )


def _detail_to_row(detail: Detail) -> dict[str, Any]:
    output = detail.output
    return {
        "id": detail.id,
        "output_id": detail.output_id,
        "instruction_id": detail.instruction_id,
        "input_file_id": detail.input.file_id,
        "input_name": detail.input.name,
        "input_media_type": detail.input.media_type,
        "input_size": detail.input.size,
        "is_own": detail.is_own,
        "is_cleaned": detail.is_cleaned,
        "output_file_id": output and output.file_id,
        "output_name": output and output.name,
        "output_media_type": output and output.media_type,
        "output_size": output and output.size,
        "status": detail.status.value,
        "error": detail.error.replace("\0", ""),  # PostgreSQL's text knows no NUL
        "created_at": detail.created_at,
        "updated_at": detail.updated_at,
        "started_at": detail.started_at,
        "finished_at": detail.finished_at,
    }


def _detail_from_row(row: RowMapping) -> Detail:
    return Detail(
        id=DetailId(row["id"]),
        output_id=DetailId(row["output_id"]),
        instruction_id=InstructionId(row["instruction_id"]),
        input=_file_from_row(row, "input"),
        is_own=row["is_own"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        status=DetailStatus(row["status"]),
        error=row["error"],
        output=None if row["output_file_id"] is None else _file_from_row(row, "output"),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        is_cleaned=row["is_cleaned"],
    )


def _file_from_row(row: RowMapping, side: str) -> DetailFile:
    return DetailFile(
        file_id=FileId(row[f"{side}_file_id"]),
        name=row[f"{side}_name"],
        media_type=row[f"{side}_media_type"],
        size=row[f"{side}_size"],
    )
