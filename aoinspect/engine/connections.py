"""Connections of socket pairs: what a handshake opens, which ISNs it tells, and which connection a segment belongs to.

Several connections of one pair may be alive: a SYN with a new ISN opens another and ends none. What is told here by
sequence numbers alone is a first guess; the MACs have the last word (`judge`). An end's ISN is *confirmed* once a MAC
that covers it (through the traffic key) has matched, and only an unconfirmed one is ever replaced, so that stray
handshake segments change nothing. Sides are the pair's; `opener` maps them to the Report's a and b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.columns import Columns
from aoinspect.engine.locate import Mask
from aoinspect.engine.pairs import PairTable
from aoinspect.engine.segments import ACK, Segments
from aoinspect.engine.verdicts import IsnSource
from aoinspect.keys.model import KnownConnection

I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U64 = npt.NDArray[np.uint64]

NO_CONNECTION = -1
OPENER_UNKNOWN = -1
OPENED_BY_BOTH = 2
ALIVE_LIMIT = 16
"""Connections of one pair that a segment may belong to; older ones have ended."""

HALF_KNOWN_DISTANCE = 1 << 30
"""Octets from a known ISN up to which a segment rather belongs there than to a connection that lacks an ISN."""

_FAR = 1 << 33

_COLUMNS = {
    "pairs": (np.int32, 0, ()),
    "openers": (np.int8, OPENER_UNKNOWN, ()),
    "first_senders": (np.int8, -1, ()),
    "isns": (np.uint32, 0, (2,)),
    "has_isn": (np.bool_, False, (2,)),
    "is_confirmed": (np.bool_, False, (2,)),
    "isn_sources": (np.uint8, IsnSource.UNKNOWN, ()),
    "known_entries": (np.int32, -1, ()),
    "sne_hints": (np.int64, -1, (2,)),
    "references": (np.uint64, 0, (2,)),
    "has_reference": (np.bool_, False, (2,)),
    "mss": (np.int32, -1, (2,)),
    "guesses_left": (np.int16, 32, ()),
    "open_rows": (np.int64, -1, ()),
}


@dataclass(frozen=True, slots=True)
class Opening:
    """One segment with SYN set, as the state machine below sees it."""

    row: int
    pair: int
    side: int
    seq: int
    ack: int
    is_answer: bool
    """SYN and ACK."""
    is_verified: bool
    is_provable: bool
    """A key could have verified it; a stray is provable and not verified."""


class Connections:
    """All connections of protected pairs, as columns:

    `isns`, `has_isn`, `is_confirmed` (n, 2) by side; `references` (n, 2): position (SNE << 32 | seq) of the last
    verified segment of each side; `sne_hints` (n, 2): SNE of the first segment where the key file tells it, else -1;
    `mss` (n, 2): the MSS that each side announced, -1 unknown; `open_rows`: row of the current batch at which the
    connection opened, -1 before it.
    """

    def __init__(self, pairs: PairTable) -> None:
        self.pair_table = pairs
        self._columns = Columns(_COLUMNS)
        self.of_pair: list[list[int]] = []
        """Connections of each pair, oldest first."""
        self._newest: I32 = np.zeros(0, dtype=np.int32)
        self._counts: I32 = np.zeros(0, dtype=np.int32)
        self._known_by_ends = _known_by_ends(pairs.keyring.store.connections)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def pairs(self) -> I32:
        return cast(I32, self._columns["pairs"])

    @property
    def openers(self) -> I8:
        return cast(I8, self._columns["openers"])

    @property
    def first_senders(self) -> I8:
        return cast(I8, self._columns["first_senders"])

    @property
    def isns(self) -> U32:
        return cast(U32, self._columns["isns"])

    @property
    def has_isn(self) -> Mask:
        return cast(Mask, self._columns["has_isn"])

    @property
    def is_confirmed(self) -> Mask:
        return cast(Mask, self._columns["is_confirmed"])

    @property
    def isn_sources(self) -> U8:
        return cast(U8, self._columns["isn_sources"])

    @property
    def known_entries(self) -> I32:
        return cast(I32, self._columns["known_entries"])

    @property
    def sne_hints(self) -> I64:
        return cast(I64, self._columns["sne_hints"])

    @property
    def references(self) -> U64:
        return cast(U64, self._columns["references"])

    @property
    def has_reference(self) -> Mask:
        return cast(Mask, self._columns["has_reference"])

    @property
    def mss(self) -> I32:
        return cast(I32, self._columns["mss"])

    @property
    def guesses_left(self) -> I16:
        return cast(I16, self._columns["guesses_left"])

    @property
    def open_rows(self) -> I64:
        return cast(I64, self._columns["open_rows"])

    def begin_batch(self) -> None:
        """Call before the rows of another batch are looked at."""
        self.open_rows[:] = -1
        missing = len(self.pair_table) - len(self.of_pair)
        self.of_pair += [[] for _ in range(missing)]
        self._newest = np.concatenate([self._newest, np.full(missing, NO_CONNECTION, dtype=np.int32)])
        self._counts = np.concatenate([self._counts, np.zeros(missing, dtype=np.int32)])

    def open(self, pair: int, row: int, *, opener: int = OPENER_UNKNOWN, at_front: bool = False) -> int:
        """Enters another connection of `pair`; its number."""
        connection = self._columns.add()
        self.pairs[connection] = pair
        self.openers[connection] = opener
        self.open_rows[connection] = row
        siblings = self.of_pair[pair]
        if at_front:
            siblings.insert(0, connection)
        else:
            siblings.append(connection)
        self._newest[pair] = siblings[-1]
        self._counts[pair] = len(siblings)
        return connection

    def set_isn(self, connection: int, side: int, isn: int, *, confirmed: bool, source: IsnSource) -> None:
        self.isns[connection, side] = isn
        self.has_isn[connection, side] = True
        self.is_confirmed[connection, side] = confirmed
        self.isn_sources[connection] = source

    # The handshake. One step per SYN or SYN-ACK, in capture order.

    def take_opening(self, opening: Opening) -> tuple[int, bool]:
        """The connection that a SYN or SYN-ACK belongs to, opened if need be.

        The flag asks the caller to try the MAC again with the connection's SYN as the destination ISN, and to call
        `confirm_answer` if it holds: a SYN-ACK that acknowledges something else than that SYN.
        """
        if opening.is_answer:
            return self._take_syn_ack(opening)
        return self._take_syn(opening), False

    def _take_syn(self, syn: Opening) -> int:
        isns, has_isn = self.isns, self.has_isn
        is_confirmed = self.is_confirmed
        siblings = self.of_pair[syn.pair][-ALIVE_LIMIT:]
        side, other = syn.side, 1 - syn.side
        for connection in reversed(siblings):
            if has_isn[connection, side] and isns[connection, side] == syn.seq:
                is_confirmed[connection, side] |= syn.is_verified
                return connection
        is_stray = syn.is_provable and not syn.is_verified
        if siblings and not is_stray:
            newest = siblings[-1]
            is_crossing = has_isn[newest, other] and not is_confirmed[newest].all()
            if is_crossing and self.openers[newest] == other and not is_confirmed[newest, side]:
                # Both ends sent a SYN and neither has answered yet: a simultaneous open (RFC 9293 3.5).
                if not has_isn[newest, side]:
                    self.set_isn(newest, side, syn.seq, confirmed=syn.is_verified, source=IsnSource.HANDSHAKE)
                    self.openers[newest] = OPENED_BY_BOTH
                    return newest
        connection = self.open(syn.pair, syn.row, opener=side)
        self.set_isn(connection, side, syn.seq, confirmed=syn.is_verified, source=IsnSource.HANDSHAKE)
        return connection

    def _take_syn_ack(self, answer: Opening) -> tuple[int, bool]:
        isns, has_isn = self.isns, self.has_isn
        is_confirmed = self.is_confirmed
        side, other = answer.side, 1 - answer.side
        opener_isn = (answer.ack - 1) & 0xFFFFFFFF
        siblings = self.of_pair[answer.pair][-ALIVE_LIMIT:]
        for connection in reversed(siblings):
            if not (has_isn[connection, other] and isns[connection, other] == opener_isn):
                continue
            is_same = has_isn[connection, side] and isns[connection, side] == answer.seq
            if (
                is_same
                or not has_isn[connection, side]
                or (answer.is_verified and not is_confirmed[connection, side])
            ):
                self.confirm_answer(connection, answer)
                return connection, False
            if not answer.is_verified:
                return connection, False
        for connection in reversed(siblings):
            if has_isn[connection, other] and not has_isn[connection, side]:
                return connection, True
        if siblings and answer.is_provable and not answer.is_verified:
            return siblings[-1], False
        connection = self.open(answer.pair, answer.row, opener=other)
        self.set_isn(connection, other, opener_isn, confirmed=answer.is_verified, source=IsnSource.HANDSHAKE)
        self.confirm_answer(connection, answer)
        return connection, False

    def confirm_answer(self, connection: int, answer: Opening) -> None:
        """Takes the responder's ISN from a SYN-ACK of this connection."""
        confirmed = answer.is_verified or bool(self.is_confirmed[connection, answer.side])
        self.set_isn(connection, answer.side, answer.seq, confirmed=confirmed, source=IsnSource.HANDSHAKE)
        if answer.is_verified:
            self.is_confirmed[connection] = True

    # Segments without SYN.

    def ensure_opened(self, pairs: I32, is_syn: Mask) -> None:
        """Opens a connection of unknown ISNs for pairs whose first segment ever is no SYN.

        Where the key file has `[[connection]]` entries for the pair, each becomes a connection as well: which of them
        holds, the MACs tell.
        """
        rows = np.flatnonzero(self._counts[pairs] == 0)
        if not len(rows):
            return
        new_pairs, firsts = np.unique(pairs[rows], return_index=True)
        for pair, row in zip(new_pairs.tolist(), rows[firsts].tolist(), strict=True):
            if not is_syn[row]:
                self._open_midway(pair)

    def _open_midway(self, pair: int) -> None:
        self.open(pair, -1)
        ends = self.pair_table.ends[pair]
        for entry, known, local_side in [
            *((index, known, 0) for index, known in self._known_by_ends.get((ends[0], ends[1]), ())),
            *((index, known, 1) for index, known in self._known_by_ends.get((ends[1], ends[0]), ())),
        ]:
            connection = self.open(pair, -1)
            remote_side = 1 - local_side
            for side, isn, sne in (
                (local_side, known.local_isn, known.local_sne),
                (remote_side, known.remote_isn, known.remote_sne),
            ):
                self.set_isn(connection, side, isn, confirmed=False, source=IsnSource.KEY_FILE)
                self.sne_hints[connection, side] = -1 if sne is None else sne
            self.known_entries[connection] = entry

    def attribute(self, segments: Segments, pairs: I32, sides: U8, rows: I64) -> I32:
        """The connection of each of `rows` (segments without SYN) by sequence numbers alone.

        Of a pair's connections that were open by then, the one whose ISNs the segment is nearest above; the newest of
        equals. The running state plays no part, so the answer does not depend on how a capture is cut into batches.
        """
        assigned = self._newest[pairs[rows]]
        opened_later = self.open_rows[assigned] > rows
        contested = np.flatnonzero((self._counts[pairs[rows]] > 1) | opened_later)
        if not len(contested):
            return assigned
        at = rows[contested]
        best = np.full(len(at), _FAR * 2, dtype=np.int64)
        for rank in range(self.most_siblings(pairs[at])):
            connections = self.siblings(pairs[at], rank)
            is_open = (connections >= 0) & (self.open_rows[connections] <= at)
            distances = np.where(is_open, self._distances(segments, at, sides[at], connections), _FAR * 2)
            # Ranks run from the newest to the oldest: only a strictly nearer one takes over.
            is_nearer = distances < best
            best[is_nearer] = distances[is_nearer]
            assigned[contested[is_nearer]] = connections[is_nearer]
        return assigned

    def most_siblings(self, pairs: I32) -> int:
        """How many connections the busiest of `pairs` has, at most ALIVE_LIMIT."""
        return min(int(self._counts[pairs].max(initial=0)), ALIVE_LIMIT)

    def siblings(self, pairs: I32, rank: int) -> I32:
        """Each pair's connection of the given rank (0: the newest); NO_CONNECTION where there are not so many."""
        distinct, inverse = np.unique(pairs, return_inverse=True)
        chosen = [
            self.of_pair[pair][-1 - rank] if rank < len(self.of_pair[pair]) else NO_CONNECTION
            for pair in distinct.tolist()
        ]
        return np.array(chosen, dtype=np.int32)[inverse]

    def _distances(self, segments: Segments, rows: I64, sides: U8, connections: I32) -> I64:
        isns, has_isn = self.isns, self.has_isn
        others = 1 - sides
        own = (segments.seqs[rows] - isns[connections, sides]).astype(np.int64)
        own = np.where(has_isn[connections, sides], own, HALF_KNOWN_DISTANCE)
        peer = (segments.acks[rows] - isns[connections, others]).astype(np.int64)
        peer = np.where(segments.flags[rows] & ACK != 0, peer, 0)
        peer = np.where(has_isn[connections, others], peer, HALF_KNOWN_DISTANCE)
        return np.maximum(own, peer)

    def note_first_senders(self, connections: I32, sides: U8) -> None:
        """Remembers which end sent the first segment of each connection."""
        first_senders = self.first_senders
        fresh = np.flatnonzero(first_senders[connections] < 0)
        if len(fresh):
            # Assigning backwards leaves the first of each connection standing.
            first_senders[connections[fresh[::-1]]] = sides[fresh[::-1]]

    def a_sides(self) -> I8:
        """Which side is the Report's `a`, per connection: the opener, or the first sender where nobody is known to be."""
        openers, first_senders = self.openers, self.first_senders
        is_known = (openers == 0) | (openers == 1)
        return np.where(is_known, openers, np.maximum(first_senders, 0)).astype(np.int8)


def _known_by_ends(
    known_connections: tuple[KnownConnection, ...],
) -> dict[tuple[tuple[bytes, int], tuple[bytes, int]], list[tuple[int, KnownConnection]]]:
    by_ends: dict[tuple[tuple[bytes, int], tuple[bytes, int]], list[tuple[int, KnownConnection]]] = {}
    for index, known in enumerate(known_connections):
        local = (known.local[0].packed, known.local[1])
        remote = (known.remote[0].packed, known.remote[1])
        by_ends.setdefault((local, remote), []).append((index, known))
    return by_ends


def guessed_isns(segments: Segments, row: int, side: int, isns: U32, has_isn: Mask) -> tuple[int, int] | None:
    """The ISNs (sender's, receiver's) if this were the first segment behind the handshake, or None where it cannot be.

    `isns` and `has_isn` are the connection's, by side: what is known is not guessed.
    """
    if not int(segments.flags[row]) & ACK:
        return None
    own = int(isns[side]) if has_isn[side] else (int(segments.seqs[row]) - 1) & 0xFFFFFFFF
    peer = int(isns[1 - side]) if has_isn[1 - side] else (int(segments.acks[row]) - 1) & 0xFFFFFFFF
    return own, peer
