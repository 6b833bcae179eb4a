"""What is told while a capture is read comes to what its Report says."""

from __future__ import annotations

from itertools import groupby

import pytest

from aoinspect.engine.live import State
from aoinspect.engine.live.events import VerdictEvent
from aoinspect.engine.live.verdict_changes import BURST
from aoinspect.engine.marks import MarkKind
from aoinspect.engine.verdicts import VERDICT_MEMBERS
from aoinspect.keys import load_keys
from aoinspect.keys.model import KeyStore
from tests.follow.watching import Watched, watch
from tests.recorded import LARGER, RecordedCapture, SegmentLine, parameters

WAYS = pytest.mark.parametrize("batch_frames, is_idle", [(1, False), (1, True), (7, True), (32768, False)])


def watched(capture: RecordedCapture, batch_frames: int, is_idle: bool) -> Watched:
    store = load_keys([str(capture.keys)])
    return watch(capture.path, store, batch_frames=batch_frames, is_idle_between=is_idle)


@pytest.mark.parametrize("capture", parameters(lambda name: name in LARGER and not name.startswith("rr-1000")))
def test_the_same_of_larger_captures(capture: RecordedCapture) -> None:
    told = watched(capture, 500, True)
    assert_what_stands_is_the_reports(told)


@WAYS
@pytest.mark.parametrize("capture", parameters(own_only=True))
def test_what_was_told_and_stands_is_what_the_report_says(
    capture: RecordedCapture, batch_frames: int, is_idle: bool
) -> None:
    told = watched(capture, batch_frames, is_idle)
    assert_what_stands_is_the_reports(told)
    report = told.report
    assert sorted((event.passage.connection, event.passage.frame) for event in told.roll_overs) == sorted(
        (connection.id, mark.first_frame)
        for connection in report.connections
        for mark in connection.marks
        if mark.kind is MarkKind.SNE
    )
    assert_connections_are_the_reports(told)
    assert_verdicts_are_those_of_the_segments(told)


def assert_what_stands_is_the_reports(told: Watched) -> None:
    report = told.report
    assert told.standing_transitions() == sorted(
        ((connection.id, transition) for connection in report.connections for transition in connection.transitions),
        key=str,
    )
    assert told.standing_findings() == sorted(
        ((f.ident, f.severity, f.connection, f.capture, f.frame) for f in report.findings), key=str
    )


def assert_connections_are_the_reports(told: Watched) -> None:
    standing = {event.connection: event for event in told.connections}
    assert {number: (str(event.a), str(event.b), event.opened_by) for number, event in standing.items()} == {
        connection.id: (str(connection.a), str(connection.b), connection.opened_by)
        for connection in told.report.connections
    }
    new = [event.connection for event in told.connections if event.state is State.NEW]
    assert new == list(range(len(new)))


def assert_verdicts_are_those_of_the_segments(told: Watched) -> None:
    """Against stretches of equal verdicts, made of the segments one by one."""
    expected: dict[tuple[int, str], list[tuple[int, str, dict[str, int]]]] = {}
    for direction in {(line.connection, line.src) for line in told.lines}:
        own = [line for line in told.lines if (line.connection, line.src) == direction]
        before: dict[str, int] = dict.fromkeys(VERDICT_MEMBERS, 0)
        for (verdict, _), stretch in groupby(own, key=state):
            lines = list(stretch)
            expected.setdefault(direction, []).append((lines[0].frame, verdict, before))
            before = dict.fromkeys(VERDICT_MEMBERS, 0) | {verdict.replace("-", "_"): len(lines)}
    assert max(map(len, expected.values()), default=0) < BURST
    found: dict[tuple[int, str], list[tuple[int, str, dict[str, int]]]] = {}
    for event in told.verdicts:
        place = (event.passage.connection, str(event.passage.source))
        counts = dict(zip(VERDICT_MEMBERS, event.counts, strict=True))
        found.setdefault(place, []).append((event.passage.frame, event.verdict.word, counts))
        assert is_as_captured(event, told.lines)
    assert found == expected


def state(line: SegmentLine) -> tuple[str, bool]:
    return line.verdict, line.ends_disagree


def is_as_captured(event: VerdictEvent, lines: list[SegmentLine]) -> bool:
    (line,) = (line for line in lines if line.frame == event.passage.frame)
    return (line.mkt, line.src, line.dst, line.time_ns, line.direction) == (
        event.mkt,
        str(event.passage.source),
        str(event.passage.destination),
        event.passage.time_ns,
        event.passage.direction,
    )


@pytest.mark.parametrize(
    "capture", parameters(lambda name: name.startswith(("rotation", "inject", "md5")), own_only=True)
)
def test_without_keys_it_is_the_same(capture: RecordedCapture) -> None:
    told = watch(capture.path, KeyStore(), batch_frames=1, is_idle_between=True)
    assert_connections_are_the_reports(told)
    assert_verdicts_are_those_of_the_segments(told)
