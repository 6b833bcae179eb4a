"""The same segment captured more than once: by a mirror port, on a VRF and its port, on both ends of a link.

A copy has the same socket pair, TCP header and signature, the same identification where IP has one, and comes within
moments. What is sent again comes later, and from most stacks with another identification. Copies are left out before
anything is judged; nothing is left out unless it is asked for.
"""

from __future__ import annotations

import numpy as np

from aoinspect.capture.frames import I64, U8
from aoinspect.engine.connections import I32, U64
from aoinspect.engine.hash_index import mix
from aoinspect.engine.locate import Mask
from aoinspect.engine.segments import Segments
from dissectors.octets import fields

DEFAULT_WINDOW_NS = 10_000_000
"""Nanoseconds within which the next copy comes: far below the 200 ms after which stacks send again."""

HISTORY_ROWS = 65_536
"""Segments of earlier batches that are remembered at most."""

_HEADER = np.dtype([("first", ">u8"), ("second", ">u8")])
"""The 16 octets of the TCP header before its checksum, which offloading leaves unfinished."""
_IDENTIFICATION = np.dtype([("identification", ">u2")])
_BEFORE_SOURCE = 8
"""Octets from the identification of an IPv4 header to the source address (RFC 791 3.1)."""


class Duplicates:
    """Tells copies of segments seen within `window_ns`."""

    def __init__(self, window_ns: int = DEFAULT_WINDOW_NS) -> None:
        self.count = 0
        """Copies so far."""
        self._window_ns = window_ns
        self._hashes: U64 = np.zeros(0, dtype=np.uint64)
        self._times: I64 = np.zeros(0, dtype=np.int64)

    def find(self, segments: Segments, pairs: I32, sides: U8, macs: U8) -> Mask:
        """Which of a batch's segments are copies of one before them; `macs` are the first 16 octets of each MAC."""
        times = segments.packets.times_ns
        hashes = _hashes(segments, pairs, sides, macs)
        kept = len(self._hashes)
        all_hashes, all_times = np.concatenate([self._hashes, hashes]), np.concatenate([self._times, times])
        order = np.argsort(all_hashes, kind="stable")
        is_again = np.zeros(len(order), dtype=np.bool_)
        is_again[1:] = all_hashes[order[1:]] == all_hashes[order[:-1]]
        is_again[1:] &= np.abs(all_times[order[1:]] - all_times[order[:-1]]) <= self._window_ns
        is_copy = np.zeros(len(order), dtype=np.bool_)
        is_copy[order] = is_again
        self._remember(all_hashes, all_times)
        is_copy = is_copy[kept:]
        self.count += int(np.count_nonzero(is_copy))
        return is_copy

    def _remember(self, hashes: U64, times: I64) -> None:
        recent = np.flatnonzero(times >= times.max() - self._window_ns)[-HISTORY_ROWS:]
        self._hashes, self._times = hashes[recent], times[recent]


def _hashes(segments: Segments, pairs: I32, sides: U8, macs: U8) -> U64:
    packets = segments.packets
    header = fields(packets.octets, packets.starts, _HEADER)
    at = np.where(packets.is_ipv6, 0, packets.sources - _BEFORE_SOURCE)
    identifications = fields(packets.octets, at, _IDENTIFICATION)["identification"].astype(np.uint64)
    mac_words = np.ascontiguousarray(macs).view(np.uint64)
    return mix(
        pairs.astype(np.uint64) << np.uint64(1) | sides,
        header["first"].astype(np.uint64),
        header["second"].astype(np.uint64),
        np.where(packets.is_ipv6, np.uint64(0), identifications),
        (packets.ends - packets.starts).astype(np.uint64),
        mac_words[:, 0],
        mac_words[:, 1],
    )
