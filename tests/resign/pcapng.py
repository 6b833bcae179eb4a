"""A pcapng file with everything in it that a careless writer would lose (draft-ietf-opsawg-pcapng).

Two sections, each with an unknown block, options of several kinds in every block, comments, name resolution and
statistics; packets in all three kinds of packet block.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tests.packets import ByteOrder, Record, pcapng_block

ENHANCED, SIMPLE, OBSOLETE = 6, 3, 2
SNAP_LENGTH = 262144
_UNKNOWN_BLOCK = 0x8000_1234
_COMMENT, _USER_OPTION = 1, 0x8765


class PcapngWriter:
    """Blocks of one byte order."""

    def __init__(self, byte_order: ByteOrder) -> None:
        self.mark = "<" if byte_order == "little" else ">"

    def options(self, *pairs: tuple[int, bytes]) -> bytes:
        """An option list with its end."""
        listed = b"".join(
            struct.pack(self.mark + "HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in pairs
        )
        return listed + struct.pack(self.mark + "HH", 0, 0)

    def block(self, block_type: int, body: bytes) -> bytes:
        return pcapng_block(self.mark, block_type, body)

    def section_header(self, comment: str) -> bytes:
        fixed = struct.pack(self.mark + "IHHq", 0x1A2B3C4D, 1, 0, -1)
        return self.block(0x0A0D0D0A, fixed + self.options((_COMMENT, comment.encode()), (_USER_OPTION, b"own")))

    def interface(self, link_type: int, *options: tuple[int, bytes]) -> bytes:
        fixed = struct.pack(self.mark + "HHI", link_type, 0, SNAP_LENGTH)
        return self.block(1, fixed + self.options((2, b"eth0"), (9, b"\x09"), *options))

    def packet(self, record: Record, block_type: int, comment: str | None) -> bytes:
        """A packet block; Simple Packet Blocks have neither time nor comment."""
        octets = record.octets + bytes(-len(record.octets) % 4)
        if block_type == SIMPLE:
            return self.block(SIMPLE, struct.pack(self.mark + "I", record.wire_length) + octets)
        time = struct.pack(self.mark + "II", record.time_ns >> 32, record.time_ns & 0xFFFFFFFF)
        lengths = struct.pack(self.mark + "II", len(record.octets), record.wire_length)
        number = struct.pack(self.mark + "I" if block_type == ENHANCED else self.mark + "HH", *_interface(block_type))
        options = b""
        if comment is not None:
            flags = (2, struct.pack(self.mark + "I", 1))
            options = self.options(flags, (_COMMENT, comment.encode()), (_USER_OPTION, b"odd"))
        return self.block(block_type, number + time + lengths + octets + options)


def _interface(block_type: int) -> tuple[int, ...]:
    return (0,) if block_type == ENHANCED else (0, 0)


def rich_pcapng(
    records: Iterable[Record],
    *,
    byte_order: ByteOrder,
    link_type: int = 1,
    interface_options: tuple[tuple[int, bytes], ...] = (),
    with_simple: bool = False,
) -> bytes:
    """The records in two sections, of which the second has the other byte order.

    `with_simple`: every fifth record is in a Simple Packet Block, and loses its time.
    """
    listed = list(records)
    middle = len(listed) // 2
    other: ByteOrder = "big" if byte_order == "little" else "little"
    parts = []
    for writer, some in ((PcapngWriter(byte_order), listed[:middle]), (PcapngWriter(other), listed[middle:])):
        parts += [writer.section_header("two sections"), writer.block(_UNKNOWN_BLOCK, b"kept as it is")]
        parts.append(writer.interface(link_type, *interface_options, (_COMMENT, b"an interface")))
        for number, record in enumerate(some):
            kind = OBSOLETE if number % 7 == 3 else SIMPLE if with_simple and number % 5 == 4 else ENHANCED
            parts.append(writer.packet(record, kind, f"comment {number}" if number % 2 else None))
            if number % 4 == 1:
                parts.append(writer.block(_UNKNOWN_BLOCK, bytes([number % 256]) * (number % 9)))
        parts.append(writer.block(4, struct.pack(writer.mark + "HH", 0, 0)))
        parts.append(writer.block(5, struct.pack(writer.mark + "III", 0, 0, 0) + writer.options((4, bytes(8)))))
    return b"".join(parts)
