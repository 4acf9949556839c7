"""What is news about an upload, how fast it goes, how often to tell."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import EventType
from domain.ids import UploadId
from domain.progress import Gate, RateMeter, Standing, advance
from domain.upload_state import UploadState
from tests.support.builders import NOW, an_event, an_upload, extent

MIB = 1024 * 1024


def a_standing(
    offset: int = 0,
    *,
    length: int | None = 1000,
    state: UploadState = UploadState.RECEIVING,
    seconds: float = 0,
    upload_id: str = "a",
    born: float | None = None,
) -> Standing:
    return Standing(
        upload_id=UploadId(upload_id),
        filename="holiday.mov",
        offset=offset,
        length=length,
        state=state,
        time=NOW + timedelta(seconds=seconds),
        born=None if born is None else NOW + timedelta(seconds=born),
    )


class TestAdvance:
    def test_a_greater_offset_is_news(self) -> None:
        assert advance(a_standing(10), a_standing(20)) == a_standing(20)

    def test_the_offset_never_goes_back(self) -> None:
        assert advance(a_standing(20), a_standing(10)) is None

    def test_the_same_again_is_no_news(self) -> None:
        assert advance(a_standing(20), a_standing(20, seconds=5)) is None

    def test_a_length_that_was_told_stays_known(self) -> None:
        shown = advance(a_standing(10, length=1000), a_standing(20, length=None))
        assert shown
        assert shown.length == 1000

    @pytest.mark.parametrize("end", [UploadState.COMPLETED, UploadState.ABORTED, UploadState.EXPIRED])
    @pytest.mark.parametrize("later", UploadState)
    def test_nothing_follows_an_end(self, end: UploadState, later: UploadState) -> None:
        assert advance(a_standing(10, state=end), a_standing(1000, state=later, seconds=5)) is None

    def test_an_abort_that_knows_less_of_the_offset_keeps_the_greater_one(self) -> None:
        shown = advance(a_standing(500), a_standing(100, state=UploadState.ABORTED))
        assert shown
        assert (shown.offset, shown.state) == (500, UploadState.ABORTED)

    def test_a_state_never_goes_back(self) -> None:
        assembling = a_standing(1000, state=UploadState.ASSEMBLING)
        assert advance(assembling, a_standing(1000, state=UploadState.RECEIVING, seconds=5)) is None

    def test_of_failing_and_trying_again_the_later_one_counts(self) -> None:
        failed = a_standing(1000, state=UploadState.FAILED, seconds=2)
        assert advance(failed, a_standing(1000, state=UploadState.ASSEMBLING, seconds=1)) is None
        assert advance(failed, a_standing(1000, state=UploadState.ASSEMBLING, seconds=3))

    def test_a_second_failure_is_news(self) -> None:
        failed = a_standing(1000, state=UploadState.FAILED, seconds=2)
        assert advance(failed, a_standing(1000, state=UploadState.FAILED, seconds=2)) is None
        assert advance(failed, a_standing(1000, state=UploadState.FAILED, seconds=3))

    def test_a_newer_upload_under_the_same_id_takes_over(self) -> None:
        newer = a_standing(0, upload_id="b", born=5, seconds=5)
        assert advance(a_standing(500, born=0), newer) == newer
        assert advance(a_standing(1000, state=UploadState.COMPLETED, born=0), newer) == newer

    def test_an_older_upload_under_the_same_id_is_no_news(self) -> None:
        newer = a_standing(0, upload_id="b", born=5, seconds=5)
        assert advance(newer, a_standing(500, upload_id="a", born=0, seconds=6)) is None
        assert advance(newer, a_standing(500, upload_id="a", seconds=6)) is None

    def test_an_upload_heard_of_late_follows_one_that_is_over(self) -> None:
        over = a_standing(1000, state=UploadState.ABORTED, seconds=1)
        assert advance(over, a_standing(5, upload_id="b", seconds=2))
        assert advance(over, a_standing(5, upload_id="b", seconds=0)) is None

    @given(
        st.lists(
            st.builds(
                a_standing,
                st.integers(0, 1000),
                length=st.sampled_from([None, 1000]),
                state=st.sampled_from(UploadState),
                seconds=st.integers(0, 10),
            ),
            min_size=1,
        )
    )
    def test_in_any_order_of_reports_what_is_shown_only_moves_on(self, reports: list[Standing]) -> None:
        known, *rest = reports
        for heard in rest:
            shown = advance(known, heard)
            if shown is None:
                continue
            assert shown.offset >= known.offset
            assert not known.is_over
            assert known.length is None or shown.length is not None
            known = shown


class TestStanding:
    def test_an_event_and_its_upload_show_the_same(self) -> None:
        upload = an_upload(received=(extent(0, 600),), state=UploadState.RECEIVING)
        heard = Standing.of_event(an_event(upload, EventType.PROGRESS))
        assert heard.shows_same(Standing.of_upload(upload, NOW))
        assert heard.offset == 600

    @pytest.mark.parametrize(
        ("offset", "length", "percent"),
        [
            (0, 1000, 0.0),
            (8388608, 73400320, 11.43),
            (1, 3, 33.33),
            (999_999, 1_000_000, 99.99),
            (1000, 1000, 100.0),
            (0, 0, 100.0),
            (500, None, None),
        ],
    )
    def test_percent(self, offset: int, length: int | None, percent: float | None) -> None:
        assert a_standing(offset, length=length).percent == percent

    @pytest.mark.parametrize(
        ("standing", "speed", "seconds"),
        [
            (a_standing(0, length=1000), 100, 10.0),
            (a_standing(400, length=1000), 900, 0.7),
            (a_standing(0, length=1000), 0, None),
            (a_standing(0, length=None), 100, None),
            (a_standing(1000, length=1000, state=UploadState.COMPLETED), 0, 0.0),
            (a_standing(400, length=1000, state=UploadState.ABORTED), 100, None),
        ],
    )
    def test_time_left(self, standing: Standing, speed: int, seconds: float | None) -> None:
        assert standing.eta_seconds(speed) == seconds

    @pytest.mark.parametrize(
        ("state", "type_"),
        [
            (UploadState.PENDING, EventType.PROGRESS),
            (UploadState.ASSEMBLING, EventType.PROGRESS),
            (UploadState.COMPLETED, EventType.COMPLETED),
            (UploadState.FAILED, EventType.FAILED),
            (UploadState.ABORTED, EventType.ABORTED),
            (UploadState.EXPIRED, EventType.EXPIRED),
        ],
    )
    def test_a_state_names_its_event(self, state: UploadState, type_: EventType) -> None:
        assert a_standing(state=state).type is type_


class TestRateMeter:
    def test_one_note_tells_no_speed(self) -> None:
        meter = RateMeter()
        assert meter.bytes_per_second() == 0
        meter.note(0, 8 * MIB)
        assert meter.bytes_per_second() == 0

    def test_a_steady_upload(self) -> None:
        meter = RateMeter()
        for tick in range(100):
            meter.note(tick * 0.1, tick * MIB)
        assert meter.bytes_per_second() == pytest.approx(10 * MIB, rel=0.01)

    def test_only_the_last_seconds_count(self) -> None:
        meter = RateMeter()
        for tick in range(100):
            meter.note(tick, tick * MIB)
        for tick in range(1, 61):
            meter.note(99 + tick / 10, 99 * MIB + tick * 10 * MIB)
        assert meter.bytes_per_second() == pytest.approx(100 * MIB, rel=0.01)

    def test_a_first_burst_does_not_look_fantastic(self) -> None:
        meter = RateMeter()
        meter.note(0, 0)
        meter.note(0.001, 8 * MIB)
        assert meter.bytes_per_second() == 16 * MIB

    def test_a_long_pause_is_not_counted_as_slowness(self) -> None:
        meter = RateMeter()
        meter.note(0, 0)
        meter.note(1, 10 * MIB)
        meter.note(600, 20 * MIB)
        meter.note(601, 30 * MIB)
        assert meter.bytes_per_second() == 10 * MIB

    def test_after_a_short_silence_the_new_speed_counts_soon(self) -> None:
        meter = RateMeter()
        meter.note(0, 0)
        meter.note(20, 10 * MIB)
        meter.note(20.5, 20 * MIB)
        assert meter.bytes_per_second() == 20 * MIB

    def test_a_slow_upload_has_a_speed_too(self) -> None:
        meter = RateMeter()
        meter.note(0, 0)
        meter.note(8, 8 * MIB)
        assert meter.bytes_per_second() == MIB

    def test_its_memory_is_bounded(self) -> None:
        meter = RateMeter()
        for tick in range(100_000):
            meter.note(tick / 1000, tick)
        assert len(meter._notes) < 100

    @given(st.lists(st.tuples(st.floats(0, 60), st.integers(0, 10**12)), max_size=50))
    def test_it_is_never_negative(self, steps: list[tuple[float, int]]) -> None:
        meter, at = RateMeter(), 0.0
        for step, offset in steps:
            at += step
            meter.note(at, offset)
            assert meter.bytes_per_second() >= 0


class TestGate:
    def test_the_first_passes_at_once_and_the_next_waits(self) -> None:
        gate = Gate(0.125)
        assert gate.wait(100.0) == 0
        gate.passed(100.0)
        assert gate.wait(100.025) == pytest.approx(0.1)
        assert gate.wait(100.125) == 0

    def test_a_clock_that_jumped_back_does_not_shut_it(self) -> None:
        gate = Gate(0.125)
        gate.passed(100.0)
        assert gate.wait(0.0) == 0.125
