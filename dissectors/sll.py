"""Linux cooked capture, version 1: what the "any" device puts before each packet (LINKTYPE_LINUX_SLL).

Sixteen octets: packet type, ARPHRD_ type, length of the link address and eight octets for it, protocol.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.ethernet import show_ethertype
from dissectors.hopping import lead
from dissectors.octets import u16
from dissectors.scribe import Scribe, describing, named

PACKET_TYPES = {0: "to us", 1: "broadcast", 2: "multicast", 3: "to someone else", 4: "sent by us"}
HARDWARE_WITHOUT_ETHERTYPES = (770, 803, 824)
"""ARPHRD_FRAD, ARPHRD_IEEE80211_RADIOTAP, ARPHRD_NETLINK: the protocol field means something else there."""


def hop(question: Headers) -> Hop:
    starts = question.starts + 16
    numbers = u16(question.octets, question.starts + 14)
    is_other = np.isin(u16(question.octets, question.starts + 2), HARDWARE_WITHOUT_ETHERTYPES)
    return lead(question, np.where(is_other, NOTHING, numbers), starts, starts > question.limits)


@describing("Linux cooked capture v1", "sll")
def describe(scribe: Scribe) -> None:
    direction = scribe.number("Packet type", 0, 2, "sll.pkttype", named(PACKET_TYPES))
    scribe.summary = PACKET_TYPES.get(direction, "")
    hardware = scribe.number("Hardware type", 2, 2, "sll.hatype")
    length = scribe.number("Address length", 4, 2, "sll.halen")
    if 0 < length <= 8:
        scribe.field("Address", scribe.take(6, length).hex(":"), 6, length, "sll.src.other")
    protocol = scribe.number("Protocol", 14, 2, "sll.etype", show_ethertype)
    scribe.leads_to("ethertype", NOTHING if hardware in HARDWARE_WITHOUT_ETHERTYPES else protocol, 16)


DISSECTOR = Dissector(
    name="sll",
    title="Linux cooked capture v1",
    keys=(("linktype", 113),),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
