"""What BGP routes to: address families, prefixes with all that may stand before them, route distinguishers.

Two things about a prefix are negotiated in OPEN messages that a lone segment does not show. Whether a path
identifier stands before each prefix (RFC 7911 3) is therefore inferred: it does where the octets make sense only
that way. How many labels stand before it (RFC 8277 2) is told by the bottom-of-stack bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from dissectors.passage import Passage, StructureError
from dissectors.scribe import named

IPV4, IPV6 = 1, 2
UNICAST, MULTICAST, LABELED, EVPN, VPN = 1, 2, 4, 70, 128
AFI_NAMES = {
    IPV4: "IPv4",
    IPV6: "IPv6",
    25: "L2VPN",
    16384: "EIGRP common",
    16385: "EIGRP IPv4",
    16386: "EIGRP IPv6",
    16387: "LCAF",
    16388: "BGP-LS",
    16397: "Routing policy",
}
SAFI_NAMES = {
    UNICAST: "unicast",
    MULTICAST: "multicast",
    LABELED: "labeled unicast",
    5: "MCAST-VPN",
    6: "multi-segment pseudowires",
    7: "encapsulation",
    8: "MCAST-VPLS",
    9: "BGP SFC",
    64: "tunnel",
    65: "VPLS",
    66: "MDT",
    67: "4over6",
    68: "6over4",
    69: "layer-1 VPN auto-discovery",
    EVPN: "EVPN",
    71: "BGP-LS",
    72: "BGP-LS-VPN",
    73: "SR policy",
    74: "SD-WAN capabilities",
    75: "routing policy",
    76: "classful transport",
    77: "tunneled flow specification",
    78: "MCAST-TREE",
    79: "BGP-DPS",
    80: "BGP-LS-SPF",
    83: "BGP CAR",
    84: "BGP VPN CAR",
    85: "BGP-MUP",
    VPN: "VPN unicast",
    129: "VPN multicast",
    132: "route target constraint",
    133: "flow specification",
    134: "VPN flow specification",
    140: "VPN auto-discovery",
}
EVPN_ROUTE_NAMES = {
    1: "Ethernet auto-discovery",
    2: "MAC/IP advertisement",
    3: "inclusive multicast Ethernet tag",
    4: "Ethernet segment",
    5: "IP prefix",
    6: "selective multicast Ethernet tag",
    7: "multicast membership report synch",
    8: "multicast leave synch",
    9: "per-region I-PMSI",
    10: "S-PMSI",
    11: "leaf",
}
WITHDRAWN_LABELS = (0x800000, 0)
"""RFC 8277 2.4, and what implementations of RFC 3107 send: the label field of a withdrawn route."""


@dataclass(frozen=True, slots=True)
class Family:
    """An address family whose routes are prefixes."""

    bits: int
    """Of an address."""
    has_labels: bool
    has_distinguisher: bool


def family_of(afi: int, safi: int) -> Family | None:
    """The family of (AFI, SAFI), where its routes are IPv4 or IPv6 prefixes; None for any other."""
    if afi not in (IPV4, IPV6) or safi not in (UNICAST, MULTICAST, LABELED, VPN, 129):
        return None
    return Family(32 if afi == IPV4 else 128, safi in (LABELED, VPN, 129), safi in (VPN, 129))


PLAIN_IPV4 = Family(32, has_labels=False, has_distinguisher=False)


def family_name(afi: int, safi: int) -> str:
    """The family in words: "IPv4 unicast"."""
    return f"{AFI_NAMES.get(afi, f'AFI {afi}')} {SAFI_NAMES.get(safi, f'SAFI {safi}')}"


def write_family(passage: Passage, name: str | None, *, reserved: bool = False) -> str:
    """Write an AFI and a SAFI, in Wireshark `name`.afi and `name`.safi; gives the family in words."""
    afi = passage.number("AFI", 2, name and f"{name}.afi", named(AFI_NAMES))
    if reserved:
        passage.number("Reserved", 1, "bgp.cap.reserved")
    safi = passage.number("SAFI", 1, name and f"{name}.safi", named(SAFI_NAMES))
    return family_name(afi, safi)


def write_prefixes(passage: Passage, family: Family, name: str) -> int:
    """Write prefixes up to the passage's end, each under Wireshark's field `name`; gives how many there are."""
    count = 0
    with_identifiers = has_path_identifiers(passage.remaining(), family, is_whole=passage.is_whole)
    while passage.left:
        identifier_size = 4 if with_identifiers else 0
        size = identifier_size + 1 + _octets(passage.peek(1, identifier_size))
        with passage.element("Prefix", size) as prefix:
            _write_prefix(prefix, family, name, identifier_size)
        count += 1
    return count


def _write_prefix(prefix: Passage, family: Family, name: str, identifier_size: int) -> None:
    suffix = ""
    if identifier_size:
        suffix = f" path {prefix.number('Path identifier', 4, 'bgp.nlri_path_id')}"
    bits = prefix.number("Prefix length", 1, "bgp.prefix_length")
    if family.has_labels:
        sizes = _label_sizes(prefix.remaining(), bits)
        if sizes is None:
            raise StructureError(f"the labels do not fit a length of {bits} bits")
        labels = [prefix.peek(3, skip) >> 4 for skip in range(0, sizes, 3)]
        suffix += f" label {'/'.join(map(str, labels))}"
        prefix.field("Label stack", "/".join(map(str, labels)), sizes, "bgp.label_stack")
        bits -= sizes * 8
    before = ""
    if family.has_distinguisher:
        before = f"{write_distinguisher(prefix, 'bgp.rd')} "
        bits -= 64
    if not 0 <= bits <= family.bits:
        raise StructureError(f"a prefix of {bits} bits; an address has {family.bits}")
    octets = _octets(bits)
    address = address_text(prefix.peek(octets).to_bytes(octets, "big") if octets else b"", family)
    prefix.field("Prefix", address, octets, name)
    prefix.value = f"{before}{address}/{bits}{suffix}"


def write_distinguisher(passage: Passage, name: str) -> str:
    """Write a route distinguisher (RFC 4364 4.2), and give it."""
    kind = passage.peek(2)
    if kind == 1:
        text = f"{IPv4Address(passage.peek(4, 2))}:{passage.peek(2, 6)}"
    elif kind in (0, 2):
        size = 2 if kind == 0 else 4
        text = f"{passage.peek(size, 2)}:{passage.peek(6 - size, 2 + size)}"
    else:
        text = f"type {kind} 0x{passage.peek(6, 2):012x}"
    passage.field("Route distinguisher", text, 8, name)
    return text


def write_evpn_routes(passage: Passage) -> int:
    """Write EVPN routes (RFC 7432 7) with their type's name and route distinguisher; gives how many there are."""
    count = 0
    while passage.left:
        kind = passage.peek(1)
        with passage.element("EVPN route", 2 + passage.peek(1, 1), "bgp.evpn.nlri") as route:
            route.value = EVPN_ROUTE_NAMES.get(kind, f"type {kind}")
            route.number("Route type", 1, "bgp.evpn.nlri.rt", named(EVPN_ROUTE_NAMES))
            route.number("Length", 1, "bgp.evpn.nlri.len")
            if kind in EVPN_ROUTE_NAMES:
                route.value += f" {write_distinguisher(route, 'bgp.evpn.nlri.rd')}"
            route.rest("Route")
        count += 1
    return count


def write_next_hop(passage: Passage, size: int, name: str) -> str:
    """Write a next hop of `size` octets (RFC 4760 3, 2545 3, 4659 3.2.1, 8950 3), and give it."""
    with passage.element("Next hop", size, name) as hop:
        addresses: list[str] = []
        stride = {12: 12, 24: 24, 48: 24}.get(size)
        while hop.left >= 4 and (stride or size in (4, 16, 32)):
            if stride:
                write_distinguisher(hop, f"{name}.rd")
            is_ipv4 = size in (4, 12)
            is_second = not is_ipv4 and bool(addresses)
            if is_ipv4:
                addresses.append(hop.ipv4("IPv4 address", f"{name}.ipv4"))
            elif is_second:
                addresses.append(hop.ipv6("Link-local address", f"{name}.ipv6.link_local"))
            else:
                addresses.append(hop.ipv6("IPv6 address", f"{name}.ipv6"))
        hop.value = " ".join(addresses)
        if not addresses:
            hop.rest("Address")
    return hop.value


def address_text(octets: bytes, family: Family) -> str:
    """The address whose first octets these are."""
    if family.bits == 32:
        return str(IPv4Address(octets.ljust(4, b"\0")))
    return str(IPv6Address(octets.ljust(16, b"\0")))


def has_path_identifiers(octets: bytes, family: Family, *, is_whole: bool = True) -> bool:
    """Whether these prefixes make sense only with a path identifier before each (RFC 7911 3)."""
    return not _fits(octets, family, 0, is_whole) and _fits(octets, family, 4, is_whole)


def _fits(octets: bytes, family: Family, identifier_size: int, is_whole: bool) -> bool:
    """Whether the octets are prefixes that a router would send: no bits behind a prefix's length, and no default
    route among others (the zeros that path identifiers begin with would be such).
    """
    at = count = defaults = 0
    while at < len(octets):
        at += identifier_size
        if at >= len(octets):
            return not is_whole
        bits = octets[at]
        behind = at + 1 + _octets(bits)
        if behind > len(octets):
            return not is_whole and bits <= family.bits + 64 + 24 * 8
        body = octets[at + 1 : behind]
        if family.has_labels:
            size = _label_sizes(body, bits)
            if size is None:
                return False
            body, bits = body[size:], bits - 8 * size
        if family.has_distinguisher:
            body, bits = body[8:], bits - 64
        if not 0 <= bits <= family.bits or (bits % 8 and body[-1] & (0xFF >> bits % 8)):
            return False
        defaults += bits == 0 and not family.has_distinguisher
        count += 1
        at = behind
    return not defaults or count == 1


def _label_sizes(octets: bytes, bits: int) -> int | None:
    """Octets of the label stack at the front of `octets`; None where it does not end within `bits`."""
    size = 0
    while size + 3 <= len(octets) and (size + 3) * 8 <= bits:
        label = int.from_bytes(octets[size : size + 3], "big")
        size += 3
        if label & 1 or (size == 3 and label in WITHDRAWN_LABELS):
            return size
    return None


def _octets(bits: int) -> int:
    return (bits + 7) // 8
