"""Where each segment lies in its direction's endless sequence space, and so its SNE (RFC 5925 6.2, RFC 9187).

A position is `SNE << 32 | seq`, and of all positions with a segment's seq the one nearest to a reference is right
(`aoinspect.ao.sne` states the rule for one segment). What serves as a reference is decided here: the last verified
segment before it, or the ISN at SNE 0. Segments that are not verified are never one, so strays move nothing.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.check import NO_CANDIDATE, BatchCheck
from aoinspect.engine.connections import I32, U64, Connections
from aoinspect.engine.locate import Mask
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.segments import Segments
from aoinspect.engine.verdicts import IsnSource

_SEQUENCE_SPACE = 1 << 32
_HALF_SPACE = 1 << 31


class BatchProgress:
    """What is known so far of one batch's segments: arrays with one value a segment, in capture order."""

    def __init__(self, conns: Connections, check: BatchCheck, segments: Segments, pairs: I32, sides: U8) -> None:
        count = segments.size
        self.conns = conns
        self.check = check
        self.segments = segments
        self.pairs = pairs
        self.sides = sides
        self.connections = np.full(count, -1, dtype=np.int32)
        self.positions: U64 = np.zeros(count, dtype=np.uint64)
        self.candidates = np.full(count, NO_CANDIDATE, dtype=np.int64)
        """Index into `Checker.lists.candidates` of the key that verified, or NO_CANDIDATE."""

    def check_rows(self, rows: I64, connections: I32, positions: U64) -> I64:
        """The candidates under which the MACs of `rows` match as segments of `connections` at `positions`."""
        isns, sides = self.conns.isns, self.sides[rows]
        snes = (positions >> np.uint64(32)).astype(np.uint32)
        return self.check.check(rows, isns[connections, sides], isns[connections, 1 - sides], snes)

    def groups(self, rows: I64) -> I64:
        """A number for each direction of each connection."""
        return self.connections[rows].astype(np.int64) * 2 + self.sides[rows]

    def bases(self, connections: I32, sides: U8, seqs: U32) -> U64:
        """The position that segments (with `seqs`) of these connections and sides are measured against at first.

        The last verified segment's; without one the ISN's, at SNE 0. A connection that the key file tells of has no
        segment at its ISN: there each segment stands at the SNE that the file gives for the first one.
        """
        conns = self.conns
        has_reference = conns.has_reference[connections, sides]
        isns = conns.isns[connections, sides]
        bases = np.where(has_reference, conns.references[connections, sides], isns.astype(np.uint64))
        is_midway = self.is_midway(connections) & ~has_reference
        if is_midway.any():
            hints = conns.sne_hints[connections, sides]
            snes = np.where(hints >= 0, hints, (seqs < isns).astype(np.int64)).astype(np.uint64)
            bases = np.where(is_midway, snes << np.uint64(32) | seqs, bases)
        return bases

    def is_midway(self, connections: I32) -> Mask:
        """Whether the key file tells their ISNs."""
        return cast(Mask, self.conns.isn_sources[connections] == IsnSource.KEY_FILE)

    def nearest(self, bases: U64, seqs: U32, connections: I32, sides: U8) -> U64:
        """The positions of `seqs` that are nearest to `bases`, and not before the start of the connection."""
        steps = _steps(bases.astype(np.uint32), seqs)
        positions = bases + steps.view(np.uint64)
        is_before_zero = (steps < 0) & (bases < (-steps).view(np.uint64))
        if is_before_zero.any():
            # Where the key file says that SNEs were that high already, the counter itself has wrapped.
            is_before_zero &= self.conns.sne_hints[connections, sides] < _HALF_SPACE
            positions = np.where(is_before_zero, seqs.astype(np.uint64), positions)
        return positions

    def chain(self, rows: I64) -> U64:
        """Positions of `rows`, sorted by group, each nearest to the one before it in its group."""
        seqs = self.segments.seqs[rows]
        groups = self.groups(rows)
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = groups[1:] != groups[:-1]
        firsts = np.flatnonzero(is_first)
        bases = self.bases(self.connections[rows[firsts]], self.sides[rows[firsts]], seqs[firsts])
        before = np.empty_like(seqs)
        before[1:] = seqs[:-1]
        before[firsts] = bases.astype(np.uint32)
        steps = _steps(before, seqs)
        travelled = np.cumsum(steps)
        counts = np.diff(firsts, append=len(rows))
        offsets = bases - (travelled[firsts] - steps[firsts]).view(np.uint64)
        return np.repeat(offsets, counts) + travelled.view(np.uint64)

    def not_before_start(self, rows: I64) -> U64:
        """The positions that `chain` gave `rows`; what lies before the start of its connection is at SNE 0."""
        positions = self.positions[rows]
        is_before_zero = positions.view(np.int64) < 0
        is_before_zero &= self.conns.sne_hints[self.connections[rows], self.sides[rows]] < _HALF_SPACE
        return np.where(is_before_zero, self.segments.seqs[rows].astype(np.uint64), positions)

    def by_group(self, rows: I64) -> I64:
        """`rows` (not empty), those of one direction together and in capture order."""
        return rows[stable_order(self.groups(rows))]


def _steps(before: U32, seqs: U32) -> I64:
    """From one sequence number to the next on the shorter way; half the space is a step ahead."""
    steps = (seqs - before).astype(np.int64)
    steps -= (steps > _HALF_SPACE) * np.int64(_SEQUENCE_SPACE)
    return steps


class VerifiedBefore:
    """The verified segments among some of a batch's rows, to find the last one before another in a direction."""

    def __init__(self, progress: BatchProgress, rows: I64) -> None:
        self._progress = progress
        verified = rows[progress.candidates[rows] != NO_CANDIDATE]
        self.rows = progress.by_group(verified) if len(verified) else verified
        """Sorted by direction, then in capture order."""
        self.groups = progress.groups(self.rows)
        self._codes = self.groups << 32 | self.rows

    def reference_rows(self, rows: I64, connections: I32) -> tuple[I64, Mask]:
        """For each of `rows`, as a segment of its connection: the verified row before it, and whether there is one."""
        if not len(self.rows):
            return np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.bool_)
        groups = connections.astype(np.int64) * 2 + self._progress.sides[rows]
        before = np.searchsorted(self._codes, groups << 32 | rows) - 1
        has_before = (before >= 0) & (self.groups[before] == groups)
        return self.rows[before], has_before

    def references(self, rows: I64, connections: I32) -> tuple[U64, Mask]:
        """The positions that `rows` are measured against as segments of `connections`.

        The flag says whether that is a verified segment's, of this batch or an earlier one.
        """
        progress = self._progress
        sides = progress.sides[rows]
        bases = progress.bases(connections, sides, progress.segments.seqs[rows])
        reference_rows, has_before = self.reference_rows(rows, connections)
        bases = np.where(has_before, progress.positions[reference_rows], bases)
        return bases, has_before | progress.conns.has_reference[connections, sides]

    def places(self, rows: I64, connections: I32) -> tuple[U64, Mask]:
        """The positions of `rows` as segments of `connections`, and the flag of `references`."""
        progress = self._progress
        bases, has_reference = self.references(rows, connections)
        seqs, sides = progress.segments.seqs[rows], progress.sides[rows]
        return progress.nearest(bases, seqs, connections, sides), has_reference
