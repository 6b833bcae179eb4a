"""Which octets a TCP-AO MAC covers (RFC 5925 5.1).

Nothing else in the project assembles these octets from one segment; showing, explaining and re-signing all
call this, and the engine's batch form of it is held to it by tests.

In order: the SNE; the IP pseudo-header with the length of the whole segment; the TCP header, its checksum and
the option's MAC set to zero; the payload. Where an MKT excludes options, every option but AO is left out, and
nothing else changes: the data offset and the pseudo-header's length stay as sent.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.ao.option import AO_OVERHEAD, FIXED_HEADER_LENGTH, locate_ao
from aoinspect.ao.traffic_keys import check_addresses

PROTOCOL_TCP = 6
CHECKSUM_START, CHECKSUM_END = 16, 18
"""Octets of the checksum in a TCP header."""
SNE_LENGTH = 4


@dataclass(frozen=True, slots=True)
class MacInputPart:
    """One stretch of what a MAC covers; `start` and `end` (exclusive) count octets in the MAC input."""

    label: str
    start: int
    end: int
    segment_start: int | None = None
    """Where the stretch starts in the segment; None where it is not taken from there (SNE, pseudo-header)."""
    is_zeroed: bool = False
    """Whether zeros stand here in place of what the segment has."""


def pseudo_header(source: bytes, destination: bytes, tcp_length: int) -> bytes:
    """The 12 (IPv4) or 40 (IPv6) octets of the IP pseudo-header, as for the checksum (RFC 9293 3.1, RFC 8200
    8.1).

    `tcp_length` is the length of TCP header and payload in octets. Behind an IPv6 routing header
    `destination` is the final one. Raises ValueError for addresses that are not both 4 or both 16 octets, and
    for a length that the header cannot hold.
    """
    check_addresses(source, destination)
    layout = "!4s4sxBH" if len(source) == 4 else "!16s16sI3xB"
    numbers = (PROTOCOL_TCP, tcp_length) if len(source) == 4 else (tcp_length, PROTOCOL_TCP)
    try:
        return struct.pack(layout, source, destination, *numbers)
    except struct.error:
        raise ValueError(f"a TCP length of {tcp_length} octets does not fit the pseudo-header") from None


def split_mac_input(source_length: int, segment: bytes, include_options: bool) -> tuple[MacInputPart, ...]:
    """What `mac_input` is made of, in order and without gaps; empty stretches are left out.

    `source_length` is the length of an address (4 or 16). Raises ValueError as `mac_input` does.
    """
    header_length = header_length_of(segment)
    option = locate_ao(segment[:header_length])
    mac_start = option.start + AO_OVERHEAD
    stretches = [
        ("TCP header", 0, CHECKSUM_START, False),
        ("checksum, zeroed", CHECKSUM_START, CHECKSUM_END, True),
        ("urgent pointer", CHECKSUM_END, FIXED_HEADER_LENGTH, False),
        *([("options before TCP-AO", FIXED_HEADER_LENGTH, option.start, False)] if include_options else []),
        ("TCP-AO", option.start, mac_start, False),
        ("MAC, zeroed", mac_start, option.end, True),
        *([("options after TCP-AO", option.end, header_length, False)] if include_options else []),
        ("payload", header_length, len(segment), False),
    ]
    pseudo_header_end = SNE_LENGTH + (12 if source_length == 4 else 40)
    parts = [
        MacInputPart("SNE", 0, SNE_LENGTH),
        MacInputPart("pseudo-header", SNE_LENGTH, pseudo_header_end),
    ]
    at = pseudo_header_end
    for label, start, end, is_zeroed in stretches:
        if start < end:
            parts.append(MacInputPart(label, at, at + end - start, start, is_zeroed))
            at += end - start
    return tuple(parts)


def mac_input(sne: int, source: bytes, destination: bytes, segment: bytes, include_options: bool) -> bytes:
    """The octets that the MAC of a segment covers (RFC 5925 5.1).

    `segment` is TCP header and payload as captured, with its AO option in place; `sne` has 32 bits; addresses
    have 4 or 16 octets. Raises ValueError for a segment that is shorter than its header or has not exactly
    one sound AO option, and for numbers and addresses of another size.
    """
    if not 0 <= sne < 1 << 32:
        raise ValueError(f"an SNE has 32 bits, {sne} does not")
    pieces = [sne.to_bytes(SNE_LENGTH, "big"), pseudo_header(source, destination, len(segment))]
    for part in split_mac_input(len(source), segment, include_options):
        if part.is_zeroed:
            pieces.append(bytes(part.end - part.start))
        elif part.segment_start is not None:
            pieces.append(segment[part.segment_start : part.segment_start + part.end - part.start])
    return b"".join(pieces)


def segment_mac(mkt: MasterKeyTuple, traffic_key: bytes, message: bytes) -> bytes:
    """The MAC of `message` (a MAC input), cut to the MKT's length in octets (RFC 5926 3.2)."""
    computation = mkt.algorithm.keyed_mac(traffic_key)
    computation.update(message)
    return computation.finalize()[: mkt.mac_length]


def header_length_of(segment: bytes) -> int:
    """Octets of a segment's TCP header, options included; ValueError where it has fewer than it says."""
    if len(segment) < FIXED_HEADER_LENGTH:
        raise ValueError(f"a TCP header has at least {FIXED_HEADER_LENGTH} octets, this segment has {len(segment)}")
    header_length = (segment[12] >> 4) * 4
    if not FIXED_HEADER_LENGTH <= header_length <= len(segment):
        raise ValueError(f"the data offset says {header_length} octets of header, the segment has {len(segment)}")
    return header_length
