"""Octets of packets and capture files as tests need them: TCP, IP, link layers, pcap and pcapng.

Nothing here knows keys, and nothing here is taken from the product. Sources: RFC 9293 3.1, RFC 791, RFC 8200,
RFC 1071, IEEE 802.1Q, RFC 2784, RFC 7348, the LINKTYPE_ registry, draft-ietf-opsawg-pcap and -pcapng.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

ByteOrder = Literal["little", "big"]
Encapsulate = Callable[[bytes], bytes]
"""An IP packet -> the frame that carries it."""

ETHERNET, RAW, LINUX_SLL, LINUX_SLL2 = 1, 101, 113, 276
"""LINKTYPE_ numbers."""


def internet_checksum(octets: bytes) -> int:
    """The ones' complement of the ones' complement sum (RFC 1071)."""
    padded = octets + bytes(len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def tcp_segment(
    ports: tuple[int, int], seq: int, ack: int, flags: int, window: int, options: bytes, payload: bytes
) -> bytes:
    """A TCP segment with checksum 0; `options` are a multiple of 4 octets, at most 40."""
    if len(options) % 4 or len(options) > 40:
        raise ValueError(f"{len(options)} octets of options do not make a TCP header")
    data_offset = (20 + len(options)) // 4
    header = struct.pack("!HHIIBBHHH", *ports, seq, ack, data_offset << 4 | flags >> 8, flags & 0xFF, window, 0, 0)
    return header + options + payload


def with_tcp_checksum(source: str, destination: str, segment: bytes) -> bytes:
    """The same segment with its checksum filled in."""
    pseudo_header = ip_address(source).packed + ip_address(destination).packed
    pseudo_header += struct.pack("!II", len(segment), 6)
    checksum = internet_checksum(pseudo_header + segment[:16] + b"\x00\x00" + segment[18:])
    return segment[:16] + checksum.to_bytes(2, "big") + segment[18:]


def ip_packet(
    source: str,
    destination: str,
    payload: bytes,
    *,
    protocol: int = 6,
    identification: int = 0,
    traffic_class: int = 0,
    hop_limit: int = 64,
) -> bytes:
    """An IPv4 packet with "don't fragment" set, or an IPv6 packet whose flow label is `identification`."""
    source_octets, destination_octets = ip_address(source).packed, ip_address(destination).packed
    if len(source_octets) == 16:
        first_word = 6 << 28 | traffic_class << 20 | identification
        header = struct.pack("!IHBB", first_word, len(payload), protocol, hop_limit)
        return header + source_octets + destination_octets + payload
    header = struct.pack(
        "!BBHHHBBH", 0x45, traffic_class, 20 + len(payload), identification, 0x4000, hop_limit, protocol, 0
    )
    header += source_octets + destination_octets
    return header[:10] + internet_checksum(header).to_bytes(2, "big") + header[12:] + payload


def ip_fragments(packet: bytes, fragment_octets: int) -> list[bytes]:
    """The same packet in fragments of `fragment_octets` (a multiple of 8) of its payload each."""
    if fragment_octets % 8:
        raise ValueError("fragments lie at multiples of 8 octets")
    is_ipv6 = packet[0] >> 4 == 6
    header, payload = (packet[:40], packet[40:]) if is_ipv6 else (packet[:20], packet[20:])
    fragments = []
    for start in range(0, len(payload), fragment_octets):
        piece = payload[start : start + fragment_octets]
        more = start + len(piece) < len(payload)
        if is_ipv6:
            fragment_header = struct.pack("!BBHI", header[6], 0, start | more, 0x5EED)
            lengths = struct.pack("!HB", len(piece) + 8, 44)
            fragments.append(header[:4] + lengths + header[7:] + fragment_header + piece)
        else:
            total_length = struct.pack("!H", 20 + len(piece))
            position = struct.pack("!H", more << 13 | start // 8)
            bare = header[:2] + total_length + header[4:6] + position + header[8:10] + b"\x00\x00" + header[12:20]
            fragments.append(bare[:10] + internet_checksum(bare).to_bytes(2, "big") + bare[12:] + piece)
    return fragments


def ethertype(packet: bytes) -> int:
    """0x0800 or 0x86dd, after the packet's version."""
    return 0x86DD if packet[0] >> 4 == 6 else 0x0800


def ethernet(packet: bytes, tags: Iterable[tuple[int, int]] = (), ethertype_inside: int | None = None) -> bytes:
    """An Ethernet frame, padded to 60 octets; `tags` are (TPID, VLAN number), the outermost first."""
    frame = bytes.fromhex("020000000002020000000001")
    for tpid, vlan in tags:
        frame += struct.pack("!HH", tpid, vlan)
    frame += struct.pack("!H", ethertype(packet) if ethertype_inside is None else ethertype_inside) + packet
    return frame.ljust(60, b"\x00")


def in_vlan(vlan: int) -> Encapsulate:
    """Ethernet with one 802.1Q tag."""
    return lambda packet: ethernet(packet, [(0x8100, vlan)])


def raw(packet: bytes) -> bytes:
    """No link layer (LINKTYPE_RAW)."""
    return packet


def linux_cooked(packet: bytes) -> bytes:
    """LINKTYPE_LINUX_SLL."""
    return struct.pack("!HHH8sH", 0, 1, 6, b"\x02\x00\x00\x00\x00\x01", ethertype(packet)) + packet


def linux_cooked_on(interface: int) -> Encapsulate:
    """LINKTYPE_LINUX_SLL2 with an interface number."""

    def encapsulate(packet: bytes) -> bytes:
        header = struct.pack("!HHIHBB8s", ethertype(packet), 0, interface, 1, 0, 6, b"\x02\x00\x00\x00\x00\x01")
        return header + packet

    return encapsulate


def in_gre(source: str = "192.0.2.1", destination: str = "192.0.2.2") -> Encapsulate:
    """Ethernet / IP / GRE / the packet."""
    return lambda packet: ethernet(
        ip_packet(source, destination, struct.pack("!HH", 0, ethertype(packet)) + packet, protocol=47)
    )


def in_vxlan(vni: int, source: str = "192.0.2.1", destination: str = "192.0.2.2") -> Encapsulate:
    """Ethernet / IP / UDP 4789 / VXLAN / Ethernet / the packet; the UDP checksum is 0 (RFC 7348 5)."""

    def encapsulate(packet: bytes) -> bytes:
        inner = struct.pack("!II", 0x08000000, vni << 8) + ethernet(packet)
        datagram = struct.pack("!HHHH", 49152, 4789, 8 + len(inner), 0) + inner
        return ethernet(ip_packet(source, destination, datagram, protocol=17))

    return encapsulate


@dataclass(frozen=True, slots=True)
class Record:
    """One frame as a capture file holds it."""

    octets: bytes
    """What was captured."""
    wire_length: int
    time_ns: int


def write_pcap(
    records: Iterable[Record],
    *,
    byte_order: ByteOrder = "little",
    nanoseconds: bool = True,
    link_type: int = ETHERNET,
    snap_length: int = 262144,
) -> bytes:
    """A pcap file; with `nanoseconds` false, times are cut to microseconds."""
    mark = "<" if byte_order == "little" else ">"
    magic, tick_ns = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    parts = [struct.pack(mark + "IHHiIII", magic, 2, 4, 0, 0, snap_length, link_type)]
    for record in records:
        seconds, rest_ns = divmod(record.time_ns, 10**9)
        parts.append(struct.pack(mark + "IIII", seconds, rest_ns // tick_ns, len(record.octets), record.wire_length))
        parts.append(record.octets)
    return b"".join(parts)


def pcapng_block(mark: str, block_type: int, body: bytes) -> bytes:
    """One pcapng block; `mark` is struct's "<" or ">"."""
    padded = body + bytes(-len(body) % 4)
    length = 12 + len(padded)
    return struct.pack(mark + "II", block_type, length) + padded + struct.pack(mark + "I", length)


def write_pcapng(
    records: Iterable[Record],
    *,
    byte_order: ByteOrder = "little",
    link_type: int = ETHERNET,
    snap_length: int = 0,
    interface_name: str = "eth0",
    comment: str | None = None,
) -> bytes:
    """A pcapng file of one section and interface, in nanoseconds; `comment` goes to the first packet."""
    mark = "<" if byte_order == "little" else ">"

    def option(code: int, value: bytes) -> bytes:
        return struct.pack(mark + "HH", code, len(value)) + value + bytes(-len(value) % 4)

    end_of_options = struct.pack(mark + "HH", 0, 0)
    parts = [pcapng_block(mark, 0x0A0D0D0A, struct.pack(mark + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    interface = struct.pack(mark + "HHI", link_type, 0, snap_length)
    interface += option(2, interface_name.encode()) + option(9, b"\x09") + end_of_options
    parts.append(pcapng_block(mark, 1, interface))
    for record in records:
        time_high, time_low = record.time_ns >> 32, record.time_ns & 0xFFFFFFFF
        body = struct.pack(mark + "IIIII", 0, time_high, time_low, len(record.octets), record.wire_length)
        body += record.octets + bytes(-len(record.octets) % 4)
        if comment is not None:
            body += option(1, comment.encode()) + end_of_options
            comment = None
        parts.append(pcapng_block(mark, 6, body))
    return b"".join(parts)
