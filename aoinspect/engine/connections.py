"""Connections of socket pairs: their ISNs, where each direction stands, and how many of one pair are kept.

Several connections of one pair may be alive: a SYN with a new ISN opens another and ends none. What opens one is told
in `handshake`, which of them a segment belongs to in `attribution`. An end's ISN is *confirmed* once a MAC that covers
it (through the traffic key) has matched, and only an unconfirmed one is ever replaced, so that stray handshake segments
change nothing. Sides are the pair's; `openers` maps them to the Report's a and b.
"""

from __future__ import annotations

from enum import IntEnum
from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.columns import Columns
from aoinspect.engine.limits import Excess, Limits
from aoinspect.engine.locate import Mask
from aoinspect.engine.pairs import PairTable
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
"""Connections of one pair that a segment may belong to: so many confirmed ones, and as many others. Older ones have
ended. Those of the key file do not count."""

GUESS_LIMIT = 64
"""Segments of one pair that are tried as the first behind an unseen handshake, until a handshake is verified."""

CONTINUATION_LIMIT = 1 << 24
"""Octets behind both ISNs within which a first segment shows that it continues an unconfirmed handshake."""


class Doubt(IntEnum):
    """What speaks against an ISN that no MAC has confirmed."""

    NONE = 0
    """Nothing: its segment could not be checked, or no key is known."""
    FAILED = 1
    """Its segment's MAC does not match: a stray, or the keys are wrong."""
    UNSIGNED = 2
    """Its segment is unsigned where keys are known: no signed connection begins so."""


_COLUMNS = {
    "pairs": (np.int32, 0, ()),
    "openers": (np.int8, OPENER_UNKNOWN, ()),
    "first_senders": (np.int8, -1, ()),
    "isns": (np.uint32, 0, (2,)),
    "has_isn": (np.bool_, False, (2,)),
    "is_confirmed": (np.bool_, False, (2,)),
    "doubts": (np.uint8, Doubt.NONE, (2,)),
    "isn_sources": (np.uint8, IsnSource.UNKNOWN, ()),
    "known_entries": (np.int32, -1, ()),
    "sne_hints": (np.int64, -1, (2,)),
    "references": (np.uint64, 0, (2,)),
    "has_reference": (np.bool_, False, (2,)),
    "mss": (np.int32, -1, (2,)),
    "is_mss_confirmed": (np.bool_, False, (2,)),
}

_PAIR_COLUMNS = {
    "newest": (np.int32, NO_CONNECTION, ()),
    "counts": (np.int32, 0, ()),
    "is_proven": (np.bool_, False, ()),
    "guesses_left": (np.int16, GUESS_LIMIT, ()),
}

_Ends = tuple[tuple[bytes, int], tuple[bytes, int]]


class Connections:
    """All connections of protected pairs, as columns:

    `isns`, `has_isn`, `is_confirmed`, `doubts` (n, 2) by side; `references` (n, 2): position (SNE << 32 | seq) of the
    last verified segment of each side; `sne_hints` (n, 2): SNE of the first segment where the key file tells it, else
    -1; `mss` (n, 2): the MSS that each side announced, -1 unknown.

    And of pairs: `newest` connection; `counts` of those alive; `is_proven`: ISNs are known well enough for a MAC that
    does not match to be wrong; `guesses_left`.
    """

    def __init__(self, pairs: PairTable, limits: Limits | None = None, excess: Excess | None = None) -> None:
        self.pair_table = pairs
        self._limit = (limits or Limits()).connections
        self._excess = excess if excess is not None else Excess()
        self._columns = Columns(_COLUMNS)
        self._of_pairs = Columns(_PAIR_COLUMNS)
        self.of_pair: list[list[int]] = []
        """Connections of each pair that a segment may belong to, oldest first."""
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
    def doubts(self) -> U8:
        return cast(U8, self._columns["doubts"])

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
    def is_mss_confirmed(self) -> Mask:
        return cast(Mask, self._columns["is_mss_confirmed"])

    @property
    def newest(self) -> I32:
        return cast(I32, self._of_pairs["newest"])

    @property
    def counts(self) -> I32:
        return cast(I32, self._of_pairs["counts"])

    @property
    def is_proven(self) -> Mask:
        return cast(Mask, self._of_pairs["is_proven"])

    @property
    def guesses_left(self) -> I16:
        return cast(I16, self._of_pairs["guesses_left"])

    def is_complete(self, connections: I32) -> Mask:
        """Which of `connections` have both ISNs."""
        has_isn = self.has_isn[connections]
        return has_isn[:, 0] & has_isn[:, 1]

    def is_credible(self, connections: I32) -> Mask:
        """Which have both ISNs from handshake segments that may be genuine.

        An unsigned one is not, where keys are known; nor is one whose MAC fails while the other end's ISN is confirmed,
        since the keys are right then.
        """
        doubts, is_confirmed = self.doubts[connections], self.is_confirmed[connections]
        is_stray = (doubts == Doubt.UNSIGNED) | ((doubts == Doubt.FAILED) & is_confirmed[:, ::-1])
        is_sound = is_confirmed | ~is_stray
        return cast(Mask, self.is_complete(connections) & is_sound[:, 0] & is_sound[:, 1])

    # Opening and ending.

    def begin_batch(self) -> None:
        """Call before the rows of another batch are looked at: enters the pairs that are new in it.

        A pair that the key file has `[[connection]]` entries for gets a connection for each: which of them holds, the
        MACs tell.
        """
        fresh = range(len(self.of_pair), len(self.pair_table))
        if not fresh:
            return
        self._of_pairs.add(len(fresh))
        self.of_pair += [[] for _ in fresh]
        if self._known_by_ends:
            for pair in fresh:
                self._open_known(pair)

    def _open_known(self, pair: int) -> None:
        ends = self.pair_table.ends[pair]
        for entry, known, local_side in [
            *((index, known, 0) for index, known in self._known_by_ends.get((ends[0], ends[1]), ())),
            *((index, known, 1) for index, known in self._known_by_ends.get((ends[1], ends[0]), ())),
        ]:
            connection = self.open(pair)
            for side, isn, sne in (
                (local_side, known.local_isn, known.local_sne),
                (1 - local_side, known.remote_isn, known.remote_sne),
            ):
                self.set_isn(connection, side, isn, IsnSource.KEY_FILE)
                self.sne_hints[connection, side] = -1 if sne is None else sne
            self.known_entries[connection] = entry
            self.is_proven[pair] = True

    def ensure_opened(self, pairs: I32) -> None:
        """Opens a connection of unknown ISNs for those of `pairs` that have none."""
        fresh = pairs[self.counts[pairs] == 0]
        for pair in dict.fromkeys(fresh.tolist()):
            self.open(pair)

    def open(self, pair: int, *, opener: int = OPENER_UNKNOWN) -> int:
        """Enters another connection of `pair`; its number. Where there are too many, the oldest of its kind ends.

        Beyond the limit of a run, a pair's last connection that no MAC has confirmed stands for the new one as well.
        """
        alive = self.of_pair[pair]
        if len(self) >= self._limit and alive:
            shared = next((known for known in reversed(alive) if not self.is_confirmed[known].any()), NO_CONNECTION)
            if shared != NO_CONNECTION:
                self._excess.shared_connections += 1
                self.has_isn[shared] = False
                self.doubts[shared] = Doubt.NONE
                self.openers[shared] = opener
                return shared
        if len(alive) >= ALIVE_LIMIT:
            self._end_oldest(alive)
        connection = self._columns.add()
        self.pairs[connection] = pair
        self.openers[connection] = opener
        alive.append(connection)
        self.newest[pair] = connection
        self.counts[pair] = len(alive)
        return connection

    def _end_oldest(self, alive: list[int]) -> None:
        """Keeps room for another among the confirmed connections and among the others: strays push out strays only."""
        connections = np.array(alive, dtype=np.int32)
        is_sure = self.is_confirmed[connections].any(axis=1)
        is_of_capture = self.isn_sources[connections] != IsnSource.KEY_FILE
        for is_kind in (is_of_capture & ~is_sure, is_of_capture & is_sure):
            if np.count_nonzero(is_kind) >= ALIVE_LIMIT:
                alive.remove(int(connections[np.argmax(is_kind)]))

    def end_told(self, connection: int) -> None:
        """Ends what the key file tells of this connection, whose handshake is in the capture after all."""
        pair = int(self.pairs[connection])
        for other in list(self.of_pair[pair]):
            is_told = self.isn_sources[other] == IsnSource.KEY_FILE and not self.is_confirmed[other].any()
            if is_told and (self.isns[other] == self.isns[connection]).all():
                self.of_pair[pair].remove(other)
        self.counts[pair] = len(self.of_pair[pair])
        self.newest[pair] = self.of_pair[pair][-1]

    def set_isn(
        self,
        connection: int,
        side: int,
        isn: int,
        source: IsnSource,
        *,
        confirmed: bool = False,
        doubt: Doubt = Doubt.NONE,
    ) -> None:
        """Notes the ISN of one side."""
        self.isns[connection, side] = isn
        self.has_isn[connection, side] = True
        self.is_confirmed[connection, side] = confirmed
        self.doubts[connection, side] = doubt
        self.isn_sources[connection] = source

    def confirm(self, connections: I32) -> None:
        """MACs matched under the ISNs of `connections`."""
        self.is_confirmed[connections] = True
        self.is_proven[self.pairs[connections]] = True

    # Looking up.

    def of_handshakes(self, pair: int) -> I32:
        """The connections of `pair` that a SYN or SYN-ACK may be of, the newest first.

        One of the key file is among them once it is confirmed: its first segments overtook the handshake.
        """
        alive = np.array(self.of_pair[pair][::-1], dtype=np.int32)
        is_told = self.isn_sources[alive] == IsnSource.KEY_FILE
        return alive[~is_told | self.is_confirmed[alive].any(axis=1)] if is_told.any() else alive

    def having(self, connections: I32, side: int, isn: int) -> I32:
        """Those of `connections` whose end at `side` has this ISN."""
        has_it = self.has_isn[connections, side] & (self.isns[connections, side] == np.uint32(isn))
        return cast(I32, connections[has_it])

    def most_alive(self, pairs: I32) -> int:
        """How many connections the busiest of `pairs` has."""
        return int(self.counts[pairs].max(initial=0))

    def alive_at(self, pairs: I32, rank: int) -> I32:
        """Each pair's connection of the given rank (0: the newest); NO_CONNECTION where there are not so many."""
        distinct, inverse = np.unique(pairs, return_inverse=True)
        chosen = [
            self.of_pair[pair][-1 - rank] if rank < len(self.of_pair[pair]) else NO_CONNECTION
            for pair in distinct.tolist()
        ]
        return np.array(chosen, dtype=np.int32)[inverse]

    def note_first_senders(self, connections: I32, sides: U8) -> None:
        """Remembers which end sent the first segment of each connection."""
        first_senders = self.first_senders
        fresh = np.flatnonzero(first_senders[connections] < 0)
        if len(fresh):
            # Assigning backwards leaves the first of each connection standing.
            first_senders[connections[fresh[::-1]]] = sides[fresh[::-1]]

    def a_side(self, connection: int) -> int:
        """What `a_sides` has for one connection."""
        opener = int(self.openers[connection])
        return opener if opener in (0, 1) else max(int(self.first_senders[connection]), 0)

    def a_sides(self) -> I8:
        """Which side is the Report's `a`, per connection: the opener, or the first sender if nobody is known to be."""
        openers, first_senders = self.openers, self.first_senders
        is_known = (openers == 0) | (openers == 1)
        return np.where(is_known, openers, np.maximum(first_senders, 0)).astype(np.int8)


def _known_by_ends(
    known_connections: tuple[KnownConnection, ...],
) -> dict[_Ends, list[tuple[int, KnownConnection]]]:
    by_ends: dict[_Ends, list[tuple[int, KnownConnection]]] = {}
    for index, known in enumerate(known_connections):
        local = (known.local[0].packed, known.local[1])
        remote = (known.remote[0].packed, known.remote[1])
        by_ends.setdefault((local, remote), []).append((index, known))
    return by_ends
