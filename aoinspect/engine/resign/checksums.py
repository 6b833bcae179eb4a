"""Internet checksums (RFC 1071) of many stretches of octets at once, and of a single one.

A sum is kept modulo 65535, which is what ones' complement addition of 16-bit words comes to. A checksum that cannot be
computed anew, because octets of what it covers were not captured, is made to follow instead: what it says beyond the
octets at hand stays as it was (RFC 1624). So a right one stays right, and a wrong one stays as wrong as it was.
"""

from __future__ import annotations

import numpy as np

from aoinspect.capture.frames import I64, U8, U16
from aoinspect.engine.locate import Packets

MODULUS = 0xFFFF
TCP_CHECKSUM_AT = 16
_PROTOCOL_TCP = 6


def sums(octets: U8, starts: I64, ends: I64) -> I64:
    """The sums, modulo 65535, of the stretches `starts`..`ends` of `octets`, as 16-bit words from each start on.

    Arrays of shape (n,), int64. A stretch of an odd length counts as padded with a zero octet; one that is empty is 0.
    `octets` is longer than every stretch by two octets at least, as a batch's are.
    """
    if not len(starts):
        return np.zeros(0, dtype=np.int64)
    words = octets[: len(octets) & ~1].view("<u2")
    borders = np.empty(2 * len(starts), dtype=np.int64)
    borders[0::2] = starts >> 1
    borders[1::2] = (ends + 1) >> 1
    totals = np.add.reduceat(words, borders, dtype=np.int64)[0::2]
    # Words are taken at even positions: what they have beside the stretch is taken out again.
    begins_inside = (starts & 1) != 0
    totals -= np.where(begins_inside, octets[starts - begins_inside].astype(np.int64), 0)
    totals -= np.where((ends & 1) != 0, octets[ends].astype(np.int64) << 8, 0)
    totals %= MODULUS
    # Little-endian words sum to the swapped sum (RFC 1071 2 (B)); from an odd start on they are swapped already.
    totals = np.where(begins_inside, totals, totals * 256 % MODULUS)
    return np.where(starts < ends, totals, 0)


def tcp_checksums(packets: Packets, rows: I64) -> U16:
    """The right TCP checksum of each of `rows`, whose octets are all there (RFC 9293 3.1, RFC 8200 8.1)."""
    octets = packets.octets
    starts, ends = packets.starts[rows], packets.ends[rows]
    widths = np.where(packets.is_ipv6[rows], 16, 4)
    total = sums(octets, starts, ends) + ends - starts + _PROTOCOL_TCP
    total -= captured_checksums(packets, rows)
    for addresses in (packets.sources[rows], packets.destinations[rows]):
        total += sums(octets, addresses, addresses + widths)
    return (MODULUS - total % MODULUS).astype(np.uint16) % np.uint16(MODULUS)


def captured_checksums(packets: Packets, rows: I64) -> I64:
    """What the segments have as their TCP checksum."""
    at = packets.starts[rows] + TCP_CHECKSUM_AT
    return packets.octets[at].astype(np.int64) << 8 | packets.octets[at + 1]


def write_checksums(packets: Packets, rows: I64, checksums: U16) -> None:
    """Puts TCP checksums into the segments."""
    at = packets.starts[rows] + TCP_CHECKSUM_AT
    packets.octets[at] = checksums >> np.uint16(8)
    packets.octets[at + 1] = checksums & np.uint16(0xFF)


def sum_of(octets: bytes | bytearray | memoryview) -> int:
    """The sum of one stretch, modulo 65535; an odd length counts as padded with a zero octet."""
    # 65536 is 1 modulo 65535, so a number's residue is the sum of its 16-bit digits.
    return (int.from_bytes(octets, "big") << (8 * (len(octets) & 1))) % MODULUS


def checksum_of(octets: bytes | bytearray | memoryview) -> int:
    """The checksum over `octets`, whose checksum field is zero: 0 to 0xfffe."""
    return (MODULUS - sum_of(octets)) % MODULUS
