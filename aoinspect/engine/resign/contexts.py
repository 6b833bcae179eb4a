"""What a segment's MAC rests on besides its octets and a key: both ISNs and the SNE (RFC 5925 5.2, 6.2).

The first pass has told them for everything that it verified. What was not signed, or is signed wrong, gets them here:
the ISNs are the connection's, and a position is the one nearest to that of the segment before it in its direction, with
verified segments as fixed points. That is how a verifier follows segments that are all genuine, as these will be. (The
first pass itself measures failing segments against verified ones only, since they may be anybody's.) Where ISNs are not
known, nothing can be signed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.connections import U64, Connections
from aoinspect.engine.locate import Mask
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.segments import ACK, SYN
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import IsnSource, Method, Reason, Verdict

_HALF_SPACE = 1 << 31


class SegmentContexts(NamedTuple):
    """Columns with one value a row of the table."""

    connections: I64
    """Index into the engine's connections (not the Report's number)."""
    pairs: I64
    """Index into the engine's socket pairs."""
    sides: U8
    """Which end of the pair sent it, 0 or 1."""
    source_isns: U32
    """The sender's ISN, as the KDF context takes it."""
    destination_isns: U32
    """The receiver's; 0 for a SYN without ACK."""
    has_isns: Mask
    snes: U32

    def select(self, rows: I64 | Mask) -> SegmentContexts:
        """The same for some rows."""
        return SegmentContexts._make(column[rows] for column in self)


def contexts_of(analyzer: Analyzer, rows: Rows) -> SegmentContexts:
    """ISNs and SNE of each of `rows`, which are those of one capture in the order of its frames."""
    conns = analyzer.connections
    numbers = analyzer.tallies.column("number")
    index_of_number = np.zeros(len(numbers), dtype=np.int64)
    numbered = np.flatnonzero(numbers >= 0)
    index_of_number[numbers[numbered]] = numbered
    connections = index_of_number[rows.connection] if len(numbers) else np.zeros(0, dtype=np.int64)
    sides = rows.direction ^ conns.a_sides()[connections].astype(np.uint8)
    is_syn, has_ack = (rows.flags & SYN) != 0, (rows.flags & ACK) != 0
    is_first = is_syn & ~has_ack
    peer_isns = conns.isns[connections, 1 - sides]
    has_peer_isn = conns.has_isn[connections, 1 - sides]
    # A SYN-ACK tells the other end's ISN itself where nothing else does.
    peer_isns = np.where(is_syn & ~has_peer_isn, rows.ack - np.uint32(1), peer_isns)
    return SegmentContexts(
        connections=connections,
        pairs=conns.pairs[connections].astype(np.int64),
        sides=sides,
        source_isns=np.where(is_syn, rows.seq, conns.isns[connections, sides]),
        destination_isns=np.where(is_first, np.uint32(0), peer_isns),
        has_isns=is_syn | (conns.has_isn[connections, sides] & has_peer_isn),
        snes=_snes(conns, rows, connections, sides, is_syn),
    )


def _snes(conns: Connections, rows: Rows, connections: I64, sides: U8, is_syn: Mask) -> U32:
    is_signed = rows.method != Method.NONE
    is_fixed = (rows.verdict == Verdict.VERIFIED) & (rows.method == Method.AO) & rows.has_sne | is_syn
    snes = np.where(is_syn, np.uint32(0), rows.sne)
    # Unsigned segments amid signed ones are somebody else's, and what the snap length cut may lack its sequence number:
    # either would lead those behind it astray.
    has_signature = np.zeros(len(conns), dtype=np.bool_)
    has_signature[connections[is_signed]] = True
    takes_part = (is_signed | ~has_signature[connections]) & (rows.reason != Reason.TRUNCATED)
    takes_part &= (rows.verdict != Verdict.MALFORMED) & (rows.verdict != Verdict.NO_KEY) | (rows.method == Method.MD5)
    groups = connections * 2 + sides
    is_open = np.zeros(2 * len(conns), dtype=np.bool_)
    is_open[groups[takes_part & ~is_fixed]] = True
    wanted = np.flatnonzero(takes_part & is_open[groups])
    if len(wanted):
        wanted = wanted[stable_order(groups[wanted])]
        positions = _chain(conns, rows.seq[wanted], connections[wanted], sides[wanted], snes[wanted], is_fixed[wanted])
        snes[wanted] = (positions >> np.uint64(32)).astype(np.uint32)
    return snes


def _chain(conns: Connections, seqs: U32, connections: I64, sides: U8, snes: U32, is_anchor: Mask) -> U64:
    """Positions of segments sorted by direction; those of anchors are `snes`, the others follow on the shorter way."""
    groups = connections * 2 + sides
    is_first = np.ones(len(seqs), dtype=np.bool_)
    is_first[1:] = groups[1:] != groups[:-1]
    firsts = np.flatnonzero(is_first)
    bases = _bases(conns, seqs[firsts], connections[firsts], sides[firsts])
    before = np.empty_like(seqs)
    before[1:] = seqs[:-1]
    before[firsts] = bases.astype(np.uint32)
    steps = (seqs - before).astype(np.int64)
    steps -= (steps > _HALF_SPACE) * np.int64(1 << 32)
    travelled = np.cumsum(steps).view(np.uint64)
    # What a direction's positions are ahead of `travelled`: fixed at its start, and again at each anchor.
    ahead = np.zeros(len(seqs), dtype=np.uint64)
    ahead[firsts] = bases - (travelled[firsts] - steps[firsts].view(np.uint64))
    told = snes.astype(np.uint64) << np.uint64(32) | seqs
    ahead[is_anchor] = (told - travelled)[is_anchor]
    fixed_at = np.maximum.accumulate(np.where(is_first | is_anchor, np.arange(len(seqs)), 0))
    positions = travelled + ahead[fixed_at]
    is_before_zero = (positions >> np.uint64(63) != 0) & (conns.sne_hints[connections, sides] < _HALF_SPACE)
    return np.where(is_before_zero, seqs.astype(np.uint64), positions)


def _bases(conns: Connections, seqs: U32, connections: I64, sides: U8) -> U64:
    """What the first segment of a direction is measured against: the ISN, or what the key file says of it."""
    isns = conns.isns[connections, sides]
    hints = conns.sne_hints[connections, sides]
    first_snes = np.where(hints >= 0, hints, (seqs < isns).astype(np.int64)).astype(np.uint64)
    is_midway = conns.isn_sources[connections] == IsnSource.KEY_FILE
    return np.where(is_midway, first_snes << np.uint64(32) | seqs, isns.astype(np.uint64))
