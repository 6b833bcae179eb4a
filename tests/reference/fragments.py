"""IP datagrams put together from their fragments (RFC 791 3.2, RFC 8200 4.5), one piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.reference.captures import Frame
from tests.reference.headers import IpPayload

PATIENCE_NS = 60 * 10**9
LONGEST = 65_535


@dataclass
class _Waiting:
    opened_ns: int
    header: bytes = b""
    pieces: dict[int, bytes] = field(default_factory=dict)
    length: int | None = None
    first: tuple[Frame, IpPayload, bytes] | None = None


@dataclass(frozen=True)
class Datagram:
    """A whole datagram, or the first piece of one that stays incomplete."""

    frame: Frame
    """The one whose piece made it whole; of an incomplete one, that of its first piece."""
    piece: IpPayload
    link_type: int
    packet: bytes
    is_whole: bool


class Fragments:
    """The datagrams of one capture that are not whole yet."""

    def __init__(self) -> None:
        self._waiting: dict[object, _Waiting] = {}
        self._given_up: list[_Waiting] = []

    def add(self, frame: Frame, piece: IpPayload) -> Datagram | None:
        """The datagram that this piece makes whole."""
        self._give_up_old_ones(frame.time_ns)
        place = piece.place
        identity = (
            piece.source,
            piece.destination,
            piece.protocol,
            piece.identification,
            place.vlan,
            (frame.interface, place.cooked_interface),
        )
        waiting = self._waiting.setdefault(identity, _Waiting(frame.time_ns))
        payload = place.octets[place.start : min(place.end, len(place.octets))]
        if piece.offset == 0 and waiting.first is None:
            waiting.first = frame, piece, payload
        ahead = len(piece.header) if len(piece.source) == 4 else 0
        if place.end > len(place.octets) or ahead + piece.offset + len(payload) > LONGEST:
            return None
        if payload:
            # Of overlapping pieces the first counts: RFC 5722 would drop them all, and no stack resends.
            waiting.pieces.setdefault(piece.offset, payload)
        if not piece.has_more and waiting.length is None:
            waiting.length = piece.offset + len(payload)
        whole = _joined(waiting)
        if whole is None or waiting.first is None:
            return None
        del self._waiting[identity]
        return _datagram(frame, piece, waiting.first[1], whole, is_whole=True)

    def incomplete(self) -> Iterator[Datagram]:
        """At the end of a capture: the first pieces of what never became whole, in the order of their frames."""
        left = [*self._given_up, *self._waiting.values()]
        firsts = [waiting.first for waiting in left if waiting.first is not None]
        for frame, piece, payload in sorted(firsts, key=lambda first: first[0].number):
            yield _datagram(frame, piece, piece, payload, is_whole=False)

    def _give_up_old_ones(self, now_ns: int) -> None:
        for identity, waiting in list(self._waiting.items()):
            if now_ns - waiting.opened_ns < PATIENCE_NS:
                return
            self._given_up.append(self._waiting.pop(identity))


def _joined(waiting: _Waiting) -> bytes | None:
    if waiting.length is None:
        return None
    joined = b""
    while len(joined) < waiting.length:
        piece = waiting.pieces.get(len(joined))
        if piece is None:
            return None
        joined += piece
    return joined[: waiting.length] if 0 in waiting.pieces else None


def _datagram(frame: Frame, piece: IpPayload, first: IpPayload, payload: bytes, *, is_whole: bool) -> Datagram:
    """An IP packet without fragments: IPv4's first header with another length; a plain IPv6 header."""
    header = first.header
    if len(first.source) == 4:
        length = min(len(header) + len(payload), 0xFFFF)
        packet = header[:2] + length.to_bytes(2, "big") + header[4:6] + b"\0\0" + header[8:] + payload
        return Datagram(frame, piece, 228, packet, is_whole)
    length = min(len(payload), 0xFFFF)
    fields = header[:4] + length.to_bytes(2, "big") + bytes([first.protocol]) + header[7:24]
    return Datagram(frame, piece, 229, fields + first.destination + payload, is_whole)
