"""Reads an anonymised capture as its receiver will: that nothing of the original is in it, and that it fails as it did.

Nothing here knows how the output was made. Every octet is searched for traces of the original, whatever it belongs to.
Only four octets that are an IPv4 address of the original count by where they stand, since by chance they are a sequence
number, a timestamp or a MAC as well: between an IP header's start and the end of the TCP options they are such numbers,
and there the addresses themselves are looked at. Payloads that are not kept have to be zeros, to the last octet of the
frame.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from aoinspect.capture.frames import HEADROOM, I64, TAILROOM, FrameBatch
from aoinspect.capture.reader import CaptureReader
from aoinspect.engine.anonymise.addresses import distinct_addresses
from aoinspect.engine.anonymise.frames import WayLocator
from aoinspect.engine.anonymise.traces import Kind, Traces
from aoinspect.engine.locate import Packets
from aoinspect.engine.macs import windows
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.segments import read_segments
from aoinspect.errors import AoinspectError, UsageError
from dissectors.registry import Registry

_SHOWN = 8
_ETHERNET_ADDRESSES = 12
"""Octets of both."""


class LeakError(AoinspectError):
    """An anonymised capture holds something of the original: a fault of this program, and nothing was written."""


@dataclass(slots=True)
class Findings:
    """What the search came to."""

    leaks: Counter[str] = field(default_factory=Counter)
    frames: list[int] = field(default_factory=list)
    """The first frames with leaks."""
    in_payloads: set[int] = field(default_factory=set)
    """Frames whose payload, which was to be kept, holds an address of the original."""
    secrets_in_payloads: list[int] = field(default_factory=list)
    """Frames whose payload, which was to be kept, holds a secret."""

    def demand_none(self) -> None:
        """LeakError where something was found; UsageError where it was wished to be kept and must not be."""
        if self.secrets_in_payloads:
            frames = ", ".join(map(str, self.secrets_in_payloads[:_SHOWN]))
            raise UsageError(
                f"payloads that are to be kept hold a secret of the key files (frames {frames}); nothing was written: "
                "--payload zero or drop leaves it out"
            )
        if self.leaks:
            what = ", ".join(f"{kind}: {count}" for kind, count in sorted(self.leaks.items()))
            where = f" (frames {', '.join(map(str, self.frames[:_SHOWN]))})" if self.frames else ""
            raise LeakError(
                f"the anonymised capture would still hold something of the original ({what}){where}; nothing was "
                "written: please report this as a fault of aoinspect"
            )


class LeakCheck:
    """The search through one output."""

    def __init__(
        self, traces: Traces, mapping: Mapping[bytes, bytes], registry: Registry, *, keeps_payload: bool
    ) -> None:
        """`mapping` has what every address of the original became."""
        self.findings = Findings()
        self._traces = traces
        self._images = set(mapping.values())
        self._keeps_payload = keeps_payload
        self._locator = WayLocator(registry)

    def read(self, reader: CaptureReader, file: BinaryIO, analyzer: Analyzer) -> None:
        """Searches all that `reader` gives and whatever else is in its `file`, and has `analyzer` judge it."""
        analyzer.begin_capture(reader.path, reader.interfaces)
        searched_to = 0
        for batch in reader.batches():
            self._search_between(file, searched_to, int(batch.offsets[0]), batch.first_frame)
            searched_to = int(batch.offsets[0]) + int(batch.ends[-1]) - HEADROOM
            self._search(batch, reader)
            analyzer.feed(batch)
        self._search_between(file, searched_to, file.seek(0, os.SEEK_END), reader.frames_read)
        analyzer.finish_capture()

    def _search_between(self, file: BinaryIO, start: int, end: int, frame: int) -> None:
        """Searches what lies between batches: headers, descriptions of interfaces, the last block's end."""
        file.seek(start)
        octets = np.frombuffer(file.read(max(end - start, 0)) + bytes(TAILROOM), dtype=np.uint8)
        for hit in self._traces.find(octets):
            if hit.kind is not Kind.SHORT_ADDRESS:
                self._leak(hit.kind.value, frame)

    def _leak(self, kind: str, frame: int) -> None:
        self.findings.leaks[kind] += 1
        if len(self.findings.frames) < _SHOWN and frame not in self.findings.frames:
            self.findings.frames.append(frame)

    def _search(self, batch: FrameBatch, reader: CaptureReader) -> None:
        packets, _ = self._locator.locate(batch)
        indices = packets.frames - batch.first_frame
        segments = read_segments(packets)
        payloads = batch.ends.copy()
        payloads[indices] = np.minimum(packets.starts + np.maximum(segments.header_lengths, 20), packets.limits)
        number_starts, number_ends = self._numbers(batch, payloads)
        self._check_addresses(batch)
        self._check_link_layer(batch)
        if not self._keeps_payload:
            self._check_zeros(batch, packets, payloads, reader)
        first, last = HEADROOM, int(batch.ends[-1])
        stretch = batch.octets[first:last]
        for hit in self._traces.find(stretch):
            position = hit.position + first
            index = max(int(np.searchsorted(batch.starts, position, side="right")) - 1, 0)
            frame = batch.first_frame + index
            is_inside = int(batch.starts[index]) <= position <= int(batch.ends[index]) - hit.length
            if hit.kind is Kind.SHORT_ADDRESS:
                is_number = position + hit.length > int(number_starts[index]) and position < int(number_ends[index])
                if is_number or not is_inside:
                    continue
            in_payload = is_inside and position >= int(payloads[index])
            if self._keeps_payload and in_payload and hit.kind in (Kind.ADDRESS, Kind.SHORT_ADDRESS):
                self.findings.in_payloads.add(frame)
                continue
            if self._keeps_payload and in_payload and hit.kind is Kind.SECRET:
                if frame not in self.findings.secrets_in_payloads:
                    self.findings.secrets_in_payloads.append(frame)
                continue
            self._leak(hit.kind.value, frame)

    def _numbers(self, batch: FrameBatch, payloads: I64) -> tuple[I64, I64]:
        """From where to where in each frame four octets may be a number: from the outermost IP header on."""
        starts = batch.ends.copy()
        ends = payloads.copy()
        for headers in reversed(self._locator.trail):
            if headers.name in ("ip", "ipv6"):
                starts[headers.indices] = headers.starts
        return starts, ends

    def _check_addresses(self, batch: FrameBatch) -> None:
        """Every address of an IP header is one that the original's became."""
        for headers in self._locator.trail:
            widths = {"ip": (4, 12, 16), "ipv6": (16, 8, 24)}.get(headers.name)
            if widths is None:
                continue
            width, *places = widths
            for place in places:
                found, firsts, _ = distinct_addresses(batch.octets, headers.starts + place, width)
                for address, row in zip(found, firsts.tolist(), strict=True):
                    if address not in self._images:
                        self._leak("unmapped address", batch.first_frame + int(headers.indices[row]))

    def _check_link_layer(self, batch: FrameBatch) -> None:
        """Ethernet headers, of tunnels too, have no addresses."""
        for headers in self._locator.trail:
            if headers.name == "eth":
                ends = windows(batch.octets, _ETHERNET_ADDRESSES)[headers.starts].view(np.uint8)
                has_any = ends.reshape(-1, _ETHERNET_ADDRESSES).any(axis=1)
                for index in headers.indices[has_any].tolist():
                    self._leak("link-layer address", batch.first_frame + index)

    def _check_zeros(self, batch: FrameBatch, packets: Packets, payloads: I64, reader: CaptureReader) -> None:
        """Behind the TCP headers there is nothing but zeros, and maybe a frame check sequence."""
        indices = packets.frames - batch.first_frame
        lengths = np.array([interface.fcs_length or 0 for interface in reader.interfaces] or [0], dtype=np.int64)
        fcs = lengths[np.minimum(batch.interfaces[indices], len(lengths) - 1)]
        starts, ends = payloads[indices], batch.ends[indices] - fcs
        rows = np.flatnonzero(starts < ends)
        if not len(rows):
            return
        borders = np.stack([starts[rows], ends[rows]], axis=1).reshape(-1)
        largest = np.maximum.reduceat(batch.octets, borders)[0::2]
        for row in rows[largest != 0].tolist():
            self._leak("payload", int(packets.frames[row]))
