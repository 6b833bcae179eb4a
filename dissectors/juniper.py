"""Juniper's capture header before Ethernet (LINKTYPE_JUNIPER_ETHER): a magic number, flags, maybe an
extension.

Where the flags say that there is no link-layer header, four octets and an IP packet follow.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.ethernet import TRANSPARENT_ETHERNET
from dissectors.hopping import lead
from dissectors.octets import u8, u16, u32
from dissectors.scribe import Scribe, describing, flags, hexadecimal

MAGIC = 0x4D4743
IS_INBOUND, HAS_NO_LINK_LAYER, HAS_EXTENSION = 0x01, 0x02, 0x80


def hop(question: Headers) -> Hop:
    octets, starts, limits = question.octets, question.starts, question.limits
    word = u32(octets, starts)
    bits = word & 0xFF
    is_sound = word >> 8 == MAGIC
    is_cut = starts + 4 > limits
    has_extension = ~is_cut & is_sound & (bits & HAS_EXTENSION != 0)
    is_cut |= has_extension & (starts + 6 > limits)
    next_starts = starts + 4
    next_starts += np.where(has_extension & ~is_cut, 2 + u16(octets, starts + 4), 0)
    is_cut |= next_starts > limits
    is_bare = is_sound & (bits & HAS_NO_LINK_LAYER != 0)
    next_starts += np.where(is_bare & ~is_cut, 4, 0)
    is_cut |= next_starts > limits
    has_first = next_starts < np.minimum(limits, question.ends)
    versions = np.where(has_first, u8(octets, next_starts) >> 4, 0)
    ip_types = np.select([versions == 4, versions == 6], [0x0800, 0x86DD], NOTHING)
    numbers = np.where(is_sound, np.where(is_bare, ip_types, TRANSPARENT_ETHERNET), NOTHING)
    return lead(question, numbers, next_starts, is_cut)


@describing("Juniper", "juniper")
def describe(scribe: Scribe) -> None:
    magic = scribe.peek(0, 3)
    scribe.peek(0, 4)
    scribe.field("Magic number", f"0x{magic:06x}", 0, 3, "juniper.magic-number")
    if magic != MAGIC:
        scribe.malformed(f"the magic number is not 0x{MAGIC:06x}", 0, 3)
        return
    bits = scribe.peek(3, 1)
    scribe.summary = "inbound" if bits & IS_INBOUND else "outbound"
    children = (
        scribe.make("Direction", scribe.summary, 3, 1, "juniper.direction"),
        *flags(scribe, bits, 3, 1, ((HAS_NO_LINK_LAYER, "No link-layer header", "juniper.l2hdr"),)),
        *flags(scribe, bits, 3, 1, ((HAS_EXTENSION, "Extension", "juniper.ext_total_len"),)),
    )
    scribe.field("Flags", hexadecimal(2)(bits), 3, 1, None, children)
    offset = 4
    if bits & HAS_EXTENSION:
        length = scribe.number("Extension length", 4, 2, "juniper.ext_total_len")
        scribe.field("Extension", scribe.take(6, length).hex(), 6, length)
        offset = 6 + length
    if not bits & HAS_NO_LINK_LAYER:
        scribe.leads_to("ethertype", TRANSPARENT_ETHERNET, offset)
        return
    scribe.field("Protocol", scribe.take(offset, 4).hex(), offset, 4, "juniper.proto")
    offset += 4
    has_first = scribe.start + offset < scribe.limit
    version = scribe.peek(offset, 1) >> 4 if has_first else 0
    scribe.leads_to("ethertype", {4: 0x0800, 6: 0x86DD}.get(version, NOTHING), offset)


DISSECTOR = Dissector(
    name="juniper",
    title="Juniper",
    keys=(("linktype", 178),),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
