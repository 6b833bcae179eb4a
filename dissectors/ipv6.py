"""IPv6 (RFC 8200): where its payload starts behind the extension headers, and where it ends.

The payload length ends the packet. It is 0 for jumbograms, whose length is a hop-by-hop option (RFC 2675),
and for Linux's "big TCP" before segmentation, which has no such option any more: that packet ends with its
frame.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.ipv4 import PROTOCOLS
from dissectors.ipv6_extensions import follow, write_chain
from dissectors.octets import fields
from dissectors.scribe import Scribe, describing, named

HEADER = np.dtype(
    [("version_class_flow", ">u4"), ("payload_length", ">u2"), ("next_header", "u1"), ("hop_limit", "u1")]
)


def hop(question: Headers) -> Hop:
    starts = question.starts
    header = fields(question.octets, starts, HEADER)
    is_cut = starts + 40 > question.limits
    is_sound = header["version_class_flow"] >> 28 == 6
    numbers = np.where(is_sound & ~is_cut, header["next_header"].astype(np.int64), NOTHING)
    chain = follow(question, numbers, starts + 40, is_cut, starts + 24)
    lengths = header["payload_length"].astype(np.int64)
    lengths = np.where(lengths == 0, chain.jumbo_lengths, lengths)
    return lead(
        question,
        chain.numbers,
        chain.starts,
        chain.is_cut,
        ends=np.where(lengths == 0, question.ends, starts + 40 + lengths),
        is_fragment=chain.is_fragment,
        destinations=chain.destinations,
    )


@describing("Internet Protocol version 6", "ipv6")
def describe(scribe: Scribe) -> None:
    first = scribe.peek(0, 4)
    scribe.field("Version", str(first >> 28), 0, 1, "ipv6.version")
    scribe.field("Traffic class", f"0x{first >> 20 & 0xFF:02x}", 0, 2, "ipv6.tclass")
    scribe.field("Flow label", f"0x{first & 0xFFFFF:05x}", 1, 3, "ipv6.flow")
    length = scribe.number("Payload length", 4, 2, "ipv6.plen")
    protocol = scribe.number("Next header", 6, 1, "ipv6.nxt", named(PROTOCOLS))
    scribe.number("Hop limit", 7, 1, "ipv6.hlim")
    source, destination = scribe.ipv6("Source", 8, "ipv6.src"), scribe.ipv6("Destination", 24, "ipv6.dst")
    scribe.summary = f"{source} > {destination}"
    if first >> 28 != 6:
        scribe.malformed("the version is not 6", 0, 1)
        return
    number, offset, jumbo_length = write_chain(scribe, protocol, 40)
    length = length or jumbo_length
    scribe.leads_to("ip.proto", number, offset, scribe.start + 40 + length if length else None)


DISSECTOR = Dissector(
    name="ipv6",
    title="Internet Protocol version 6",
    keys=(
        ("ethertype", 0x86DD),
        ("ip.version", 6),
        ("ip.proto", 41),
        ("linktype", 229),
        ("address.family", 10),
        ("address.family", 24),
        ("address.family", 28),
        ("address.family", 30),
        ("ppp.protocol", 0x0057),
    ),
    describe=describe,
    hop=hop,
    leads_to="ip.proto",
    is_network=True,
)
