"""BGP-4 (RFC 4271 4): the messages of a TCP segment, each from its marker to its last octet.

A message begins with sixteen octets of ones, so the first one behind a continuation is found by them. Capabilities,
path attributes, prefixes and notifications have files of their own.
"""

from __future__ import annotations

from dissectors.base import Layer
from dissectors.bgp_attributes import MP_REACH, MP_UNREACH, name_of, write_attributes
from dissectors.bgp_capabilities import ORF_NAMES, write_capability
from dissectors.bgp_families import (
    AFI_NAMES,
    IPV6,
    PLAIN_IPV4,
    SAFI_NAMES,
    Family,
    address_text,
    family_name,
    write_prefixes,
)
from dissectors.bgp_notifications import write_notification
from dissectors.messages import Framing, describe_messages
from dissectors.passage import Passage, StructureError
from dissectors.scribe import named

MARKER = b"\xff" * 16
HEADER_SIZE = 19
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = range(1, 6)
TYPE_NAMES = {
    OPEN: "OPEN",
    UPDATE: "UPDATE",
    NOTIFICATION: "NOTIFICATION",
    KEEPALIVE: "KEEPALIVE",
    ROUTE_REFRESH: "ROUTE-REFRESH",
    6: "CAPABILITY",
    128: "ROUTE-REFRESH (Cisco)",
}
PARAMETER_NAMES = {1: "Authentication", 2: "Capabilities", 255: "Extended length"}
EXTENDED_PARAMETERS = 255
"""RFC 9072 2: as length and as type of the first parameter it says that lengths have two octets."""
REFRESH_NAMES = {0: "request", 1: "beginning of refresh", 2: "end of refresh"}
_WHEN_NAMES = {1: "immediate", 2: "defer"}
_ORF_ACTION_NAMES = {0: "add", 1: "remove", 2: "remove all"}
_ADDRESS_PREFIX_TYPES = (64, 128)


def begins_message(head: bytes) -> bool:
    """Whether these octets, as many as there are of a header's 19, may begin a message."""
    if not MARKER.startswith(head[:16]):
        return False
    return len(head) < HEADER_SIZE or _length(head) >= HEADER_SIZE


def _length(head: bytes) -> int:
    return int.from_bytes(head[16:18], "big")


def write_message(message: Passage) -> None:
    """Write one message, whose passage is as long as its header says."""
    message.opaque("Marker", 16, "bgp.marker")
    message.number("Length", 2, "bgp.length")
    kind = message.number("Type", 1, "bgp.type", named(TYPE_NAMES))
    message.label = TYPE_NAMES.get(kind, f"Unknown type {kind}")
    if kind == OPEN:
        _open(message)
    elif kind == UPDATE:
        _update(message)
    elif kind == NOTIFICATION:
        message.value = write_notification(message)
    elif kind in (ROUTE_REFRESH, 128):
        _route_refresh(message)
    elif kind != KEEPALIVE:
        message.rest("Body")


def write_one_message_inside(passage: Passage) -> str:
    """Write one whole message that another protocol carries, and give its label."""
    header = passage.peek(HEADER_SIZE).to_bytes(HEADER_SIZE, "big")
    if not begins_message(header):
        raise StructureError("no BGP message begins here")
    with passage.element("BGP message", _length(header)) as message:
        write_message(message)
    return message.label


def write_messages_inside(passage: Passage) -> list[str]:
    """Write whole messages that another protocol carries, up to the passage's end; gives their labels."""
    labels = []
    while passage.left:
        labels.append(write_one_message_inside(passage))
    return labels


def _open(message: Passage) -> None:
    """RFC 4271 4.2."""
    message.number("Version", 1, "bgp.open.version")
    autonomous_system = message.number("My AS", 2, "bgp.open.myas")
    hold_time = message.number("Hold time", 2, "bgp.open.holdtime")
    identifier = message.ipv4("BGP identifier", "bgp.open.identifier")
    message.value = f"AS {autonomous_system}, hold time {hold_time} s, identifier {identifier}"
    size = message.number("Optional parameters length", 1, "bgp.open.opt.len")
    length_size = 1
    if size == EXTENDED_PARAMETERS and message.peek(1) == EXTENDED_PARAMETERS:
        length_size = 2
        message.number("Extended length marker", 1)
        size = message.number("Extended optional parameters length", 2)
    if not size:
        return
    with message.element("Optional parameters", size, "bgp.open.opt") as parameters:
        while parameters.left:
            _parameter(parameters, length_size)
        shown = [field.value for field in parameters.fields if field.value]
        parameters.value = ", ".join(shown)


def _parameter(parameters: Passage, length_size: int) -> None:
    kind = parameters.peek(1)
    size = 1 + length_size + parameters.peek(length_size, 1)
    label = PARAMETER_NAMES.get(kind, f"Parameter {kind}")
    with parameters.element(label, size, "bgp.open.opt.param") as parameter:
        parameter.number("Type", 1, "bgp.open.opt.param.type", named(PARAMETER_NAMES))
        parameter.number("Length", length_size, "bgp.open.opt.param.len")
        if kind != 2:
            parameter.rest("Value", f"bgp.open.opt.param.{'auth' if kind == 1 else 'unknown'}")
            return
        names = []
        while parameter.left:
            names.append(write_capability(parameter))
        parameter.value = ", ".join(names)


def _update(message: Passage) -> None:
    """RFC 4271 4.3; an UPDATE that says nothing ends the initial routes of a family (RFC 4724 2)."""
    withdrawn = reached = 0
    withdrawn_size = message.number("Withdrawn routes length", 2, "bgp.update.withdrawn_routes.length")
    if withdrawn_size:
        with message.element("Withdrawn routes", withdrawn_size, "bgp.update.withdrawn_routes") as routes:
            withdrawn = write_prefixes(routes, PLAIN_IPV4, "bgp.withdrawn_prefix")
            routes.value = _prefixes(withdrawn)
    multiprotocol: list[str] = []
    attributes_size = message.number("Total path attribute length", 2, "bgp.update.path_attributes.length")
    if attributes_size:
        with message.element("Path attributes", attributes_size, "bgp.update.path_attributes") as attributes:
            codes = write_attributes(attributes)
            attributes.value = ", ".join(map(name_of, codes))
            multiprotocol = [
                f"{field.label} {field.value}"
                for code, field in zip(codes, attributes.fields, strict=True)
                if code in (MP_REACH, MP_UNREACH) and field.value
            ]
    if message.left:
        with message.element("NLRI", message.left, "bgp.update.nlri") as routes:
            reached = write_prefixes(routes, PLAIN_IPV4, "bgp.nlri_prefix")
            routes.value = _prefixes(reached)
    parts = [f"{_prefixes(reached)} reachable"] if reached else []
    parts += [f"{_prefixes(withdrawn)} withdrawn"] if withdrawn else []
    parts += multiprotocol
    is_empty = not withdrawn_size and not attributes_size and not reached
    message.value = "IPv4 unicast: nothing (End-of-RIB)" if is_empty else ", ".join(parts)


def _prefixes(count: int) -> str:
    return f"{count} prefix{'' if count == 1 else 'es'}"


def _route_refresh(message: Passage) -> None:
    """RFC 2918 3, RFC 7313 3.2; outbound route filters by RFC 5291 4."""
    afi = message.number("AFI", 2, "bgp.route_refresh.afi", named(AFI_NAMES))
    subtype = message.number("Subtype", 1, "bgp.route_refresh.subtype", named(REFRESH_NAMES))
    safi = message.number("SAFI", 1, "bgp.route_refresh.safi", named(SAFI_NAMES))
    message.value = f"{family_name(afi, safi)}, {REFRESH_NAMES.get(subtype, f'subtype {subtype}')}"
    if not message.left:
        return
    with message.element("Outbound route filter", message.left, "bgp.route_refresh.orf") as filters:
        filters.number("When to refresh", 1, "bgp.route_refresh.orf.flag", named(_WHEN_NAMES))
        while filters.left:
            kind = filters.peek(1)
            with filters.element(f"Entries: {ORF_NAMES.get(kind, f'type {kind}')}", 3 + filters.peek(2, 1)) as entries:
                entries.number("Type", 1, "bgp.route_refresh.orf.type", named(ORF_NAMES))
                entries.number("Length", 2)
                while kind in _ADDRESS_PREFIX_TYPES and entries.left:
                    _address_prefix_entry(entries, 128 if afi == IPV6 else 32)
                entries.rest("Entries")


def _address_prefix_entry(entries: Passage, bits: int) -> None:
    """RFC 5292 3."""
    action = entries.peek(1) >> 6
    prefix_octets = (entries.peek(1, 7) + 7) // 8 if action < 2 else 0
    with entries.element("Entry", 8 + prefix_octets if action < 2 else 1, "bgp.route_refresh.orf.entry") as entry:
        entry.value = _ORF_ACTION_NAMES.get(action, f"action {action}")
        match = "deny" if entry.peek(1) & 0x20 else "permit"
        entry.field("Action and match", f"{entry.value}, {match}", 1)
        if action >= 2:
            return
        entry.number("Sequence", 4, "bgp.route_refresh.orf.entry.sequence")
        least = entry.number("Minimum length", 1, "bgp.route_refresh.orf.entry.prefixmask_lower")
        most = entry.number("Maximum length", 1, "bgp.route_refresh.orf.entry.prefixmask_upper")
        length = entry.number("Prefix length", 1, "bgp.prefix_length")
        if length > bits:
            raise StructureError(f"a prefix of {length} bits; an address has {bits}")
        octets = entry.peek(prefix_octets).to_bytes(prefix_octets, "big")
        family = Family(bits, has_labels=False, has_distinguisher=False)
        address = address_text(octets, family)
        entry.field("Prefix", address, prefix_octets, "bgp.route_refresh.orf.entry.ip")
        entry.value = f"{entry.value} {match} {address}/{length} {least}-{most}"


FRAMING = Framing(
    title="Border Gateway Protocol",
    name="bgp",
    header_size=HEADER_SIZE,
    begins=begins_message,
    length=_length,
    write=write_message,
    marker=MARKER,
    continuation_name="bgp.continuation",
)


def describe(octets: bytes, start: int, end: int) -> Layer:
    """The BGP messages of one TCP segment."""
    return describe_messages(FRAMING, octets, start, end)
