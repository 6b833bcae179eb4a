"""How a pcapng file is cut into blocks and sections, and what is kept of each block.

A block is a type, a length, content and the length once more; a section is a Section Header Block and what
follows up to the next one. Blocks that hold no packet are passed over and counted, except Section Header and
Interface Description Blocks, and the comments of those and of packets. Source: draft-ietf-opsawg-pcapng.

The walk from block to block reads one length per block and nothing else; lengths, types and trailers are then
checked as arrays, and what the walk did behind the first nonsense is thrown away.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from itertools import repeat
from typing import Final

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import HEADROOM, I64, TAILROOM, U8, U32, Frame, Interface, SectionHeader
from aoinspect.capture.pcapng_options import COMMENT, blocks_with_comments, read_options
from aoinspect.capture.pcapng_section import INTERFACE_DESCRIPTION, PACKET_BLOCKS, Packets, Section
from aoinspect.capture.records import ABSOLUTE_FRAME_LIMIT, Fetch, Parsed, Rows, windows
from aoinspect.errors import CaptureError

SECTION_HEADER: Final = 0x0A0D0D0A
SHORTEST_SECTION_HEADER: Final = 28
SECTION_HEADER_MAGIC: Final = b"\x0a\x0d\x0d\x0a"  # The same in both byte orders.

NUMBERED_BLOCKS: Final = (0x9, 0x204, 0x216, 0x221, 0xBAD, 0x4000_0BAD)
"""Blocks without a packet that Wireshark gives a frame number: systemd journal, sysdig events, custom blocks.
"""

BLOCK_NAMES: Final = {
    0x1: "Interface Description Block",
    0x2: "Packet Block",
    0x3: "Simple Packet Block",
    0x4: "Name Resolution Block",
    0x5: "Interface Statistics Block",
    0x6: "Enhanced Packet Block",
    0x9: "systemd Journal Export Block",
    0xA: "Decryption Secrets Block",
    0x204: "sysdig Event Block",
    0x216: "sysdig Event Block version 2",
    0x221: "sysdig Event Block version 2, large",
    0xBAD: "Custom Block",
    0x4000_0BAD: "Custom Block that is not to be copied",
    SECTION_HEADER: "Section Header Block",
}

_BLOCK_LIMIT = ABSOLUTE_FRAME_LIMIT + (1 << 20)
"""Octets of the longest block that is believed: the longest frame, and options."""

_KNOWN_OPTIONS = 1024
"""Option lists of which the comments are remembered, as they may be many times in a file."""

_FIRST_WALK = 256
"""Blocks that the first walk behind a section header looks at; doubled each time. What a walk saw behind the
next section header is thrown away, so many short sections would otherwise cost a full walk each."""


COMMENTS_LIMIT = 65_536
"""Packets whose comments are kept, the last ones; `frame_at` reads a packet's comments with it, however far back."""


class PcapngFormat:
    """A pcapng file, from its first Section Header Block on."""

    name = "pcapng"

    def __init__(self, header: bytes, path: str) -> None:
        """`header` is the file's first 28 octets. CaptureError where no section can start like that."""
        wrong = section_header_fault(header)
        if wrong is not None:
            raise CaptureError(f"{path}: at octet 0: {wrong}")
        self.interfaces: list[Interface] = []
        self.comments: dict[int, tuple[str, ...]] = {}
        self.file_comments: list[str] = []
        self.skipped_blocks: dict[int, int] = {}
        self.section_headers: list[SectionHeader] = []
        self.clamped_times = 0
        self.malformed_options = 0
        self._sections: list[Section] = []
        self._next_number = 1
        self._walk_limit = _FIRST_WALK
        self._set_byte_order("<")

    def _set_byte_order(self, byte_order: str) -> None:
        self._byte_order = byte_order
        self._known_options: dict[bytes, tuple[tuple[str, ...], bool]] = {}
        # Twelve octets are demanded, so that a section header's byte-order magic is there with its type.
        self._read_length = struct.Struct(byte_order + "4xI4x").unpack_from
        self._block_fields = np.dtype([("type", byte_order + "u4"), ("length", byte_order + "u4")])

    def parse(self, octets: U8, position: int, filled: int, file_offset: int, limit: int) -> Parsed:
        """The packets among at most `limit` blocks of `octets[position:filled]`, up to the section's end."""
        if filled - position < 12:
            return Parsed(None, position, is_starved=True)
        if octets[position : position + 4].tobytes() == SECTION_HEADER_MAGIC:
            return self._open_section(octets, position, filled, file_offset)
        walk_limit = min(limit, self._walk_limit)
        self._walk_limit = max(self._walk_limit, 2 * walk_limit)
        walked = self._walk(octets, position, filled, walk_limit)
        fields = windows(octets, 8)[walked].view(self._block_fields)
        types, lengths = fields["type"].astype(np.uint32), fields["length"].astype(np.int64)
        count, damage, is_cut = self._sound_blocks(octets, walked, types, lengths, filled)
        packets, count, damage = self._read_blocks(octets, walked, types, lengths, count, damage)
        is_starved = damage is None and (is_cut or count == len(walked) < walk_limit)
        end = int(walked[count]) if count < len(walked) else int(walked[-1] + lengths[-1])
        return Parsed(packets, end, is_starved, damage)

    def _walk(self, octets: U8, position: int, filled: int, limit: int) -> I64:
        """Where up to `limit` blocks start that have twelve octets or more, if every length is believed."""
        view = octets.data[:filled]
        read_length = self._read_length
        blocks: list[int] = []
        append = blocks.append
        try:
            for _ in repeat(None, limit):
                (length,) = read_length(view, position)
                append(position)
                position += length
        except struct.error:
            pass
        return np.fromiter(blocks, np.int64, len(blocks))

    def _sound_blocks(
        self, octets: U8, walked: I64, types: U32, lengths: I64, filled: int
    ) -> tuple[int, str | None, bool]:
        """How many of the blocks are whole and of this section; what is wrong with the next; is it only cut.

        Behind a nonsensical length the walk has read nonsense, and behind a section header maybe too.
        """
        is_sound = (types != SECTION_HEADER) & (lengths >= 12) & (lengths & 3 == 0) & (lengths <= _BLOCK_LIMIT)
        count = len(walked) if is_sound.all() else int(is_sound.argmin())
        damage = None
        if count < len(walked) and int(types[count]) != SECTION_HEADER:
            damage = block_length_fault(int(lengths[count]))
        ends = walked[:count] + lengths[:count]
        # Behind a block that is cut nothing was walked, so only the last can be.
        is_cut = bool(count) and int(ends[-1]) > filled
        if is_cut:
            count -= 1
            ends = ends[:count]
        trailers = windows(octets, 4)[ends - 4].view(np.dtype(self._byte_order + "u4"))
        is_closed = trailers == lengths[:count]
        if not is_closed.all():
            count = int(is_closed.argmin())
            return (
                count,
                f"a block starts with length {lengths[count]} and ends with {trailers[count]}",
                False,
            )
        return count, damage, is_cut

    def _read_blocks(
        self, octets: U8, blocks: I64, types: U32, lengths: I64, count: int, damage: str | None
    ) -> tuple[Rows | None, int, str | None]:
        """Take in the first `count` blocks: the packets' rows, how many blocks made sense, what is wrong
        then.
        """
        section = self._sections[-1]
        interfaces_before = len(section.interfaces)
        descriptions = np.flatnonzero(types[:count] == INTERFACE_DESCRIPTION)
        before = []
        for index in descriptions.tolist():
            before.append((len(section.interfaces), len(self.file_comments), self.malformed_options))
            wrong = self._describe_interface(octets[blocks[index] : blocks[index] + lengths[index]].tobytes())
            if wrong is not None:
                count, damage = index, wrong
                break
        is_packet = np.isin(types[:count], PACKET_BLOCKS)
        numbers = self._numbers(types[:count], is_packet)
        which = np.flatnonzero(is_packet)
        rows = None
        if len(which):
            known = interfaces_before + np.searchsorted(descriptions, which)
            packets = section.packets(octets, blocks[which], types[which], lengths[which], known, numbers[which])
            rows = packets.rows
            if packets.damage is not None:
                count, damage = int(which[len(rows.records)]), packets.damage
                described = int(np.searchsorted(descriptions[: len(before)], count))
                if described < len(before):
                    # What is described behind the damage was not reached.
                    kept, comments, self.malformed_options = before[described]
                    del self.interfaces[section.first_interface + kept :]
                    del section.interfaces[kept:], self.file_comments[comments:]
            self.clamped_times += packets.clamped_times
            self._keep_comments(octets, packets)
        self._next_number = int(numbers[count])
        self._count_skipped(types[:count], is_packet[:count])
        return rows if rows is not None and len(rows.records) else None, count, damage

    def _numbers(self, types: U32, is_packet: npt.NDArray[np.bool_]) -> I64:
        """The number that each block has or would have as a frame, and one more for the block behind the
        last.
        """
        is_numbered = is_packet if is_packet.all() else is_packet | np.isin(types, NUMBERED_BLOCKS)
        numbers = np.full(len(types) + 1, self._next_number, np.int64)
        numbers[1:] += np.cumsum(is_numbered)
        return numbers

    def _count_skipped(self, types: U32, is_packet: npt.NDArray[np.bool_]) -> None:
        if is_packet.all():
            return
        others = types[~is_packet & (types != INTERFACE_DESCRIPTION)]
        for block_type, blocks in zip(*np.unique(others, return_counts=True), strict=True):
            self.skipped_blocks[int(block_type)] = self.skipped_blocks.get(int(block_type), 0) + int(blocks)

    def _keep_comments(self, octets: U8, packets: Packets) -> None:
        has_options = np.flatnonzero(packets.option_starts < packets.option_ends)
        if not len(has_options):
            return
        starts, ends = packets.option_starts[has_options], packets.option_ends[has_options]
        for index in blocks_with_comments(octets, starts, ends, self._byte_order).tolist():
            listed = octets[starts[index] : ends[index]].tobytes()
            # Tools comment many packets alike: one text serves all of them.
            known = self._known_options.get(listed)
            if known is None:
                options = read_options(listed, self._byte_order)
                known = options.texts(COMMENT), options.is_malformed
                if len(self._known_options) >= _KNOWN_OPTIONS:
                    self._known_options.clear()
                self._known_options[listed] = known
            texts, is_malformed = known
            self.malformed_options += is_malformed
            if texts:
                self.comments[int(packets.rows.numbers[has_options[index]])] = texts
        while len(self.comments) > COMMENTS_LIMIT:
            del self.comments[next(iter(self.comments))]

    def _describe_interface(self, block: bytes) -> str | None:
        """Take in an Interface Description Block; what is wrong with it."""
        section = self._sections[-1]
        options = section.describe_interface(block)
        if isinstance(options, str):
            return options
        self.interfaces.append(section.interfaces[-1])
        self.malformed_options += options.is_malformed
        self.file_comments.extend(options.texts(COMMENT))
        return None

    def _open_section(self, octets: U8, position: int, filled: int, file_offset: int) -> Parsed:
        """Take in the Section Header Block at `position`."""
        header = octets[position : min(position + SHORTEST_SECTION_HEADER, filled)].tobytes()
        if len(header) < SHORTEST_SECTION_HEADER:
            return Parsed(None, position, is_starved=True)
        wrong = section_header_fault(header)
        if wrong is not None:
            return Parsed(None, position, damage=wrong)
        byte_order = _section_byte_order(header)
        (length,) = struct.unpack_from(byte_order + "I", header, 4)
        if position + length > filled:
            return Parsed(None, position, is_starved=True)
        block = octets[position : position + length].tobytes()
        (trailer,) = struct.unpack_from(byte_order + "I", block, length - 4)
        if trailer != length:
            return Parsed(
                None, position, damage=f"a section header starts with length {length} and ends with {trailer}"
            )
        options = read_options(block[24:-4], byte_order)
        self.malformed_options += options.is_malformed
        self.file_comments.extend(options.texts(COMMENT))
        self._set_byte_order(byte_order)
        self._walk_limit = _FIRST_WALK
        self._sections.append(Section(file_offset + position, byte_order, len(self.interfaces)))
        (section_length,) = struct.unpack_from(byte_order + "q", block, 16)
        start = file_offset + position
        self.section_headers.append(SectionHeader(start, start + length, byte_order, section_length))
        return Parsed(None, position + length)

    def cut_short(self, octets: bytes, frame_number: int) -> str:
        """How much of the block that comes before frame `frame_number` is there."""
        if len(octets) < 12:
            return f"the file ends {len(octets)} octets into a block, behind frame {frame_number - 1}"
        order = _section_byte_order(octets) if octets[:4] == SECTION_HEADER_MAGIC else self._byte_order
        (length,) = struct.unpack_from(order + "I", octets, 4)
        return f"the file ends {len(octets)} octets into a block of {length}, behind frame {frame_number - 1}"

    def frame_at(self, fetch: Fetch, offset: int) -> Frame:
        """The frame whose block starts at `offset`, which must lie in what was read of the file already."""
        index = bisect_right(self._sections, offset, key=lambda section: section.offset) - 1
        if index < 0:
            raise CaptureError(f"octet {offset} lies in no section that was read")
        section = self._sections[index]
        header = fetch(offset, 8)
        if len(header) < 8:
            raise CaptureError(f"no block starts at octet {offset}: the file ends before it")
        block_type, length = struct.unpack(section.byte_order + "II", header)
        wrong = block_length_fault(length)
        if block_type not in PACKET_BLOCKS or wrong is not None:
            raise CaptureError(f"no packet block starts at octet {offset}")
        block = fetch(offset, length)
        if len(block) < length or block[-4:] != header[4:]:
            raise CaptureError(f"the block at octet {offset} is not whole")
        octets = np.frombuffer(bytes(HEADROOM) + block + bytes(TAILROOM), np.uint8)
        one = np.ones(1, np.int64)
        packets = section.packets(
            octets,
            one * HEADROOM,
            np.array([block_type], np.uint32),
            one * length,
            one * len(section.interfaces),
            one,
        )
        if packets.damage is not None:
            raise CaptureError(f"octet {offset}: {packets.damage}")
        rows = packets.rows
        options = octets[packets.option_starts[0] : packets.option_ends[0]].tobytes()
        return Frame(
            octets[rows.starts[0] : rows.ends[0]].tobytes(),
            int(rows.wire_lengths[0]),
            int(rows.times_ns[0]),
            self.interfaces[int(rows.interfaces[0])],
            read_options(options, section.byte_order).texts(COMMENT),
        )


def block_name(block_type: int) -> str:
    """What the specification calls blocks of this type; its number where it has no name."""
    return BLOCK_NAMES.get(block_type, f"unknown block {block_type:#010x}")


def block_length_fault(length: int) -> str | None:
    """What is wrong with a block of `length` octets; None where nothing is."""
    if length < 12:
        return f"a block claims a length of {length} octets; the shortest has 12"
    if length & 3:
        return f"a block claims a length of {length} octets, which is no multiple of 4"
    if length > _BLOCK_LIMIT:
        return f"a block claims a length of {length} octets, more than the {_BLOCK_LIMIT} that are believed"
    return None


def _section_byte_order(header: bytes) -> str:
    """What the byte-order magic at octet 8 says; empty where it is none."""
    return {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(header[8:12], "")


def section_header_fault(header: bytes) -> str | None:
    """What is wrong with a section header's first 28 octets; None where nothing is."""
    byte_order = _section_byte_order(header)
    if not byte_order:
        return f"a section header with the unknown byte-order magic {header[8:12].hex()}"
    length, major, minor = struct.unpack_from(byte_order + "I4xHH", header, 4)
    wrong = block_length_fault(length)
    if wrong is not None:
        return wrong
    if length < SHORTEST_SECTION_HEADER:
        return f"a section header claims a length of {length} octets; the shortest has {SHORTEST_SECTION_HEADER}"
    if major != 1:
        return f"a section of pcapng version {major}.{minor}; only 1.x is known"
    return None
