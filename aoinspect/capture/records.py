"""What a file format makes of a stretch of octets: rows of frames, how far it got, and what stopped it.

The two formats (`pcap`, `pcapng`) only look at octets that are in memory already; `buffering` alone decides
when to read and how much, `reader` when a batch is full. A format never waits, never allocates by a length
field, and never raises on what a file says: what makes no sense is `Damage`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U16, Frame, Interface, SectionHeader

FRAME_LIMIT = 262_144
"""Octets that a captured frame may have whatever the snap length says: what every capture tool allows."""

ABSOLUTE_FRAME_LIMIT = 128 << 20
"""Octets that no captured frame exceeds; a longer one is damage. USB and D-Bus captures come near it."""

_LARGE_FRAME_LINK_TYPES = frozenset({189, 220, 231, 249, 279})  # USB (two), D-Bus, USBPcap, EBHSCR

Fetch = Callable[[int, int], bytes]
"""(offset in the uncompressed file, octets) -> octets; fewer where the file ends."""


def frame_limit(link_type: int, snap_length: int) -> int:
    """How many captured octets a frame may claim before its length field is taken for damage."""
    if link_type in _LARGE_FRAME_LINK_TYPES:
        return ABSOLUTE_FRAME_LIMIT
    return min(max(snap_length, FRAME_LIMIT), ABSOLUTE_FRAME_LIMIT)


class Rows(NamedTuple):
    """Frames found in a buffer. All arrays have one entry per frame; positions count octets of the buffer."""

    records: I64
    """Where the record (pcap record header, pcapng block) starts."""
    starts: I64
    ends: I64
    wire_lengths: I64
    times_ns: I64
    interfaces: U16
    link_types: U16
    numbers: I64
    """Frame numbers as Wireshark counts. They leap where a file holds blocks that Wireshark numbers too."""

    def part(self, start: int, end: int) -> Rows:
        """The rows from `start` up to `end`, exclusive."""
        return Rows._make(column[start:end] for column in self)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What `parse` found from one position on."""

    rows: Rows | None
    position: int
    """Where the first record that was not read starts."""
    is_starved: bool = False
    """The next record is not whole in the buffer."""
    damage: str | None = None
    """What is wrong with the record at `position`; nothing behind it can be read."""


class RecordFormat(Protocol):
    """A capture file format, and what has been learned of the file so far."""

    name: str
    interfaces: list[Interface]
    comments: dict[int, tuple[str, ...]]
    """Frame number -> the comments of the packet."""
    file_comments: list[str]
    section_headers: list[SectionHeader]
    """Those of pcapng so far; none of pcap."""
    skipped_blocks: dict[int, int]
    """pcapng block type -> how many blocks of it were passed over."""
    clamped_times: int
    """Frames whose time lies outside of int64 nanoseconds (1677 to 2262) and was set to the nearest that does
    not.
    """
    malformed_options: int
    """pcapng option lists that run out of their block and were read up to there."""

    def parse(self, octets: U8, position: int, filled: int, file_offset: int, limit: int) -> Parsed:
        """Read at most `limit` records of `octets[position:filled]`; `octets[0]` lies at `file_offset`."""
        ...

    def cut_short(self, octets: bytes, frame_number: int) -> str:
        """What to say where the file ends with `octets`, which are not a whole record."""
        ...

    def frame_at(self, fetch: Fetch, offset: int) -> Frame:
        """Read the record at `offset` again. CaptureError where none is there."""
        ...


def inside(size: int, starts: I64, ends: I64) -> npt.NDArray[np.bool_]:
    """Which of `size` octets lie in one of the stretches `starts`..`ends`, which may touch and do not overlap.

    A stretch that does not end behind its start is empty.
    """
    chosen = starts < ends
    steps = np.zeros(size + 1, dtype=np.int8)
    # One stretch may end where another starts.
    np.add.at(steps, starts[chosen], 1)
    np.add.at(steps, ends[chosen], -1)
    return np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_)


def windows(octets: U8, width: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Every stretch of `width` octets as one element; index i starts at octet i.

    Indexing it with an array of positions copies just those stretches, at 3 ns each; `.take` would copy all
    of it first.
    """
    return np.ndarray((len(octets) - width + 1,), dtype=f"V{width}", buffer=octets, strides=(1,))
