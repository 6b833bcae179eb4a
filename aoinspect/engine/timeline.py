"""Key runs: which KeyID, RNextKeyID and MKT each direction of a connection used, from which frame to which.

Runs are kept as columns and extended batch by batch; their number follows the key changes, never the segments.
Transitions are what lies between two runs, and what prompted them is read off the other direction's runs at the end
(RFC 5925 7.4, 7.5: the RNextKeyID that an end receives is the key it is asked to send with).
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.columns import Columns
from aoinspect.engine.connections import I8, I32, U64
from aoinspect.engine.limits import Excess, Limits
from aoinspect.engine.locate import Mask
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.verdicts import Coverage, Method, Verdict

NO_RUN = -1
NO_MKT_INDEX = -1
NO_ACK = -1

_COLUMNS = {
    "connections": (np.int32, 0, ()),
    "sides": (np.int8, 0, ()),
    "methods": (np.uint8, Method.NONE, ()),
    "key_ids": (np.uint8, 0, ()),
    "rnext_key_ids": (np.uint8, 0, ()),
    "mkts": (np.int32, NO_MKT_INDEX, ()),
    "first_orders": (np.int64, 0, ()),
    "captures": (np.int32, 0, ()),
    "first_frames": (np.int64, 0, ()),
    "last_captures": (np.int32, 0, ()),
    "last_frames": (np.int64, 0, ()),
    "first_times_ns": (np.int64, 0, ()),
    "last_times_ns": (np.int64, 0, ()),
    "segments": (np.int64, 0, ()),
    "verdicts": (np.int64, 0, (len(Verdict),)),
    "coverages": (np.int64, 0, (len(Coverage),)),
    "starts_behind": (np.bool_, False, ()),
    "is_behind": (np.bool_, False, ()),
    "starts_with_older_ack": (np.bool_, False, ()),
}


class RunRows:
    """The signed segments of one batch that a timeline is made of, in capture order; arrays of one length."""

    __slots__ = (
        "acks",
        "captures",
        "connections",
        "coverages",
        "frames",
        "has_ack",
        "has_position",
        "key_ids",
        "methods",
        "mkts",
        "orders",
        "positions",
        "rnext_key_ids",
        "sides",
        "times_ns",
        "verdicts",
    )

    def __init__(
        self,
        *,
        connections: I32,
        sides: U8,
        methods: U8,
        key_ids: U8,
        rnext_key_ids: U8,
        mkts: I64,
        verdicts: U8,
        coverages: U8,
        orders: I64,
        captures: I64,
        frames: I64,
        times_ns: I64,
        positions: U64,
        has_position: Mask,
        acks: U32,
        has_ack: Mask,
    ) -> None:
        self.connections = connections
        self.sides = sides
        self.methods = methods
        self.key_ids = key_ids
        self.rnext_key_ids = rnext_key_ids
        self.mkts = mkts
        """NO_MKT_INDEX where the segment is not verified."""
        self.verdicts = verdicts
        self.coverages = coverages
        self.orders = orders
        self.captures = captures
        self.frames = frames
        self.times_ns = times_ns
        self.positions = positions
        self.has_position = has_position
        self.acks = acks
        self.has_ack = has_ack

    def ordered(self, order: npt.NDArray[np.intp]) -> RunRows:
        return RunRows(**{name: getattr(self, name)[order] for name in self.__slots__})


class Timeline:
    """All key runs met so far, as columns (one row a run)."""

    def __init__(self, limits: Limits | None = None, excess: Excess | None = None) -> None:
        self._limits = limits or Limits()
        self._excess = excess if excess is not None else Excess()
        self._columns = Columns(_COLUMNS)
        self._run_counts: I64 = np.zeros((0, 2), dtype=np.int64)
        """Runs of each connection and side."""
        self._open: I32 = np.zeros((0, 2), dtype=np.int32)
        """Run that each connection and side is in, NO_RUN before its first."""
        self._highest: U64 = np.zeros((0, 2), dtype=np.uint64)
        """Highest position (SNE << 32 | seq) that each connection and side has reached; 0 before its first."""
        self._acks: I64 = np.zeros((0, 2), dtype=np.int64)
        """Acknowledgement number of the last segment that counts, NO_ACK before the first."""

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def connections(self) -> I32:
        return cast(I32, self._columns["connections"])

    @property
    def sides(self) -> I8:
        return cast(I8, self._columns["sides"])

    @property
    def methods(self) -> U8:
        return cast(U8, self._columns["methods"])

    @property
    def key_ids(self) -> U8:
        return cast(U8, self._columns["key_ids"])

    @property
    def rnext_key_ids(self) -> U8:
        return cast(U8, self._columns["rnext_key_ids"])

    @property
    def mkts(self) -> I32:
        return cast(I32, self._columns["mkts"])

    @property
    def verdicts(self) -> I64:
        return cast(I64, self._columns["verdicts"])

    @property
    def coverages(self) -> I64:
        return cast(I64, self._columns["coverages"])

    @property
    def starts_behind(self) -> Mask:
        return cast(Mask, self._columns["starts_behind"])

    @property
    def is_behind(self) -> Mask:
        return cast(Mask, self._columns["is_behind"])

    @property
    def starts_with_older_ack(self) -> Mask:
        return cast(Mask, self._columns["starts_with_older_ack"])

    def reached(self, connection_count: int) -> U64:
        """The highest position (SNE << 32 | seq) of each connection and side so far, 0 where there is none.

        The shape is (connection_count, 2).
        """
        self._make_room(connection_count)
        return self._highest

    def number(self, name: str) -> I64:
        """A column of whole numbers, for example `first_frames`; the names are those of `_COLUMNS`."""
        return cast(I64, self._columns[name])

    def extend(self, rows: RunRows, connection_count: int) -> None:
        """Adds the signed segments of one batch. `connection_count` is the number of connections there are by now."""
        self._make_room(connection_count)
        if not len(rows.frames):
            return
        groups = rows.connections.astype(np.int64) * 2 + rows.sides
        order = stable_order(groups)
        rows, groups = rows.ordered(order), groups[order]
        codes = rows.methods.astype(np.int64) << 16 | rows.key_ids.astype(np.int64) << 8 | rows.rnext_key_ids
        starts = self._piece_starts(groups, codes, rows.mkts)
        self._add_pieces(rows, groups, codes, starts)

    def _make_room(self, connection_count: int) -> None:
        missing = connection_count - len(self._open)
        if missing > 0:
            self._open = np.concatenate([self._open, np.full((missing, 2), NO_RUN, dtype=np.int32)])
            self._highest = np.concatenate([self._highest, np.zeros((missing, 2), dtype=np.uint64)])
            self._run_counts = np.concatenate([self._run_counts, np.zeros((missing, 2), dtype=np.int64)])
            self._acks = np.concatenate([self._acks, np.full((missing, 2), NO_ACK, dtype=np.int64)])

    def _piece_starts(self, groups: I64, codes: I64, mkts: I64) -> I64:
        """Where a stretch of equal ids starts in a group, or where another MKT begins to verify under the same ids."""
        is_start = np.ones(len(groups), dtype=np.bool_)
        is_start[1:] = (groups[1:] != groups[:-1]) | (codes[1:] != codes[:-1])
        indices = np.arange(len(groups))
        is_known = mkts != NO_MKT_INDEX
        last_known = np.maximum.accumulate(np.where(is_known, indices, -1))
        stretch = np.maximum.accumulate(np.where(is_start, indices, 0))
        before = np.empty_like(last_known)
        before[0] = -1
        before[1:] = last_known[:-1]
        is_other = is_known & (before >= stretch) & ~is_start
        is_other &= mkts != mkts[np.maximum(before, 0)]
        return np.flatnonzero(is_start | is_other)

    def _add_pieces(self, rows: RunRows, groups: I64, codes: I64, starts: I64) -> None:
        connections, sides = rows.connections[starts], rows.sides[starts]
        lasts = np.append(starts[1:], len(groups)) - 1
        mkts = np.maximum.reduceat(rows.mkts, starts)
        is_first = np.ones(len(starts), dtype=np.bool_)
        is_first[1:] = groups[starts[1:]] != groups[starts[:-1]]
        open_runs = np.where(is_first, self._open[connections, sides], NO_RUN)
        goes_on = open_runs != NO_RUN
        if goes_on.any():
            run_codes = (
                self.methods[open_runs].astype(np.int64) << 16
                | self.key_ids[open_runs].astype(np.int64) << 8
                | self.rnext_key_ids[open_runs]
            )
            run_mkts = self.mkts[open_runs]
            goes_on &= (run_codes == codes[starts]) & (
                (run_mkts == mkts) | (run_mkts == NO_MKT_INDEX) | (mkts == NO_MKT_INDEX)
            )
        is_folded = self._is_over_limit(connections, sides, goes_on, is_first)
        fresh = np.flatnonzero(~goes_on & ~is_folded)
        runs = open_runs.astype(np.int64)
        if is_folded.any():
            runs[is_first & is_folded] = self._open[connections, sides][is_first & is_folded]
        runs[fresh] = self._columns.add(len(fresh)) + np.arange(len(fresh))
        if is_folded.any():
            stands = np.where(is_folded & ~is_first, 0, np.arange(len(runs)))
            runs = runs[np.maximum.accumulate(stands)]
        np.add.at(self._run_counts, (connections[fresh], sides[fresh]), 1)
        opened, first = runs[fresh], starts[fresh]
        self.connections[opened] = connections[fresh]
        self.sides[opened] = sides[fresh]
        self.methods[opened] = rows.methods[first]
        self.key_ids[opened] = rows.key_ids[first]
        self.rnext_key_ids[opened] = rows.rnext_key_ids[first]
        self.number("first_orders")[opened] = rows.orders[first]
        self.number("captures")[opened] = rows.captures[first]
        self.number("first_frames")[opened] = rows.frames[first]
        self.number("first_times_ns")[opened] = rows.times_ns[first]
        starts_behind, is_behind = self._follow_positions(rows, starts, is_first, connections, sides)
        self.starts_behind[opened] = starts_behind[fresh]
        self.is_behind[opened] = True
        self.is_behind[runs[~is_behind]] = False
        self.starts_with_older_ack[opened] = self._follow_acks(rows, starts, lasts, is_first, connections, sides)[fresh]
        np.maximum.at(self.mkts, runs, mkts)
        self.number("last_captures")[runs] = rows.captures[lasts]
        self.number("last_frames")[runs] = rows.frames[lasts]
        self.number("last_times_ns")[runs] = rows.times_ns[lasts]
        np.add.at(self.number("segments"), runs, lasts - starts + 1)
        for verdict in np.flatnonzero(np.bincount(rows.verdicts)).tolist():
            counts = np.add.reduceat((rows.verdicts == verdict).astype(np.int64), starts)
            np.add.at(self.verdicts[:, verdict], runs, counts)
        for coverage in np.flatnonzero(np.bincount(rows.coverages)).tolist():
            counts = np.add.reduceat((rows.coverages == coverage).astype(np.int64), starts)
            np.add.at(self.coverages[:, coverage], runs, counts)
        is_last = np.append(is_first[1:], True)
        self._open[connections[is_last], sides[is_last]] = runs[is_last]

    def _is_over_limit(self, connections: I32, sides: U8, goes_on: Mask, is_first: Mask) -> Mask:
        """Which pieces may begin no run of their own, and are counted into the one before."""
        begins = ~goes_on
        counts = self._run_counts[connections, sides]
        room = self._limits.all_key_runs - len(self)
        if int(counts.max(initial=0)) + len(counts) <= self._limits.key_runs and len(counts) <= room:
            return np.zeros(len(counts), dtype=np.bool_)
        so_far = np.cumsum(begins)
        groups = np.maximum.accumulate(np.where(is_first, np.arange(len(counts)), 0))
        ranks: I64 = so_far - (so_far[groups] - begins[groups])
        is_over = begins & ((counts + ranks > self._limits.key_runs) | (so_far > room))
        # A direction's very first run always stands: connections have a limit of their own.
        is_over &= (counts > 0) | (ranks > 1)
        self._excess.folded_runs += int(np.count_nonzero(is_over))
        return is_over

    def _follow_positions(
        self, rows: RunRows, starts: I64, is_first: Mask, connections: I32, sides: U8
    ) -> tuple[Mask, Mask]:
        """Whether each piece begins, and whether it stays, below the highest position of its direction before it.

        Only segments that count have a say: `positions` of others may be anywhere.
        """
        counts = rows.has_position & _counts(rows.verdicts)
        highest_of_piece = np.maximum.reduceat(np.where(counts, rows.positions, np.uint64(0)), starts)
        reached = self._highest[connections, sides]
        if not is_first.all():
            # One step per piece, that is per key change.
            for index in np.flatnonzero(~is_first).tolist():
                reached[index] = max(reached[index - 1], highest_of_piece[index - 1])
        begins_behind = rows.has_position[starts] & (rows.positions[starts] < reached)
        stays_behind = begins_behind & (highest_of_piece < reached)
        self._highest[connections, sides] = _farther(highest_of_piece, reached)
        return begins_behind, stays_behind

    def _follow_acks(self, rows: RunRows, starts: I64, lasts: I64, is_first: Mask, connections: I32, sides: U8) -> Mask:
        """Whether each piece's first segment acknowledges less than the segment before it in its direction."""
        counts = rows.has_ack & _counts(rows.verdicts)
        before = np.where(
            is_first,
            self._acks[connections, sides],
            np.where(counts[starts - 1], rows.acks[starts - 1].astype(np.int64), NO_ACK),
        )
        # Serial numbers (RFC 1982): what lies more than half the circle ahead lies behind.
        is_older: Mask = (rows.acks[starts] - before.astype(np.uint32)).view(np.int32) < 0
        ends = lasts[counts[lasts]]
        self._acks[rows.connections[ends], rows.sides[ends]] = rows.acks[ends]
        is_older &= counts[starts] & (before != NO_ACK)
        return is_older


def _counts(verdicts: U8) -> Mask:
    """Segments whose numbers can be believed: the verified ones, and those of a key that the key file lacks."""
    counts: Mask = (verdicts == Verdict.VERIFIED) | (verdicts == Verdict.NO_KEY)
    return counts


def _farther(positions: U64, reached: U64) -> U64:
    """The farther of two positions each, where 0 is none; the SNE in their high half is a counter that wraps itself."""
    is_ahead = (positions - reached).view(np.int64) > 0
    return np.where((positions != 0) & (is_ahead | (reached == 0)), positions, reached)


def tcp_options_of(coverages: I64 | list[int]) -> str:
    """What a run found of the options flag: `include`, `exclude`, or `undetermined` (both where both held)."""
    include, exclude = int(coverages[Coverage.INCLUDE]), int(coverages[Coverage.EXCLUDE])
    if include and exclude:
        return "both"
    if include or exclude:
        return "include" if include else "exclude"
    return "undetermined"
