"""The picture of a connection's keys over time, free of any rendering: lanes, spans, marks, transitions on one axis.

Text, SVG and the terminal interface draw this and decide nothing but shapes and colours. Each direction has a lane per
KeyID (in use) and a lane per RNextKeyID (asked of the other end), then a lane for SYN, FIN, RST and SNE roll-overs, and
one for each kind of failure. A hand-over (RFC 5925 6.1) reads as a staircase: one direction's request begins, and a
little later the other direction's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate, groupby

from aoinspect.engine.marks import Mark, MarkKind
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, KeyRun, KeyTransition
from aoinspect.engine.verdicts import Method, Verdict
from aoinspect.report.axis import Axis, AxisUnit, Window
from aoinspect.report.model import Report

EVENT_KINDS = (MarkKind.SYN, MarkKind.SNE, MarkKind.FIN, MarkKind.RST)


class LaneWhat(Enum):
    """What a lane shows."""

    KEY = "key"
    """One KeyID in use."""
    NEXT = "next"
    """One RNextKeyID: the key that the sender asks the other end to use."""
    EVENTS = "events"
    FAILURES = "failures"


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive runs of one direction under one key."""

    runs: tuple[KeyRun, ...]
    start: int
    """Position of its first segment on the axis."""
    end: int
    """Position of its last segment, that one in it."""

    @property
    def segments(self) -> int:
        return sum(run.segments for run in self.runs)

    @property
    def verdicts(self) -> dict[str, int]:
        """Counts by the verdict's JSON member, all six."""
        return {verdict.member: sum(run.verdicts[verdict.member] for run in self.runs) for verdict in Verdict}


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """A mark and the positions that it covers, both in it."""

    mark: Mark
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PlacedTransition:
    """A change of ids, where it is, and where the request for it began."""

    transition: KeyTransition
    position: int
    requested_at: int | None
    """Where the latency begins, if that is where the other end began to ask for the key."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the picture. Lanes for keys have spans, the others marks."""

    direction: str
    what: LaneWhat
    key_id: int | None = None
    """KeyID or RNextKeyID; None for TCP-MD5 and for marks."""
    kind: MarkKind | None = None
    """Of failures."""
    spans: tuple[Span, ...] = ()
    marks: tuple[PlacedMark, ...] = ()

    @property
    def mkts(self) -> tuple[str, ...]:
        """Names of the MKTs that verified the segments of a key's lane."""
        if self.what is not LaneWhat.KEY:
            return ()
        return tuple(dict.fromkeys(run.mkt for span in self.spans for run in span.runs if run.mkt is not None))

    def span_cells(self, window: Window, count: int) -> list[Span | None]:
        """Which span each of `count` cells of the window shows; of several in one cell the last."""
        shown: list[Span | None] = [None] * count
        for span in self.spans:
            for cell in window.cells(span.start, span.end, count):
                shown[cell] = span
        return shown

    def mark_cells(self, window: Window, count: int) -> list[tuple[Mark, ...]]:
        """The marks in each of `count` cells of the window: every mark inside the window has a cell."""
        shown: list[tuple[Mark, ...]] = [()] * count
        for placed in self.marks:
            for cell in window.cells(placed.start, placed.end, count):
                shown[cell] = (*shown[cell], placed.mark)
        return shown


@dataclass(frozen=True, slots=True)
class Picture:
    """One connection's timeline."""

    connection: ConnectionResult
    axis: Axis
    lanes: tuple[Lane, ...]
    """Those of a>b, then those of b>a."""
    transitions: tuple[PlacedTransition, ...]
    """In capture order."""

    def neighbour(self, position: int, step: int) -> PlacedTransition | None:
        """The next transition behind `position` (`step` 1) or the last one before it (`step` -1)."""
        if step > 0:
            return next((placed for placed in self.transitions if placed.position > position), None)
        return next((placed for placed in reversed(self.transitions) if placed.position < position), None)


def picture_of(connection: ConnectionResult, report: Report, unit: AxisUnit = AxisUnit.TIME) -> Picture:
    """The timeline of one connection; by frame where a capture has no times, whatever `unit` says."""
    if any(report.captures[run.first_capture].is_without_times for run in connection.runs):
        unit = AxisUnit.FRAME
    marks = tuple(mark for mark in connection.marks if _is_shown(mark, connection, report))
    axis = _axis(connection, marks, report, unit)
    lanes = tuple(lane for direction in DIRECTIONS for lane in _lanes(direction, connection.runs, marks, axis))
    return Picture(connection, axis, lanes, tuple(_placed_transitions(connection, lanes, axis)))


def is_eventful(connection: ConnectionResult, report: Report) -> bool:
    """Whether a connection has anything to look at: ids that changed, or segments that failed."""
    if any(transition.old is not None for transition in connection.transitions):
        return True
    return any(mark.kind.is_failure and _is_shown(mark, connection, report) for mark in connection.marks)


def _is_shown(mark: Mark, connection: ConnectionResult, report: Report) -> bool:
    """Without keys, `no-key` is what every signed segment is, and no failure."""
    return mark.kind is not MarkKind.NO_KEY or (report.has_keys and connection.is_covered)


def _axis(connection: ConnectionResult, marks: Iterable[Mark], report: Report, unit: AxisUnit) -> Axis:
    frames_before = tuple(accumulate((capture.frames for capture in report.captures), initial=0))[:-1]
    axis = Axis(unit, Window(0, 0), connection.first_time_ns, frames_before)
    # Captures may overlap and times may step back: the ends are looked for everywhere.
    pieces: list[ConnectionResult | KeyRun | Mark] = [connection, *connection.runs, *marks]
    positions = [
        axis.place(*place)
        for piece in pieces
        for place in (
            (piece.first_capture, piece.first_frame, piece.first_time_ns),
            (piece.last_capture, piece.last_frame, piece.last_time_ns),
        )
    ]
    return Axis(unit, Window(min(positions), max(positions)), connection.first_time_ns, frames_before)


def _extent(first: KeyRun | Mark, last: KeyRun | Mark, axis: Axis) -> tuple[int, int]:
    """Positions from the start of `first` to the end of `last`, in rising order."""
    start = axis.place(first.first_capture, first.first_frame, first.first_time_ns)
    end = axis.place(last.last_capture, last.last_frame, last.last_time_ns)
    return min(start, end), max(start, end)


def _lanes(direction: str, runs: tuple[KeyRun, ...], marks: tuple[Mark, ...], axis: Axis) -> Iterator[Lane]:
    own_runs = sorted((run for run in runs if run.direction == direction), key=lambda run: run.order)
    own_marks = [mark for mark in marks if mark.direction == direction]
    yield from _key_lanes(direction, LaneWhat.KEY, [(run.key_id, run) for run in own_runs], axis)
    requests = [(run.rnext_key_id, run) for run in own_runs if run.method is Method.AO]
    yield from _key_lanes(direction, LaneWhat.NEXT, requests, axis)
    events = [mark for mark in own_marks if mark.kind in EVENT_KINDS]
    failures = sorted((mark for mark in own_marks if mark.kind.is_failure), key=lambda mark: mark.kind)
    if events:
        yield Lane(direction, LaneWhat.EVENTS, marks=_placed(events, axis))
    for kind, of_kind in groupby(failures, key=lambda mark: mark.kind):
        yield Lane(direction, LaneWhat.FAILURES, kind=kind, marks=_placed(of_kind, axis))


def _placed(marks: Iterable[Mark], axis: Axis) -> tuple[PlacedMark, ...]:
    return tuple(PlacedMark(mark, *_extent(mark, mark, axis)) for mark in marks)


def _key_lanes(direction: str, what: LaneWhat, runs: list[tuple[int | None, KeyRun]], axis: Axis) -> Iterator[Lane]:
    """A lane per id, in the order of first use; neighbouring runs of one id are one span."""
    spans: dict[int | None, list[Span]] = {}
    for key_id, stretch in groupby(runs, key=lambda item: item[0]):
        of_span = tuple(run for _, run in stretch)
        spans.setdefault(key_id, []).append(Span(of_span, *_extent(of_span[0], of_span[-1], axis)))
    for key_id, of_lane in spans.items():
        yield Lane(direction, what, key_id=key_id, spans=tuple(of_lane))


def _placed_transitions(
    connection: ConnectionResult, lanes: tuple[Lane, ...], axis: Axis
) -> Iterator[PlacedTransition]:
    for transition in connection.transitions:
        position = axis.place(transition.capture, transition.frame, transition.time_ns)
        requested_at = None
        if transition.latency_ns is not None:
            requested_at = _request_position(transition, lanes, position)
        yield PlacedTransition(transition, position, requested_at)


def _request_position(transition: KeyTransition, lanes: tuple[Lane, ...], position: int) -> int | None:
    """Where the other end's last request for the key began, if the latency is counted from there.

    It is not where the sender comes back to a key that it had left while it was asked for.
    """
    assert transition.latency_ns is not None
    requested_ns = transition.time_ns - transition.latency_ns
    starts = [
        span.start
        for lane in lanes
        if lane.what is LaneWhat.NEXT and lane.direction != transition.direction and lane.key_id == transition.new
        for span in lane.spans
        if span.runs[0].first_time_ns == requested_ns and span.start <= position
    ]
    return max(starts, default=None)
