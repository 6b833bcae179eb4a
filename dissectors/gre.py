"""GRE, version 0 (RFC 2784, 2890, and 1701's routing), and PPTP's version 1 (RFC 2637 4.1).

NVGRE (RFC 7637) is a key and the protocol "Ethernet". ERSPAN shares one protocol number between type I, which
has no header of its own, and type II: only the sequence number flag tells them apart.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import I64, NOTHING, Dissector, Headers, Hop, Mask
from dissectors.ethernet import TRANSPARENT_ETHERNET, show_ethertype
from dissectors.hopping import MAX_DEPTH, lead
from dissectors.octets import u8, u16
from dissectors.scribe import Scribe, describing, flags

CHECKSUM, ROUTING, KEY, SEQUENCE, ACKNOWLEDGMENT = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
VERSION_MASK = 0x0007
ERSPAN = 0x88BE
PPTP = 0x880B


def hop(question: Headers) -> Hop:
    octets, starts = question.octets, question.starts
    words, protocols = u16(octets, starts), u16(octets, starts + 2)
    versions = words & VERSION_MASK
    is_readable = starts + 4 <= question.limits
    is_sound = (versions == 0) | ((versions == 1) & (protocols == PPTP))
    lengths = 4 + 4 * (
        ((versions == 0) & (words & (CHECKSUM | ROUTING) != 0)).astype(np.int64)
        + (words & KEY != 0)
        + (words & SEQUENCE != 0)
        + ((versions == 1) & (words & ACKNOWLEDGMENT != 0))
    )
    next_starts = starts + np.where(is_sound & is_readable, lengths, 4)
    is_cut = next_starts > question.limits
    has_routes = is_sound & ~is_cut & (versions == 0) & (words & ROUTING != 0)
    next_starts, is_cut = _behind_routes(question, next_starts, has_routes, is_cut)
    is_erspan_1 = (protocols == ERSPAN) & (words & SEQUENCE == 0)
    numbers = np.where(is_sound, np.where(is_erspan_1, TRANSPARENT_ETHERNET, protocols), NOTHING)
    return lead(question, numbers, next_starts, is_cut)


def _behind_routes(question: Headers, starts: I64, has_routes: Mask, is_cut: Mask) -> tuple[I64, Mask]:
    """Where the payload starts behind RFC 1701's source route entries; too many of them count as cut."""
    rows = np.flatnonzero(has_routes)
    if not len(rows):
        return starts, is_cut
    starts, is_cut = starts.copy(), is_cut.copy()
    for _ in range(MAX_DEPTH):
        is_short = starts[rows] + 4 > question.limits[rows]
        is_cut[rows[is_short]] = True
        rows = rows[~is_short]
        families, lengths = u16(question.octets, starts[rows]), u8(question.octets, starts[rows] + 3)
        starts[rows] += 4 + lengths
        is_cut[rows] |= starts[rows] > question.limits[rows]
        rows = rows[~is_cut[rows] & ~((families == 0) & (lengths == 0))]
    is_cut[rows] = True
    return starts, is_cut


@describing("Generic Routing Encapsulation", "gre")
def describe(scribe: Scribe) -> None:
    word = scribe.peek(0, 2)
    bits = (
        (CHECKSUM, "Checksum", "gre.flags.checksum"),
        (ROUTING, "Routing", "gre.flags.routing"),
        (KEY, "Key", "gre.flags.key"),
        (SEQUENCE, "Sequence number", "gre.flags.sequence_number"),
        (ACKNOWLEDGMENT, "Acknowledgment", "gre.flags.ack"),
    )
    scribe.field("Flags and version", f"0x{word:04x}", 0, 2, "gre.flags_and_version", flags(scribe, word, 0, 2, bits))
    protocol = scribe.number("Protocol", 2, 2, "gre.proto", show_ethertype)
    version = word & VERSION_MASK
    if version != 0 and (version, protocol) != (1, PPTP):
        scribe.malformed(f"version {version} with protocol 0x{protocol:04x}", 0, 4)
        return
    offset = 4
    if version == 0 and word & (CHECKSUM | ROUTING):
        scribe.number("Checksum", offset, 2, "gre.checksum")
        scribe.number("Offset", offset + 2, 2, "gre.offset")
        offset += 4
    for mask, label, name in (
        (KEY, "Key", "gre.key"),
        (SEQUENCE, "Sequence number", "gre.sequence_number"),
        (ACKNOWLEDGMENT if version == 1 else 0, "Acknowledgment number", "gre.ack_number"),
    ):
        if word & mask:
            scribe.number(label, offset, 4, name)
            offset += 4
    if version == 0 and word & ROUTING:
        offset = _write_routes(scribe, offset)
    is_erspan_1 = protocol == ERSPAN and not word & SEQUENCE
    scribe.leads_to("ethertype", TRANSPARENT_ETHERNET if is_erspan_1 else protocol, offset)


def _write_routes(scribe: Scribe, offset: int) -> int:
    for _ in range(MAX_DEPTH):
        family, length = scribe.peek(offset, 2), scribe.peek(offset + 3, 1)
        scribe.field("Route", scribe.take(offset + 4, length).hex(), offset, 4 + length, "gre.routing")
        offset += 4 + length
        if family == 0 and length == 0:
            return offset
    # The walk ends here as the hop's does; the read of a place that cannot exist says so.
    scribe.take(len(scribe.octets), 1)
    return offset


DISSECTOR = Dissector(
    name="gre",
    title="Generic Routing Encapsulation",
    keys=(("ip.proto", 47),),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
