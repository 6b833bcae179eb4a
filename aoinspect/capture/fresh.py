"""Writes a capture anew from frames: file header, interfaces, times, lengths and octets, and nothing else.

For outputs in which nothing may survive by being overlooked; what is to be kept octet for octet goes through
`rewriting`. The format and its resolution are those of the capture that the frames come from; a pcapng file has one
section, in nanoseconds. All records of a batch are laid out at once.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, FrameBatch, Interface
from aoinspect.capture.pcap import VARIANTS
from aoinspect.capture.records import inside, windows

_NANOSECONDS = 1_000_000_000
_PCAP_RECORD, _EPB_HEAD, _EPB_TRAILER = 16, 28, 4
_FCS_FLAG, _FCS_SHIFT = 0x0400_0000, 28
_SECTION_HEADER, _INTERFACE_DESCRIPTION, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_IF_NAME, _IF_TSRESOL, _IF_FCSLEN = 2, 9, 13


class FreshCapture:
    """A capture under way."""

    def __init__(self, output: BinaryIO, format_name: str, magic: bytes, names: Mapping[str, str]) -> None:
        """`format_name` and `magic` are the original's; `names` has what its interfaces are called, if at all."""
        self._output = output
        self._names = names
        self._is_pcap = format_name == "pcap"
        self._order = "<"
        self._fraction_ns = 1
        if self._is_pcap:
            variant = VARIANTS[magic]
            self._order, self._fraction_ns = variant.byte_order, variant.fraction_ns
        self._interfaces = 0
        self.position = 0
        """Octets written."""

    def add(self, batch: FrameBatch, is_wanted: npt.NDArray[np.bool_], interfaces: Sequence[Interface]) -> I64:
        """Appends the wanted frames of `batch`; where each frame's first octet is in the output (-1: nowhere)."""
        self._add_interfaces(interfaces)
        rows = np.flatnonzero(is_wanted)
        lengths = (batch.ends - batch.starts)[rows]
        if self._is_pcap:
            head, sizes = _PCAP_RECORD, _PCAP_RECORD + lengths
        else:
            head, sizes = _EPB_HEAD, _EPB_HEAD + ((lengths + 3) & ~3) + _EPB_TRAILER
        records = np.cumsum(sizes) - sizes
        octets = np.zeros(int(sizes.sum()), dtype=np.uint8)
        if len(rows):
            heads = self._pcap_heads(batch, rows, lengths) if self._is_pcap else _epb_heads(batch, rows, lengths, sizes)
            windows(octets, head)[records] = heads.view(f"V{head}").reshape(-1)
            if not self._is_pcap:
                trailers = sizes.astype("<u4").view("V4")
                windows(octets, _EPB_TRAILER)[records + sizes - _EPB_TRAILER] = trailers
            places = inside(len(octets), records + head, records + head + lengths)
            octets[places] = batch.octets[inside(len(batch.octets), batch.starts[rows], batch.ends[rows])]
        positions: I64 = np.full(len(batch), -1, dtype=np.int64)
        positions[rows] = self.position + records + head
        self._write(octets.tobytes())
        return positions

    def finish(self, interfaces: Sequence[Interface]) -> None:
        """Writes what a capture without any frame has as well."""
        self._add_interfaces(interfaces)

    def overwrite(self, position: int, octets: bytes) -> None:
        """Writes over what was written before."""
        self._output.seek(position)
        self._output.write(octets)
        self._output.seek(0, 2)

    def _write(self, octets: bytes) -> None:
        self._output.write(octets)
        self.position += len(octets)

    def _add_interfaces(self, interfaces: Sequence[Interface]) -> None:
        """The file's header with the first of them; pcapng describes those that come later when they come."""
        fresh = interfaces[self._interfaces :]
        if self._is_pcap:
            if not self._interfaces and fresh:
                self._write(self._pcap_header(fresh[0]))
        else:
            if not self.position:
                self._write(struct.pack("<IIIHHqI", _SECTION_HEADER, 28, _BYTE_ORDER_MAGIC, 1, 0, -1, 28))
            for interface in fresh:
                self._write(self._description(interface))
        self._interfaces = len(interfaces)

    def _pcap_header(self, interface: Interface) -> bytes:
        magic = next(
            magic
            for magic, variant in VARIANTS.items()
            if (variant.byte_order, variant.fraction_ns) == (self._order, self._fraction_ns)
        )
        link = interface.link_type
        if interface.fcs_length is not None:
            link |= _FCS_FLAG | (interface.fcs_length // 2) << _FCS_SHIFT
        return magic + struct.pack(self._order + "HHiIII", 2, 4, 0, 0, interface.snap_length, link)

    def _description(self, interface: Interface) -> bytes:
        options = struct.pack("<HHB3x", _IF_TSRESOL, 1, 9)
        name = self._names.get(interface.name or "")
        if name is not None:
            told = name.encode("utf-8")
            options = struct.pack("<HH", _IF_NAME, len(told)) + told + bytes(-len(told) & 3) + options
        if interface.fcs_length is not None:
            options += struct.pack("<HHB3x", _IF_FCSLEN, 1, interface.fcs_length)
        body = struct.pack("<HHI", interface.link_type, 0, interface.snap_length) + options + bytes(4)
        length = len(body) + 12
        return struct.pack("<II", _INTERFACE_DESCRIPTION, length) + body + struct.pack("<I", length)

    def _pcap_heads(self, batch: FrameBatch, rows: I64, lengths: I64) -> U8:
        times = batch.times_ns[rows]
        seconds, fractions = times // _NANOSECONDS, times % _NANOSECONDS // self._fraction_ns
        heads = np.stack([seconds, fractions, lengths, batch.wire_lengths[rows]], axis=1)
        return np.ascontiguousarray(heads.astype(self._order + "u4")).view(np.uint8).reshape(len(rows), _PCAP_RECORD)


def _epb_heads(batch: FrameBatch, rows: I64, lengths: I64, sizes: I64) -> U8:
    times = batch.times_ns[rows].view(np.uint64)
    kinds = np.full(len(rows), _ENHANCED_PACKET, dtype=np.int64)
    high, low = (times >> np.uint64(32)).astype(np.int64), (times & np.uint64(0xFFFFFFFF)).astype(np.int64)
    interfaces = batch.interfaces[rows].astype(np.int64)
    columns = [kinds, sizes, interfaces, high, low, lengths, batch.wire_lengths[rows]]
    heads = np.stack(columns, axis=1).astype("<u4")
    return np.ascontiguousarray(heads).view(np.uint8).reshape(len(rows), _EPB_HEAD)
