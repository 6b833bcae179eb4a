"""Which of a pair's connections a segment belongs to, where its MAC does not tell.

Sequence numbers do: a segment belongs where it is near the last verified segment, or else near the ISNs of a handshake
behind it; of equals, to the newest. Nothing but verified segments and handshakes before it plays a part, so the answer
does not depend on how a capture is cut into batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U32
from aoinspect.engine.connections import CONTINUATION_LIMIT, I32, NO_CONNECTION, Connections
from aoinspect.engine.locate import Mask
from aoinspect.engine.placing import BatchProgress, VerifiedBefore
from aoinspect.engine.segments import ACK

_HALF_KNOWN_DISTANCE = 1 << 30
"""Octets from a known ISN up to which a segment rather belongs there than to a connection that lacks an ISN."""

_HANDSHAKE_DISTANCE = 1 << 28
"""Octets behind both ISNs up to which a segment rather belongs to a new connection than to an old one."""

_CLASS = 1 << 34
"""More than any distance: what tells the classes below apart."""


class Learned(NamedTuple):
    """A connection whose ISNs a segment of this batch told."""

    row: int
    """The segment; the ISNs hold from it on."""
    is_new: bool
    """The connection was opened for it."""
    isns: U32
    """What stood there before, by side."""
    has_isn: Mask
    was_credible: bool


def isns_at(conns: Connections, learned: Mapping[int, Learned], rows: I64, connections: I32) -> tuple[U32, Mask, Mask]:
    """What was known of `connections` when `rows` came: ISNs and whether there are any, shape (n, 2), and whether both
    are credible.
    """
    isns, has_isn = conns.isns[connections], conns.has_isn[connections]
    is_credible = conns.is_credible(connections)
    for connection, lesson in learned.items():
        earlier = (connections == connection) & (rows < lesson.row)
        isns[earlier], has_isn[earlier], is_credible[earlier] = lesson.isns, lesson.has_isn, lesson.was_credible
    return isns, has_isn, is_credible


class Attribution:
    """Attributes the segments of one batch."""

    def __init__(self, progress: BatchProgress) -> None:
        self._progress = progress
        self._conns: Connections = progress.conns

    def attribute(self, rows: I64, verified: VerifiedBefore, learned: Mapping[int, Learned] | None = None) -> I32:
        """The connection of each of `rows` (no SYNs). Its pair must have one alive."""
        conns, progress = self._conns, self._progress
        pairs = progress.pairs[rows]
        assigned = conns.newest[pairs]
        contested = np.flatnonzero(conns.counts[pairs] > 1)
        if not len(contested):
            return assigned
        rows, pairs = rows[contested], pairs[contested]
        best = np.full(len(rows), 5 * _CLASS, dtype=np.int64)
        confirmed_from = self._confirmed_from(verified, learned or {})
        for rank in range(conns.most_alive(pairs)):
            connections = conns.alive_at(pairs, rank)
            scores = self._scores(rows, connections, verified, confirmed_from, learned or {})
            # Ranks run from the newest to the oldest: only a strictly better one takes over.
            is_better = (connections != NO_CONNECTION) & (scores < best)
            best[is_better] = scores[is_better]
            assigned[contested[is_better]] = connections[is_better]
        return assigned

    def _confirmed_from(self, verified: VerifiedBefore, learned: Mapping[int, Learned]) -> I64:
        """The row from which each connection is confirmed: -1 for those that were before this batch."""
        never = np.iinfo(np.int64).max
        is_confirmed = self._conns.is_confirmed
        since = np.where(is_confirmed[:, 0] & is_confirmed[:, 1], -1, never)
        for connection, lesson in learned.items():
            since[connection] = lesson.row
        np.minimum.at(since, self._progress.connections[verified.rows], verified.rows)
        return since

    def _scores(
        self,
        rows: I64,
        connections: I32,
        verified: VerifiedBefore,
        confirmed_from: I64,
        learned: Mapping[int, Learned],
    ) -> I64:
        """How badly each row fits: by class, then by distance."""
        is_confirmed = confirmed_from[connections] <= rows
        distances, is_behind_handshake = self._distances(rows, connections, learned)
        scores = np.where(is_confirmed, 2 * _CLASS, 3 * _CLASS) + distances
        scores = np.where(~is_confirmed & is_behind_handshake, _CLASS + distances, scores)
        bases, has_reference = verified.references(rows, connections)
        seqs, sides = self._progress.segments.seqs[rows], self._progress.sides[rows]
        ahead = (self._progress.nearest(bases, seqs, connections, sides) - bases).view(np.int64)
        is_near = is_confirmed & has_reference & (np.abs(ahead) < CONTINUATION_LIMIT)
        scores = np.where(is_near, np.abs(ahead), scores)
        for connection, lesson in learned.items():
            if lesson.is_new:
                scores[(connections == connection) & (rows < lesson.row)] = 5 * _CLASS
        return scores

    def _distances(self, rows: I64, connections: I32, learned: Mapping[int, Learned]) -> tuple[I64, Mask]:
        """Octets behind the ISNs, the greater of the sequence number's and the acknowledgment number's.

        The flag says whether neither is far behind those ISNs that are known, and one is.
        """
        segments, sides = self._progress.segments, self._progress.sides[rows]
        isns, has_isn, _ = isns_at(self._conns, learned, rows, connections)
        index = np.arange(len(rows))
        own = (segments.seqs[rows] - isns[index, sides]).astype(np.int64)
        peer = (segments.acks[rows] - isns[index, 1 - sides]).astype(np.int64)
        peer = np.where(segments.flags[rows] & ACK != 0, peer, 0)
        has_own, has_peer = has_isn[index, sides], has_isn[index, 1 - sides]
        known = np.maximum(np.where(has_own, own, 0), np.where(has_peer, peer, 0))
        distances = np.where(has_own & has_peer, known, np.maximum(known, _HALF_KNOWN_DISTANCE))
        return distances, (has_own | has_peer) & (known < _HANDSHAKE_DISTANCE)
