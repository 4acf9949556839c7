"""Contract of ports/id_generator.py."""

from adapters.outbound.system.id_generator import SystemIdGenerator
from domain.ids import parse_upload_id


def test_an_id_is_32_hex_digits() -> None:
    new = SystemIdGenerator().new()
    assert parse_upload_id(new) == new


def test_no_id_comes_twice_and_every_bit_is_used() -> None:
    ids = SystemIdGenerator()
    drawn = [ids.new() for _ in range(2000)]
    assert len(set(drawn)) == len(drawn)
    for bit in range(128):
        assert {int(one, 16) >> bit & 1 for one in drawn} == {0, 1}
