"""BGP's communities in words: standard (RFC 1997), extended (RFC 4360, 5668, 7153), large (RFC 8092)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from dissectors.passage import Passage
from dissectors.scribe import hexadecimal, named

WELL_KNOWN = {
    0xFFFF0000: "GRACEFUL_SHUTDOWN",
    0xFFFF0001: "ACCEPT_OWN",
    0xFFFF0002: "ROUTE_FILTER_TRANSLATED_v4",
    0xFFFF0003: "ROUTE_FILTER_v4",
    0xFFFF0004: "ROUTE_FILTER_TRANSLATED_v6",
    0xFFFF0005: "ROUTE_FILTER_v6",
    0xFFFF0006: "LLGR_STALE",
    0xFFFF0007: "NO_LLGR",
    0xFFFF0008: "accept-own-nexthop",
    0xFFFF0009: "Standby PE",
    0xFFFF029A: "BLACKHOLE",
    0xFFFFFF01: "NO_EXPORT",
    0xFFFFFF02: "NO_ADVERTISE",
    0xFFFFFF03: "NO_EXPORT_SUBCONFED",
    0xFFFFFF04: "NOPEER",
}
TWO_OCTET_AS, ADDRESS, FOUR_OCTET_AS = range(3)
GENERIC_ADDRESS, GENERIC_FOUR_OCTET_AS = 0x81, 0x82
TYPE_NAMES = {
    0x00: "2-octet AS",
    0x01: "IPv4 address",
    0x02: "4-octet AS",
    0x03: "opaque",
    0x04: "QoS marking",
    0x05: "CoS capability",
    0x06: "EVPN",
    0x07: "flow specification, transitive",
    0x08: "flow specification redirect to next hop",
    0x40: "2-octet AS, non-transitive",
    0x41: "IPv4 address, non-transitive",
    0x42: "4-octet AS, non-transitive",
    0x43: "opaque, non-transitive",
    0x44: "QoS marking, non-transitive",
    0x80: "generic",
    0x81: "generic, IPv4 address",
    0x82: "generic, 4-octet AS",
    0x88: "EIGRP",
}
_ADMINISTERED = {
    0x02: "route target",
    0x03: "route origin",
    0x04: "generic",
    0x05: "OSPF domain",
    0x07: "OSPF router",
    0x08: "data collection",
    0x09: "source AS",
    0x0A: "L2VPN",
    0x0B: "VRF route import",
    0x10: "VPN",
}
"""Subtypes of the three forms of "administrator : number"."""
_SUBTYPES = {
    (0x03, 0x01): "cost",
    (0x03, 0x06): "OSPF route type",
    (0x03, 0x0B): "color",
    (0x03, 0x0C): "encapsulation",
    (0x03, 0x0D): "default gateway",
    (0x06, 0x00): "MAC mobility",
    (0x06, 0x01): "ESI label",
    (0x06, 0x02): "ES import",
    (0x06, 0x03): "router MAC",
    (0x06, 0x04): "layer 2 attributes",
    (0x06, 0x05): "E-Tree",
    (0x06, 0x06): "DF election",
    (0x40, 0x04): "link bandwidth",
    (0x43, 0x00): "origin validation",
    (0x80, 0x00): "OSPF route type",
    (0x80, 0x01): "OSPF router",
    (0x80, 0x05): "OSPF domain",
    (0x80, 0x06): "flow rate in octets",
    (0x80, 0x07): "flow action",
    (0x80, 0x08): "flow redirect",
    (0x80, 0x09): "flow marking",
    (0x80, 0x0A): "layer 2 info",
    (0x80, 0x0C): "flow rate in packets",
    (0x81, 0x08): "flow redirect",
    (0x82, 0x08): "flow redirect",
}
_SUBTYPE_FIELDS = {
    0x00: "bgp.ext_com.stype_tr_as2",
    0x01: "bgp.ext_com.stype_tr_IP4",
    0x02: "bgp.ext_com.stype_tr_as4",
    0x03: "bgp.ext_com.stype_tr_opaque",
    0x06: "bgp.ext_com.stype_tr_evpn",
    0x40: "bgp.ext_com.stype_ntr_as2",
    0x41: "bgp.ext_com.stype_ntr_IP4",
    0x42: "bgp.ext_com.stype_ntr_as4",
    0x43: "bgp.ext_com.stype_ntr_opaque",
    0x80: "bgp.ext_com.stype_tr_exp",
    0x81: "bgp.ext_com.stype_tr_exp_2",
    0x82: "bgp.ext_com.stype_tr_exp_3",
}
_VALIDATION_STATES = {0: "valid", 1: "not found", 2: "invalid"}
_TUNNELS = {
    1: "L2TPv3",
    2: "GRE",
    7: "IP in IP",
    8: "VXLAN",
    9: "NVGRE",
    10: "MPLS",
    11: "MPLS in GRE",
    12: "VXLAN GPE",
}


def community_text(number: int) -> str:
    """A standard community: its well-known name, or "65000:100"."""
    return WELL_KNOWN.get(number, f"{number >> 16}:{number & 0xFFFF}")


def extended_text(octets: bytes) -> str:
    """An extended community of 8 octets in words: "route target 65000:100"."""
    kind, subtype = octets[0], octets[1]
    value = octets[2:8]
    form = _form(kind)
    named_type = _SUBTYPES.get((kind, subtype))
    if (kind, subtype) == (0x40, 0x04):
        autonomous_system, octets_a_second = struct.unpack("!Hf", value)
        return f"{named_type} {autonomous_system}:{octets_a_second:g} octets/s"
    if (kind, subtype) in ((0x80, 0x06), (0x80, 0x0C)):
        return f"{named_type} {struct.unpack('!Hf', value)[1]:g}/s"
    if (kind, subtype) == (0x03, 0x0B):
        return f"color {int.from_bytes(value[2:], 'big')}"
    if (kind, subtype) == (0x03, 0x0C):
        tunnel = int.from_bytes(value[4:], "big")
        return f"encapsulation {_TUNNELS.get(tunnel, tunnel)}"
    if (kind, subtype) == (0x43, 0x00):
        return f"origin validation {_VALIDATION_STATES.get(value[5], value[5])}"
    if form in (TWO_OCTET_AS, ADDRESS, FOUR_OCTET_AS) or (kind, subtype) == (0x80, 0x08):
        what = named_type or _ADMINISTERED.get(subtype, f"subtype {subtype}")
        return f"{what} {_administered(value, form)}"
    what = named_type or f"{TYPE_NAMES.get(kind, f'type {kind}')} subtype {subtype}"
    return f"{what} 0x{value.hex()}"


def _form(kind: int) -> int:
    """Which of the three forms of "administrator : number" a type's value has, or another type's number."""
    return {GENERIC_ADDRESS: ADDRESS, GENERIC_FOUR_OCTET_AS: FOUR_OCTET_AS}.get(kind, kind & ~0x40)


def _administered(value: bytes, form: int) -> str:
    if form == ADDRESS:
        return f"{IPv4Address(value[:4])}:{int.from_bytes(value[4:], 'big')}"
    split = 4 if form == FOUR_OCTET_AS else 2
    return f"{int.from_bytes(value[:split], 'big')}:{int.from_bytes(value[split:], 'big')}"


def write_communities(passage: Passage) -> str:
    """Write standard communities up to the passage's end, and give them in words."""
    shown = []
    while passage.left:
        text = community_text(passage.peek(4))
        with passage.element("Community", 4, "bgp.update.path_attribute.community") as community:
            community.value = text
            if passage.peek(4) in WELL_KNOWN:
                name = "bgp.update.path_attribute.community_wellknown"
                community.number("Well-known", 4, name, hexadecimal(8))
            else:
                community.number("AS", 2, "bgp.update.path_attribute.community_as")
                community.number("Number", 2, "bgp.update.path_attribute.community_value")
        shown.append(text)
    return " ".join(shown)


def write_extended_communities(passage: Passage) -> str:
    """Write extended communities up to the passage's end, and give them in words."""
    shown = []
    while passage.left:
        text = extended_text(passage.peek(8).to_bytes(8, "big"))
        with passage.element("Extended community", 8, "bgp.ext_community") as community:
            community.value = text
            kind = community.number("Type", 1, "bgp.ext_com.type", named(TYPE_NAMES))
            community.number("Subtype", 1, _SUBTYPE_FIELDS.get(kind))
            _write_value(community, _form(kind))
        shown.append(text)
    return ", ".join(shown)


def _write_value(community: Passage, form: int) -> None:
    if form == ADDRESS:
        community.ipv4("IPv4 address", "bgp.ext_com.value_IP4")
        community.number("Number", 2, "bgp.ext_com.value_an2")
    elif form == FOUR_OCTET_AS:
        community.number("AS", 4, "bgp.ext_com.value_as4")
        community.number("Number", 2, "bgp.ext_com.value_an2")
    elif form == TWO_OCTET_AS:
        community.number("AS", 2, "bgp.ext_com.value_as2")
        community.number("Number", 4, "bgp.ext_com.value_an4")
    else:
        community.opaque("Value", 6, "bgp.ext_com.value_raw")


def write_ipv6_extended_communities(passage: Passage) -> str:
    """Write IPv6 address specific extended communities (RFC 5701) up to the passage's end; gives them in words."""
    shown = []
    while passage.left:
        with passage.element("Extended community", 20) as community:
            community.number("Type", 1, None, named({0: "transitive", 0x40: "non-transitive"}))
            subtype = community.number("Subtype", 1, None, named(_ADMINISTERED))
            address = IPv6Address(community.peek(16))
            community.ipv6("IPv6 address")
            number = community.number("Number", 2)
            community.value = f"{_ADMINISTERED.get(subtype, f'subtype {subtype}')} [{address}]:{number}"
            shown.append(community.value)
    return ", ".join(shown)


def write_large_communities(passage: Passage) -> str:
    """Write large communities up to the passage's end, and give them in words."""
    shown = []
    while passage.left:
        with passage.element("Large community", 12, "bgp.large_communities") as community:
            parts = [
                community.number(label, 4, f"bgp.large_communities.{name}")
                for label, name in (("Global administrator", "ga"), ("Local data 1", "ldp1"), ("Local data 2", "ldp2"))
            ]
            community.value = ":".join(map(str, parts))
            shown.append(community.value)
    return " ".join(shown)
