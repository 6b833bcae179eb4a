"""MSDP (RFC 3618 12): TLVs, each a message of its own.

A header is three octets, so a segment that begins in the middle is told from one that does not by what each type
says about its length, and by the first entry of a Source-Active message.
"""

from __future__ import annotations

from dissectors.base import Layer
from dissectors.messages import Framing, describe_messages
from dissectors.passage import Passage
from dissectors.scribe import named

HEADER_SIZE = 3
SOURCE_ACTIVE, REQUEST, RESPONSE, KEEP_ALIVE, NOTIFICATION = range(1, 6)
TYPE_NAMES = {
    SOURCE_ACTIVE: "Source-Active",
    REQUEST: "Source-Active Request",
    RESPONSE: "Source-Active Response",
    KEEP_ALIVE: "KeepAlive",
    NOTIFICATION: "Notification",
    6: "Traceroute in progress",
    7: "Traceroute reply",
}
LOOKS_BEYOND = 9
"""To the first entry's prefix length."""
MOST_OCTETS = 9192
"""RFC 3618 12.1: the longest TLV."""
_LEAST_OCTETS = {SOURCE_ACTIVE: 8, REQUEST: 8, RESPONSE: 8, KEEP_ALIVE: 3, NOTIFICATION: 5}
_MOST_OCTETS = {REQUEST: 8, KEEP_ALIVE: 3}
_ERROR_NAMES = {
    1: "Message Header Error",
    2: "SA-Request Error",
    3: "SA-Message/SA-Response Error",
    4: "Hold Timer Expired",
    5: "Finite State Machine Error",
    6: "Notification",
    7: "Cease",
}


def begins_tlv(head: bytes) -> bool:
    """Whether these octets, as many as there are of the first 12, may begin a TLV."""
    if head[0] not in TYPE_NAMES:
        return False
    if len(head) < HEADER_SIZE:
        return True
    if head[0] in (SOURCE_ACTIVE, RESPONSE) and not _begins_source_active(head):
        return False
    least, most = _LEAST_OCTETS.get(head[0], HEADER_SIZE), _MOST_OCTETS.get(head[0], MOST_OCTETS)
    return least <= _length(head) <= most


def _begins_source_active(head: bytes) -> bool:
    """RFC 3618 12.2.1: the entries fit, and a source's prefix has 32 bits."""
    if len(head) > 3 and _length(head) < 8 + 12 * head[3]:
        return False
    return len(head) < HEADER_SIZE + LOOKS_BEYOND or head[3] == 0 or head[11] == 32


def _length(head: bytes) -> int:
    return int.from_bytes(head[1:3], "big")


def write_tlv(tlv: Passage) -> None:
    """Write one TLV, whose passage is as long as its header says."""
    kind = tlv.number("Type", 1, "msdp.type", named(TYPE_NAMES))
    tlv.number("Length", 2, "msdp.length")
    tlv.label = TYPE_NAMES[kind]
    if kind in (SOURCE_ACTIVE, RESPONSE):
        _source_active(tlv)
    elif kind == REQUEST:
        tlv.number("Reserved", 1, "msdp.sa_req.res")
        tlv.value = f"group {tlv.ipv4('Group', 'msdp.sa_req.group_addr')}"
    elif kind == NOTIFICATION:
        bits = ((0x80, "Connection stays open (O)", "msdp.not.o"),)
        word = tlv.bits("Error code", 1, "msdp.not.error", bits, lambda word: named(_ERROR_NAMES)(word & 0x7F))
        subcode = tlv.number("Error subcode", 1, "msdp.not.error_sub")
        tlv.value = f"{named(_ERROR_NAMES)(word & 0x7F)}, subcode {subcode}"
        tlv.rest("Data")
    elif kind != KEEP_ALIVE:
        tlv.rest("Content", "msdp.tlv_contents")


def _source_active(tlv: Passage) -> None:
    """RFC 3618 12.2.1; behind the entries may stand the packet that the source sent."""
    count = tlv.number("Entries", 1, "msdp.sa.entry_count")
    point = tlv.ipv4("Rendezvous point", "msdp.sa.rp_addr")
    tlv.value = f"RP {point}, {count} source{'' if count == 1 else 's'}"
    for _ in range(count):
        with tlv.element("Entry", 12) as entry:
            entry.number("Reserved", 3, "msdp.sa.reserved")
            bits = entry.number("Source prefix length", 1, "msdp.sa.sprefix_len")
            group = entry.ipv4("Group", "msdp.sa.group_addr")
            source = entry.ipv4("Source", "msdp.sa.src_addr")
            entry.value = f"({source}{'' if bits == 32 else f'/{bits}'}, {group})"
    tlv.rest("Encapsulated packet")


FRAMING = Framing(
    title="Multicast Source Discovery Protocol",
    name="msdp",
    header_size=HEADER_SIZE,
    begins=begins_tlv,
    length=_length,
    write=write_tlv,
    looks_beyond=LOOKS_BEYOND,
)


def describe(octets: bytes, start: int, end: int) -> Layer:
    """The MSDP TLVs of one TCP segment."""
    return describe_messages(FRAMING, octets, start, end)
