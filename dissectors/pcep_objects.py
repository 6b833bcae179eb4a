"""PCEP's objects (RFC 5440 7, RFC 8231 7, RFC 8281 5): the name of each, and the fields of the usual ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from dissectors.passage import Passage, StructureError
from dissectors.scribe import named

NAMES = {
    1: "OPEN",
    2: "RP",
    3: "NO-PATH",
    4: "END-POINTS",
    5: "BANDWIDTH",
    6: "METRIC",
    7: "ERO",
    8: "RRO",
    9: "LSPA",
    10: "IRO",
    11: "SVEC",
    12: "NOTIFICATION",
    13: "PCEP-ERROR",
    14: "LOAD-BALANCING",
    15: "CLOSE",
    16: "PATH-KEY",
    17: "XRO",
    19: "MONITORING",
    20: "PCC-REQ-ID",
    21: "OF",
    22: "CLASSTYPE",
    24: "GLOBAL-CONSTRAINTS",
    25: "PCE-ID",
    26: "PROC-TIME",
    27: "OVERLOAD",
    28: "UNREACH-DESTINATION",
    29: "SERO",
    30: "SRRO",
    31: "BNC",
    32: "LSP",
    33: "SRP",
    34: "VENDOR-INFORMATION",
    35: "BU",
    36: "INTER-LAYER",
    37: "SWITCH-LAYER",
    38: "REQ-ADAP-CAP",
    39: "SERVER-IND",
    40: "ASSOCIATION",
    41: "S2LS",
    42: "WA",
    43: "FLOWSPEC",
    44: "CCI",
    45: "PATH-ATTRIB",
}
TLV_NAMES = {
    1: "NO-PATH-VECTOR",
    2: "OVERLOAD-DURATION",
    3: "REQ-MISSING",
    4: "OF-list",
    5: "Order",
    6: "P2MP-capable",
    7: "VENDOR-INFORMATION",
    14: "Domain-ID",
    16: "STATEFUL-PCE-CAPABILITY",
    17: "SYMBOLIC-PATH-NAME",
    18: "IPV4-LSP-IDENTIFIERS",
    19: "IPV6-LSP-IDENTIFIERS",
    20: "LSP-ERROR-CODE",
    21: "RSVP-ERROR-SPEC",
    23: "LSP-DB-VERSION",
    24: "SPEAKER-ENTITY-ID",
    26: "SR-PCE-CAPABILITY",
    28: "PATH-SETUP-TYPE",
    29: "OP-CONF-ASSOC-RANGE",
    30: "GLOBAL-ASSOCIATION-SOURCE",
    31: "EXTENDED-ASSOCIATION-ID",
    34: "PATH-SETUP-TYPE-CAPABILITY",
    35: "ASSOC-Type-List",
    39: "IPV4-ADDRESS",
    40: "IPV6-ADDRESS",
    54: "Bidirectional LSP association group",
    55: "TE-PATH-BINDING",
    56: "SRPOLICY-POL-NAME",
    57: "SRPOLICY-CPATH-ID",
    58: "SRPOLICY-CPATH-NAME",
    59: "SRPOLICY-CPATH-PREFERENCE",
}
ERROR_NAMES = {
    1: "session establishment failure",
    2: "capability not supported",
    3: "unknown object",
    4: "not supported object",
    5: "policy violation",
    6: "mandatory object missing",
    7: "synchronized path computation request missing",
    8: "unknown request reference",
    9: "attempt to establish a second session",
    10: "reception of an invalid object",
    19: "invalid operation",
    20: "LSP state synchronization error",
    23: "bad parameter value",
    24: "LSP instantiation error",
    26: "association error",
}
CLOSE_REASONS = {
    1: "no explanation",
    2: "dead timer expired",
    3: "malformed message",
    4: "too many unknown requests or replies",
    5: "too many unrecognized messages",
}
METRIC_NAMES = {1: "IGP", 2: "TE", 3: "hop counts"}
_SUBOBJECT_NAMES = {
    1: "IPv4 prefix",
    2: "IPv6 prefix",
    3: "label",
    4: "unnumbered interface",
    5: "SR (before its number)",
    32: "AS number",
    34: "SRLG",
    36: "SR",
    40: "SRv6",
    64: "IPv4 path key",
    65: "IPv6 path key",
}
_OBJECT_FLAGS = ((0x02, "Processing rule (P)", "pcep.obj.hdr.flags.p"), (0x01, "Ignore (I)", "pcep.obj.hdr.flags.i"))
_STATEFUL_FLAGS = (
    (0x01, "LSP update (U)", "pcep.stateful-pce-capability.lsp-update"),
    (0x02, "Include database version (S)", "pcep.sync-capability.include-db-version"),
    (0x04, "LSP instantiation (I)", "pcep.stateful-pce-capability.lsp-instantiation"),
    (0x08, "Triggered resynchronization (T)", "pcep.stateful-pce-capability.triggered-resync"),
    (0x10, "Delta synchronization (D)", "pcep.stateful-pce-capability.delta-lsp-sync"),
    (0x20, "Triggered initial synchronization (F)", "pcep.stateful-pce-capability.triggered-initial-sync"),
)
"""RFC 8231 7.1.1, RFC 8232, RFC 8281 4.1."""
_OPERATIONAL_NAMES = {0: "down", 1: "up", 2: "active", 3: "going down", 4: "going up"}


def write_object(passage: Passage) -> str:
    """Write one object (RFC 5440 7.2), and give its name."""
    kind = passage.peek(1)
    name = NAMES.get(kind, f"Object class {kind}")
    form = passage.peek(1, 1) >> 4
    length = passage.peek(2, 2)
    if length < 4:
        raise StructureError(f"{name}: {length} octets announced; an object's header has 4")
    with passage.element(name, length) as inside:
        inside.number("Class", 1, "pcep.object", named(NAMES))
        inside.bits("Type and flags", 1, "pcep.obj.hdr.flags", ((0xF0, "Type", None), *_OBJECT_FLAGS))
        inside.number("Length", 2, "pcep.object_length")
        write = _WRITERS.get((kind, form))
        if write is not None:
            inside.value = write(inside)
        else:
            inside.rest("Body")
    return name


def _tlvs(inside: Passage) -> None:
    """TLVs up to the object's end, padded to four octets each (RFC 5440 7.1)."""
    while inside.left:
        kind, length = inside.peek(2), inside.peek(2, 2)
        label = TLV_NAMES.get(kind, f"TLV {kind}")
        with inside.element(label, min(4 + length + -length % 4, max(inside.left, 4 + length))) as tlv:
            tlv.number("Type", 2, "pcep.tlv.type", named(TLV_NAMES))
            tlv.number("Length", 2, "pcep.tlv.length")
            if kind == 17 and length:
                tlv.value = tlv.text("Name", length, "pcep.tlv.symbolic-path-name")
            elif kind == 16 and length == 4:
                tlv.bits("Flags", 4, "pcep.stateful-pce-capability.flags", _STATEFUL_FLAGS)
            elif length:
                tlv.opaque("Value", length, "pcep.tlv.data")
            if tlv.left:
                tlv.opaque("Padding", tlv.left, "pcep.tlv.padding")


def _open(inside: Passage) -> str:
    """RFC 5440 7.3."""
    bits = ((0xE0, "Version", "pcep.obj.open.pcep_version"), (0x1F, "Flags", "pcep.obj.open.flags"))
    inside.bits("Version and flags", 1, None, bits)
    keep_alive = inside.number("Keepalive", 1, "pcep.obj.open.keepalive")
    dead = inside.number("Dead timer", 1, "pcep.obj.open.deadtime")
    session = inside.number("Session identifier", 1, "pcep.obj.open.sid")
    _tlvs(inside)
    return f"keepalive {keep_alive} s, dead timer {dead} s, session {session}"


def _request_parameters(inside: Passage) -> str:
    """RFC 5440 7.4."""
    inside.number("Reserved", 1, "pcep.obj.rp.reserved")
    inside.bits("Flags", 3, "pcep.obj.rp.flags", ((0x07, "Priority", "pcep.rp.flags.pri"),))
    request = inside.number("Request identifier", 4, "pcep.obj.rp.requested_id_number")
    _tlvs(inside)
    return f"request {request}"


def _endpoints_v4(inside: Passage) -> str:
    return f"{inside.ipv4('Source')} to {inside.ipv4('Destination')}"


def _endpoints_v6(inside: Passage) -> str:
    return f"{inside.ipv6('Source')} to {inside.ipv6('Destination')}"


def _bandwidth(inside: Passage) -> str:
    return _float(inside, "Bandwidth", "pcep.bandwidth") + " octets/s"


def _metric(inside: Passage) -> str:
    """RFC 5440 7.8."""
    inside.number("Reserved", 2, "pcep.obj.metric.reserved")
    bits = ((0x02, "Computed (C)", "pcep.metric.flags.c"), (0x01, "Bound (B)", "pcep.metric.flags.b"))
    inside.bits("Flags", 1, "pcep.obj.metric.flags", bits)
    kind = inside.number("Metric type", 1, "pcep.obj.metric.type", named(METRIC_NAMES))
    return f"{METRIC_NAMES.get(kind, f'type {kind}')} {_float(inside, 'Value', 'pcep.obj.metric.metric_value')}"


def _float(inside: Passage, label: str, name: str) -> str:
    text = f"{struct.unpack('!f', inside.peek(4).to_bytes(4, 'big'))[0]:g}"
    inside.field(label, text, 4, name)
    return text


def _route(inside: Passage) -> str:
    """Subobjects of an explicit or recorded route (RFC 3209 4.3.3 and 4.4.1)."""
    shown = []
    while inside.left:
        kind = inside.peek(1) & 0x7F
        label = _SUBOBJECT_NAMES.get(kind, f"subobject {kind}")
        length = inside.peek(1, 1)
        if length < 2:
            raise StructureError(f"{label}: {length} octets announced; type and length alone have 2")
        with inside.element(label, length) as hop:
            bits = ((0x80, "Loose (L)", None),)
            hop.bits("Type", 1, "pcep.subobj", bits, lambda word: named(_SUBOBJECT_NAMES)(word & 0x7F))
            hop.number("Length", 1)
            hop.value = _hop(hop, kind)
        shown.append(hop.value or label)
    return ", ".join(shown)


def _hop(hop: Passage, kind: int) -> str:
    if kind in (1, 2):
        group = "pcep.subobj.ipv4" if kind == 1 else "pcep.subobj.ipv6"
        size = 4 if kind == 1 else 16
        packed = hop.peek(size)
        address = str(IPv4Address(packed) if kind == 1 else IPv6Address(packed))
        hop.field("Address", address, size, f"{group}.ipv{4 if kind == 1 else 6}")
        bits = hop.number("Prefix length", 1, f"{group}.prefix_length")
        hop.number("Flags or padding", 1)
        return f"{address}/{bits}"
    if kind == 32 and hop.left == 2:
        return f"AS {hop.number('AS', 2, 'pcep.subobj.autonomous_sys_num.as_number')}"
    hop.rest("Content")
    return ""


def _notification(inside: Passage) -> str:
    inside.number("Reserved", 1, "pcep.obj.notification.reserved")
    inside.number("Flags", 1, "pcep.obj.notification.flags")
    kind = inside.number("Notification type", 1, "pcep.obj.notification.type")
    value = inside.number("Notification value", 1, "pcep.obj.notification.value")
    _tlvs(inside)
    return f"type {kind}, value {value}"


def _error(inside: Passage) -> str:
    """RFC 5440 7.15."""
    inside.number("Reserved", 1, "pcep.obj.error.reserved")
    inside.number("Flags", 1, "pcep.obj.error.flags")
    kind = inside.number("Error type", 1, "pcep.error.type", named(ERROR_NAMES))
    value = inside.number("Error value", 1, "pcep.error.value")
    _tlvs(inside)
    return f"{ERROR_NAMES.get(kind, f'type {kind}')}, value {value}"


def _close(inside: Passage) -> str:
    """RFC 5440 7.17."""
    inside.number("Reserved", 2, "pcep.obj.close.reserved")
    inside.number("Flags", 1, "pcep.obj.close.flags")
    reason = inside.number("Reason", 1, "pcep.obj.close.reason", named(CLOSE_REASONS))
    _tlvs(inside)
    return CLOSE_REASONS.get(reason, f"reason {reason}")


def _lsp(inside: Passage) -> str:
    """RFC 8231 7.3: twenty bits of identifier and twelve of flags."""
    bits = (
        (0xFFFFF000, "PLSP-ID", "pcep.obj.lsp.plsp-id"),
        (0x80, "Created by the PCE (C)", "pcep.obj.lsp.flags.create"),
        (0x70, "Operational (O)", "pcep.obj.lsp.flags.operational"),
        (0x08, "Administrative (A)", "pcep.obj.lsp.flags.administrative"),
        (0x04, "Remove (R)", "pcep.obj.lsp.flags.remove"),
        (0x02, "Synchronize (S)", "pcep.obj.lsp.flags.sync"),
        (0x01, "Delegate (D)", "pcep.obj.lsp.flags.delegate"),
    )
    word = inside.bits("Identifier and flags", 4, None, bits)
    _tlvs(inside)
    state = word >> 4 & 7
    return f"PLSP-ID {word >> 12}, {_OPERATIONAL_NAMES.get(state, f'state {state}')}"


def _srp(inside: Passage) -> str:
    """RFC 8231 7.2."""
    inside.bits("Flags", 4, "pcep.obj.srp.flags", ((0x01, "Remove (R)", "pcep.obj.srp.flags.remove"),))
    identifier = inside.number("SRP identifier", 4, "pcep.obj.srp.id-number")
    _tlvs(inside)
    return f"SRP-ID {identifier}"


_WRITERS: dict[tuple[int, int], Callable[[Passage], str]] = {
    (1, 1): _open,
    (2, 1): _request_parameters,
    (4, 1): _endpoints_v4,
    (4, 2): _endpoints_v6,
    (5, 1): _bandwidth,
    (5, 2): _bandwidth,
    (6, 1): _metric,
    (7, 1): _route,
    (8, 1): _route,
    (12, 1): _notification,
    (13, 1): _error,
    (15, 1): _close,
    (32, 1): _lsp,
    (33, 1): _srp,
}
