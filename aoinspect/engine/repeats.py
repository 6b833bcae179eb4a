"""Verified segments that come again: retransmissions whose octets differ, and old segments replayed.

A MAC cannot tell a replayed segment from a fresh one (RFC 5925 6.2 leaves that to sequence numbers), and a sender that
puts other octets under numbers that it has used before is broken or not alone. Both show only where a direction goes
back behind its front, which is rare: a batch without such a segment costs a few array comparisons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8, Frame
from aoinspect.engine.judge import Judgement
from aoinspect.engine.locate import Mask
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.segments import ACK, FIN, SYN, Segments
from aoinspect.engine.verdicts import Method, Verdict
from aoinspect.errors import CaptureError

HISTORY_ROWS = 65_536
"""Verified segments among which the original of a retransmission is looked for."""

_JOINED_SHARE = 8
"""The part of the history up to which its batches are joined: a live pipe may give one for each frame."""

COMPARISON_LIMIT = 1_024
"""Pairs of segments that one capture's end reads again to compare; the first ones count."""

REPLAY_AGE_NS = 1_000_000_000
"""Nanoseconds after the acknowledgment from which on the same data again is no late retransmission."""

REPLAY_DEPTH = 1 << 20
"""Octets below the acknowledged front from which on data is no late retransmission."""


NO_ACK = -1
"""Stands for the acknowledgment number of a segment that acknowledges nothing."""


class _Batch(NamedTuple):
    """Verified segments of one batch, kept to find originals in."""

    first_index: int
    codes: I64
    positions: I64
    payload_lengths: I64
    captures: I64
    frames: I64
    offsets: I64
    macs: U8


@dataclass(frozen=True, slots=True)
class Comparison:
    """A retransmission and the segment that carried the same sequence numbers first."""

    connection: int
    side: int
    capture: int
    frame: int
    offset: int
    original_frame: int
    original_offset: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """A segment that is worth a finding."""

    connection: int
    side: int
    capture: int
    frame: int
    detail: str


class Repeats:
    """Follows every direction's front over the batches of a run."""

    def __init__(self) -> None:
        self.replayed: dict[tuple[int, int], list[Repeat]] = {}
        """(connection, side) -> replayed segments: the first few."""
        self.replayed_counts: dict[tuple[int, int], int] = {}
        self.differing: dict[int, list[Repeat]] = {}
        """Connection -> retransmissions with other octets."""
        self._comparisons: list[Comparison] = []
        self._fronts: I64 = np.zeros(0, dtype=np.int64)
        """Per connection * 2 + side: the highest position behind a verified segment; 0 before the first."""
        self._acks: I64 = np.zeros(0, dtype=np.int64)
        """The last acknowledgment number sent, -1 before the first."""
        self._ack_times: I64 = np.zeros(0, dtype=np.int64)
        self._history: list[_Batch] = []
        self._row_count = 0

    def note_batch(self, segments: Segments, sides: U8, judgement: Judgement, macs: U8, connection_count: int) -> None:
        """Takes one batch of judged segments; `macs` are the first 16 octets of each MAC, shape (n, 16)."""
        self._make_room(connection_count * 2)
        rows = np.flatnonzero(
            (judgement.verdicts == Verdict.VERIFIED) & (segments.methods == Method.AO) & judgement.has_sne
        )
        if not len(rows):
            return
        codes = judgement.connections[rows].astype(np.int64) * 2 + sides[rows]
        order = stable_order(codes)
        rows, codes = rows[order], codes[order]
        flags = segments.flags[rows]
        positions = (judgement.snes[rows].astype(np.int64) << 32) | segments.seqs[rows]
        lengths = segments.payload_lengths[rows]
        ends = positions + lengths + ((flags & SYN) != 0) + ((flags & FIN) != 0)
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = codes[1:] != codes[:-1]
        before = np.empty_like(ends)
        before[1:] = ends[:-1]
        before[is_first] = self._fronts[codes[is_first]]
        packets = segments.packets
        batch = _Batch(
            self._row_count,
            codes,
            positions,
            lengths,
            packets.captures[rows],
            packets.frames[rows],
            packets.offsets[rows],
            macs[rows],
        )
        times = packets.times_ns[rows]
        acks = np.where(flags & ACK != 0, segments.acks[rows].astype(np.int64), NO_ACK)
        # A SYN-ACK is repeated until it is answered, however late: only data and the opener's SYN are looked at.
        is_suspect = (positions < before) & ((lengths > 0) | (flags & (SYN | ACK) == SYN))
        if is_suspect.any():
            self._look_closer(batch, rows, ends, times, acks, is_first, is_suspect)
        self._remember(batch, ends, times, acks, is_first)

    def _make_room(self, size: int) -> None:
        missing = size - len(self._fronts)
        if missing > 0:
            self._fronts = np.concatenate([self._fronts, np.zeros(missing, dtype=np.int64)])
            self._acks = np.concatenate([self._acks, np.full(missing, NO_ACK, dtype=np.int64)])
            self._ack_times = np.concatenate([self._ack_times, np.zeros(missing, dtype=np.int64)])

    def _look_closer(
        self,
        batch: _Batch,
        rows: I64,
        ends: I64,
        times: I64,
        acks: I64,
        is_first: Mask,
        is_suspect: Mask,
    ) -> None:
        """The segments behind their direction's front, one step each."""
        starts = np.flatnonzero(is_first)
        stops = np.append(starts[1:], len(rows))
        slices = {int(batch.codes[start]): (int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)}
        for code, (start, stop) in slices.items():
            fronts = np.maximum.accumulate(np.concatenate([self._fronts[code : code + 1], ends[start:stop]]))[:-1]
            behind = start + np.flatnonzero(ends[start:stop] <= fronts)
            behind = behind[is_suspect[behind]]
            for position in behind.tolist():
                other = slices.get(code ^ 1, (0, 0))
                self._judge_replay(batch, rows, ends, times, acks, position, other)
                if len(self._comparisons) < COMPARISON_LIMIT:
                    self._seek_original(batch, start, position)

    def _judge_replay(
        self,
        batch: _Batch,
        rows: I64,
        ends: I64,
        times: I64,
        acks: I64,
        position: int,
        other: tuple[int, int],
    ) -> None:
        """Notes the segment as replayed if all of it was acknowledged long before."""
        code = int(batch.codes[position])
        end = (int(batch.positions[position]) & 0xFFFFFFFF) + int(ends[position] - batch.positions[position])
        answered = other[0] + int(np.searchsorted(rows[other[0] : other[1]], rows[position]))
        ack, acked_ns = self._latest_ack(code ^ 1, acks[other[0] : answered], times[other[0] : answered])
        depth = ((ack - end + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
        age_ns = int(times[position]) - acked_ns
        if ack == NO_ACK or depth < 0 or (age_ns < REPLAY_AGE_NS and depth < REPLAY_DEPTH):
            return
        key = (code >> 1, code & 1)
        self.replayed_counts[key] = self.replayed_counts.get(key, 0) + 1
        found = self.replayed.setdefault(key, [])
        if len(found) < 8:
            detail = f"{depth} octets below what had been acknowledged {age_ns / 1e9:.1f} s before"
            found.append(Repeat(*key, int(batch.captures[position]), int(batch.frames[position]), detail))

    def _latest_ack(self, code: int, acks: I64, times: I64) -> tuple[int, int]:
        """The acknowledgment number that side `code` sent last, and when it first sent it; `acks` are this batch's."""
        is_ack = acks != NO_ACK
        acks, times = acks[is_ack], times[is_ack]
        known, known_ns = int(self._acks[code]), int(self._ack_times[code])
        if not len(acks):
            return known, known_ns
        others = np.flatnonzero(acks != acks[-1])
        first = int(others[-1]) + 1 if len(others) else 0
        if first == 0 and known == int(acks[-1]):
            return known, known_ns
        return int(acks[-1]), int(times[first])

    def _seek_original(self, batch: _Batch, start: int, position: int) -> None:
        """Remembers to compare the segment with the first that had its sequence number, unless their MACs are equal."""
        code, place = int(batch.codes[position]), int(batch.positions[position])
        within = start + np.flatnonzero(batch.positions[start:position] == place)
        within = within[batch.payload_lengths[within] > 0]
        original: tuple[_Batch, int] | None = None
        for kept in self._history:
            hits = np.flatnonzero((kept.codes == code) & (kept.positions == place) & (kept.payload_lengths > 0))
            hits = hits[kept.first_index + hits > self._row_count - HISTORY_ROWS]
            if len(hits):
                original = (kept, int(hits[0]))
                break
        if original is None and len(within):
            original = (batch, int(within[0]))
        if original is None:
            return
        kept, row = original
        capture = int(batch.captures[position])
        if (kept.macs[row] == batch.macs[position]).all() or int(kept.captures[row]) != capture:
            return
        self._comparisons.append(
            Comparison(
                code >> 1,
                code & 1,
                capture,
                int(batch.frames[position]),
                int(batch.offsets[position]),
                int(kept.frames[row]),
                int(kept.offsets[row]),
            )
        )

    def _remember(self, batch: _Batch, ends: I64, times: I64, acks: I64, is_first: Mask) -> None:
        starts = np.flatnonzero(is_first)
        codes = batch.codes[starts]
        self._fronts[codes] = np.maximum(self._fronts[codes], np.maximum.reduceat(ends, starts))
        self._remember_acks(batch.codes, acks, times)
        self._history.append(batch)
        self._join_small_batches()
        self._row_count += len(ends)
        while (
            self._history
            and self._history[0].first_index + len(self._history[0].codes) < self._row_count - HISTORY_ROWS
        ):
            self._history.pop(0)

    def _join_small_batches(self) -> None:
        """Joins the last batches of the history, as a binary counter carries: their number stays logarithmic."""
        history = self._history
        while len(history) > 1:
            older, newer = history[-2:]
            if (
                len(older.codes) > len(newer.codes)
                or len(older.codes) + len(newer.codes) > HISTORY_ROWS // _JOINED_SHARE
            ):
                return
            columns = (np.concatenate([getattr(older, name), getattr(newer, name)]) for name in _Batch._fields[1:])
            history[-2:] = [_Batch._make((older.first_index, *columns))]

    def _remember_acks(self, codes: I64, acks: I64, times: I64) -> None:
        """Keeps each side's last acknowledgment number, and when it was first sent."""
        is_ack = acks != NO_ACK
        if not is_ack.all():
            codes, acks, times = codes[is_ack], acks[is_ack], times[is_ack]
        if not len(codes):
            return
        is_first = np.ones(len(codes), dtype=np.bool_)
        is_first[1:] = codes[1:] != codes[:-1]
        is_new = is_first.copy()
        is_new[1:] |= acks[1:] != acks[:-1]
        is_new[is_first] = self._acks[codes[is_first]] != acks[is_first]
        since = np.maximum.accumulate(np.where(is_new | is_first, np.arange(len(codes)), 0))
        starts = np.flatnonzero(is_first)
        lasts = np.append(starts[1:], len(codes)) - 1
        # Where the number has stood since the last batch, its time stands too.
        changed = is_new[since[lasts]]
        self._acks[codes[lasts]] = acks[lasts]
        self._ack_times[codes[lasts[changed]]] = times[since[lasts[changed]]]

    def compare(
        self, capture: int, frame_at: Callable[[int], Frame], payload_of: Callable[[Frame], bytes | None]
    ) -> None:
        """Reads the pairs of a capture that are to be compared again, at its end. A pipe cannot be read again."""
        comparisons = [pair for pair in self._comparisons if pair.capture == capture]
        self._comparisons = [pair for pair in self._comparisons if pair.capture != capture]
        for pair in comparisons:
            try:
                again, original = payload_of(frame_at(pair.offset)), payload_of(frame_at(pair.original_offset))
            except CaptureError:
                return
            if again is None or original is None:
                continue
            common = min(len(again), len(original))
            if again[:common] != original[:common]:
                octet = next(i for i in range(common) if again[i] != original[i])
                detail = f"octet {octet} of the payload differs from frame {pair.original_frame}"
                repeat = Repeat(pair.connection, pair.side, capture, pair.frame, detail)
                self.differing.setdefault(pair.connection, []).append(repeat)
