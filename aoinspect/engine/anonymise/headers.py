"""What survives of the headers around a TCP segment, protocol by protocol; of any other protocol nothing does.

Numbers that say how a packet travelled are copied (types, lengths, VLANs, labels, network identifiers, tunnel keys,
TTL, identification). Link-layer addresses, IPv6 flow labels, options of unknown content and everything optional that
could name a machine are not. IP addresses become others, those in source routes and routing headers too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aoinspect.capture.frames import I64
from aoinspect.engine.anonymise.twin import Twin
from aoinspect.engine.locate import Mask
from aoinspect.engine.resign.checksums import MODULUS, checksum_of, sum_of, sums
from aoinspect.engine.resign.envelopes import Envelope, Headers
from dissectors.ipv4 import END_OF_OPTIONS, LOOSE_SOURCE_ROUTE, NO_OPERATION, STRICT_SOURCE_ROUTE
from dissectors.ipv6_extensions import (
    DESTINATION,
    FRAGMENT,
    HOP_BY_HOP,
    JUMBO_PAYLOAD,
    LAST_ADDRESS_ROUTES,
    ROUTING,
    SEGMENT_ROUTE,
)
from dissectors.octets import u16

_RECORD_ROUTE = 7
_GRE_ROUTING, _GRE_CHECKSUM, _GRE_VERSION = 0x4000, 0x8000, 0x0007
_NFLOG_PAYLOAD = 9
_IPV4_HEADER, _IPV6_HEADER = 20, 40
_MOST_HEADER = 512
"""Octets of one header that is copied whole; a longer one is none that is known."""
BLANK_TYPE = 0x88B5
"""The ethertype of frames of which nothing is told: IEEE 802's Local Experimental Ethertype 1."""

Copier = Callable[[Twin, I64, I64], Mask]
"""(twin, where headers start, where the next ones do) -> of which of them all that is needed was copied."""


def _every(starts: I64) -> Mask:
    return np.ones(len(starts), dtype=np.bool_)


def _copy_whole(twin: Twin, starts: I64, nexts: I64) -> Mask:
    is_short = nexts - starts <= _MOST_HEADER
    twin.copy_ranges(starts[is_short], nexts[is_short])
    return is_short


def _pieces(*pieces: tuple[int, int]) -> Copier:
    """Copies octets `start` to `end` of headers of a fixed length."""

    def copy(twin: Twin, starts: I64, nexts: I64) -> Mask:
        for start, end in pieces:
            twin.copy(starts + start, end - start)
        return _every(starts)

    return copy


def _copy_juniper(twin: Twin, starts: I64, nexts: I64) -> Mask:
    """Without its extension, whose values name interfaces."""
    twin.copy(starts, 4)
    bits = twin.batch.octets[starts + 3]
    twin.copy(starts[bits & 0x80 != 0] + 4, 2)
    twin.copy(nexts[bits & 0x02 != 0] - 4, 4)
    return _every(starts)


def _copy_nflog(twin: Twin, starts: I64, nexts: I64) -> Mask:
    """Family, and the attributes' lengths and types without their values."""
    source = twin.batch.octets
    twin.copy(starts, 4)
    for start, end in zip(starts.tolist(), nexts.tolist(), strict=True):
        at = start + 4
        while at + 4 <= end:
            twin.octets[at : at + 4] = source[at : at + 4]
            length = int(source[at]) | int(source[at + 1]) << 8
            if length < 4 or source[at + 2] == _NFLOG_PAYLOAD:
                break
            at += (length + 3) & ~3
    return _every(starts)


def _copy_gre(twin: Twin, starts: I64, nexts: I64) -> Mask:
    """The checksum is left out; RFC 1701's routes hold addresses of any family, and nobody sends them any more."""
    words = u16(twin.batch.octets, starts)
    is_known: Mask = (words & _GRE_VERSION != 0) | (words & _GRE_ROUTING == 0)
    _copy_whole(twin, starts[is_known], nexts[is_known])
    has_checksum = (words & _GRE_CHECKSUM != 0) & (words & _GRE_VERSION == 0)
    twin.put_16(starts[has_checksum] + 4, np.zeros(int(has_checksum.sum()), dtype=np.int64))
    return is_known


def _copy_geneve(twin: Twin, starts: I64, nexts: I64) -> Mask:
    twin.copy(starts, 8)
    return _every(starts)


def _copy_ipv4(twin: Twin, starts: I64, nexts: I64) -> Mask:
    twin.copy(starts, 10)
    twin.copy_addresses(starts + 12, 4)
    twin.copy_addresses(starts + 16, 4)
    lengths = (twin.batch.octets[starts].astype(np.int64) & 15) * 4
    for start, length in zip(*(column[lengths > _IPV4_HEADER].tolist() for column in (starts, lengths)), strict=True):
        _copy_ipv4_options(twin, start + _IPV4_HEADER, start + length)
    twin.put_16(starts + 10, (MODULUS - sums(twin.octets, starts, starts + lengths)) % MODULUS)
    return _every(starts)


def _copy_ipv4_options(twin: Twin, start: int, end: int) -> None:
    """Kinds and lengths, and other addresses in routes."""
    source, octets = twin.batch.octets, twin.octets
    at = start
    while at < end and source[at] != END_OF_OPTIONS:
        octets[at] = source[at]
        if source[at] == NO_OPERATION:
            at += 1
            continue
        length = int(source[at + 1])
        if not 2 <= length <= end - at:
            return
        octets[at + 1] = length
        if source[at] in (_RECORD_ROUTE, LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE) and length >= 3:
            octets[at + 2] = source[at + 2]
            hops: I64 = np.arange(at + 3, at + length - 3, 4, dtype=np.int64)
            twin.copy_addresses(hops, 4)
        at += length


def _copy_ipv6(twin: Twin, starts: I64, nexts: I64) -> Mask:
    twin.copy(starts, 2)
    twin.octets[starts + 1] &= np.uint8(0xF0)  # What is left of the flow label.
    twin.copy(starts + 4, 4)
    twin.copy_addresses(starts + 8, 16)
    twin.copy_addresses(starts + 24, 16)
    is_known = _every(starts)
    for row in np.flatnonzero(nexts > starts + _IPV6_HEADER).tolist():
        is_known[row] = _copy_extensions(twin, int(starts[row]), int(nexts[row]))
    return is_known


def _copy_extensions(twin: Twin, start: int, end: int) -> bool:
    """The extension headers of one packet; False where one is of no known kind."""
    source = twin.batch.octets
    kind, at = int(source[start + 6]), start + _IPV6_HEADER
    while at < end:
        length = 8 if kind == FRAGMENT else (int(source[at + 1]) + 1) * 8
        if kind == FRAGMENT:
            twin.octets[at : at + 8] = source[at : at + 8]
        elif kind in (HOP_BY_HOP, DESTINATION):
            # Zeros are padding (Pad1), so the options vanish; a jumbogram's length is needed to read the rest.
            twin.octets[at : at + 2] = source[at : at + 2]
            if kind == HOP_BY_HOP and source[at + 2] == JUMBO_PAYLOAD:
                twin.octets[at + 2 : at + 8] = source[at + 2 : at + 8]
        elif kind == ROUTING and int(source[at + 2]) in (*LAST_ADDRESS_ROUTES, SEGMENT_ROUTE):
            _copy_route(twin, at, length)
        else:
            return False
        kind, at = int(source[at]), at + length
    return at == end


def _copy_route(twin: Twin, at: int, length: int) -> None:
    source = twin.batch.octets
    twin.octets[at : at + 4] = source[at : at + 4]
    addresses = (length - 8) // 16
    if source[at + 2] == SEGMENT_ROUTE:
        # Last entry, flags; the tag may name a customer, and behind the list TLVs may follow (RFC 8754 2).
        twin.octets[at + 4 : at + 6] = source[at + 4 : at + 6]
        addresses = min(addresses, int(source[at + 4]) + 1)
    hops: I64 = at + 8 + 16 * np.arange(addresses, dtype=np.int64)
    twin.copy_addresses(hops, 16)


def _copy_udp(twin: Twin, starts: I64, nexts: I64) -> Mask:
    twin.copy_ports(starts)
    twin.copy_ports(starts + 2)
    twin.copy(starts + 4, 2)
    return _every(starts)


COPIERS: dict[str, Copier] = {
    "eth": _pieces((12, 14)),
    "sll": _pieces((0, 6), (14, 16)),
    "sll2": _pieces((0, 12)),
    "erspan": _pieces((0, 4)),
    "geneve": _copy_geneve,
    "gre": _copy_gre,
    "ip": _copy_ipv4,
    "ipv6": _copy_ipv6,
    "juniper": _copy_juniper,
    "nflog": _copy_nflog,
    "udp": _copy_udp,
    **dict.fromkeys(
        ("chdlc", "llc", "mpls", "null", "ppp", "pppoes", "raw", "vlan", "vxlan", "vxlan-gpe"), _copy_whole
    ),
}
"""By dissector; frames with a header of any other are not kept."""

_BLANK_LINKS = {"eth": 12, "sll": 14, "sll2": 0}
"""Where the link layer says what follows."""


def copy_envelopes(twin: Twin, trail: list[Headers], is_wanted: Mask, inner_starts: I64) -> Mask:
    """Copies all headers of the wanted frames; of which of them everything is known.

    `inner_starts` has where the headers of each frame end and what they carry starts.
    """
    nexts = inner_starts.copy()
    is_known = is_wanted.copy()
    for headers in trail:
        if headers.name not in COPIERS:
            is_known[headers.indices] = False
    for headers in reversed(trail):
        rows = np.flatnonzero(is_known[headers.indices])
        if not len(rows):
            continue
        indices, starts = headers.indices[rows], headers.starts[rows]
        if headers.name == "erspan":
            _copy_erspan_3(twin, starts, nexts[indices])
        is_known[indices] = COPIERS[headers.name](twin, starts, nexts[indices])
        nexts[indices] = starts
    return is_known


def _copy_erspan_3(twin: Twin, starts: I64, nexts: I64) -> None:
    """Type III says in octets 10 and 11 what it carries; timestamp, group and platform are left out."""
    is_long = nexts - starts >= 12
    twin.copy(starts[is_long] + 10, 2)


def blank(twin: Twin, indices: I64, trail: list[Headers]) -> None:
    """Leaves nothing of these frames but what kind of link they were on, and an ethertype that says so."""
    batch = twin.batch
    for first, end in zip(batch.starts[indices].tolist(), batch.ends[indices].tolist(), strict=True):
        twin.octets[first:end] = 0
    is_blank = np.zeros(len(batch), dtype=np.bool_)
    is_blank[indices] = True
    is_outer = np.ones(len(batch), dtype=np.bool_)
    for headers in trail:
        rows = np.flatnonzero(is_outer[headers.indices])
        is_outer[headers.indices] = False
        type_at = _BLANK_LINKS.get(headers.name)
        rows = rows[is_blank[headers.indices[rows]]]
        if type_at is None or not len(rows):
            continue
        starts = headers.starts[rows]
        length = 14 if headers.name == "eth" else 16 if headers.name == "sll" else 20
        starts = starts[starts + length <= batch.ends[headers.indices[rows]]]
        if headers.name != "eth":
            COPIERS[headers.name](twin, starts, starts)
        twin.put_16(starts + type_at, np.full(len(starts), BLANK_TYPE, dtype=np.int64))


# Checksums around the segment, once it is done.


def write_outer_checksums(frame: bytearray, old: bytes, envelopes: list[Envelope]) -> None:
    """Computes the checksums of UDP and GRE anew where `old` has them; what was not captured counts as zeros."""
    for number in reversed(range(len(envelopes))):
        header = envelopes[number]
        start, end = header.start, min(header.end, len(frame))
        if header.name == "udp":
            at, length = start + 6, int.from_bytes(frame[start + 4 : start + 6], "big")
            if not any(old[at : at + 2]):
                continue
            frame[at : at + 2] = bytes(2)
            end = min(end, start + length) if length else end
            total = sum_of(frame[start:end]) + _pseudo_sum(frame, envelopes[:number]) + 17 + (length or end - start)
            frame[at : at + 2] = ((MODULUS - total % MODULUS) % MODULUS or MODULUS).to_bytes(2, "big")
        elif header.name == "gre":
            word = int.from_bytes(frame[start : start + 2], "big")
            if word & _GRE_CHECKSUM and not word & _GRE_VERSION:
                frame[start + 4 : start + 6] = bytes(2)
                frame[start + 4 : start + 6] = checksum_of(frame[start:end]).to_bytes(2, "big")


def _pseudo_sum(frame: bytearray, around: list[Envelope]) -> int:
    """The sum of the addresses of the innermost IP header among `around`."""
    for header in reversed(around):
        if header.name == "ip":
            return sum_of(frame[header.start + 12 : header.start + 20])
        if header.name == "ipv6":
            return sum_of(frame[header.start + 8 : header.start + 40])
    return 0
