"""Why one segment has its verdict: the proof of its MAC, or what is missing for one.

The engine's table says what the verdict is and what it rests on: connection, ISNs, SNE, key. From these the MAC is
computed again by the plain functions of `aoinspect.ao` (`attempt`), and the verdict is formed again by plain code
(`second_opinion`). Where the two disagree, one of them is wrong, and the proof says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import numpy as np

from aoinspect.engine.attempt import Attempt, Isn, try_ao, try_md5
from aoinspect.engine.judge import OFFLOADED_WITHOUT_MSS
from aoinspect.engine.keyring import KEY_ID_OF_MD5, Candidate, Endpoint
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import DIRECTIONS, EndResult
from aoinspect.engine.second_opinion import HeaderReading, bound_candidates, read_header, second_opinion
from aoinspect.engine.segments import ACK, SYN
from aoinspect.engine.single_frame import SegmentPlace
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import NO_MKT, IsnSource, Method, Reason, Verdict
from aoinspect.errors import UsageError

_SEQUENCE_MASK = 0xFFFFFFFF

_FAULTS = {
    Reason.AO_LENGTH: "the TCP-AO option is shorter than 4 octets (RFC 5925 2.2)",
    Reason.MD5_LENGTH: "the TCP-MD5 option does not have 18 octets (RFC 2385 3.0)",
    Reason.OPTION_LENGTH: "an option is shorter than 2 octets or reaches past the header",
    Reason.TWO_AO: "more than one TCP-AO option (RFC 5925 2.2)",
    Reason.TWO_MD5: "more than one TCP-MD5 option",
    Reason.AO_AND_MD5: "TCP-AO and TCP-MD5 in one segment (RFC 5925 2.2)",
    Reason.TCP_HEADER: "the data offset is below 5 or points past the segment",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that one segment's verdict rests on. Holds no master key; traffic keys are kept out of its repr."""

    verdict: Verdict
    """The table's."""
    reason: Reason
    why: str
    missing: tuple[str, ...]
    """unverifiable: what would have to be known."""
    method: Method
    connection: int
    direction: str
    """`a>b` or `b>a`."""
    sender: EndResult
    """With its ISN, where the connection's is known."""
    receiver: EndResult
    key_id: int | None
    rnext_key_id: int | None
    seq: int
    ack: int
    flags: int
    payload_length: int
    captured_mac: bytes
    option_place: tuple[int, int] | None
    """Octets of the frame (or of the datagram put together) that hold the signature option."""
    mac_place: tuple[int, int] | None
    sne: int | None
    source_isn: Isn | None
    """What enters the traffic key for the sender; None where it is unknown or nothing needs it."""
    destination_isn: Isn | None
    attempts: tuple[Attempt, ...]
    """verified: the one that holds. Otherwise one per candidate key, in the order in which they were tried."""
    candidate_count: int
    """Keys that the KeyID selects for this socket pair and direction."""
    refusal: str | None
    """verified: why the receiving end drops the segment all the same, by its own keys."""
    note: str | None
    """What the verdict does not tell: the ISNs became known later, another connection was tried."""
    disagreement: str | None
    """The second computation comes to another verdict than the table's: an internal error."""


def prove(analyzer: Analyzer, row: int, place: SegmentPlace) -> Proof:
    """The proof of the table's row `row`, whose segment lies at `place` (see `single_frame`).

    The analyser must have been made with `keep_table` and fed the whole capture. UsageError where `place` is another
    segment than the row's.
    """
    assert analyzer.table is not None
    return _Prover(analyzer, analyzer.table.rows, row, place).proof()


class _Prover:
    """The work on one segment."""

    def __init__(self, analyzer: Analyzer, rows: Rows, row: int, place: SegmentPlace) -> None:
        self.analyzer = analyzer
        self.rows = rows
        self.row = row
        self.place = place
        self.reading: HeaderReading = read_header(place.segment, place.declared_length, is_partial=place.is_partial)
        self.verdict = Verdict(int(rows.verdict[row]))
        self.reason = Reason(int(rows.reason[row]))
        self.number = int(rows.connection[row])
        self.index = int(np.flatnonzero(analyzer.tallies.column("number") == self.number)[0])
        self.pair = int(analyzer.connections.pairs[self.index])
        self.ends = analyzer.pairs.ends[self.pair]
        source = Endpoint(place.source, place.source_port)
        if source not in self.ends:
            raise UsageError(f"frame {int(rows.frame[row])} is read again and is not the one that was analysed")
        self.side = self.ends.index(source)
        self.is_syn = bool(self.reading.flags & SYN)
        self.needs_isns = self.reading.method is Method.AO

    def proof(self) -> Proof:
        reading = self.reading
        candidates = self._candidates()
        isns: list[tuple[Isn | None, Isn | None]] = list(self._isns()) if self.needs_isns else [(None, None)]
        sne = self._sne(isns[0])
        tried = self._try(candidates, isns, sne)
        attempts = [attempt for _, attempt in tried]
        has_isns = not self.needs_isns or None not in isns[0]
        opinion = second_opinion(
            reading, self.place, attempts, has_isns=has_isns, is_offloaded=self._mss_exceeded() is not None
        )
        winner = next(((candidate, attempt) for candidate, attempt in tried if attempt.matches), None)
        note, disagreement = self._compare(opinion, winner)
        shown = tuple(attempts) if winner is None else (winner[1],)
        source_isn, destination_isn = isns[0] if winner is None else (winner[1].source_isn, winner[1].destination_isn)
        option_place, mac_place = self._places()
        return Proof(
            verdict=self.verdict,
            reason=self.reason,
            why=self._why(shown),
            missing=tuple(self._missing(isns[0], attempts)),
            method=reading.method,
            connection=self.number,
            direction=DIRECTIONS[int(self.rows.direction[self.row])],
            sender=self._end(self.side),
            receiver=self._end(1 - self.side),
            key_id=reading.key_id,
            rnext_key_id=reading.rnext_key_id,
            seq=reading.seq,
            ack=reading.ack,
            flags=reading.flags,
            payload_length=reading.payload_length,
            captured_mac=reading.mac,
            option_place=option_place,
            mac_place=mac_place,
            sne=sne,
            source_isn=source_isn,
            destination_isn=destination_isn,
            attempts=shown,
            candidate_count=len(candidates),
            refusal=winner[0].refusal if winner is not None and self.rows.is_refused[self.row] else None,
            note=note,
            disagreement=disagreement,
        )

    # What the computation rests on.

    def _candidates(self) -> tuple[Candidate, ...]:
        keys = self.analyzer.pairs.keys[self.pair]
        reading = self.reading
        if keys is None or reading.method is Method.NONE or reading.fault is not Reason.NONE or reading.is_cut:
            return ()
        key_id = KEY_ID_OF_MD5 if reading.key_id is None else reading.key_id
        return bound_candidates(keys.candidates(self.side, reading.method, key_id), self.place)

    def _isns(self) -> Iterator[tuple[Isn | None, Isn | None]]:
        """The ISNs of sender and receiver that the MAC may rest on, the likelier pair first (RFC 5925 5.2)."""
        reading = self.reading
        if not self.is_syn:
            yield self._isn_of(self.side), self._isn_of(1 - self.side)
            return
        own = Isn(reading.seq, "this segment's sequence number")
        if not reading.flags & ACK:
            yield own, Isn(0, "0 in a SYN, whose sender does not know it yet (RFC 5925 5.2)")
            return
        acknowledged = (reading.ack - 1) & _SEQUENCE_MASK
        yield own, Isn(acknowledged, "this segment's acknowledgment number - 1")
        known = self._isn_of(1 - self.side)
        if known is not None and known.value != acknowledged:
            yield own, known

    def _isn_of(self, side: int) -> Isn | None:
        """The connection's ISN of one end, and what told it."""
        connections = self.analyzer.connections
        if not connections.has_isn[self.index, side]:
            return None
        value = int(connections.isns[self.index, side])
        entry = int(connections.known_entries[self.index])
        if entry >= 0:
            origin = self.analyzer.keyring.store.connections[entry].origin
            return Isn(value, f"[[connection]] of {origin}")
        rows = self.rows
        is_own = rows.direction == (side ^ connections.a_side(self.index))
        openings = (rows.connection == self.number) & ((rows.flags & SYN) != 0)
        for chosen, number in (
            (openings & is_own & (rows.seq == value), "sequence number"),
            (
                openings & ~is_own & ((rows.flags & ACK) != 0) & (rows.ack == (value + 1) & _SEQUENCE_MASK),
                "acknowledgment number - 1",
            ),
        ):
            found = np.flatnonzero(chosen)
            if len(found):
                kind = "SYN-ACK" if int(rows.flags[found[0]]) & ACK else "SYN"
                return Isn(value, f"the {number} of the {kind} in {self._frame(int(found[0]))}")
        if connections.isn_sources[self.index] == IsnSource.INFERRED:
            return Isn(value, "inferred from the first segments behind the handshake, and confirmed by a MAC")
        return Isn(value, "the handshake")

    def _frame(self, row: int) -> str:
        frame = f"frame {int(self.rows.frame[row])}"
        captures = self.analyzer.captures
        capture = int(self.rows.capture[row])
        return frame if capture == int(self.rows.capture[self.row]) else f"{frame} of {captures[capture].path}"

    def _sne(self, isns: tuple[Isn | None, Isn | None]) -> int | None:
        """The table's SNE; for a segment whose ISNs came too late for one, that of the first 2^32 octets."""
        if self.rows.has_sne[self.row]:
            return int(self.rows.sne[self.row])
        if not self.needs_isns or isns[0] is None or isns[1] is None:
            return None
        return int(self.reading.seq < isns[0].value)

    def _try(
        self,
        candidates: tuple[Candidate, ...],
        isns: list[tuple[Isn | None, Isn | None]],
        sne: int | None,
    ) -> list[tuple[Candidate, Attempt]]:
        mkts = self.analyzer.keyring.mkts
        mac = self.reading.mac
        if self.reading.method is Method.MD5:
            return [(candidate, try_md5(mkts[candidate.mkt], self.place, mac)) for candidate in candidates]
        return [
            (candidate, try_ao(mkts[candidate.mkt], candidate.include_options, self.place, mac, pair, sne))
            for pair in isns
            for candidate in candidates
        ]

    def _mss_exceeded(self) -> str | None:
        """What the segment's payload is larger than, if no wire carried it like this."""
        payload_length = self.reading.payload_length
        mss = int(self.analyzer.connections.mss[self.index, 1 - self.side])
        if mss >= 0:
            return f"the MSS of {mss} that {self._end(1 - self.side)} announced" if payload_length > mss else None
        if payload_length > OFFLOADED_WITHOUT_MSS:
            return f"the {OFFLOADED_WITHOUT_MSS} octets that any link carries"
        return None

    # What is said of it.

    def _compare(
        self, opinion: tuple[Verdict, Reason], winner: tuple[Candidate, Attempt] | None
    ) -> tuple[str | None, str | None]:
        """A note, and the disagreement between `opinion` and the table."""
        told = (self.verdict, self.reason)
        if told == opinion:
            return None, None if winner is None else self._key_disagreement(winner[0])
        if self.reason is Reason.ISN_UNKNOWN and opinion[0] in (Verdict.VERIFIED, Verdict.MISMATCH):
            # The table is written in capture order, and what tells the ISNs may stand behind a segment.
            outcome = "does not match either" if winner is None else f"matches, under SNE {winner[1].sne}"
            return f"the ISNs became known behind this segment; with them the MAC {outcome}", None
        if self.verdict is Verdict.MISMATCH and opinion[1] is Reason.ISN_UNKNOWN:
            return (
                "this connection's ISNs are unknown; under those of the other connections of this socket pair "
                "the MAC does not match",
                None,
            )
        return None, (
            f"internal error: the table says {_words(*told)}, and computed a second time it is {_words(*opinion)}; "
            "please report it with the capture"
        )

    def _key_disagreement(self, candidate: Candidate) -> str | None:
        mkts = self.analyzer.keyring.mkts
        told = int(self.rows.mkt[self.row])
        if told == candidate.mkt:
            return None
        name = "no key" if told == NO_MKT else f"{mkts[told].name!r} ({mkts[told].origin})"
        found = mkts[candidate.mkt]
        return (
            f"internal error: the table names {name}, and computed a second time it is {found.name!r} "
            f"({found.origin}); please report it with the capture"
        )

    def _why(self, attempts: tuple[Attempt, ...]) -> str:
        names = " or ".join(dict.fromkeys(repr(attempt.key.name) for attempt in attempts))
        match self.verdict:
            case Verdict.VERIFIED:
                return f"the captured MAC is the one that key {names} gives"
            case Verdict.MISMATCH if self.reason is Reason.MAC_LENGTH:
                lengths = " or ".join(dict.fromkeys(str(attempt.key.mac_length) for attempt in attempts))
                return f"the captured MAC has {len(self.reading.mac)} octets, that of key {names} has {lengths}"
            case Verdict.MISMATCH:
                return f"the captured MAC is not the one that key {names} gives"
            case Verdict.NO_KEY:
                return self._why_no_key()
            case Verdict.UNSIGNED:
                return "neither a TCP-AO nor a TCP-MD5 option, and " + (
                    "the key file covers this socket pair"
                    if self.analyzer.pairs.keys[self.pair] is not None
                    else "segments of this connection before it are signed"
                )
            case Verdict.MALFORMED:
                return _FAULTS.get(self.reason, "the option is broken")
            case _:
                return "the capture cannot prove it either way"

    def _why_no_key(self) -> str:
        keys = self.analyzer.pairs.keys[self.pair]
        pair = f"{self._end(self.side)} and {self._end(1 - self.side)}"
        if keys is None:
            return f"no [[peer]] of the key file covers {pair}" if self._has_keys() else "no key file was given"
        listed = sorted(key_id for side, key_id in keys.lists if side == self.side)
        if self.reading.method is Method.MD5:
            return f"the key file has no tcp-md5 key for {pair}"
        known = [str(key_id) for key_id in listed if key_id != KEY_ID_OF_MD5]
        others = f"the key file has KeyID {', '.join(known)}" if known else "the key file has none"
        if self.reading.key_id in listed:
            others = "the key that has it is bound to another interface or VLAN"
        return f"no key has KeyID {self.reading.key_id} for segments from {self._end(self.side)}; {others}"

    def _has_keys(self) -> bool:
        return bool(self.analyzer.keyring.store.paths)

    def _missing(self, isns: tuple[Isn | None, Isn | None], attempts: list[Attempt]) -> Iterator[str]:
        if self.verdict is not Verdict.UNVERIFIABLE:
            return
        match self.reason:
            case Reason.TRUNCATED:
                whole = self.place.declared_length
                lost = whole - len(self.place.segment)
                yield f"{lost} of the segment's {whole} octets: the snap length cut them"
            case Reason.FRAGMENT:
                yield "the other pieces of the IP datagram that this is the first piece of"
            case Reason.OFFLOADED:
                yield (
                    f"the segments as the wire carried them: {self.reading.payload_length} octets of payload are more "
                    f"than {self._mss_exceeded()}, so this was captured before segmentation or after coalescing"
                )
            case Reason.NO_SECRET:
                for key in dict.fromkeys(attempt.key for attempt in attempts if attempt.lacks_traffic_key):
                    yield (
                        f"the traffic key of {key.name!r} for this connection, which {key.log} does not hold: a log "
                        "made of a capture that has it, or the secret"
                    )
                for key in dict.fromkeys(attempt.key for attempt in attempts if attempt.key.is_gap):
                    yield f"the secret of key {key.name!r} ({key.origin})" + (f": {key.gap}" if key.gap else "")
            case _:
                for isn, side in zip(isns, (self.side, 1 - self.side), strict=True):
                    if isn is None:
                        yield f"the ISN of {self._end(side)}: its handshake is not in the capture"

    def _end(self, side: int) -> EndResult:
        connections = self.analyzer.connections
        isn = int(connections.isns[self.index, side]) if connections.has_isn[self.index, side] else None
        return EndResult(str(ip_address(self.ends[side].address)), self.ends[side].port, isn)

    def _places(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        option = self.reading.option
        if option is None:
            return None, None
        start, end = self.place.start + option.start, self.place.start + option.end
        return (start, end), (end - len(self.reading.mac), end)


def _words(verdict: Verdict, reason: Reason) -> str:
    return verdict.word if reason is Reason.NONE else f"{verdict.word} ({reason.word})"
