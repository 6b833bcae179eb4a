"""IPv6 extension headers, and AH: the chain up to a transport (RFC 8200 4, RFC 4302).

The chain is followed as far as its octets go; a real fragment (not RFC 6946's atomic one) ends it right
behind its fragment header, since what follows may start in the middle of anything. A routing header with
segments left keeps the final destination, which a transport's pseudo-header takes (RFC 8200 8.1): types 0 and
2 as the last address, segment routing (RFC 8754) as the first of its list, which is stored backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

import numpy as np

from dissectors.base import I64, NOTHING, U8, Dissector, Field, Headers, Hop, Mask
from dissectors.hopping import MAX_DEPTH, lead
from dissectors.octets import u8, u16, u32
from dissectors.scribe import Scribe, describing, named

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, NO_NEXT, DESTINATION, MOBILITY, HIP, SHIM6 = (
    0, 43, 44, 51, 59, 60, 135, 139, 140,
)  # fmt: skip
NAMES = {
    HOP_BY_HOP: "Hop-by-hop options", ROUTING: "Routing header", FRAGMENT: "Fragment header",
    AUTHENTICATION: "Authentication header", DESTINATION: "Destination options", MOBILITY: "Mobility header",
    HIP: "Host identity protocol", SHIM6: "Shim6",
}  # fmt: skip
FILTER_NAMES = {
    HOP_BY_HOP: "ipv6.hopopts", ROUTING: "ipv6.routing", FRAGMENT: "ipv6.fraghdr", AUTHENTICATION: "ah",
    DESTINATION: "ipv6.dstopts", MOBILITY: "mipv6", HIP: "hip", SHIM6: "shim6",
}  # fmt: skip
IS_EXTENSION = np.zeros(256, np.bool_)
IS_EXTENSION[list(NAMES)] = True

LAST_ADDRESS_ROUTES = (0, 2)
"""Source route (deprecated by RFC 5095, but on the wire is on the wire) and Mobile IPv6's home address (RFC
6275 6.4).
"""
SEGMENT_ROUTE = 4
FRAGMENT_MASK = 0xFFF9
"""Offset and the more-fragments flag."""
PAD1, JUMBO_PAYLOAD = 0, 0xC2
MOST_OPTIONS = 64
"""Options of one hop-by-hop header that are looked at for the jumbo payload length."""


@dataclass(slots=True)
class Chain:
    """Where the chains of n frames end. Arrays have length n."""

    numbers: I64
    """Protocol behind the chain; NOTHING for "no next header" and for chains that make no sense."""
    starts: I64
    is_cut: Mask
    is_fragment: Mask
    destinations: I64
    """Given ones, moved where a routing header says so."""
    jumbo_lengths: I64
    """The jumbo payload option's length; 0 where there is none."""


def follow(question: Headers, numbers: I64, starts: I64, is_cut: Mask, destinations: I64) -> Chain:
    """Follow the chains that start with header `numbers` at `starts`; none of frames that are cut already.

    At most MAX_DEPTH headers; a chain that is longer leads to NOTHING.
    """
    count = len(starts)
    chain = Chain(
        numbers.copy(),
        starts.copy(),
        is_cut.copy(),
        np.zeros(count, np.bool_),
        destinations,
        np.zeros(count, np.int64),
    )
    rows = np.flatnonzero(IS_EXTENSION[numbers & 0xFF] & (numbers >= 0) & ~is_cut)
    for _ in range(MAX_DEPTH):
        if not len(rows):
            break
        rows = _follow_one(question, chain, rows)
    chain.numbers[rows] = NOTHING
    chain.numbers[chain.numbers == NO_NEXT] = NOTHING
    return chain


def _follow_one(question: Headers, chain: Chain, rows: I64) -> I64:
    """Step over one extension header of each frame in `rows`; give the rows at which another one follows."""
    octets, limits = question.octets, question.limits[rows]
    kinds, positions = chain.numbers[rows], chain.starts[rows]
    next_numbers, lengths_field = u8(octets, positions), u8(octets, positions + 1)
    lengths = np.where(kinds == AUTHENTICATION, (lengths_field + 2) * 4, (lengths_field + 1) * 8)
    lengths = np.where((kinds == FRAGMENT) | (positions + 2 > limits), 8, lengths)
    behind = positions + lengths
    is_cut = behind > limits
    is_fragment = ~is_cut & (kinds == FRAGMENT) & ((u16(octets, positions + 2) & FRAGMENT_MASK) != 0)

    routes = np.flatnonzero(~is_cut & (kinds == ROUTING))
    if len(routes):
        _move_destinations(question, chain, rows[routes], positions[routes], lengths[routes])
    hop_by_hop = np.flatnonzero(~is_cut & (kinds == HOP_BY_HOP))
    if len(hop_by_hop):
        chain.jumbo_lengths[rows[hop_by_hop]] = _jumbo_lengths(octets, positions[hop_by_hop], behind[hop_by_hop])

    chain.is_cut[rows] = is_cut
    chain.is_fragment[rows] = is_fragment
    chain.numbers[rows] = np.where(is_cut, NOTHING, next_numbers)
    chain.starts[rows] = np.where(is_cut, positions, behind)
    goes_on: Mask = IS_EXTENSION[next_numbers] & ~is_cut & ~is_fragment
    still: I64 = rows[goes_on]
    return still


def _move_destinations(question: Headers, chain: Chain, rows: I64, positions: I64, lengths: I64) -> None:
    kinds, segments_left = u8(question.octets, positions + 2), u8(question.octets, positions + 3)
    addresses = (lengths - 8) // 16
    is_on_the_way = (segments_left > 0) & (segments_left <= addresses)
    last = positions + 8 + (addresses - 1) * 16
    moved = np.where(kinds == SEGMENT_ROUTE, positions + 8, last)
    is_known = np.isin(kinds, (*LAST_ADDRESS_ROUTES, SEGMENT_ROUTE))
    chain.destinations[rows] = np.where(is_on_the_way & is_known, moved, chain.destinations[rows])


def _jumbo_lengths(octets: U8, headers: I64, ends: I64) -> I64:
    """The jumbo payload length (RFC 2675 2) of the hop-by-hop headers at `headers`; 0 where they have
    none.
    """
    found: I64 = np.zeros(len(headers), np.int64)
    rows, positions = np.arange(len(headers)), headers + 2
    for _ in range(MOST_OPTIONS):
        rows, positions = rows[positions < ends[rows]], positions[positions < ends[rows]]
        if not len(rows):
            break
        kinds = u8(octets, positions)
        lengths = np.where(kinds == PAD1, 1, u8(octets, positions + 1) + 2)
        is_jumbo = (kinds == JUMBO_PAYLOAD) & (lengths == 6) & (positions + 6 <= ends[rows])
        found[rows[is_jumbo]] = u32(octets, positions[is_jumbo] + 2)
        rows, positions = rows[~is_jumbo], (positions + lengths)[~is_jumbo]
    return found


def write_chain(scribe: Scribe, number: int, offset: int) -> tuple[int, int, int]:
    """Write the chain that starts with header `number` at `offset`: what follows, where, and the jumbo length
    or 0.

    As in `follow`; what follows a fragment that is not the first is NOTHING.
    """
    jumbo_length = 0
    for _ in range(MAX_DEPTH):
        if number not in NAMES:
            return (NOTHING if number == NO_NEXT else number), offset, jumbo_length
        next_number, length_field = scribe.peek(offset, 1), scribe.peek(offset + 1, 1)
        length = (length_field + 2) * 4 if number == AUTHENTICATION else (length_field + 1) * 8
        length = 8 if number == FRAGMENT else length
        scribe.take(offset, length)
        children = [scribe.make("Next header", named(NAMES)(next_number), offset, 1, "ipv6.nxt")]
        if number == ROUTING:
            children += _route_fields(scribe, offset, length)
        elif number == HOP_BY_HOP:
            at = np.frombuffer(scribe.octets[: scribe.limit], np.uint8)
            header = np.array([scribe.start + offset])
            # The same search as the hop's: the description cannot see another length.
            jumbo_length = int(_jumbo_lengths(at, header, header + length)[0])
            if jumbo_length:
                children.append(
                    scribe.make("Jumbo payload", f"{jumbo_length} octets", offset, length, "ipv6.opt.jumbo")
                )
        word = scribe.peek(offset + 2, 2)
        if number == FRAGMENT:
            children.append(scribe.make("Offset", f"{word & 0xFFF8} octets", offset + 2, 2, "ipv6.fraghdr.offset"))
            more = "set" if word & 1 else "not set"
            children.append(scribe.make("More fragments", more, offset + 3, 1, "ipv6.fraghdr.more"))
            identification = f"0x{scribe.peek(offset + 4, 4):08x}"
            children.append(scribe.make("Identification", identification, offset + 4, 4, "ipv6.fraghdr.ident"))
        scribe.field(NAMES[number], "", offset, length, None, children)
        offset += length
        if number == FRAGMENT and word & FRAGMENT_MASK:
            return (NOTHING if word & 0xFFF8 or next_number == NO_NEXT else next_number), offset, jumbo_length
        number = next_number
    return (NOTHING if number in NAMES or number == NO_NEXT else number), offset, jumbo_length


def _route_fields(scribe: Scribe, offset: int, length: int) -> list[Field]:
    kind, segments_left = scribe.peek(offset + 2, 1), scribe.peek(offset + 3, 1)
    written = [
        scribe.make("Type", str(kind), offset + 2, 1, "ipv6.routing.type"),
        scribe.make("Segments left", str(segments_left), offset + 3, 1, "ipv6.routing.segleft"),
    ]
    addresses = (length - 8) // 16
    if kind in (*LAST_ADDRESS_ROUTES, SEGMENT_ROUTE):
        final = 0 if kind == SEGMENT_ROUTE else addresses - 1
        for index in range(addresses):
            at = offset + 8 + index * 16
            is_final = index == final and 0 < segments_left <= addresses
            label = "Final destination" if is_final else "Address"
            written.append(scribe.make(label, str(IPv6Address(scribe.take(at, 16))), at, 16, "ipv6.routing.address"))
    return written


def _dissector(number: int) -> Dissector:
    """One extension header as a layer of its own: behind IPv4 (AH), or in front of a datagram put together
    again.
    """

    def hop(question: Headers) -> Hop:
        no_frame_is_cut = np.zeros(len(question.starts), np.bool_)
        numbers = np.full(len(question.starts), number, np.int64)
        chain = follow(question, numbers, question.starts, no_frame_is_cut, question.starts.copy())
        return lead(question, chain.numbers, chain.starts, chain.is_cut, is_fragment=chain.is_fragment)

    @describing(NAMES[number], FILTER_NAMES[number])
    def describe(scribe: Scribe) -> None:
        next_number, offset, _ = write_chain(scribe, number, 0)
        scribe.leads_to("ip.proto", next_number, offset)

    return Dissector(FILTER_NAMES[number], NAMES[number], (("ip.proto", number),), describe, hop, "ip.proto")


DISSECTORS = tuple(_dissector(number) for number in NAMES)
