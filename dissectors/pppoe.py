"""PPPoE (RFC 2516 4): six octets with the payload's length, then PPP where the code is 0 (session)."""

from __future__ import annotations

from dissectors.base import Dissector, Headers, Hop
from dissectors.hopping import lead
from dissectors.octets import u8, u16
from dissectors.scribe import Scribe, describing, hexadecimal


def hop(question: Headers) -> Hop:
    starts = question.starts + 6
    codes = u8(question.octets, question.starts + 1)
    ends = starts + u16(question.octets, question.starts + 4)
    return lead(question, codes, starts, starts > question.limits, ends=ends)


@describing("PPP over Ethernet", "pppoes")
def describe(scribe: Scribe) -> None:
    scribe.number("Version and type", 0, 1, "pppoe.version", hexadecimal(2))
    code = scribe.number("Code", 1, 1, "pppoe.code", hexadecimal(2))
    session = scribe.number("Session", 2, 2, "pppoe.session_id", hexadecimal(4))
    scribe.summary = f"session 0x{session:04x}"
    length = scribe.number("Payload length", 4, 2, "pppoe.payload_length")
    scribe.leads_to("pppoe.code", code, 6, scribe.start + 6 + length)


DISSECTOR = Dissector(
    name="pppoes",
    title="PPP over Ethernet",
    keys=(("ethertype", 0x8864), ("linktype", 51)),
    describe=describe,
    hop=hop,
    leads_to="pppoe.code",
)
