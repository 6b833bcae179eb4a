"""BMP version 3 (RFC 7854 4, RFC 8671, RFC 9069): what a router tells of its BGP peers, BGP messages inside."""

from __future__ import annotations

from datetime import UTC, datetime

from dissectors.base import Layer
from dissectors.bgp import write_messages_inside, write_one_message_inside
from dissectors.bgp_families import write_family
from dissectors.bgp_notifications import error_text
from dissectors.messages import Framing, describe_messages
from dissectors.passage import Passage
from dissectors.scribe import named

HEADER_SIZE = 6
VERSION = 3
ROUTE_MONITORING, STATISTICS, PEER_DOWN, PEER_UP, INITIATION, TERMINATION, ROUTE_MIRRORING = range(7)
TYPE_NAMES = {
    ROUTE_MONITORING: "Route Monitoring",
    STATISTICS: "Statistics Report",
    PEER_DOWN: "Peer Down",
    PEER_UP: "Peer Up",
    INITIATION: "Initiation",
    TERMINATION: "Termination",
    ROUTE_MIRRORING: "Route Mirroring",
}
PEER_HEADER_SIZE = 42
_LEAST_BODIES = {
    ROUTE_MONITORING: PEER_HEADER_SIZE,
    STATISTICS: PEER_HEADER_SIZE + 4,
    PEER_DOWN: PEER_HEADER_SIZE + 1,
    PEER_UP: PEER_HEADER_SIZE + 20,
    ROUTE_MIRRORING: PEER_HEADER_SIZE,
}
MOST_OCTETS = 1 << 20
"""Far more than two extended BGP messages and their headers, and far less than four random octets mostly say."""
LOC_RIB_PEER = 3
_PEER_NAMES = {0: "global instance", 1: "RD instance", 2: "local instance", LOC_RIB_PEER: "Loc-RIB instance"}
_IPV6 = 0x80
_PEER_FLAGS = (
    (_IPV6, "IPv6 (V)", "bmp.peer.flags.ipv6"),
    (0x40, "Post-policy (L)", "bmp.peer.flags.post_policy"),
    (0x20, "2-octet AS_PATH (A)", "bmp.peer.flags.as_path"),
    (0x10, "Adj-RIB-Out (O)", "bmp.peer.flags.adj_rib_out"),
)
_LOC_RIB_FLAGS = ((0x80, "Filtered (F)", "bmp.peer.flags.loc_rib"),)
_INFORMATION_NAMES = {0: "String", 1: "sysDescr", 2: "sysName", 3: "VRF/table name", 4: "Admin label"}
_TERMINATION_NAMES = {0: "String", 1: "Reason"}
_TERMINATION_REASONS = {
    0: "administratively closed",
    1: "unspecified",
    2: "out of resources",
    3: "redundant connection",
    4: "permanently administratively closed",
}
_DOWN_REASONS = {
    1: "local system closed with a notification",
    2: "local system closed without a notification",
    3: "remote system closed with a notification",
    4: "remote system closed without a notification",
    5: "peer is no longer monitored",
    6: "local system closed, TLVs follow",
}
_STATISTICS = {
    0: ("prefixes rejected by policy", "prefix_rej"),
    1: ("duplicate prefix advertisements", "prefix_dup"),
    2: ("duplicate withdraws", "withdraw_dup"),
    3: ("updates with a CLUSTER_LIST loop", "cluster_loop"),
    4: ("updates with an AS_PATH loop", "as_loop"),
    5: ("updates with our ORIGINATOR_ID", "inv_originator"),
    6: ("updates with an AS_CONFED loop", "as_confed_loop"),
    7: ("routes in Adj-RIBs-In", "routes_adj_rib_in"),
    8: ("routes in Loc-RIB", "routes_loc_rib"),
    9: ("routes in one Adj-RIB-In", "routes_per_adj_rib_in"),
    10: ("routes in one Loc-RIB", "routes_per_loc_rib"),
    11: ("updates treated as withdraw", "update_treat"),
    12: ("prefixes treated as withdraw", "prefixes_treat"),
    13: ("duplicate updates", "duplicate_update"),
    14: ("routes in pre-policy Adj-RIB-Out", "routes_pre_adj_rib_out"),
    15: ("routes in post-policy Adj-RIB-Out", "routes_post_adj_rib_out"),
    16: ("routes in one pre-policy Adj-RIB-Out", "routes_pre_per_adj_rib_out"),
    17: ("routes in one post-policy Adj-RIB-Out", "routes_post_per_adj_rib_out"),
}
_MIRRORING_NAMES = {0: "BGP message", 1: "Information"}
_MIRRORING_REASONS = {0: "errored PDU", 1: "messages lost"}


def begins_message(head: bytes) -> bool:
    """Whether these octets, as many as there are of a common header's 6, may begin a message."""
    if head[0] != VERSION:
        return False
    if len(head) < HEADER_SIZE:
        return True
    return head[5] in TYPE_NAMES and HEADER_SIZE + _LEAST_BODIES.get(head[5], 0) <= _length(head) <= MOST_OCTETS


def _length(head: bytes) -> int:
    return int.from_bytes(head[1:5], "big")


def write_message(message: Passage) -> None:
    """Write one message, whose passage is as long as its header says."""
    message.number("Version", 1, "bmp.version")
    message.number("Length", 4, "bmp.length")
    kind = message.number("Type", 1, "bmp.type", named(TYPE_NAMES))
    message.label = TYPE_NAMES[kind]
    if kind in (INITIATION, TERMINATION):
        _information(message, kind)
        return
    peer, is_ipv6 = _peer_header(message)
    message.value = peer
    if kind == ROUTE_MONITORING:
        message.value = f"{peer}: {', '.join(write_messages_inside(message))}"
    elif kind == STATISTICS:
        _statistics(message)
    elif kind == PEER_DOWN:
        message.value = f"{peer}: {_peer_down(message)}"
    elif kind == PEER_UP:
        _peer_up(message, is_ipv6)
    else:
        _mirroring(message)


def _peer_header(message: Passage) -> tuple[str, bool]:
    """RFC 7854 4.2. Gives the peer in words, and whether its addresses are IPv6."""
    with message.element("Per-peer header", PEER_HEADER_SIZE, "bmp.peer.header") as peer:
        kind = peer.number("Peer type", 1, "bmp.peer.type", named(_PEER_NAMES))
        is_local = kind == LOC_RIB_PEER
        word = peer.bits("Flags", 1, "bmp.peer.flags", _LOC_RIB_FLAGS if is_local else _PEER_FLAGS)
        is_ipv6 = bool(word & _IPV6) and not is_local
        peer.opaque("Peer distinguisher", 8, "bmp.peer.distinguisher")
        address = _address(peer, "Peer address", is_ipv6, "bmp.peer")
        autonomous_system = peer.number("Peer AS", 4, "bmp.peer.asn")
        identifier = peer.ipv4("Peer BGP identifier", "bmp.peer.id")
        peer.number("Time, seconds", 4, "bmp.peer.timestamp.sec", _moment)
        peer.number("Time, microseconds", 4, "bmp.peer.timestamp.msec")
        peer.value = f"Loc-RIB of {identifier}" if is_local else f"{address} AS {autonomous_system}"
    return peer.value, is_ipv6


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ} ({seconds})" if seconds else "0"


def _address(passage: Passage, label: str, is_ipv6: bool, name: str) -> str:
    """Sixteen octets; an IPv4 address has the last four."""
    if is_ipv6:
        return passage.ipv6(label, f"{name}.ipv6.addr")
    passage.opaque("Unused", 12, "bmp.unused")
    return passage.ipv4(label, f"{name}.ip.addr")


def _information(passage: Passage, kind: int) -> None:
    """RFC 7854 4.3 to 4.5: TLVs of text; of a termination one is a reason."""
    is_end = kind == TERMINATION
    names, group = (_TERMINATION_NAMES, "term") if is_end else (_INFORMATION_NAMES, "init")
    shown = []
    while passage.left:
        number = passage.peek(2)
        with passage.element(names.get(number, f"TLV {number}"), 4 + passage.peek(2, 2)) as tlv:
            tlv.number("Type", 2, f"bmp.{group}.type", named(names))
            size = tlv.number("Length", 2, f"bmp.{group}.length")
            if is_end and number == 1:
                reason = tlv.number("Reason", 2, "bmp.term.reason", named(_TERMINATION_REASONS))
                tlv.value = _TERMINATION_REASONS.get(reason, str(reason))
            elif size:
                tlv.value = tlv.text("Information", size, f"bmp.{group}.info")
        shown.append(f"{tlv.label} {tlv.value}")
    passage.value = "; ".join(filter(None, (passage.value, *shown)))


def _statistics(message: Passage) -> None:
    """RFC 7854 4.8, RFC 8671 6: counters of 4 octets, gauges of 8, and gauges of one family of 11."""
    shown = []
    for _ in range(message.number("Statistics", 4, "bmp.stats.count")):
        kind = message.peek(2)
        label, name = _STATISTICS.get(kind, (f"statistic {kind}", ""))
        with message.element(label, 4 + message.peek(2, 2)) as entry:
            entry.number("Type", 2, "bmp.stats.type")
            size = entry.number("Length", 2, "bmp.stats.length")
            field_name = f"bmp.stats.data.{name}" if name else "bmp.stats.data"
            if size == 11:
                family = write_family(entry, field_name if name else None)
                entry.value = f"{family} {entry.number('Value', 8, field_name)}"
            elif size in (4, 8):
                entry.value = str(entry.number("Value", size, field_name))
            else:
                entry.rest("Value", "bmp.stats.data")
        shown.append(f"{label} {entry.value}")
    message.value = f"{message.value}: {', '.join(shown)}"


def _peer_down(message: Passage) -> str:
    """RFC 7854 4.9."""
    reason = message.number("Reason", 1, "bmp.peer.down.reason", named(_DOWN_REASONS))
    said = _DOWN_REASONS.get(reason, f"reason {reason}")
    if reason in (1, 3):
        # The notification's code and subcode are the two octets behind the header that it begins with.
        code, subcode = message.peek(1, 19), message.peek(1, 20)
        write_one_message_inside(message)
        return f"{said}, {error_text(code, subcode)}"
    if reason == 2:
        return f"{said}, event {message.number('Event of the state machine', 2)}"
    if reason == 6:
        _information(message, INITIATION)
        return said
    message.rest("Data", "bmp.peer.down.data")
    return said


def _peer_up(message: Passage, is_ipv6: bool) -> None:
    """RFC 7854 4.10: the local end, and the OPEN messages sent and received."""
    local = _address(message, "Local address", is_ipv6, "bmp.peer.up")
    port = message.number("Local port", 2, "bmp.peer.up.port.local")
    remote_port = message.number("Remote port", 2, "bmp.peer.up.port.remote")
    message.value += f" port {remote_port}, local {local} port {port}"
    write_one_message_inside(message)
    write_one_message_inside(message)
    _information(message, INITIATION)


def _mirroring(message: Passage) -> None:
    """RFC 7854 4.7."""
    shown = []
    while message.left:
        kind = message.peek(2)
        with message.element(_MIRRORING_NAMES.get(kind, f"TLV {kind}"), 4 + message.peek(2, 2)) as tlv:
            tlv.number("Type", 2, None, named(_MIRRORING_NAMES))
            tlv.number("Length", 2)
            if kind == 0:
                tlv.value = ", ".join(write_messages_inside(tlv))
            elif kind == 1:
                reason = tlv.number("Reason", 2, None, named(_MIRRORING_REASONS))
                tlv.value = _MIRRORING_REASONS.get(reason, str(reason))
            else:
                tlv.rest("Value")
        shown.append(tlv.value or tlv.label)
    message.value = f"{message.value}: {', '.join(shown)}"


FRAMING = Framing(
    title="BGP Monitoring Protocol",
    name="bmp",
    header_size=HEADER_SIZE,
    begins=begins_message,
    length=_length,
    write=write_message,
)


def describe(octets: bytes, start: int, end: int) -> Layer:
    """The BMP messages of one TCP segment."""
    return describe_messages(FRAMING, octets, start, end)
