"""Where on a connection something stands out: SYN, FIN, RST, SNE roll-overs, and segments that failed.

Marks are kept as columns and their number is bounded: consecutive failures of one direction and verdict are one
mark, and where a connection has more than `MARKS_PER_KIND` of a kind, neighbours are merged. A mark that was merged
says so by its `stretches`; its extent and its number of segments stay exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.columns import Columns
from aoinspect.engine.connections import I32, U64
from aoinspect.engine.judge import Judgement
from aoinspect.engine.locate import Mask
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.segments import FIN, RST, SYN, Segments
from aoinspect.engine.transitions import DIRECTIONS
from aoinspect.engine.verdicts import Verdict, Word

MARKS_PER_KIND = 1_000
"""At most so many marks of one kind on one connection, half of them for each direction."""

NO_MARK = -1

_COMPACT_ABOVE = 0x10000


class MarkKind(Word):
    """What a mark stands for. The failures have the numbers of their verdicts."""

    MISMATCH = Verdict.MISMATCH
    NO_KEY = Verdict.NO_KEY
    UNSIGNED = Verdict.UNSIGNED
    MALFORMED = Verdict.MALFORMED
    UNVERIFIABLE = Verdict.UNVERIFIABLE
    SYN = 6
    """With or without ACK."""
    FIN = 7
    RST = 8
    SNE = 9
    """The first segment under a higher sequence number extension (RFC 5925 6.2)."""

    @property
    def is_failure(self) -> bool:
        """Whether the mark is about segments that are not verified."""
        return self <= MarkKind.UNVERIFIABLE


@dataclass(frozen=True, slots=True)
class Mark:
    """One place, or one stretch of consecutive failures, on one direction of a connection."""

    direction: str
    kind: MarkKind
    first_capture: int
    first_frame: int
    last_capture: int
    last_frame: int
    first_time_ns: int
    last_time_ns: int
    segments: int
    """How many segments of this kind lie from first to last."""
    stretches: int
    """How many marks were merged into this one: 1 unless the connection had too many."""


_COLUMNS = {
    "connections": (np.int32, 0, ()),
    "sides": (np.int8, 0, ()),
    "kinds": (np.uint8, 0, ()),
    "first_captures": (np.int32, 0, ()),
    "first_frames": (np.int64, 0, ()),
    "first_times_ns": (np.int64, 0, ()),
    "last_captures": (np.int32, 0, ()),
    "last_frames": (np.int64, 0, ()),
    "last_times_ns": (np.int64, 0, ()),
    "segments": (np.int64, 0, ()),
    "stretches": (np.int64, 1, ()),
}

_MARK_COLUMNS = (
    "sides",
    "kinds",
    "first_captures",
    "first_frames",
    "last_captures",
    "last_frames",
    "first_times_ns",
    "last_times_ns",
    "segments",
    "stretches",
)
"""Those of a `Mark`, in the order of its fields."""

_FLAGS = ((MarkKind.SYN, SYN), (MarkKind.FIN, FIN), (MarkKind.RST, RST))


class Marks:
    """All marks of a run, as columns (one row a mark)."""

    def __init__(self, per_kind: int = MARKS_PER_KIND) -> None:
        """`per_kind`: how many marks of one kind a connection may have; at least 4."""
        self._per_side = per_kind // 2
        self._columns = Columns(_COLUMNS)
        self._open: I64 = np.zeros(0, dtype=np.int64)
        """connection * 2 + side -> row of the failure that its last segment belongs to, else NO_MARK."""
        self._open_count = 0
        self._compact_above = _COMPACT_ABOVE

    def __len__(self) -> int:
        return len(self._columns)

    def note_batch(self, segments: Segments, sides: U8, judgement: Judgement, reached: U64) -> None:
        """Takes one batch of judged segments (arrays of one length, in capture order).

        `reached`, shape (connections, 2), is the highest position (SNE << 32 | seq) of each connection and side before
        the batch, 0 where it has none.
        """
        missing = len(reached) * 2 - len(self._open)
        if missing > 0:
            self._open = np.concatenate([self._open, np.full(missing, NO_MARK, dtype=np.int64)])
        batch = _Batch(segments, sides, judgement)
        has_flag = (segments.flags & np.uint16(SYN | FIN | RST)) != 0
        if has_flag.any():
            flagged = np.flatnonzero(has_flag)
            for kind, flag in _FLAGS:
                self._add_places(batch, kind, flagged[(segments.flags[flagged] & flag) != 0])
        is_failing = judgement.verdicts != Verdict.VERIFIED
        if self._open_count or is_failing.any():
            self._add_failures(batch, is_failing)
        if judgement.snes.any() or (reached >> np.uint64(32)).any():
            self._add_places(batch, MarkKind.SNE, _roll_overs(batch, reached))
        if len(self._columns) > self._compact_above:
            self._compact()
            self._compact_above = max(_COMPACT_ABOVE, 2 * len(self._columns))

    def by_connection(self, a_sides: Sequence[int]) -> dict[int, tuple[Mark, ...]]:
        """Connection -> its marks, in the order of their first segments; `a_sides` say which side is its end a."""
        self._compact()
        order = np.lexsort((self._number("first_frames"), self._number("first_captures")))
        # Every column is a list once: reading scalars out of arrays costs more than all else here.
        connections, *columns = (self._number(name)[order].tolist() for name in ("connections", *_MARK_COLUMNS))
        marks: dict[int, list[Mark]] = defaultdict(list)
        for connection, side, kind, *rest in zip(connections, *columns, strict=True):
            marks[connection].append(Mark(DIRECTIONS[side ^ a_sides[connection]], MarkKind(kind), *rest))
        return {connection: tuple(of_connection) for connection, of_connection in marks.items()}

    def _number(self, name: str) -> I64:
        return cast(I64, self._columns[name])

    def _add_places(self, batch: _Batch, kind: MarkKind, rows: npt.NDArray[np.intp]) -> None:
        """A mark for each of `rows`."""
        if len(rows):
            marks = self._begin(batch, rows)
            self._number("kinds")[marks] = kind
            self._end(batch, marks, rows)
            self._number("segments")[marks] = 1

    def _add_failures(self, batch: _Batch, is_failing: Mask) -> None:
        """A mark for each stretch of one direction's failures; a stretch that the last batch began goes on."""
        is_concerned = self._open != NO_MARK
        is_concerned[batch.groups[is_failing]] = True
        rows = np.flatnonzero(is_concerned[batch.groups])
        if not len(rows):
            return
        rows = rows[stable_order(batch.groups[rows])]
        groups, verdicts = batch.groups[rows], batch.verdicts[rows]
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = groups[1:] != groups[:-1]
        is_start = is_first.copy()
        is_start[1:] |= verdicts[1:] != verdicts[:-1]
        starts = np.flatnonzero(is_start)
        ends = np.append(starts[1:], len(rows)) - 1
        groups, verdicts, is_first = groups[starts], verdicts[starts], is_first[starts]
        marks = np.where(is_first, self._open[groups], NO_MARK)
        goes_on = marks != NO_MARK
        goes_on[goes_on] = self._number("kinds")[marks[goes_on]] == verdicts[goes_on]
        marks[~goes_on] = NO_MARK
        fails = verdicts != Verdict.VERIFIED
        fresh = np.flatnonzero(fails & ~goes_on)
        if len(fresh):
            marks[fresh] = self._begin(batch, rows[starts[fresh]])
            self._number("kinds")[marks[fresh]] = verdicts[fresh]
        self._end(batch, marks[fails], rows[ends[fails]])
        self._number("segments")[marks[fails]] += ends[fails] - starts[fails] + 1
        is_last = np.append(is_first[1:], True)
        self._open[groups[is_last]] = marks[is_last]
        self._open_count = int(np.count_nonzero(self._open != NO_MARK))

    def _begin(self, batch: _Batch, rows: npt.NDArray[np.intp]) -> I64:
        """New marks that begin at `rows` of the batch."""
        marks = self._columns.add(len(rows)) + np.arange(len(rows), dtype=np.int64)
        self._number("connections")[marks] = batch.groups[rows] >> 1
        self._number("sides")[marks] = batch.groups[rows] & 1
        self._number("first_captures")[marks] = batch.captures[rows]
        self._number("first_frames")[marks] = batch.frames[rows]
        self._number("first_times_ns")[marks] = batch.times_ns[rows]
        return marks

    def _end(self, batch: _Batch, marks: I64, rows: npt.NDArray[np.intp]) -> None:
        self._number("last_captures")[marks] = batch.captures[rows]
        self._number("last_frames")[marks] = batch.frames[rows]
        self._number("last_times_ns")[marks] = batch.times_ns[rows]

    def _compact(self) -> None:
        """Merges neighbours wherever one direction has more marks of a kind than it may."""
        count = len(self._columns)
        if count <= self._per_side:
            return
        codes = (self._number("connections").astype(np.int64) * 2 + self._number("sides")) << 8 | self._number("kinds")
        order = np.argsort(codes, kind="stable")
        _, firsts, sizes = np.unique(codes[order], return_index=True, return_counts=True)
        if int(sizes.max()) <= self._per_side:
            return
        ranks = np.arange(count) - np.repeat(firsts, sizes)
        # Merging to half the bound leaves room, so that it is done seldom.
        buckets = np.where(sizes > self._per_side, (self._per_side + 1) // 2, sizes)
        places = ranks * np.repeat(buckets, sizes) // np.repeat(sizes, sizes)
        is_start = np.ones(count, dtype=np.bool_)
        is_start[1:] = (places[1:] != places[:-1]) | (np.diff(codes[order]) != 0)
        starts = np.flatnonzero(is_start)
        ends = np.append(starts[1:], count) - 1
        merged = Columns(_COLUMNS)
        merged.add(len(starts))
        for name in _COLUMNS:
            column = self._number(name)[order]
            if name in ("segments", "stretches"):
                merged[name][:] = np.add.reduceat(column, starts)
            else:
                merged[name][:] = column[ends if name.startswith("last_") else starts]
        moved_to = np.empty(count, dtype=np.int64)
        moved_to[order] = np.cumsum(is_start) - 1
        is_open = self._open != NO_MARK
        self._open[is_open] = moved_to[self._open[is_open]]
        self._columns = merged


class _Batch:
    """What the marks need of one batch; arrays of one length."""

    def __init__(self, segments: Segments, sides: U8, judgement: Judgement) -> None:
        self.captures: I64 = segments.packets.captures
        self.frames: I64 = segments.packets.frames
        self.times_ns: I64 = segments.packets.times_ns
        self.verdicts: U8 = judgement.verdicts
        self.snes: U32 = judgement.snes
        self.has_sne: Mask = judgement.has_sne
        connections: I32 = judgement.connections
        self.groups: I64 = connections.astype(np.int64) * 2 + sides
        """connection * 2 + side"""


def _roll_overs(batch: _Batch, reached: U64) -> npt.NDArray[np.intp]:
    """Rows of the batch whose SNE is higher than any before it in its direction; a direction's first SNE is none.

    Only verified segments count, or all of them where there is no key: a stranger's SNE may be anything.
    """
    known = np.where(reached != 0, (reached >> np.uint64(32)).astype(np.int64), -1).reshape(-1)
    counts = batch.has_sne & ((batch.verdicts == Verdict.VERIFIED) | (batch.verdicts == Verdict.NO_KEY))
    is_odd = np.zeros(len(known), dtype=np.bool_)
    is_odd[batch.groups[counts & (batch.snes != known[batch.groups])]] = True
    rows = np.flatnonzero(counts & is_odd[batch.groups])
    if not len(rows):
        return rows
    rows = rows[stable_order(batch.groups[rows])]
    groups, snes = batch.groups[rows], batch.snes[rows]
    is_first = np.ones(len(rows), dtype=np.bool_)
    is_first[1:] = groups[1:] != groups[:-1]
    ranks = np.cumsum(is_first) - 1
    has_base = known[groups[is_first]] >= 0
    bases = np.where(has_base, known[groups[is_first]], snes[is_first].astype(np.int64)).astype(np.uint32)
    # Relative to where the direction stood, as signed 32-bit numbers: the SNE is a counter that wraps itself.
    steps = (snes - bases[ranks]).view(np.int32).astype(np.int64)
    highest = np.maximum.accumulate(ranks * (1 << 33) + steps) - ranks * (1 << 33)
    before = np.zeros(len(rows), dtype=np.int64)
    before[1:] = highest[:-1]
    before[is_first] = 0
    return np.sort(rows[highest > before])
