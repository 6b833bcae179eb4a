"""The frames of a pcap or pcapng file, read record by record (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng).

What a damaged file holds before the damage is read. Compressed files are undone whole, with gzip alone.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_FRAME = 262_144
LONGEST_BLOCK = (128 << 20) + (1 << 20)
LARGE_LINK_TYPES = (189, 220, 231, 249, 279)
"""USB and D-Bus, whose records have no such limit."""


class Frame(NamedTuple):
    """One captured frame."""

    number: int
    """As Wireshark counts, from 1."""
    time_ns: int
    link_type: int
    octets: bytes
    wire_length: int
    interface: int
    interface_name: str | None


class NoCaptureError(Exception):
    """No capture begins like that."""


def read_frames(octets: bytes) -> Iterator[Frame]:
    """The frames in their order. NoCaptureError where the file is none."""
    if octets.startswith(b"\x1f\x8b"):
        octets = _inflated(octets)
    magic = octets[:4]
    if magic == b"\x0a\x0d\x0d\x0a":
        return _pcapng(octets)
    for order in "<>":
        for number, fraction_ns, header_length in (
            (0xA1B2C3D4, 1000, 16),
            (0xA1B23C4D, 1, 16),
            (0xA1B2CD34, 1000, 24),
        ):
            if magic == struct.pack(order + "I", number) and len(octets) >= 24:
                return _pcap(octets, order, fraction_ns, header_length)
    raise NoCaptureError


def _inflated(octets: bytes) -> bytes:
    inflate = zlib.decompressobj(31)
    try:
        return gzip.decompress(octets)
    except (OSError, EOFError, zlib.error):
        return inflate.decompress(octets)


def _frame_limit(link_type: int, snap_length: int) -> int:
    return 128 << 20 if link_type in LARGE_LINK_TYPES else min(max(snap_length, LONGEST_FRAME), 128 << 20)


def _pcap(octets: bytes, order: str, fraction_ns: int, header_length: int) -> Iterator[Frame]:
    major, minor, _, _, snap_length, link_field = struct.unpack_from(order + "HHiIII", octets, 4)
    if major != 2 and (major, minor) != (543, 0):
        raise NoCaptureError
    position, number = 24, 0
    while position + header_length <= len(octets):
        seconds, fraction, captured, wire = struct.unpack_from(order + "IIII", octets, position)
        if minor < 3:
            captured, wire = wire, captured
        position += header_length
        if captured > _frame_limit(link_field & 0xFFFF, snap_length) or position + captured > len(octets):
            return
        number += 1
        time_ns = seconds * 10**9 + fraction * fraction_ns
        yield Frame(number, time_ns, link_field & 0xFFFF, octets[position : position + captured], wire, 0, None)
        position += captured


@dataclass
class _Interface:
    link_type: int
    snap_length: int
    name: str | None = None
    ticks_per_second: int = 10**6
    offset_seconds: int = 0


class _Section:
    """What is known at one place of a pcapng file."""

    def __init__(self) -> None:
        self.order = "<"
        self.interfaces: list[_Interface] = []
        self.earlier_interfaces = 0
        self.number = 0


NUMBERED = (0x9, 0x204, 0x216, 0x221, 0xBAD, 0x4000_0BAD)
"""Blocks without a packet that Wireshark counts as frames."""


def _pcapng(octets: bytes) -> Iterator[Frame]:
    section = _Section()
    position = 0
    while position + 12 <= len(octets):
        is_header = octets[position : position + 4] == b"\x0a\x0d\x0d\x0a"
        if is_header:
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(octets[position + 8 : position + 12])
            if order is None:
                break
            section.order = order
        kind, length = struct.unpack_from(section.order + "II", octets, position)
        if length < 12 or length % 4 or length > LONGEST_BLOCK or position + length > len(octets):
            break
        body = octets[position + 8 : position + length - 4]
        if octets[position + length - 4 : position + length] != octets[position + 4 : position + 8]:
            break
        if is_header:
            if len(body) < 16 or struct.unpack_from(section.order + "H", body, 4)[0] != 1:
                break
            section.earlier_interfaces += len(section.interfaces)
            section.interfaces = []
        elif kind == 1:
            if len(body) < 8:
                return
            section.interfaces.append(_interface(body, section.order))
        elif kind in (2, 3, 6):
            frame = _packet(kind, body, section)
            if frame is None:
                return
            yield frame
        elif kind in NUMBERED:
            section.number += 1
        position += length
    if position == 0:
        raise NoCaptureError


def _interface(body: bytes, order: str) -> _Interface:
    link_type, snap_length = struct.unpack_from(order + "H2xI", body)
    interface = _Interface(link_type, snap_length)
    position = 8
    seen: set[int] = set()
    while position + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, position)
        value = body[position + 4 : position + 4 + length]
        if code == 0 or len(value) < length:
            break
        if code == 2 and code not in seen:
            interface.name = value.rstrip(b"\0").decode("utf-8", "replace")
        elif code == 9 and length == 1 and code not in seen:
            interface.ticks_per_second = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == 14 and length == 8 and code not in seen:
            interface.offset_seconds = struct.unpack(order + "q", value)[0]
        else:
            code = -1
        seen.add(code)
        position += 4 + length + (-length) % 4
    return interface


def _packet(kind: int, body: bytes, section: _Section) -> Frame | None:
    """The packet of one block; None where the block makes no sense."""
    order = section.order
    time_ns = 0
    if kind == 3:
        if len(body) < 4 or not section.interfaces:
            return None
        index = 0
        (wire,) = struct.unpack_from(order + "I", body)
        snap_length = section.interfaces[0].snap_length
        captured = min(wire, snap_length) if snap_length else wire
        data = body[4:]
    else:
        if len(body) < 20:
            return None
        form = "IIIII" if kind == 6 else "HxxIIII"
        index, high, low, captured, wire = struct.unpack_from(order + form, body)
        if index >= len(section.interfaces):
            return None
        interface = section.interfaces[index]
        ticks = high << 32 | low
        time_ns = ticks * 10**9 // interface.ticks_per_second + interface.offset_seconds * 10**9
        data = body[20:]
    interface = section.interfaces[index]
    if captured > len(data) or captured > _frame_limit(interface.link_type, interface.snap_length):
        return None
    section.number += 1
    return Frame(
        section.number,
        time_ns,
        interface.link_type,
        data[:captured],
        wire,
        section.earlier_interfaces + index,
        interface.name,
    )
