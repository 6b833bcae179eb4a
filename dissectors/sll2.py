"""Linux cooked capture, version 2, which tells the interface (LINKTYPE_LINUX_SLL2).

Twenty octets: protocol, two reserved, interface number, ARPHRD_ type, packet type, length of the link address
and eight octets for it.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.ethernet import show_ethertype
from dissectors.hopping import lead
from dissectors.octets import u16, u32
from dissectors.scribe import Scribe, describing, named
from dissectors.sll import HARDWARE_WITHOUT_ETHERTYPES, PACKET_TYPES


def hop(question: Headers) -> Hop:
    octets, starts = question.octets, question.starts
    is_other = np.isin(u16(octets, starts + 8), HARDWARE_WITHOUT_ETHERTYPES)
    numbers = np.where(is_other, NOTHING, u16(octets, starts))
    is_cut = starts + 20 > question.limits
    return lead(question, numbers, starts + 20, is_cut, interface_numbers=u32(octets, starts + 4))


@describing("Linux cooked capture v2", "sll")
def describe(scribe: Scribe) -> None:
    protocol = scribe.number("Protocol", 0, 2, "sll.etype", show_ethertype)
    interface = scribe.number("Interface number", 4, 4, "sll.ifindex")
    hardware = scribe.number("Hardware type", 8, 2, "sll.hatype")
    direction = scribe.number("Packet type", 10, 1, "sll.pkttype", named(PACKET_TYPES))
    scribe.summary = f"interface {interface}, {PACKET_TYPES.get(direction, 'unknown direction')}"
    length = scribe.number("Address length", 11, 1, "sll.halen")
    if 0 < length <= 8:
        scribe.field("Address", scribe.take(12, length).hex(":"), 12, length, "sll.src.other")
    scribe.leads_to("ethertype", NOTHING if hardware in HARDWARE_WITHOUT_ETHERTYPES else protocol, 20)


DISSECTOR = Dissector(
    name="sll2",
    title="Linux cooked capture v2",
    keys=(("linktype", 276),),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
