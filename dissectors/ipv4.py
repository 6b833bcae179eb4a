"""IPv4 (RFC 791): where header and datagram end, fragments, and the pseudo-header's destination.

The datagram ends where the total length says, so that link-layer padding is never payload. A total length of
0 comes from captures before segmentation offload: the datagram ends with its frame. A source route that is
not used up keeps the final destination as its last address, and that is what a transport's pseudo-header
takes (RFC 1122 3.2.1.8).
"""

from __future__ import annotations

from ipaddress import IPv4Address

import numpy as np

from dissectors.base import I64, NOTHING, Dissector, Field, Headers, Hop, Mask
from dissectors.hopping import lead
from dissectors.octets import fields, u8
from dissectors.scribe import Scribe, describing, flags, hexadecimal, named

HEADER = np.dtype(
    [
        ("version_and_length", "u1"),
        ("service", "u1"),
        ("total_length", ">u2"),
        ("identification", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("checksum", ">u2"),
        ("source", ">u4"),
        ("destination", ">u4"),
    ]
)
MORE_OR_OFFSET = 0x3FFF
"""The bits of the fragment word that make a datagram a piece: more fragments, and the offset."""
END_OF_OPTIONS, NO_OPERATION, LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE = 0, 1, 131, 137
MOST_OPTIONS = 40
"""Octets of options, and so options, at most."""

PROTOCOLS = {
    0: "IPv6 hop-by-hop options", 1: "ICMP", 2: "IGMP", 4: "IPv4", 6: "TCP", 17: "UDP", 41: "IPv6",
    43: "IPv6 routing", 44: "IPv6 fragment", 47: "GRE", 50: "ESP", 51: "AH", 58: "ICMPv6",
    59: "no next header", 60: "IPv6 destination options", 89: "OSPF", 103: "PIM", 112: "VRRP", 132: "SCTP",
    135: "mobility", 137: "MPLS",
}  # fmt: skip
OPTION_NAMES = {
    7: "Record route", 68: "Timestamp", 130: "Security", LOOSE_SOURCE_ROUTE: "Loose source route",
    STRICT_SOURCE_ROUTE: "Strict source route", 148: "Router alert",
}  # fmt: skip


def hop(question: Headers) -> Hop:
    starts = question.starts
    header = fields(question.octets, starts, HEADER)
    first = header["version_and_length"]
    is_readable = starts + 20 <= question.limits
    is_sound = (first >= 0x45) & (first <= 0x4F)
    header_lengths = np.where(is_sound & is_readable, (first & 15).astype(np.int64) * 4, 20)
    payloads = starts + header_lengths
    is_cut = payloads > question.limits
    total_lengths = header["total_length"].astype(np.int64)
    return lead(
        question,
        np.where(is_sound, header["protocol"].astype(np.int64), NOTHING),
        payloads,
        is_cut,
        ends=np.where(total_lengths == 0, question.ends, starts + total_lengths),
        is_fragment=is_sound & ((header["fragment"] & MORE_OR_OFFSET) != 0),
        destinations=_final_destinations(question, payloads, is_sound & ~is_cut),
    )


def _final_destinations(question: Headers, payloads: I64, is_whole: Mask) -> I64:
    """Where the address lies that the datagram is to reach in the end."""
    destinations = question.starts + 16
    rows = np.flatnonzero(is_whole & (payloads > question.starts + 20))
    positions = question.starts[rows] + 20
    for _ in range(MOST_OPTIONS):
        if not len(rows):
            break
        room = payloads[rows] - positions
        kinds = u8(question.octets, positions)
        lengths = np.where(kinds == NO_OPERATION, 1, u8(question.octets, positions + 1))
        has_length = (kinds == NO_OPERATION) | ((room >= 2) & (lengths >= 2) & (lengths <= room))
        goes_on = (kinds != END_OF_OPTIONS) & has_length
        is_route = goes_on & ((kinds == LOOSE_SOURCE_ROUTE) | (kinds == STRICT_SOURCE_ROUTE)) & (lengths >= 7)
        is_route &= u8(question.octets, positions + 2) <= lengths
        destinations[rows[is_route]] = (positions + lengths - 4)[is_route]
        goes_on &= room > lengths
        rows, positions = rows[goes_on], (positions + lengths)[goes_on]
    return destinations


@describing("Internet Protocol version 4", "ip")
def describe(scribe: Scribe) -> None:
    first = scribe.peek(0, 1)
    header_length = (first & 15) * 4
    scribe.field("Version", str(first >> 4), 0, 1, "ip.version")
    scribe.field("Header length", f"{header_length} octets", 0, 1, "ip.hdr_len")
    scribe.number("Differentiated services", 1, 1, "ip.dsfield", hexadecimal(2))
    total_length = scribe.number("Total length", 2, 2, "ip.len")
    scribe.number("Identification", 4, 2, "ip.id", hexadecimal(4))
    fragment = scribe.peek(6, 2)
    bits = ((0x8000, "Reserved", "ip.flags.rb"), (0x4000, "Don't fragment", "ip.flags.df"),
            (0x2000, "More fragments", "ip.flags.mf"))  # fmt: skip
    scribe.field("Flags", f"0x{fragment >> 13:x}", 6, 1, "ip.flags", flags(scribe, fragment, 6, 1, bits))
    scribe.field("Fragment offset", f"{(fragment & 0x1FFF) * 8} octets", 6, 2, "ip.frag_offset")
    scribe.number("Time to live", 8, 1, "ip.ttl")
    protocol = scribe.number("Protocol", 9, 1, "ip.proto", named(PROTOCOLS))
    scribe.number("Header checksum", 10, 2, "ip.checksum", hexadecimal(4))
    source, destination = scribe.ipv4("Source", 12, "ip.src"), scribe.ipv4("Destination", 16, "ip.dst")
    scribe.summary = f"{source} > {destination}"
    if not 0x45 <= first <= 0x4F:
        scribe.malformed("the version is not 4, or the header length is below 20 octets", 0, 1)
        return
    scribe.take(0, header_length)
    _write_options(scribe, header_length)
    end = scribe.end if total_length == 0 else scribe.start + total_length
    scribe.leads_to("ip.proto", NOTHING if fragment & 0x1FFF else protocol, header_length, end)


def _write_options(scribe: Scribe, header_length: int) -> None:
    """Write the options between octet 20 and `header_length`, which are all readable."""
    offset = 20
    while offset < header_length:
        kind = scribe.peek(offset, 1)
        if kind in (END_OF_OPTIONS, NO_OPERATION):
            size = 1 if kind == NO_OPERATION else header_length - offset
            label = "No operation" if kind == NO_OPERATION else "End of options"
            scribe.field(label, "", offset, size, "ip.opt.type")
            offset += size
            continue
        room = header_length - offset
        length = scribe.peek(offset + 1, 1) if room >= 2 else 0
        if not 2 <= length <= room:
            scribe.field("malformed", f"option {kind} has length {length}, with room for {room}", offset, room)
            return
        label = OPTION_NAMES.get(kind, f"Option {kind}")
        value = scribe.take(offset + 2, length - 2)
        children: list[Field] = []
        if kind in (LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE) and length >= 3:
            children = [
                scribe.make("Hop", str(IPv4Address(scribe.take(at, 4))), at, 4, "ip.rec_rt")
                for at in range(offset + 3, offset + length - 3, 4)
            ]
            if length >= 7 and value[0] <= length:
                at = offset + length - 4
                final = str(IPv4Address(scribe.take(at, 4)))
                children.append(scribe.make("Final destination", final, at, 4, "ip.dst"))
        scribe.field(label, value.hex(), offset, length, "ip.opt.type", children)
        offset += length


DISSECTOR = Dissector(
    name="ip",
    title="Internet Protocol version 4",
    keys=(
        ("ethertype", 0x0800),
        ("ip.version", 4),
        ("ip.proto", 4),
        ("linktype", 228),
        ("address.family", 2),
        ("ppp.protocol", 0x0021),
    ),
    describe=describe,
    hop=hop,
    leads_to="ip.proto",
    is_network=True,
)
