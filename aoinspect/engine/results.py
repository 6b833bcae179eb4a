"""What a run found, as objects: connections, key runs, key transitions. One object each, never one per segment.

The columns of `connections` and `timeline` are read here, once, when a Report is made. What prompted a key change is
decided here too: the ids of both directions are laid side by side, and a change of KeyID is prompted by the RNextKeyID
that the other end was sending by then (RFC 5925 7.5 (2e)).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from ipaddress import ip_address

from aoinspect.engine.connections import OPENED_BY_BOTH, OPENER_UNKNOWN
from aoinspect.engine.keyring import Endpoint
from aoinspect.engine.pipeline import Analyzer, Sample
from aoinspect.engine.timeline import NO_MKT_INDEX, Timeline, tcp_options_of
from aoinspect.engine.verdicts import IsnSource, Method, Reason, Verdict

DIRECTIONS = ("a>b", "b>a")


@dataclass(frozen=True, slots=True)
class EndResult:
    """One end of a connection."""

    address: str
    port: int
    isn: int | None

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class KeyRun:
    """A stretch of one direction's signed segments under the same KeyID, RNextKeyID and MKT."""

    direction: str
    method: Method
    key_id: int | None
    """None for TCP-MD5."""
    rnext_key_id: int | None
    mkt: str | None
    """Name of the MKT that verified it; None where none did."""
    first_capture: int
    first_frame: int
    last_capture: int
    last_frame: int
    first_time_ns: int
    last_time_ns: int
    segments: int
    verdicts: dict[str, int]
    tcp_options: str
    """`include`, `exclude`, `undetermined`, or `both`."""
    mkt_index: int | None
    """Row in the engine's list of MKTs."""
    starts_behind: bool
    """Its first segment lies below the highest position that the direction had reached."""

    @property
    def verified(self) -> int:
        return self.verdicts[Verdict.VERIFIED.member]


@dataclass(frozen=True, slots=True)
class KeyTransition:
    """A change of KeyID or RNextKeyID in one direction."""

    capture: int
    frame: int
    time_ns: int
    direction: str
    field: str
    """`key_id` or `rnext_key_id`."""
    old: int | None
    """None for a direction's first KeyID."""
    new: int
    trigger: str | None
    """`first`, `peer-rnext` (the other end had asked for it), `reordering`, `unprompted`; None for an RNextKeyID."""
    latency_ns: int | None = None
    """From the first segment that asked for the key to the first under it; None without a request."""


@dataclass(frozen=True, slots=True)
class FailureSample:
    """One failing segment, for a person to look at first."""

    segment: Sample
    direction: str
    candidates: tuple[str, ...]
    """Names of the keys that its KeyID selects."""


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


def connection_results(analyzer: Analyzer) -> list[ConnectionResult]:
    """The connections that have at least one segment, in the order of their first."""
    numbers = analyzer.tally("number")
    runs_of = _runs_by_connection(analyzer.timeline)
    a_sides = analyzer.connections.a_sides()
    indices = sorted((number, index) for index, number in enumerate(numbers.tolist()) if number >= 0)
    return [
        _connection(analyzer, index, number, int(a_sides[index]), runs_of.get(index, []))
        for number, index in indices
    ]


def _connection(
    analyzer: Analyzer, index: int, number: int, a_side: int, runs: list[int]
) -> ConnectionResult:
    connections = analyzer.connections
    pair = int(connections.pairs[index])
    ends = analyzer.pairs.ends[pair]
    keys = analyzer.pairs.keys[pair]
    opener = int(connections.openers[index])
    opened_by = {OPENER_UNKNOWN: None, OPENED_BY_BOTH: "both"}.get(opener, "a")
    # Rows of the timeline stand batch by batch, and within a batch by direction: only frames order runs alike always.
    key_runs = tuple(sorted((_run(analyzer, run, a_side) for run in runs), key=_start))
    verdicts = analyzer.tally("verdicts")[index].tolist()
    reasons = analyzer.tally("reasons")[index].tolist()
    return ConnectionResult(
        id=number,
        index=index,
        a=_end(ends[a_side], analyzer, index, a_side),
        b=_end(ends[1 - a_side], analyzer, index, 1 - a_side),
        opened_by=opened_by,
        isn_source=IsnSource(int(connections.isn_sources[index])),
        first_capture=int(analyzer.tally("first_capture")[index]),
        first_frame=int(analyzer.tally("first_frame")[index]),
        last_capture=int(analyzer.tally("last_capture")[index]),
        last_frame=int(analyzer.tally("last_frame")[index]),
        first_time_ns=int(analyzer.tally("first_time_ns")[index]),
        last_time_ns=int(analyzer.tally("last_time_ns")[index]),
        verdicts={verdict.member: verdicts[verdict] for verdict in Verdict},
        reasons={reason.word: reasons[reason] for reason in Reason if reasons[reason]},
        samples=tuple(
            FailureSample(sample, DIRECTIONS[sample.side ^ a_side], _candidate_names(analyzer, pair, sample))
            for verdict in Verdict
            if (sample := analyzer.samples.get((index, verdict))) is not None
        ),
        refused=int(analyzer.tally("refused")[index]),
        vrfs=tuple(sorted(keys.vrfs)) if keys is not None else (),
        is_covered=keys is not None,
        runs=key_runs,
        transitions=transitions_of(key_runs),
    )


def _candidate_names(analyzer: Analyzer, pair: int, sample: Sample) -> tuple[str, ...]:
    """The keys that the sample's KeyID selects."""
    keys = analyzer.pairs.keys[pair]
    if keys is None or sample.method is Method.NONE:
        return ()
    candidates = keys.candidates(sample.side, sample.method, sample.key_id)
    return tuple(dict.fromkeys(analyzer.keyring.mkts[candidate.mkt].name for candidate in candidates))


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
        first_capture=int(timeline.number("captures")[run]),
        first_frame=int(timeline.number("first_frames")[run]),
        last_capture=int(timeline.number("last_captures")[run]),
        last_frame=int(timeline.number("last_frames")[run]),
        first_time_ns=int(timeline.number("first_times_ns")[run]),
        last_time_ns=int(timeline.number("last_times_ns")[run]),
        segments=int(timeline.number("segments")[run]),
        verdicts={verdict.member: verdicts[verdict] for verdict in Verdict},
        tcp_options=tcp_options_of(timeline.coverages[run]),
        mkt_index=None if mkt == NO_MKT_INDEX else mkt,
        starts_behind=bool(timeline.starts_behind[run]),
    )


def transitions_of(runs: tuple[KeyRun, ...]) -> tuple[KeyTransition, ...]:
    """The changes of KeyID and RNextKeyID between the AO runs of each direction, in capture order."""
    by_direction = {
        direction: sorted(
            (run for run in runs if run.direction == direction and run.method is Method.AO), key=_start
        )
        for direction in DIRECTIONS
    }
    transitions = []
    for direction, own_runs in by_direction.items():
        peer_runs = by_direction[DIRECTIONS[1 - DIRECTIONS.index(direction)]]
        requests = _Requests(peer_runs)
        for position, run in enumerate(own_runs):
            before = own_runs[position - 1] if position else None
            assert run.key_id is not None
            assert run.rnext_key_id is not None
            if before is None or before.key_id != run.key_id:
                trigger, latency_ns = _trigger(own_runs, position, requests)
                transitions.append(
                    _transition(
                        run,
                        "key_id",
                        None if before is None else before.key_id,
                        run.key_id,
                        trigger,
                        latency_ns,
                    )
                )
            if before is not None and before.rnext_key_id != run.rnext_key_id:
                transitions.append(
                    _transition(run, "rnext_key_id", before.rnext_key_id, run.rnext_key_id, None, None)
                )
    return tuple(sorted(transitions, key=lambda transition: (transition.capture, transition.frame)))


def _start(run: KeyRun) -> tuple[int, int]:
    return run.first_capture, run.first_frame


def _transition(
    run: KeyRun, field: str, old: int | None, new: int, trigger: str | None, latency_ns: int | None
) -> KeyTransition:
    return KeyTransition(
        run.first_capture,
        run.first_frame,
        run.first_time_ns,
        run.direction,
        field,
        old,
        new,
        trigger,
        latency_ns,
    )


def _trigger(runs: list[KeyRun], position: int, requests: _Requests) -> tuple[str, int | None]:
    """Why the KeyID changed at the start of `runs[position]`, and how long after the request."""
    run = runs[position]
    if position == 0:
        return "first", None
    if _is_reordering(runs, position):
        return "reordering", None
    assert run.key_id is not None
    requested_ns = requests.since(run.key_id, _start(run))
    if requested_ns is None:
        return "unprompted", None
    return "peer-rnext", run.first_time_ns - requested_ns


def _is_reordering(runs: list[KeyRun], position: int) -> bool:
    """Whether old segments came late: a run behind the direction's front, under the key of two runs before.

    The change back to the newer key, right behind such a run, is reordering's as well.
    """
    run = runs[position]
    if (
        run.starts_behind
        and position >= 2
        and any(earlier.key_id == run.key_id for earlier in runs[max(position - 2, 0) : position - 1])
    ):
        return True
    previous = runs[position - 1]
    return (
        position >= 2
        and previous.starts_behind
        and runs[position - 2].key_id == run.key_id
        and position >= 3
        and any(earlier.key_id == previous.key_id for earlier in runs[max(position - 3, 0) : position - 2])
    )


class _Requests:
    """What one end asked the other to sign with, over time: its RNextKeyIDs, from verified runs where there are any."""

    def __init__(self, runs: list[KeyRun]) -> None:
        trusted = [run for run in runs if run.verified] or runs
        self._runs = trusted
        self._starts = [_start(run) for run in trusted]

    def since(self, key_id: int, moment: tuple[int, int]) -> int | None:
        """When the end began to ask for `key_id`, if that is what it asked for right before `moment`; else None."""
        position = bisect_left(self._starts, moment) - 1
        if position < 0 or self._runs[position].rnext_key_id != key_id:
            return None
        while position > 0 and self._runs[position - 1].rnext_key_id == key_id:
            position -= 1
        return self._runs[position].first_time_ns
