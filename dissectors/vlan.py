"""VLAN tags: 802.1Q, 802.1ad and the older 0x9100, one tag a header (IEEE 802.1Q 9.6)."""

from __future__ import annotations

import numpy as np

from dissectors.base import Dissector, Headers, Hop
from dissectors.ethernet import type_or_length, write_type_or_length
from dissectors.hopping import lead
from dissectors.octets import u16
from dissectors.scribe import Scribe, describing

IDENTIFIER_MASK = 0x0FFF


def hop(question: Headers) -> Hop:
    starts = question.starts + 4
    vlans = (u16(question.octets, question.starts) & IDENTIFIER_MASK).astype(np.uint16)
    numbers, ends = type_or_length(u16(question.octets, question.starts + 2), starts, question.ends)
    return lead(question, numbers, starts, starts > question.limits, ends=ends, vlans=vlans)


@describing("VLAN tag", "vlan")
def describe(scribe: Scribe) -> None:
    tag = scribe.peek(0, 2)
    scribe.field("Priority", str(tag >> 13), 0, 1, "vlan.priority")
    scribe.field("Drop eligible", "yes" if tag & 0x1000 else "no", 0, 1, "vlan.dei")
    scribe.field("Identifier", str(tag & IDENTIFIER_MASK), 0, 2, "vlan.id")
    scribe.summary = f"VLAN {tag & IDENTIFIER_MASK}"
    write_type_or_length(scribe, 2, "vlan")


DISSECTOR = Dissector(
    name="vlan",
    title="VLAN tag",
    keys=(("ethertype", 0x8100), ("ethertype", 0x88A8), ("ethertype", 0x9100)),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
