"""Which octets a traffic key is derived from (RFC 5925 5.2), and the derivation itself.

A connection has up to four traffic keys per MKT: one for the SYN and one for all other segments, in each
direction. An observer has no local side: A's Send_other is B's Receive_other, and both are "the key of what A
sends". Source and destination here are always those of the segment that the key signs.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from aoinspect.ao.mkt import MasterKeyTuple

ADDRESS_LENGTHS = (4, 16)
"""Octets of an IPv4 and of an IPv6 address."""
CONTEXT_LENGTHS = (20, 44)
"""Octets of a KDF context over IPv4 and over IPv6."""


class KeyKind(IntEnum):
    """Which of a direction's traffic keys (RFC 5925 5.2)."""

    SYN = 0
    """Signs a SYN without ACK, whose sender does not know the peer's ISN: the destination ISN is 0."""
    OTHER = 1
    """Signs everything else, the SYN-ACK included: both ISNs are known."""


def kdf_context(
    source: bytes,
    destination: bytes,
    source_port: int,
    destination_port: int,
    source_isn: int,
    destination_isn: int,
) -> bytes:
    """The 20 (IPv4) or 44 (IPv6) octets that tie a traffic key to a connection and a direction (RFC 5925
    5.2).

    Addresses have 4 or 16 octets, both the same; ports and ISNs are numbers of 16 and 32 bits. For a SYN
    without ACK `destination_isn` is 0. Raises ValueError for anything else.
    """
    check_addresses(source, destination)
    try:
        return source + destination + struct.pack("!HHII", source_port, destination_port, source_isn, destination_isn)
    except struct.error:
        raise ValueError(
            f"ports {source_port}, {destination_port} must have 16 bits, ISNs {source_isn}, {destination_isn} 32 bits"
        ) from None


def derive_traffic_key(mkt: MasterKeyTuple, context: bytes) -> bytes:
    """The traffic key of `mkt` for a KDF context, as long as the algorithm has it (RFC 5926 3.1).

    For TCP-MD5, which has no KDF, this is the password. Raises ValueError for an MKT without secret, a
    context of another length than 20 or 44 octets, and a master key that the algorithm does not take.
    """
    if mkt.secret is None:
        raise ValueError(f"key {mkt.name!r} ({mkt.origin}) has no secret{f': {mkt.gap}' if mkt.gap else ''}")
    if len(context) not in CONTEXT_LENGTHS:
        raise ValueError(f"a KDF context has 20 or 44 octets, not {len(context)}")
    return mkt.algorithm.derive(mkt.secret, context)


def find_traffic_key(mkt: MasterKeyTuple, context: bytes) -> bytes | None:
    """The traffic key of `mkt` for a KDF context: derived from its secret, or looked up in the log that has it.

    None for a gap, and for a connection that the log does not hold. ValueError as `derive_traffic_key`.
    """
    if mkt.logged is not None:
        return mkt.logged.by_context.get(context)
    return None if mkt.secret is None else derive_traffic_key(mkt, context)


def check_addresses(source: bytes, destination: bytes) -> None:
    """Raises ValueError unless both are IPv4 addresses (4 octets) or both IPv6 addresses (16 octets)."""
    if len(source) != len(destination) or len(source) not in ADDRESS_LENGTHS:
        raise ValueError(f"addresses have 4 or 16 octets, both the same, not {len(source)} and {len(destination)}")
