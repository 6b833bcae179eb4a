"""A few signed segments of every connection whose ISNs are unknown: what a search for the ISNs starts from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from aoinspect.capture.frames import U8
from aoinspect.engine.connections import I32
from aoinspect.engine.segments import Segments

OCTETS_LIMIT = 64 << 20
"""Octets kept over a whole run; connections that come later are not searched."""

KEPT_SEGMENTS = 3
"""Segments kept per connection and side: one to search with, the others to confirm."""


@dataclass(frozen=True, slots=True)
class UnplacedSegment:
    """One segment that only the ISNs are missing to check."""

    pair: int
    side: int
    """The side that sent it."""
    capture: int
    frame: int
    key_id: int
    segment: bytes = field(repr=False)
    """From the TCP header on."""
    mac: bytes


class UnplacedSegments:
    """By connection; bounded by KEPT_SEGMENTS a side."""

    def __init__(self) -> None:
        self.by_connection: dict[int, list[UnplacedSegment]] = {}
        """A connection without segments is one of which none could be kept."""
        self._octets_kept = 0

    def note_batch(
        self,
        segments: Segments,
        pairs: I32,
        sides: U8,
        connections: I32,
        is_unplaced: np.typing.NDArray[np.bool_],
    ) -> None:
        """Takes the rows of a batch that are unverifiable for want of ISNs."""
        rows = np.flatnonzero(is_unplaced)
        if not len(rows):
            return
        codes = connections[rows].astype(np.int64) * 2 + sides[rows]
        order = np.argsort(codes, kind="stable")
        rows, codes = rows[order], codes[order]
        ranks = np.arange(len(rows)) - np.searchsorted(codes, codes)
        packets = segments.packets
        for row in np.sort(rows[ranks < KEPT_SEGMENTS]).tolist():
            kept = self.by_connection.setdefault(int(connections[row]), [])
            side = int(sides[row])
            if sum(segment.side == side for segment in kept) >= KEPT_SEGMENTS:
                continue
            start, end = int(packets.starts[row]), int(packets.ends[row])
            if self._octets_kept + end - start > OCTETS_LIMIT:
                continue
            self._octets_kept += end - start
            mac_start = int(segments.option_starts[row]) + 4
            kept.append(
                UnplacedSegment(
                    pair=int(pairs[row]),
                    side=side,
                    capture=int(packets.captures[row]),
                    frame=int(packets.frames[row]),
                    key_id=int(segments.key_ids[row]),
                    segment=packets.octets[start:end].tobytes(),
                    mac=packets.octets[mac_start : mac_start + int(segments.mac_lengths[row])].tobytes(),
                )
            )
