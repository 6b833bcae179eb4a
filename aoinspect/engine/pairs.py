"""Socket pairs: which one a segment belongs to, which of its two ends sent it, and whether the pair is protected.

A pair's ends are its sides 0 and 1, ordered by address and port, so that both directions meet in one entry. Only
protected pairs are kept: those that a peer entry covers, and those on which a segment with an AO or MD5 option was
seen. Nothing remembers the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64
from aoinspect.engine.columns import Columns
from aoinspect.engine.hash_index import ABSENT, HashIndex, mix
from aoinspect.engine.keyring import Endpoint, Keyring, PairKeys
from aoinspect.engine.limits import Excess, Limits
from aoinspect.engine.locate import Mask
from aoinspect.engine.segments import ACK, SYN, Segments
from aoinspect.engine.verdicts import Method
from dissectors.octets import fields

U64 = npt.NDArray[np.uint64]

_ADDRESS_V4 = np.dtype([("address", ">u4")])
_ADDRESS_V6 = np.dtype([("high", ">u8"), ("low", ">u8")])


class Ends:
    """Source and destination of each segment as columns. `high` is 0 for IPv4, whose address is `low`."""

    __slots__ = ("destination_high", "destination_low", "is_ipv6", "source_high", "source_low")

    def __init__(self, segments: Segments) -> None:
        packets = segments.packets
        self.is_ipv6 = packets.is_ipv6
        octets = packets.octets
        if not packets.is_ipv6.any():
            self.source_low = fields(octets, packets.sources, _ADDRESS_V4)["address"].astype(np.uint64)
            self.destination_low = fields(octets, packets.destinations, _ADDRESS_V4)["address"].astype(np.uint64)
            self.source_high = self.destination_high = np.zeros(segments.size, dtype=np.uint64)
            return
        self.source_high, self.source_low = _addresses(octets, packets.sources, packets.is_ipv6)
        self.destination_high, self.destination_low = _addresses(octets, packets.destinations, packets.is_ipv6)


def _addresses(octets: npt.NDArray[np.uint8], positions: I64, is_ipv6: Mask) -> tuple[U64, U64]:
    wide = fields(octets, positions, _ADDRESS_V6)
    narrow = fields(octets, positions, _ADDRESS_V4)["address"].astype(np.uint64)
    high = np.where(is_ipv6, wide["high"].astype(np.uint64), np.uint64(0))
    low = np.where(is_ipv6, wide["low"].astype(np.uint64), narrow)
    return high, low


class PairTable:
    """The protected socket pairs met so far."""

    def __init__(self, keyring: Keyring, limits: Limits | None = None, excess: Excess | None = None) -> None:
        self.keyring = keyring
        self._limit = (limits or Limits()).connections
        self._excess = excess if excess is not None else Excess()
        self.ends: list[tuple[Endpoint, Endpoint]] = []
        self.keys: list[PairKeys | None] = []
        """What covers each pair; None where no peer entry does."""
        self._columns = Columns({"is_covered": (np.bool_, False, ())})
        self._index = HashIndex()
        self._coverage = _Coverage(keyring)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def is_covered(self) -> Mask:
        """Whether a peer entry covers each pair."""
        return cast(Mask, self._columns["is_covered"])

    def assign(self, segments: Segments) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """Pair (ABSENT: unprotected) and sending side (0 or 1) of every segment; new protected pairs are entered.

        A pair that no peer entry covers is protected from its first signed segment on: the segments before it stay
        ABSENT.
        """
        ends = Ends(segments)
        port = np.uint64(16)
        kind = np.where(ends.is_ipv6, np.uint64(6 << 32), np.uint64(4 << 32))
        source = mix(ends.source_high, ends.source_low, kind | segments.source_ports.astype(np.uint64) << port)
        destination = mix(
            ends.destination_high,
            ends.destination_low,
            kind | segments.destination_ports.astype(np.uint64) << port,
        )
        # Sides are told apart by the hash: as good an order as any, and the same for every segment of the pair.
        sides = (source > destination).astype(np.uint8)
        hashes = mix(np.minimum(source, destination), np.maximum(source, destination))
        pairs = self._index.lookup(hashes)
        missing = np.flatnonzero(pairs == ABSENT)
        if len(missing):
            is_signed = (segments.methods[missing] != Method.NONE) | segments.has_broken_signature[missing]
            is_covered = self._coverage.test(segments, ends, missing)
            wanted = missing[is_signed | is_covered]
            if len(wanted) and len(self) + len(wanted) > self._limit // 2:
                wanted = self._within_limit(segments, hashes, wanted)
            if len(wanted):
                self._enter(segments, hashes, sides, wanted)
                pairs = self._index.lookup(hashes)
                self._unprotect_before_first_signature(missing, is_covered, is_signed, pairs)
        return pairs, sides

    def _within_limit(self, segments: Segments, hashes: U64, wanted: I64) -> I64:
        """Those of `wanted` whose pairs may still be entered; the others are counted.

        Half of the room is kept for pairs of which more than a SYN is seen, so that a flood of SYNs does not push out
        the sessions beside it: a SYN-ACK tells both ISNs.
        """
        is_more = (segments.flags[wanted] & (SYN | ACK)) != SYN
        is_met = np.isin(hashes[wanted], hashes[wanted[is_more]])
        _, firsts, inverse = np.unique(hashes[wanted], return_index=True, return_inverse=True)
        # In capture order, those of which more than a SYN is seen in either half, the others in the first.
        order = np.argsort(firsts)
        room = np.where(is_met[firsts[order]], self._limit, self._limit // 2) - len(self)
        is_admitted = np.zeros(len(firsts), dtype=np.bool_)
        admitted = 0
        for position, most in zip(order.tolist(), room.tolist(), strict=True):
            if admitted < most:
                is_admitted[position] = True
                admitted += 1
        is_in = is_admitted[inverse]
        left = wanted[~is_in]
        if len(left):
            self._excess.untracked_segments += len(left)
            if self._excess.first_untracked is None:
                packets = segments.packets
                self._excess.first_untracked = int(packets.captures[left[0]]), int(packets.frames[left[0]])
        return wanted[is_in]

    def _enter(self, segments: Segments, hashes: U64, sides: npt.NDArray[np.uint8], wanted: I64) -> None:
        """New pairs, one step each."""
        _, firsts = np.unique(hashes[wanted], return_index=True)
        for row in wanted[np.sort(firsts)].tolist():
            source, destination = endpoints(segments, row)
            ends = (source, destination) if sides[row] == 0 else (destination, source)
            self._index.insert(int(hashes[row]), len(self.ends))
            self.ends.append(ends)
            keys = self.keyring.for_pair(ends)
            self.keys.append(keys)
            number = self._columns.add()
            self.is_covered[number] = keys is not None

    def _unprotect_before_first_signature(
        self, missing: I64, is_covered: Mask, is_signed: Mask, pairs: npt.NDArray[np.int32]
    ) -> None:
        doubtful = missing[~is_covered & ~is_signed]
        doubtful = doubtful[pairs[doubtful] != ABSENT]
        if not len(doubtful):
            return
        signed = missing[is_signed]
        first_signed = np.full(len(self), np.iinfo(np.int64).max, dtype=np.int64)
        np.minimum.at(first_signed, pairs[signed], signed)
        pairs[doubtful[doubtful < first_signed[pairs[doubtful]]]] = ABSENT


def endpoints(segments: Segments, row: int) -> tuple[Endpoint, Endpoint]:
    """Source and destination of one segment."""
    packets = segments.packets
    width = 16 if packets.is_ipv6[row] else 4
    source, destination = int(packets.sources[row]), int(packets.destinations[row])
    return (
        Endpoint(packets.octets[source : source + width].tobytes(), int(segments.source_ports[row])),
        Endpoint(packets.octets[destination : destination + width].tobytes(), int(segments.destination_ports[row])),
    )


class _Coverage:
    """Whether peer entries cover segments, for whole batches: masked addresses are looked up shape by shape.

    A shape is (address width, local prefix length, remote prefix length, which ports are named). Key files hold
    thousands of peers and only a few shapes.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._shapes: list[tuple[int, int, int, str, HashIndex]] = []
        for (width, local_length, remote_length), entries in keyring.shapes:
            by_ports: dict[str, set[tuple[int, int, int, int]]] = {}
            for (local, remote), indices in entries:
                for index in indices:
                    peer = keyring.store.peers[index]
                    for ports, local_port, remote_port in _port_rules(peer.port, peer.local_port, peer.remote_port):
                        full_local = local << (width * 8 - local_length)
                        full_remote = remote << (width * 8 - remote_length)
                        by_ports.setdefault(ports, set()).add((full_local, full_remote, local_port, remote_port))
            for ports, rows in by_ports.items():
                self._shapes.append((width, local_length, remote_length, ports, _coverage_index(rows)))

    def test(self, segments: Segments, ends: Ends, rows: I64) -> Mask:
        covered = np.zeros(len(rows), dtype=np.bool_)
        if not self._shapes:
            return covered
        source = (
            ends.source_high[rows],
            ends.source_low[rows],
            segments.source_ports[rows].astype(np.uint64),
        )
        destination = (
            ends.destination_high[rows],
            ends.destination_low[rows],
            segments.destination_ports[rows].astype(np.uint64),
        )
        is_ipv6 = ends.is_ipv6[rows]
        for width, local_length, remote_length, ports, index in self._shapes:
            of_width = is_ipv6 == (width == 16)
            for local, remote in ((source, destination), (destination, source)):
                keys = _coverage_keys(
                    *_leading_bits(local[0], local[1], width, local_length),
                    *_leading_bits(remote[0], remote[1], width, remote_length),
                    local[2] if "l" in ports else np.zeros_like(local[2]),
                    remote[2] if "r" in ports else np.zeros_like(remote[2]),
                )
                covered |= of_width & (index.lookup(keys) != ABSENT)
        return covered


def _port_rules(port: int | None, local_port: int | None, remote_port: int | None) -> Iterator[tuple[str, int, int]]:
    """Which ports must be equal to what: ("l", 179, 0) is a local port of 179. A port of either side is two rules."""
    named = ("l" if local_port is not None else "") + ("r" if remote_port is not None else "")
    rule = (named, local_port or 0, remote_port or 0)
    if port is None:
        yield rule
        return
    if local_port in (None, port):
        yield "l" + ("r" if remote_port is not None else ""), port, remote_port or 0
    if remote_port in (None, port):
        yield ("l" if local_port is not None else "") + "r", local_port or 0, port


def _leading_bits(high: U64, low: U64, width: int, length: int) -> tuple[U64, U64]:
    """The first `length` bits of addresses, the rest zero."""
    if width == 4:
        mask = np.uint64((0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF)
        return np.zeros_like(high), low & mask
    ones = 0xFFFFFFFFFFFFFFFF
    high_mask = np.uint64((ones << max(64 - length, 0)) & ones)
    low_mask = np.uint64((ones << min(128 - length, 64)) & ones)
    return high & high_mask, low & low_mask


def _coverage_keys(
    local_high: U64, local_low: U64, remote_high: U64, remote_low: U64, local_ports: U64, remote_ports: U64
) -> U64:
    ports = local_ports << np.uint64(16) | remote_ports
    return mix(local_high, local_low, remote_high, remote_low, ports)


def _coverage_index(rows: set[tuple[int, int, int, int]]) -> HashIndex:
    """Rows are (local address, remote address, local port, remote port), addresses masked and in full width."""
    low = 0xFFFFFFFFFFFFFFFF
    columns = [
        np.array(column, dtype=np.uint64)
        for column in zip(
            *((local >> 64, local & low, remote >> 64, remote & low, lp, rp) for local, remote, lp, rp in rows),
            strict=True,
        )
    ]
    index = HashIndex()
    for key in set(_coverage_keys(*columns).tolist()):
        index.insert(key, 1)
    return index
