"""GENEVE (RFC 8926 3.4): eight octets, options in words of four, then what its ethertype says."""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.ethernet import show_ethertype
from dissectors.hopping import lead
from dissectors.octets import u8, u16
from dissectors.scribe import Scribe, describing, hexadecimal


def hop(question: Headers) -> Hop:
    first = u8(question.octets, question.starts)
    is_readable = question.starts + 8 <= question.limits
    starts = question.starts + 8 + np.where(is_readable, (first & 0x3F) * 4, 0)
    numbers = np.where(first >> 6 == 0, u16(question.octets, question.starts + 2), NOTHING)
    return lead(question, numbers, starts, starts > question.limits)


@describing("Generic Network Virtualization Encapsulation", "geneve")
def describe(scribe: Scribe) -> None:
    first = scribe.peek(0, 1)
    scribe.field("Version", str(first >> 6), 0, 1, "geneve.version")
    options_length = (first & 0x3F) * 4
    scribe.field("Options length", f"{options_length} octets", 0, 1, "geneve.option.length")
    scribe.number("Flags", 1, 1, "geneve.flags", hexadecimal(2))
    protocol = scribe.number("Protocol", 2, 2, "geneve.proto_type", show_ethertype)
    network = scribe.number("Network identifier", 4, 3, "geneve.vni")
    scribe.summary = f"VNI {network}"
    scribe.take(0, 8)
    if options_length:
        scribe.field("Options", scribe.take(8, options_length).hex(), 8, options_length, "geneve.options")
    scribe.leads_to("ethertype", protocol if first >> 6 == 0 else NOTHING, 8 + options_length)


DISSECTOR = Dissector(
    name="geneve",
    title="Generic Network Virtualization Encapsulation",
    keys=(("udp.port", 6081),),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
