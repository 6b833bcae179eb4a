"""Compares two captures: connections, then directions, then segments, then fields; the order of the work stands here.

Captures are told apart as "A" and "B", in the order given, and which of them a direction passes first is read from the
TTL, else from times (a direction that takes longer to B than the other one is the one that goes there, whatever the
clocks say), else from where segments stop to verify.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from aoinspect.ao.mkt import TcpOptions
from aoinspect.capture.frames import I64
from aoinspect.engine.comparison.changes import PairedSegments
from aoinspect.engine.comparison.conclusion import conclude
from aoinspect.engine.comparison.matching import Match, match_connections
from aoinspect.engine.comparison.model import (
    LISTED_UNPAIRED,
    CaptureOf,
    Comparison,
    ConnectionComparison,
    ConnectionOf,
    DirectionComparison,
    Fate,
    Flow,
    UnpairedSegment,
)
from aoinspect.engine.comparison.pairing import (
    Offsets,
    Paired,
    acknowledgment_offset_of,
    copies_of,
    offset_of,
    pair_segments,
)
from aoinspect.engine.comparison.reading import Reading, read_again
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, EndResult, connection_results
from aoinspect.engine.single_frame import CaptureSource
from aoinspect.engine.verdicts import Coverage, Method, Verdict

LEAST_WAY_NS = 2_000
"""Nanoseconds that the way there and back must take to tell a direction: less is a capture's resolution."""
_MODULUS = 1 << 32


def compare_captures(
    analyzer_a: Analyzer, analyzer_b: Analyzer, source_a: CaptureSource, source_b: CaptureSource
) -> Comparison:
    """What lies between two captures of the same connections, one from each side of a path.

    Each analyser must have been made with `keep_table` and fed the whole of its source, which is read once more.
    CaptureError where that cannot be opened again.
    """
    a, b = read_again(analyzer_a, source_a), read_again(analyzer_b, source_b)
    results_a, results_b = connection_results(analyzer_a), connection_results(analyzer_b)
    by_id_a = {connection.id: connection for connection in results_a}
    by_id_b = {connection.id: connection for connection in results_b}
    matches = match_connections(a, b, results_a, results_b)
    rows = (_rows_by_direction(a), _rows_by_direction(b))
    return Comparison(
        a=_capture(source_a, a),
        b=_capture(source_b, b),
        connections=tuple(
            _Work(match, a, b, by_id_a[match.in_a], by_id_b[match.in_b], rows, (analyzer_a, analyzer_b)).comparison()
            for match in matches
        ),
        only_a=_without(results_a, {match.in_a for match in matches}),
        only_b=_without(results_b, {match.in_b for match in matches}),
    )


def _capture(source: CaptureSource, reading: Reading) -> CaptureOf:
    return CaptureOf(source.path, reading.frames, len(reading.segments.frames) + reading.unread, reading.unread)


def _without(results: list[ConnectionResult], matched: set[int]) -> tuple[ConnectionOf, ...]:
    return tuple(_connection(result) for result in results if result.id not in matched)


def _connection(result: ConnectionResult, *, is_turned: bool = False) -> ConnectionOf:
    ends = (result.b, result.a) if is_turned else (result.a, result.b)
    return ConnectionOf(result.id, *ends, sum(result.verdicts.values()))


_RowsByDirection = dict[tuple[int, int], I64]
"""(connection number, direction) -> rows of a reading, in the order of frames."""


def _rows_by_direction(reading: Reading) -> _RowsByDirection:
    codes = reading.rows.connection.astype(np.int64) * 2 + reading.rows.direction
    order = np.argsort(codes, kind="stable")
    distinct, firsts = np.unique(codes[order], return_index=True)
    parts = np.split(order, firsts[1:])
    return {divmod(code, 2): rows for code, rows in zip(distinct.tolist(), parts, strict=False)}


class _Direction(NamedTuple):
    """One direction, its segments paired."""

    paired: Paired
    segments: PairedSegments
    offset: int
    way_ns: int | None
    """Median of B's time minus A's."""
    fewer_hops_in_b: int
    """Pairs with a lower TTL in B, less those with a lower one in A."""


class _Work:
    """The work on one connection that both captures have."""

    def __init__(
        self,
        match: Match,
        a: Reading,
        b: Reading,
        result_a: ConnectionResult,
        result_b: ConnectionResult,
        rows_of: tuple[_RowsByDirection, _RowsByDirection],
        analyzers: tuple[Analyzer, Analyzer],
    ) -> None:
        self._match, self._a, self._b = match, a, b
        self._rows_of = rows_of
        self._in_a, self._in_b = _connection(result_a), _connection(result_b, is_turned=match.is_crossed)
        self._options_covered = _keys_cover_options(analyzers, (result_a.index, result_b.index))

    def comparison(self) -> ConnectionComparison:
        rows = [self._rows(direction) for direction in (0, 1)]
        offsets = [offset_of(self._a, self._b, *rows[direction], isns=self._isns(direction)) for direction in (0, 1)]
        directions = tuple(self._pair(direction, rows[direction], offsets) for direction in (0, 1))
        flows = _flows(directions)
        compared = (
            self._compared(0, directions[0], flows[0]),
            self._compared(1, directions[1], flows[1]),
        )
        options_covered = self._covers_options(directions)
        return ConnectionComparison(
            in_a=self._in_a,
            in_b=self._in_b,
            matched_by=self._match.matched_by,
            options_covered=options_covered,
            directions=compared,
            conclusion=conclude(compared, options_covered),
        )

    def _rows(self, direction: int) -> tuple[I64, I64]:
        """The rows of one direction of A, and of the same one of B."""
        in_a, in_b = self._rows_of
        nothing = np.zeros(0, dtype=np.int64)
        return (
            in_a.get((self._match.in_a, direction), nothing),
            in_b.get((self._match.in_b, direction ^ self._match.is_crossed), nothing),
        )

    def _ends(self, direction: int) -> tuple[EndResult, EndResult]:
        """Who sends, in A and in B."""
        return (self._in_a.a, self._in_b.a) if direction == 0 else (self._in_a.b, self._in_b.b)

    def _isns(self, direction: int) -> tuple[int | None, int | None]:
        one, other = self._ends(direction)
        return one.isn, other.isn

    def _pair(self, direction: int, rows: tuple[I64, I64], offsets: list[int]) -> _Direction:
        a, b = self._a, self._b
        acknowledgment = acknowledgment_offset_of(a, b, *rows, otherwise=offsets[1 - direction])
        paired = pair_segments(a, b, *rows, offsets=Offsets(offsets[direction], acknowledgment))
        segments = PairedSegments(a, b, paired.rows_a, paired.rows_b, self._options_covered)
        times_a, times_b = segments.a.times_ns, segments.b.times_ns
        has_times = bool(len(times_a)) and bool((times_a != 0).all()) and bool((times_b != 0).all())
        is_same_family = segments.a.is_ipv6 == segments.b.is_ipv6
        hops = segments.a.hop_limits.astype(np.int64) - segments.b.hop_limits
        return _Direction(
            paired=paired,
            segments=segments,
            offset=offsets[direction],
            way_ns=int(np.median(times_b - times_a)) if has_times else None,
            fewer_hops_in_b=int(np.sign(hops[is_same_family]).sum()),
        )

    def _compared(self, direction: int, found: _Direction, flow: Flow) -> DirectionComparison:
        word = DIRECTIONS[direction]
        sender_a, sender_b = self._ends(direction)
        fates, unpaired = self._unpaired(word, found, flow)
        return DirectionComparison(
            direction=word,
            sender_a=sender_a,
            sender_b=sender_b,
            flow=flow,
            pairs=len(found.paired.rows_a),
            only_a=len(found.paired.only_a),
            only_b=len(found.paired.only_b),
            fates=fates,
            unpaired=unpaired,
            clock_difference_ns=found.way_ns,
            verdicts=found.segments.verdict_pairs(),
            changes=found.segments.changes(word),
        )

    def _unpaired(
        self, word: str, found: _Direction, flow: Flow
    ) -> tuple[tuple[tuple[Fate, str, int], ...], tuple[UnpairedSegment, ...]]:
        """How many segments are in one capture alone, and why; and the first of them."""
        paired, shift_ns = found.paired, found.way_ns or 0
        counts: Counter[tuple[str, Fate]] = Counter()
        named: list[UnpairedSegment] = []
        recut_a, recut_b = _recut(self._a, self._b, found)
        for name, reading, other, rows, paired_rows, recut, shift, is_first in (
            ("A", self._a, self._b, paired.only_a, paired.rows_a, recut_a, shift_ns, flow is Flow.A_TO_B),
            ("B", self._b, self._a, paired.only_b, paired.rows_b, recut_b, -shift_ns, flow is Flow.B_TO_A),
        ):
            is_copy = copies_of(reading, rows, paired_rows)
            times = reading.segments.times_ns[rows] + shift
            is_outside = (times < other.first_time_ns) | (times > other.last_time_ns)
            for index, row in enumerate(rows.tolist()):
                if row in recut:
                    fate = Fate.RECUT
                elif is_copy[index] and not is_first and flow is not Flow.UNKNOWN:
                    fate = Fate.DUPLICATED
                elif is_outside[index]:
                    fate = Fate.OUTSIDE
                elif flow is Flow.UNKNOWN:
                    fate = Fate.UNKNOWN
                else:
                    fate = Fate.LOST if is_first else Fate.INSERTED
                counts[name, fate] += 1
                if len(named) < LISTED_UNPAIRED:
                    named.append(_unpaired_segment(name, reading, row, word, fate))
        return tuple((fate, name, count) for (name, fate), count in counts.items()), tuple(named)

    def _covers_options(self, directions: tuple[_Direction, ...]) -> bool | None:
        """What the verified segments of both captures say, else what the keys say."""
        seen: set[int] = set()
        for found in directions:
            for reading, rows in ((self._a, found.paired.rows_a), (self._b, found.paired.rows_b)):
                is_verified = reading.rows.verdict[rows] == Verdict.VERIFIED
                is_ao = reading.rows.method[rows] == Method.AO
                seen |= set(reading.rows.coverage[rows[is_verified & is_ao]].tolist())
                if (is_verified & (reading.rows.method[rows] == Method.MD5)).any():
                    seen.add(int(Coverage.EXCLUDE))
        seen -= {int(Coverage.UNKNOWN), int(Coverage.UNDETERMINED)}
        if len(seen) == 1:
            return seen == {int(Coverage.INCLUDE)}
        return None if seen else self._options_covered


def _unpaired_segment(name: str, reading: Reading, row: int, word: str, fate: Fate) -> UnpairedSegment:
    segments = reading.segments
    return UnpairedSegment(
        capture=name,
        frame=int(segments.frames[row]),
        direction=word,
        fate=fate,
        seq=int(segments.seqs[row]),
        flags=int(segments.flags[row]),
        payload_length=int(segments.payload_lengths[row]),
        verdict=Verdict(int(reading.rows.verdict[row])),
    )


def _recut(a: Reading, b: Reading, found: _Direction) -> tuple[set[int], set[int]]:
    """Rows of A and of B that carry the same octets in differently cut segments; no span of theirs is in the other."""
    paired = found.paired
    spans_a = _spans(a, paired.only_a, 0)
    spans_b = _spans(b, paired.only_b, found.offset)
    known_a = set(spans_a.values()) | set(_spans(a, paired.rows_a, 0).values())
    known_b = set(spans_b.values()) | set(_spans(b, paired.rows_b, found.offset).values())
    fresh_a = {row: span for row, span in spans_a.items() if span not in known_b}
    fresh_b = {row: span for row, span in spans_b.items() if span not in known_a}
    return _overlapping(fresh_a, fresh_b), _overlapping(fresh_b, fresh_a)


_Span = tuple[int, int]
"""First octet and end (exclusive) in a direction's stream."""


def _spans(reading: Reading, rows: I64, offset: int) -> dict[int, _Span]:
    """Row -> what it carries; rows without payload have none."""
    segments = reading.segments
    starts = ((segments.seqs[rows].astype(np.int64) - offset) % _MODULUS).tolist()
    lengths = segments.payload_lengths[rows].tolist()
    return {
        row: (start, start + length)
        for row, start, length in zip(rows.tolist(), starts, lengths, strict=True)
        if length
    }


def _overlapping(own: dict[int, _Span], others: dict[int, _Span]) -> set[int]:
    """The rows of `own` that share an octet with one of `others`."""
    if not others:
        return set()
    ordered = sorted(others.values())
    starts = [start for start, _ in ordered]
    # The furthest end of all spans up to each: spans of retransmissions lie within one another.
    ends = list(accumulate((end for _, end in ordered), max))
    found = set()
    for row, (start, end) in own.items():
        before = bisect_left(starts, end)
        if before and ends[before - 1] > start:
            found.add(row)
    return found


def _flows(directions: tuple[_Direction, ...]) -> tuple[Flow, Flow]:
    """Which capture each direction passes first."""
    first, second = directions
    evidence = int(np.sign(first.fewer_hops_in_b)) - int(np.sign(second.fewer_hops_in_b))
    if not evidence and first.way_ns is not None and second.way_ns is not None:
        way_ns = first.way_ns - second.way_ns
        evidence = int(np.sign(way_ns)) if abs(way_ns) >= LEAST_WAY_NS else 0
    if not evidence:
        evidence = _fails_behind(first.segments) - _fails_behind(second.segments)
    if not evidence:
        return Flow.UNKNOWN, Flow.UNKNOWN
    return (Flow.A_TO_B, Flow.B_TO_A) if evidence > 0 else (Flow.B_TO_A, Flow.A_TO_B)


def _fails_behind(segments: PairedSegments) -> int:
    """1 where segments verify in A and no longer in B, -1 the other way round."""
    in_a, in_b = np.count_nonzero(segments.is_verified_a), np.count_nonzero(segments.is_verified_b)
    return int(np.sign(int(in_a) - int(in_b)))


def _keys_cover_options(analyzers: tuple[Analyzer, Analyzer], indices: tuple[int, int]) -> bool | None:
    """Whether all keys of the connection's socket pair, in either capture, include TCP options; None: they differ."""
    ways: set[bool] = set()
    for analyzer, index in zip(analyzers, indices, strict=True):
        keys = analyzer.pairs.keys[int(analyzer.connections.pairs[index])]
        if keys is None:
            continue
        for candidates in keys.lists.values():
            for candidate in candidates:
                mkt = analyzer.keyring.mkts[candidate.mkt]
                ways.add(candidate.include_options and mkt.send_id is not None)
                if mkt.tcp_options is TcpOptions.AUTO:
                    return None
    return ways.pop() if len(ways) == 1 else None
