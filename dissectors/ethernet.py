"""Ethernet: two addresses, then a type, or a length that LLC follows (IEEE 802.3 3.2.6).

Ethernet II says nowhere where its payload ends: padding and a captured FCS look like payload here, and the
layer above (IPv4's total length) cuts them off. Only a length field ends the payload itself.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import I64, Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.octets import u16
from dissectors.scribe import Scribe, describing

LLC = 0x0004
"""What Linux calls a frame that LLC follows (ETH_P_802_2): no ethertype, since those start at 1536."""
FIRST_ETHERTYPE = 1536
TRANSPARENT_ETHERNET = 0x6558
"""The ethertype under which a whole Ethernet frame travels (RFC 7637, RFC 8926)."""

ETHERTYPES = {
    LLC: "LLC",
    0x0800: "IPv4",
    0x0806: "ARP",
    TRANSPARENT_ETHERNET: "Ethernet",
    0x8100: "802.1Q",
    0x86DD: "IPv6",
    0x880B: "PPP",
    0x8847: "MPLS",
    0x8848: "MPLS (upstream label)",
    0x8863: "PPPoE discovery",
    0x8864: "PPPoE session",
    0x88A8: "802.1ad",
    0x88BE: "ERSPAN I or II",
    0x22EB: "ERSPAN III",
    0x9100: "802.1Q (0x9100)",
}


def show_ethertype(number: int) -> str:
    return f"{ETHERTYPES[number]} (0x{number:04x})" if number in ETHERTYPES else f"0x{number:04x}"


def type_or_length(types: I64, starts: I64, ends: I64) -> tuple[I64, I64]:
    """Ethertypes with LLC for lengths, and the ends that lengths set, of payloads that start at `starts`."""
    is_length = types < FIRST_ETHERTYPE
    if not is_length.any():
        return types, ends
    return np.where(is_length, LLC, types), np.where(is_length, starts + types, ends)


def write_type_or_length(scribe: Scribe, offset: int, name: str) -> None:
    """Write the type or length field at `offset` and what it leads to."""
    number = scribe.peek(offset, 2)
    if number < FIRST_ETHERTYPE:
        scribe.number("Length", offset, 2, f"{name}.len")
        scribe.leads_to("ethertype", LLC, offset + 2, scribe.start + offset + 2 + number)
    else:
        scribe.number("Type", offset, 2, f"{name}.{'etype' if name == 'vlan' else 'type'}", show_ethertype)
        scribe.leads_to("ethertype", number, offset + 2)


def hop(question: Headers) -> Hop:
    starts = question.starts + 14
    numbers, ends = type_or_length(u16(question.octets, question.starts + 12), starts, question.ends)
    return lead(question, numbers, starts, starts > question.limits, ends=ends)


@describing("Ethernet", "eth")
def describe(scribe: Scribe) -> None:
    destination = scribe.mac("Destination", 0, "eth.dst")
    source = scribe.mac("Source", 6, "eth.src")
    scribe.summary = f"{source} > {destination}"
    write_type_or_length(scribe, 12, "eth")


DISSECTOR = Dissector(
    name="eth",
    title="Ethernet",
    keys=(("linktype", 1), ("ethertype", TRANSPARENT_ETHERNET)),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
