"""BGP's path attributes (RFC 4271 4.3): the name of each that IANA lists, and the fields of the usual ones.

AS numbers in AS_PATH have two or four octets, as both ends' OPEN messages negotiated (RFC 6793 4.1). A lone segment
does not show that; four are taken where the segments' lengths fit it, and two where they fit only that.
"""

from __future__ import annotations

from collections.abc import Callable

from dissectors.bgp_communities import (
    write_communities,
    write_extended_communities,
    write_ipv6_extended_communities,
    write_large_communities,
)
from dissectors.bgp_families import (
    AFI_NAMES,
    EVPN,
    SAFI_NAMES,
    family_name,
    family_of,
    write_evpn_routes,
    write_next_hop,
    write_prefixes,
)
from dissectors.passage import Passage, StructureError
from dissectors.scribe import named

PREFIX = "bgp.update.path_attribute"
NAMES = {
    1: "ORIGIN",
    2: "AS_PATH",
    3: "NEXT_HOP",
    4: "MULTI_EXIT_DISC",
    5: "LOCAL_PREF",
    6: "ATOMIC_AGGREGATE",
    7: "AGGREGATOR",
    8: "COMMUNITIES",
    9: "ORIGINATOR_ID",
    10: "CLUSTER_LIST",
    11: "DPA",
    12: "ADVERTISER",
    13: "RCID_PATH / CLUSTER_ID",
    14: "MP_REACH_NLRI",
    15: "MP_UNREACH_NLRI",
    16: "EXTENDED_COMMUNITIES",
    17: "AS4_PATH",
    18: "AS4_AGGREGATOR",
    19: "SAFI_SPECIFIC_ATTRIBUTE",
    20: "CONNECTOR",
    21: "AS_PATHLIMIT",
    22: "PMSI_TUNNEL",
    23: "TUNNEL_ENCAPSULATION",
    24: "TRAFFIC_ENGINEERING",
    25: "IPV6_EXTENDED_COMMUNITIES",
    26: "AIGP",
    27: "PE_DISTINGUISHER_LABELS",
    28: "ENTROPY_LABEL_CAPABILITY",
    29: "BGP-LS",
    32: "LARGE_COMMUNITY",
    33: "BGPSEC_PATH",
    34: "COMMUNITY_CONTAINER",
    35: "ONLY_TO_CUSTOMER",
    36: "D_PATH",
    37: "SFP",
    38: "BFD_DISCRIMINATOR",
    39: "NEXT_HOP_DEPENDENT_CAPABILITIES",
    40: "PREFIX_SID",
    128: "ATTR_SET",
    255: "Development",
}
MP_REACH, MP_UNREACH = 14, 15
ORIGIN_NAMES = {0: "IGP", 1: "EGP", 2: "incomplete"}
SEGMENT_NAMES = {1: "AS_SET", 2: "AS_SEQUENCE", 3: "AS_CONFED_SEQUENCE", 4: "AS_CONFED_SET"}
_SEGMENT_BRACKETS = {1: ("{", "}"), 2: ("", ""), 3: ("(", ")"), 4: ("[", "]")}
_FLAGS = (
    (0x80, "Optional", f"{PREFIX}.flags.optional"),
    (0x40, "Transitive", f"{PREFIX}.flags.transitive"),
    (0x20, "Partial", f"{PREFIX}.flags.partial"),
    (0x10, "Extended length", f"{PREFIX}.flags.extended_length"),
)
EXTENDED_LENGTH = 0x10
_TUNNEL_NAMES = {
    0: "no tunnel",
    1: "RSVP-TE P2MP LSP",
    2: "mLDP P2MP LSP",
    3: "PIM-SSM tree",
    4: "PIM-SM tree",
    5: "BIDIR-PIM tree",
    6: "ingress replication",
    7: "mLDP MP2MP LSP",
}


def name_of(code: int) -> str:
    """The attribute's name, or its number."""
    return NAMES.get(code, f"Attribute {code}")


def write_attributes(passage: Passage) -> list[int]:
    """Write path attributes up to the passage's end, one field each, and give their type codes."""
    written = []
    while passage.left:
        written.append(_write_attribute(passage, _WRITERS))
    return written


def _write_attribute(passage: Passage, writers: dict[int, Callable[[Passage], str]]) -> int:
    length_size = 2 if passage.peek(1) & EXTENDED_LENGTH else 1
    code = passage.peek(1, 1)
    length = passage.peek(length_size, 2)
    with passage.element(name_of(code), 2 + length_size + length, PREFIX) as attribute:
        attribute.bits("Flags", 1, f"{PREFIX}.flags", _FLAGS)
        attribute.number("Type code", 1, f"{PREFIX}.type_code", lambda number: f"{name_of(number)} ({number})")
        attribute.number("Length", length_size, f"{PREFIX}.length")
        write = writers.get(code)
        if write is not None:
            attribute.value = write(attribute)
        else:
            attribute.rest("Value", f"{PREFIX}s.unknown")
    return code


def _origin(attribute: Passage) -> str:
    origin = attribute.number("Origin", 1, f"{PREFIX}.origin", named(ORIGIN_NAMES))
    return ORIGIN_NAMES.get(origin, str(origin))


def _as_path(attribute: Passage) -> str:
    size = as_number_size(attribute.remaining(), is_whole=attribute.is_whole)
    return _path_segments(attribute, size)


def _as4_path(attribute: Passage) -> str:
    return _path_segments(attribute, 4)


def _path_segments(attribute: Passage, size: int) -> str:
    shown = []
    while attribute.left:
        segment_size = 2 + size * attribute.peek(1, 1)
        with attribute.element("Path segment", segment_size, f"{PREFIX}.as_path_segment") as segment:
            kind = segment.number("Segment type", 1, f"{PREFIX}.as_path_segment.type", named(SEGMENT_NAMES))
            count = segment.number("AS numbers", 1, f"{PREFIX}.as_path_segment.length")
            name = f"{PREFIX}.as_path_segment.as{size}"
            numbers = [str(segment.number("AS", size, name)) for _ in range(count)]
            opening, closing = _SEGMENT_BRACKETS.get(kind, ("<", ">"))
            segment.value = f"{opening}{' '.join(numbers)}{closing}"
            shown.append(segment.value)
    return " ".join(shown)


def as_number_size(octets: bytes, *, is_whole: bool = True) -> int:
    """Octets of an AS number in these path segments: 4, or 2 where only that fits."""
    fits_two, fits_four = (_segments_fit(octets, size, is_whole) for size in (2, 4))
    return 2 if fits_two and not fits_four else 4


def _segments_fit(octets: bytes, size: int, is_whole: bool) -> bool:
    at = 0
    while at + 2 <= len(octets):
        kind, count = octets[at], octets[at + 1]
        if kind not in SEGMENT_NAMES or not count:
            return False
        at += 2 + size * count
    return at == len(octets) or not is_whole


def _next_hop(attribute: Passage) -> str:
    return attribute.ipv4("Next hop", f"{PREFIX}.next_hop")


def _multi_exit_disc(attribute: Passage) -> str:
    return str(attribute.number("Metric", 4, f"{PREFIX}.multi_exit_disc"))


def _local_pref(attribute: Passage) -> str:
    return str(attribute.number("Preference", 4, f"{PREFIX}.local_pref"))


def _nothing(attribute: Passage) -> str:
    return ""


def _aggregator(attribute: Passage) -> str:
    autonomous_system = attribute.number("AS", 2 if attribute.left == 6 else 4, f"{PREFIX}.aggregator_as")
    return f"AS {autonomous_system} {attribute.ipv4('Router', f'{PREFIX}.aggregator_origin')}"


def _originator_id(attribute: Passage) -> str:
    return attribute.ipv4("Originator", f"{PREFIX}.originator_id")


def _cluster_list(attribute: Passage) -> str:
    clusters = []
    while attribute.left:
        clusters.append(attribute.ipv4("Cluster", "bgp.path_attribute.cluster_id"))
    return " ".join(clusters)


def _mp_reach(attribute: Passage) -> str:
    """RFC 4760 3."""
    name = f"{PREFIX}.mp_reach_nlri"
    afi = attribute.number("AFI", 2, f"{name}.afi", named(AFI_NAMES))
    safi = attribute.number("SAFI", 1, f"{name}.safi", named(SAFI_NAMES))
    hop = write_next_hop(attribute, attribute.number("Next hop length", 1), f"{name}.next_hop")
    attribute.number("Reserved", 1, f"{name}.nbr_snpa")
    via = f" via {hop}" if hop else ""
    return f"{family_name(afi, safi)}{via}: {_routes(attribute, afi, safi, 'reach')}"


def _mp_unreach(attribute: Passage) -> str:
    """RFC 4760 4."""
    name = f"{PREFIX}.mp_unreach_nlri"
    afi = attribute.number("AFI", 2, f"{name}.afi", named(AFI_NAMES))
    safi = attribute.number("SAFI", 1, f"{name}.safi", named(SAFI_NAMES))
    if not attribute.left:
        return f"{family_name(afi, safi)}: nothing (End-of-RIB)"
    return f"{family_name(afi, safi)}: {_routes(attribute, afi, safi, 'unreach')}"


def _routes(attribute: Passage, afi: int, safi: int, direction: str) -> str:
    """Write the routes of an MP attribute, and give how many there are."""
    with attribute.element("Routes", attribute.left, f"{PREFIX}.mp_{direction}_nlri") as routes:
        family = family_of(afi, safi)
        routes.value = f"{routes.left} octets"
        if family is not None:
            ip = "ipv4" if family.bits == 32 else "ipv6"
            count = write_prefixes(routes, family, f"bgp.mp_{direction}_nlri_{ip}_prefix")
            routes.value = f"{count} prefix{'' if count == 1 else 'es'}"
        elif safi == EVPN:
            count = write_evpn_routes(routes)
            routes.value = f"{count} route{'' if count == 1 else 's'}"
        else:
            routes.rest("NLRI")
    return routes.value


def _pmsi_tunnel(attribute: Passage) -> str:
    """RFC 6514 5."""
    attribute.number("Flags", 1)
    kind = attribute.number("Tunnel type", 1, None, named(_TUNNEL_NAMES))
    label = attribute.number("MPLS label", 3, None, lambda number: str(number >> 4))
    attribute.rest("Tunnel identifier")
    return f"{_TUNNEL_NAMES.get(kind, f'type {kind}')}, label {label >> 4}"


def _aigp(attribute: Passage) -> str:
    """RFC 7311 3."""
    metrics = []
    while attribute.left:
        kind, length = attribute.peek(1), attribute.peek(2, 1)
        if length < 3:
            raise StructureError(f"a TLV of {length} octets; its type and length alone have 3")
        with attribute.element("TLV", length, f"{PREFIX}.aigp") as tlv:
            tlv.number("Type", 1, "bgp.update.attribute.aigp.type")
            tlv.number("Length", 2, "bgp.update.attribute.aigp.length")
            if kind == 1:
                metric = tlv.number("Accumulated metric", 8, "bgp.update.attribute.aigp.accu_igp_metric")
                tlv.value = f"metric {metric}"
                metrics.append(tlv.value)
            else:
                tlv.rest("Value")
    return ", ".join(metrics)


def _only_to_customer(attribute: Passage) -> str:
    """RFC 9234 5."""
    return f"AS {attribute.number('AS', 4)}"


def _attribute_set(attribute: Passage) -> str:
    """RFC 6368 5. A set inside the set is left as octets: it has no meaning, and no bottom."""
    origin = attribute.number("Origin AS", 4, f"{PREFIX}.attr_set.origin_as")
    names = []
    inner = {code: write for code, write in _WRITERS.items() if code != 128}
    while attribute.left:
        names.append(name_of(_write_attribute(attribute, inner)))
    return f"AS {origin}: {', '.join(names)}"


_WRITERS: dict[int, Callable[[Passage], str]] = {
    1: _origin,
    2: _as_path,
    3: _next_hop,
    4: _multi_exit_disc,
    5: _local_pref,
    6: _nothing,
    7: _aggregator,
    8: write_communities,
    9: _originator_id,
    10: _cluster_list,
    MP_REACH: _mp_reach,
    MP_UNREACH: _mp_unreach,
    16: write_extended_communities,
    17: _as4_path,
    18: _aggregator,
    22: _pmsi_tunnel,
    25: write_ipv6_extended_communities,
    26: _aigp,
    32: write_large_communities,
    35: _only_to_customer,
    128: _attribute_set,
}
