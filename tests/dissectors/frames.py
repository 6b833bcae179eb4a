"""Hand-made frames, one or more for each way to wrap a TCP segment, each with where its TCP header lies."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

ETHERNET_ADDRESSES = bytes.fromhex("525400000002525400000001")
AO = bytes([29, 16, 61, 84]) + bytes(range(0xA0, 0xAC))


@dataclass(frozen=True, slots=True)
class Example:
    name: str
    link_type: int
    octets: bytes
    tcp_start: int
    path: tuple[str, ...]
    """Names of the dissectors on the way, TCP included."""


def tcp(options: bytes = AO, payload: bytes = b"payload", offset: int | None = None) -> bytes:
    words = 5 + len(options) // 4 if offset is None else offset
    return struct.pack("!HHIIHHHH", 33000, 179, 1000, 2000, words << 12 | 0x18, 500, 0, 0) + options + payload


def udp(payload: bytes, destination: int, source: int = 50000, length: int | None = None) -> bytes:
    length = 8 + len(payload) if length is None else length
    return struct.pack("!HHHH", source, destination, length, 0) + payload


def ipv4(payload: bytes, protocol: int = 6, options: bytes = b"", total: int | None = None, fragment: int = 0) -> bytes:
    total = 20 + len(options) + len(payload) if total is None else total
    first = 0x45 + len(options) // 4
    head = struct.pack("!BBHHHBBH", first, 0, total, 7, fragment, 64, protocol, 0)
    return head + IPv4Address("10.0.0.1").packed + IPv4Address("10.0.0.2").packed + options + payload


def ipv6(payload: bytes, next_header: int = 6, length: int | None = None) -> bytes:
    length = len(payload) if length is None else length
    head = struct.pack("!IHBB", 6 << 28, length, next_header, 64)
    return head + IPv6Address("fd00::1").packed + IPv6Address("fd00::2").packed + payload


def ethernet(payload: bytes, kind: int = 0x0800) -> bytes:
    return ETHERNET_ADDRESSES + struct.pack("!H", kind) + payload


def gre(payload: bytes, protocol: int, flags: int = 0, fields: bytes = b"") -> bytes:
    """GRE inside IPv4 inside Ethernet."""
    return ethernet(ipv4(struct.pack("!HH", flags, protocol) + fields + payload, 47))


def mpls(payload: bytes, *labels: int) -> bytes:
    entries = [struct.pack("!I", label << 12 | (label == labels[-1]) << 8 | 64) for label in labels]
    return b"".join(entries) + payload


def pppoe(payload: bytes, protocol: int = 0x21) -> bytes:
    return struct.pack("!BBHHH", 0x11, 0, 9, 2 + len(payload), protocol) + payload


def nflog(payload: bytes, family: int) -> bytes:
    prefix = struct.pack("<HH", 4 + 6, 10) + b"in-ao\0" + b"\0\0"
    return struct.pack("!BBH", family, 0, 5) + prefix + struct.pack("<HH", 4 + len(payload), 9) + payload


SEGMENT = tcp()
FOUR, SIX = ipv4(SEGMENT), ipv6(SEGMENT)
FRAME = ethernet(FOUR)
SLL = struct.pack("!HHH8sH", 4, 1, 6, bytes(8), 0x0800)
SLL2 = struct.pack("!HHIHBB8s", 0x86DD, 0, 3, 1, 4, 6, bytes(8))
VXLAN = struct.pack("!II", 0x08000000, 42 << 8)
GENEVE = b"\x02\0\x65\x58\0\0\x2a\0" + bytes(8)
SEQUENCE = bytes(4)
TYPE_2 = b"\x10\x14\0\x07\0\0\0\x01"
TYPE_3 = struct.pack("!HHIHH", 0x2014, 7, 99, 5, 0)
TYPE_3_WITH_SUBHEADER = struct.pack("!HHIHH", 0x2014, 7, 99, 5, 1) + bytes(8)
TYPE_3_OF_IP = struct.pack("!HHIHH", 0x2014, 7, 99, 5, 2 << 10)
SNAP = bytes.fromhex("aaaa030000000800")
EXTENSION_HEADERS = (
    bytes([43, 0, 5, 2, 0, 0, 1, 0])
    + bytes([44, 2, 0, 1, 0, 0, 0, 0])
    + IPv6Address("fd00::9").packed
    + bytes([51, 0, 0, 0, 0, 0, 0, 1])
    + bytes([60, 4, 0, 0])
    + bytes(20)
    + bytes([6, 0, 1, 4, 0, 0, 0, 0])
)
"""Hop-by-hop, routing, an atomic fragment, authentication, destination options."""

_WRAPPED: tuple[tuple[str, int, bytes, str], ...] = (
    ("Ethernet and IPv4", 1, FRAME, "eth ip tcp"),
    ("Ethernet padding", 1, ethernet(ipv4(tcp(b"", b""))) + bytes(6), "eth ip tcp"),
    ("Ethernet and IPv6", 1, ethernet(SIX, 0x86DD), "eth ipv6 tcp"),
    ("SNAP", 1, ethernet(SNAP + FOUR, 8 + len(FOUR)), "eth llc ip tcp"),
    ("IP in LLC", 1, ethernet(b"\x06\x06\x03" + FOUR, 3 + len(FOUR)), "eth llc ip tcp"),
    ("802.1Q", 1, ethernet(b"\x60\x14\x08\x00" + FOUR, 0x8100), "eth vlan ip tcp"),
    ("QinQ", 1, ethernet(b"\0\x64\x81\0\0\x14\x86\xdd" + SIX, 0x88A8), "eth vlan vlan ipv6 tcp"),
    ("SNAP in 802.1Q", 1, ethernet(b"\0\x14\0\x60" + SNAP + FOUR, 0x9100), "eth vlan llc ip tcp"),
    ("MPLS", 1, ethernet(mpls(FOUR, 16, 17), 0x8847), "eth mpls ip tcp"),
    ("MPLS and IPv6", 1, ethernet(mpls(SIX, 17), 0x8848), "eth mpls ipv6 tcp"),
    ("pseudowire", 1, ethernet(mpls(FRAME, 17), 0x8847), "eth mpls eth ip tcp"),
    ("pseudowire, control word", 1, ethernet(mpls(bytes(4) + FRAME, 17), 0x8847), "eth mpls eth ip tcp"),
    ("Linux cooked v1", 113, SLL + FOUR, "sll ip tcp"),
    ("Linux cooked v2", 276, SLL2 + SIX, "sll2 ipv6 tcp"),
    ("raw 12", 12, FOUR, "raw ip tcp"),
    ("raw 14", 14, FOUR, "raw ip tcp"),
    ("raw 101", 101, FOUR, "raw ip tcp"),
    ("raw IPv6", 101, SIX, "raw ipv6 tcp"),
    ("raw 228", 228, FOUR, "ip tcp"),
    ("raw 229", 229, SIX, "ipv6 tcp"),
    ("null, little-endian", 0, b"\x02\0\0\0" + FOUR, "null ip tcp"),
    ("null, big-endian", 0, b"\0\0\0\x02" + FOUR, "null ip tcp"),
    ("null, IPv6 of Linux", 0, b"\x0a\0\0\0" + SIX, "null ipv6 tcp"),
    ("null, IPv6 of NetBSD and OpenBSD", 0, b"\x18\0\0\0" + SIX, "null ipv6 tcp"),
    ("null, IPv6 of FreeBSD", 0, b"\x1c\0\0\0" + SIX, "null ipv6 tcp"),
    ("null, IPv6 of macOS", 0, b"\x1e\0\0\0" + SIX, "null ipv6 tcp"),
    ("loop", 108, b"\0\0\0\x18" + SIX, "null ipv6 tcp"),
    ("PPP", 9, b"\xff\x03\x00\x21" + FOUR, "ppp ip tcp"),
    ("PPP without address", 9, b"\x00\x57" + SIX, "ppp ipv6 tcp"),
    ("PPP with a short protocol", 50, b"\xff\x03\x21" + FOUR, "ppp ip tcp"),
    ("PPP and MPLS", 50, b"\xff\x03\x02\x81" + mpls(FOUR, 17), "ppp mpls ip tcp"),
    ("Cisco HDLC as PPP", 50, b"\x0f\x00\x08\x00" + FOUR, "ppp chdlc ip tcp"),
    ("Cisco HDLC", 104, b"\x0f\x00\x86\xdd" + SIX, "chdlc ipv6 tcp"),
    ("PPPoE", 1, ethernet(pppoe(FOUR) + b"padding", 0x8864), "eth pppoes ppp ip tcp"),
    ("PPPoE alone", 51, pppoe(SIX, 0x57), "pppoes ppp ipv6 tcp"),
    ("GRE", 1, gre(FOUR, 0x0800), "eth ip gre ip tcp"),
    ("GRE, checksum, key, sequence", 1, gre(SIX, 0x86DD, 0xB000, bytes(12)), "eth ip gre ipv6 tcp"),
    (
        "GRE, routing",
        1,
        gre(FOUR, 0x0800, 0x4000, bytes(4) + b"\0\2\0\4abcd" + bytes(4)),
        "eth ip gre ip tcp",
    ),
    ("PPTP", 1, gre(b"\xff\x03\x00\x21" + FOUR, 0x880B, 0x3081, bytes(12)), "eth ip gre ppp ip tcp"),
    ("NVGRE", 1, gre(FRAME, 0x6558, 0x2000, bytes(4)), "eth ip gre eth ip tcp"),
    ("ERSPAN I", 1, gre(FRAME, 0x88BE), "eth ip gre eth ip tcp"),
    ("ERSPAN II", 1, gre(FRAME, 0x88BE, 0x1000, SEQUENCE + TYPE_2), "eth ip gre erspan eth ip tcp"),
    ("ERSPAN III", 1, gre(FRAME, 0x22EB, 0x1000, SEQUENCE + TYPE_3), "eth ip gre erspan eth ip tcp"),
    (
        "ERSPAN III with its subheader",
        1,
        gre(FRAME, 0x22EB, 0x1000, SEQUENCE + TYPE_3_WITH_SUBHEADER),
        "eth ip gre erspan eth ip tcp",
    ),
    ("ERSPAN III of IP", 1, gre(FOUR, 0x22EB, 0x1000, SEQUENCE + TYPE_3_OF_IP), "eth ip gre erspan ip tcp"),
    ("IPv4 in IPv4", 1, ethernet(ipv4(FOUR, 4)), "eth ip ip tcp"),
    ("6in4", 1, ethernet(ipv4(SIX, 41)), "eth ip ipv6 tcp"),
    ("IPv6 in IPv6", 1, ethernet(ipv6(SIX, 41), 0x86DD), "eth ipv6 ipv6 tcp"),
    ("IPv4 in IPv6", 1, ethernet(ipv6(FOUR, 4), 0x86DD), "eth ipv6 ip tcp"),
    ("MPLS in IPv4", 1, ethernet(ipv4(mpls(FOUR, 17), 137)), "eth ip mpls ip tcp"),
    ("VXLAN", 1, ethernet(ipv4(udp(VXLAN + FRAME, 4789), 17)), "eth ip udp vxlan eth ip tcp"),
    (
        "VXLAN by source port",
        1,
        ethernet(ipv4(udp(VXLAN + FRAME, 9, 4789), 17)),
        "eth ip udp vxlan eth ip tcp",
    ),
    (
        "VXLAN-GPE",
        1,
        ethernet(ipv4(udp(b"\x0c\0\0\2\0\0\7\0" + SIX, 4790), 17)),
        "eth ip udp vxlan-gpe ipv6 tcp",
    ),
    (
        "VXLAN-GPE, Ethernet",
        1,
        ethernet(ipv4(udp(VXLAN + FRAME, 4790), 17)),
        "eth ip udp vxlan-gpe eth ip tcp",
    ),
    ("GENEVE", 1, ethernet(ipv4(udp(GENEVE + FRAME, 6081, length=0), 17)), "eth ip udp geneve eth ip tcp"),
    ("NFLOG", 239, nflog(FOUR, 2), "nflog ip tcp"),
    ("NFLOG and IPv6", 239, nflog(SIX, 10), "nflog ipv6 tcp"),
    ("Juniper", 178, b"MGC\x81\0\x04abcd" + FRAME, "juniper eth ip tcp"),
    ("Juniper without extension", 178, b"MGC\x00" + FRAME, "juniper eth ip tcp"),
    ("Juniper without link layer", 178, b"MGC\x02abcd" + FOUR, "juniper ip tcp"),
    ("IPv4 options", 1, ethernet(ipv4(SEGMENT, options=b"\x01\x83\x07\x04\x0a\0\0\x09")), "eth ip tcp"),
    ("no total length", 1, ethernet(ipv4(SEGMENT, total=0)), "eth ip tcp"),
    ("IPv6 extension headers", 1, ethernet(ipv6(EXTENSION_HEADERS + SEGMENT, 0), 0x86DD), "eth ipv6 tcp"),
    ("IPv6 big TCP", 1, ethernet(ipv6(SEGMENT, length=0), 0x86DD), "eth ipv6 tcp"),
    ("AH in IPv4", 1, ethernet(ipv4(b"\x06\x04\0\0" + bytes(20) + SEGMENT, 51)), "eth ip ah tcp"),
)


def _example(name: str, link_type: int, octets: bytes, path: str) -> Example:
    return Example(name, link_type, octets, octets.rindex(SEGMENT[:12]), tuple(path.split()))


EXAMPLES = [_example(*row) for row in _WRAPPED]
