"""How names are written out in the wheel."""

import pytest

from scripts.build_backend import named_in_full


@pytest.mark.parametrize(
    ("in_a_checkout", "in_the_wheel"),
    [
        ("from domain.upload import Upload\n", "from longshore.domain.upload import Upload\n"),
        ("from domain import upload\n", "from longshore.domain import upload\n"),
        ("    import ports.clock\n", None),
        ("if 1:\n    from ports import clock, room\n", "if 1:\n    from longshore.ports import clock, room\n"),
        ('late("adapters.outbound.nats.feed")\n', 'late("longshore.adapters.outbound.nats.feed")\n'),
        ('late(f"{_NATS}.feed")\n', 'late(f"{_NATS}.feed")\n'),
        ('"from infrastructure.cli import main"\n', '"from longshore.infrastructure.cli import main"\n'),
        ("# see ``domain.errors``\n", "# see ``longshore.domain.errors``\n"),
        # no modules of ours
        ('_TYPE = "application/json"\n', '_TYPE = "application/json"\n'),
        ('_TYPE = "application.json"\n', '_TYPE = "application.json"\n'),
        ('_SEEN = "adapters/inbound/common/auth.py"\n', '_SEEN = "adapters/inbound/common/auth.py"\n'),
        ("self.domain.upload = 1\n", "self.domain.upload = 1\n"),
        ("from longshore.domain.upload import Upload\n", "from longshore.domain.upload import Upload\n"),
        ("from email.domain.upload import Upload\n", "from email.domain.upload import Upload\n"),
    ],
)
def test_a_module_of_ours_is_named_in_full(in_a_checkout: str, in_the_wheel: str | None) -> None:
    if in_the_wheel is None:
        in_a_checkout, in_the_wheel = in_a_checkout.lstrip(), "import longshore.ports.clock\n"
    assert named_in_full(in_a_checkout, "a.py") == in_the_wheel


def test_what_can_not_be_named_in_full_stops_the_build() -> None:
    with pytest.raises(ValueError, match=r"a\.py: domain is imported"):
        named_in_full("import os, domain\n", "a.py")
    with pytest.raises(ValueError, match=r"a\.py: domain is imported"):
        named_in_full("import domain\n", "a.py")
