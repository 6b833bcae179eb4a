"""The verdict of every segment of a batch, with the connection it belongs to and its SNE.

MACs decide twice over: a segment's verdict, and what the segments behind it are measured against. So the work goes in
three steps. Handshake segments and TCP-MD5 need no connection and are checked first; then everything else is checked at
once, as if all of it were genuine; then only what failed is looked at again, with nothing but verified segments as a
reference for the SNE (RFC 5925 6.2) and with every other connection of the pair. The last step repeats until it
verifies nothing new, so its outcome is that of reading segment by segment, however the capture is cut into batches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.check import NO_CANDIDATE, BatchCheck, Checker
from aoinspect.engine.connections import I32, U64, Connections, Opening, guessed_isns
from aoinspect.engine.locate import Mask
from aoinspect.engine.segments import ACK, SYN, Segments, mss_option
from aoinspect.engine.verdicts import IsnSource, Method, Reason, Verdict

OFFLOADED_WITHOUT_MSS = 9_216
"""Octets of payload that no link carries in one segment, for connections whose MSS options are not in the capture."""

_SWEEP_LIMIT = 256


class Judgement(NamedTuple):
    """One value a segment, in capture order."""

    connections: I32
    snes: U32
    has_sne: Mask
    """False where nothing tells the SNE: unsigned segments, unknown ISNs."""
    verdicts: U8
    reasons: U8
    candidates: I64
    """Index into `Checker.lists.candidates` of the key that verified, or NO_CANDIDATE."""


class Judge:
    """Judges batch after batch; the connections carry over what the next one needs."""

    def __init__(self, checker: Checker, connections: Connections) -> None:
        self.checker = checker
        self.connections = connections
        self._guessed: dict[int, set[tuple[int, int]]] = {}

    def judge(self, segments: Segments, pairs: I32, sides: U8) -> Judgement:
        """The judgement of `segments`, all of protected pairs (`pairs`, and the side that sent each)."""
        self.connections.begin_batch()
        return _BatchJudge(self, segments, pairs, sides).run()


class _BatchJudge:
    """The work on one batch."""

    def __init__(self, judge: Judge, segments: Segments, pairs: I32, sides: U8) -> None:
        count = segments.size
        self.conns = judge.connections
        self.guessed = judge._guessed
        self.segments = segments
        self.pairs = pairs
        self.sides = sides
        self.check: BatchCheck = judge.checker.begin(segments, pairs, sides)
        self.connections = np.full(count, -1, dtype=np.int32)
        self.positions: U64 = np.zeros(count, dtype=np.uint64)
        self.candidates = np.full(count, NO_CANDIDATE, dtype=np.int64)
        self.is_syn = (segments.flags & SYN) != 0
        packets = segments.packets
        self.is_truncated = packets.ends > packets.limits
        is_whole = ~segments.is_header_cut & (segments.malformed == Reason.NONE) & ~packets.is_partial
        self.is_checkable = is_whole & ~self.is_truncated & self.check.admission.is_checkable
        self.is_ao = segments.methods == Method.AO

    def run(self) -> Judgement:
        self._check_standalone()
        self.conns.ensure_opened(self.pairs, self.is_syn)
        self._take_openings()
        rows = np.flatnonzero(~self.is_syn)
        self.connections[rows] = self.conns.attribute(self.segments, self.pairs, self.sides, rows)
        work = np.flatnonzero(self.is_checkable & self.is_ao & ~self.is_syn)
        failed = self._check_all_as_genuine(work)
        is_tried = np.zeros(self.segments.size, dtype=np.bool_)
        if len(failed):
            self._sweep(failed, is_tried)
        self.conns.note_first_senders(self.connections, self.sides)
        has_sne = self._place_the_rest()
        self._remember()
        return self._conclude(has_sne, is_tried)

    # Step one: what needs no connection.

    def _check_standalone(self) -> None:
        """SYNs (ISNs: their own, 0), SYN-ACKs (their own, ack - 1) and TCP-MD5 (none)."""
        segments = self.segments
        rows = np.flatnonzero(self.is_checkable & (self.is_syn | ~self.is_ao))
        if not len(rows):
            return
        rows = rows[np.argsort(self.pairs[rows], kind="stable")]
        is_answer = (segments.flags[rows] & ACK) != 0
        peers = np.where(is_answer, segments.acks[rows] - np.uint32(1), np.uint32(0)).astype(np.uint32)
        none = np.zeros(len(rows), dtype=np.uint32)
        self.candidates[rows] = self.check.check(rows, segments.seqs[rows], peers, none)
        self.positions[rows] = segments.seqs[rows]

    def _take_openings(self) -> None:
        """The handshake's state machine: one step per segment with SYN set."""
        segments, conns = self.segments, self.conns
        for row in np.flatnonzero(self.is_syn & ~segments.is_header_cut).tolist():
            opening = Opening(
                row=row,
                pair=int(self.pairs[row]),
                side=int(self.sides[row]),
                seq=int(segments.seqs[row]),
                ack=int(segments.acks[row]),
                is_answer=bool(segments.flags[row] & ACK),
                is_verified=bool(self.candidates[row] != NO_CANDIDATE),
                is_provable=bool(self.is_checkable[row])
                or (segments.methods[row] == Method.NONE
                and self.conns.pair_table.keys[int(self.pairs[row])] is not None),
            )
            connection, try_again = conns.take_opening(opening)
            if try_again and opening.is_provable and not opening.is_verified and self.is_checkable[row]:
                peer_isn = conns.isns[connection, 1 - opening.side]
                found = self._check_one(row, opening.seq, int(peer_isn), 0)
                if found != NO_CANDIDATE:
                    self.candidates[row] = found
                    conns.confirm_answer(connection, opening)
                    conns.is_confirmed[connection] = True
            self.connections[row] = connection
            if conns.mss[connection, opening.side] < 0:
                start = int(segments.packets.starts[row])
                end = min(start + int(segments.header_lengths[row]), int(segments.packets.limits[row]))
                mss = mss_option(segments.packets.octets, start + 20, end)
                if mss is not None:
                    conns.mss[connection, opening.side] = mss
        cut = np.flatnonzero(self.is_syn & segments.is_header_cut)
        if len(cut):
            self.is_syn[cut] = False
            self.conns.ensure_opened(self.pairs, self.is_syn)

    def _check_one(self, row: int, own: int, peer: int, sne: int) -> int:
        found = self.check.check(
            np.array([row], dtype=np.int64),
            np.array([own], dtype=np.uint32),
            np.array([peer], dtype=np.uint32),
            np.array([sne], dtype=np.uint32),
        )
        return int(found[0])

    # Step two: everything else at once.

    def _check_all_as_genuine(self, work: I64) -> I64:
        """Checks `work` with each segment's SNE measured against the one before it; the rows that failed."""
        conns = self.conns
        if not len(work):
            return work
        groups = self.connections[work].astype(np.int64) * 2 + self.sides[work]
        is_known = conns.has_isn.all(axis=1)[self.connections[work]]
        unknown = work[~is_known]
        work, groups = work[is_known], groups[is_known]
        if not len(work):
            return unknown
        order = _stable_order(groups)
        work, groups = work[order], groups[order]
        self.positions[work] = self._chain(work, groups)
        snes = (self.positions[work] >> np.uint64(32)).astype(np.uint32)
        found = self._check_rows(work, self.connections[work], snes)
        self.candidates[work] = found
        failed = work[found == NO_CANDIDATE]
        return np.sort(np.concatenate([failed, unknown])) if len(failed) or len(unknown) else failed

    def _chain(self, work: I64, groups: I64) -> U64:
        """Positions of `work`, sorted by group, each nearest to the one before it in its group."""
        seqs = self.segments.seqs[work]
        is_first = np.ones(len(work), dtype=np.bool_)
        is_first[1:] = groups[1:] != groups[:-1]
        firsts = np.flatnonzero(is_first)
        bases = self._bases(self.connections[work[firsts]], self.sides[work[firsts]], seqs[firsts])
        before = np.empty_like(seqs)
        before[1:] = seqs[:-1]
        before[firsts] = bases.astype(np.uint32)
        steps = (seqs - before).view(np.int32).astype(np.int64)
        travelled = np.cumsum(steps)
        counts = np.diff(firsts, append=len(work))
        offsets = bases - (travelled[firsts] - steps[firsts]).view(np.uint64)
        return np.repeat(offsets, counts) + travelled.view(np.uint64)

    def _bases(self, connections: I32, sides: U8, seqs: U32) -> U64:
        """The position that segments (with `seqs`) of these connections and sides are measured against.

        The last verified segment's; without one the ISN's, at SNE 0. A connection that the key file tells of has no
        segment at its ISN: there each segment stands at the SNE that the file gives for the first one.
        """
        conns = self.conns
        isns = conns.isns[connections, sides]
        bases = np.where(
            conns.has_reference[connections, sides],
            conns.references[connections, sides],
            isns.astype(np.uint64),
        )
        is_midway = (conns.isn_sources[connections] == IsnSource.KEY_FILE) & ~conns.has_reference[
            connections, sides
        ]
        if is_midway.any():
            hints = conns.sne_hints[connections, sides]
            snes = np.where(hints >= 0, hints, (seqs < isns).astype(np.int64)).astype(np.uint64)
            bases = np.where(is_midway, snes << np.uint64(32) | seqs, bases)
        return bases

    def _check_rows(self, rows: I64, connections: I32, snes: U32) -> I64:
        isns, sides = self.conns.isns, self.sides[rows]
        return self.check.check(rows, isns[connections, sides], isns[connections, 1 - sides], snes)

    # Step three: what failed, again.

    def _sweep(self, failed: I64, is_tried: Mask) -> None:
        """Looks at `failed` rows again until nothing more verifies; notes in `is_tried` which had complete ISNs."""
        conns = self.conns
        tried: dict[int, I64] = {}
        first_connections = self.connections[failed].copy()
        first_known = conns.has_isn.all(axis=1)[first_connections]
        first_snes = np.where(first_known, (self.positions[failed] >> np.uint64(32)).astype(np.int64), -1)
        usable_from: dict[int, int] = {}
        open_ = np.arange(len(failed))
        for _ in range(_SWEEP_LIMIT):
            has_new = False
            for rank in range(conns.most_siblings(self.pairs[failed[open_]])):
                rows = failed[open_]
                siblings = conns.siblings(self.pairs[rows], rank)
                usable = (
                    (siblings >= 0)
                    & conns.has_isn[siblings].all(axis=1)
                    & (conns.open_rows[siblings] <= rows)
                )
                for connection, row in usable_from.items():
                    usable &= (siblings != connection) | (rows > row)
                is_tried[rows[usable]] = True
                places = self._places_after_verified(rows, siblings)
                snes = (places >> np.uint64(32)).astype(np.int64)
                memo = tried.setdefault(rank, np.full(len(failed), -1, dtype=np.int64))
                is_stale = (memo[open_] == snes) | (
                    (siblings == first_connections[open_]) & (snes == first_snes[open_])
                )
                again = np.flatnonzero(usable & ~is_stale)
                if not len(again):
                    continue
                memo[open_[again]] = snes[again]
                groups = siblings[again].astype(np.int64) * 2 + self.sides[rows[again]]
                again = again[np.argsort(groups, kind="stable")]
                found = self._check_rows(rows[again], siblings[again], snes[again].astype(np.uint32))
                hits = again[found != NO_CANDIDATE]
                if len(hits):
                    has_new = True
                    self.candidates[rows[hits]] = found[found != NO_CANDIDATE]
                    self.connections[rows[hits]] = siblings[hits]
                    self.positions[rows[hits]] = places[hits]
                    open_ = np.delete(open_, hits)
            has_new |= self._guess(failed[open_], usable_from)
            open_ = open_[self.candidates[failed[open_]] == NO_CANDIDATE]
            if not has_new or not len(open_):
                return

    def _places_after_verified(self, rows: I64, connections: I32) -> U64:
        """The position of each row in its would-be connection, nearest to the last verified segment before it."""
        sides = self.sides[rows]
        seqs = self.segments.seqs[rows]
        bases = self._bases(connections, sides, seqs)
        verified = np.flatnonzero((self.candidates != NO_CANDIDATE) & self.is_ao & ~self.is_syn)
        codes = (self.connections[verified].astype(np.int64) * 2 + self.sides[verified]) << 32 | verified
        order = np.argsort(codes)
        codes, verified = codes[order], verified[order]
        groups = connections.astype(np.int64) * 2 + sides
        before = np.searchsorted(codes, groups << 32 | rows) - 1
        if len(codes):
            has_before = (before >= 0) & (codes[before] >> 32 == groups)
            bases = np.where(has_before, self.positions[verified[before]], bases)
        steps = (seqs - bases.astype(np.uint32)).view(np.int32).astype(np.int64)
        return bases + steps.view(np.uint64)

    def _guess(self, rows: I64, usable_from: dict[int, int]) -> bool:
        """Tries rows as the first behind a handshake that is not in the capture; whether one was.

        Rare: a few attempts per connection of incomplete ISNs, and none once it has had its share.
        """
        conns = self.conns
        incomplete = np.flatnonzero(~conns.has_isn.all(axis=1) & (conns.guesses_left > 0))
        if not len(incomplete):
            return False
        is_candidate = np.zeros(len(conns.pair_table), dtype=np.bool_)
        is_candidate[conns.pairs[incomplete]] = True
        has_new = False
        for row in rows[is_candidate[self.pairs[rows]]].tolist():
            side = int(self.sides[row])
            for connection in reversed(conns.of_pair[int(self.pairs[row])]):
                if conns.guesses_left[connection] <= 0 or conns.has_isn[connection].all():
                    continue
                if conns.open_rows[connection] > row:
                    continue
                guess = guessed_isns(
                    self.segments, row, side, conns.isns[connection], conns.has_isn[connection]
                )
                key = guess and ((guess[0], guess[1]) if side == 0 else (guess[1], guess[0]))
                seen = self.guessed.setdefault(connection, set())
                if guess is None or key is None or (key in seen):
                    continue
                seen.add(key)
                conns.guesses_left[connection] -= 1
                own, peer = guess
                # An ISN of 0xffffffff puts the octet behind it at SNE 1.
                sne = int(int(self.segments.seqs[row]) < own)
                found = self._check_one(row, own, peer, sne)
                if found == NO_CANDIDATE:
                    continue
                conns.set_isn(connection, side, own, confirmed=True, source=IsnSource.INFERRED)
                conns.set_isn(connection, 1 - side, peer, confirmed=True, source=IsnSource.INFERRED)
                self.candidates[row] = found
                self.connections[row] = connection
                self.positions[row] = np.uint64(sne << 32 | int(self.segments.seqs[row]))
                usable_from[connection] = row
                self.guessed.pop(connection, None)
                has_new = True
                break
        return has_new

    # What is left to say.

    def _place_the_rest(self) -> Mask:
        """Positions of signed segments that are not verified; which segments have a position."""
        conns = self.conns
        is_verified = self.candidates != NO_CANDIDATE
        is_signed = self.segments.methods == Method.AO
        is_known = conns.has_isn.all(axis=1)[self.connections]
        has_position = is_signed & (is_known | self.is_syn) & ~self.segments.is_header_cut
        if is_verified.all():
            return has_position
        is_keyed = (
            self.check.admission.has_candidates
            | np.array(
                [self.conns.pair_table.keys[pair] is not None for pair in range(len(conns.pair_table))],
                dtype=np.bool_,
            )[self.pairs]
        )
        rest = np.flatnonzero(has_position & ~is_verified & is_keyed & ~self.is_syn)
        if len(rest):
            self.positions[rest] = self._places_after_verified(rest, self.connections[rest])
        syns = np.flatnonzero(has_position & ~is_verified & self.is_syn)
        self.positions[syns] = self.segments.seqs[syns]
        # Without any key there is nothing better to go by than the segments themselves.
        rest = np.flatnonzero(has_position & ~is_keyed & ~self.is_syn)
        if len(rest):
            groups = self.connections[rest].astype(np.int64) * 2 + self.sides[rest]
            rest = rest[_stable_order(groups)]
            groups = self.connections[rest].astype(np.int64) * 2 + self.sides[rest]
            self.positions[rest] = self._chain(rest, groups)
            self._set_references(rest)
        return has_position

    def _remember(self) -> None:
        """The last verified position of each connection and side, for the next batch."""
        rows = np.flatnonzero((self.candidates != NO_CANDIDATE) & self.is_ao & ~self.is_syn)
        self._set_references(rows)
        if len(rows):
            self.conns.is_confirmed[self.connections[rows]] = True

    def _set_references(self, rows: I64) -> None:
        # Rows of one group stand in capture order, so the last assignment is the last segment's.
        connections, sides = self.connections[rows], self.sides[rows]
        self.conns.references[connections, sides] = self.positions[rows]
        self.conns.has_reference[connections, sides] = True

    def _conclude(self, has_sne: Mask, is_tried: Mask) -> Judgement:
        """Verdict and reason, decided in the order that the design fixes."""
        segments, admission = self.segments, self.check.admission
        count = segments.size
        verdicts = np.full(count, Verdict.VERIFIED, dtype=np.uint8)
        reasons = np.zeros(count, dtype=np.uint8)
        is_open = np.ones(count, dtype=np.bool_)

        def settle(mask: Mask, verdict: Verdict, reason: Reason | U8 = Reason.NONE) -> None:
            chosen = is_open & mask
            verdicts[chosen] = verdict
            reasons[chosen] = reason if isinstance(reason, Reason) else reason[chosen]
            is_open[chosen] = False

        is_verified = self.candidates != NO_CANDIDATE
        if not is_verified.all():
            settle(segments.malformed != Reason.NONE, Verdict.MALFORMED, segments.malformed)
            settle(segments.is_header_cut, Verdict.UNVERIFIABLE, Reason.TRUNCATED)
            settle(segments.methods == Method.NONE, Verdict.UNSIGNED)
            settle(~admission.has_candidates, Verdict.NO_KEY)
            settle(is_verified, Verdict.VERIFIED)
            settle(admission.has_gap, Verdict.UNVERIFIABLE, Reason.NO_SECRET)
            settle(~admission.has_length, Verdict.MISMATCH, Reason.MAC_LENGTH)
            settle(segments.packets.is_partial, Verdict.UNVERIFIABLE, Reason.FRAGMENT)
            settle(self.is_truncated, Verdict.UNVERIFIABLE, Reason.TRUNCATED)
            settle(self.is_ao & ~self.is_syn & ~is_tried, Verdict.UNVERIFIABLE, Reason.ISN_UNKNOWN)
            settle(self._is_offloaded(), Verdict.UNVERIFIABLE, Reason.OFFLOADED)
            settle(is_open.copy(), Verdict.MISMATCH)
        snes = (self.positions >> np.uint64(32)).astype(np.uint32)
        return Judgement(self.connections, snes, has_sne, verdicts, reasons, self.candidates)

    def _is_offloaded(self) -> Mask:
        """Segments larger than what the receiving end said it takes: no wire carried them like this."""
        mss = self.conns.mss[self.connections, 1 - self.sides].astype(np.int64)
        payloads = self.segments.payload_lengths
        return np.where(mss >= 0, payloads > mss, payloads > OFFLOADED_WITHOUT_MSS)


def _stable_order(groups: I64) -> npt.NDArray[np.intp]:
    """A stable order by group. Radix sort of 16-bit numbers takes a twentieth of a comparison sort's time."""
    low = int(groups.min())
    if int(groups.max()) - low < 0x10000:
        return np.argsort((groups - low).astype(np.uint16), kind="stable")
    distinct = np.zeros(int(groups.max()) - low + 1, dtype=np.bool_)
    distinct[groups - low] = True
    dense = np.cumsum(distinct) - 1
    local = dense[groups - low]
    if int(dense[-1]) < 0x10000:
        return np.argsort(local.astype(np.uint16), kind="stable")
    return np.argsort(local, kind="stable")
