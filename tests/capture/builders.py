"""Captures made by hand, octet by octet, and what a reader says of one in plain Python values."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from aoinspect.capture import CaptureReader, open_capture

PCAP_MAGIC_US = 0xA1B2C3D4
PCAP_MAGIC_NS = 0xA1B23C4D
PCAP_MAGIC_KUZNETZOV = 0xA1B2CD34


@dataclass(frozen=True, slots=True)
class Told:
    """One frame as a reader told it."""

    number: int
    octets: bytes
    wire_length: int
    time_ns: int
    interface: int
    link_type: int
    offset: int


def told(reader: CaptureReader) -> list[Told]:
    """Every frame that is left in `reader`."""
    return [
        Told(
            number=batch.first_frame + index,
            octets=batch.octets[batch.starts[index] : batch.ends[index]].tobytes(),
            wire_length=int(batch.wire_lengths[index]),
            time_ns=int(batch.times_ns[index]),
            interface=int(batch.interfaces[index]),
            link_type=int(batch.link_types[index]),
            offset=int(batch.offsets[index]),
        )
        for batch in reader.batches()
        for index in range(len(batch))
    ]


def read(octets: bytes, *, batch_octets: int = 4 << 20, batch_frames: int = 32768) -> tuple[list[Told], CaptureReader]:
    """All frames of the capture `octets`, and its reader, which is at the end."""
    reader = open_capture(io.BytesIO(octets), batch_octets=batch_octets, batch_frames=batch_frames)
    return told(reader), reader


def pcap_header(
    order: str = "<",
    magic: int = PCAP_MAGIC_US,
    link_field: int = 1,
    snap_length: int = 262144,
    version: tuple[int, int] = (2, 4),
) -> bytes:
    return struct.pack(order + "IHHiIII", magic, *version, 0, 0, snap_length, link_field)


def pcap_record(
    octets: bytes,
    order: str = "<",
    seconds: int = 0,
    fraction: int = 0,
    wire_length: int | None = None,
    captured: int | None = None,
    more: bytes = b"",
) -> bytes:
    """`captured` overrides the captured length, `more` follows the sixteen usual octets of the header."""
    wire = len(octets) if wire_length is None else wire_length
    claimed = len(octets) if captured is None else captured
    return struct.pack(order + "IIII", seconds, fraction, claimed, wire) + more + octets


def pcap(frames: Iterable[bytes], order: str = "<") -> bytes:
    """A file of `frames`, one a microsecond."""
    records = [pcap_record(octets, order, 1, index) for index, octets in enumerate(frames)]
    return pcap_header(order) + b"".join(records)


def block(
    block_type: int, body: bytes, order: str = "<", length: int | None = None, trailer: int | None = None
) -> bytes:
    """A pcapng block; `length` and `trailer` override the two lengths."""
    body += bytes(-len(body) & 3)
    claimed = 12 + len(body) if length is None else length
    closed = claimed if trailer is None else trailer
    return struct.pack(order + "II", block_type, claimed) + body + struct.pack(order + "I", closed)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) & 3)


def shb(order: str = "<", options: bytes = b"", magic: int = 0x1A2B3C4D, version: tuple[int, int] = (1, 0)) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", magic, *version, -1) + options, order)


def idb(order: str = "<", link_type: int = 1, snap_length: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link_type, 0, snap_length) + options, order)


def epb(
    octets: bytes,
    order: str = "<",
    interface: int = 0,
    ticks: int = 0,
    wire_length: int | None = None,
    captured: int | None = None,
    options: bytes = b"",
) -> bytes:
    wire = len(octets) if wire_length is None else wire_length
    claimed = len(octets) if captured is None else captured
    fields = struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFF_FFFF, claimed, wire)
    return block(6, fields + octets + bytes(-len(octets) & 3) + options, order)


def spb(octets: bytes, order: str = "<", wire_length: int | None = None) -> bytes:
    wire = len(octets) if wire_length is None else wire_length
    return block(3, struct.pack(order + "I", wire) + octets, order)


def obsolete_pb(octets: bytes, order: str = "<", interface: int = 0, ticks: int = 0, options: bytes = b"") -> bytes:
    size = len(octets)
    fields = struct.pack(order + "HHIIII", interface, 7, ticks >> 32, ticks & 0xFFFF_FFFF, size, size)
    return block(2, fields + octets + bytes(-size & 3) + options, order)


def pcapng(frames: Iterable[bytes], order: str = "<") -> bytes:
    """A file of one section and interface with `frames` in Enhanced Packet Blocks, one a microsecond."""
    blocks = [epb(octets, order, ticks=1_000_000 + index) for index, octets in enumerate(frames)]
    return shb(order) + idb(order) + b"".join(blocks)
