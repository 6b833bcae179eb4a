"""The RPKI to Router protocol (RFC 6810 5, RFC 8210 5): PDUs in versions 0, 1 and 2.

Most PDUs have one length a version, which tells a segment that begins in the middle.
"""

from __future__ import annotations

from dissectors.base import Layer
from dissectors.messages import Framing, describe_messages
from dissectors.passage import Passage
from dissectors.scribe import named

HEADER_SIZE = 8
NEWEST_VERSION = 2
SERIAL_NOTIFY, SERIAL_QUERY, RESET_QUERY, CACHE_RESPONSE, IPV4_PREFIX = range(5)
IPV6_PREFIX, END_OF_DATA, CACHE_RESET, ROUTER_KEY, ERROR_REPORT, ASPA = range(6, 12)
TYPE_NAMES = {
    SERIAL_NOTIFY: "Serial Notify",
    SERIAL_QUERY: "Serial Query",
    RESET_QUERY: "Reset Query",
    CACHE_RESPONSE: "Cache Response",
    IPV4_PREFIX: "IPv4 Prefix",
    IPV6_PREFIX: "IPv6 Prefix",
    END_OF_DATA: "End of Data",
    CACHE_RESET: "Cache Reset",
    ROUTER_KEY: "Router Key",
    ERROR_REPORT: "Error Report",
    ASPA: "ASPA",
}
_SIZES = {
    SERIAL_NOTIFY: (12, 12, 12),
    SERIAL_QUERY: (12, 12, 12),
    RESET_QUERY: (8, 8, 8),
    CACHE_RESPONSE: (8, 8, 8),
    IPV4_PREFIX: (20, 20, 20),
    IPV6_PREFIX: (32, 32, 32),
    END_OF_DATA: (12, 24, 24),
    CACHE_RESET: (8, 8, 8),
}
"""Octets of a PDU in versions 0, 1 and 2."""
_LEAST_SIZES = {ROUTER_KEY: 32, ERROR_REPORT: 16, ASPA: 12}
_MOST_OCTETS = 0xFFFF
"""For the PDUs of any length: far more than a public key, a text or a list of providers takes."""
_ERROR_NAMES = {
    0: "Corrupt Data",
    1: "Internal Error",
    2: "No Data Available",
    3: "Invalid Request",
    4: "Unsupported Protocol Version",
    5: "Unsupported PDU Type",
    6: "Withdrawal of Unknown Record",
    7: "Duplicate Announcement Received",
    8: "Unexpected Protocol Version",
}


def begins_pdu(head: bytes) -> bool:
    """Whether these octets, as many as there are of a header's 8, may begin a PDU."""
    if head[0] > NEWEST_VERSION or (len(head) > 1 and head[1] not in TYPE_NAMES):
        return False
    if len(head) < HEADER_SIZE:
        return True
    if head[1] in _SIZES:
        return _length(head) == _SIZES[head[1]][head[0]]
    return _LEAST_SIZES[head[1]] <= _length(head) <= _MOST_OCTETS


def _length(head: bytes) -> int:
    return int.from_bytes(head[4:8], "big")


def write_pdu(pdu: Passage) -> None:
    """Write one PDU, whose passage is as long as its header says."""
    version = pdu.number("Version", 1, "rpki-rtr.version")
    kind = pdu.number("PDU type", 1, "rpki-rtr.pdu_type", named(TYPE_NAMES))
    pdu.label = TYPE_NAMES[kind]
    if kind == ERROR_REPORT:
        _error_report(pdu)
    elif kind in (ROUTER_KEY, ASPA):
        # The third octet of the header is a flags field here, and the fourth is zero.
        flags = pdu.number("Flags", 1, "rpki-rtr.flags", _announcement)
        pdu.number("Reserved", 1)
        pdu.number("Length", 4, "rpki-rtr.length")
        if kind == ROUTER_KEY:
            pdu.opaque("Subject key identifier", 20, "rpki-rtr.subject_key_identifier")
            pdu.value = f"{_announcement(flags)} AS {pdu.number('AS', 4, 'rpki-rtr.as_number')}"
            pdu.rest("Public key", "rpki-rtr.subject_public_key_info")
        else:
            customer = pdu.number("Customer AS", 4)
            providers = []
            while pdu.left:
                providers.append(str(pdu.number("Provider AS", 4)))
            pdu.value = f"{_announcement(flags)} AS {customer} by {' '.join(providers)}"
    elif kind in (IPV4_PREFIX, IPV6_PREFIX):
        _prefix(pdu, kind)
    else:
        _session(pdu, kind, version)


def _session(pdu: Passage, kind: int, version: int) -> None:
    if kind in (RESET_QUERY, CACHE_RESET):
        pdu.number("Reserved", 2, "rpki-rtr.reserved")
        pdu.number("Length", 4, "rpki-rtr.length")
        return
    pdu.value = f"session {pdu.number('Session identifier', 2, 'rpki-rtr.session_id')}"
    pdu.number("Length", 4, "rpki-rtr.length")
    if kind != CACHE_RESPONSE:
        pdu.value += f", serial {pdu.number('Serial number', 4, 'rpki-rtr.serial_number')}"
    if kind == END_OF_DATA and version > 0:
        refresh = pdu.number("Refresh interval", 4, "rpki-rtr.refresh_interval")
        retry = pdu.number("Retry interval", 4, "rpki-rtr.retry_interval")
        expire = pdu.number("Expire interval", 4, "rpki-rtr.expire_interval")
        pdu.value += f", refresh {refresh} s, retry {retry} s, expire {expire} s"


def _prefix(pdu: Passage, kind: int) -> None:
    pdu.number("Reserved", 2, "rpki-rtr.reserved")
    pdu.number("Length", 4, "rpki-rtr.length")
    flags = pdu.bits("Flags", 1, "rpki-rtr.flags", ((1, "Announcement", "rpki-rtr.flags.aw"),), _announcement)
    bits = pdu.number("Prefix length", 1, "rpki-rtr.prefix_length")
    most = pdu.number("Maximum length", 1, "rpki-rtr.max_length")
    pdu.number("Reserved", 1, "rpki-rtr.reserved")
    if kind == IPV4_PREFIX:
        prefix = pdu.ipv4("Prefix", "rpki-rtr.ipv4_prefix")
    else:
        prefix = pdu.ipv6("Prefix", "rpki-rtr.ipv6_prefix")
    autonomous_system = pdu.number("AS", 4, "rpki-rtr.as_number")
    pdu.value = f"{_announcement(flags)} {prefix}/{bits}-{most} AS {autonomous_system}"


def _error_report(pdu: Passage) -> None:
    """RFC 8210 5.11: a copy of what was wrong, which may be cut, and a text."""
    code = pdu.number("Error code", 2, "rpki-rtr.error_code", named(_ERROR_NAMES))
    pdu.value = _ERROR_NAMES.get(code, f"error {code}")
    pdu.number("Length", 4, "rpki-rtr.length")
    size = pdu.number("Length of the erroneous PDU", 4, "rpki-rtr.length_pdu")
    if size:
        pdu.opaque("Erroneous PDU", size, "rpki-rtr.error_pdu")
    size = pdu.number("Length of the text", 4, "rpki-rtr.length_text")
    if size:
        pdu.value += f": {pdu.text('Text', size, 'rpki-rtr.error_text')}"


def _announcement(flags: int) -> str:
    return "announce" if flags & 1 else "withdraw"


FRAMING = Framing(
    title="RPKI to Router Protocol",
    name="rpkirtr",
    header_size=HEADER_SIZE,
    begins=begins_pdu,
    length=_length,
    write=write_pdu,
)


def describe(octets: bytes, start: int, end: int) -> Layer:
    """The RPKI to Router PDUs of one TCP segment."""
    return describe_messages(FRAMING, octets, start, end)
