"""The verification of a whole capture, one segment after the other: what each is worth, and under which key and SNE.

RFC 5925 7.4 and 7.5 say what a receiver checks, and docs/report.md in which order the verdict is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.reference.captures import Frame, read_frames
from tests.reference.connections import FAILED, NEAR, NONE, SPACE, UNSIGNED, Connection, Pair
from tests.reference.fragments import Fragments
from tests.reference.handshake import Opening, take_opening
from tests.reference.headers import IpPayload, UnknownProtocolError, find_tcp
from tests.reference.key_file import KeyFile, Mkt, Peer, Socket, signed
from tests.reference.options import Options, read_options

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
NO_LINK_TAKES = 9_216
"""Octets of payload that no link carries, where the receiver's MSS is not known."""


@dataclass(frozen=True)
class Judged:
    """What one segment is worth."""

    frame: int
    verdict: str
    reason: str | None
    mkt: str | None
    sne: int | None


@dataclass
class Segment:
    """One TCP segment as it was captured."""

    frame: int
    octets: bytes
    declared_length: int
    source: Socket
    destination: Socket
    seq: int
    ack: int
    flags: int
    options: Options
    vlan: int | None
    interfaces: tuple[str | None, int | None]
    is_partial: bool
    candidates: list[tuple[Mkt, bool]] = field(default_factory=list)
    """Keys that its KeyID selects, each with whether other options are covered."""

    @property
    def is_truncated(self) -> bool:
        return self.declared_length > len(self.octets)

    @property
    def payload_length(self) -> int:
        header_length = (self.octets[12] >> 4) * 4 if len(self.octets) > 12 else 20
        return max(self.declared_length - header_length, 0)

    @property
    def is_checkable(self) -> bool:
        """All octets that a MAC covers are there, and a key with a secret and a MAC of this length is."""
        is_whole = not (self.options.is_cut or self.options.fault or self.is_partial or self.is_truncated)
        return is_whole and any(
            mkt.secret is not None and mkt.mac_length == len(self.options.mac) for mkt, _ in self.candidates
        )


def verify(capture: bytes, keys: KeyFile) -> tuple[list[Judged], set[int]]:
    """What is said of every segment of protected connections, and the frames that nothing here can read."""
    judge = _Judge(keys)
    unread: set[int] = set()
    for segment in _segments(read_frames(capture), unread):
        judge.take(segment)
    return judge.judged, unread


def _segments(frames: Iterable[Frame], unread: set[int]) -> Iterator[Segment]:
    fragments = Fragments()
    for frame in frames:
        try:
            found = find_tcp(frame.link_type, frame.octets, frame.wire_length)
        except UnknownProtocolError:
            unread.add(frame.number)
            continue
        if found is None:
            continue
        if not found.is_fragment:
            yield from _segment(frame, found, found)
            continue
        datagram = fragments.add(frame, found)
        if datagram is not None:
            inner = find_tcp(datagram.link_type, datagram.packet, len(datagram.packet))
            if inner is not None and not inner.is_fragment:
                yield from _segment(frame, inner, datagram.piece)
    for datagram in fragments.incomplete():
        inner = find_tcp(datagram.link_type, datagram.packet, len(datagram.packet))
        if inner is not None and not inner.is_fragment:
            yield from _segment(datagram.frame, inner, datagram.piece, is_partial=not datagram.is_whole)


def _segment(frame: Frame, found: IpPayload, outer: IpPayload, *, is_partial: bool = False) -> Iterator[Segment]:
    """The segment, if its ports were captured."""
    place = found.place
    octets = place.octets[place.start : max(place.start, min(place.end, len(place.octets)))]
    visible = place.octets[place.start :]
    if len(visible) < 4:
        return
    # What the snap length cut reads as zero.
    head = visible if len(visible) >= 14 else visible[: 4 * (len(visible) // 4)].ljust(14, b"\0")
    yield Segment(
        frame=frame.number,
        octets=octets,
        declared_length=place.end - place.start,
        source=(found.source, int.from_bytes(visible[:2], "big")),
        destination=(found.destination, int.from_bytes(visible[2:4], "big")),
        seq=int.from_bytes(head[4:8], "big"),
        ack=int.from_bytes(head[8:12], "big"),
        flags=int.from_bytes(head[12:14], "big") & 0xFFF,
        options=read_options(visible, place.end - place.start, is_partial=is_partial),
        vlan=outer.place.vlan,
        interfaces=(frame.interface_name, outer.place.cooked_interface),
        is_partial=is_partial,
    )


class _Judge:
    """What is known of all socket pairs so far."""

    def __init__(self, keys: KeyFile) -> None:
        self.keys = keys
        self.judged: list[Judged] = []
        self._pairs: dict[tuple[Socket, Socket], Pair] = {}
        self._peers: dict[tuple[Socket, Socket], list[tuple[Peer, int]]] = {}

    def take(self, segment: Segment) -> None:
        ends = (min(segment.source, segment.destination), max(segment.source, segment.destination))
        pair = self._pairs.get(ends)
        if pair is None:
            if ends not in self._peers:
                self._peers[ends] = self.keys.matches(ends)
            is_covered = bool(self._peers[ends])
            if not is_covered and segment.options.method == "none" and not segment.options.has_broken_signature:
                return
            pair = self._pairs[ends] = Pair(is_covered=is_covered)
            self._open_known(pair, ends)
        end = int(segment.source != ends[0])
        segment.candidates = self._candidates(segment, ends, end)
        self.judged.append(_Step(pair, segment, end).judge())

    def _open_known(self, pair: Pair, ends: tuple[Socket, Socket]) -> None:
        """The connections of the key file are candidates from the start."""
        for local in (0, 1):
            for known in self.keys.known:
                if (known.local, known.remote) == (ends[local], ends[1 - local]):
                    connection = pair.open()
                    connection.note_isn(local, known.local_isn)
                    connection.note_isn(1 - local, known.remote_isn)
                    connection.is_told = True
                    connection.told_snes[local] = known.local_sne
                    connection.told_snes[1 - local] = known.remote_sne
                    pair.is_proven = True

    def _candidates(self, segment: Segment, ends: tuple[Socket, Socket], end: int) -> list[tuple[Mkt, bool]]:
        """From `local` to `remote` the KeyID is send-id, the other way recv-id (RFC 5925 3.1)."""
        found: list[tuple[Mkt, bool]] = []
        if segment.options.method == "none":
            return found
        for peer, local in self._peers[ends]:
            if not peer.may_be(segment.vlan, segment.interfaces):
                continue
            for mkt in peer.mkts:
                key_id = mkt.send_id if end == local else mkt.recv_id
                is_meant = key_id is None if segment.options.method == "md5" else key_id == segment.options.key_id
                if is_meant:
                    found += [(mkt, coverage) for coverage in mkt.coverages]
        return found


class _Step:
    """The judgement of one segment, which changes what is known of its pair."""

    def __init__(self, pair: Pair, segment: Segment, end: int) -> None:
        self.pair = pair
        self.segment = segment
        self.end = end
        self.options = segment.options
        self.holding: Mkt | None = None
        """The key under which the MAC matches."""
        self.connection: Connection | None = None
        self.position: int | None = None
        self.is_unproven = False

    def judge(self) -> Judged:
        is_ao = self.options.method == "ao"
        if self.options.method == "md5" and self.segment.is_checkable:
            self.holding = self._holding(0, 0, 0)
        if self.segment.flags & SYN and not self.options.is_cut:
            self._take_handshake()
        else:
            if not self.pair.connections:
                self.pair.open()
            if is_ao and self.segment.is_checkable:
                self._try_connections()
            if self.holding is None or not is_ao:
                self.connection = self._attributed()
            if self.holding is None and is_ao:
                self._place()
        return self._verdict()

    # MACs.

    def _holding(self, own_isn: int, peer_isn: int, sne: int) -> Mkt | None:
        """The first key that its KeyID selects, of the MAC's length, under which the MAC matches."""
        segment = self.segment
        if segment.declared_length > 0xFFFF and len(segment.source[0]) == 4:
            return None  # More than the pseudo-header can count.
        for mkt, coverage in segment.candidates:
            if mkt.secret is None or mkt.mac_length != len(self.options.mac):
                continue
            whole = signed(
                mkt,
                segment.source,
                segment.destination,
                (own_isn, peer_isn),
                sne,
                segment.octets,
                include_options=coverage,
            )
            if whole[: mkt.mac_length] == self.options.mac:
                return mkt
        return None

    def _holds_in(self, connection: Connection, position: int) -> bool:
        own, peer = connection.isns[self.end], connection.isns[1 - self.end]
        if own is None or peer is None:
            return False
        self.holding = self._holding(own, peer, (position >> 32) % SPACE)
        if self.holding is None:
            return False
        self.connection, self.position = connection, position
        return True

    # Segments with SYN.

    def _take_handshake(self) -> None:
        segment, pair = self.segment, self.pair
        is_ao = self.options.method == "ao"
        is_answer = bool(segment.flags & ACK)
        if is_ao:
            self.position = segment.seq
            if segment.is_checkable:
                self.holding = self._holding(segment.seq, (segment.ack - 1) % SPACE if is_answer else 0, 0)

        def holds(opener_isn: int) -> bool:
            self.holding = self._holding(segment.seq, opener_isn, 0)
            return self.holding is not None

        doubt = NONE
        if self.holding is None and is_ao and segment.is_checkable:
            doubt = FAILED
        elif self.options.method == "none" and pair.is_covered:
            doubt = UNSIGNED
        opening = Opening(
            self.end,
            segment.seq,
            segment.ack,
            is_answer,
            self.holding is not None,
            is_ao and segment.is_checkable,
            doubt,
        )
        self.connection = take_opening(pair, opening, holds)
        if self.holding is not None:
            pair.guesses_left = max(pair.guesses_left, 64)
        self._note_mss(self.connection)

    def _note_mss(self, connection: Connection) -> None:
        is_verified = self.holding is not None
        is_better = is_verified and not connection.is_mss_confirmed[self.end]
        if self.options.mss is not None and (connection.mss[self.end] is None or is_better):
            connection.mss[self.end] = self.options.mss
            connection.is_mss_confirmed[self.end] = is_verified

    # Segments whose MAC needs a connection's ISNs.

    def _try_connections(self) -> None:
        """The connection it seems to belong to, every other of the pair, and what its own numbers may tell."""
        end, seq = self.end, self.segment.seq
        tried = [self._attributed(), *self.pair.newest_first]
        told = [one for one in self.pair.newest_first if one.is_told and one.references[end] is None]
        is_found = (
            any(self._holds_in(one, one.position(end, seq)) for one in tried)
            # The SNE of the key file may be that of the segment before a wrap, or behind it.
            or any(
                self._holds_in(one, (one.position(end, seq) + shift * SPACE) % (SPACE * SPACE))
                for one in told
                for shift in (1, -1)
            )
            or self._guess()
        )
        if is_found:
            assert self.connection is not None
            self.connection.references[end] = self.position
            self.connection.is_confirmed = [True, True]
            self.pair.is_proven = True

    def _guess(self) -> bool:
        """Takes the segment as the first behind a handshake that was not captured: the ISNs are its numbers less 1."""
        pair, segment, end = self.pair, self.segment, self.end
        if pair.guesses_left <= 0:
            return False
        pair.guesses_left -= 1
        before, acknowledged = (segment.seq - 1) % SPACE, (segment.ack - 1) % SPACE
        has_ack = bool(segment.flags & ACK)
        guesses: dict[tuple[int, int], Connection | None] = {}
        told: dict[tuple[int, int], Connection] = {}
        blank: Connection | None = None
        for one in pair.newest_first:
            own, peer = one.isns[end], one.isns[1 - end]
            if one.is_told and own is not None and peer is not None:
                told[own, peer] = one
                continue
            if one.is_sure:
                continue
            if own is None and peer is None:
                blank = one
            if own is not None and not one.is_confirmed[1 - end] and has_ack:
                guesses.setdefault((own, acknowledged), one)
            if peer is not None and not one.is_confirmed[end]:
                guesses.setdefault((before, peer), one)
        if has_ack:
            guesses.setdefault((before, acknowledged), blank)
        return any(self._holds_as_guessed(isns, told.get(isns, one)) for isns, one in guesses.items())

    def _holds_as_guessed(self, isns: tuple[int, int], connection: Connection | None) -> bool:
        own, peer = isns
        seq = self.segment.seq
        # An ISN of 2^32 - 1 puts the octet behind it at SNE 1.
        sne = int(seq < own and (seq - own) % SPACE < 1 << 31)
        self.holding = self._holding(own, peer, sne)
        if self.holding is None:
            return False
        if connection is None:
            connection = self.pair.open()
        if not connection.is_told:
            connection.note_isn(self.end, own, is_confirmed=True)
            connection.note_isn(1 - self.end, peer, is_confirmed=True)
        self.connection, self.position = connection, sne * SPACE + seq
        return True

    # Segments that no MAC proves.

    def _attributed(self) -> Connection:
        """The connection whose sequence numbers the segment fits best; of equals, the newest."""
        return min(self.pair.newest_first, key=self._misfit)

    def _misfit(self, one: Connection) -> tuple[int, int]:
        segment, end = self.segment, self.end
        own, peer = one.isns[end], one.isns[1 - end]
        own_distance = 0 if own is None else (segment.seq - own) % SPACE
        peer_distance = 0 if peer is None or not segment.flags & ACK else (segment.ack - peer) % SPACE
        known = max(own_distance, peer_distance)
        distance = known if one.has_isns else max(known, 1 << 30)
        if one.is_sure and one.references[end] is not None:
            ahead = abs(one.position(end, segment.seq) - one.base(end, segment.seq))
            if ahead < NEAR:
                return 0, ahead
        if one.is_sure:
            return 2, distance
        is_behind_handshake = (own is not None or peer is not None) and known < 1 << 28
        return (1 if is_behind_handshake else 3), distance

    def _place(self) -> None:
        """The SNE of a signed segment that is not verified: where it would be if it were genuine."""
        segment, end, connection = self.segment, self.end, self.connection
        assert connection is not None
        self._note_proof()
        self.is_unproven = self.pair.is_covered and not self.pair.is_proven
        if self.options.is_cut or self.is_unproven or not connection.has_isns:
            return
        self.position = connection.position(end, segment.seq)
        if not self.pair.is_covered:
            # Without any key there is nothing better to go by than the segments themselves.
            connection.references[end] = connection.nearest(end, segment.seq)

    def _note_proof(self) -> None:
        """Signed segments that continue a handshake which may be genuine show that its ISNs are right."""
        segment, end = self.segment, self.end
        if self.pair.is_proven or not self.pair.is_covered or self.options.fault is not None:
            return
        for one in self.pair.connections:
            own, peer = one.isns[end], one.isns[1 - end]
            if one.is_credible and own is not None and peer is not None:
                is_near = (segment.seq - own) % SPACE < NEAR
                if is_near and (not segment.flags & ACK or (segment.ack - peer) % SPACE < NEAR):
                    self.pair.is_proven = True

    # The verdict.

    def _verdict(self) -> Judged:
        verdict, reason = self._decided()
        position = self.position if self.options.method == "ao" else None
        sne = None if position is None else (position >> 32) % SPACE
        mkt = self.holding.name if self.holding is not None and verdict == "verified" else None
        return Judged(self.segment.frame, verdict, reason, mkt, sne)

    def _decided(self) -> tuple[str, str | None]:
        segment, options = self.segment, self.options
        mkts = [mkt for mkt, _ in segment.candidates]
        if options.fault is not None:
            return "malformed", options.fault
        if options.is_cut:
            return "unverifiable", "fragment" if segment.is_partial else "truncated"
        if options.method == "none":
            return "unsigned", None
        if not mkts:
            return "no-key", None
        if self.holding is not None:
            return "verified", None
        if any(mkt.secret is None for mkt in mkts):
            return "unverifiable", "no-secret"
        if all(mkt.mac_length != len(options.mac) for mkt in mkts):
            return "mismatch", "mac-length"
        if segment.is_partial:
            return "unverifiable", "fragment"
        if segment.is_truncated:
            return "unverifiable", "truncated"
        if self.is_unproven:
            return "unverifiable", "isn-unknown"
        assert self.connection is not None
        mss = self.connection.mss[1 - self.end]
        if segment.payload_length > (NO_LINK_TAKES if mss is None else mss):
            return "unverifiable", "offloaded"
        return "mismatch", None
