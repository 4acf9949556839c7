"""Contract of ports/instruction_repository.py, on every database."""

from sqlalchemy import insert

from adapters.outbound.sql.instruction_tables import instructions
from domain.instruction import DetailStatus, Selection
from tests.contract.suites.instruction_repository import InstructionRepositorySuite
from tests.support.builders import ALICE, NOW
from tests.support.stores import Store


class TestInstructionRepository(InstructionRepositorySuite):
    """All of it."""


async def test_a_status_that_few_have_is_looked_for_in_stretches(shared_store: Store) -> None:
    process = shared_store.process()
    row = {"owner": ALICE.owner, "product_id": "0" * 32, "product_key": "images/resize", "parameters": "{}"}
    rows = [{**row, "id": f"{number:032x}", "created_at": NOW} for number in range(1500)]
    assert process.database is not None
    await process.database.write(lambda connection: connection.execute(insert(instructions), rows))
    async with process.unit_of_work() as work:
        failed, pending = Selection(DetailStatus.FAILED), Selection(DetailStatus.PENDING)
        none, after = await work.instructions.list(ALICE.owner, failed, after=None, limit=10)
        assert (list(none), after) == ([], (NOW, f"{500:032x}"))
        assert await work.instructions.list(ALICE.owner, failed, after=after, limit=10) == ([], None)
        found, last = await work.instructions.list(ALICE.owner, pending, after=None, limit=10)
        assert [one.id for one in found] == [f"{number:032x}" for number in range(1499, 1489, -1)]
        assert last == (NOW, found[-1].id)
