"""What a run found, as objects: connections, key runs, marks. One object each, never one per segment.

The columns of `connections`, `timeline` and `marks` are read here, once, when a Report is made.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from ipaddress import ip_address

from aoinspect.engine.connections import OPENED_BY_BOTH, OPENER_UNKNOWN
from aoinspect.engine.key_plan import KeyPlan, plans_of
from aoinspect.engine.keyring import Endpoint
from aoinspect.engine.marks import Mark
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.tallies import Sample
from aoinspect.engine.timeline import NO_MKT_INDEX, Timeline, tcp_options_of
from aoinspect.engine.transitions import DIRECTIONS, KeyRun, KeyTransition, transitions_of
from aoinspect.engine.verdicts import VERDICT_MEMBERS, IsnSource, Method, Reason, Verdict

__all__ = [
    "DIRECTIONS",
    "ConnectionResult",
    "EndResult",
    "FailureSample",
    "KeyRun",
    "KeyTransition",
    "connection_results",
    "transitions_of",
]


@dataclass(frozen=True, slots=True)
class EndResult:
    """One end of a connection."""

    address: str
    port: int
    isn: int | None

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class FailureSample:
    """One failing segment, for a person to look at first."""

    segment: Sample
    direction: str
    candidates: tuple[str, ...] = ()
    """Names of the keys that its KeyID selects."""
    gaps: tuple[str, ...] = ()
    """Of those without a secret: where they were read, and why there is none."""


@dataclass(frozen=True, slots=True)
class ConnectionResult:
    """One protected connection."""

    id: int
    index: int
    """Row in the engine's columns."""
    a: EndResult
    b: EndResult
    opened_by: str | None
    """`a`, `both`, or None where the handshake is not in the capture."""
    isn_source: IsnSource
    first_capture: int
    first_frame: int
    last_capture: int
    last_frame: int
    first_time_ns: int
    last_time_ns: int
    verdicts: dict[str, int]
    reasons: dict[str, int]
    samples: tuple[FailureSample, ...]
    """The first segment of every verdict other than verified, worst first."""
    refused: int
    """Verified segments that the receiving end's own keys drop."""
    vrfs: tuple[str, ...]
    is_covered: bool
    """A peer entry covers the socket pair."""
    runs: tuple[KeyRun, ...]
    """In the order of their first segments."""
    transitions: tuple[KeyTransition, ...]
    marks: tuple[Mark, ...] = ()
    """What stands out, in the order of their first segments; bounded (see `engine.marks`)."""
    plans: tuple[tuple[str, KeyPlan], ...] = ()
    """Direction and plan, of each plan that the key files' lifetimes make; the sender's before the receiver's."""


def connection_results(analyzer: Analyzer) -> list[ConnectionResult]:
    """The connections that have at least one segment, in the order of their first."""
    numbers = analyzer.tallies.column("number")
    runs_of = _runs_by_connection(analyzer.timeline)
    marks_of = analyzer.marks.by_connection()
    a_sides = analyzer.connections.a_sides()
    captures = analyzer.tallies.column("first_capture").tolist()
    # A connection of which a filter leaves nothing has a number and no capture.
    indices = sorted((number, index) for index, number in enumerate(numbers.tolist()) if captures[index] >= 0)
    return [
        _connection(analyzer, index, number, int(a_sides[index]), runs_of.get(index, []), marks_of.get(index, []))
        for number, index in indices
    ]


def _connection(
    analyzer: Analyzer, index: int, number: int, a_side: int, runs: list[int], marks: list[int]
) -> ConnectionResult:
    connections = analyzer.connections
    pair = int(connections.pairs[index])
    ends = analyzer.pairs.ends[pair]
    keys = analyzer.pairs.keys[pair]
    opener = int(connections.openers[index])
    opened_by = {OPENER_UNKNOWN: None, OPENED_BY_BOTH: "both"}.get(opener, "a")
    # Rows of the timeline stand batch by batch, and within a batch by direction: only frames order runs alike always.
    key_runs = tuple(sorted((_run(analyzer, run, a_side) for run in runs), key=lambda run: run.order))
    verdicts = analyzer.tallies.column("verdicts")[index].tolist()
    reasons = analyzer.tallies.column("reasons")[index].tolist()
    return ConnectionResult(
        id=number,
        index=index,
        a=_end(ends[a_side], analyzer, index, a_side),
        b=_end(ends[1 - a_side], analyzer, index, 1 - a_side),
        opened_by=opened_by,
        isn_source=_isn_source(analyzer, index),
        first_capture=int(analyzer.tallies.column("first_capture")[index]),
        first_frame=int(analyzer.tallies.column("first_frame")[index]),
        last_capture=int(analyzer.tallies.column("last_capture")[index]),
        last_frame=int(analyzer.tallies.column("last_frame")[index]),
        first_time_ns=int(analyzer.tallies.column("first_time_ns")[index]),
        last_time_ns=int(analyzer.tallies.column("last_time_ns")[index]),
        verdicts=dict(zip(VERDICT_MEMBERS, verdicts, strict=True)),
        reasons={reason.word: reasons[reason] for reason in Reason if reasons[reason]},
        samples=tuple(
            FailureSample(sample, DIRECTIONS[sample.side ^ a_side], *_candidate_names(analyzer, pair, sample))
            for verdict in Verdict
            if (sample := analyzer.tallies.samples.get((index, verdict))) is not None
        ),
        refused=int(analyzer.tallies.column("refused")[index]),
        vrfs=tuple(sorted(keys.vrfs)) if keys is not None else (),
        is_covered=keys is not None,
        runs=key_runs,
        transitions=transitions_of(key_runs),
        marks=tuple(analyzer.marks.mark(row, a_side) for row in marks),
        plans=_plans(analyzer, ends, a_side, key_runs),
    )


def _plans(
    analyzer: Analyzer, ends: tuple[Endpoint, Endpoint], a_side: int, runs: tuple[KeyRun, ...]
) -> tuple[tuple[str, KeyPlan], ...]:
    if not analyzer.keyring.has_lifetimes:
        return ()
    used = frozenset(run.mkt_index for run in runs if run.mkt_index is not None)
    return tuple(
        (direction, plan)
        for number, direction in enumerate(DIRECTIONS)
        for plan in plans_of(analyzer.keyring, ends, number ^ a_side, used)
    )


def _isn_source(analyzer: Analyzer, index: int) -> IsnSource:
    source = IsnSource(int(analyzer.connections.isn_sources[index]))
    entry = int(analyzer.connections.known_entries[index])
    if source is IsnSource.KEY_FILE and entry >= 0 and analyzer.keyring.store.connections[entry].is_recovered:
        return IsnSource.RECOVERED
    return source


def _candidate_names(analyzer: Analyzer, pair: int, sample: Sample) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that the sample's KeyID selects, and the gaps among them."""
    keys = analyzer.pairs.keys[pair]
    if keys is None or sample.method is Method.NONE:
        return (), ()
    candidates = keys.candidates(sample.side, sample.method, sample.key_id)
    mkts = [analyzer.keyring.mkts[index] for index in dict.fromkeys(candidate.mkt for candidate in candidates)]
    gaps = (f"{mkt.origin.path}: {mkt.gap}" for mkt in mkts if mkt.secret is None)
    return tuple(dict.fromkeys(mkt.name for mkt in mkts)), tuple(gaps)


def _end(end: Endpoint, analyzer: Analyzer, index: int, side: int) -> EndResult:
    connections = analyzer.connections
    isn = int(connections.isns[index, side]) if connections.has_isn[index, side] else None
    return EndResult(str(ip_address(end.address)), end.port, isn)


def _runs_by_connection(timeline: Timeline) -> dict[int, list[int]]:
    runs: dict[int, list[int]] = defaultdict(list)
    for run, connection in enumerate(timeline.connections.tolist()):
        runs[connection].append(run)
    return runs


def _run(analyzer: Analyzer, run: int, a_side: int) -> KeyRun:
    timeline = analyzer.timeline
    mkt = int(timeline.mkts[run])
    method = Method(int(timeline.methods[run]))
    is_ao = method is Method.AO
    verdicts = timeline.verdicts[run].tolist()
    return KeyRun(
        direction=DIRECTIONS[int(timeline.sides[run]) ^ a_side],
        method=method,
        key_id=int(timeline.key_ids[run]) if is_ao else None,
        rnext_key_id=int(timeline.rnext_key_ids[run]) if is_ao else None,
        mkt=None if mkt == NO_MKT_INDEX else analyzer.keyring.mkts[mkt].name,
        order=int(timeline.number("first_orders")[run]),
        first_capture=int(timeline.number("captures")[run]),
        first_frame=int(timeline.number("first_frames")[run]),
        last_capture=int(timeline.number("last_captures")[run]),
        last_frame=int(timeline.number("last_frames")[run]),
        first_time_ns=int(timeline.number("first_times_ns")[run]),
        last_time_ns=int(timeline.number("last_times_ns")[run]),
        segments=int(timeline.number("segments")[run]),
        verdicts=dict(zip(VERDICT_MEMBERS, verdicts, strict=True)),
        tcp_options=tcp_options_of(timeline.coverages[run]),
        mkt_index=None if mkt == NO_MKT_INDEX else mkt,
        starts_behind=bool(timeline.starts_behind[run]),
        is_behind=bool(timeline.is_behind[run]),
        starts_with_older_ack=bool(timeline.starts_with_older_ack[run]),
    )
