"""LLC, and SNAP behind it, as far as they lead to an ethertype (IEEE 802.2, RFC 1042)."""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.ethernet import LLC, show_ethertype
from dissectors.hopping import lead
from dissectors.octets import u8, u16, u32
from dissectors.scribe import Scribe, describing, hexadecimal

SNAP = 0xAAAA03
"""DSAP, SSAP and control of an unnumbered frame with a SNAP header."""
IP = 0x060603
"""The same of an unnumbered frame of the Internet Protocol itself."""
OUIS_OF_ETHERTYPES = (0x000000, 0x0000F8)
"""Encapsulated Ethernet, and 802.1H's bridge tunnel: the two whose protocol is an ethertype."""


def hop(question: Headers) -> Hop:
    octets, starts = question.octets, question.starts
    service = u32(octets, starts) >> 8
    organisation = (u8(octets, starts + 3) << 16) | u16(octets, starts + 4)
    protocol = u16(octets, starts + 6)
    has_room = starts + 3 <= question.limits
    is_snap = has_room & (service == SNAP)
    is_ip = has_room & (service == IP)
    is_ethertype = is_snap & np.isin(organisation, OUIS_OF_ETHERTYPES)
    numbers = np.where(is_ip, 0x0800, np.where(is_ethertype, protocol, NOTHING))
    next_starts = starts + np.where(is_snap, 8, 3)
    return lead(question, numbers, next_starts, next_starts > question.limits)


@describing("Logical link control", "llc")
def describe(scribe: Scribe) -> None:
    scribe.number("DSAP", 0, 1, "llc.dsap", hexadecimal(2))
    scribe.number("SSAP", 1, 1, "llc.ssap", hexadecimal(2))
    scribe.number("Control", 2, 1, "llc.control", hexadecimal(2))
    service = scribe.peek(0, 3)
    if service == IP:
        scribe.leads_to("ethertype", 0x0800, 3)
    elif service == SNAP:
        organisation = scribe.number("Organisation", 3, 3, "llc.oui", hexadecimal(6))
        protocol = scribe.number("Protocol", 6, 2, "llc.type", show_ethertype)
        scribe.leads_to("ethertype", protocol if organisation in OUIS_OF_ETHERTYPES else NOTHING, 8)
    else:
        scribe.leads_to("ethertype", NOTHING, 3)


DISSECTOR = Dissector(
    name="llc",
    title="Logical link control",
    keys=(("ethertype", LLC),),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
