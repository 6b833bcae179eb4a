"""PCEP (RFC 5440 6): messages and the objects in them."""

from __future__ import annotations

from dissectors.base import Layer
from dissectors.messages import Framing, describe_messages
from dissectors.passage import Passage
from dissectors.pcep_objects import write_object
from dissectors.scribe import named

HEADER_SIZE = 4
VERSION = 1
KEEPALIVE = 2
TYPE_NAMES = {
    1: "Open",
    KEEPALIVE: "Keepalive",
    3: "PCReq",
    4: "PCRep",
    5: "PCNtf",
    6: "PCErr",
    7: "Close",
    8: "PCMonReq",
    9: "PCMonRep",
    10: "PCRpt",
    11: "PCUpd",
    12: "PCInitiate",
    13: "StartTLS",
}
_EMPTY = (KEEPALIVE, 13)
"""Messages that are their header; every other one holds an object of at least 4 octets."""


def begins_message(head: bytes) -> bool:
    """Whether these octets, as many as there are of a header's 4, may begin a message."""
    if head[0] >> 5 != VERSION or (len(head) > 1 and head[1] not in TYPE_NAMES):
        return False
    if len(head) < HEADER_SIZE:
        return True
    length = _length(head)
    return length % 4 == 0 and (length == HEADER_SIZE if head[1] in _EMPTY else length > HEADER_SIZE)


def _length(head: bytes) -> int:
    return int.from_bytes(head[2:4], "big")


def write_message(message: Passage) -> None:
    """Write one message, whose passage is as long as its header says."""
    bits = ((0xE0, "Version", "pcep.version"), (0x1F, "Flags", None))
    message.bits("Version and flags", 1, None, bits)
    kind = message.number("Message type", 1, "pcep.msg", named(TYPE_NAMES))
    message.number("Length", 2, "pcep.msg_length")
    message.label = TYPE_NAMES[kind]
    names = []
    while message.left:
        names.append(write_object(message))
    message.value = ", ".join(names)


FRAMING = Framing(
    title="Path Computation Element Communication Protocol",
    name="pcep",
    header_size=HEADER_SIZE,
    begins=begins_message,
    length=_length,
    write=write_message,
)


def describe(octets: bytes, start: int, end: int) -> Layer:
    """The PCEP messages of one TCP segment."""
    return describe_messages(FRAMING, octets, start, end)
