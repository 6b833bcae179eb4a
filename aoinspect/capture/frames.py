"""What a batch of frames is: octets, and arrays that say where each frame lies in them.

Every reader yields `FrameBatch`, and every stage of the engine takes one; a live pipe's single frame and ten
thousand frames of a file are the same thing here. No object exists per frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]

HEADROOM = 64
"""Octets before the first frame of every batch's `octets`: what precedes a header may be written over."""

TAILROOM = 64
"""Zero octets behind the last frame of every batch's `octets`: a fixed-size read never leaves the array."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One capture interface: pcapng's Interface Description Block, or the one that a pcap file's header
    stands for.
    """

    index: int
    """Position in `CaptureReader.interfaces`; counts on over the sections of a file."""
    link_type: int
    """LINKTYPE_ number (upper bits of pcap's field masked off)."""
    snap_length: int
    """Octets; 0 where there is no limit."""
    name: str | None = None
    """`if_name`, for example "eth0"."""
    fcs_length: int | None = None
    """Octets of frame check sequence that each frame ends with; None where the file does not say."""


class SectionHeader(NamedTuple):
    """One Section Header Block of a pcapng file."""

    offset: int
    """Where it starts in the (uncompressed) file."""
    end: int
    """Where it ends, and what its section length counts begins."""
    byte_order: str
    """As struct writes it."""
    section_length: int
    """Octets of the section behind it, as it says; -1 where it leaves that open."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Where a capture stops making sense; everything before it was read."""

    offset: int
    """Octet in the (uncompressed) file."""
    message: str
    """What is wrong there, without the file's name."""


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Frames in capture order. All arrays have length n, the number of frames; positions count octets in
    `octets`.

    `octets` belongs to whoever received the batch and may be written over.
    """

    octets: U8
    """At least HEADROOM octets before the first frame and TAILROOM zero octets behind the last."""
    starts: I64
    """Where each frame's first octet (of its link-layer header) lies."""
    ends: I64
    """Where each frame's captured octets end (exclusive)."""
    wire_lengths: I64
    """Octets that the frame had on the wire; may exceed `ends - starts` where the snap length cut it."""
    times_ns: I64
    """Nanoseconds since 1970-01-01T00:00:00Z; 0 where the record has no time (pcapng's Simple Packet Block).
    """
    interfaces: U16
    """Index into the reader's `interfaces`."""
    link_types: U16
    """LINKTYPE_ number of each frame."""
    offsets: I64
    """Where each frame's record (pcap record header, pcapng block) starts in the uncompressed file."""
    first_frame: int
    """Number of the first frame, counted from 1 as Wireshark does; the others follow without gaps."""

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame read again, for a face that shows it."""

    octets: bytes
    wire_length: int
    time_ns: int
    interface: Interface
    comments: tuple[str, ...] = ()
