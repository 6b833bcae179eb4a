"""What failed when a batch was checked as if all of it were genuine, looked at again.

Every connection of the pair is tried, each segment at the position nearest to the last verified segment before it.
That repeats until nothing more verifies, so the outcome is that of reading segment by segment. What fails even so is
tried as the first segment behind a handshake that is not in the capture: the ISNs follow from its own numbers, and
count only if its MAC confirms them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U32
from aoinspect.engine.attribution import Learned
from aoinspect.engine.check import NO_CANDIDATE
from aoinspect.engine.connections import NO_CONNECTION
from aoinspect.engine.ordering import distinct
from aoinspect.engine.placing import BatchProgress, VerifiedBefore
from aoinspect.engine.segments import ACK
from aoinspect.engine.verdicts import IsnSource

_UNTRIED = -1
_SNE_MASK = 0xFFFFFFFF
_FROM_THE_START = -1


class _Trial(NamedTuple):
    """A connection to try, with the SNE that the key file gives for it moved by `shift` (0, 1 or -1)."""

    connection: int
    shift: int


class _Guess(NamedTuple):
    """ISNs that a segment may follow; `connection` is NO_CONNECTION where it would be another one."""

    connection: int
    own_isn: int
    peer_isn: int


class _Sibling(NamedTuple):
    """What is known of a connection, by side, when guesses are made."""

    connection: int
    is_told: bool
    """By the key file."""
    isns: list[int]
    has_isn: list[bool]
    is_confirmed: list[bool]


class SecondLook:
    """The second look at one round: `rows` are those of its segments whose MAC needs a connection."""

    def __init__(self, progress: BatchProgress, rows: I64, failed: I64) -> None:
        self.learned: dict[int, Learned] = {}
        """Connections whose ISNs a segment told."""
        self._progress = progress
        self._conns = progress.conns
        is_involved = np.zeros(len(progress.conns.pair_table), dtype=np.bool_)
        is_involved[progress.pairs[failed]] = True
        self._rows = rows[is_involved[progress.pairs[rows]]]
        self._open = failed
        self._pairs = distinct(progress.pairs[failed])
        self._trials = [list(self._initial_trials(pair)) for pair in self._pairs.tolist()]
        self._first_connections = progress.connections.copy()
        self._first_snes = (progress.positions >> np.uint64(32)).astype(np.int64)
        was_tried = progress.conns.is_complete(self._first_connections)
        self._first_snes[~was_tried] = _UNTRIED
        self._tried: dict[int, I64] = {}
        """Rank of a trial -> the SNE that each row was tried with there."""
        self._guessed_to: dict[int, int] = {}
        """Pair -> the last row that was taken as a first one."""

    def _initial_trials(self, pair: int) -> Iterator[_Trial]:
        """The newest connection first. What the key file says of the SNE may be one off behind a wrap."""
        alive = self._conns.of_pair[pair][::-1]
        yield from (_Trial(connection, 0) for connection in alive)
        for connection in alive:
            if self._conns.isn_sources[connection] == IsnSource.KEY_FILE:
                yield _Trial(connection, 1)
                yield _Trial(connection, -1)

    def run(self) -> None:
        """Tries until nothing more verifies."""
        self._sweep()
        while len(self._open) and self._guess():
            self._sweep()

    # Every connection of the pair.

    def _sweep(self) -> None:
        while len(self._open):
            verified = VerifiedBefore(self._progress, self._rows)
            has_hits = False
            for rank in range(max(map(len, self._trials))):
                has_hits |= self._try(rank, verified)
            if not self._drop_leaps() and not has_hits:
                return

    def _try(self, rank: int, verified: VerifiedBefore) -> bool:
        """Tries open rows with their pair's trial of this rank; whether any verified."""
        rows = self._open
        progress = self._progress
        entries = np.array(
            [trials[rank] if rank < len(trials) else (NO_CONNECTION, 0) for trials in self._trials], dtype=np.int64
        )[np.searchsorted(self._pairs, progress.pairs[rows])]
        connections, shifts = entries[:, 0].astype(np.int32), entries[:, 1]
        is_usable = (connections != NO_CONNECTION) & self._conns.is_complete(connections)
        for connection, lesson in self.learned.items():
            is_usable &= (connections != connection) | (rows > lesson.row)
        rows, connections, shifts = rows[is_usable], connections[is_usable], shifts[is_usable]
        if not len(rows):
            return False
        places, has_reference = verified.places(rows, connections)
        places += shifts.view(np.uint64) << np.uint64(32)
        snes = (places >> np.uint64(32)).astype(np.int64)
        tried = self._tried.setdefault(rank, np.full(len(progress.positions), _UNTRIED, dtype=np.int64))
        is_stale = (tried[rows] == snes) | (has_reference & (shifts != 0))
        is_stale |= (self._first_connections[rows] == connections) & (self._first_snes[rows] == snes)
        again = np.flatnonzero(~is_stale)
        if not len(again):
            return False
        rows, connections, places = rows[again], connections[again], places[again]
        tried[rows] = snes[again]
        order = np.argsort(connections.astype(np.int64) * 2 + progress.sides[rows], kind="stable")
        rows, connections, places = rows[order], connections[order], places[order]
        found = progress.check_rows(rows, connections, places)
        hits = np.flatnonzero(found != NO_CANDIDATE)
        progress.candidates[rows[hits]] = found[hits]
        progress.connections[rows[hits]] = connections[hits]
        progress.positions[rows[hits]] = places[hits]
        self._open = self._open[progress.candidates[self._open] == NO_CANDIDATE]
        return len(hits) > 0

    def _drop_leaps(self) -> bool:
        """Takes back verified rows that only failed ones led to; whether there were any.

        Read one by one, a segment half the sequence space or more beyond the last verified one before it cannot be
        placed. From the first such row of a direction on, all is tried again.
        """
        progress = self._progress
        verified = VerifiedBefore(progress, self._rows)
        rows = verified.rows
        if not len(rows):
            return False
        connections, sides = progress.connections[rows], progress.sides[rows]
        positions = progress.positions[rows]
        bases = progress.bases(connections, sides, progress.segments.seqs[rows])
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = verified.groups[1:] != verified.groups[:-1]
        bases[1:] = np.where(is_first[1:], bases[1:], positions[:-1])
        expected = progress.nearest(bases, progress.segments.seqs[rows], connections, sides)
        is_leap = expected != positions
        # At the SNE that the key file gives, or one beside it, the first one was looked for.
        is_leap &= ~(is_first & progress.is_midway(connections) & ~progress.conns.has_reference[connections, sides])
        if not is_leap.any():
            return False
        leaps_so_far = np.cumsum(is_leap)
        starts = np.flatnonzero(is_first)
        before_group = np.repeat(leaps_so_far[starts] - is_leap[starts], np.diff(starts, append=len(rows)))
        dropped = rows[leaps_so_far > before_group]
        progress.candidates[dropped] = NO_CANDIDATE
        self._first_snes[dropped] = _UNTRIED
        for tried in self._tried.values():
            tried[dropped] = _UNTRIED
        self._open = np.union1d(self._open, dropped)
        return True

    # The first segment behind an unseen handshake.

    def _guess(self) -> bool:
        """Takes open rows, pair by pair in capture order, as such a first segment; whether one was."""
        rows_of = self._rows_to_guess()
        verified = VerifiedBefore(self._progress, self._rows).rows
        confirmed_now = set(self._progress.connections[verified].tolist())
        guesses: dict[int, list[_Guess]] = {}
        for pair, own in rows_of.items():
            siblings = self._siblings(pair, confirmed_now)
            guesses.update((row, self._guesses(row, siblings)) for row in own.tolist())
        hits: dict[int, tuple[int, int, int]] = {}
        """Pair -> the first row that verified, its guess and candidate."""
        for rank in range(max(map(len, guesses.values()), default=0)):
            rows = np.array([row for row, found in guesses.items() if rank < len(found)], dtype=np.int64)
            candidates = self._check_guesses(rows, [guesses[row][rank] for row in rows.tolist()])
            for hit in np.flatnonzero(candidates != NO_CANDIDATE).tolist():
                row = int(rows[hit])
                pair = int(self._progress.pairs[row])
                if pair not in hits or row < hits[pair][0]:
                    hits[pair] = row, rank, int(candidates[hit])
        for pair, own in rows_of.items():
            last = hits[pair][0] if pair in hits else int(own[-1])
            self._guessed_to[pair] = last
            self._conns.guesses_left[pair] -= np.count_nonzero(own <= last)
        for row, rank, candidate in hits.values():
            self._learn(row, guesses[row][rank], candidate)
        self._open = self._open[self._progress.candidates[self._open] == NO_CANDIDATE]
        return bool(hits)

    def _rows_to_guess(self) -> dict[int, I64]:
        """Pair -> its open rows that have not been taken as first ones yet, as many as it has guesses left."""
        rows = self._open[self._conns.guesses_left[self._progress.pairs[self._open]] > 0]
        if not len(rows):
            return {}
        pairs = self._progress.pairs[rows]
        order = np.argsort(pairs, kind="stable")
        pairs_met, starts = np.unique(pairs[order], return_index=True)
        chosen: dict[int, I64] = {}
        for pair, own in zip(pairs_met.tolist(), np.split(rows[order], starts[1:]), strict=True):
            own = own[own > self._guessed_to.get(pair, _FROM_THE_START)][: int(self._conns.guesses_left[pair])]
            if len(own):
                chosen[pair] = own
        return chosen

    def _siblings(self, pair: int, confirmed_now: set[int]) -> list[_Sibling]:
        """The pair's connections that may lack an ISN, or that the key file tells of."""
        conns = self._conns
        siblings = []
        for connection, shift in self._trials[int(np.searchsorted(self._pairs, pair))]:
            is_told = bool(conns.isn_sources[connection] == IsnSource.KEY_FILE)
            is_sure = bool(conns.is_confirmed[connection].all()) or connection in confirmed_now
            if shift == 0 and (is_told or not is_sure):
                columns = (conns.isns, conns.has_isn, conns.is_confirmed)
                siblings.append(_Sibling(connection, is_told, *(column[connection].tolist() for column in columns)))
        return siblings

    def _guesses(self, row: int, siblings: list[_Sibling]) -> list[_Guess]:
        """The ISNs that this row may follow: those known of either end, and otherwise its own numbers less 1."""
        segments, side = self._progress.segments, int(self._progress.sides[row])
        has_ack = bool(segments.flags[row] & ACK)
        before = (int(segments.seqs[row]) - 1) & 0xFFFFFFFF
        acknowledged = (int(segments.acks[row]) - 1) & 0xFFFFFFFF
        guesses: dict[tuple[int, int], int] = {}
        told: dict[tuple[int, int], int] = {}
        blank = NO_CONNECTION
        for connection, is_told, isns, has_isn, is_confirmed in siblings:
            if is_told:
                told[isns[side], isns[1 - side]] = connection
                continue
            if not has_isn[0] and not has_isn[1]:
                blank = connection
            if has_isn[side] and not is_confirmed[1 - side] and has_ack:
                guesses.setdefault((isns[side], acknowledged), connection)
            if has_isn[1 - side] and not is_confirmed[side]:
                guesses.setdefault((before, isns[1 - side]), connection)
        if has_ack:
            guesses.setdefault((before, acknowledged), blank)
        # What the key file told all the same is no other connection: only the SNE was not what it says.
        return [_Guess(told.get(isns, connection), *isns) for isns, connection in guesses.items()]

    def _place(self, seqs: U32, own_isns: U32) -> U32:
        """SNEs of segments right behind their ISNs: an ISN of 0xffffffff puts the octet behind it at SNE 1."""
        return ((seqs < own_isns) & (seqs - own_isns < np.uint32(1 << 31))).astype(np.uint32)

    def _check_guesses(self, rows: I64, guesses: list[_Guess]) -> I64:
        own = np.array([guess.own_isn for guess in guesses], dtype=np.uint32)
        peer = np.array([guess.peer_isn for guess in guesses], dtype=np.uint32)
        snes = self._place(self._progress.segments.seqs[rows], own)
        return self._progress.check.check(rows, own, peer, snes)

    def _forget_tries(self, pair: int, connection: int) -> None:
        """The connection has other ISNs now than those that rows were tried with."""
        self._first_snes[self._first_connections == connection] = _UNTRIED
        trials = self._trials[int(np.searchsorted(self._pairs, pair))]
        for rank, tried in self._tried.items():
            if rank < len(trials) and trials[rank].connection == connection:
                tried[self._progress.pairs == pair] = _UNTRIED

    def _learn(self, row: int, guess: _Guess, candidate: int) -> None:
        """The MAC of `row` has confirmed these ISNs."""
        progress, conns = self._progress, self._conns
        connection = guess.connection
        if connection == NO_CONNECTION or conns.isn_sources[connection] != IsnSource.KEY_FILE:
            connection = self._learn_isns(row, guess)
        seqs = progress.segments.seqs[row : row + 1]
        sne = int(self._place(seqs, np.array([guess.own_isn], dtype=np.uint32))[0])
        progress.candidates[row] = candidate
        progress.connections[row] = connection
        progress.positions[row] = sne << 32 | int(seqs[0])

    def _learn_isns(self, row: int, guess: _Guess) -> int:
        """Notes the ISNs of a connection, opened if it is another one; its number."""
        progress, conns = self._progress, self._conns
        side, pair = int(progress.sides[row]), int(progress.pairs[row])
        connection = guess.connection
        is_new = connection == NO_CONNECTION
        if is_new:
            connection = conns.open(pair)
            self._trials[int(np.searchsorted(self._pairs, pair))].append(_Trial(connection, 0))
        self.learned[connection] = Learned(
            row,
            is_new,
            conns.isns[connection].copy(),
            conns.has_isn[connection].copy(),
            bool(conns.is_credible(np.array([connection], dtype=np.int32))[0]),
        )
        self._forget_tries(pair, connection)
        conns.set_isn(connection, side, guess.own_isn, IsnSource.INFERRED, confirmed=True)
        conns.set_isn(connection, 1 - side, guess.peer_isn, IsnSource.INFERRED, confirmed=True)
        return connection
