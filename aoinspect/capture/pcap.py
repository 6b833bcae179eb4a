"""How a pcap file lays out its records.

Every other module takes frames from here as rows and knows nothing of pcap's headers.

A file header of 24 octets, then per frame a header of 16 octets (seconds, fraction, captured length, wire
length) and the captured octets. The magic gives byte order, resolution and one old variant, which has 24
octets per record header. Source: draft-ietf-opsawg-pcap.

The walk from record to record is the only loop that runs per frame, and it reads one length; everything else
is gathered for all records at once.
"""

from __future__ import annotations

import struct
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8, Frame, Interface, SectionHeader
from aoinspect.capture.records import Fetch, Parsed, Rows, frame_limit, windows
from aoinspect.errors import CaptureError

FILE_HEADER_LENGTH: Final = 24


class _Variant(NamedTuple):
    byte_order: str
    """As struct and numpy write it."""
    fraction_ns: int
    """Nanoseconds per unit of the record's fraction field."""
    record_header_length: int


VARIANTS: Final[dict[bytes, _Variant]] = {
    bytes.fromhex("d4c3b2a1"): _Variant("<", 1000, 16),
    bytes.fromhex("a1b2c3d4"): _Variant(">", 1000, 16),
    bytes.fromhex("4d3cb2a1"): _Variant("<", 1, 16),
    bytes.fromhex("a1b23c4d"): _Variant(">", 1, 16),
    # Alexey Kuznetzov's libpcap patch of 1999: interface, protocol and packet type follow the four usual
    # fields.
    bytes.fromhex("34cdb2a1"): _Variant("<", 1000, 24),
    bytes.fromhex("a1b2cd34"): _Variant(">", 1000, 24),
}


class PcapFormat:
    """A pcap file, from its header on."""

    name = "pcap"

    def __init__(self, header: bytes, path: str) -> None:
        """`header` is the file's first 24 octets. CaptureError where its version is not one that exists."""
        variant = VARIANTS[header[:4]]
        order = variant.byte_order
        major, minor, _, _, snap_length, link_field = struct.unpack(order + "4xHHiIII", header)
        # 543.0 is DG/UX tcpdump; libpcap knows it as well.
        if major != 2 and (major, minor) != (543, 0):
            raise CaptureError(f"{path}: pcap version {major}.{minor} at octet 4 is unknown; only 2.x is")
        # Files before 2.3, and those of DG/UX, have the wire length first.
        is_swapped = minor < 3
        # The upper 16 bits: 0x04000000 says that the top four bits count the FCS in units of two octets.
        fcs_length = (link_field >> 28) * 2 if link_field & 0x0400_0000 else None
        interface = Interface(0, link_field & 0xFFFF, snap_length, fcs_length=fcs_length)
        self.interfaces = [interface]
        self.comments: dict[int, tuple[str, ...]] = {}
        self.file_comments: list[str] = []
        self.skipped_blocks: dict[int, int] = {}
        self.section_headers: list[SectionHeader] = []
        self.clamped_times = 0
        self.malformed_options = 0
        self._header_length = variant.record_header_length
        self._fraction_ns = variant.fraction_ns
        self._limit = frame_limit(interface.link_type, snap_length)
        self._next_number = 1
        captured_first, wire_first = (12, 8) if is_swapped else (8, 12)
        # The record header's full length is demanded, so that a record whose header is cut is never listed.
        self._read_length = struct.Struct(
            f"{order}{captured_first}xI{self._header_length - captured_first - 4}x"
        ).unpack_from
        self._fields = np.dtype(
            {
                "names": ["seconds", "fraction", "captured", "wire"],
                "formats": [order + "u4"] * 4,
                "offsets": [0, 4, captured_first, wire_first],
                "itemsize": self._header_length,
            }
        )

    def parse(self, octets: U8, position: int, filled: int, file_offset: int, limit: int) -> Parsed:
        """Up to `limit` frames of `octets[position:filled]`. All times of pcap fit int64 nanoseconds."""
        records, next_position = self._walk(octets, position, filled, limit)
        if not len(records):
            return Parsed(None, position, is_starved=True)
        fields = windows(octets, self._header_length)[records].view(self._fields)
        captured = fields["captured"].astype(np.int64)
        count = len(records)
        is_too_long = captured > self._limit
        damage: str | None = None
        if is_too_long.any():
            count = int(is_too_long.argmax())
            damage = self._too_long(int(captured[count]))
        elif next_position > filled:
            # Only the last record's end was not checked by reading behind it.
            count -= 1
        is_starved = damage is None and (count < limit or count < len(records))
        if count < len(records):
            next_position = int(records[count])
        if not count:
            return Parsed(None, next_position, is_starved, damage)
        rows = self._rows(fields[:count], records[:count], captured[:count])
        return Parsed(rows, next_position, is_starved, damage)

    def _walk(self, octets: U8, position: int, filled: int, limit: int) -> tuple[I64, int]:
        """Where up to `limit` records start whose headers are whole, and where the last one says that it
        ends.
        """
        view = octets.data[:filled]
        read_length = self._read_length
        header_length = self._header_length
        records: list[int] = []
        append = records.append
        try:
            for _ in repeat(None, limit):
                (length,) = read_length(view, position)
                append(position)
                position += length + header_length
        except struct.error:
            pass
        return np.fromiter(records, np.int64, len(records)), position

    def _rows(self, fields: np.ndarray[tuple[int], np.dtype[np.void]], records: I64, captured: I64) -> Rows:
        count = len(records)
        interface = self.interfaces[0]
        starts = records + self._header_length
        times_ns = fields["seconds"].astype(np.int64)
        times_ns *= 1_000_000_000
        times_ns += fields["fraction"].astype(np.int64) * self._fraction_ns
        first = self._next_number
        self._next_number += count
        return Rows(
            records=records,
            starts=starts,
            ends=starts + captured,
            wire_lengths=fields["wire"].astype(np.int64),
            times_ns=times_ns,
            interfaces=np.zeros(count, np.uint16),
            link_types=np.full(count, interface.link_type, np.uint16),
            numbers=np.arange(first, first + count, dtype=np.int64),
        )

    def _too_long(self, captured: int) -> str:
        return f"a record claims {captured} captured octets, more than the {self._limit} that this file may hold"

    def cut_short(self, octets: bytes, frame_number: int) -> str:
        """Which part of frame `frame_number` the file still has."""
        if len(octets) < self._header_length:
            return (
                f"the file ends inside the record header of frame {frame_number}: "
                f"{len(octets)} of {self._header_length} octets"
            )
        (captured,) = self._read_length(octets)
        there = len(octets) - self._header_length
        return f"the file ends inside frame {frame_number}: {there} of {captured} octets"

    def frame_at(self, fetch: Fetch, offset: int) -> Frame:
        """The frame whose record header starts at `offset`. CaptureError where the octets there are no
        record.
        """
        header = fetch(offset, self._header_length)
        if len(header) < self._header_length:
            raise CaptureError(f"no record starts at octet {offset}: the file ends before it")
        fields = np.frombuffer(header, self._fields)[0]
        captured = int(fields["captured"])
        if captured > self._limit:
            raise CaptureError(f"octet {offset}: {self._too_long(captured)}")
        octets = fetch(offset + self._header_length, captured)
        if len(octets) < captured:
            raise CaptureError(f"the file ends inside the record at octet {offset}")
        time_ns = int(fields["seconds"]) * 1_000_000_000 + int(fields["fraction"]) * self._fraction_ns
        return Frame(octets, int(fields["wire"]), time_ns, self.interfaces[0])
