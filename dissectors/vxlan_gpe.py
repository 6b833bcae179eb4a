"""VXLAN with a next protocol (draft-ietf-nvo3-vxlan-gpe 3.2).

Without the P flag it is VXLAN, and an Ethernet frame follows.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.ethernet import TRANSPARENT_ETHERNET, show_ethertype
from dissectors.hopping import lead
from dissectors.octets import u8
from dissectors.scribe import Scribe, describing, hexadecimal

HAS_NEXT_PROTOCOL = 0x04
IS_MAINTENANCE = 0x01
"""The O flag: what follows is no user's packet."""
ETHERTYPES = {1: 0x0800, 2: 0x86DD, 3: TRANSPARENT_ETHERNET, 5: 0x8847}
_ETHERTYPE_OF = np.full(256, NOTHING, np.int64)
_ETHERTYPE_OF[list(ETHERTYPES)] = list(ETHERTYPES.values())


def hop(question: Headers) -> Hop:
    starts = question.starts + 8
    bits = u8(question.octets, question.starts)
    next_protocols = _ETHERTYPE_OF[u8(question.octets, question.starts + 3)]
    numbers = np.where(bits & HAS_NEXT_PROTOCOL, next_protocols, TRANSPARENT_ETHERNET)
    numbers = np.where(bits & IS_MAINTENANCE, NOTHING, numbers)
    return lead(question, numbers, starts, starts > question.limits)


@describing("Virtual eXtensible LAN, generic protocol extension", "vxlan_gpe")
def describe(scribe: Scribe) -> None:
    bits = scribe.number("Flags", 0, 1, "vxlan.flags", hexadecimal(2))
    number = ETHERTYPES.get(scribe.peek(3, 1), NOTHING) if bits & HAS_NEXT_PROTOCOL else TRANSPARENT_ETHERNET
    show = show_ethertype(number) if number != NOTHING else "unknown"
    scribe.field("Next protocol", f"{scribe.peek(3, 1)} ({show})", 3, 1, "vxlan.next_proto")
    network = scribe.number("Network identifier", 4, 3, "vxlan.vni")
    scribe.summary = f"VNI {network}"
    scribe.leads_to("ethertype", NOTHING if bits & IS_MAINTENANCE else number, 8)


DISSECTOR = Dissector(
    name="vxlan-gpe",
    title="Virtual eXtensible LAN, generic protocol extension",
    keys=(("udp.port", 4790),),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
