"""LDP (RFC 5036 3.1 to 3.5): PDUs, each with the messages that share its LDP identifier."""

from __future__ import annotations

from dissectors.base import Layer
from dissectors.ldp_tlvs import write_tlvs
from dissectors.messages import Framing, describe_messages
from dissectors.passage import Passage

HEADER_SIZE = 14
"""Of a PDU and the first message's type and length, which tell a PDU from octets that happen to begin with 1."""
VERSION = 1
VENDOR_PRIVATE, EXPERIMENTAL = range(0x3E00, 0x3F00), range(0x3F00, 0x4000)
NAMES = {
    0x0001: "Notification",
    0x0100: "Hello",
    0x0200: "Initialization",
    0x0201: "KeepAlive",
    0x0202: "Capability",
    0x0300: "Address",
    0x0301: "Address Withdraw",
    0x0400: "Label Mapping",
    0x0401: "Label Request",
    0x0402: "Label Withdraw",
    0x0403: "Label Release",
    0x0404: "Label Abort Request",
    0x0500: "Call Setup",
    0x0501: "Call Release",
    0x0700: "RG Connect",
    0x0701: "RG Disconnect",
    0x0702: "RG Notification",
    0x0703: "RG Application Data",
}


def begins_pdu(head: bytes) -> bool:
    """Whether these octets, as many as there are of the first 14, may begin a PDU."""
    if not VERSION.to_bytes(2, "big").startswith(head[:2]):
        return False
    if len(head) < HEADER_SIZE:
        return True
    kind, message_length = int.from_bytes(head[10:12], "big") & 0x7FFF, int.from_bytes(head[12:14], "big")
    is_known = kind in NAMES or kind in VENDOR_PRIVATE or kind in EXPERIMENTAL
    return is_known and 4 <= message_length <= _length(head) - HEADER_SIZE


def _length(head: bytes) -> int:
    """The PDU length counts from the LDP identifier on."""
    return 4 + int.from_bytes(head[2:4], "big")


def name_of(kind: int) -> str:
    """The message type's name, or its number."""
    if kind in VENDOR_PRIVATE:
        return f"Vendor-private 0x{kind:04x}"
    if kind in EXPERIMENTAL:
        return f"Experimental 0x{kind:04x}"
    return NAMES.get(kind, f"Message type 0x{kind:04x}")


def write_pdu(pdu: Passage) -> None:
    """Write one PDU, whose passage is as long as its header says; it is called by its messages."""
    pdu.label = "PDU"
    pdu.number("Version", 2, "ldp.hdr.version")
    pdu.number("PDU length", 2, "ldp.hdr.pdu_len")
    router = pdu.ipv4("LSR identifier", "ldp.hdr.ldpid.lsr")
    space = pdu.number("Label space", 2, "ldp.hdr.ldpid.lsid")
    pdu.value = f"{router}:{space}"
    names = []
    while pdu.left:
        names.append(_write_message(pdu))
        pdu.label = ", ".join(names)


def _write_message(pdu: Passage) -> str:
    """RFC 5036 3.5: the length counts from the message identifier on."""
    name = name_of(pdu.peek(2) & 0x7FFF)
    with pdu.element(name, 4 + pdu.peek(2, 2)) as message:
        bits = ((0x8000, "Unknown (U)", "ldp.msg.ubit"),)
        kind = message.bits("Type", 2, "ldp.msg.type", bits, lambda word: f"{name} (0x{word & 0x7FFF:04x})") & 0x7FFF
        message.number("Length", 2, "ldp.msg.len")
        message.number("Message identifier", 4, "ldp.msg.id")
        if kind in VENDOR_PRIVATE:
            message.number("Vendor identifier", 4, "ldp.msg.vendor.id")
            message.rest("Body")
        elif kind in EXPERIMENTAL:
            message.number("Experiment identifier", 4, "ldp.msg.experiment.id")
            message.rest("Body")
        else:
            message.value = ", ".join(write_tlvs(message))
    return name


FRAMING = Framing(
    title="Label Distribution Protocol",
    name="ldp",
    header_size=HEADER_SIZE,
    begins=begins_pdu,
    length=_length,
    write=write_pdu,
)


def describe(octets: bytes, start: int, end: int) -> Layer:
    """The LDP PDUs of one TCP segment."""
    return describe_messages(FRAMING, octets, start, end)
