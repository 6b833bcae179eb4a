"""Which fields differ in the paired segments of one direction, in how many of them, and which side's octets verify.

Fixed fields are compared as columns. Options are read one by one, and only where the option spaces differ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8
from aoinspect.engine.comparison.model import (
    FIELDS,
    LISTED_VALUES,
    FieldChange,
    FieldName,
    How,
    Protection,
    Value,
    ValueChange,
    VerdictPair,
)
from aoinspect.engine.comparison.option_changes import option_changes
from aoinspect.engine.comparison.reading import Observed, Reading
from aoinspect.engine.locate import Mask
from aoinspect.engine.segments import ACK
from aoinspect.engine.verdicts import Coverage, Method, Reason, Verdict

_MODULUS = 1 << 32
_FIXED_HEADER = 20
_COVERS, _LEAVES_OUT, _UNKNOWN = 1, 0, -1

_BELOW_TCP = frozenset(
    {FieldName.HOP_LIMIT, FieldName.DSCP, FieldName.IP_ECN, FieldName.IDENTIFICATION, FieldName.FLOW_LABEL}
)
"""Fields that no TCP checksum covers."""

I8 = npt.NDArray[np.int8]


class _Kind(NamedTuple):
    """Differences that are told together."""

    field: FieldName
    how: How
    option: str | None


class _Found(NamedTuple):
    """Differences of one kind, one value a segment."""

    at: I64
    """Positions among the pairs."""
    values_a: Sequence[Value]
    values_b: Sequence[Value]


class PairedSegments:
    """Pairs of one direction: the same segments in A and B, as columns of one length."""

    def __init__(self, a: Reading, b: Reading, rows_a: I64, rows_b: I64, options_covered: bool | None) -> None:
        """`options_covered` is for segments that verify in neither capture."""
        self.a, self.b = a.segments.select(rows_a), b.segments.select(rows_b)
        self.verdicts_a, self.verdicts_b = a.rows.verdict[rows_a], b.rows.verdict[rows_b]
        self.reasons_a, self.reasons_b = a.rows.reason[rows_a], b.rows.reason[rows_b]
        self.is_verified_a = self.verdicts_a == Verdict.VERIFIED
        self.is_verified_b = self.verdicts_b == Verdict.VERIFIED
        otherwise = _UNKNOWN if options_covered is None else int(options_covered)
        coverage = np.where(self.is_verified_a, a.rows.coverage[rows_a], b.rows.coverage[rows_b])
        self.options_covered: I8 = np.select(
            [
                (self.a.methods == Method.MD5) | (self.b.methods == Method.MD5),
                coverage == Coverage.INCLUDE,
                coverage == Coverage.EXCLUDE,
                coverage == Coverage.UNDETERMINED,
            ],
            [_LEAVES_OUT, _COVERS, _LEAVES_OUT, _UNKNOWN],
            otherwise,
        ).astype(np.int8)

    def verdict_pairs(self) -> tuple[VerdictPair, ...]:
        """How many segments have which verdicts on both sides, the most frequent first."""
        columns = np.stack([self.verdicts_a, self.reasons_a, self.verdicts_b, self.reasons_b], axis=1)
        if not len(columns):
            return ()
        kinds, first, counts = np.unique(columns, axis=0, return_index=True, return_counts=True)
        order = sorted(range(len(kinds)), key=lambda kind: (-int(counts[kind]), int(first[kind])))
        return tuple(
            VerdictPair(
                Verdict(int(kinds[kind][0])),
                Reason(int(kinds[kind][1])),
                Verdict(int(kinds[kind][2])),
                Reason(int(kinds[kind][3])),
                int(counts[kind]),
                (int(self.a.frames[first[kind]]), int(self.b.frames[first[kind]])),
            )
            for kind in order
        )

    def changes(self, direction: str) -> tuple[FieldChange, ...]:
        """Every field that differs, in the order of `FIELDS`."""
        found: dict[_Kind, _Found] = {}
        for field, differs, value_a, value_b in self._fixed():
            at = np.flatnonzero(differs)
            if len(at):
                found[_Kind(field, How.CHANGED, None)] = _Found(at, value_a(at), value_b(at))
        found |= self._options()
        is_touched = np.zeros(len(self.a.frames), dtype=np.bool_)
        for kind, some in found.items():
            if kind.field not in _BELOW_TCP:
                is_touched[some.at] = True
        # What is rewritten takes the checksum with it: only a checksum that differs alone says something.
        at = np.flatnonzero((self.a.checksums != self.b.checksums) & ~is_touched)
        if len(at):
            values = (self.a.checksums[at].tolist(), self.b.checksums[at].tolist())
            found[_Kind(FieldName.CHECKSUM, How.CHANGED, None)] = _Found(at, *values)
        order = list(FIELDS)
        kinds = sorted(found, key=lambda kind: (order.index(kind.field), kind.how.value, kind.option or ""))
        return tuple(self._change(kind, found[kind], direction) for kind in kinds)

    # Fields at fixed places.

    def _fixed(self) -> Iterator[tuple[FieldName, Mask, _Values, _Values]]:
        a, b = self.a, self.b
        is_same_family = a.is_ipv6 == b.is_ipv6
        for field, addresses_a, addresses_b in (
            (FieldName.SOURCE_ADDRESS, a.sources, b.sources),
            (FieldName.DESTINATION_ADDRESS, a.destinations, b.destinations),
        ):
            differs = (addresses_a != addresses_b).any(axis=1) | ~is_same_family
            yield field, differs, _addresses(a, addresses_a), _addresses(b, addresses_b)
        has_ack = (a.flags & b.flags & ACK) != 0
        has_header = a.has_whole_header & b.has_whole_header
        columns: tuple[tuple[FieldName, _Column, _Column, Mask], ...] = (
            (FieldName.SOURCE_PORT, a.ports[:, 0], b.ports[:, 0], has_header),
            (FieldName.DESTINATION_PORT, a.ports[:, 1], b.ports[:, 1], has_header),
            (FieldName.SEQUENCE, a.seqs, b.seqs, has_header),
            (FieldName.ACKNOWLEDGMENT, a.acks, b.acks, has_header & has_ack),
            (FieldName.HEADER_LENGTH, a.header_lengths, b.header_lengths, has_header),
            (FieldName.RESERVED, a.flags >> 9, b.flags >> 9, has_header),
            (FieldName.ECN_FLAGS, a.flags >> 6 & 7, b.flags >> 6 & 7, has_header),
            (FieldName.FLAGS, a.flags & 0x3F, b.flags & 0x3F, has_header),
            (FieldName.WINDOW, a.windows, b.windows, has_header),
            (FieldName.URGENT_POINTER, a.urgent_pointers, b.urgent_pointers, has_header),
            (FieldName.HOP_LIMIT, a.hop_limits, b.hop_limits, is_same_family),
            (FieldName.DSCP, a.traffic_classes >> 2, b.traffic_classes >> 2, is_same_family),
            (FieldName.IP_ECN, a.traffic_classes & 3, b.traffic_classes & 3, is_same_family),
            (FieldName.IDENTIFICATION, a.identifications, b.identifications, ~(a.is_ipv6 | b.is_ipv6)),
            (FieldName.FLOW_LABEL, a.identifications, b.identifications, a.is_ipv6 & b.is_ipv6),
            (FieldName.FRAGMENTATION, a.is_fragmented, b.is_fragmented, is_same_family),
        )
        for field, one, other, is_comparable in columns:
            yield field, (one != other) & is_comparable, _numbers(one), _numbers(other)
        is_other_length = a.payload_lengths != b.payload_lengths
        is_other = is_other_length | ((a.payloads != b.payloads) & a.is_whole & b.is_whole)
        yield FieldName.PAYLOAD, is_other & has_header, _numbers(a.payload_lengths), _numbers(b.payload_lengths)

    # Options.

    def _options(self) -> dict[_Kind, _Found]:
        a, b = self.a, self.b
        differs = (a.options != b.options).any(axis=1) | (a.header_lengths != b.header_lengths)
        at = np.flatnonzero(differs & a.has_whole_header & b.has_whole_header)
        collected: dict[_Kind, tuple[list[int], list[Value], list[Value]]] = defaultdict(lambda: ([], [], []))
        for position in at.tolist():
            for change in option_changes(_option_space(a, position), _option_space(b, position)):
                ats, values_a, values_b = collected[_Kind(change.field, change.how, change.option)]
                ats.append(position)
                values_a.append(change.value_a)
                values_b.append(change.value_b)
        return {
            kind: _Found(np.array(ats, dtype=np.int64), values_a, values_b)
            for kind, (ats, values_a, values_b) in collected.items()
        }

    # What is said of a field.

    def _change(self, kind: _Kind, found: _Found, direction: str) -> FieldChange:
        at = np.unique(found.at)
        is_a, is_b = self.is_verified_a[at], self.is_verified_b[at]
        values = Counter(zip(found.values_a, found.values_b, strict=True))
        return FieldChange(
            field=kind.field,
            how=kind.how,
            direction=direction,
            option=kind.option,
            segments=len(at),
            offset=_offset(values) if FIELDS[kind.field].is_counter and kind.how is How.CHANGED else None,
            values=tuple(ValueChange(*pair, count) for pair, count in values.most_common(LISTED_VALUES)),
            different_values=len(values),
            first_frames=(int(self.a.frames[at[0]]), int(self.b.frames[at[0]])),
            is_covered=self._is_covered(kind.field, at),
            verified_in_both=int(np.count_nonzero(is_a & is_b)),
            verified_in_a=int(np.count_nonzero(is_a & ~is_b)),
            verified_in_b=int(np.count_nonzero(~is_a & is_b)),
        )

    def _is_covered(self, field: FieldName, at: I64) -> bool | None:
        protection = FIELDS[field].protection
        if protection is not Protection.OPTIONS:
            return protection is Protection.ALWAYS
        covered = self.options_covered[at]
        if (covered == _COVERS).any():
            return True
        return False if (covered == _LEAVES_OUT).all() else None


_Values = Callable[[I64], Sequence[Value]]
"""Positions -> values there."""


_Column = npt.NDArray[np.integer] | Mask


def _numbers(column: _Column) -> _Values:
    def values(at: I64) -> list[Value]:
        return [int(value) for value in column[at].tolist()]

    return values


def _addresses(segments: Observed, column: U8) -> _Values:
    def values(at: I64) -> list[Value]:
        return [
            str(ip_address(octets.tobytes() if is_ipv6 else octets[:4].tobytes()))
            for octets, is_ipv6 in zip(column[at], segments.is_ipv6[at].tolist(), strict=True)
        ]

    return values


def _option_space(segments: Observed, position: int) -> bytes:
    length = max(int(segments.header_lengths[position]) - _FIXED_HEADER, 0)
    return segments.options[position, :length].tobytes()


def _offset(values: Iterable[tuple[Value, Value]]) -> int | None:
    """The constant difference of all pairs, modulo 2^32, as a number nearest to 0."""
    differences = {
        (value_b - value_a) % _MODULUS
        for value_a, value_b in values
        if isinstance(value_a, int) and isinstance(value_b, int)
    }
    if len(differences) != 1:
        return None
    (difference,) = differences
    return difference - _MODULUS if difference >= _MODULUS // 2 else difference
