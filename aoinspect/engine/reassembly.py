"""Puts fragmented IP datagrams together (RFC 791 3.2, RFC 8200 4.5), or tells which pieces wait in vain.

A path of its own, one step per fragment: TCP avoids fragmentation, and a capture that has any has few. A completed
datagram becomes a frame again, a whole IP packet in the batch of the fragment that completed it, and goes through the
same hops as every other. What never completes is handed out at the end of the capture, for its first piece to be judged
as a fragment: so late, because its place among the rows must not depend on how the capture is cut into batches.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from aoinspect.capture.frames import HEADROOM, TAILROOM, FrameBatch
from aoinspect.engine.locate import FragmentPieces

TIMEOUT_NS = 60_000_000_000
"""Nanoseconds after which a datagram's missing pieces are given up (RFC 8200 4.5: 60 seconds)."""

PENDING_LIMIT = 4_096
"""Datagrams kept waiting; beyond it the oldest is given up."""

PENDING_OCTETS_LIMIT = 64 << 20
"""Octets of their pieces; beyond it the oldest datagram is given up as well."""

ABANDONED_LIMIT = 4_096
"""First pieces of given-up datagrams that are kept for the end; further ones are only counted."""

DATAGRAM_LIMIT = 65_535
"""Octets of an IPv4 packet, header included, and of an IPv6 payload."""

LINKTYPE_IPV4 = 228
LINKTYPE_IPV6 = 229


@dataclass(frozen=True, slots=True)
class Datagram:
    """An IP packet put together, or the first piece of one that is incomplete."""

    packet: bytes
    link_type: int
    frame: int
    time_ns: int
    offset: int
    interface: int
    vlan: int
    is_complete: bool


@dataclass(slots=True)
class _Pending:
    """The pieces of one datagram so far."""

    opened_ns: int
    header: bytes = b""
    pieces: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None
    """Payload octets of the whole datagram, once its last piece has come."""
    first: Datagram | None = None


_Identity = tuple[bytes, bytes, int, int, int, int]
"""Addresses, protocol and identification (RFC 791 3.2), VLAN and interface: VRFs may share the others."""


class Reassembler:
    """Keeps pending datagrams between batches."""

    def __init__(self) -> None:
        self._pending: dict[_Identity, _Pending] = {}
        self._pending_octets = 0
        self._abandoned: list[Datagram] = []
        self.given_up = 0
        """Datagrams that stayed incomplete."""

    def add(self, batch: FrameBatch, fragments: FragmentPieces) -> tuple[list[Datagram], list[Datagram]]:
        """The datagrams that `fragments` complete, and those to be judged incomplete by now.

        The latter are none: what is given up waits for `finish`.
        """
        completed: list[Datagram] = []
        for position in range(len(fragments.indices)):
            self._expire(int(batch.times_ns[int(fragments.indices[position])]))
            datagram = self._add_piece(batch, fragments, position)
            if datagram is not None:
                completed.append(datagram)
        return completed, []

    def finish(self) -> list[Datagram]:
        """The first pieces of all datagrams that stayed incomplete, in the order of their frames."""
        for pending in self._pending.values():
            self._give_up(pending)
        self._pending.clear()
        self._pending_octets = 0
        return sorted(self._abandoned, key=lambda datagram: datagram.frame)

    def _expire(self, now_ns: int) -> None:
        while self._pending:
            identity, oldest = next(iter(self._pending.items()))
            is_within = len(self._pending) <= PENDING_LIMIT and self._pending_octets <= PENDING_OCTETS_LIMIT
            if is_within and now_ns - oldest.opened_ns < TIMEOUT_NS:
                return
            self._drop(identity)
            self._give_up(oldest)

    def _drop(self, identity: _Identity) -> None:
        self._pending_octets -= sum(map(len, self._pending.pop(identity).pieces.values()))

    def _give_up(self, pending: _Pending) -> None:
        self.given_up += 1
        if pending.first is not None and len(self._abandoned) < ABANDONED_LIMIT:
            self._abandoned.append(pending.first)

    def _add_piece(self, batch: FrameBatch, fragments: FragmentPieces, position: int) -> Datagram | None:
        row = int(fragments.indices[position])
        octets = batch.octets
        network = int(fragments.network_starts[position])
        start = int(fragments.starts[position])
        end = int(fragments.ends[position])
        limit = int(batch.ends[row])
        is_ipv4 = int(octets[network]) >> 4 == 4
        destination = int(fragments.destinations[position])
        protocol = int(fragments.protocols[position])
        if is_ipv4:
            header = octets[network:start].tobytes()
            word = int.from_bytes(header[6:8], "big")
            identification = int.from_bytes(header[4:6], "big")
            offset, has_more = (word & 0x1FFF) * 8, bool(word & 0x2000)
            addresses = header[12:16], header[16:20]
        else:
            fragment_header = octets[start - 8 : start].tobytes()
            word = int.from_bytes(fragment_header[2:4], "big")
            identification = int.from_bytes(fragment_header[4:8], "big")
            offset, has_more = word & 0xFFF8, bool(word & 1)
            source = octets[network + 8 : network + 24].tobytes()
            addresses = source, octets[destination : destination + 16].tobytes()
            header = _ipv6_header(octets[network : network + 40].tobytes(), addresses[1], protocol)
        vlan, interface = int(fragments.vlans[position]), int(fragments.cooked_interfaces[position])
        identity = (*addresses, protocol, identification, vlan, interface)
        pending = self._pending.get(identity)
        if pending is None:
            pending = self._pending[identity] = _Pending(int(batch.times_ns[row]))
        payload = octets[start : min(end, limit)].tobytes()
        if offset == 0 and pending.first is None:
            pending.header = header
            pending.first = _datagram(batch, fragments, position, header, payload, is_complete=False)
        headers = len(header) if is_ipv4 else 0
        if min(end, limit) < end or headers + offset + len(payload) > DATAGRAM_LIMIT:
            return None  # A piece that the snap length cut cannot complete anything.
        if payload:
            # The first copy of a piece counts, as in every stack that fears overlapping fragments (RFC 5722).
            if offset not in pending.pieces:
                self._pending_octets += len(payload)
            pending.pieces.setdefault(offset, payload)
        if not has_more and pending.total is None:
            pending.total = offset + len(payload)
        whole = _join(pending)
        if whole is None:
            return None
        self._drop(identity)
        return _datagram(batch, fragments, position, pending.header, whole, is_complete=True)


def _join(pending: _Pending) -> bytes | None:
    """The datagram's payload once its pieces leave no gap, else None."""
    if pending.total is None or 0 not in pending.pieces:
        return None
    joined = bytearray()
    while len(joined) < pending.total:
        piece = pending.pieces.get(len(joined))
        if not piece:
            return None
        joined += piece
    return bytes(joined[: pending.total])


def _ipv6_header(header: bytes, destination: bytes, protocol: int) -> bytes:
    """A plain IPv6 header with the final destination, in place of one with extension headers."""
    return header[:6] + bytes([protocol]) + header[7:24] + destination


def _datagram(
    batch: FrameBatch,
    fragments: FragmentPieces,
    position: int,
    header: bytes,
    payload: bytes,
    *,
    is_complete: bool,
) -> Datagram:
    row = int(fragments.indices[position])
    length = len(header) + len(payload)
    if header[0] >> 4 == 4:
        packet = header[:2] + min(length, 0xFFFF).to_bytes(2, "big") + header[4:6] + b"\0\0" + header[8:] + payload
        link_type = LINKTYPE_IPV4
    else:
        packet = header[:4] + min(len(payload), 0xFFFF).to_bytes(2, "big") + header[6:] + payload
        link_type = LINKTYPE_IPV6
    return Datagram(
        packet=packet,
        link_type=link_type,
        frame=batch.first_frame + row,
        time_ns=int(batch.times_ns[row]),
        offset=int(batch.offsets[row]),
        interface=int(fragments.cooked_interfaces[position]),
        vlan=int(fragments.vlans[position]),
        is_complete=is_complete,
    )


def batch_of(datagrams: list[Datagram]) -> FrameBatch:
    """The datagrams as a batch of raw IP frames, numbered 1, 2, … in the order given."""
    lengths = np.array([len(datagram.packet) for datagram in datagrams], dtype=np.int64)
    # Each packet has room of its own before it, for the pseudo-header of an IPv6 segment.
    starts = HEADROOM + np.cumsum(lengths + HEADROOM) - lengths - HEADROOM
    octets = np.zeros(int(starts[-1] + lengths[-1]) + TAILROOM, dtype=np.uint8)
    for start, datagram in zip(starts.tolist(), datagrams, strict=True):
        octets[start : start + len(datagram.packet)] = np.frombuffer(datagram.packet, dtype=np.uint8)
    return FrameBatch(
        octets=octets,
        starts=starts,
        ends=starts + lengths,
        wire_lengths=lengths,
        times_ns=np.array([datagram.time_ns for datagram in datagrams], dtype=np.int64),
        interfaces=np.zeros(len(datagrams), dtype=np.uint16),
        link_types=np.array([datagram.link_type for datagram in datagrams], dtype=np.uint16),
        offsets=np.array([datagram.offset for datagram in datagrams], dtype=np.int64),
        first_frame=1,
    )
