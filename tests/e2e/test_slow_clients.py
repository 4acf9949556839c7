"""Slow loris, in the headers and in the body, is cut off: after 20 s, and below 1 KiB/s over 30 s.

They dawdle since test_errors.py began, so that other tests fill the time; alone, this module takes a minute.
"""

import pytest

from tests.e2e.dawdler import Dawdler

pytestmark = pytest.mark.timeout(120)
HEADER_SECONDS = 20.0
BODY_SECONDS = 30.0
SLACK_SECONDS = 5.0


def test_slow_headers_are_cut_off(dawdlers: dict[str, Dawdler]) -> None:
    seconds = dawdlers["headers"].cut_after(within=HEADER_SECONDS + SLACK_SECONDS)
    assert seconds is not None and seconds > HEADER_SECONDS / 2


def test_a_silent_connection_is_cut_off(dawdlers: dict[str, Dawdler]) -> None:
    assert dawdlers["silent"].cut_after(within=HEADER_SECONDS + SLACK_SECONDS) is not None


@pytest.mark.parametrize("kind", ["body", "long body", "form"])
def test_a_slow_body_is_cut_off(dawdlers: dict[str, Dawdler], kind: str) -> None:
    """Between one window and two: the server looks once a window, and the first look finds half of one."""
    seconds = dawdlers[kind].cut_after(within=2 * BODY_SECONDS + SLACK_SECONDS)
    assert seconds is not None and seconds > BODY_SECONDS / 2
