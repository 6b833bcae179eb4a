"""The picture: spans and marks on one axis, and what zoom and cells do to them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.engine.results import DIRECTIONS
from aoinspect.engine.verdicts import Method
from aoinspect.report.axis import AxisUnit, Window, duration_text
from aoinspect.report.lanes import Lane, LaneWhat, Picture, is_eventful
from tests.conversation import Conversation
from tests.recorded import OWN_CAPTURES, SAMPLES, RecordedCapture
from tests.timeline.pictures import pictures_of, report_of, told_report

every_capture = pytest.mark.parametrize("capture", OWN_CAPTURES, ids=lambda capture: capture.name)


@cache
def pictures(capture: RecordedCapture, unit: AxisUnit) -> list[Picture]:
    return pictures_of(report_of(capture.path, capture.keys), unit)


@cache
def sample(name: str, unit: AxisUnit = AxisUnit.TIME) -> Picture:
    return pictures_of(report_of(SAMPLES / f"{name}.pcap", SAMPLES / f"{name}.toml"), unit)[0]


def extents(lane: Lane) -> list[tuple[int, int]]:
    """Start and end of everything in a lane."""
    return [(span.start, span.end) for span in lane.spans] + [(placed.start, placed.end) for placed in lane.marks]


@pytest.mark.parametrize("unit", AxisUnit)
@every_capture
def test_every_span_and_mark_lies_on_the_axis(capture: RecordedCapture, unit: AxisUnit) -> None:
    for picture in pictures(capture, unit):
        whole = picture.axis.whole
        for lane in picture.lanes:
            for start, end in extents(lane):
                assert whole.first <= start <= end <= whole.last
        for placed in picture.transitions:
            assert whole.first <= placed.position <= whole.last


@every_capture
def test_lanes_cover_exactly_the_runs(capture: RecordedCapture) -> None:
    for picture in pictures(capture, AxisUnit.FRAME):
        runs = picture.connection.runs
        for what, wanted in (
            (LaneWhat.KEY, runs),
            (LaneWhat.NEXT, tuple(run for run in runs if run.method is Method.AO)),
        ):
            covered = [
                (lane.direction, lane.key_id, run)
                for lane in picture.lanes
                if lane.what is what
                for span in lane.spans
                for run in span.runs
            ]
            assert sorted(run.start for _, _, run in covered) == sorted(run.start for run in wanted)
            for direction, key_id, run in covered:
                assert (direction, key_id) == (
                    run.direction,
                    run.key_id if what is LaneWhat.KEY else run.rnext_key_id,
                )
        lanes = [(lane.direction, lane.what, lane.key_id, lane.kind) for lane in picture.lanes]
        assert len(lanes) == len(set(lanes))
        assert [lane[0] for lane in lanes] == sorted((lane[0] for lane in lanes), key=DIRECTIONS.index)


@given(
    st.sampled_from([("inject", AxisUnit.TIME), ("inject", AxisUnit.FRAME), ("rotation", AxisUnit.TIME)]),
    st.integers(1, 300),
    st.floats(0.0001, 1),
    st.floats(0, 1),
)
def test_no_zoom_loses_a_mark_or_a_span(chosen: tuple[str, AxisUnit], cells: int, factor: float, where: float) -> None:
    picture = sample(*chosen)
    whole = picture.axis.whole
    around = whole.first + int((whole.size - 1) * where)
    window = whole.zoomed(factor, around, whole)
    assert whole.first <= window.first <= around <= window.last <= whole.last
    for lane in picture.lanes:
        shown = {id(mark) for marks in lane.mark_cells(window, cells) for mark in marks}
        for placed in lane.marks:
            is_inside = placed.start <= window.last and placed.end >= window.first
            assert (id(placed.mark) in shown) is is_inside
        span_cells = lane.span_cells(window, cells)
        assert len(span_cells) == cells
        for span in lane.spans:
            touched = window.cells(span.start, span.end, cells)
            assert bool(touched) is (span.start <= window.last and span.end >= window.first)
            assert all(span_cells[cell] is not None for cell in touched)


@given(st.integers(0, 2**63), st.integers(1, 2**62), st.integers(1, 400), st.data())
def test_cells_of_a_window_are_in_the_order_of_positions(
    first: int, size: int, count: int, draw: st.DataObject
) -> None:
    window = Window(first, first + size - 1)
    start = draw.draw(st.integers(first, window.last))
    end = draw.draw(st.integers(start, window.last))
    cells = window.cells(start, end, count)
    assert 0 <= cells[0] <= cells[-1] < count
    assert window.cells(window.first, window.last, count) == range(count)
    assert window.cells(window.last + 1, window.last + 5, count) == range(0)
    earlier = draw.draw(st.integers(first, start))
    assert window.cells(earlier, earlier, count)[0] <= cells[0]


@given(st.integers(-100, 100), st.integers(1, 50), st.integers(-200, 200))
def test_panning_keeps_the_width_and_stops_at_the_ends(first: int, size: int, by: int) -> None:
    limits = Window(-60, 60)
    window = Window(first, first + size - 1).within(limits)
    moved = window.panned(by, limits)
    assert moved.size == window.size
    assert limits.first <= moved.first <= moved.last <= limits.last
    if limits.first <= window.first + by and window.last + by <= limits.last:
        assert moved.first == window.first + by


@given(st.integers(1, 10**16), st.integers(1, 40), st.integers(-(10**14), 10**14), st.sampled_from(AxisUnit))
def test_ticks_are_no_more_than_asked_for_and_their_labels_differ(
    size: int, at_most: int, offset: int, unit: AxisUnit
) -> None:
    axis = sample("rotation", unit).axis
    origin = (axis.origin_ns if unit is AxisUnit.TIME else 0) + offset
    window = Window(origin, origin + size - 1)
    ticks = axis.ticks(window, at_most)
    # A tick stands at the window's very start as well.
    assert 1 <= len(ticks) <= at_most + 1
    assert all(window.first <= tick.position <= window.last for tick in ticks)
    assert len({tick.label for tick in ticks}) == len(ticks)


def test_a_hand_over_begins_where_it_was_asked_for() -> None:
    picture = sample("rotation", AxisUnit.FRAME)
    steps = {placed.position: placed.requested_at for placed in picture.transitions if placed.requested_at is not None}
    # Frame 38 comes back to a key that was asked for all the time: nothing asks for it anew.
    assert steps == {12: 11, 17: 16, 21: 20, 29: 28, 41: 40, 43: 41}


def test_neighbours_of_a_position_are_the_transitions_around_it() -> None:
    picture = sample("rotation", AxisUnit.FRAME)
    after, before = picture.neighbour(17, 1), picture.neighbour(17, -1)
    assert after is not None
    assert before is not None
    assert (before.position, after.position) == (16, 20)
    assert picture.neighbour(picture.axis.whole.last, 1) is None


def test_a_capture_without_times_is_drawn_by_frame(tmp_path: Path) -> None:
    told = Conversation(start_ns=0, step_ns=0).handshake().data("a", 10)
    (picture,) = pictures_of(told_report(told, tmp_path), AxisUnit.TIME)
    assert picture.axis.unit is AxisUnit.FRAME
    assert picture.axis.whole == Window(1, 4)


def test_times_that_step_back_stay_on_the_axis(tmp_path: Path) -> None:
    told = Conversation().handshake().data("a", 10).advance(-5_000_000_000).data("a", 10).ack("b")
    (picture,) = pictures_of(told_report(told, tmp_path), AxisUnit.TIME)
    assert picture.axis.whole.first < picture.axis.origin_ns
    for lane in picture.lanes:
        for span in lane.spans:
            assert picture.axis.whole.first <= span.start <= span.end <= picture.axis.whole.last


def test_without_keys_no_key_is_no_failure_and_unsigned_is(tmp_path: Path) -> None:
    told = Conversation().handshake().data("a", 10)
    quiet = told_report(told, tmp_path, with_keys=False)
    assert not is_eventful(quiet.connections[0], quiet)
    assert LaneWhat.FAILURES not in {lane.what for lane in pictures_of(quiet)[0].lanes}
    odd = told_report(told.data("a", 10).strip_option().data("a", 10), tmp_path, with_keys=False)
    assert is_eventful(odd.connections[0], odd)
    assert [lane.kind.word for lane in pictures_of(odd)[0].lanes if lane.kind is not None] == ["unsigned"]


@pytest.mark.parametrize(
    "nanoseconds, text",
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (466_400, "466 µs"),
        (999_600, "1.00 ms"),
        (105_959_000, "106 ms"),
        (2_864_600_000, "2.86 s"),
        (71_440_000_000, "71.4 s"),
        (3_599_900_000_000, "3600 s"),
        (7_500_000_000_000, "2 h 5 min"),
    ],
)
def test_durations_have_three_digits(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text
