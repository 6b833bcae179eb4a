"""PPP (RFC 1661, RFC 1662): an address and control that may be left out, and a protocol of one or two octets.

Cisco HDLC shares PPP's link types: its first octet is 0f or 8f, and its second 00, which no PPP protocol
number can have; these two octets stand here as the number of "what follows", and the whole frame is that
dissector's.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.octets import u8, u16
from dissectors.scribe import Scribe, describing, hexadecimal

ADDRESS_AND_CONTROL = 0xFF03
CISCO_UNICAST, CISCO_BROADCAST = 0x0F00, 0x8F00
PROTOCOLS = {0x0021: "IPv4", 0x0057: "IPv6", 0x0281: "MPLS", 0x0283: "MPLS (multicast)", 0xC021: "LCP"}


def show_protocol(number: int) -> str:
    return f"{PROTOCOLS[number]} (0x{number:04x})" if number in PROTOCOLS else f"0x{number:04x}"


def hop(question: Headers) -> Hop:
    octets, limits = question.octets, question.limits
    first_two = u16(octets, question.starts)
    has_two = question.starts + 2 <= limits
    is_cisco = has_two & ((first_two == CISCO_UNICAST) | (first_two == CISCO_BROADCAST))
    starts = question.starts + np.where(has_two & (first_two == ADDRESS_AND_CONTROL), 2, 0)
    first = u8(octets, starts)
    # Protocol numbers are odd, and their first octet is even unless it stands alone (RFC 1661 2).
    is_compressed = (starts + 1 <= limits) & (first & 1 == 1)
    numbers = np.where(is_compressed, first, u16(octets, starts))
    next_starts = starts + np.where(is_compressed, 1, 2)
    numbers = np.where(is_cisco, first_two, numbers)
    next_starts = np.where(is_cisco, question.starts, next_starts)
    return lead(question, numbers, next_starts, next_starts > limits)


@describing("Point-to-Point Protocol", "ppp")
def describe(scribe: Scribe) -> None:
    room = scribe.limit - scribe.start
    first_two = scribe.peek(0, 2) if room >= 2 else NOTHING
    if first_two in (CISCO_UNICAST, CISCO_BROADCAST):
        scribe.leads_to("ppp.protocol", first_two, 0)
        return
    offset = 0
    if first_two == ADDRESS_AND_CONTROL:
        scribe.number("Address", 0, 1, "ppp.address", hexadecimal(2))
        scribe.number("Control", 1, 1, "ppp.control", hexadecimal(2))
        offset = 2
    size = 1 if scribe.peek(offset, 1) & 1 else 2
    protocol = scribe.number("Protocol", offset, size, "ppp.protocol", show_protocol)
    scribe.summary = show_protocol(protocol)
    scribe.leads_to("ppp.protocol", protocol, offset + size)


DISSECTOR = Dissector(
    name="ppp",
    title="Point-to-Point Protocol",
    keys=(("linktype", 9), ("linktype", 50), ("ethertype", 0x880B), ("pppoe.code", 0)),
    describe=describe,
    hop=hop,
    leads_to="ppp.protocol",
)
