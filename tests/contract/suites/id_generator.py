"""What every id generator promises (ports/id_generator.py)."""

from domain.ids import parse_upload_id
from ports.id_generator import IdGenerator

_FREE_BITS = 80


class IdGeneratorSuite:
    """Wants a fixture ``ids``."""

    def test_an_id_is_32_hex_digits(self, ids: IdGenerator) -> None:
        new = ids.new()
        assert parse_upload_id(new) == new
        assert len(ids.secret()) == 32

    def test_no_id_comes_twice_and_80_bits_are_each_ones_own(self, ids: IdGenerator) -> None:
        _differ([ids.new() for _ in range(2000)], _FREE_BITS)

    def test_of_a_secret_every_bit_is_used(self, ids: IdGenerator) -> None:
        _differ([ids.secret() for _ in range(2000)], 128)

    def test_ids_of_the_same_moment_begin_alike(self, ids: IdGenerator) -> None:
        drawn = [ids.new() for _ in range(2000)]  # within a second or two
        assert len({one[:12] for one in drawn}) < 10


def _differ(drawn: list[str], bits: int) -> None:
    assert len(set(drawn)) == len(drawn)
    for bit in range(bits):
        assert {int(one, 16) >> bit & 1 for one in drawn} == {0, 1}
