"""Which segment of one direction in capture A is which in capture B.

Both captures' sequence numbers are counted from one point, so that a constant offset (randomised sequence numbers)
does not matter. Segments are paired by what they have in common, the strongest first: the MAC with position and
payload; the MAC alone; position, payload and acknowledgment; position and payload; position and length. Copies and
retransmissions that have the same in common are paired in order, and where one capture has fewer of them, by time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64
from aoinspect.engine.comparison.reading import Reading
from aoinspect.engine.connections import U64
from aoinspect.engine.segments import ACK, FIN, RST, SYN
from aoinspect.engine.verdicts import Verdict

_MODULUS = 1 << 32
ALIGNMENT_LIMIT = 4_096
"""Products of copies up to which times decide which is missing."""
TELLING_PAYLOAD = 20
"""Octets; shorter ones are the same everywhere."""
TELLING_MAC = 4
LONG_MAC = 8
"""Octets from which on a MAC alone tells a segment."""


class Paired(NamedTuple):
    """Rows of the two readings that are the same segment, in the order of A, and those without a counterpart."""

    rows_a: I64
    rows_b: I64
    only_a: I64
    only_b: I64


class Offsets(NamedTuple):
    """B minus A, modulo 2^32."""

    sequence: int
    acknowledgment: int


_Index = npt.NDArray[np.intp]


class _Signed(NamedTuple):
    """Segments of one direction whose MACs are unique in both captures."""

    rows_a: I64
    rows_b: I64


def offset_of(a: Reading, b: Reading, rows_a: _Index, rows_b: _Index, isns: tuple[int | None, int | None]) -> int:
    """By how much a direction's sequence numbers differ: B minus A, modulo 2^32.

    The most frequent difference of segments that are surely the same; else that of `isns` (in A, in B); else 0.
    """
    same = _surely_same(a, b, rows_a, rows_b)
    if len(same.rows_a):
        return _most_frequent(b.segments.seqs[same.rows_b].astype(np.int64) - a.segments.seqs[same.rows_a])
    if isns[0] is not None and isns[1] is not None:
        return (isns[1] - isns[0]) % _MODULUS
    return 0


def acknowledgment_offset_of(a: Reading, b: Reading, rows_a: _Index, rows_b: _Index, otherwise: int) -> int:
    """The same of acknowledgment numbers; `otherwise`, the other direction's, where no segment tells."""
    same = _surely_same(a, b, rows_a, rows_b)
    has_ack = (a.segments.flags[same.rows_a] & b.segments.flags[same.rows_b] & ACK) != 0
    if not has_ack.any():
        return otherwise
    differences = b.segments.acks[same.rows_b].astype(np.int64) - a.segments.acks[same.rows_a]
    return _most_frequent(differences[has_ack])


def _most_frequent(differences: I64) -> int:
    values, counts = np.unique(differences % _MODULUS, return_counts=True)
    return int(values[np.argmax(counts)])


def _surely_same(a: Reading, b: Reading, rows_a: _Index, rows_b: _Index) -> _Signed:
    """Segments with the same MAC; where there are none, with the same telling payload. Unique ones only."""
    for is_by_mac in (True, False):
        values_a, firsts_a = _unique(a, rows_a, is_by_mac)
        values_b, firsts_b = _unique(b, rows_b, is_by_mac)
        _, at_a, at_b = np.intersect1d(values_a, values_b, assume_unique=True, return_indices=True)
        if len(at_a):
            return _Signed(firsts_a[at_a], firsts_b[at_b])
    nothing = np.zeros(0, dtype=np.int64)
    return _Signed(nothing, nothing)


def _unique(reading: Reading, rows: _Index, is_by_mac: bool) -> tuple[U64, I64]:
    """MACs or telling payloads that one of `rows` alone has (ascending), and that row."""
    segments = reading.segments
    if is_by_mac:
        column, is_telling = segments.macs, segments.mac_lengths >= TELLING_MAC
    else:
        column, is_telling = segments.payloads, segments.payload_lengths >= TELLING_PAYLOAD
    chosen = rows[is_telling[rows]]
    values, firsts, counts = np.unique(column[chosen], return_index=True, return_counts=True)
    return values[counts == 1], chosen[firsts[counts == 1]]


def pair_segments(a: Reading, b: Reading, rows_a: _Index, rows_b: _Index, offsets: Offsets) -> Paired:
    """Pairs the segments of one direction: rows `rows_a` of A with rows `rows_b` of B."""
    pairing = _Pairing(_Traits(a, rows_a, Offsets(0, 0)), _Traits(b, rows_b, offsets))
    pairing.run()
    return pairing.outcome()


class _Traits:
    """What one capture's segments of a direction have, as plain lists, by position in `rows`."""

    def __init__(self, reading: Reading, rows: _Index, offsets: Offsets) -> None:
        segments = reading.segments
        self.rows = rows
        self.times = segments.times_ns[rows].tolist()
        self.seqs = ((segments.seqs[rows].astype(np.int64) - offsets.sequence) % _MODULUS).tolist()
        self.acks = ((segments.acks[rows].astype(np.int64) - offsets.acknowledgment) % _MODULUS).tolist()
        self.kinds = (segments.flags[rows] & (SYN | FIN | RST)).tolist()
        self.has_ack = ((segments.flags[rows] & ACK) != 0).tolist()
        self.lengths = segments.payload_lengths[rows].tolist()
        self.payloads = segments.payloads[rows].tolist()
        self.macs = segments.macs[rows].tolist()
        self.mac_lengths = segments.mac_lengths[rows].tolist()
        self.is_verified = (reading.rows.verdict[rows] == Verdict.VERIFIED).tolist()


_Key = Callable[[_Traits, int], Hashable | None]
"""What a segment is paired by; None: not by this."""


def _by_mac_and_place(traits: _Traits, at: int) -> Hashable | None:
    if not traits.mac_lengths[at]:
        return None
    return traits.macs[at], traits.seqs[at], traits.kinds[at], traits.lengths[at], traits.payloads[at]


def _by_mac(traits: _Traits, at: int) -> Hashable | None:
    return traits.macs[at] if traits.mac_lengths[at] >= LONG_MAC else None


def _by_place_and_ack(traits: _Traits, at: int) -> Hashable | None:
    place = traits.seqs[at], traits.kinds[at], traits.lengths[at], traits.payloads[at]
    return (*place, traits.acks[at] if traits.has_ack[at] else None)


def _by_place_and_payload(traits: _Traits, at: int) -> Hashable | None:
    return traits.seqs[at], traits.kinds[at], traits.lengths[at], traits.payloads[at]


def _by_place(traits: _Traits, at: int) -> Hashable | None:
    return traits.seqs[at], traits.kinds[at], traits.lengths[at]


def _by_payload(traits: _Traits, at: int) -> Hashable | None:
    return (traits.payloads[at], traits.kinds[at]) if traits.lengths[at] >= TELLING_PAYLOAD else None


def _by_syn(traits: _Traits, at: int) -> Hashable | None:
    """A SYN, whatever payload was taken from it or given to it."""
    return (traits.seqs[at], traits.has_ack[at]) if traits.kinds[at] == SYN else None


class _Pairing:
    """The work on one direction."""

    def __init__(self, a: _Traits, b: _Traits) -> None:
        self._a, self._b = a, b
        self._left_a = list(range(len(a.rows)))
        self._left_b = list(range(len(b.rows)))
        self._pairs: list[tuple[int, int]] = []
        self._shift_ns: int | None = None
        """Median of B's time minus A's, once pairs tell it."""

    def run(self) -> None:
        # Segments that a path leaves signed keep their MACs: two verified ones of different MACs are two transmissions.
        self._pair(_by_mac_and_place)
        self._pair(_by_mac)
        signed = sum(1 for length in self._a.mac_lengths if length)
        passes_macs = len(self._pairs) * 2 > signed
        for key in (_by_place_and_ack, _by_place_and_payload, _by_place, _by_payload, _by_syn):
            self._pair(key, keeps_macs=passes_macs)

    def outcome(self) -> Paired:
        pairs = np.array(sorted(self._pairs), dtype=np.int64).reshape(-1, 2)
        return Paired(
            rows_a=self._a.rows[pairs[:, 0]],
            rows_b=self._b.rows[pairs[:, 1]],
            only_a=self._a.rows[np.array(self._left_a, dtype=np.int64)],
            only_b=self._b.rows[np.array(self._left_b, dtype=np.int64)],
        )

    def _pair(self, key: _Key, *, keeps_macs: bool = False) -> None:
        groups_a, groups_b = _grouped(self._a, self._left_a, key), _grouped(self._b, self._left_b, key)
        shared = [(ats, groups_b[value]) for value, ats in groups_a.items() if value in groups_b]
        if self._shift_ns is None:
            alone = [(one[0], other[0]) for one, other in shared if len(one) == len(other) == 1]
            self._learn_shift(alone or self._pairs)
        found = [
            pair
            for ats_a, ats_b in shared
            for pair in self._align(ats_a, ats_b)
            if not (keeps_macs and self._are_two_transmissions(*pair))
        ]
        self._pairs += found
        taken_a, taken_b = {one for one, _ in found}, {other for _, other in found}
        self._left_a = [at for at in self._left_a if at not in taken_a]
        self._left_b = [at for at in self._left_b if at not in taken_b]

    def _learn_shift(self, pairs: Iterable[tuple[int, int]]) -> None:
        differences = [self._b.times[other] - self._a.times[one] for one, other in pairs]
        if differences:
            self._shift_ns = int(np.median(differences))

    def _are_two_transmissions(self, one: int, other: int) -> bool:
        a, b = self._a, self._b
        return bool(a.is_verified[one] and b.is_verified[other] and a.macs[one] != b.macs[other])

    def _align(self, ats_a: list[int], ats_b: list[int]) -> list[tuple[int, int]]:
        """Pairs copies in order; where their numbers differ, so that times agree best."""
        if len(ats_a) == len(ats_b) or self._shift_ns is None or len(ats_a) * len(ats_b) > ALIGNMENT_LIMIT:
            return list(zip(ats_a, ats_b, strict=False))
        if len(ats_a) > len(ats_b):
            return [(one, other) for other, one in self._nearest(ats_b, self._b.times, ats_a, self._a.times, 1)]
        return self._nearest(ats_a, self._a.times, ats_b, self._b.times, -1)

    def _nearest(
        self, few: list[int], few_times: list[int], many: list[int], many_times: list[int], sign: int
    ) -> list[tuple[int, int]]:
        """Each of `few` with one of `many`, both in order, with the least sum of differences in time."""
        assert self._shift_ns is not None
        shift = self._shift_ns * sign
        # best[i][j]: the least cost of placing the first i of `few` among the first j of `many`.
        best = [[0] * (len(many) + 1)]
        for i, at in enumerate(few, 1):
            line: list[int] = [-1] * (len(many) + 1)
            for j in range(i, len(many) + 1):
                cost = best[i - 1][j - 1] + abs(many_times[many[j - 1]] + shift - few_times[at])
                line[j] = cost if j == i else min(cost, line[j - 1])
            best.append(line)
        pairs = []
        i, j = len(few), len(many)
        while i:
            while j > i and best[i][j] == best[i][j - 1]:
                j -= 1
            pairs.append((few[i - 1], many[j - 1]))
            i, j = i - 1, j - 1
        return pairs[::-1]


def _grouped(traits: _Traits, ats: list[int], key: _Key) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for at in ats:
        value = key(traits, at)
        if value is not None:
            groups[value].append(at)
    return groups


def copies_of(reading: Reading, rows: I64, paired: I64) -> npt.NDArray[np.bool_]:
    """Which of `rows` are copies of one of the segments in `paired`: the same octets of the stream, MAC and ack."""

    def tokens(some: I64) -> list[tuple[int, ...]]:
        segments = reading.segments
        columns = (segments.seqs, segments.acks, segments.flags, segments.payloads, segments.macs)
        return list(zip(*(column[some].tolist() for column in columns), strict=True))

    known = Counter(tokens(paired))
    return np.array([known[token] > 0 for token in tokens(rows)], dtype=np.bool_)
