"""The octets of all segments of the table, read a second time: the fields that no column of the table holds.

One pass over the capture, batch by batch, with the same hops and the same reassembly as the first one. What comes out
is arrays again; payloads and MACs are there as 64-bit hashes, of which nothing but equality is asked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import HEADROOM, I64, TAILROOM, U8, U16, U32
from aoinspect.engine.connections import U64
from aoinspect.engine.locate import Locator, Mask, Packets
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.reassembly import Reassembler, batch_of
from aoinspect.engine.segments import Segments, read_segments
from aoinspect.engine.single_frame import CaptureSource
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Method

OPTION_ROOM = 40
_FIXED_HEADER = 20
_IPV4_SOURCE, _IPV6_SOURCE = 12, 8
"""Octets before the source address (RFC 791 3.1, RFC 8200 3)."""
_HASH_MASK = 0xFFFFFFFFFFFFFFFF


class Observed(NamedTuple):
    """Segments of one capture, one value each, in the order of frames."""

    frames: I64
    times_ns: I64
    is_ipv6: Mask
    sources: U8
    """(n, 16); IPv4 addresses in the first four octets."""
    destinations: U8
    ports: I64
    """(n, 2): source and destination."""
    traffic_classes: U8
    hop_limits: U8
    identifications: U32
    """IPv4's identification, IPv6's flow label."""
    is_fragmented: Mask
    seqs: U32
    acks: U32
    flags: U16
    """The 12 bits behind the data offset."""
    header_lengths: I64
    windows: U16
    checksums: U16
    urgent_pointers: U16
    options: U8
    """(n, 40): the option space, zero behind its end."""
    has_whole_header: Mask
    is_whole: Mask
    """Every octet of the segment was captured."""
    payload_lengths: I64
    payloads: U64
    """Hashes; comparable within this process, and only where the segments are whole."""
    methods: U8
    key_ids: U8
    rnext_key_ids: U8
    mac_lengths: U8
    macs: U64
    """Hashes; 0 without a signature."""

    def select(self, rows: npt.NDArray[np.intp] | I64) -> Observed:
        """The same for some rows."""
        return Observed._make(column[rows] for column in self)


class Reading(NamedTuple):
    """A capture read again: `segments` and `rows` are of one length, one value a segment."""

    segments: Observed
    rows: Rows
    unread: int
    """Rows of the table whose segments are not whole datagrams."""
    frames: int
    first_time_ns: int
    """Of all frames; 0 where there is none."""
    last_time_ns: int


def read_again(analyzer: Analyzer, source: CaptureSource) -> Reading:
    """The segments of the analyser's table, by another pass over its (only) capture.

    The analyser must have been made with `keep_table` and fed the whole of `source`. CaptureError where the capture
    cannot be opened again.
    """
    assert analyzer.table is not None
    rows = analyzer.table.rows
    order = np.argsort(rows.frame, kind="stable")
    rows = rows.select(order)
    wanted = rows.frame.astype(np.int64)
    parts: list[Observed] = []
    locator, reassembler = Locator(analyzer.registry), Reassembler()
    frames, first_time_ns, last_time_ns = 0, 0, 0
    for batch in source.open().batches():
        if len(batch):
            times = (int(batch.times_ns.min()), int(batch.times_ns.max()))
            first_time_ns = times[0] if not frames else min(first_time_ns, times[0])
            last_time_ns = max(last_time_ns, times[1])
        frames += len(batch)
        packets, fragments = locator.locate(batch)
        parts.append(_observe(packets, wanted, is_fragmented=False))
        if fragments is None:
            continue
        completed, _ = reassembler.add(batch, fragments)
        if completed:
            inner, _ = locator.locate(batch_of(completed))
            numbers = np.array([datagram.frame for datagram in completed], dtype=np.int64)[inner.frames - 1]
            parts.append(_observe(inner._replace(frames=numbers), wanted, is_fragmented=True))
    if not parts:
        parts.append(_observe(_NO_PACKETS, wanted, is_fragmented=False))
    segments = Observed._make(np.concatenate(columns) for columns in zip(*parts, strict=True))
    segments = segments.select(np.argsort(segments.frames, kind="stable"))
    places = np.searchsorted(wanted, segments.frames)
    return Reading(
        segments=segments,
        rows=rows.select(places),
        unread=len(wanted) - len(places),
        frames=frames,
        first_time_ns=first_time_ns,
        last_time_ns=last_time_ns,
    )


_EMPTY = np.zeros(0, dtype=np.int64)
_NO_PACKETS = Packets(
    np.zeros(HEADROOM + TAILROOM, dtype=np.uint8),
    *(_EMPTY,) * 5,
    np.zeros(0, dtype=np.bool_),
    *(_EMPTY,) * 5,
    np.zeros(0, dtype=np.bool_),
    *(_EMPTY,) * 2,
)


def _observe(packets: Packets, wanted: I64, *, is_fragmented: bool) -> Observed:
    """Those of `packets` whose frames are `wanted` (ascending)."""
    packets = packets.select(np.flatnonzero(np.isin(packets.frames, wanted)))
    segments = read_segments(packets)
    octets, count = packets.octets, packets.size
    networks = packets.sources - np.where(packets.is_ipv6, _IPV6_SOURCE, _IPV4_SOURCE)
    first_words = _number(octets, networks, 4)
    classes = np.where(packets.is_ipv6, first_words >> 20, first_words >> 16) & 0xFF
    hops = octets[networks + np.where(packets.is_ipv6, 7, 8)] if count else np.zeros(0, dtype=np.uint8)
    identifications = np.where(packets.is_ipv6, first_words & 0xFFFFF, _number(octets, networks + 4, 2))
    visible = packets.limits - packets.starts
    has_whole_header = ~segments.is_header_cut
    return Observed(
        frames=packets.frames,
        times_ns=packets.times_ns,
        is_ipv6=packets.is_ipv6,
        sources=_addresses(octets, packets.sources, packets.is_ipv6),
        destinations=_addresses(octets, packets.destinations, packets.is_ipv6),
        ports=np.stack([segments.source_ports, segments.destination_ports], axis=1).astype(np.int64),
        traffic_classes=classes.astype(np.uint8),
        hop_limits=hops,
        identifications=identifications.astype(np.uint32),
        is_fragmented=np.full(count, is_fragmented),
        seqs=segments.seqs,
        acks=segments.acks,
        flags=segments.flags,
        header_lengths=segments.header_lengths,
        windows=_header_field(octets, packets.starts, 14, visible),
        checksums=_header_field(octets, packets.starts, 16, visible),
        urgent_pointers=_header_field(octets, packets.starts, 18, visible),
        options=_options(octets, packets.starts, segments.header_lengths),
        has_whole_header=has_whole_header,
        is_whole=has_whole_header & (packets.ends <= packets.limits) & ~packets.is_partial,
        payload_lengths=segments.payload_lengths,
        payloads=_payload_hashes(segments),
        methods=segments.methods,
        key_ids=segments.key_ids,
        rnext_key_ids=segments.rnext_key_ids,
        mac_lengths=segments.mac_lengths,
        macs=_mac_hashes(segments),
    )


def _number(octets: U8, positions: I64, width: int) -> I64:
    """Numbers of `width` octets in network order."""
    value = np.zeros(len(positions), dtype=np.int64)
    for index in range(width):
        value = value << 8 | octets[positions + index]
    return value


def _header_field(octets: U8, starts: I64, offset: int, visible: I64) -> U16:
    """Two octets of the TCP header; 0 where they were not captured."""
    return np.where(visible >= offset + 2, _number(octets, starts + offset, 2), 0).astype(np.uint16)


def _addresses(octets: U8, positions: I64, is_ipv6: Mask) -> U8:
    addresses: U8 = octets[positions[:, np.newaxis] + np.arange(16)]
    addresses[~is_ipv6, 4:] = 0
    return addresses


def _options(octets: U8, starts: I64, header_lengths: I64) -> U8:
    # A position inside a batch's frame has at least 64 octets of the batch behind it (`TAILROOM`).
    space = np.arange(OPTION_ROOM)
    positions = np.minimum(starts[:, np.newaxis] + _FIXED_HEADER + space, max(len(octets) - 1, 0))
    options: U8 = octets[positions]
    options[space >= (header_lengths - _FIXED_HEADER)[:, np.newaxis]] = 0
    return options


def _payload_hashes(segments: Segments) -> U64:
    packets = segments.packets
    starts = (packets.starts + segments.header_lengths).tolist()
    ends = np.minimum(packets.ends, packets.limits).tolist()
    octets = packets.octets.data
    hashes = [hash(octets[start:end].tobytes()) & _HASH_MASK for start, end in zip(starts, ends, strict=True)]
    return np.array(hashes, dtype=np.uint64)


def _mac_hashes(segments: Segments) -> U64:
    hashes = np.zeros(segments.size, dtype=np.uint64)
    octets = segments.packets.octets.data
    for row in np.flatnonzero((segments.mac_lengths > 0) & (segments.option_starts > 0)).tolist():
        start = int(segments.option_starts[row]) + (4 if segments.methods[row] == Method.AO else 2)
        hashes[row] = hash(octets[start : start + int(segments.mac_lengths[row])].tobytes()) & _HASH_MASK
    return hashes
