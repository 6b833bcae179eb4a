"""What a run found, as objects: connections, key runs, marks. One object each, never one per segment.

The columns of `connections`, `timeline` and `marks` are read here, once, when a Report is made.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from ipaddress import ip_address

import numpy as np

from aoinspect.engine.connections import OPENED_BY_BOTH, OPENER_UNKNOWN
from aoinspect.engine.key_plan import KeyPlan, plans_of
from aoinspect.engine.keyring import Endpoint
from aoinspect.engine.marks import Mark
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.tallies import Sample
from aoinspect.engine.timeline import NO_MKT_INDEX, tcp_options_of
from aoinspect.engine.transitions import DIRECTIONS, KeyRun, KeyTransition, transitions_of
from aoinspect.engine.verdicts import VERDICT_MEMBERS, IsnSource, Method, Reason

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
    return _Results(analyzer).connections()


class _Results:
    """The making of one run's results.

    Columns become lists, each once: to read single values out of arrays, several for each of a hundred thousand
    connections, would cost more than everything else here.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._a_sides: list[int] = analyzer.connections.a_sides().tolist()
        self._runs = _runs_by_connection(analyzer, self._a_sides)
        self._marks = analyzer.marks.by_connection(self._a_sides)
        self._addresses: dict[bytes, str] = {}
        self._samples: dict[int, list[Sample]] = defaultdict(list)
        # The enum's order, worst first.
        for (connection, _), sample in sorted(analyzer.tallies.samples.items()):
            self._samples[connection].append(sample)

    def connections(self) -> list[ConnectionResult]:
        tallies, connections = self._analyzer.tallies, self._analyzer.connections
        count = len(tallies.column("number"))
        columns = zip(
            tallies.column("number").tolist(),
            range(count),
            connections.pairs[:count].tolist(),
            connections.openers[:count].tolist(),
            connections.isns[:count].tolist(),
            connections.has_isn[:count].tolist(),
            tallies.column("verdicts").tolist(),
            tallies.column("reasons").tolist(),
            tallies.column("refused").tolist(),
            zip(*(tallies.column(name).tolist() for name in _EXTENT), strict=True),
            strict=True,
        )
        # A connection of which a filter leaves nothing has a number and no capture.
        return [self._connection(*values) for values in sorted(columns) if values[-1][0] >= 0]

    def _connection(
        self,
        number: int,
        index: int,
        pair: int,
        opener: int,
        isns: list[int],
        has_isn: list[bool],
        verdicts: list[int],
        reasons: list[int],
        refused: int,
        extent: tuple[int, ...],
    ) -> ConnectionResult:
        analyzer = self._analyzer
        ends, keys = analyzer.pairs.ends[pair], analyzer.pairs.keys[pair]
        a_side = self._a_sides[index]
        a, b = (
            EndResult(self._address(ends[side].address), ends[side].port, isns[side] if has_isn[side] else None)
            for side in (a_side, 1 - a_side)
        )
        key_runs = self._runs.get(index, ())
        first_capture, first_frame, last_capture, last_frame, first_time_ns, last_time_ns = extent
        return ConnectionResult(
            id=number,
            index=index,
            a=a,
            b=b,
            opened_by=_OPENED_BY.get(opener, "a"),
            isn_source=_isn_source(analyzer, index),
            first_capture=first_capture,
            first_frame=first_frame,
            last_capture=last_capture,
            last_frame=last_frame,
            first_time_ns=first_time_ns,
            last_time_ns=last_time_ns,
            verdicts=dict(zip(VERDICT_MEMBERS, verdicts, strict=True)),
            reasons={word: count for word, count in zip(_REASON_WORDS, reasons, strict=True) if count},
            samples=tuple(
                FailureSample(sample, DIRECTIONS[sample.side ^ a_side], *_candidate_names(analyzer, pair, sample))
                for sample in self._samples.get(index, ())
            ),
            refused=refused,
            vrfs=tuple(sorted(keys.vrfs)) if keys is not None else (),
            is_covered=keys is not None,
            runs=key_runs,
            transitions=transitions_of(key_runs),
            marks=self._marks.get(index, ()),
            plans=_plans(analyzer, ends, a_side, key_runs),
        )

    def _address(self, octets: bytes) -> str:
        known = self._addresses.get(octets)
        if known is None:
            known = self._addresses[octets] = str(ip_address(octets))
        return known


_EXTENT = ("first_capture", "first_frame", "last_capture", "last_frame", "first_time_ns", "last_time_ns")
_OPENED_BY = {OPENER_UNKNOWN: None, OPENED_BY_BOTH: "both"}
_REASON_WORDS = tuple(reason.word for reason in Reason)


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
    if source is not IsnSource.KEY_FILE:
        return source
    entry = int(analyzer.connections.known_entries[index])
    if entry >= 0 and analyzer.keyring.store.connections[entry].is_recovered:
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


def _runs_by_connection(analyzer: Analyzer, a_sides: list[int]) -> dict[int, tuple[KeyRun, ...]]:
    """Connection -> its key runs, in the order of their first segments.

    Rows of the timeline stand batch by batch, and within a batch by direction: only orders sort runs alike always.
    """
    timeline = analyzer.timeline
    names = [mkt.name for mkt in analyzer.keyring.mkts]
    columns = (np.asarray(timeline.number(name)).tolist() for name in _RUN_COLUMNS)
    found: dict[int, list[KeyRun]] = defaultdict(list)
    for (
        connection,
        side,
        method_number,
        key_id,
        rnext_key_id,
        mkt,
        order,
        first_capture,
        first_frame,
        last_capture,
        last_frame,
        first_time_ns,
        last_time_ns,
        segments,
        verdicts,
        coverages,
        starts_behind,
        is_behind,
        starts_with_older_ack,
    ) in zip(*columns, strict=True):
        method = Method(method_number)
        is_ao = method is Method.AO
        is_known = mkt != NO_MKT_INDEX
        found[connection].append(
            KeyRun(
                direction=DIRECTIONS[side ^ a_sides[connection]],
                method=method,
                key_id=key_id if is_ao else None,
                rnext_key_id=rnext_key_id if is_ao else None,
                mkt=names[mkt] if is_known else None,
                order=order,
                first_capture=first_capture,
                first_frame=first_frame,
                last_capture=last_capture,
                last_frame=last_frame,
                first_time_ns=first_time_ns,
                last_time_ns=last_time_ns,
                segments=segments,
                verdicts=dict(zip(VERDICT_MEMBERS, verdicts, strict=True)),
                tcp_options=tcp_options_of(coverages),
                mkt_index=mkt if is_known else None,
                starts_behind=starts_behind,
                is_behind=is_behind,
                starts_with_older_ack=starts_with_older_ack,
            )
        )
    return {
        connection: tuple(sorted(runs, key=lambda run: run.order) if len(runs) > 1 else runs)
        for connection, runs in found.items()
    }


_RUN_COLUMNS = (
    "connections",
    "sides",
    "methods",
    "key_ids",
    "rnext_key_ids",
    "mkts",
    "first_orders",
    "captures",
    "first_frames",
    "last_captures",
    "last_frames",
    "first_times_ns",
    "last_times_ns",
    "segments",
    "verdicts",
    "coverages",
    "starts_behind",
    "is_behind",
    "starts_with_older_ack",
)
