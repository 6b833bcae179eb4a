"""The verdict of every segment of a batch, with the connection it belongs to and its SNE.

MACs decide twice over: a segment's verdict, and what the segments behind it are measured against. So the work goes in
three steps. Handshake segments and TCP-MD5 need no connection and are checked first; then everything else is checked at
once, as if all of it were genuine; then only what failed is looked at again (`second_look`), with nothing but verified
segments as a reference for the SNE (RFC 5925 6.2) and with every other connection of the pair.

Handshakes change what is known of a pair. So a batch is judged in rounds: a round holds, of each pair, the segments up
to its next handshake segment. The outcome is that of reading segment by segment, however a capture is cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.attribution import Attribution, Learned, isns_at
from aoinspect.engine.check import NO_CANDIDATE, Checker
from aoinspect.engine.connections import (
    CONTINUATION_LIMIT,
    GUESS_LIMIT,
    I32,
    NO_CONNECTION,
    Connections,
    Doubt,
)
from aoinspect.engine.handshake import Opening, take_opening
from aoinspect.engine.locate import Mask
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.placing import BatchProgress, VerifiedBefore
from aoinspect.engine.second_look import SecondLook
from aoinspect.engine.segments import ACK, SYN, Segments, mss_option
from aoinspect.engine.verdicts import Method, Reason, Verdict

OFFLOADED_WITHOUT_MSS = 9_216
"""Octets of payload that no link carries in one segment, for connections whose MSS options are not in the capture."""

_NEVER = np.iinfo(np.int64).max


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

    def select(self, rows: I64) -> Judgement:
        """The same for some rows."""
        return Judgement._make(column[rows] for column in self)


class Judge:
    """Judges batch after batch; the connections carry over what the next one needs."""

    def __init__(self, checker: Checker, connections: Connections) -> None:
        self.checker = checker
        self.connections = connections

    def prepare(self, segments: Segments, pairs: I32, sides: U8) -> BatchProgress:
        """A batch of segments, all of protected pairs (`pairs`, and the side that sent each), to be judged in turn."""
        check = self.checker.begin(segments, pairs, sides)
        return BatchProgress(self.connections, check, segments, pairs, sides)

    def judge(self, progress: BatchProgress) -> Judgement:
        """The judgement of a batch. Batches are judged in the order in which they were prepared."""
        self.connections.begin_batch()
        return _BatchJudge(progress).run()


class _BatchJudge:
    """The work on one batch."""

    def __init__(self, progress: BatchProgress) -> None:
        self.progress = progress
        self.conns = progress.conns
        self.segments = segments = progress.segments
        self.pairs = progress.pairs
        self.sides = progress.sides
        self.is_truncated = segments.packets.ends > segments.packets.limits
        self.is_checkable = progress.check.is_checkable
        self.is_syn = ((segments.flags & SYN) != 0) & ~segments.is_header_cut
        self.is_ao = segments.methods == Method.AO
        self.has_sne = np.zeros(segments.size, dtype=np.bool_)
        self.has_logged_keys = progress.check.checker.keyring.has_logged_keys
        self._mss_changes: list[tuple[int, int, int, int]] = []
        """(row, connection, side, MSS known before): what this batch's SYNs have told."""
        self.is_unproven = np.zeros(segments.size, dtype=np.bool_)
        """The MAC does not match under any ISNs known, and the right ones may be others."""

    def run(self) -> Judgement:
        self._check_standalone()
        for rows in self._rounds():
            is_syn = self.is_syn[rows]
            if is_syn.any():
                self._take_openings(rows[is_syn])
                rows = rows[~is_syn]
            if len(rows):
                self._judge_round(rows)
        self.conns.note_first_senders(self.progress.connections, self.sides)
        return self._conclude()

    # Step one: what needs no connection.

    def _check_standalone(self) -> None:
        """SYNs (ISNs: their own, 0), SYN-ACKs (their own, ack - 1) and TCP-MD5 (none)."""
        segments, progress = self.segments, self.progress
        syns = np.flatnonzero(self.is_syn)
        progress.positions[syns] = segments.seqs[syns]
        self.has_sne[syns] = self.is_ao[syns]
        rows = np.flatnonzero(self.is_checkable & (self.is_syn | ~self.is_ao))
        if not len(rows):
            return
        rows = rows[np.argsort(self.pairs[rows], kind="stable")]
        is_answer = (segments.flags[rows] & ACK) != 0
        peers = np.where(is_answer, segments.acks[rows] - np.uint32(1), np.uint32(0)).astype(np.uint32)
        none = np.zeros(len(rows), dtype=np.uint32)
        found = progress.candidates[rows] = progress.check.check(rows, segments.seqs[rows], peers, none)
        if self.has_logged_keys:
            # A handshake segment that no key is known for says nothing, as little as one that cannot be checked.
            failed = found == NO_CANDIDATE
            lacks = progress.check.lacks_traffic_keys(rows[failed], segments.seqs[rows[failed]], peers[failed])
            self.is_checkable[rows[failed][lacks]] = False

    def _rounds(self) -> Iterator[I64]:
        """The rows of each round: of a pair, some handshake segments and what follows up to the next."""
        if not self.is_syn.any():
            yield np.arange(self.segments.size)
            return
        order = stable_order(self.pairs.astype(np.int64))
        pairs, is_syn = self.pairs[order], self.is_syn[order]
        is_first = np.ones(len(order), dtype=np.bool_)
        is_first[1:] = pairs[1:] != pairs[:-1]
        begins = is_syn & ~is_first
        begins[1:] &= ~is_syn[:-1]
        so_far = np.cumsum(begins)
        starts = np.flatnonzero(is_first)
        numbers = np.empty(len(order), dtype=np.int64)
        numbers[order] = so_far - np.repeat(so_far[starts], np.diff(starts, append=len(order)))
        by_round = np.argsort(numbers, kind="stable")
        yield from np.split(by_round, np.cumsum(np.bincount(numbers))[:-1])

    def _take_openings(self, rows: I64) -> None:
        """The handshake's state machine: one step per segment with SYN set."""
        segments, conns = self.segments, self.conns
        for row in rows.tolist():
            is_verified = bool(self.progress.candidates[row] != NO_CANDIDATE)
            opening = Opening(
                pair=int(self.pairs[row]),
                side=int(self.sides[row]),
                seq=int(segments.seqs[row]),
                ack=int(segments.acks[row]),
                is_answer=bool(segments.flags[row] & ACK),
                is_verified=is_verified,
                is_checkable=bool(self.is_checkable[row] & self.is_ao[row]),
                doubt=Doubt.NONE if is_verified else self._doubt(row),
            )
            connection = take_opening(conns, opening, lambda isns, row=row: self._first_that_holds(row, isns))  # type: ignore[misc]
            self.progress.connections[row] = connection
            is_verified = bool(self.progress.candidates[row] != NO_CANDIDATE)
            if is_verified:
                conns.guesses_left[opening.pair] = np.maximum(conns.guesses_left[opening.pair], GUESS_LIMIT)
            self._note_mss(row, connection, opening.side, is_verified)

    def _doubt(self, row: int) -> Doubt:
        if self.is_checkable[row] and self.is_ao[row]:
            return Doubt.FAILED
        is_unsigned = self.segments.methods[row] == Method.NONE
        return Doubt.UNSIGNED if is_unsigned and self.conns.pair_table.is_covered[self.pairs[row]] else Doubt.NONE

    def _first_that_holds(self, row: int, opener_isns: U32) -> int | None:
        """Which of these ISNs of the opener is the first with which the SYN-ACK's MAC matches; it is verified then."""
        rows = np.full(len(opener_isns), row)
        found = self.progress.check.check(rows, self.segments.seqs[rows], opener_isns, np.zeros_like(opener_isns))
        held = np.flatnonzero(found != NO_CANDIDATE)
        if not len(held):
            return None
        self.progress.candidates[row] = found[held[0]]
        return int(held[0])

    def _note_mss(self, row: int, connection: int, side: int, is_verified: bool) -> None:
        conns, segments = self.conns, self.segments
        is_better = is_verified and not conns.is_mss_confirmed[connection, side]
        if conns.mss[connection, side] >= 0 and not is_better:
            return
        start = int(segments.packets.starts[row])
        end = min(start + int(segments.header_lengths[row]), int(segments.packets.limits[row]))
        mss = mss_option(segments.packets.octets, start + 20, end)
        if mss is not None:
            self._mss_changes.append((row, connection, side, int(conns.mss[connection, side])))
            conns.mss[connection, side] = mss
            conns.is_mss_confirmed[connection, side] = is_verified

    # Steps two and three, for one round's segments without SYN.

    def _judge_round(self, rows: I64) -> None:
        progress, conns = self.progress, self.conns
        conns.ensure_opened(self.pairs[rows])
        attribution = Attribution(progress)
        progress.connections[rows] = attribution.attribute(rows, VerifiedBefore(progress, rows[:0]))
        work = rows[self.is_checkable[rows] & self.is_ao[rows]]
        failed = self._check_all_as_genuine(work)
        learned: dict[int, Learned] = {}
        if len(failed):
            look = SecondLook(progress, work, failed)
            look.run()
            learned = look.learned
        is_verified = progress.candidates[rows] != NO_CANDIDATE
        if not is_verified.all():
            rest = rows[~is_verified]
            verified = VerifiedBefore(progress, work)
            progress.connections[rest] = attribution.attribute(rest, verified, learned)
            self._note_unproven(rest, verified, learned)
            self._place(rest, verified, learned)
            rows = rows[is_verified]
        rows = rows[self.is_ao[rows]]
        self.has_sne[rows] = True
        self._set_references(rows)
        conns.confirm(progress.connections[rows])

    def _check_all_as_genuine(self, work: I64) -> I64:
        """Checks `work` with each segment's SNE measured against the one before it; the rows that failed."""
        if not len(work):
            return work
        progress = self.progress
        is_known = self.conns.is_complete(progress.connections[work])
        known = work[is_known]
        if not len(known):
            return work
        known = progress.by_group(known)
        progress.positions[known] = progress.chain(known)
        found = progress.check_rows(known, progress.connections[known], progress.positions[known])
        progress.candidates[known] = found
        is_failed = found == NO_CANDIDATE
        if is_known.all() and not is_failed.any():
            return work[:0]
        return np.sort(np.concatenate([known[is_failed], work[~is_known]]))

    # What is left to say.

    def _note_unproven(self, rows: I64, verified: VerifiedBefore, learned: dict[int, Learned]) -> None:
        """Which of `rows`, none verified, may belong to a connection whose ISNs are not known.

        A MAC that does not match proves something once a MAC has confirmed ISNs of the pair, or the key file tells
        them, or signed segments have continued a handshake that can be genuine.
        """
        conns, segments, pairs = self.conns, self.segments, self.pairs
        rows = rows[self.is_ao[rows] & ~conns.is_proven[pairs[rows]]]
        rows = rows[conns.pair_table.is_covered[pairs[rows]]]
        if not len(rows):
            return
        proven_from = np.full(len(conns.pair_table), _NEVER, dtype=np.int64)
        np.minimum.at(proven_from, pairs[verified.rows], verified.rows)
        sound = rows[segments.malformed[rows] == Reason.NONE]
        sides = self.sides[sound]
        for rank in range(conns.most_alive(pairs[sound])):
            connections = conns.alive_at(pairs[sound], rank)
            isns, _, is_credible = isns_at(conns, learned, sound, connections)
            index = np.arange(len(sound))
            has_ack = (segments.flags[sound] & ACK) != 0
            continues = (connections != NO_CONNECTION) & is_credible
            continues &= segments.seqs[sound] - isns[index, sides] < CONTINUATION_LIMIT
            continues &= ~has_ack | (segments.acks[sound] - isns[index, 1 - sides] < CONTINUATION_LIMIT)
            np.minimum.at(proven_from, pairs[sound[continues]], sound[continues])
        self.is_unproven[rows] = rows < proven_from[pairs[rows]]
        conns.is_proven[pairs[rows]] |= proven_from[pairs[rows]] != _NEVER

    def _place(self, rows: I64, verified: VerifiedBefore, learned: dict[int, Learned]) -> None:
        """Positions of signed segments that are not verified."""
        progress, conns = self.progress, self.conns
        rows = rows[self.is_ao[rows] & ~self.segments.is_header_cut[rows] & ~self.is_unproven[rows]]
        connections = progress.connections[rows]
        rows = rows[isns_at(conns, learned, rows, connections)[1].all(axis=1)]
        if not len(rows):
            return
        self.has_sne[rows] = True
        is_keyed = progress.check.admission.has_candidates[rows] | conns.pair_table.is_covered[self.pairs[rows]]
        keyed, rest = rows[is_keyed], rows[~is_keyed]
        progress.positions[keyed] = verified.places(keyed, progress.connections[keyed])[0]
        if len(rest):
            # Without any key there is nothing better to go by than the segments themselves.
            rest = progress.by_group(rest)
            progress.positions[rest] = progress.chain(rest)
            self._set_references(rest)
            progress.positions[rest] = progress.not_before_start(rest)

    def _set_references(self, rows: I64) -> None:
        """Remembers the last position of each connection and side for what follows."""
        # Rows of one group stand in capture order, so the last assignment is the last segment's.
        connections, sides = self.progress.connections[rows], self.sides[rows]
        self.conns.references[connections, sides] = self.progress.positions[rows]
        self.conns.has_reference[connections, sides] = True

    def _conclude(self) -> Judgement:
        """Verdict and reason, decided in the order that the design fixes."""
        segments, progress = self.segments, self.progress
        admission = progress.check.admission
        count = segments.size
        verdicts = np.full(count, Verdict.VERIFIED, dtype=np.uint8)
        reasons = np.zeros(count, dtype=np.uint8)
        is_open = np.ones(count, dtype=np.bool_)

        def settle(mask: Mask, verdict: Verdict, reason: Reason | U8 = Reason.NONE) -> None:
            chosen = is_open & mask
            verdicts[chosen] = verdict
            reasons[chosen] = reason if isinstance(reason, Reason) else reason[chosen]
            is_open[chosen] = False

        is_verified = progress.candidates != NO_CANDIDATE
        if not is_verified.all():
            settle(segments.malformed != Reason.NONE, Verdict.MALFORMED, segments.malformed)
            settle(segments.is_header_cut & segments.packets.is_partial, Verdict.UNVERIFIABLE, Reason.FRAGMENT)
            settle(segments.is_header_cut, Verdict.UNVERIFIABLE, Reason.TRUNCATED)
            settle(segments.methods == Method.NONE, Verdict.UNSIGNED)
            settle(~admission.has_candidates, Verdict.NO_KEY)
            settle(is_verified, Verdict.VERIFIED)
            settle(admission.has_gap, Verdict.UNVERIFIABLE, Reason.NO_SECRET)
            settle(~admission.has_length, Verdict.MISMATCH, Reason.MAC_LENGTH)
            settle(segments.packets.is_partial, Verdict.UNVERIFIABLE, Reason.FRAGMENT)
            settle(self.is_truncated, Verdict.UNVERIFIABLE, Reason.TRUNCATED)
            settle(self.is_unproven, Verdict.UNVERIFIABLE, Reason.ISN_UNKNOWN)
            settle(self._is_offloaded(np.flatnonzero(is_open)), Verdict.UNVERIFIABLE, Reason.OFFLOADED)
            if self.has_logged_keys:
                settle(self._lacks_traffic_key(is_open), Verdict.UNVERIFIABLE, Reason.NO_SECRET)
            settle(is_open.copy(), Verdict.MISMATCH)
        snes = (progress.positions >> np.uint64(32)).astype(np.uint32)
        return Judgement(progress.connections, snes, self.has_sne, verdicts, reasons, progress.candidates)

    def _lacks_traffic_key(self, is_open: Mask) -> Mask:
        """Which of the segments that nothing was said of yet may be under a traffic key that the log does not hold."""
        segments, conns = self.segments, self.conns
        connections, sides = self.progress.connections, self.sides
        rows = np.flatnonzero(is_open & self.is_ao)
        rows = rows[self.is_syn[rows] | conns.is_complete(connections[rows])]
        is_syn, has_ack = self.is_syn[rows], (segments.flags[rows] & ACK) != 0
        own = np.where(is_syn, segments.seqs[rows], conns.isns[connections[rows], sides[rows]])
        acknowledged = np.where(has_ack, segments.acks[rows] - np.uint32(1), np.uint32(0)).astype(np.uint32)
        peer = np.where(is_syn, acknowledged, conns.isns[connections[rows], 1 - sides[rows]])
        lacks = np.zeros(segments.size, dtype=np.bool_)
        lacks[rows] = self.progress.check.lacks_traffic_keys(rows, own, peer)
        return lacks

    def _is_offloaded(self, rows: I64) -> Mask:
        """Those of `rows` that are larger than what the receiving end had said it takes: no wire carried them so."""
        connections, receivers = self.progress.connections[rows], 1 - self.sides[rows]
        mss = self.conns.mss[connections, receivers].astype(np.int64)
        for row, connection, side, before in reversed(self._mss_changes):
            # What a later SYN says was not said yet, whatever the batches.
            mss[(connections == connection) & (receivers == side) & (rows < row)] = before
        is_offloaded = np.zeros(self.segments.size, dtype=np.bool_)
        limits = np.where(mss >= 0, mss, OFFLOADED_WITHOUT_MSS)
        is_offloaded[rows[self.segments.payload_lengths[rows] > limits]] = True
        return is_offloaded
