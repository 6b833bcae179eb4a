"""MPLS (RFC 3032): a stack of labels, and behind its bottom whatever the label was agreed to mean.

No field tells what that is. The first four bits of an IP packet are 4 or 6. Anything else may be a
pseudowire: an Ethernet frame, alone or behind a control word (RFC 4448), is believed where its ethertype is
one that leads somewhere.
"""

from __future__ import annotations

import numpy as np

from dissectors.base import I64, NOTHING, Dissector, Headers, Hop
from dissectors.ethernet import TRANSPARENT_ETHERNET
from dissectors.hopping import MAX_DEPTH, lead
from dissectors.octets import u8, u16, u32
from dissectors.scribe import Scribe, describing

BOTTOM = 0x100
CONVINCING = (0x0800, 0x86DD, 0x8100, 0x88A8, 0x8847, 0x8848, 0x8864)
"""Ethertypes for which a pseudowire's Ethernet frame is believed."""


def hop(question: Headers) -> Hop:
    starts = question.starts.copy()
    is_cut = starts + 4 > question.limits
    is_too_deep = np.zeros(len(starts), np.bool_)
    rows = np.flatnonzero(~is_cut)
    for _ in range(MAX_DEPTH):
        is_bottom = (u32(question.octets, starts[rows]) & BOTTOM) != 0
        starts[rows] += 4
        rows = rows[~is_bottom]
        is_short = starts[rows] + 4 > question.limits[rows]
        is_cut[rows[is_short]] = True
        rows = rows[~is_short]
        if not len(rows):
            break
    is_too_deep[rows] = True
    numbers, starts = _guess(question, starts)
    return lead(question, np.where(is_too_deep, NOTHING, numbers), starts, is_cut)


def _guess(question: Headers, starts: I64) -> tuple[I64, I64]:
    """The ethertypes of what starts behind the bottom labels, and where it starts."""
    octets = question.octets
    limits = np.minimum(question.limits, question.ends)
    has_first, has_plain, has_controlled = starts < limits, starts + 14 <= limits, starts + 18 <= limits
    nibbles = np.where(has_first, u8(octets, starts) >> 4, NOTHING)
    is_plain = has_plain & np.isin(u16(octets, starts + 12), CONVINCING)
    is_controlled = has_controlled & (nibbles == 0) & np.isin(u16(octets, starts + 16), CONVINCING)
    is_ip = (nibbles == 4) | (nibbles == 6)
    numbers = np.select(
        [nibbles == 4, nibbles == 6, is_plain | is_controlled],
        [0x0800, 0x86DD, TRANSPARENT_ETHERNET],
        NOTHING,
    )
    return numbers, starts + np.where(is_controlled & ~is_plain & ~is_ip, 4, 0)


@describing("MultiProtocol Label Switching", "mpls")
def describe(scribe: Scribe) -> None:
    offset = 0
    labels: list[str] = []
    for _ in range(MAX_DEPTH):
        word = scribe.peek(offset, 4)
        labels.append(str(word >> 12))
        children = (
            scribe.make("Label", labels[-1], offset, 3, "mpls.label"),
            scribe.make("Traffic class", str(word >> 9 & 7), offset + 2, 1, "mpls.exp"),
            scribe.make("Bottom of stack", "yes" if word & BOTTOM else "no", offset + 2, 1, "mpls.bottom"),
            scribe.make("Time to live", str(word & 0xFF), offset + 3, 1, "mpls.ttl"),
        )
        scribe.field("Label stack entry", labels[-1], offset, 4, None, children)
        offset += 4
        if word & BOTTOM:
            break
    else:
        # One more label must be there for the stack to count as too deep rather than cut, as in the hop.
        scribe.take(offset, 4)
        scribe.malformed(f"more than {MAX_DEPTH} labels", 0, offset)
        return
    scribe.summary = "label " + ", ".join(labels)
    _write_guess(scribe, offset)


def _write_guess(scribe: Scribe, offset: int) -> None:
    room = scribe.limit - scribe.start - offset
    nibble = scribe.peek(offset, 1) >> 4 if room > 0 else NOTHING
    if nibble in (4, 6):
        scribe.leads_to("ethertype", 0x0800 if nibble == 4 else 0x86DD, offset)
    elif room >= 14 and scribe.peek(offset + 12, 2) in CONVINCING:
        scribe.leads_to("ethertype", TRANSPARENT_ETHERNET, offset)
    elif room >= 18 and nibble == 0 and scribe.peek(offset + 16, 2) in CONVINCING:
        scribe.field("Pseudowire control word", scribe.take(offset, 4).hex(), offset, 4, "pwethheuristic.cw")
        scribe.leads_to("ethertype", TRANSPARENT_ETHERNET, offset + 4)
    else:
        scribe.leads_to("ethertype", NOTHING, offset)


DISSECTOR = Dissector(
    name="mpls",
    title="MultiProtocol Label Switching",
    keys=(
        ("ethertype", 0x8847),
        ("ethertype", 0x8848),
        ("ip.proto", 137),
        ("udp.port", 6635),
        ("ppp.protocol", 0x0281),
        ("ppp.protocol", 0x0283),
    ),
    describe=describe,
    hop=hop,
    leads_to="ethertype",
)
