"""pcapng read block by block (draft-ietf-opsawg-pcapng), with nothing of the product."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

SECTION, INTERFACE, OBSOLETE, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
COMMENT, END = 1, 0
_OURS = re.compile(
    rb'TCP-(AO|MD5): (OK|FAIL|UNKNOWN)( (reason|detail|key|keyid|rnext|sne)=("([^"\\]|\\.)+"|[^\0-\x20"]+))+'
)


class Block(NamedTuple):
    """One block; `order` is struct's."""

    order: str
    block_type: int
    body: bytes

    def octets(self) -> bytes:
        length = struct.pack(self.order + "I", len(self.body) + 12)
        return struct.pack(self.order + "I", self.block_type) + length + self.body + length

    @property
    def is_packet(self) -> bool:
        return self.block_type in (ENHANCED, OBSOLETE, SIMPLE)

    @property
    def captured(self) -> int:
        """Captured octets of an Enhanced or obsolete Packet Block."""
        captured: int = struct.unpack_from(self.order + "I", self.body, 12)[0]
        return captured

    @property
    def options_at(self) -> int:
        """Where in the body the options of an Enhanced or obsolete Packet Block start."""
        if self.block_type == SIMPLE:
            return len(self.body)
        return min(20 + self.captured + -self.captured % 4, len(self.body))

    @property
    def frame(self) -> bytes:
        """The captured octets; a Simple Packet Block's with padding."""
        if self.block_type == SIMPLE:
            return self.body[4:]
        return self.body[20 : 20 + self.captured]

    @property
    def options(self) -> list[tuple[int, bytes, bytes]]:
        """Code, value, and all octets of each option; what runs out of its block has code -1, an end code 0."""
        rest, found = self.body[self.options_at :], []
        while rest:
            code, length = struct.unpack_from(self.order + "HH", rest) if len(rest) >= 4 else (-1, 0)
            padded = 4 + length + -length % 4
            if code == END:
                padded = 4
            elif 4 + length > len(rest):
                code, padded = -1, len(rest)
            found.append((code, rest[4 : 4 + length], rest[:padded]))
            rest = rest[padded:]
            if code == END and rest:
                found.append((-1, rest, rest))
                break
        return found

    @property
    def comments(self) -> list[str]:
        return [value.decode() for code, value, _ in self.options if code == COMMENT]

    def with_options(self, options: list[tuple[int, bytes, bytes]]) -> Block:
        listed = b"".join(octets for _, _, octets in options)
        return self._replace(body=self.body[: self.options_at] + listed)


def blocks_of(octets: bytes) -> list[Block]:
    """All blocks of a file."""
    found, position, order = [], 0, "<"
    while position < len(octets):
        if octets[position : position + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if octets[position + 8 : position + 12] == b"\x4d\x3c\x2b\x1a" else ">"
        block_type, length = struct.unpack_from(order + "II", octets, position)
        assert length >= 12
        assert length % 4 == 0
        assert octets[position + length - 4 : position + length] == struct.pack(order + "I", length)
        found.append(Block(order, block_type, octets[position + 8 : position + length - 4]))
        position += length
    return found


def is_ours(text: bytes) -> bool:
    return _OURS.fullmatch(text) is not None


def stripped(octets: bytes) -> list[bytes]:
    """All blocks without the comments that aoinspect makes; a list of options of nothing but its end is none."""
    found = []
    for block in blocks_of(octets):
        if block.block_type in (ENHANCED, OBSOLETE):
            kept = [one for one in block.options if not (one[0] == COMMENT and is_ours(one[1]))]
            if all(code == END for code, _, _ in kept):
                kept = []
            block = block.with_options(kept)
        found.append(block.octets())
    return found


def packets(octets: bytes) -> list[Block]:
    return [block for block in blocks_of(octets) if block.is_packet]
