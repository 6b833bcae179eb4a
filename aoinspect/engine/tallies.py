"""Counts: of a run as a whole, and per connection, with the first segment of every failure.

Everything here is an array operation over the batch, but for what happens for the first time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from aoinspect.capture.frames import I64, U8
from aoinspect.engine.columns import Columns
from aoinspect.engine.connections import I32
from aoinspect.engine.judge import Judgement
from aoinspect.engine.locate import Mask, Packets
from aoinspect.engine.segments import Segments
from aoinspect.engine.verdicts import Method, Reason, Verdict


@dataclass(slots=True)
class Totals:
    """Counts over all captures of a run."""

    frames: int = 0
    tcp_segments: int = 0
    ao_segments: int = 0
    md5_segments: int = 0
    incomplete_datagrams: int = 0
    is_interrupted: bool = False
    verdicts: I64 = field(default_factory=lambda: np.zeros(len(Verdict), dtype=np.int64))
    refused: int = 0
    """Verified segments that the receiving end drops, by its own keys."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The first segment of a connection with a given verdict (other than verified)."""

    capture: int
    frame: int
    side: int
    method: Method
    key_id: int
    rnext_key_id: int
    mac_length: int
    flags: int
    verdict: Verdict
    reason: Reason


_PER_CONNECTION = {
    "number": (np.int64, -1, ()),
    "verdicts": (np.int64, 0, (len(Verdict),)),
    "reasons": (np.int32, 0, (len(Reason),)),
    "has_sample": (np.int8, 0, (len(Verdict),)),
    "first_capture": (np.int32, -1, ()),
    "first_frame": (np.int64, 0, ()),
    "last_capture": (np.int32, -1, ()),
    "last_frame": (np.int64, 0, ()),
    "first_time_ns": (np.int64, 0, ()),
    "last_time_ns": (np.int64, 0, ()),
    "refused": (np.int64, 0, ()),
}


class Tallies:
    """The counts of a run."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.samples: dict[tuple[int, Verdict], Sample] = {}
        """By connection and verdict."""
        self.refusals: dict[int, dict[int, tuple[int, int]]] = {}
        """Connection -> candidate -> capture and frame of the first segment that the receiving end's keys drop."""
        self.connection_count = 0
        """Connections that have a segment, numbered in the order of their first."""
        self.indices: list[int] = []
        """Number -> row in the engine's columns."""
        self._columns = Columns(_PER_CONNECTION)

    def column(self, name: str) -> I64:
        """One value (or one a verdict or reason) per connection; the names are those of `_PER_CONNECTION`."""
        return cast(I64, self._columns[name])

    def number_connections(self, connections: I32, connection_count: int) -> None:
        """Numbers the connections that have their first segment in this batch, in the order of those segments."""
        self._make_room(connection_count)
        numbers = self.column("number")
        fresh = connections[numbers[connections] < 0]
        if len(fresh):
            distinct, firsts = np.unique(fresh, return_index=True)
            distinct = distinct[np.argsort(firsts)]
            self.indices.extend(distinct.tolist())
            numbers[distinct] = self.connection_count + np.arange(len(distinct))
            self.connection_count += len(distinct)

    def _make_room(self, connection_count: int) -> None:
        missing = connection_count - len(self._columns)
        if missing:
            self._columns.add(missing)

    def add(self, segments: Segments, sides: U8, judgement: Judgement, is_refused: Mask, connection_count: int) -> None:
        """Counts one batch; `connection_count` is how many connections the engine has opened by now."""
        totals = self.totals
        both = int(np.count_nonzero(segments.malformed == Reason.AO_AND_MD5))
        totals.ao_segments += int(np.count_nonzero(segments.methods == Method.AO))
        totals.md5_segments += int(np.count_nonzero(segments.methods == Method.MD5)) + both
        self._make_room(connection_count)
        connections = judgement.connections.astype(np.int64)
        low = int(connections.min())
        width = int(connections.max()) - low + 1
        met = slice(low, low + width)
        codes = (connections - low) * len(Verdict) + judgement.verdicts
        counts = np.bincount(codes, minlength=width * len(Verdict)).reshape(width, len(Verdict))
        totals.verdicts += counts.sum(axis=0)
        self.column("verdicts")[met] += counts
        reasons = np.flatnonzero(judgement.reasons)
        if len(reasons):
            np.add.at(self.column("reasons"), (connections[reasons], judgement.reasons[reasons]), 1)
        self._note_extent(connections, segments.packets)
        self._note_samples(connections, segments, sides, judgement)
        refused = np.flatnonzero(is_refused)
        if len(refused):
            self._note_refusals(refused, segments, judgement)

    def _note_refusals(self, rows: I64, segments: Segments, judgement: Judgement) -> None:
        """Verified segments that the receiving end drops: counts, and the first under each key."""
        connections = judgement.connections[rows].astype(np.int64)
        self.totals.refused += len(rows)
        np.add.at(self.column("refused"), connections, 1)
        codes = connections << 32 | judgement.candidates[rows]
        for first in np.unique(codes, return_index=True)[1].tolist():
            row = rows[first]
            place = (int(segments.packets.captures[row]), int(segments.packets.frames[row]))
            of_connection = self.refusals.setdefault(int(judgement.connections[row]), {})
            of_connection.setdefault(int(judgement.candidates[row]), place)

    def _note_extent(self, connections: I64, packets: Packets) -> None:
        first_capture = self.column("first_capture")
        fresh = np.flatnonzero(first_capture[connections] < 0)[::-1]
        if len(fresh):
            # Assigning backwards leaves each connection's first segment standing.
            first_capture[connections[fresh]] = packets.captures[fresh]
            self.column("first_frame")[connections[fresh]] = packets.frames[fresh]
            self.column("first_time_ns")[connections[fresh]] = packets.times_ns[fresh]
        self.column("last_capture")[connections] = packets.captures
        self.column("last_frame")[connections] = packets.frames
        self.column("last_time_ns")[connections] = packets.times_ns

    def _note_samples(self, connections: I64, segments: Segments, sides: U8, judgement: Judgement) -> None:
        """The first segment of every verdict but `verified`, per connection."""
        has_sample = self.column("has_sample")
        verdicts = judgement.verdicts
        rows = np.flatnonzero(verdicts != Verdict.VERIFIED)
        rows = rows[has_sample[connections[rows], verdicts[rows]] == 0]
        if not len(rows):
            return
        codes = connections[rows] * len(Verdict) + verdicts[rows]
        for row in rows[np.unique(codes, return_index=True)[1]].tolist():
            verdict = Verdict(int(verdicts[row]))
            self.samples[int(connections[row]), verdict] = Sample(
                capture=int(segments.packets.captures[row]),
                frame=int(segments.packets.frames[row]),
                side=int(sides[row]),
                method=Method(int(segments.methods[row])),
                key_id=int(segments.key_ids[row]),
                rnext_key_id=int(segments.rnext_key_ids[row]),
                mac_length=int(segments.mac_lengths[row]),
                flags=int(segments.flags[row]),
                verdict=verdict,
                reason=Reason(int(judgement.reasons[row])),
            )
            has_sample[connections[row], verdict] = 1
