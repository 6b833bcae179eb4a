"""Where the octets of a fragmented datagram lie in the file, so that a changed segment goes back into its fragments.

The reassembler of the first pass puts datagrams together and forgets where their pieces came from. This walks the same
fragments through one of its kind, one by one, and remembers for each datagram which piece lies where.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from aoinspect.capture.frames import HEADROOM, FrameBatch
from aoinspect.engine.locate import FragmentPieces, Mask
from aoinspect.engine.reassembly import TIMEOUT_NS, Datagram, Reassembler


@dataclass(frozen=True, slots=True)
class Piece:
    """One fragment's part of a datagram's payload."""

    start: int
    """Octet of the datagram's payload."""
    octets: bytes
    file_offset: int
    """Where these octets lie in the uncompressed file."""
    is_covered: bool
    """A checksum of a header around the fragment covers them."""


@dataclass(slots=True)
class _Waiting:
    opened_ns: int
    pieces: dict[int, Piece] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WholeDatagram:
    """A datagram whose pieces have all come."""

    datagram: Datagram
    pieces: tuple[Piece, ...]
    """Those that its octets came from."""

    def patches(self, packet: bytes) -> list[tuple[int, bytes]] | None:
        """What to write where in the file, so that the datagram becomes `packet`, which is as long as it was.

        None where a checksum around a changed fragment covers it, or where the octets came from is not known.
        """
        found = []
        header_length = _header_length(packet)
        covered_to = 0
        for piece in sorted(self.pieces, key=lambda one: one.start):
            changed = packet[header_length + piece.start : header_length + piece.start + len(piece.octets)]
            if piece.start > covered_to or (piece.is_covered and changed != piece.octets):
                return None
            covered_to = max(covered_to, piece.start + len(piece.octets))
            if changed != piece.octets:
                found.append((piece.file_offset, changed))
        return found if header_length + covered_to >= len(packet) else None


def _header_length(packet: bytes) -> int:
    """Octets of a datagram that was put together before its payload."""
    return (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40


class FragmentWalk:
    """Keeps what is pending between batches."""

    def __init__(self) -> None:
        self._reassembler = Reassembler()
        self._waiting: dict[bytes, _Waiting] = {}

    def add(self, batch: FrameBatch, fragments: FragmentPieces, is_covered: Mask) -> list[WholeDatagram]:
        """The datagrams that `fragments` complete, in capture order.

        `is_covered` says of each frame of the batch whether a checksum outside of the fragment covers it.
        """
        found = []
        for position in range(len(fragments.indices)):
            one = FragmentPieces._make(column[position : position + 1] for column in fragments)
            identity = self._note(batch, one, bool(is_covered[one.indices[0]]))
            completed, _ = self._reassembler.add(batch, one)
            if completed:
                packet = completed[0].packet
                payload = packet[_header_length(packet) :]
                pieces = self._waiting.pop(identity).pieces
                # Of overlapping pieces only some are in it (RFC 5722); the others stay what they are.
                used = [piece for piece in pieces.values() if payload[piece.start :].startswith(piece.octets)]
                found.append(WholeDatagram(completed[0], tuple(used)))
        return found

    def _note(self, batch: FrameBatch, one: FragmentPieces, is_covered: bool) -> bytes:
        row, start = int(one.indices[0]), int(one.starts[0])
        end = min(int(one.ends[0]), int(batch.ends[row]))
        identity, offset = _identity_and_offset(batch, one)
        now_ns = int(batch.times_ns[row])
        waiting = self._waiting.get(identity)
        if waiting is None or now_ns - waiting.opened_ns >= TIMEOUT_NS:
            waiting = self._waiting[identity] = _Waiting(now_ns)
        # A batch is a stretch of the file from its first record on.
        file_offset = int(batch.offsets[0]) + start - HEADROOM
        if end == int(one.ends[0]):
            octets = batch.octets[start:end].tobytes()
            waiting.pieces.setdefault(offset, Piece(offset, octets, file_offset, is_covered))
        return identity


def _identity_and_offset(batch: FrameBatch, one: FragmentPieces) -> tuple[bytes, int]:
    """What all pieces of a datagram share, and where this one's octets belong (RFC 791 3.2, RFC 8200 4.5)."""
    octets = batch.octets
    network, start = int(one.network_starts[0]), int(one.starts[0])
    protocol = np.int16(one.protocols[0]).tobytes()
    if int(octets[network]) >> 4 == 4:
        offset = (int(octets[network + 6]) << 8 | int(octets[network + 7])) & 0x1FFF
        identity = octets[network + 4 : network + 6].tobytes() + octets[network + 12 : network + 20].tobytes()
        return protocol + identity, offset * 8
    destination = int(one.destinations[0])
    header = octets[start - 8 : start].tobytes()
    addresses = octets[network + 8 : network + 24].tobytes() + octets[destination : destination + 16].tobytes()
    return protocol + header[4:] + addresses, int.from_bytes(header[2:4], "big") & 0xFFF8
