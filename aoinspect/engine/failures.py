"""The octets of failing segments: a bounded few per connection, kept while the capture is read.

Explaining a failure needs the segment itself, which no column holds, and a pipe cannot be read again. So those rows of
a batch that fail come through here, and each connection keeps a dozen of them, spread over senders, KeyIDs and kinds
(SYN, SYN-ACK, RST, with other options, plain). The choice depends on the capture's order alone, never on how it is cut
into batches. Once a kind has offered enough, its further segments cost nothing but array work.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from aoinspect.capture.frames import U8
from aoinspect.engine.judge import Judgement
from aoinspect.engine.locate import Mask
from aoinspect.engine.segments import ACK, RST, SYN, Segments
from aoinspect.engine.verdicts import Method, Reason, Verdict

SEGMENTS_PER_CONNECTION = 12
OFFERS_PER_CONNECTION = 1_024
"""Segments of a connection that are looked at before its choice stands: KeyIDs that never repeat cost no more."""
GROUPS_LIMIT = 262_144
"""Groups of all connections together that are counted; further ones are not looked at."""
OCTETS_LIMIT = 64 * 1024 * 1024
"""Octets kept over a whole run."""

_IPV4_REST, _IPV6_REST = 8, 32
"""Octets from the source address to the end of the fixed IP header (RFC 791 3.1, RFC 8200 3)."""


class Occasion(IntEnum):
    """Why a segment is kept."""

    FAILED = 0
    """mismatch or no-key."""
    REFUSED = 1
    """Verified under the sender's key, and the receiving end's keys drop it."""


class _Shape(IntEnum):
    SYN = 0
    SYN_ACK = 1
    RST = 2
    WITH_OPTIONS = 3
    """With other options than the signature."""
    PLAIN = 4


@dataclass(frozen=True, slots=True)
class FailingSegment:
    """One segment as scalars and octets."""

    capture: int
    frame: int
    time_ns: int
    side: int
    """Of the socket pair: who sent it."""
    source: bytes
    """4 or 16 octets."""
    destination: bytes
    """As the pseudo-header takes it: behind an IPv6 routing header the final one."""
    ip_destination: bytes
    """As the fixed IP header has it."""
    extension_length: int
    """Octets between the fixed IP header and the TCP header."""
    octets: bytes = field(repr=False)
    """TCP header and payload as far as they were captured."""
    declared_length: int
    """Octets of the segment on the wire."""
    is_partial: bool
    """A piece of its IP datagram is missing."""
    sne: int | None
    verdict: Verdict
    reason: Reason
    occasion: Occasion

    @property
    def is_whole(self) -> bool:
        """Whether every octet that a MAC covers is here."""
        return not self.is_partial and len(self.octets) == self.declared_length


class Failures:
    """The kept segments of a run."""

    def __init__(self) -> None:
        self.octets_kept = 0
        self.unkept: set[int] = set()
        """Connections with failing segments of which none could be kept, for OCTETS_LIMIT was reached."""
        self._kept: dict[int, list[tuple[int, FailingSegment]]] = {}
        """Connection -> (group, segment); at most SEGMENTS_PER_CONNECTION."""
        self._offered: Counter[int] = Counter()
        """Group -> segments that it has offered."""
        self._offered_by: Counter[int] = Counter()
        """Connection -> the same."""

    def note_batch(self, segments: Segments, sides: U8, judgement: Judgement, is_refused: Mask) -> None:
        """Takes one batch of judged segments (arrays of one length, in capture order)."""
        verdicts = judgement.verdicts
        is_failing = ((verdicts == Verdict.MISMATCH) | (verdicts == Verdict.NO_KEY)) & (segments.methods != Method.NONE)
        rows = np.flatnonzero(is_failing | is_refused)
        if not len(rows):
            return
        occasions = np.where(is_failing, Occasion.FAILED, Occasion.REFUSED)
        groups = judgement.connections[rows].astype(np.int64)
        for column, width in (
            (occasions[rows], 1),
            (sides[rows], 1),
            (_shapes(segments)[rows], 3),
            (segments.key_ids[rows], 8),
        ):
            groups = groups << width | column.astype(np.int64)
        distinct, inverse = np.unique(groups, return_inverse=True)
        is_closed = np.array([self._is_closed(group) for group in distinct.tolist()], dtype=np.bool_)
        is_open = ~is_closed[inverse]
        for row, group in zip(rows[is_open].tolist(), groups[is_open].tolist(), strict=True):
            if not self._is_closed(group):
                self._offer(row, group, Occasion(int(occasions[row])), segments, sides, judgement)

    def of(self, connection: int, occasion: Occasion) -> tuple[FailingSegment, ...]:
        """The kept segments of one connection: SYNs, then SYN-ACKs, then the others, each in capture order."""
        kept = [segment for _, segment in self._kept.get(connection, ()) if segment.occasion is occasion]
        return tuple(sorted(kept, key=lambda segment: (_syn_rank(segment), segment.capture, segment.frame)))

    def _is_closed(self, group: int) -> bool:
        if group not in self._offered and len(self._offered) >= GROUPS_LIMIT:
            if _connection_of(group) not in self._kept:
                self.unkept.add(_connection_of(group))
            return True
        return (
            self._offered[group] >= SEGMENTS_PER_CONNECTION
            or self._offered_by[_connection_of(group)] >= OFFERS_PER_CONNECTION
        )

    def _offer(
        self,
        row: int,
        group: int,
        occasion: Occasion,
        segments: Segments,
        sides: U8,
        judgement: Judgement,
    ) -> None:
        connection = _connection_of(group)
        self._offered[group] += 1
        self._offered_by[connection] += 1
        kept = self._kept.setdefault(connection, [])
        if len(kept) >= SEGMENTS_PER_CONNECTION and not self._make_room(kept, group):
            return
        segment = segment_at(
            row,
            segments,
            capture=int(segments.packets.captures[row]),
            side=int(sides[row]),
            sne=int(judgement.snes[row]) if judgement.has_sne[row] else None,
            verdict=Verdict(int(judgement.verdicts[row])),
            reason=Reason(int(judgement.reasons[row])),
            occasion=occasion,
        )
        if self.octets_kept + len(segment.octets) > OCTETS_LIMIT:
            if not kept:
                self.unkept.add(connection)
            return
        self.octets_kept += len(segment.octets)
        kept.append((group, segment))

    def _make_room(self, kept: list[tuple[int, FailingSegment]], group: int) -> bool:
        """Drops the last segment of the largest group, if `group` has at least two fewer."""
        counts = Counter(other for other, _ in kept)
        largest, count = counts.most_common(1)[0]
        if count < counts[group] + 2:
            return False
        at = max(index for index, (other, _) in enumerate(kept) if other == largest)
        self.octets_kept -= len(kept.pop(at)[1].octets)
        return True


def _connection_of(group: int) -> int:
    return group >> 13


def _shapes(segments: Segments) -> U8:
    flags = segments.flags
    is_syn, is_ack = (flags & SYN) != 0, (flags & ACK) != 0
    return np.select(
        [is_syn & ~is_ack, is_syn, (flags & RST) != 0, ~segments.is_sole_option],
        [_Shape.SYN, _Shape.SYN_ACK, _Shape.RST, _Shape.WITH_OPTIONS],
        _Shape.PLAIN,
    ).astype(np.uint8)


def _syn_rank(segment: FailingSegment) -> int:
    flags = segment.octets[13] if len(segment.octets) > 13 else 0
    return 2 if not flags & SYN else 1 if flags & ACK else 0


def segment_at(
    row: int,
    segments: Segments,
    *,
    capture: int,
    side: int,
    sne: int | None,
    verdict: Verdict,
    reason: Reason,
    occasion: Occasion,
) -> FailingSegment:
    """One of `segments` as scalars and octets, with what is known of it besides."""
    packets = segments.packets
    octets = packets.octets
    width = 16 if packets.is_ipv6[row] else 4
    source, destination = int(packets.sources[row]), int(packets.destinations[row])
    start, end = int(packets.starts[row]), int(packets.ends[row])
    rest = _IPV6_REST if packets.is_ipv6[row] else _IPV4_REST
    return FailingSegment(
        capture=capture,
        frame=int(packets.frames[row]),
        time_ns=int(packets.times_ns[row]),
        side=side,
        source=octets[source : source + width].tobytes(),
        destination=octets[destination : destination + width].tobytes(),
        ip_destination=octets[source + width : source + 2 * width].tobytes(),
        extension_length=max(start - source - rest, 0),
        octets=octets[start : min(end, int(packets.limits[row]))].tobytes(),
        declared_length=end - start,
        is_partial=bool(packets.is_partial[row]),
        sne=sne,
        verdict=verdict,
        reason=reason,
        occasion=occasion,
    )
