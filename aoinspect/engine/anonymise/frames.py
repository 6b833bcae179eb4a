"""One batch anonymised: which of its frames are kept, and their octets but for MACs and the checksums above them.

Kept are the frames of segments that have a row in the plan, the pieces of fragmented TCP datagrams, and what
`neighbours` knows. Any other frame keeps its place, its time and its length, and nothing else; so does one with a
header around its segment that `headers` does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, FrameBatch
from aoinspect.engine.anonymise.addresses import AddressMap
from aoinspect.engine.anonymise.headers import blank, copy_envelopes
from aoinspect.engine.anonymise.neighbours import ETHERTYPE_ARP, PROTOCOL_ICMP, PROTOCOL_ICMPV6, Neighbours
from aoinspect.engine.anonymise.tcp import copy_headers, copy_payloads
from aoinspect.engine.anonymise.twin import Twin
from aoinspect.engine.locate import PROTOCOL_TCP, FragmentPieces, Mask, Packets, _Group, _Walk
from aoinspect.engine.resign.envelopes import TracingLocator
from aoinspect.engine.resign.plan import NO_ROW, Plan
from aoinspect.engine.segments import Segments, read_segments
from aoinspect.engine.verdicts import Reason
from dissectors.base import Headers as Question
from dissectors.registry import Registry

_OFFSET_MASK = 0x1FFF


class WayLocator(TracingLocator):
    """A TracingLocator that knows which dissectors read the headers of its trail."""

    groups: list[_Group]

    def locate(self, batch: FrameBatch) -> tuple[Packets, FragmentPieces | None]:
        self.groups = []
        return super().locate(batch)

    def _step(self, batch: FrameBatch, group: _Group, walk: _Walk) -> list[_Group]:
        self.groups.append(group)
        return super()._step(batch, group, walk)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A batch, its twin, and the segments that are kept."""

    twin: Twin
    segments: Segments
    """Of the batch as it was."""
    indices: I64
    """Row of the batch of each segment."""
    planned: I64
    """The plan's row of each segment; NO_ROW for those that are not kept."""
    fragments: FragmentPieces | None
    is_kept: Mask
    """Which frames of the batch are more than a place and a time."""
    locator: WayLocator


class _Beside(NamedTuple):
    """A frame without a segment whose innermost header leads to something known."""

    row: int
    number: int
    namespace: str
    start: int
    end: int
    network_start: int


class FrameRewriter:
    """Anonymises batches of one capture."""

    def __init__(
        self, registry: Registry, addresses: AddressMap, ports: I64, plan: Plan, *, keeps_payload: bool
    ) -> None:
        self.addresses = addresses
        self.ports = ports
        self._plan = plan
        self._keeps_payload = keeps_payload
        self._registry = registry
        self._locator = WayLocator(registry)
        self._neighbours = Neighbours(addresses, ports)

    def rewrite(self, batch: FrameBatch, frames: I64 | None = None) -> Rewritten:
        """The twin of `batch`; MACs and the checksums of TCP, UDP and GRE are zeros.

        `frames` has the number in the plan of each frame of a batch that is none of the capture's own (datagrams).
        """
        locator = self._locator if frames is None else WayLocator(self._registry)
        packets, fragments = locator.locate(batch)
        segments = read_segments(packets)
        indices = packets.frames - batch.first_frame
        planned = self._plan.find(packets.frames if frames is None else frames[indices])
        twin = Twin.of(batch, self.addresses, self.ports)
        is_wanted = np.zeros(len(batch), dtype=np.bool_)
        is_wanted[indices[planned != NO_ROW]] = True
        inner_starts = batch.ends.copy()
        inner_starts[indices] = packets.starts
        pieces = self._tcp_pieces(fragments)
        if fragments is not None:
            is_wanted[fragments.indices[pieces]] = True
            inner_starts[fragments.indices] = fragments.starts
        beside = self._beside(batch, locator, indices, fragments)
        for one in beside:
            is_wanted[one.row] = True
            inner_starts[one.row] = one.start
        is_kept = copy_envelopes(twin, locator.trail, is_wanted, inner_starts)
        for one in beside:
            if is_kept[one.row]:
                is_kept[one.row] = self._write_beside(twin, one)
        planned[~is_kept[indices]] = NO_ROW
        kept = np.flatnonzero(planned != NO_ROW)
        copy_headers(twin, segments, kept)
        if self._keeps_payload:
            copy_payloads(twin, segments, kept[segments.malformed[kept] != Reason.TCP_HEADER])
        if fragments is not None:
            self._copy_first_pieces(twin, fragments, pieces, is_kept)
        blank(twin, np.flatnonzero(~is_kept), locator.trail)
        return Rewritten(twin, segments, indices, planned, fragments, is_kept, locator)

    # Fragments.

    @staticmethod
    def _tcp_pieces(fragments: FragmentPieces | None) -> I64:
        if fragments is None:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(fragments.protocols == PROTOCOL_TCP)

    def _copy_first_pieces(self, twin: Twin, fragments: FragmentPieces, pieces: I64, is_kept: Mask) -> None:
        """The TCP headers at the start of datagrams in pieces, as those of segments that are cut."""
        batch = twin.batch
        chosen = [
            piece
            for piece in pieces.tolist()
            if is_kept[fragments.indices[piece]] and _is_first(batch, fragments, int(piece))
        ]
        if not chosen:
            return
        rows = np.array(chosen, dtype=np.int64)
        indices, starts = fragments.indices[rows], fragments.starts[rows]
        has_ports = batch.ends[indices] - starts >= 4
        indices, starts, rows = indices[has_ports], starts[has_ports], rows[has_ports]
        nothing: I64 = np.zeros(len(rows), dtype=np.int64)
        packets = Packets(
            octets=batch.octets,
            frames=indices + batch.first_frame,
            times_ns=batch.times_ns[indices],
            offsets=batch.offsets[indices],
            sources=nothing,
            destinations=nothing,
            is_ipv6=nothing.astype(np.bool_),
            starts=starts,
            ends=fragments.ends[rows],
            limits=batch.ends[indices],
            interfaces=nothing,
            vlans=nothing,
            is_partial=np.ones(len(rows), dtype=np.bool_),
            captures=nothing,
            orders=nothing,
        )
        segments = read_segments(packets)
        copy_headers(twin, segments, np.arange(segments.size))

    # Beside the sessions.

    def _beside(
        self, batch: FrameBatch, locator: WayLocator, indices: I64, fragments: FragmentPieces | None
    ) -> list[_Beside]:
        """The frames that may be kept though they have no TCP segment."""
        is_open = np.ones(len(batch), dtype=np.bool_)
        is_open[indices] = False
        if fragments is not None:
            is_open[fragments.indices] = False
        found: list[_Beside] = []
        if not is_open.any():
            return found
        for group in reversed(locator.groups):
            rows = np.flatnonzero(is_open[group.indices])
            if not len(rows):
                continue
            # Backwards, so the innermost header of a frame comes first.
            is_open[group.indices[rows]] = False
            dissector = group.dissector
            if dissector.hop is None or dissector.leads_to not in ("ethertype", "ip.proto"):
                continue
            at = group.indices[rows]
            hop = dissector.hop(Question(batch.octets, group.starts[rows], group.ends[rows], batch.ends[at]))
            wanted = (ETHERTYPE_ARP,) if dissector.leads_to == "ethertype" else (PROTOCOL_ICMP, PROTOCOL_ICMPV6)
            for row in np.flatnonzero(np.isin(hop.numbers, wanted) & ~hop.is_cut).tolist():
                index = int(at[row])
                end = min(int(hop.ends[row]), int(batch.ends[index]))
                start = int(hop.starts[row])
                # What the snap length cut is not worth the care.
                if end == int(hop.ends[row]) and start < end:
                    namespace, network = dissector.leads_to, int(group.starts[rows[row]])
                    found.append(_Beside(index, int(hop.numbers[row]), namespace, start, end, network))
        return found

    def _write_beside(self, twin: Twin, one: _Beside) -> bool:
        packet = twin.batch.octets[one.start : one.end].tobytes()
        made = None
        if one.namespace == "ethertype":
            made = self._neighbours.arp(packet)
        else:
            is_ipv6 = int(twin.octets[one.network_start]) >> 4 == 6
            if one.number == PROTOCOL_ICMP and not is_ipv6:
                made = self._neighbours.icmp(packet)
            elif one.number == PROTOCOL_ICMPV6 and is_ipv6:
                ends = twin.octets[one.network_start + 8 : one.network_start + 40].tobytes()
                made = self._neighbours.icmpv6(packet, ends)
        if made is None:
            return False
        twin.octets[one.start : one.end] = np.frombuffer(made[: len(packet)].ljust(len(packet), b"\0"), dtype=np.uint8)
        return True


def _is_first(batch: FrameBatch, fragments: FragmentPieces, piece: int) -> bool:
    """Whether a piece is the first of its datagram (RFC 791 3.1, RFC 8200 4.5)."""
    network, start = int(fragments.network_starts[piece]), int(fragments.starts[piece])
    octets = batch.octets
    if int(octets[network]) >> 4 == 4:
        return (int(octets[network + 6]) << 8 | int(octets[network + 7])) & _OFFSET_MASK == 0
    return (int(octets[start - 6]) << 8 | int(octets[start - 5])) & 0xFFF8 == 0
