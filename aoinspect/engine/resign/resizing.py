"""Builds frames anew whose TCP options change their place or length, one by one.

The segment's other options and its payload stay in their order, the headers around it get the lengths that follow, and
what stands behind the IP packet in its frame (padding, a frame check sequence) stays there. What cannot be built, and
why, is told for all frames before anything is given up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from aoinspect.ao.option import AO_OVERHEAD, FIXED_HEADER_LENGTH, KIND_AO, KIND_MD5, MAX_OPTIONS_LENGTH
from aoinspect.capture.frames import HEADROOM, I64, TAILROOM, FrameBatch
from aoinspect.engine.locate import Mask
from aoinspect.engine.resign.envelopes import (
    CoveringChecksum,
    Envelope,
    LengthError,
    has_known_lengths,
    remember_checksums,
    resize,
)
from aoinspect.engine.resign.options import replace_signature, without_signatures
from aoinspect.engine.resign.wishes import Left
from aoinspect.engine.verdicts import Method

_MD5_OPTION = bytes([KIND_MD5, 18]) + bytes(16)
_LINKTYPE_ETHERNET = 1
_SHORTEST_ETHERNET = 60
"""Octets of an Ethernet frame without its FCS, which shorter ones are padded to (IEEE 802.3 4.2.3.3)."""


class OldFrame(NamedTuple):
    """One frame as it was captured; positions count its octets."""

    octets: bytes
    wire_length: int
    link_type: int
    tcp_start: int
    header_length: int
    """Octets of the TCP header."""
    envelopes: list[Envelope]


@dataclass(slots=True)
class NewFrame:
    """One frame as it is going to be, its MAC and TCP checksum still to come."""

    octets: bytearray
    growth: int
    """Octets that the segment has more than before."""
    wire_length: int
    checksums: list[CoveringChecksum] = field(default_factory=list)
    """Those around the segment, which are to follow when it is done."""


class NoRoomError(Exception):
    """A frame cannot be built: the text says what does not fit."""


def signature_option(method: int, key_id: int, rnext_key_id: int, mac_length: int) -> bytes:
    """A TCP-AO (RFC 5925 2.2) or TCP-MD5 (RFC 2385 3.0) option with a MAC of zeros."""
    if method == Method.MD5:
        return _MD5_OPTION
    return bytes([KIND_AO, AO_OVERHEAD + mac_length, key_id, rnext_key_id]) + bytes(mac_length)


def build(old: OldFrame, signature: bytes | None) -> NewFrame | Left:
    """`old` with `signature` in place of the one it has (or added); None: without any.

    Says why where nothing can be done to such a frame; NoRoomError where something does not fit.
    """
    header = old.octets[old.tcp_start : old.tcp_start + old.header_length]
    options = without_signatures(header) if signature is None else replace_signature(header, signature)
    if options is None:
        return Left.MALFORMED
    if len(options) > MAX_OPTIONS_LENGTH:
        others = len(options) - len(signature or b"")
        raise NoRoomError(
            f"a signature option of {len(signature or b'')} octets beside {others} of other options and padding: "
            f"a TCP header holds {MAX_OPTIONS_LENGTH}"
        )
    growth = FIXED_HEADER_LENGTH + len(options) - old.header_length
    if growth and not has_known_lengths(old.envelopes):
        return Left.UNKNOWN_HEADER
    offset_octet = (FIXED_HEADER_LENGTH + len(options)) << 2 | header[12] & 0x0F
    octets = bytearray(old.octets[: old.tcp_start])
    octets += header[:12] + bytes([offset_octet]) + header[13:FIXED_HEADER_LENGTH] + options
    octets += old.octets[old.tcp_start + old.header_length :]
    if growth:
        try:
            resize(octets, old.envelopes, growth)
        except LengthError as error:
            raise NoRoomError(str(error)) from None
    new = NewFrame(octets, growth, old.wire_length + growth, remember_checksums(old.octets, old.envelopes))
    _pad(old, new)
    return new


def _pad(old: OldFrame, new: NewFrame) -> None:
    """Ethernet's padding to its shortest frame is as long as it has to be, where the frame had such padding."""
    outermost = next((envelope for envelope in old.envelopes if envelope.name in ("ip", "ipv6")), None)
    is_shortest = old.link_type == _LINKTYPE_ETHERNET and len(old.octets) == old.wire_length == _SHORTEST_ETHERNET
    if not (new.growth and outermost and is_shortest):
        return
    packet_end = _packet_end(old.octets, outermost) + new.growth
    if packet_end > len(new.octets) or any(new.octets[packet_end:]):
        return
    del new.octets[max(packet_end, _SHORTEST_ETHERNET) :]
    new.octets.extend(bytes(max(0, _SHORTEST_ETHERNET - len(new.octets))))
    new.wire_length = len(new.octets)


def is_padded_to_shortest(batch: FrameBatch) -> Mask:
    """Which frames of a batch may have padding that is as long as it is because they are."""
    is_shortest = (batch.ends - batch.starts == _SHORTEST_ETHERNET) & (batch.wire_lengths == _SHORTEST_ETHERNET)
    return is_shortest & (batch.link_types == _LINKTYPE_ETHERNET)  # type: ignore[no-any-return]


def _packet_end(octets: bytes, header: Envelope) -> int:
    """Where an IP packet ends by its own length."""
    at = header.start
    if header.name == "ip":
        return at + int.from_bytes(octets[at + 2 : at + 4], "big")
    return at + 40 + int.from_bytes(octets[at + 4 : at + 6], "big")


def batch_of_frames(frames: list[NewFrame], link_types: list[int]) -> FrameBatch:
    """The frames as a batch, numbered 1, 2, … in the order given, for the engine to find the segments in them."""
    lengths: I64 = np.array([len(frame.octets) for frame in frames], dtype=np.int64)
    # Each has room of its own before it, for the pseudo-header of an IPv6 segment.
    starts = HEADROOM + np.cumsum(lengths + HEADROOM) - lengths - HEADROOM
    room = bytes(HEADROOM)
    joined = bytearray(room + room.join(frame.octets for frame in frames) + bytes(TAILROOM))
    return FrameBatch(
        octets=np.frombuffer(joined, dtype=np.uint8),
        starts=starts,
        ends=starts + lengths,
        wire_lengths=np.array([frame.wire_length for frame in frames], dtype=np.int64),
        times_ns=np.zeros(len(frames), dtype=np.int64),
        interfaces=np.zeros(len(frames), dtype=np.uint16),
        link_types=np.array(link_types, dtype=np.uint16),
        offsets=np.zeros(len(frames), dtype=np.int64),
        first_frame=1,
    )
