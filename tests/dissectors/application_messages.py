"""Hand-made messages of the protocols on top of TCP, laid out as their RFCs draw them."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from tests.dissectors import frames as made


def v4(address: str) -> bytes:
    return IPv4Address(address).packed


def v6(address: str) -> bytes:
    return IPv6Address(address).packed


def segment(payload: bytes, port: int, source_port: int = 33000) -> bytes:
    """A frame from `source_port` to `port`."""
    header = struct.pack("!HHIIHHHH", source_port, port, 1000, 2000, 5 << 12 | 0x18, 500, 0, 0)
    return made.ethernet(made.ipv4(header + payload))


PAYLOAD_START = 54
"""Where the payload starts in such a frame."""


# BGP


def bgp(kind: int, body: bytes = b"", length: int | None = None) -> bytes:
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def capability(code: int, value: bytes = b"") -> bytes:
    return struct.pack("!BB", code, len(value)) + value


def bgp_open(*capabilities: bytes) -> bytes:
    joined = b"".join(capabilities)
    parameter = struct.pack("!BB", 2, len(joined)) + joined if joined else b""
    return bgp(1, struct.pack("!BHH4sB", 4, 23456, 90, v4("192.0.2.1"), len(parameter)) + parameter)


def attribute(code: int, value: bytes, flags: int = 0x40) -> bytes:
    length = struct.pack("!H", len(value)) if flags & 0x10 else bytes([len(value)])
    return bytes([flags, code]) + length + value


def bgp_update(attributes: bytes = b"", nlri: bytes = b"", withdrawn: bytes = b"") -> bytes:
    lengths = struct.pack("!H", len(withdrawn)), struct.pack("!H", len(attributes))
    return bgp(2, lengths[0] + withdrawn + lengths[1] + attributes + nlri)


EVERY_CAPABILITY = (
    capability(1, struct.pack("!HBB", 2, 0, 1)),
    capability(2),
    capability(3, struct.pack("!HBBBBB", 1, 0, 1, 1, 64, 3)),
    capability(5, struct.pack("!HHH", 1, 1, 2)),
    capability(6),
    capability(7, struct.pack("!BH", 0x08, 1)),
    capability(8, struct.pack("!HBB", 1, 4, 3)),
    capability(9, b"\x03"),
    capability(64, struct.pack("!HHBB", 0x8078, 1, 1, 0x80)),
    capability(65, struct.pack("!I", 4200000001)),
    capability(69, struct.pack("!HBBHBB", 1, 1, 3, 2, 1, 1)),
    capability(70),
    capability(71, struct.pack("!HBB", 1, 1, 0x80) + (3600).to_bytes(3, "big")),
    capability(73, b"\x02r1\x04test"),
    capability(75, b"\x05bird3"),
    capability(76, struct.pack("!HBH", 1, 1, 8)),
    capability(250, b"\x01\x02"),
    capability(200, b"\x03"),
)
RICH_ATTRIBUTES = b"".join(
    (
        attribute(1, b"\0"),
        attribute(2, b"\x02\x02" + struct.pack("!II", 4200000001, 65001) + b"\x01\x01" + struct.pack("!I", 65002)),
        attribute(3, v4("192.0.2.9")),
        attribute(4, struct.pack("!I", 50), 0x80),
        attribute(5, struct.pack("!I", 200)),
        attribute(6, b""),
        attribute(7, struct.pack("!I4s", 65001, v4("192.0.2.7")), 0xC0),
        attribute(8, struct.pack("!HHI", 65001, 100, 0xFFFFFF01), 0xC0),
        attribute(9, v4("192.0.2.5"), 0x80),
        attribute(10, v4("192.0.2.3") + v4("192.0.2.4"), 0x80),
        attribute(16, bytes.fromhex("0002fde800000064 0202fa56ea0100c8 030b000000000007"), 0xC0),
        attribute(26, b"\x01\x00\x0b" + struct.pack("!Q", 77), 0x80),
        attribute(32, struct.pack("!III", 4200000001, 1, 2), 0xC0),
        attribute(35, struct.pack("!I", 65010), 0xC0),
        attribute(200, b"unassigned", 0xD0),
    )
)
MP_REACH_IPV6 = attribute(
    14,
    struct.pack("!HBB", 2, 1, 32) + v6("2001:db8::1") + v6("fe80::1") + b"\0" + b"\x20\x20\x01\x0d\xb8" + b"\0",
    0x90,
)
MP_UNREACH_IPV6 = attribute(15, struct.pack("!HB", 2, 1) + b"\x30\x20\x01\x0d\xb8\0\x07", 0x80)
BGP_OPEN = bgp_open(*EVERY_CAPABILITY)
BGP_UPDATE = bgp_update(RICH_ATTRIBUTES + MP_UNREACH_IPV6, b"\x18\xc6\x33\x64" + b"\x19\xcb\0\x71\x80", b"\x10\xac\x10")
BGP_KEEPALIVE = bgp(4)
BGP_SHUTDOWN = bgp(3, b"\x06\x02\x0bmaintenance")
BGP_REFRESH = bgp(5, struct.pack("!HBB", 1, 1, 1))


# LDP


def ldp_pdu(*messages: bytes, router: str = "192.0.2.1", space: int = 0) -> bytes:
    body = v4(router) + struct.pack("!H", space) + b"".join(messages)
    return struct.pack("!HH", 1, len(body)) + body


def ldp_message(kind: int, *tlvs: bytes, identifier: int = 7) -> bytes:
    body = struct.pack("!I", identifier) + b"".join(tlvs)
    return struct.pack("!HH", kind, len(body)) + body


def ldp_tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value


LDP_SESSION_PARAMETERS = ldp_tlv(0x500, struct.pack("!HHBBH4sH", 1, 180, 0, 0, 4096, v4("192.0.2.2"), 0))
LDP_FT_SESSION = ldp_tlv(0x8503, struct.pack("!HHII", 1, 0, 120000, 60000))
LDP_INITIALIZATION = ldp_pdu(ldp_message(0x200, LDP_SESSION_PARAMETERS, LDP_FT_SESSION))
LDP_MAPPINGS = ldp_pdu(
    ldp_message(0x300, ldp_tlv(0x101, struct.pack("!H", 1) + v4("192.0.2.1") + v4("198.51.100.1"))),
    ldp_message(
        0x400, ldp_tlv(0x100, b"\x02\0\x01\x18\xc6\x33\x64"), ldp_tlv(0x200, struct.pack("!I", 299776)), identifier=8
    ),
    ldp_message(
        0x400,
        ldp_tlv(0x100, b"\x80" + struct.pack("!HBII", 0x8005, 8, 0, 100) + b"\x01\x04\x05\xdc"),
        ldp_tlv(0x200, struct.pack("!I", 16)),
        identifier=9,
    ),
)
LDP_NOTIFICATION = ldp_pdu(ldp_message(0x001, ldp_tlv(0x300, struct.pack("!IIH", 0x80000000 | 0x0A, 0, 0))))
LDP_KEEPALIVE = ldp_pdu(ldp_message(0x201))


# MSDP


def msdp(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("!BH", kind, 3 + len(body)) + body


MSDP_SOURCE_ACTIVE = msdp(
    1,
    struct.pack("!B4s", 2, v4("192.0.2.1"))
    + b"\0\0\0\x20" + v4("233.252.0.1") + v4("198.51.100.1")
    + b"\0\0\0\x20" + v4("233.252.0.2") + v4("198.51.100.2"),
)  # fmt: skip
MSDP_REQUEST = msdp(2, b"\0" + v4("233.252.0.1"))
MSDP_KEEPALIVE = msdp(4)
MSDP_NOTIFICATION = msdp(5, b"\x84\x00")


# BMP


def bmp(kind: int, body: bytes) -> bytes:
    return struct.pack("!BIB", 3, 6 + len(body), kind) + body


def bmp_peer(flags: int = 0, address: bytes = bytes(12) + v4("192.0.2.2")) -> bytes:
    return struct.pack("!BB8s16sI4sII", 0, flags, bytes(8), address, 65002, v4("192.0.2.22"), 1700000000, 5)


def bmp_information(kind: int, text: bytes) -> bytes:
    return struct.pack("!HH", kind, len(text)) + text


BMP_INITIATION = bmp(4, bmp_information(1, b"BIRD 3") + bmp_information(2, b"r1"))
BMP_PEER_UP = bmp(
    3, bmp_peer() + bytes(12) + v4("192.0.2.1") + struct.pack("!HH", 179, 33000) + bgp_open() + BGP_OPEN
)  # fmt: skip
BMP_ROUTES = bmp(0, bmp_peer(0x80, v6("2001:db8::2")) + bgp_update(MP_REACH_IPV6))
BMP_STATISTICS = bmp(
    1,
    bmp_peer()
    + struct.pack("!I", 3)
    + struct.pack("!HHI", 0, 4, 12)
    + struct.pack("!HHQ", 7, 8, 900000)
    + struct.pack("!HHHBQ", 9, 11, 1, 1, 800000),
)
BMP_PEER_DOWN = bmp(2, bmp_peer() + b"\x03" + BGP_SHUTDOWN)
BMP_TERMINATION = bmp(5, struct.pack("!HHH", 1, 2, 3))


# PCEP


def pcep(kind: int, *objects: bytes) -> bytes:
    body = b"".join(objects)
    return struct.pack("!BBH", 0x20, kind, 4 + len(body)) + body


def pcep_object(kind: int, form: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("!BBH", kind, form << 4 | flags, 4 + len(body)) + body


PCEP_OPEN = pcep(1, pcep_object(1, 1, struct.pack("!BBBB", 0x20, 30, 120, 1) + struct.pack("!HHI", 16, 4, 5)))
PCEP_KEEPALIVE = pcep(2)
PCEP_REQUEST = pcep(
    3,
    pcep_object(2, 1, struct.pack("!BBHI", 0, 0, 0, 77), 2),
    pcep_object(4, 1, v4("192.0.2.1") + v4("198.51.100.1"), 2),
    pcep_object(5, 1, struct.pack("!f", 125000.0)),
    pcep_object(6, 1, struct.pack("!HBBf", 0, 2, 2, 10.0)),
)
PCEP_REPORT = pcep(
    10,
    pcep_object(33, 1, struct.pack("!II", 0, 5)),
    pcep_object(32, 1, struct.pack("!I", 42 << 12 | 1 << 4 | 1) + struct.pack("!HH", 17, 5) + b"to-r2" + bytes(3)),
    pcep_object(7, 1, b"\x01\x08" + v4("192.0.2.9") + b"\x20\0" + b"\x20\x04" + struct.pack("!H", 65001)),
)
PCEP_ERROR = pcep(6, pcep_object(13, 1, bytes([0, 0, 1, 2])))
PCEP_CLOSE = pcep(7, pcep_object(15, 1, bytes([0, 0, 0, 2])))


# RPKI to Router


def rtr(kind: int, body: bytes, third: int = 0, version: int = 1) -> bytes:
    return struct.pack("!BBHI", version, kind, third, 8 + len(body)) + body


RTR_QUERY = rtr(1, struct.pack("!I", 9), 4660)
RTR_RESPONSE = rtr(3, b"", 4660)
RTR_IPV4 = rtr(4, struct.pack("!BBBB4sI", 1, 24, 25, 0, v4("198.51.100.0"), 65001))
RTR_IPV6 = rtr(6, struct.pack("!BBBB16sI", 0, 32, 48, 0, v6("2001:db8::"), 65002))
RTR_KEY = rtr(9, bytes(range(20)) + struct.pack("!I", 65003) + b"\x30\x59key", 0x0100)
RTR_END = rtr(7, struct.pack("!IIII", 10, 3600, 600, 7200), 4660)
RTR_ERROR = rtr(10, struct.pack("!I", 8) + rtr(2, b"") + struct.pack("!I", 7) + b"no data", 2)

SAMPLES: dict[str, tuple[bytes, ...]] = {
    "bgp": (BGP_OPEN, BGP_KEEPALIVE, BGP_UPDATE, bgp_update(MP_REACH_IPV6), BGP_REFRESH, BGP_SHUTDOWN),
    "bmp": (BMP_INITIATION, BMP_PEER_UP, BMP_ROUTES, BMP_STATISTICS, BMP_PEER_DOWN, BMP_TERMINATION),
    "ldp": (LDP_INITIALIZATION, LDP_KEEPALIVE, LDP_MAPPINGS, LDP_NOTIFICATION),
    "msdp": (MSDP_KEEPALIVE, MSDP_SOURCE_ACTIVE, MSDP_REQUEST, MSDP_NOTIFICATION),
    "pcep": (PCEP_OPEN, PCEP_KEEPALIVE, PCEP_REQUEST, PCEP_REPORT, PCEP_ERROR, PCEP_CLOSE),
    "rpkirtr": (RTR_QUERY, RTR_RESPONSE, RTR_IPV4, RTR_IPV6, RTR_KEY, RTR_END, RTR_ERROR),
}
"""By dissector, messages that stand one behind the other in a session."""
PORTS = {"bgp": 179, "bmp": 11019, "ldp": 646, "msdp": 639, "pcep": 4189, "rpkirtr": 323}
