"""What one section of a pcapng file says of its interfaces, and how its packet blocks become rows.

A section starts with a Section Header Block, which fixes the byte order; interfaces are numbered from 0 again
in each. Three blocks hold a packet: the Enhanced Packet Block, the Simple Packet Block (no time; always of
interface 0, and as long as the wire length and the snap length let it be) and the obsolete Packet Block (the
Enhanced one with interface and drop count in 16 bits each). Source: draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.capture.clock import Clock
from aoinspect.capture.frames import I64, U8, U32, Interface
from aoinspect.capture.pcapng_options import Options, read_options
from aoinspect.capture.records import Rows, frame_limit, windows

INTERFACE_DESCRIPTION: Final = 1
OBSOLETE_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
ENHANCED_PACKET: Final = 6

PACKET_BLOCKS: Final = (ENHANCED_PACKET, SIMPLE_PACKET, OBSOLETE_PACKET)
INTERFACE_LIMIT: Final = 65_535
"""Interfaces of all sections together: a frame's interface is 16 bits wide."""

_IF_NAME: Final = 2
_IF_TSRESOL: Final = 9
_IF_FCSLEN: Final = 13
_IF_TSOFFSET: Final = 14

# Octets before a packet's data, and in all without data, per kind of block.
_DATA_AT: Final = 28
_SIMPLE_DATA_AT: Final = 12
_TRAILER_LENGTH: Final = 4


class Packets(NamedTuple):
    """The packet blocks of a stretch: rows up to the first block that makes no sense, and what is wrong with
    that.
    """

    rows: Rows
    option_starts: I64
    """Where each block's options start; its end where it has none."""
    option_ends: I64
    clamped_times: int
    damage: str | None


class Section:
    """One section: its byte order and the interfaces described so far."""

    def __init__(self, offset: int, byte_order: str, first_interface: int) -> None:
        self.offset = offset
        """Where the Section Header Block starts in the uncompressed file."""
        self.byte_order = byte_order
        self.first_interface = first_interface
        """Index, in the file's interfaces, of this section's interface 0."""
        self.interfaces: list[Interface] = []
        self._clocks: list[Clock] = []
        self._snap_length_0 = 0
        self._tables_length = 0
        self._link_types = np.zeros(0, np.uint16)
        self._limits = np.zeros(0, np.int64)
        self._clock_numbers = np.zeros(0, np.int64)
        self._distinct_clocks: list[Clock] = []
        u2, u4 = byte_order + "u2", byte_order + "u4"
        self._fields = np.dtype(
            {
                "names": ["interface", "short_interface", "high", "low", "captured", "wire"],
                "formats": [u4, u2, u4, u4, u4, u4],
                "offsets": [8, 8, 12, 16, 20, 24],
                "itemsize": _DATA_AT,
            }
        )

    def describe_interface(self, block: bytes) -> Options | str:
        """Learn the interface of an Interface Description Block; its options, or what is wrong with the
        block.
        """
        if len(block) < 20:
            return f"an Interface Description Block of {len(block)} octets; it has at least 20"
        index = self.first_interface + len(self.interfaces)
        if index >= INTERFACE_LIMIT:
            return f"more than {INTERFACE_LIMIT} interfaces"
        link_type, snap_length = struct.unpack_from(self.byte_order + "H2xI", block, 8)
        options = read_options(block[16:-_TRAILER_LENGTH], self.byte_order)
        names = options.texts(_IF_NAME)
        fcs_length = options.first(_IF_FCSLEN, 1)
        self.interfaces.append(
            Interface(
                index,
                link_type,
                snap_length,
                name=names[0] if names else None,
                fcs_length=fcs_length[0] if fcs_length else None,
            )
        )
        resolution = options.first(_IF_TSRESOL, 1)
        offset = options.first(_IF_TSOFFSET, 8)
        order = "little" if self.byte_order == "<" else "big"
        self._clocks.append(
            Clock(
                resolution[0] if resolution else 6,
                int.from_bytes(offset, order, signed=True) if offset else 0,  # type: ignore[arg-type]
            )
        )
        return options

    def _update_tables(self) -> None:
        """Arrays over the interfaces, for gathering; rebuilt when interfaces have come."""
        if self._tables_length == len(self.interfaces):
            return
        self._tables_length = len(self.interfaces)
        self._snap_length_0 = self.interfaces[0].snap_length
        self._link_types = np.array([one.link_type for one in self.interfaces], np.uint16)
        limits = [frame_limit(one.link_type, one.snap_length) for one in self.interfaces]
        self._limits = np.array(limits, np.int64)
        self._distinct_clocks = list(dict.fromkeys(self._clocks))
        numbers = {clock: number for number, clock in enumerate(self._distinct_clocks)}
        self._clock_numbers = np.array([numbers[clock] for clock in self._clocks], np.int64)

    def packets(
        self, octets: U8, blocks: I64, types: U32, lengths: I64, known_interfaces: I64, numbers: I64
    ) -> Packets:
        """Rows of n packet blocks that lie whole in `octets`, up to the first that makes no sense.

        `known_interfaces` says how many interfaces of this section are described before each block.
        """
        self._update_tables()
        fields = windows(octets, _DATA_AT)[blocks].view(self._fields)
        interfaces = fields["interface"].astype(np.int64)
        captured = fields["captured"].astype(np.int64)
        wire_lengths = fields["wire"].astype(np.int64)
        data_at: I64 | int = _DATA_AT
        is_simple = types == SIMPLE_PACKET
        has_simple = bool(is_simple.any())
        if has_simple:
            wire_lengths[is_simple] = fields["interface"][is_simple]
            snapped = wire_lengths[is_simple]
            captured[is_simple] = np.minimum(snapped, self._snap_length_0) if self._snap_length_0 else snapped
            interfaces[is_simple] = 0
            data_at = np.where(is_simple, _SIMPLE_DATA_AT, _DATA_AT)
        is_obsolete = types == OBSOLETE_PACKET
        if is_obsolete.any():
            interfaces[is_obsolete] = fields["short_interface"][is_obsolete]
        room = lengths - data_at - _TRAILER_LENGTH
        is_unknown = interfaces >= known_interfaces
        is_bad = is_unknown | (room < 0) | (captured > room)
        if len(self._limits):
            is_bad |= captured > self._limits[np.where(is_unknown, 0, interfaces)]
        count = int(is_bad.argmax()) if is_bad.any() else len(blocks)
        damage = None
        if count < len(blocks):
            damage = _what_is_wrong(
                int(types[count]),
                int(lengths[count]),
                int(interfaces[count]),
                int(known_interfaces[count]),
                int(captured[count]),
                int(room[count]),
            )
        blocks, interfaces, captured = blocks[:count], interfaces[:count], captured[:count]
        starts = blocks + (data_at[:count] if isinstance(data_at, np.ndarray) else data_at)
        ends = starts + captured
        times_ns, clamped = self._times_ns(fields[:count], interfaces, is_simple[:count] if has_simple else None)
        rows = Rows(
            records=blocks,
            starts=starts,
            ends=ends,
            wire_lengths=wire_lengths[:count],
            times_ns=times_ns,
            interfaces=(interfaces + self.first_interface).astype(np.uint16),
            link_types=self._link_types[interfaces],
            numbers=numbers[:count],
        )
        option_ends = blocks + lengths[:count] - _TRAILER_LENGTH
        option_starts = starts + ((captured + 3) & -4)
        if has_simple:  # It has no options: what lies behind the data is padding of someone's own.
            option_starts = np.where(is_simple[:count], option_ends, option_starts)
        return Packets(rows, np.minimum(option_starts, option_ends), option_ends, clamped, damage)

    def _times_ns(
        self,
        fields: np.ndarray[tuple[int], np.dtype[np.void]],
        interfaces: I64,
        is_simple: npt.NDArray[np.bool_] | None,
    ) -> tuple[I64, int]:
        """Each packet's time by its interface's clock, 0 for simple ones, and how many were clamped."""
        ticks = (fields["high"].astype(np.uint64) << np.uint64(32)) | fields["low"]
        if is_simple is not None:
            has_time = np.flatnonzero(~is_simple)
            times_ns = np.zeros(len(ticks), np.int64)
            times_ns[has_time], clamped = self._clocked(ticks[has_time], interfaces[has_time])
            return times_ns, clamped
        return self._clocked(ticks, interfaces)

    def _clocked(self, ticks: npt.NDArray[np.uint64], interfaces: I64) -> tuple[I64, int]:
        if not len(ticks):
            return np.zeros(0, np.int64), 0
        if len(self._distinct_clocks) == 1:
            return self._distinct_clocks[0].times_ns(ticks)
        # Sorted by clock, so that the work does not grow with packets times clocks.
        clock_numbers = self._clock_numbers[interfaces]
        order = np.argsort(clock_numbers, kind="stable")
        borders = np.flatnonzero(np.diff(clock_numbers[order])) + 1
        times_ns = np.empty(len(ticks), np.int64)
        clamped = 0
        for group in np.split(order, borders):
            clock = self._distinct_clocks[int(clock_numbers[group[0]])]
            times_ns[group], group_clamped = clock.times_ns(ticks[group])
            clamped += group_clamped
        return times_ns, clamped


def _what_is_wrong(
    block_type: int, length: int, interface: int, known_interfaces: int, captured: int, room: int
) -> str:
    """Why a packet block makes no sense."""
    title = {ENHANCED_PACKET: "an Enhanced", SIMPLE_PACKET: "a Simple", OBSOLETE_PACKET: "an obsolete"}
    block = f"{title[block_type]} Packet Block"
    if room < 0:
        return f"{block} of {length} octets is too short for its own fields"
    if not known_interfaces:
        return f"{block} before any Interface Description Block"
    if interface >= known_interfaces:
        return f"{block} of interface {interface}; the section has described {known_interfaces} so far"
    if captured > room:
        return f"{block} claims {captured} captured octets and has room for {room}"
    return f"{block} claims {captured} captured octets, more than its interface may capture"
