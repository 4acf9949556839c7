"""What of a ``traceparent`` is believed and passed on."""

import pytest

from domain.trace import parse_trace

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (f"00-{ID}-{SPAN}-01", f"00-{ID}-{SPAN}-01"),
        (f"00-{ID}-{SPAN}-00", f"00-{ID}-{SPAN}-00"),
        (f"00-{ID}-{SPAN}-02", f"00-{ID}-{SPAN}-00"),
        (f"00-{ID}-{SPAN}-ff", f"00-{ID}-{SPAN}-01"),
        (f"cc-{ID}-{SPAN}-01-what-comes-later", f"00-{ID}-{SPAN}-01"),
        (f"00-{ID}-{SPAN}-01-what-comes-later", None),
        (f"ff-{ID}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{ID}-{'0' * 16}-01", None),
        (f"00-{ID.upper()}-{SPAN}-01", None),
        (f"00-{ID}-{SPAN}-0\u0661", None),
        ("", None),
    ],
)
def test_what_is_well_formed_is_passed_on_with_the_flag_that_we_know(given: str, passed_on: str | None) -> None:
    trace = parse_trace(given)
    assert (str(trace) if trace else None) == passed_on
