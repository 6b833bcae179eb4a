"""Where in each frame the TCP segment lies: from the link layer inwards, one dissector's hop after another.

Frames are grouped by the key of what comes next, and each dissector is called once per group. What the hops report on
the way (addresses' place, VLAN, interface number, fragments, cuts) is gathered here; what it means is decided later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, FrameBatch
from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.registry import Registry

Mask = npt.NDArray[np.bool_]

DEPTH_LIMIT = 24
"""Headers around a TCP segment that are followed; more is not a packet but an attack on the reader."""

PROTOCOL_TCP = 6


class Packets(NamedTuple):
    """TCP segments found in a batch: one row each, in capture order. Positions count octets in `octets`."""

    octets: U8
    frames: I64
    """Frame number, from 1."""
    times_ns: I64
    offsets: I64
    """Where the record lies in the uncompressed file."""
    sources: I64
    """Where the IP source address starts."""
    destinations: I64
    """Where the destination address starts that the pseudo-header takes."""
    is_ipv6: Mask
    starts: I64
    """Where the TCP header starts."""
    ends: I64
    """Where the segment ends as IP says; beyond `limits` where the capture cut it."""
    limits: I64
    """Where the captured octets end."""
    interfaces: I64
    """Number of the capture interface, in the low 32 bits the cooked header's index + 1 where there is one."""
    vlans: I64
    """Innermost 802.1Q VLAN identifier; -1 without a tag."""
    is_partial: Mask
    """Only the first fragment of a datagram whose other pieces are missing."""
    captures: I64
    """Index into the run's captures; 0 where there is no run."""
    orders: I64
    """Where the segment stands among all of a run, in the order in which they are judged; 0 where there is no run."""

    @property
    def size(self) -> int:
        """Number of segments."""
        return len(self.starts)

    def select(self, rows: npt.NDArray[np.intp] | Mask | slice) -> Packets:
        """The same for some rows; `octets` is shared."""
        return Packets._make((self.octets, *(column[rows] for column in self[1:])))


def joined(parts: Sequence[Packets]) -> tuple[Packets, list[int]]:
    """All rows of `parts`, one part after the other, and how far the positions of each part have moved."""
    moved, shifts, shift = [], [], 0
    for part in parts:
        moved.append(
            part._replace(
                sources=part.sources + shift,
                destinations=part.destinations + shift,
                starts=part.starts + shift,
                ends=part.ends + shift,
                limits=part.limits + shift,
            )
        )
        shifts.append(shift)
        shift += len(part.octets)
    return Packets._make(np.concatenate(columns) for columns in zip(*moved, strict=True)), shifts


class FragmentPieces(NamedTuple):
    """IP fragments found in a batch, for `reassembly`; arrays as in `Packets`."""

    indices: I64
    """Row in the batch."""
    network_starts: I64
    starts: I64
    """Where the fragment's payload starts."""
    ends: I64
    destinations: I64
    vlans: I64
    cooked_interfaces: I64
    protocols: I64


@dataclass(slots=True)
class LocateCounts:
    """What was met on the way and is no TCP segment."""

    unknown_link_types: Counter[int] = field(default_factory=Counter)
    """LINKTYPE_ number -> frames that no dissector reads."""
    cut: int = 0
    """Frames that end before the TCP ports."""
    fragments: int = 0
    """Frames that hold a piece of an IP datagram."""


class _Group(NamedTuple):
    """Frames that the same dissector reads next."""

    dissector: Dissector
    indices: I64
    starts: I64
    ends: I64


class Locator:
    """Finds TCP segments in batches; keeps only look-up tables between them."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.counts = LocateCounts()
        self._tables: dict[str, tuple[npt.NDArray[np.int32], list[Dissector]]] = {}

    def _table(self, namespace: str) -> tuple[npt.NDArray[np.int32], list[Dissector]]:
        """Number -> position in the list of dissectors (-1: none), for numbers of 16 bits."""
        known = self._tables.get(namespace)
        if known is None:
            by_number = self.registry.namespace(namespace)
            dissectors = list(dict.fromkeys(by_number.values()))
            positions = {id(dissector): position for position, dissector in enumerate(dissectors)}
            table = np.full(0x10000 + 1, -1, dtype=np.int32)  # The last entry is NOTHING's.
            for number, dissector in by_number.items():
                if 0 <= number < 0x10000:
                    table[number] = positions[id(dissector)]
            known = self._tables[namespace] = (table, dissectors)
        return known

    def locate(self, batch: FrameBatch) -> tuple[Packets, FragmentPieces | None]:
        """The TCP segments of `batch`, and the IP fragments among its frames."""
        walk = _Walk(batch)
        pending = self._by_link_type(batch)
        for _ in range(DEPTH_LIMIT):
            if not pending:
                break
            following: list[_Group] = []
            for group in pending:
                following += self._step(batch, group, walk)
            pending = following
        packets = walk.packets(batch)
        has_ports = packets.limits - packets.starts >= 4
        if not has_ports.all():
            self.counts.cut += int(np.count_nonzero(~has_ports))
            packets = packets.select(has_ports)
        return packets, walk.fragments()

    def _by_link_type(self, batch: FrameBatch) -> list[_Group]:
        groups = []
        for number in np.flatnonzero(np.bincount(batch.link_types)).tolist():
            mask = batch.link_types == number
            dissector = self.registry.lookup(("linktype", number))
            if dissector is None or dissector.hop is None:
                self.counts.unknown_link_types[number] += int(mask.sum())
                continue
            indices = np.flatnonzero(mask)
            starts = batch.starts[indices]
            groups.append(_Group(dissector, indices, starts, starts + batch.wire_lengths[indices]))
        return groups

    def _step(self, batch: FrameBatch, group: _Group, walk: _Walk) -> list[_Group]:
        """One header further in; the groups that follow."""
        dissector, indices, starts, ends = group
        if dissector.hop is None or dissector.leads_to is None:
            return []
        limits = batch.ends[indices] if len(indices) != len(batch) else batch.ends
        hop = dissector.hop(Headers(batch.octets, starts, ends, limits))
        self.counts.cut += int(np.count_nonzero(hop.is_cut))
        if hop.vlans is not None:
            walk.vlans[indices] = hop.vlans
        if hop.interface_numbers is not None:
            walk.interfaces[indices] = (walk.interfaces[indices] & ~0xFFFFFFFF) | (hop.interface_numbers + 1)
        numbers = np.where(hop.is_cut, NOTHING, hop.numbers)
        if dissector.is_network and hop.destinations is not None:
            is_ipv6 = dissector.name == "ipv6"
            walk.sources[indices] = starts + (8 if is_ipv6 else 12)
            walk.destinations[indices] = hop.destinations
            walk.is_ipv6[indices] = is_ipv6
            if hop.is_fragment is not None and hop.is_fragment.any():
                pieces = np.flatnonzero(hop.is_fragment & (numbers != NOTHING))
                self.counts.fragments += len(pieces)
                walk.keep_fragments(indices[pieces], starts[pieces], hop, pieces)
                numbers = np.where(hop.is_fragment, NOTHING, numbers)
        if dissector.leads_to == "ip.proto":
            is_tcp = numbers == PROTOCOL_TCP
            if is_tcp.all():
                walk.tcp_starts[indices] = hop.starts
                walk.tcp_ends[indices] = hop.ends
                return []
            rows = indices[is_tcp]
            walk.tcp_starts[rows] = hop.starts[is_tcp]
            walk.tcp_ends[rows] = hop.ends[is_tcp]
            numbers = np.where(is_tcp, NOTHING, numbers)
        table, dissectors = self._table(dissector.leads_to)
        positions = table[np.where((numbers < 0) | (numbers > 0xFFFF), 0x10000, numbers)]
        if hop.fallbacks is not None:
            second = table[np.where((numbers < 0) | (hop.fallbacks < 0), 0x10000, hop.fallbacks & 0xFFFF)]
            positions = np.where(positions < 0, second, positions)
        groups = []
        for position in np.flatnonzero(np.bincount(positions + 1)).tolist():
            if position == 0:
                continue
            mask = positions == position - 1
            if mask.all():
                groups.append(_Group(dissectors[position - 1], indices, hop.starts, hop.ends))
            else:
                groups.append(_Group(dissectors[position - 1], indices[mask], hop.starts[mask], hop.ends[mask]))
        return groups


class _Walk:
    """What the hops over one batch have reported so far, one value a frame."""

    def __init__(self, batch: FrameBatch) -> None:
        count = len(batch)
        self.tcp_starts = np.full(count, -1, dtype=np.int64)
        self.tcp_ends = np.zeros(count, dtype=np.int64)
        self.sources = np.zeros(count, dtype=np.int64)
        self.destinations = np.zeros(count, dtype=np.int64)
        self.is_ipv6 = np.zeros(count, dtype=np.bool_)
        self.vlans = np.full(count, -1, dtype=np.int64)
        self.interfaces = batch.interfaces.astype(np.int64) << 32
        self._pieces: list[FragmentPieces] = []

    def packets(self, batch: FrameBatch) -> Packets:
        """The frames in which a TCP header was reached."""
        found = np.flatnonzero(self.tcp_starts >= 0)
        everything = len(found) == len(batch)
        columns = Packets(
            octets=batch.octets,
            frames=np.arange(len(batch)) + batch.first_frame,
            times_ns=batch.times_ns,
            offsets=batch.offsets,
            sources=self.sources,
            destinations=self.destinations,
            is_ipv6=self.is_ipv6,
            starts=self.tcp_starts,
            ends=self.tcp_ends,
            limits=batch.ends,
            interfaces=self.interfaces,
            vlans=self.vlans,
            is_partial=np.zeros(len(batch), dtype=np.bool_),
            captures=np.zeros(len(batch), dtype=np.int64),
            orders=np.zeros(len(batch), dtype=np.int64),
        )
        return columns if everything else columns.select(found)

    def keep_fragments(self, indices: I64, network_starts: I64, hop: Hop, pieces: I64) -> None:
        assert hop.destinations is not None
        self._pieces.append(
            FragmentPieces(
                indices=indices,
                network_starts=network_starts,
                starts=hop.starts[pieces],
                ends=hop.ends[pieces],
                destinations=hop.destinations[pieces],
                vlans=self.vlans[indices],
                cooked_interfaces=self.interfaces[indices],
                protocols=hop.numbers[pieces],
            )
        )

    def fragments(self) -> FragmentPieces | None:
        if not self._pieces:
            return None
        joined = FragmentPieces(*(np.concatenate(columns) for columns in zip(*self._pieces, strict=True)))
        order = np.argsort(joined.indices, kind="stable")
        return FragmentPieces(*(column[order] for column in joined))
