"""A capture watched as `--follow` does it, in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from aoinspect.capture.reader import open_capture
from aoinspect.engine.findings import Policy
from aoinspect.engine.live import (
    ConnectionEvent,
    Event,
    FindingEvent,
    RollOverEvent,
    State,
    TransitionEvent,
    VerdictEvent,
    Watch,
)
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reading import analyse
from aoinspect.engine.table import Rows
from aoinspect.keys.model import KeyStore
from aoinspect.report.json_form import SegmentLines
from aoinspect.report.model import Report, build_report
from tests.recorded import SegmentLine, segment_line


@dataclass(slots=True)
class Clock:
    """Seconds, that pass only when a test says so or, `step`, a little with every look."""

    now: float = 0.0
    step: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@dataclass(slots=True)
class Watched:
    """What was told of a capture, what its Report says, and its segments."""

    report: Report
    events: list[Event] = field(default_factory=list)
    lines: list[SegmentLine] = field(default_factory=list)

    @property
    def connections(self) -> list[ConnectionEvent]:
        return [event for event in self.events if isinstance(event, ConnectionEvent)]

    @property
    def verdicts(self) -> list[VerdictEvent]:
        return [event for event in self.events if isinstance(event, VerdictEvent)]

    @property
    def transitions(self) -> list[TransitionEvent]:
        return [event for event in self.events if isinstance(event, TransitionEvent)]

    @property
    def roll_overs(self) -> list[RollOverEvent]:
        return [event for event in self.events if isinstance(event, RollOverEvent)]

    @property
    def findings(self) -> list[FindingEvent]:
        return [event for event in self.events if isinstance(event, FindingEvent)]

    def standing_transitions(self) -> list[tuple[object, ...]]:
        """The transitions that stand at the end: each with its connection's number."""
        standing: dict[tuple[object, ...], tuple[object, ...]] = {}
        for event in self.transitions:
            told = event.transition
            key = (event.passage.connection, told.capture, told.frame, told.field)
            assert (key in standing) is (event.state is not State.NEW), event
            if event.state is State.WITHDRAWN:
                del standing[key]
            else:
                standing[key] = (event.passage.connection, told)
        return sorted(standing.values(), key=str)

    def standing_findings(self) -> list[tuple[object, ...]]:
        """Ident, severity and place of the findings that stand at the end."""
        standing: list[tuple[object, ...]] = []
        for event in self.findings:
            told = event.finding
            key = (told.ident, told.severity, told.connection, told.capture, told.frame)
            if event.state is State.WITHDRAWN:
                standing.remove(key)
            else:
                standing.append(key)
        return sorted(standing, key=str)


def watch(
    path: Path,
    store: KeyStore,
    *,
    batch_frames: int = 32768,
    clock: Clock | None = None,
    is_idle_between: bool = False,
    policy: Policy = Policy.RFC,
) -> Watched:
    """Everything that is told of the capture at `path`; `is_idle_between`: nothing comes for a while after a batch."""
    analyzer = Analyzer(store, keep_table=False)
    seen = Watch(analyzer, policy, clock=clock or Clock())
    segments = SegmentLines(analyzer)
    events: list[Event] = []
    lines: list[SegmentLine] = []

    def take(rows: Rows) -> None:
        lines.extend(segment_line(text) for text in segments.lines(rows))
        events.extend(seen.take(rows))
        if is_idle_between:
            events.extend(seen.idle()[0])

    with open_capture(path, batch_frames=batch_frames) as reader:
        analyse([reader], analyzer, on_rows=take)
    report = build_report(analyzer, policy)
    events.extend(seen.finish(report.connections, report.findings))
    return Watched(report, events, lines)
