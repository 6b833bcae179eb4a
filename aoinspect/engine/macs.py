"""Computes the MACs of a batch: the inputs laid out by array work, then the one loop that runs per segment.

Each input is made contiguous in a scratch copy of the batch's octets: SNE and pseudo-header are written right before
the TCP header, over the IP header's place (for IPv6 four octets further out, which every link layer or record header
leaves free), checksum and MAC are zeroed, and a segment's MAC is one `update` of one slice. Where options are not
covered, header and AO option are moved up against the payload instead. `aoinspect.ao.mac_input` states the same octets
plainly, for one segment; a test holds that both agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.ao.algorithms import KeyedMac
from aoinspect.capture.frames import I64, U8, U32
from aoinspect.engine.locate import Mask
from aoinspect.engine.segments import Segments
from aoinspect.engine.verdicts import Method

_PSEUDO_V4 = np.dtype(
    [
        ("sne", ">u4"),
        ("source", "V4"),
        ("destination", "V4"),
        ("zero", "u1"),
        ("protocol", "u1"),
        ("length", ">u2"),
    ]
)
_PSEUDO_V6 = np.dtype(
    [("sne", ">u4"), ("source", "V16"), ("destination", "V16"), ("length", ">u4"), ("protocol", ">u4")]
)
_SNE_LENGTH = 4
_HEADER_LENGTH = 20
_PROTOCOL_TCP = 6


class Layout(IntEnum):
    """What a MAC covers, and so how its input is laid out."""

    AO_INCLUDE = 0
    """RFC 5925 5.1 with all TCP options."""
    AO_EXCLUDE = 1
    """RFC 5925 5.1 with the AO option only."""
    MD5 = 2
    """RFC 2385 2.0: no options, no SNE."""


def windows(octets: U8, size: int) -> npt.NDArray[np.void]:
    """`octets` as overlapping items of `size` octets: item p is the octets from p on. Reads and writes go through."""
    return np.ndarray((len(octets) - size + 1,), dtype=f"V{size}", buffer=octets, strides=(1,))


class MacPlaces(NamedTuple):
    """Where in a batch's octets lies what its MACs are computed of and compared with; one value a segment."""

    octets: U8
    starts: I64
    """Where the TCP header starts."""
    ends: I64
    sources: I64
    """Where the source address lies."""
    destinations: I64
    is_ipv6: Mask
    header_lengths: I64
    methods: U8
    option_starts: I64
    mac_lengths: U8

    @classmethod
    def of(cls, segments: Segments) -> MacPlaces:
        """Those of `segments`; nothing is copied."""
        packets = segments.packets
        return cls(
            octets=packets.octets,
            starts=packets.starts,
            ends=packets.ends,
            sources=packets.sources,
            destinations=packets.destinations,
            is_ipv6=packets.is_ipv6,
            header_lengths=segments.header_lengths,
            methods=segments.methods,
            option_starts=segments.option_starts,
            mac_lengths=segments.mac_lengths,
        )

    def select(self, rows: I64 | slice) -> MacPlaces:
        """The same for some rows; `octets` is shared."""
        return MacPlaces._make((self.octets, *(column[rows] for column in self[1:])))


class MacInputs:
    """The MAC inputs of one batch's segments. A layout's scratch copy is made when its first rows are asked for."""

    def __init__(self, places: MacPlaces) -> None:
        self.places = places
        self._scratch: dict[Layout, U8] = {}

    def arrange(self, layout: Layout, rows: I64, snes: U32) -> tuple[memoryview, I64, I64]:
        """The scratch octets, and where in them the MAC input of each of `rows` starts and ends.

        `snes` has one value a row. The octets hold until the same rows are arranged again.
        """
        scratch = self._scratch.get(layout)
        if scratch is None:
            scratch = self._scratch[layout] = self.places.octets.copy()
        places = self.places
        starts = places.starts[rows]
        ends = places.ends[rows]
        lengths = ends - starts
        if layout is Layout.AO_INCLUDE:
            self._clear_mac(scratch, rows)
            header_starts = starts
        else:
            header_starts = self._move_header(scratch, layout, rows)
        scratch[header_starts + 16] = 0
        scratch[header_starts + 17] = 0
        inputs = np.empty(len(rows), dtype=np.int64)
        is_ipv6 = places.is_ipv6[rows]
        for wide, dtype in ((False, _PSEUDO_V4), (True, _PSEUDO_V6)):
            chosen = is_ipv6 if wide else ~is_ipv6
            if not chosen.any():
                continue
            everything = bool(chosen.all())
            pick = rows if everything else rows[chosen]
            pseudo = np.zeros(len(pick), dtype=dtype)
            width = 16 if wide else 4
            addresses = windows(places.octets, width)
            pseudo["sne"] = snes if everything else snes[chosen]
            pseudo["source"] = addresses[places.sources[pick]]
            pseudo["destination"] = addresses[places.destinations[pick]]
            pseudo["protocol"] = _PROTOCOL_TCP
            pseudo["length"] = lengths if everything else lengths[chosen]
            at = (header_starts if everything else header_starts[chosen]) - dtype.itemsize
            windows(scratch, dtype.itemsize)[at] = pseudo.view(f"V{dtype.itemsize}")
            inputs[chosen] = at
        if layout is Layout.MD5:
            inputs += _SNE_LENGTH
        return scratch.data, inputs, ends

    def _clear_mac(self, scratch: U8, rows: I64) -> None:
        lengths = self.places.mac_lengths[rows]
        macs = self.places.option_starts[rows] + 4
        for length in np.flatnonzero(np.bincount(lengths)).tolist():
            if length:
                chosen = macs[lengths == length]
                windows(scratch, length)[chosen] = np.zeros(len(chosen), dtype=f"V{length}")

    def _move_header(self, scratch: U8, layout: Layout, rows: I64) -> I64:
        """Puts the 20-octet header, and AO's option with a zero MAC, right before the payload; where it starts."""
        places = self.places
        octets = places.octets
        starts = places.starts[rows]
        payloads = starts + places.header_lengths[rows]
        option_lengths = np.zeros(len(rows), dtype=np.int64)
        if layout is Layout.AO_EXCLUDE:
            option_lengths += places.mac_lengths[rows]
            option_lengths += 4
        moved = payloads - option_lengths - _HEADER_LENGTH
        windows(scratch, _HEADER_LENGTH)[moved] = windows(octets, _HEADER_LENGTH)[starts]
        if layout is Layout.AO_EXCLUDE:
            options = places.option_starts[rows]
            for length in np.flatnonzero(np.bincount(option_lengths)).tolist():
                chosen = option_lengths == length
                copied = np.zeros(int(chosen.sum()), dtype=[("head", "V4"), ("mac", f"V{length - 4}")])
                copied["head"] = windows(octets, 4)[options[chosen]]
                windows(scratch, length)[moved[chosen] + _HEADER_LENGTH] = copied.view(f"V{length}")
        return moved

    def captured_macs(self, rows: I64, length: int) -> U8:
        """The first `length` octets of the captured MACs, shape (n, length)."""
        head = np.where(self.places.methods[rows] == Method.AO, 4, 2)
        gathered = windows(self.places.octets, length)[self.places.option_starts[rows] + head]
        return gathered.view(np.uint8).reshape(len(rows), length)

    def match(self, layout: Layout, rows: I64, snes: U32, keyed: Sequence[KeyedMac], counts: Sequence[int]) -> Mask:
        """Whether the captured MACs of `rows` are those that `keyed` give; `keyed[i]` signs the next `counts[i]`.

        All of `keyed` have digests of one length. The captured MAC is compared whole.
        """
        view, starts, ends = self.arrange(layout, rows, snes)
        joined = compute_macs(view, starts, ends, keyed, counts)
        computed = np.frombuffer(joined, dtype=np.uint8).reshape(len(rows), -1)
        lengths = self.places.mac_lengths[rows]
        matches = np.zeros(len(rows), dtype=np.bool_)
        for length in np.flatnonzero(np.bincount(lengths)).tolist():
            chosen = np.flatnonzero(lengths == length)
            captured = self.captured_macs(rows[chosen], length)
            matches[chosen] = equal_rows(computed[chosen, :length], captured)
        return matches


def compute_macs(view: memoryview, starts: I64, ends: I64, keyed: Sequence[KeyedMac], counts: Iterable[int]) -> bytes:
    """The full-length MACs of the slices `starts`..`ends` of `view`, joined.

    `keyed[i]` signs the next `counts[i]` slices. This is the only loop of the engine that runs once per segment.
    """
    digests: list[bytes] = []
    append = digests.append
    copies = chain.from_iterable(map(repeat, [mac.copy for mac in keyed], counts))
    for copy, start, end in zip(copies, starts.tolist(), ends.tolist(), strict=True):
        mac = copy()
        mac.update(view[start:end])
        append(mac.finalize())
    return b"".join(digests)


def equal_rows(left: U8, right: U8) -> npt.NDArray[np.bool_]:
    """Which rows of two (n, length) arrays of octets are equal in every octet."""
    length = left.shape[1]
    if length % 4 == 0 and length:
        left = np.ascontiguousarray(left).view(np.uint32)
        right = np.ascontiguousarray(right).view(np.uint32)
    equal = np.ones(len(left), dtype=np.bool_)
    for column in range(left.shape[1]):
        equal &= left[:, column] == right[:, column]
    return equal
