"""Cisco HDLC: address, control, and an ethertype."""

from __future__ import annotations

from dissectors.base import Dissector, Headers, Hop
from dissectors.ethernet import show_ethertype
from dissectors.hopping import lead
from dissectors.octets import u16
from dissectors.ppp import CISCO_BROADCAST, CISCO_UNICAST
from dissectors.scribe import Scribe, describing, hexadecimal


def hop(question: Headers) -> Hop:
    starts = question.starts + 4
    return lead(question, u16(question.octets, question.starts + 2), starts, starts > question.limits)


@describing("Cisco HDLC", "chdlc")
def describe(scribe: Scribe) -> None:
    scribe.number("Address", 0, 1, "chdlc.address", hexadecimal(2))
    scribe.number("Control", 1, 1, "chdlc.control", hexadecimal(2))
    protocol = scribe.number("Protocol", 2, 2, "chdlc.protocol", show_ethertype)
    scribe.leads_to("ethertype", protocol, 4)


DISSECTOR = Dissector(
    name="chdlc",
    title="Cisco HDLC",
    keys=(("linktype", 104), ("ppp.protocol", CISCO_UNICAST), ("ppp.protocol", CISCO_BROADCAST)),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
