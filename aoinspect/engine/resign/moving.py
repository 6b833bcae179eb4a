"""Makes room for signatures of another length in all frames of a batch at once.

The octets around the new signatures are moved, and the lengths that follow are written: afterwards the batch holds the
frames as they are going to be, but for MACs and TCP checksums, and segments are signed in it as in any other. What
takes more than that (a checksum around the segment, a header without a known length, padding that shrinks) is left to
`resizing`, which builds such frames one by one and gives the same octets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from aoinspect.ao.option import FIXED_HEADER_LENGTH, KIND_END, KIND_NOP, MAX_OPTIONS_LENGTH
from aoinspect.capture.frames import HEADROOM, I64, U8, FrameBatch
from aoinspect.capture.rewriting import Records
from aoinspect.engine.hash_index import U64, mix
from aoinspect.engine.locate import Mask
from aoinspect.engine.macs import windows
from aoinspect.engine.resign.checksums import MODULUS, sums
from aoinspect.engine.resign.envelopes import FIRST_ETHERTYPE, WITHOUT_LENGTH, Headers, has_covering_checksum
from aoinspect.engine.resign.options import replace_signature, slot_of, stripped_slot, without_signatures
from aoinspect.engine.resign.resizing import is_padded_to_shortest, signature_option
from aoinspect.engine.segments import Segments
from aoinspect.engine.verdicts import Method
from dissectors.octets import u8, u16

_LARGEST_LENGTH = 0xFFFF
LENGTH_AT = {"ip": 2, "ipv6": 4, "udp": 4}
TYPE_AT = {"eth": 12, "vlan": 2}


class Stretch(NamedTuple):
    """A batch, and how it came from the stretch of the file that it was read from."""

    batch: FrameBatch
    records: I64
    """Where each frame's record starts in the batch's octets."""
    moved_from: I64
    """Offsets in the file behind which everything up to the next has moved, ascending."""
    moved_by: I64
    """By how many octets, counted within the stretch."""

    @classmethod
    def of(cls, batch: FrameBatch) -> Stretch:
        """A batch as it was read."""
        nothing: I64 = np.zeros(0, dtype=np.int64)
        return cls(batch, batch.offsets - int(batch.offsets[0]) + HEADROOM, nothing, nothing)

    def moves(self, start: int, end: int) -> list[tuple[int, int]]:
        """(offset, by how many octets what follows it has moved) between two offsets of the file, from `start` on."""
        first, last = np.searchsorted(self.moved_from, (start, end)).tolist()
        before = int(self.moved_by[first - 1]) if first else 0
        return list(
            zip(self.moved_from[first:last].tolist(), (self.moved_by[first:last] - before).tolist(), strict=True)
        )

    @property
    def file_end(self) -> int:
        """Where the stretch ends in the file: with its last frame's octets."""
        growth = int(self.moved_by[-1]) if len(self.moved_by) else 0
        return int(self.batch.offsets[0]) + int(self.batch.ends[-1]) - HEADROOM - growth


class Room(NamedTuple):
    """What is wanted of some segments: each a signature option of another length, or none. Arrays have one value a
    segment."""

    rows: I64
    """Which segments."""
    indices: I64
    """Row of the batch."""
    methods: U8
    """A `Method`: what the signature is going to be; NONE where it is taken out."""
    key_ids: U8
    rnext_key_ids: U8
    mac_lengths: U8

    def select(self, chosen: I64 | Mask) -> Room:
        """The same for some segments."""
        return Room._make(column[chosen] for column in self)


def make_room(
    stretch: Stretch, segments: Segments, trail: list[Headers], room: Room, records: Records
) -> Stretch | None:
    """The batch with signature options as `room` has them, MACs zero, for those segments that this is simple for.

    None where it is for none. `stretch` is left as it was.
    """
    batch = stretch.batch
    is_simple = _is_simple(batch, trail)
    is_simple &= records.can_grow(batch.octets, stretch.records, int(batch.ends[-1]))
    room = room.select(is_simple[room.indices])
    lengths = _signature_lengths(room)
    slots, fits = _slots(segments, room, lengths)
    room, slots, lengths = room.select(fits), slots[fits], lengths[fits]
    if not len(room.rows):
        return None
    order = np.argsort(room.indices, kind="stable")
    return _moved(stretch, segments, trail, room.select(order), slots[order], lengths[order], records)


def _is_simple(batch: FrameBatch, trail: list[Headers]) -> Mask:
    """Which frames of a batch have nothing around their segment but lengths that can simply grow."""
    octets = batch.octets
    is_simple = ~has_covering_checksum(trail, octets, len(batch)) & ~is_padded_to_shortest(batch)
    for headers in trail:
        if headers.name in TYPE_AT:
            is_known = u16(octets, headers.starts + TYPE_AT[headers.name]) >= FIRST_ETHERTYPE
        elif headers.name in LENGTH_AT:
            most = _LARGEST_LENGTH - MAX_OPTIONS_LENGTH
            is_known = u16(octets, headers.starts + LENGTH_AT[headers.name]) <= most
        else:
            is_known = np.full(len(headers.indices), headers.name in WITHOUT_LENGTH)
        is_simple[headers.indices[~is_known]] = False
    return is_simple


def _signature_lengths(room: Room) -> I64:
    lengths = np.zeros(len(room.rows), dtype=np.int64)
    for method in np.unique(room.methods[room.methods != Method.NONE]).tolist():
        chosen = room.methods == method
        shortest = len(signature_option(method, 0, 0, 0))
        # Every octet of MAC makes a TCP-AO option longer by one, and none a TCP-MD5 option.
        growth = len(signature_option(method, 0, 0, 1)) - shortest
        lengths[chosen] = shortest + growth * room.mac_lengths[chosen].astype(np.int64)
    return lengths


# Which octets make way: settled once for all segments whose options are laid out alike.


def _slots(segments: Segments, room: Room, lengths: I64) -> tuple[I64, Mask]:
    """Start, end and padding (n, 3) of each segment's slot, and whether the options behind it can stay as they are."""
    packets, rows = segments.packets, room.rows
    header_lengths = segments.header_lengths[rows]
    keys = _layout_keys(packets.octets, packets.starts[rows], header_lengths)
    wishes = lengths.astype(np.uint64) << np.uint64(8) | room.methods
    _, firsts, kinds = np.unique(mix(keys, wishes), return_index=True, return_inverse=True)
    slots = np.zeros((len(firsts), 3), dtype=np.int64)
    fits = np.zeros(len(firsts), dtype=np.bool_)
    for kind, first in enumerate(firsts.tolist()):
        start = int(packets.starts[rows[first]])
        header = packets.octets[start : start + int(header_lengths[first])].tobytes()
        signature = b""
        if room.methods[first] == Method.NONE:
            slot, wanted = stripped_slot(header), without_signatures(header)
        else:
            signature = signature_option(int(room.methods[first]), 0, 0, int(room.mac_lengths[first]))
            slot, wanted = slot_of(header, len(signature)), replace_signature(header, signature)
        options = header[FIXED_HEADER_LENGTH:]
        slots[kind] = slot
        # Where options at the other end of the header have to follow, the frame is built anew.
        moved = options[: slot.start] + signature + bytes([KIND_NOP]) * slot.padding + options[slot.end :]
        fits[kind] = wanted == moved and len(moved) <= MAX_OPTIONS_LENGTH
    return slots[kinds], fits[kinds]


def _layout_keys(octets: U8, starts: I64, header_lengths: I64) -> U64:
    """A number for each header that tells how its options are laid out: kinds and lengths, not their values."""
    options = windows(octets, MAX_OPTIONS_LENGTH)[starts + FIXED_HEADER_LENGTH].view(np.uint8)
    options = options.reshape(len(starts), MAX_OPTIONS_LENGTH)
    tells = np.zeros(options.shape, dtype=np.bool_)
    columns = np.arange(MAX_OPTIONS_LENGTH)
    limits = header_lengths - FIXED_HEADER_LENGTH
    rows = np.flatnonzero(limits > 0)
    at = np.zeros(len(rows), dtype=np.int64)
    while len(rows):
        kinds = options[rows, at]
        is_end, is_nop = kinds == KIND_END, kinds == KIND_NOP
        tells[rows, at] = True
        lengths_at = np.minimum(at + 1, MAX_OPTIONS_LENGTH - 1)
        tells[rows, np.where(is_nop, at, lengths_at)] = True
        tells[rows[is_end]] |= columns >= at[is_end, np.newaxis]
        steps = np.where(is_nop, 1, np.maximum(options[rows, lengths_at], 1).astype(np.int64))
        goes_on = ~is_end & (at + steps < limits[rows])
        rows, at = rows[goes_on], (at + steps)[goes_on]
    tells &= columns < limits[:, np.newaxis]
    words = np.ascontiguousarray(options * tells).view(np.uint64)
    return mix(header_lengths.astype(np.uint64), *words.T)


# Moving.


def _moved(
    stretch: Stretch,
    segments: Segments,
    trail: list[Headers],
    room: Room,
    slots: I64,
    lengths: I64,
    records: Records,
) -> Stretch:
    """The stretch with the slots of `room`, in the order of frames, replaced by signatures and their padding."""
    batch, tcp_starts = stretch.batch, segments.packets.starts[room.rows]
    options = tcp_starts + FIXED_HEADER_LENGTH
    cuts, cut_ends = options + slots[:, 0], options + slots[:, 1]
    put_in = lengths + slots[:, 2]
    growths = put_in - (cut_ends - cuts)
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(growths)])

    def moved(positions: I64) -> I64:
        # A frame that ends where its signature is added ends behind it, and the next record starts there.
        return positions + total[np.searchsorted(cuts, positions, side="right")]  # type: ignore[no-any-return]

    octets = np.zeros(len(batch.octets) + int(total[-1]), dtype=np.uint8)
    places = cuts + total[:-1]
    octets[_outside(len(octets), places, put_in)] = batch.octets[_outside(len(batch.octets), cuts, cut_ends - cuts)]
    _put_signatures(octets, places, room, slots[:, 2])
    offset_octets = moved(tcp_starts) + 12
    header_lengths = segments.header_lengths[room.rows] + growths
    octets[offset_octets] = (header_lengths << 2).astype(np.uint8) | (octets[offset_octets] & np.uint8(0x0F))
    growth_of_frames = np.zeros(len(batch), dtype=np.int64)
    growth_of_frames[room.indices] = growths
    grow_envelopes(octets, [headers._replace(starts=moved(headers.starts)) for headers in trail], growth_of_frames)
    new_records = moved(stretch.records)
    changed = growth_of_frames != 0
    records.grow(octets, new_records[changed], growth_of_frames[changed])
    first_offset = int(batch.offsets[0])
    new_batch = replace(
        batch,
        octets=octets,
        starts=moved(batch.starts),
        ends=moved(batch.ends),
        wire_lengths=batch.wire_lengths + growth_of_frames,
    )
    return Stretch(new_batch, new_records, cuts - HEADROOM + first_offset, total[1:])


def _outside(size: int, starts: I64, lengths: I64) -> Mask:
    """Which of `size` octets lie in none of the ranges of `lengths` octets from `starts` on."""
    outside = np.ones(size, dtype=np.bool_)
    for length in np.unique(lengths).tolist():
        outside[starts[lengths == length, np.newaxis] + np.arange(length)] = False
    return outside


def _put_signatures(octets: U8, places: I64, room: Room, paddings: I64) -> None:
    """Writes signature options with MACs of zeros, and the NOPs behind them."""
    kinds = np.stack([room.methods, room.mac_lengths, paddings.astype(np.uint8)], axis=1)
    for method, mac_length, padding in np.unique(kinds[room.methods != Method.NONE], axis=0).tolist():
        chosen = (kinds == (method, mac_length, padding)).all(axis=1)
        template = signature_option(method, 0, 0, mac_length) + bytes([KIND_NOP]) * padding
        written = np.tile(np.frombuffer(template, dtype=np.uint8), (int(chosen.sum()), 1))
        if method == Method.AO:
            written[:, 2], written[:, 3] = room.key_ids[chosen], room.rnext_key_ids[chosen]
        windows(octets, len(template))[places[chosen]] = written.view(f"V{len(template)}").reshape(-1)


def grow_envelopes(octets: U8, trail: list[Headers], growths: I64) -> None:
    """Adds to the lengths of all headers around frames that have grown, and computes IPv4's checksums anew."""
    for headers in trail:
        length_at = LENGTH_AT.get(headers.name)
        growth = growths[headers.indices]
        rows = np.flatnonzero(growth)
        if length_at is None or not len(rows):
            continue
        starts = headers.starts[rows]
        lengths = u16(octets, starts + length_at)
        _put_16(octets, starts + length_at, np.where(lengths == 0, 0, lengths + growth[rows]))
        if headers.name == "ip":
            _put_16(octets, starts + 10, np.zeros(len(rows), dtype=np.int64))
            ends = starts + (u8(octets, starts) & 15) * 4
            _put_16(octets, starts + 10, (MODULUS - sums(octets, starts, ends)) % MODULUS)


def _put_16(octets: U8, at: I64, numbers: I64) -> None:
    octets[at] = numbers >> 8
    octets[at + 1] = numbers & 0xFF
