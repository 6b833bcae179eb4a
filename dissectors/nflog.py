"""Linux netfilter's log (LINKTYPE_NFLOG): a family, and attributes, one of which is the packet.

Attributes are a length, a type and a value, padded to four octets; length and type are in the order of the
machine that captured, which is little-endian here.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import I64, NOTHING, Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.octets import u8, u16
from dissectors.scribe import Scribe, describing, named

PAYLOAD = 9
TYPE_MASK = 0x7FFF
MOST_ATTRIBUTES = 32
FAMILIES = {2: "IPv4", 10: "IPv6"}
ATTRIBUTES = {
    1: "Packet header", 2: "Mark", 3: "Timestamp", 4: "Input interface", 5: "Output interface",
    6: "Physical input interface", 7: "Physical output interface", 8: "Hardware address", PAYLOAD: "Payload",
    10: "Prefix", 11: "User", 12: "Sequence number", 13: "Global sequence number", 14: "Group",
    15: "Hardware type", 16: "Hardware header", 17: "Hardware header length",
}  # fmt: skip


def hop(question: Headers) -> Hop:
    octets, limits = question.octets, question.limits
    layer_ends = np.minimum(question.ends, limits)
    starts = question.starts + 4
    numbers = np.full(len(starts), NOTHING, np.int64)
    ends = question.ends.copy()
    is_cut = starts > limits
    rows = np.flatnonzero(~is_cut)
    families = u8(octets, question.starts)
    for _ in range(MOST_ATTRIBUTES):
        rows = rows[starts[rows] + 4 <= layer_ends[rows]]
        if not len(rows):
            break
        positions = starts[rows]
        lengths = _swapped(u16(octets, positions))
        is_payload = (_swapped(u16(octets, positions + 2)) & TYPE_MASK == PAYLOAD) & (lengths >= 4)
        found = rows[is_payload]
        numbers[found] = families[found]
        starts[found] += 4
        ends[found] = (positions + lengths)[is_payload]
        goes_on = ~is_payload & (lengths >= 4)
        rows = rows[goes_on]
        starts[rows] += (lengths[goes_on] + 3) & ~3
    starts = np.where(numbers == NOTHING, question.starts + 4, starts)
    return lead(question, numbers, starts, is_cut, ends=ends)


def _swapped(numbers: I64) -> I64:
    return numbers >> 8 | (numbers & 0xFF) << 8


@describing("Linux netfilter log", "nflog")
def describe(scribe: Scribe) -> None:
    family = scribe.number("Family", 0, 1, "nflog.family", named(FAMILIES))
    scribe.number("Version", 1, 1, "nflog.version")
    scribe.number("Group", 2, 2, "nflog.res_id")
    scribe.leads_to("address.family", NOTHING, 4)
    offset = 4
    for _ in range(MOST_ATTRIBUTES):
        if scribe.start + offset + 4 > scribe.limit:
            return
        length = int.from_bytes(scribe.take(offset, 2), "little")
        kind = int.from_bytes(scribe.take(offset + 2, 2), "little") & TYPE_MASK
        if length < 4:
            scribe.field("malformed", f"attribute {kind} has length {length}", offset, 4, "_ws.malformed")
            return
        label = ATTRIBUTES.get(kind, f"Attribute {kind}")
        if kind == PAYLOAD:
            scribe.field(label, f"{length - 4} octets", offset, 4, "nflog.tlv_type")
            scribe.leads_to("address.family", family, offset + 4, scribe.start + offset + length)
            return
        size = min(length, scribe.limit - scribe.start - offset)
        scribe.field(label, scribe.take(offset + 4, size - 4).hex(), offset, size, "nflog.tlv_type")
        offset += (length + 3) & ~3


DISSECTOR = Dissector(
    name="nflog",
    title="Linux netfilter log",
    keys=(("linktype", 239),),
    describe=describe,
    hop=hop,
    leads_to="address.family",
)
