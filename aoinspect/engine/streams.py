"""Wireshark's stream index (`tcp.stream`) of every TCP segment, protected or not.

Only a filter that names the field needs it: the index counts conversations over all TCP segments of a capture, in the
order of appearance, so it cannot be had from protected ones alone. Wireshark numbers socket pairs, not connections as
RFC 9293 has them, and this module reproduces its rules (found by differential testing against tshark 4.0):

* a pair's first segment opens a stream, whatever its flags; every later one belongs to the pair's newest stream;
* a stream learns a first sequence number for each end: from the end's first segment (seq of a SYN, seq - 1 of another),
  or from the first acknowledgment of the other end (ack - 1), whichever comes first; a SYN-ACK of another sequence
  number replaces its sender's;
* a SYN without ACK opens a new stream where the end's first sequence number is known and another;
* a segment cut before the end of its window field (16 octets) is none of Wireshark's, and one whose data offset points
  past the segment teaches no sequence number.

Neither FIN nor RST matters. TCP headers that Wireshark finds inside ICMP errors are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import numpy as np

from aoinspect.capture.frames import I64, U8, U16, U32
from aoinspect.engine.columns import Columns
from aoinspect.engine.connections import U64
from aoinspect.engine.hash_index import ABSENT, HashIndex, mix
from aoinspect.engine.locate import Mask
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.pairs import Ends
from aoinspect.engine.segments import ACK, SYN, Segments

NO_STREAM = 0xFFFFFFFF
"""Stands where a frame has no stream index."""

_SEEN_OCTETS = 16

_PER_PAIR = {
    "streams": (np.int64, -1, ()),
    "bases": (np.uint32, 0, (2,)),
    "has_base": (np.bool_, False, (2,)),
}


class Streams:
    """The stream index of each frame of each capture of a run."""

    def __init__(self) -> None:
        self._captures: list[U32] = []
        """By frame number - 1; longer than the capture, NO_STREAM where there is none."""
        self._pairs: list[_Pairs] = []
        """Of each capture."""

    def begin_capture(self) -> None:
        """Starts another capture: Wireshark would open it by itself, and numbers start again."""
        self._captures.append(np.full(1024, NO_STREAM, dtype=np.uint32))
        self._pairs.append(_Pairs())

    def count(self, segments: Segments, capture: int = -1) -> None:
        """Takes the next TCP segments of a capture (the last begun), all of them and in the order of frames."""
        packets = segments.packets
        is_seen = (packets.limits - packets.starts >= _SEEN_OCTETS) & ~packets.is_partial
        if not is_seen.all():
            segments = segments.select(np.flatnonzero(is_seen))
        if not segments.size:
            return
        frames = segments.packets.frames
        self._make_room(int(frames.max()), capture)
        self._captures[capture][frames - 1] = self._pairs[capture].streams_of(segments)

    def _make_room(self, frame: int, capture: int) -> None:
        held = self._captures[capture]
        if frame > len(held):
            grown = np.full(max(frame, 2 * len(held)), NO_STREAM, dtype=np.uint32)
            grown[: len(held)] = held
            self._captures[capture] = grown

    def of_rows(self, captures: U16, frames: U64) -> U32:
        """The streams of rows of the table by their `capture` and `frame` columns; NO_STREAM where there is none."""
        found = np.full(len(frames), NO_STREAM, dtype=np.uint32)
        for number, held in enumerate(self._captures):
            rows = slice(None) if len(self._captures) == 1 else np.flatnonzero(captures == number)
            at = frames[rows].astype(np.int64) - 1
            # Frames behind the last TCP segment that has a stream may lie outside.
            is_inside = at < len(held)
            found[rows] = np.where(is_inside, held[np.where(is_inside, at, 0)], np.uint32(NO_STREAM))
        return found

    def of_frame(self, capture: int, frame: int) -> int | None:
        """The stream of one frame, for the Report."""
        held = self._captures[capture]
        stream = int(held[frame - 1]) if 0 < frame <= len(held) else NO_STREAM
        return None if stream == NO_STREAM else stream


class _Pairs:
    """All socket pairs of a capture: the newest stream of each and what it has learnt."""

    def __init__(self) -> None:
        self._index = HashIndex()
        self._columns = Columns(_PER_PAIR)
        self._stream_count = 0

    def streams_of(self, segments: Segments) -> U32:
        hashes, sides = _hashes_and_sides(segments)
        pairs = self._index.lookup(hashes)
        missing = np.flatnonzero(pairs == ABSENT)
        first_rows = np.zeros(0, dtype=np.int64)
        if len(missing):
            distinct, firsts = np.unique(hashes[missing], return_index=True)
            first_rows = missing[firsts]
            for number, key in enumerate(distinct.tolist(), self._columns.add(len(distinct))):
                self._index.insert(key, number)
            pairs = self._index.lookup(hashes)
        opens = np.zeros(segments.size, dtype=np.bool_)
        opens[first_rows] = True
        events = _Events(segments, pairs.astype(np.int64), sides)
        self._learn(events, opens)
        return self._number(events, opens)

    def _learn(self, events: _Events, opens: Mask) -> None:
        """Walks the batch from SYN to SYN, all pairs at once; marks in `opens` the SYNs that open a stream."""
        bases, has_base = cast(U32, self._columns["bases"]), cast(Mask, self._columns["has_base"])
        for syns, rows in _stretches(events):
            pairs, sides = events.pairs[syns], events.sides[syns]
            is_other = has_base[pairs, sides] & (bases[pairs, sides] != events.seqs[syns])
            opens[syns[is_other]] = True
            has_base[pairs[is_other]] = False
            self._learn_stretch(events, rows)

    def _learn_stretch(self, events: _Events, rows: I64) -> None:
        """First sequence numbers from rows between which no stream opens."""
        bases, has_base = cast(U32, self._columns["bases"]), cast(Mask, self._columns["has_base"])
        answers = rows[events.flags[rows] & (SYN | ACK) == SYN | ACK]
        was_known = has_base[events.pairs[answers], events.sides[answers]]
        ignorant = rows[events.teaches[rows] & ~has_base[events.pairs[rows]].all(axis=1)]
        learnt, learnt_at = self._learn_first(events, ignorant)
        if len(learnt):
            # A SYN-ACK from before the row that taught its end's number changes nothing.
            slots = events.pairs[answers] * 2 + events.sides[answers]
            places = np.minimum(np.searchsorted(learnt, slots), len(learnt) - 1)
            was_known |= (learnt[places] == slots) & (answers >= learnt_at[places])
        answers = answers[was_known]
        # In the order of rows, so that the last SYN-ACK of each end stands.
        bases[events.pairs[answers], events.sides[answers]] = events.seqs[answers]

    def _learn_first(self, events: _Events, rows: I64) -> tuple[I64, I64]:
        """Sets what is not known yet; which entries (pair * 2 + side) it were, and the rows that taught them."""
        bases, has_base = cast(U32, self._columns["bases"]), cast(Mask, self._columns["has_base"])
        is_syn = events.flags[rows] & SYN != 0
        own = events.seqs[rows] - np.where(is_syn, np.uint32(0), np.uint32(1))
        acking = np.flatnonzero(events.flags[rows] & ACK != 0)
        slots = np.concatenate(
            [
                events.pairs[rows] * 2 + events.sides[rows],
                events.pairs[rows[acking]] * 2 + 1 - events.sides[rows[acking]],
            ]
        )
        values = np.concatenate([own, events.acks[rows[acking]] - np.uint32(1)])
        teachers = np.concatenate([rows, rows[acking]])
        order = np.argsort(teachers, kind="stable")
        slots, values, teachers = slots[order], values[order], teachers[order]
        is_open = ~has_base.reshape(-1)[slots]
        slots, values, teachers = slots[is_open], values[is_open], teachers[is_open]
        learnt, firsts = np.unique(slots, return_index=True)
        bases.reshape(-1)[learnt] = values[firsts]
        has_base.reshape(-1)[learnt] = True
        return learnt, teachers[firsts]

    def _number(self, events: _Events, opens: Mask) -> U32:
        """Numbers the streams that open in the batch, and gives every row its own."""
        streams = cast(I64, self._columns["streams"])
        openers = np.flatnonzero(opens)
        before = streams[events.pairs]
        if not len(openers):
            return before.astype(np.uint32)
        numbers = np.full(len(opens), -1, dtype=np.int64)
        numbers[openers] = self._stream_count + np.arange(len(openers))
        self._stream_count += len(openers)
        is_met = np.zeros(len(streams), dtype=np.bool_)
        is_met[events.pairs[openers]] = True
        rows = np.flatnonzero(is_met[events.pairs])
        rows = rows[stable_order(events.pairs[rows])]
        pairs = events.pairs[rows]
        # Numbers only grow, also from one opener of a pair to its next; a pair's own start lies above the last pair's.
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = pairs[1:] != pairs[:-1]
        starts = np.maximum.accumulate(np.where(is_first, np.arange(len(rows)), 0))
        latest = np.maximum.accumulate(np.where(numbers[rows] >= 0, np.arange(len(rows)), -1))
        found = np.where(latest >= starts, numbers[rows[latest]], before[rows])
        before[rows] = found
        streams[pairs] = found
        return before.astype(np.uint32)


class _Events:
    """What of a batch's segments matters here."""

    def __init__(self, segments: Segments, pairs: I64, sides: U8) -> None:
        packets = segments.packets
        self.pairs = pairs
        self.sides = sides.astype(np.int64)
        self.seqs = segments.seqs
        self.acks = segments.acks
        self.flags = segments.flags
        self.teaches: Mask = segments.header_lengths <= packets.ends - packets.starts
        self.is_syn: Mask = segments.flags & (SYN | ACK) == SYN


def _stretches(events: _Events) -> Iterator[tuple[I64, I64]]:
    """The rows before any SYN of their pair; then those from each pair's first SYN to before its second, and so on.

    Each comes with its SYNs, at most one a pair, and rows stand in the order of the batch.
    """
    none = np.zeros(0, dtype=np.int64)
    is_met = np.zeros(int(events.pairs.max()) + 1, dtype=np.bool_)
    is_met[events.pairs[events.is_syn]] = True
    has_syn = is_met[events.pairs]
    rows = np.flatnonzero(has_syn)
    if not len(rows):
        yield none, np.arange(len(events.pairs))
        return
    order = stable_order(events.pairs[rows])
    rows = rows[order]
    pairs, is_syn = events.pairs[rows], events.is_syn[rows]
    firsts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
    so_far = np.cumsum(is_syn)
    before: I64 = so_far[firsts] - is_syn[firsts]
    ranks: I64 = so_far - np.repeat(before, np.diff(firsts, append=len(rows)))
    by_rank = np.lexsort((rows, ranks))
    rows, ranks = rows[by_rank], ranks[by_rank]
    bounds = np.searchsorted(ranks, np.arange(int(ranks[-1]) + 2)).tolist()
    early = np.concatenate([np.flatnonzero(~has_syn), rows[: bounds[1]]])
    yield none, np.sort(early)
    for start, end in pairwise(bounds[1:]):
        stretch = rows[start:end]
        yield stretch[events.is_syn[stretch]], stretch


def _hashes_and_sides(segments: Segments) -> tuple[U64, U8]:
    """A hash of each segment's socket pair, the same in both directions, and which end sent it (0 or 1)."""
    ends = Ends(segments)
    kind: U64 = np.where(ends.is_ipv6, np.uint64(6 << 32), np.uint64(4 << 32))
    source = mix(ends.source_high, ends.source_low, kind | segments.source_ports.astype(np.uint64))
    destination = mix(ends.destination_high, ends.destination_low, kind | segments.destination_ports.astype(np.uint64))
    sides = (source > destination).astype(np.uint8)
    return mix(np.minimum(source, destination), np.maximum(source, destination)), sides
