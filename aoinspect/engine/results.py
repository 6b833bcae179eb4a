"""What a run found, as objects: connections, key runs, marks. One object each, never one per segment.

The columns of `connections`, `timeline` and `marks` are read here, once, when a Report is made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.engine.connections import OPENED_BY_BOTH, OPENER_UNKNOWN
from aoinspect.engine.key_plan import KeyPlan, plans_of
from aoinspect.engine.keyring import Endpoint
from aoinspect.engine.marks import Mark
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.tallies import Sample
from aoinspect.engine.timeline import NO_MKT_INDEX, tcp_options_of
from aoinspect.engine.transitions import DIRECTIONS, KeyRun, KeyTransition, transitions_of
from aoinspect.engine.verdicts import VERDICT_MEMBERS, IsnSource, Method, Reason, Verdict

__all__ = [
    "DIRECTIONS",
    "ConnectionResult",
    "EndResult",
    "FailureSample",
    "KeyRun",
    "KeyTransition",
    "connection_result",
    "connection_results",
    "end_result",
    "opened_by",
    "runs_in_order",
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


def connection_result(
    analyzer: Analyzer, index: int, number: int, a_side: int, runs: Sequence[int]
) -> ConnectionResult:
    """The connection in row `index` of the engine's columns, which the Report numbers `number`; without its marks.

    `a_side` is the side of its end a; `runs` are its rows of the timeline.
    """
    tallies, connections = analyzer.tallies, analyzer.connections
    row = _Row(
        number,
        index,
        int(connections.pairs[index]),
        int(connections.openers[index]),
        connections.isns[index].tolist(),
        connections.has_isn[index].tolist(),
        tallies.column("verdicts")[index].tolist(),
        tallies.column("reasons")[index].tolist(),
        int(tallies.column("refused")[index]),
        tuple(int(tallies.column(name)[index]) for name in _EXTENT),
    )
    samples = [sample for verdict in Verdict if (sample := tallies.samples.get((index, verdict))) is not None]
    return _connection(analyzer, row, a_side, samples, runs_in_order(analyzer, runs, a_side), ())


class _Row(NamedTuple):
    """A connection's values in the engine's columns."""

    number: int
    at: int
    pair: int
    opener: int
    isns: list[int]
    has_isn: list[bool]
    verdicts: list[int]
    reasons: list[int]
    refused: int
    extent: tuple[int, ...]
    """`_EXTENT`."""


class _Results:
    """The making of all of one run's results.

    Columns become lists, each once: to read single values out of arrays, several for each of a hundred thousand
    connections, would cost more than everything else here.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._a_sides: list[int] = analyzer.connections.a_sides().tolist()
        self._runs: dict[int, list[KeyRun]] = defaultdict(list)
        for connection, run in _key_runs(analyzer, slice(None), self._a_sides.__getitem__):
            self._runs[connection].append(run)
        self._marks = analyzer.marks.by_connection(self._a_sides)
        self._samples: dict[int, list[Sample]] = defaultdict(list)
        # The enum's order, worst first.
        for (connection, _), sample in sorted(analyzer.tallies.samples.items()):
            self._samples[connection].append(sample)

    def connections(self) -> list[ConnectionResult]:
        tallies, connections = self._analyzer.tallies, self._analyzer.connections
        count = len(tallies.column("number"))
        rows = zip(
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
        return [self._connection(row) for row in sorted(map(_Row._make, rows)) if row.extent[0] >= 0]

    def _connection(self, row: _Row) -> ConnectionResult:
        index = row.at
        runs = self._runs.get(index, [])
        return _connection(
            self._analyzer,
            row,
            self._a_sides[index],
            self._samples.get(index, ()),
            tuple(sorted(runs, key=_order_of)),
            self._marks.get(index, ()),
        )


_EXTENT = ("first_capture", "first_frame", "last_capture", "last_frame", "first_time_ns", "last_time_ns")
_OPENED_BY = {OPENER_UNKNOWN: None, OPENED_BY_BOTH: "both"}
_REASON_WORDS = tuple(reason.word for reason in Reason)


def _connection(
    analyzer: Analyzer,
    row: _Row,
    a_side: int,
    samples: Sequence[Sample],
    runs: tuple[KeyRun, ...],
    marks: tuple[Mark, ...],
) -> ConnectionResult:
    ends, keys = analyzer.pairs.ends[row.pair], analyzer.pairs.keys[row.pair]
    a, b = (
        EndResult(_address(ends[side].address), ends[side].port, row.isns[side] if row.has_isn[side] else None)
        for side in (a_side, 1 - a_side)
    )
    first_capture, first_frame, last_capture, last_frame, first_time_ns, last_time_ns = row.extent
    return ConnectionResult(
        id=row.number,
        index=row.at,
        a=a,
        b=b,
        opened_by=_OPENED_BY.get(row.opener, "a"),
        isn_source=_isn_source(analyzer, row.at),
        first_capture=first_capture,
        first_frame=first_frame,
        last_capture=last_capture,
        last_frame=last_frame,
        first_time_ns=first_time_ns,
        last_time_ns=last_time_ns,
        verdicts=dict(zip(VERDICT_MEMBERS, row.verdicts, strict=True)),
        reasons={word: count for word, count in zip(_REASON_WORDS, row.reasons, strict=True) if count},
        samples=tuple(
            FailureSample(sample, DIRECTIONS[sample.side ^ a_side], *_candidate_names(analyzer, row.pair, sample))
            for sample in samples
        ),
        refused=row.refused,
        vrfs=tuple(sorted(keys.vrfs)) if keys is not None else (),
        is_covered=keys is not None,
        runs=runs,
        transitions=transitions_of(runs),
        marks=marks,
        plans=_plans(analyzer, ends, a_side, runs),
    )


@lru_cache(maxsize=4096)
def _address(octets: bytes) -> str:
    return str(ip_address(octets))


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


def opened_by(analyzer: Analyzer, index: int) -> str | None:
    """Who opened the connection in row `index` of the engine's columns, as far as is known: `a`, `both` or None."""
    return _OPENED_BY.get(int(analyzer.connections.openers[index]), "a")


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


def end_result(end: Endpoint, analyzer: Analyzer, index: int, side: int) -> EndResult:
    """`end` as the connection in row `index` has it on its side `side`, with its ISN."""
    connections = analyzer.connections
    isn = int(connections.isns[index, side]) if connections.has_isn[index, side] else None
    return EndResult(_address(end.address), end.port, isn)


def runs_in_order(analyzer: Analyzer, runs: Sequence[int], a_side: int) -> tuple[KeyRun, ...]:
    """The runs in these rows of the timeline, all of one connection, by their first segments."""
    found = (run for _, run in _key_runs(analyzer, np.array(runs, dtype=np.intp), lambda connection: a_side))
    return tuple(sorted(found, key=_order_of))


def _order_of(run: KeyRun) -> int:
    """Rows of the timeline stand batch by batch, and within a batch by direction: only this sorts runs alike always."""
    return run.order


def _key_runs(
    analyzer: Analyzer, rows: slice | npt.NDArray[np.intp], a_side_of: Callable[[int], int]
) -> Iterator[tuple[int, KeyRun]]:
    """The connection and the run of each of `rows` of the timeline."""
    timeline = analyzer.timeline
    names = [mkt.name for mkt in analyzer.keyring.mkts]
    columns = (timeline.number(name)[rows].tolist() for name in _RUN_COLUMNS)
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
        yield (
            connection,
            KeyRun(
                direction=DIRECTIONS[side ^ a_side_of(connection)],
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
            ),
        )


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
