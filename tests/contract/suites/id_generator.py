"""What every id generator promises (ports/id_generator.py)."""

from domain.ids import parse_upload_id
from ports.id_generator import IdGenerator


class IdGeneratorSuite:
    """Wants a fixture ``ids``."""

    def test_an_id_is_32_hex_digits(self, ids: IdGenerator) -> None:
        new = ids.new()
        assert parse_upload_id(new) == new

    def test_no_id_comes_twice_and_every_bit_is_used(self, ids: IdGenerator) -> None:
        drawn = [ids.new() for _ in range(2000)]
        assert len(set(drawn)) == len(drawn)
        for bit in range(128):
            assert {int(one, 16) >> bit & 1 for one in drawn} == {0, 1}
