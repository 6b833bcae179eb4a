"""What each TCP header says, and where its AO (kind 29) or MD5 (kind 19) option lies (RFC 5925 2.2, RFC 2385 3.0).

The option list is walked for a whole batch at once: one step moves every segment to its next option, and segments drop
out as their lists end. A list is judged as Linux judges it: an option shorter than 2 octets or reaching past the header
breaks it, as do a repeated signature option and both kinds together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U16, U32
from aoinspect.engine.locate import Mask, Packets, joined
from aoinspect.engine.verdicts import Method, Reason
from dissectors.octets import fields

KIND_EOL = 0
KIND_NOP = 1
KIND_MSS = 2
KIND_MD5 = 19
KIND_AO = 29
KINDS_OF_DRAFT_BONICA = (253, 254)
"""Experimental kinds that the TCP Enhanced Authentication Option of draft-bonica-tcp-auth was shipped with."""
SHORTEST_OF_DRAFT_BONICA = 16
"""Kind, length, algorithm, key id, and a MAC of 96 bits. Other experiments share the kinds (RFC 6994); their options
are shorter, but for TCP Fast Open's with a long cookie."""
FAST_OPEN_EXPERIMENT = 0xF9
"""First octet of that experiment's id (RFC 7413 A)."""

MD5_OPTION_LENGTH = 18
AO_MINIMUM_LENGTH = 4

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

TCP_HEADER = np.dtype(
    [
        ("source_port", ">u2"),
        ("destination_port", ">u2"),
        ("seq", ">u4"),
        ("ack", ">u4"),
        ("offset_flags", ">u2"),
        ("window", ">u2"),
        ("checksum", ">u2"),
        ("urgent", ">u2"),
    ]
)


class Segments(NamedTuple):
    """TCP headers and signature options of a batch, one row a segment, in capture order."""

    packets: Packets
    source_ports: I64
    destination_ports: I64
    seqs: U32
    acks: U32
    flags: U16
    """The 12 bits after the data offset, as Wireshark's `tcp.flags`."""
    header_lengths: I64
    """Octets of the TCP header by its data offset."""
    payload_lengths: I64
    """Octets behind the TCP header as IP declares them."""
    methods: U8
    option_starts: I64
    """Where the signature option's kind octet lies; 0 without one."""
    key_ids: U8
    rnext_key_ids: U8
    mac_lengths: U8
    malformed: U8
    """A `Reason`; NONE where the header and its options are sound as far as they can be seen."""
    has_broken_signature: Mask
    """An AO or MD5 option is shorter than 2 octets or reaches past the header: it is one, and nothing of it counts."""
    is_header_cut: Mask
    """The captured octets end before the TCP header and its options do."""
    has_old_option: Mask
    """An option of draft-bonica-tcp-auth, which is no TCP-AO, stands in the list."""
    is_sole_option: Mask
    """The AO option is all that stands in the option space: covering options or not is the same."""

    @property
    def size(self) -> int:
        """Number of segments."""
        return len(self.seqs)

    def select(self, rows: npt.NDArray[np.intp] | Mask | slice) -> Segments:
        """The same for some rows."""
        return Segments._make((self.packets.select(rows), *(column[rows] for column in self[1:])))


def join_segments(parts: Sequence[Segments]) -> Segments:
    """All rows of `parts`, one part after the other; the octets are copied."""
    if len(parts) == 1:
        return parts[0]
    packets, shifts = joined([part.packets for part in parts])
    columns = dict(
        zip(Segments._fields[1:], map(np.concatenate, zip(*(part[1:] for part in parts), strict=True)), strict=True)
    )
    # 0 stands for no option.
    columns["option_starts"] = np.concatenate(
        [
            np.where(part.option_starts > 0, part.option_starts + shift, 0)
            for part, shift in zip(parts, shifts, strict=True)
        ]
    )
    return Segments(packets=packets, **columns)


def read_segments(packets: Packets) -> Segments:
    """The header fields and signature options of every TCP segment in `packets`."""
    count = packets.size
    header = fields(packets.octets, packets.starts, TCP_HEADER)
    visible = packets.limits - packets.starts
    offset_flags = header["offset_flags"].astype(np.uint16)
    header_lengths = (offset_flags >> 12).astype(np.int64) << 2
    has_header = visible >= 20
    declared = packets.ends - packets.starts
    seqs = header["seq"].astype(np.uint32)
    acks = header["ack"].astype(np.uint32)
    if not has_header.all():
        # What the snap length cut reads as zero; the neighbour's octets are not this segment's.
        seqs[visible < 8] = 0
        acks[visible < 12] = 0
        offset_flags[visible < 14] = 0
        header_lengths[visible < 13] = 20
    # Where pieces of the datagram are missing, nothing says how long the segment is.
    is_longer = (header_lengths > declared) & ~packets.is_partial
    is_broken = has_header & ((header_lengths < 20) | is_longer)
    is_header_cut = ~has_header | (visible < header_lengths)
    walk = _OptionWalk(count)
    walk.malformed[is_broken] = Reason.TCP_HEADER
    is_header_cut &= ~is_broken
    _walk_options(packets, header_lengths, has_header & ~is_broken, walk)
    return Segments(
        packets=packets,
        source_ports=header["source_port"].astype(np.int64),
        destination_ports=header["destination_port"].astype(np.int64),
        seqs=seqs,
        acks=acks,
        flags=offset_flags & np.uint16(0x0FFF),
        header_lengths=header_lengths,
        payload_lengths=np.maximum(declared - header_lengths, 0),
        methods=walk.methods,
        option_starts=walk.option_starts,
        key_ids=walk.key_ids,
        rnext_key_ids=walk.rnext_key_ids,
        mac_lengths=walk.mac_lengths,
        malformed=walk.malformed,
        has_broken_signature=walk.has_broken_signature,
        is_header_cut=is_header_cut,
        has_old_option=walk.has_old_option,
        is_sole_option=(walk.methods == Method.AO) & (walk.mac_lengths + np.int64(4) == header_lengths - 20),
    )


class _OptionWalk:
    """What the walk over the option lists has found so far."""

    def __init__(self, count: int) -> None:
        self.methods = np.zeros(count, dtype=np.uint8)
        self.option_starts = np.zeros(count, dtype=np.int64)
        self.key_ids = np.zeros(count, dtype=np.uint8)
        self.rnext_key_ids = np.zeros(count, dtype=np.uint8)
        self.mac_lengths = np.zeros(count, dtype=np.uint8)
        self.malformed = np.zeros(count, dtype=np.uint8)
        self.has_old_option = np.zeros(count, dtype=np.bool_)
        self.has_broken_signature = np.zeros(count, dtype=np.bool_)


def _walk_options(packets: Packets, header_lengths: I64, is_readable: Mask, walk: _OptionWalk) -> None:
    octets = packets.octets
    stops = packets.starts + header_lengths
    limits = np.minimum(stops, packets.limits)
    positions = packets.starts + 20
    # The common segment carries nothing but AO: one look settles it, and it never enters the walk below.
    kinds = octets[positions]
    lengths = octets[positions + 1].astype(np.int64)
    is_plain_ao = (
        is_readable
        & (kinds == KIND_AO)
        & (lengths >= AO_MINIMUM_LENGTH)
        & (positions + lengths == stops)
        & (stops == limits)
    )
    if is_plain_ao.all():
        walk.methods[:] = Method.AO
        walk.option_starts[:] = positions
        walk.key_ids[:] = octets[positions + 2]
        walk.rnext_key_ids[:] = octets[positions + 3]
        walk.mac_lengths[:] = lengths - 4
        return
    rows = np.flatnonzero(is_plain_ao)
    _note_ao(octets, rows, positions[rows], lengths[rows], walk)
    rows = np.flatnonzero(is_readable & ~is_plain_ao & (positions < limits))
    at = positions[rows]
    while len(rows):
        limit = limits[rows]
        kinds = octets[at]
        is_nop = kinds == KIND_NOP
        lengths = np.where(is_nop, 1, octets[at + 1].astype(np.int64))
        # Without its length octet in sight, a list that was cut by the snap length is no broken list.
        has_length = is_nop | (at + 1 < limit)
        is_whole = stops[rows] == limit
        goes_on = (kinds != KIND_EOL) & (has_length | is_whole)
        overruns = ~is_nop & ((lengths < 2) | (at + lengths > stops[rows]) | ~has_length)
        is_visible = at + lengths <= limit
        for kind, note in ((KIND_AO, _note_ao), (KIND_MD5, _note_md5)):
            hits = np.flatnonzero(goes_on & (kinds == kind) & (lengths >= 2) & ~overruns & is_visible)
            if len(hits):
                note(octets, rows[hits], at[hits], lengths[hits], walk)
        is_old = goes_on & (kinds >= KINDS_OF_DRAFT_BONICA[0]) & (kinds <= KINDS_OF_DRAFT_BONICA[1])
        if is_old.any():
            is_old &= (lengths >= SHORTEST_OF_DRAFT_BONICA) & is_visible & (octets[at + 2] != FAST_OPEN_EXPERIMENT)
            walk.has_old_option[rows[is_old]] = True
        is_signature = (kinds == KIND_AO) | (kinds == KIND_MD5)
        walk.has_broken_signature[rows[goes_on & overruns & is_signature]] = True
        broken = rows[goes_on & overruns]
        walk.malformed[broken] = np.where(
            walk.malformed[broken] == Reason.NONE, Reason.OPTION_LENGTH, walk.malformed[broken]
        )
        keep = goes_on & ~overruns & (at + lengths < limit)
        rows = rows[keep]
        at = at[keep] + lengths[keep]


def _note_ao(octets: U8, rows: I64, at: I64, lengths: I64, walk: _OptionWalk) -> None:
    seen = walk.methods[rows]
    _note_repetition(rows, seen, Method.AO, Reason.TWO_AO, walk)
    is_short = lengths < AO_MINIMUM_LENGTH
    walk.malformed[rows[is_short & (walk.malformed[rows] == Reason.NONE)]] = Reason.AO_LENGTH
    # Beside an MD5 option the segment is malformed, and the AO option is the one whose ids are shown.
    is_first = seen != Method.AO
    rows, at, lengths, is_short = rows[is_first], at[is_first], lengths[is_first], is_short[is_first]
    walk.methods[rows] = Method.AO
    walk.option_starts[rows] = at
    walk.key_ids[rows] = np.where(lengths > 2, octets[at + 2], 0)
    walk.rnext_key_ids[rows] = np.where(is_short, 0, octets[at + 3])
    walk.mac_lengths[rows] = np.maximum(lengths - 4, 0)


def _note_md5(octets: U8, rows: I64, at: I64, lengths: I64, walk: _OptionWalk) -> None:
    seen = walk.methods[rows]
    _note_repetition(rows, seen, Method.MD5, Reason.TWO_MD5, walk)
    is_odd = lengths != MD5_OPTION_LENGTH
    walk.malformed[rows[is_odd & (walk.malformed[rows] == Reason.NONE)]] = Reason.MD5_LENGTH
    is_first = seen == Method.NONE
    rows, at, lengths = rows[is_first], at[is_first], lengths[is_first]
    walk.methods[rows] = Method.MD5
    walk.option_starts[rows] = at
    walk.mac_lengths[rows] = lengths - 2


def _note_repetition(rows: I64, seen: U8, method: Method, twice: Reason, walk: _OptionWalk) -> None:
    is_sound = walk.malformed[rows] == Reason.NONE
    walk.malformed[rows[is_sound & (seen == method)]] = twice
    walk.malformed[rows[is_sound & (seen != Method.NONE) & (seen != method)]] = Reason.AO_AND_MD5


def mss_option(octets: U8, start: int, end: int) -> int | None:
    """The MSS option's value among the options from `start` to `end` of one SYN (RFC 9293 3.7.1), or None."""
    at = start
    while at + 1 < end:
        kind = int(octets[at])
        if kind == KIND_EOL:
            return None
        if kind == KIND_NOP:
            at += 1
            continue
        length = int(octets[at + 1])
        if length < 2 or at + length > end:
            return None
        if kind == KIND_MSS and length == 4:
            return int(octets[at + 2]) << 8 | int(octets[at + 3])
        at += length
    return None
