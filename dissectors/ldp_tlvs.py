"""LDP's TLVs (RFC 5036 3.3, 3.4, and the RFCs that add to it): the name of each, and the fields of the usual ones."""

from __future__ import annotations

from collections.abc import Callable

from dissectors.bgp_families import Family, address_text
from dissectors.passage import Passage, StructureError
from dissectors.scribe import named

TLV = "ldp.msg.tlv"
NAMES = {
    0x0100: "FEC",
    0x0101: "Address list",
    0x0103: "Hop count",
    0x0104: "Path vector",
    0x0200: "Generic label",
    0x0201: "ATM label",
    0x0202: "Frame relay label",
    0x0203: "FT protection",
    0x0204: "Upstream-assigned label",
    0x0205: "Upstream-assigned label request",
    0x0206: "Entropy label capability",
    0x0300: "Status",
    0x0301: "Extended status",
    0x0302: "Returned PDU",
    0x0303: "Returned message",
    0x0304: "Returned TLVs",
    0x0400: "Common hello parameters",
    0x0401: "IPv4 transport address",
    0x0402: "Configuration sequence number",
    0x0403: "IPv6 transport address",
    0x0404: "MAC list",
    0x0405: "Cryptographic authentication",
    0x0406: "MAC flush parameters",
    0x0500: "Common session parameters",
    0x0501: "ATM session parameters",
    0x0502: "Frame relay session parameters",
    0x0503: "FT session",
    0x0504: "FT acknowledgment",
    0x0505: "FT cork",
    0x0506: "Dynamic capability announcement",
    0x0507: "Upstream label assignment capability",
    0x0508: "P2MP capability",
    0x0509: "MP2MP capability",
    0x050A: "MBB capability",
    0x050B: "Typed wildcard FEC capability",
    0x050C: "Multi-topology capability",
    0x050D: "State advertisement control capability",
    0x050E: "MRT capability",
    0x050F: "Targeted application capability",
    0x0600: "Label request message identifier",
    0x0601: "MTU",
    0x0603: "Unrecognized notification capability",
    0x0700: "ICCP capability",
    0x0701: "Dual-stack capability",
    0x0800: "Explicit route",
    0x0810: "Traffic parameters",
    0x0820: "Preemption",
    0x0821: "LSP identifier",
    0x0901: "Diff-Serv",
    0x0902: "HSMP LSP capability",
    0x096A: "Pseudowire status",
    0x096B: "Pseudowire interface parameters",
    0x096C: "Pseudowire group identifier",
    0x096D: "Pseudowire switching point PE",
    0x096E: "Bandwidth",
    0x096F: "Multipoint status",
    0x0970: "UNI service level",
    0x0972: "Multipoint node protection capability",
    0x0973: "PSN tunnel binding",
    0x0974: "Egress protection capability",
}
STATUS_NAMES = {
    0x00: "Success",
    0x01: "Bad LDP Identifier",
    0x02: "Bad Protocol Version",
    0x03: "Bad PDU Length",
    0x04: "Unknown Message Type",
    0x05: "Bad Message Length",
    0x06: "Unknown TLV",
    0x07: "Bad TLV Length",
    0x08: "Malformed TLV Value",
    0x09: "Hold Timer Expired",
    0x0A: "Shutdown",
    0x0B: "Loop Detected",
    0x0C: "Unknown FEC",
    0x0D: "No Route",
    0x0E: "No Label Resources",
    0x0F: "Label Resources / Available",
    0x10: "Session Rejected / No Hello",
    0x11: "Session Rejected / Parameters Advertisement Mode",
    0x12: "Session Rejected / Parameters Max PDU Length",
    0x13: "Session Rejected / Parameters Label Range",
    0x14: "KeepAlive Timer Expired",
    0x15: "Label Request Aborted",
    0x16: "Missing Message Parameters",
    0x17: "Unsupported Address Family",
    0x18: "Session Rejected / Bad KeepAlive Time",
    0x19: "Internal Error",
    0x1A: "No LDP Session",
    0x20: "Temporary Shutdown",
    0x24: "Illegal C-Bit",
    0x25: "Wrong C-Bit",
    0x28: "PW Status",
    0x2E: "Unsupported Capability",
    0x2F: "End-of-LIB",
    0x32: "Transport Connection Mismatch",
    0x33: "Dual-Stack Noncompliance",
    0x40: "LDP MP status",
    0x4C: "Session Rejected / Targeted Application Capability Mismatch",
}
FEC_NAMES = {
    1: "wildcard",
    2: "prefix",
    3: "host address",
    4: "CR LSP",
    5: "typed wildcard",
    6: "P2MP",
    7: "MP2MP upstream",
    8: "MP2MP downstream",
    9: "HSMP upstream",
    10: "HSMP downstream",
    128: "PWid",
    129: "generalized PWid",
    130: "P2MP PW upstream",
    131: "protection",
    132: "P2MP PW downstream",
}
FAMILY_NAMES = {1: "IPv4", 2: "IPv6"}
_LENGTHS = {1: Family(32, has_labels=False, has_distinguisher=False), 2: Family(128, False, False)}
_UNKNOWN_NAMES = (
    (0x8000, "Unknown (U)", None),
    (0x4000, "Forward unknown (F)", None),
)


def write_tlvs(passage: Passage) -> list[str]:
    """Write TLVs up to the passage's end, and give each in words."""
    shown = []
    while passage.left:
        kind = passage.peek(2) & 0x3FFF
        label = NAMES.get(kind, f"TLV 0x{kind:04x}")
        with passage.element(label, 4 + passage.peek(2, 2)) as tlv:
            tlv.bits("Type", 2, f"{TLV}.type", _UNKNOWN_NAMES, lambda word: _type_text(word & 0x3FFF))
            tlv.number("Length", 2, f"{TLV}.len")
            write = _WRITERS.get(kind)
            if write is not None:
                tlv.value = write(tlv)
            else:
                tlv.rest("Value", f"{TLV}.value")
        shown.append(f"{label} {tlv.value}".rstrip())
    return shown


def _type_text(kind: int) -> str:
    return f"{NAMES[kind]} (0x{kind:04x})" if kind in NAMES else f"0x{kind:04x}"


def _fec(tlv: Passage) -> str:
    """RFC 5036 3.4.1; elements of unknown types have no length of their own, so they take the rest."""
    shown = []
    while tlv.left:
        kind = tlv.peek(1)
        with tlv.element("FEC element", _fec_size(tlv, kind)) as element:
            element.value = FEC_NAMES.get(kind, f"type {kind}")
            element.number("Element type", 1, f"{TLV}.fec.type", named(FEC_NAMES))
            if kind in (2, 3):
                element.value = _prefix(element, kind)
            elif kind == 128:
                element.value = _pseudowire(element)
            elif kind != 1:
                element.rest("Element")
        shown.append(element.value)
    return ", ".join(shown)


def _fec_size(tlv: Passage, kind: int) -> int:
    if kind == 1:
        return 1
    if kind == 2:
        return 4 + (tlv.peek(1, 3) + 7) // 8
    if kind == 3:
        return 4 + tlv.peek(1, 3)
    if kind == 128:
        # RFC 8077 6.1.1: the length counts from the PW identifier on.
        return 8 + tlv.peek(1, 3)
    return tlv.left


def _prefix(element: Passage, kind: int) -> str:
    number = element.number("Address family", 2, f"{TLV}.fec.af", named(FAMILY_NAMES))
    length = element.number("Length", 1, f"{TLV}.fec.len")
    family = _LENGTHS.get(number)
    size = (length + 7) // 8 if kind == 2 else length
    if family is None:
        element.rest("Address")
        return f"family {number}"
    if size > family.bits // 8:
        raise StructureError(f"an address of {size} octets; {FAMILY_NAMES[number]} has {family.bits // 8}")
    address = address_text(element.peek(size).to_bytes(size, "big") if size else b"", family)
    element.field("Address", address, size, f"{TLV}.fec.{'pfval' if kind == 2 else 'hoval'}")
    return f"{address}/{length}" if kind == 2 else f"host {address}"


def _pseudowire(element: Passage) -> str:
    bits = ((0x8000, "Control word (C)", f"{TLV}.fec.pw.controlword"),)
    kind = element.bits("PW type", 2, f"{TLV}.fec.pw.pwtype", bits, lambda word: f"0x{word & 0x7FFF:04x}")
    size = element.number("PW info length", 1, f"{TLV}.fec.pw.infolength")
    element.number("Group identifier", 4, f"{TLV}.fec.pw.groupid")
    if not size:
        return f"PWid type 0x{kind & 0x7FFF:04x}, all of the group"
    identifier = element.number("PW identifier", 4, f"{TLV}.fec.pw.pwid")
    if element.left:
        element.rest("Interface parameters")
    return f"PWid {identifier} type 0x{kind & 0x7FFF:04x}"


def _address_list(tlv: Passage) -> str:
    number = tlv.number("Address family", 2, f"{TLV}.addrl.addr_family", named(FAMILY_NAMES))
    addresses = []
    while tlv.left and number in FAMILY_NAMES:
        write = tlv.ipv4 if number == 1 else tlv.ipv6
        addresses.append(write("Address", f"{TLV}.addrl.addr"))
    tlv.rest("Addresses")
    return " ".join(addresses)


def _path_vector(tlv: Passage) -> str:
    identifiers = []
    while tlv.left:
        identifiers.append(tlv.ipv4("LSR identifier", f"{TLV}.pv.lsrid"))
    return " ".join(identifiers)


def _status(tlv: Passage) -> str:
    bits = ((0x80000000, "Fatal error (E)", f"{TLV}.status.ebit"), (0x40000000, "Forward (F)", f"{TLV}.status.fbit"))
    word = tlv.bits("Status code", 4, f"{TLV}.status.data", bits, lambda word: _status_text(word & 0x3FFFFFFF))
    tlv.number("Message identifier", 4, f"{TLV}.status.msg.id")
    tlv.number("Message type", 2, f"{TLV}.status.msg.type", lambda number: f"0x{number:04x}")
    return f"{'fatal: ' if word & 0x80000000 else ''}{_status_text(word & 0x3FFFFFFF)}"


def _status_text(code: int) -> str:
    return f"{STATUS_NAMES[code]} ({code})" if code in STATUS_NAMES else f"0x{code:08x}"


def _hello(tlv: Passage) -> str:
    hold_time = tlv.number("Hold time", 2, f"{TLV}.hello.hold")
    bits = (
        (0x8000, "Targeted (T)", f"{TLV}.hello.targeted"),
        (0x4000, "Request targeted (R)", f"{TLV}.hello.requested"),
        (0x2000, "GTSM (G)", f"{TLV}.hello.gtsm"),
    )
    word = tlv.bits("Flags", 2, None, bits)
    return f"hold time {hold_time} s{', targeted' if word & 0x8000 else ''}"


def _session(tlv: Passage) -> str:
    tlv.number("Protocol version", 2, f"{TLV}.sess.ver")
    keep_alive = tlv.number("KeepAlive time", 2, f"{TLV}.sess.ka")
    bits = (
        (0x80, "Downstream on demand (A)", f"{TLV}.sess.advbit"),
        (0x40, "Loop detection (D)", f"{TLV}.sess.ldetbit"),
    )
    tlv.bits("Flags", 1, None, bits)
    tlv.number("Path vector limit", 1, f"{TLV}.sess.pvlim")
    tlv.number("Maximum PDU length", 2, f"{TLV}.sess.mxpdu")
    receiver = tlv.ipv4("Receiver LSR identifier", f"{TLV}.sess.rxlsr")
    space = tlv.number("Receiver label space", 2, f"{TLV}.sess.rxls")
    return f"keep-alive {keep_alive} s, receiver {receiver}:{space}"


def _ft_session(tlv: Passage) -> str:
    """RFC 3479 8.1, RFC 3478 2."""
    bits = (
        (0x8000, "Reconnect (R)", f"{TLV}.ft_sess.flag_r"),
        (0x0008, "Sequence numbers (S)", f"{TLV}.ft_sess.flag_s"),
        (0x0004, "All labels (A)", f"{TLV}.ft_sess.flag_a"),
        (0x0002, "Check-pointing (C)", f"{TLV}.ft_sess.flag_c"),
        (0x0001, "Learn from network (L)", f"{TLV}.ft_sess.flag_l"),
    )
    tlv.bits("Flags", 2, f"{TLV}.ft_sess.flags", bits)
    tlv.number("Reserved", 2, f"{TLV}.ft_sess.res")
    reconnect = tlv.number("Reconnect timeout", 4, f"{TLV}.ft_sess.reconn_to")
    recovery = tlv.number("Recovery time", 4, f"{TLV}.ft_sess.recovery_time")
    return f"reconnect {reconnect} ms, recovery {recovery} ms"


def _mac_list(tlv: Passage) -> str:
    count = 0
    while tlv.left:
        tlv.field("MAC address", tlv.peek(6).to_bytes(6, "big").hex(":"), 6, f"{TLV}.mac")
        count += 1
    return f"{count} addresses"


def _capability(tlv: Passage) -> str:
    """RFC 5561 3: a state bit, then what the capability defines."""
    word = tlv.bits("State", 1, None, ((0x80, "Advertised (S)", None),))
    tlv.rest("Capability data")
    return "advertised" if word & 0x80 else "withdrawn"


def _number(label: str, size: int, name: str | None) -> Callable[[Passage], str]:
    return lambda tlv: str(tlv.number(label, size, name))


_WRITERS: dict[int, Callable[[Passage], str]] = {
    0x0100: _fec,
    0x0101: _address_list,
    0x0103: _number("Hops", 1, f"{TLV}.hc.value"),
    0x0104: _path_vector,
    0x0200: _number("Label", 4, f"{TLV}.generic.label"),
    0x0203: _number("Sequence number", 4, f"{TLV}.ft_protect.sequence_num"),
    0x0300: _status,
    0x0301: _number("Extended status", 4, f"{TLV}.extstatus.data"),
    0x0400: _hello,
    0x0401: lambda tlv: tlv.ipv4("Address", f"{TLV}.ipv4.taddr"),
    0x0402: _number("Sequence number", 4, f"{TLV}.hello.cnf_seqno"),
    0x0403: lambda tlv: tlv.ipv6("Address", f"{TLV}.ipv6.taddr"),
    0x0404: _mac_list,
    0x0500: _session,
    0x0503: _ft_session,
    0x0504: _number("Sequence number", 4, f"{TLV}.ft_ack.sequence_num"),
    **dict.fromkeys((0x0506, 0x0507, 0x0508, 0x0509, 0x050A, 0x050B, 0x050D, 0x0603), _capability),
    0x0600: _number("Message identifier", 4, f"{TLV}.lbl_req_msg_id"),
}
