"""ERSPAN types II and III (draft-foschiano-erspan): a mirrored frame behind 8, or 12 and maybe 8 more octets.

Type I is no header at all and is GRE's to know. Type III can carry bare IP packets instead of Ethernet
frames.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.ethernet import TRANSPARENT_ETHERNET
from dissectors.gre import ERSPAN
from dissectors.hopping import lead
from dissectors.octets import u8, u16
from dissectors.scribe import Scribe, describing

ERSPAN_3 = 0x22EB
TYPE_2, TYPE_3 = 1, 2
"""What the version field says of types II and III."""
FRAME_IS_ETHERNET, FRAME_IS_IP = 0, 2
HAS_SUBHEADER = 0x01


def hop(question: Headers) -> Hop:
    octets, starts = question.octets, question.starts
    versions = u8(octets, starts) >> 4
    is_type_3 = (starts + 1 <= question.limits) & (versions == TYPE_3)
    words = u16(octets, starts + 10)
    is_readable = starts + 12 <= question.limits
    has_subheader = is_type_3 & is_readable & (words & HAS_SUBHEADER != 0)
    next_starts = starts + np.where(has_subheader, 20, np.where(is_type_3, 12, 8))
    is_cut = next_starts > question.limits
    frame_types = np.where(is_type_3, words >> 10 & 0x1F, FRAME_IS_ETHERNET)
    has_first = next_starts < question.limits
    ip_versions = np.where(has_first, u8(octets, next_starts) >> 4, 0)
    ip_types = np.select([ip_versions == 4, ip_versions == 6], [0x0800, 0x86DD], NOTHING)
    numbers = np.select(
        [frame_types == FRAME_IS_ETHERNET, frame_types == FRAME_IS_IP],
        [TRANSPARENT_ETHERNET, ip_types],
        NOTHING,
    )
    is_known = (versions == TYPE_2) | (versions == TYPE_3)
    return lead(question, np.where(is_known, numbers, NOTHING), next_starts, is_cut)


@describing("Encapsulated Remote Switch Packet Analysis", "erspan")
def describe(scribe: Scribe) -> None:
    version = scribe.peek(0, 1) >> 4
    scribe.field("Version", str(version), 0, 1, "erspan.version")
    scribe.field("VLAN", str(scribe.peek(0, 2) & 0x0FFF), 0, 2, "erspan.vlan")
    session = scribe.peek(2, 2) & 0x03FF
    scribe.field("Session", str(session), 2, 2, "erspan.spanid")
    scribe.summary = f"session {session}"
    if version == TYPE_2:
        scribe.field("Index", str(scribe.peek(4, 4) & 0xFFFFF), 5, 3, "erspan.index")
        scribe.leads_to("ethertype", TRANSPARENT_ETHERNET, 8)
        return
    if version != TYPE_3:
        scribe.malformed(f"version {version} is neither type II (1) nor type III (2)", 0, 1)
        return
    scribe.number("Timestamp", 4, 4, "erspan.timestamp")
    scribe.number("Security group", 8, 2, "erspan.sgt")
    word = scribe.peek(10, 2)
    frame_type = word >> 10 & 0x1F
    scribe.field("Frame type", str(frame_type), 10, 1, "erspan.ft")
    length = 20 if word & HAS_SUBHEADER else 12
    if length == 20:
        scribe.field("Platform subheader", scribe.take(12, 8).hex(), 12, 8, "erspan.opt")
    number = TRANSPARENT_ETHERNET if frame_type == FRAME_IS_ETHERNET else NOTHING
    at = scribe.start + length
    if frame_type == FRAME_IS_IP and at < scribe.limit:
        number = {4: 0x0800, 6: 0x86DD}.get(scribe.peek(length, 1) >> 4, NOTHING)
    scribe.leads_to("ethertype", number, length)


DISSECTOR = Dissector(
    name="erspan",
    title="Encapsulated Remote Switch Packet Analysis",
    keys=(("ethertype", ERSPAN), ("ethertype", ERSPAN_3)),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
