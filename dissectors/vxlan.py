"""VXLAN (RFC 7348 5): eight octets, then an Ethernet frame."""

from __future__ import annotations

import numpy as np

from dissectors.base import Dissector, Headers, Hop
from dissectors.ethernet import TRANSPARENT_ETHERNET
from dissectors.hopping import lead
from dissectors.scribe import Scribe, describing, hexadecimal


def hop(question: Headers) -> Hop:
    starts = question.starts + 8
    numbers = np.full(len(starts), TRANSPARENT_ETHERNET, np.int64)
    return lead(question, numbers, starts, starts > question.limits)


@describing("Virtual eXtensible LAN", "vxlan")
def describe(scribe: Scribe) -> None:
    scribe.number("Flags", 0, 2, "vxlan.flags", hexadecimal(4))
    network = scribe.number("Network identifier", 4, 3, "vxlan.vni")
    scribe.summary = f"VNI {network}"
    scribe.leads_to("ethertype", TRANSPARENT_ETHERNET, 8)


DISSECTOR = Dissector(
    name="vxlan",
    title="Virtual eXtensible LAN",
    keys=(("udp.port", 4789),),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
