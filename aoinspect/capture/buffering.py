"""Which octets are in memory: filled from a stream, and handed over with the frames found in them.

Only this file allocates batches. Room is made for what was asked, and beyond that only ever twice what has
come, so that no length field of a broken file makes memory.

A file's buffer is filled before it is looked at. A pipe's is looked at once octets have come and no more
follow within 10 ms: a lone frame is a batch of one, and a fast producer still gives batches that are worth
their overhead.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from aoinspect.capture.frames import HEADROOM, TAILROOM, U8, FrameBatch
from aoinspect.capture.records import Rows
from aoinspect.capture.stored import BrokenStreamError
from aoinspect.capture.stream import OctetStream

_LINGER_SECONDS: Final = 0.01


class RecordBuffer:
    """A stretch of the uncompressed file, in `octets[position:filled]`, that is still to be parsed."""

    def __init__(self, stream: OctetStream, start: bytes, file_offset: int, batch_octets: int) -> None:
        """`start` was read of the stream already; its first octet lies at `file_offset` in the file."""
        self._stream = stream
        self._batch_octets = batch_octets
        self._is_given_away = False
        self._rest: U8 | None = None
        self.octets = _allocate(len(start))
        self.octets[HEADROOM : HEADROOM + len(start)] = np.frombuffer(start, np.uint8)
        self.position = HEADROOM
        self.filled = HEADROOM + len(start)
        self.file_offset = file_offset - HEADROOM
        """Where `octets[0]` would lie in the file."""
        self.is_at_end = False
        self.fault: str | None = None
        """Why the stream ended before its end, if it did."""

    def rest(self) -> U8:
        """What has come and is not parsed yet."""
        return self._rest if self._rest is not None else self.octets[self.position : self.filled]

    def refill(self) -> None:
        """Put what is left in front, and what comes next behind it; sets `is_at_end` where nothing does."""
        rest = self.rest()
        self.file_offset += self.position - HEADROOM
        capacity = max(self._batch_octets, 2 * len(rest))
        octets = self.octets
        if self._is_given_away or len(octets) < HEADROOM + capacity + TAILROOM:
            octets = _allocate(capacity)
        # The two may overlap, which numpy allows for.
        octets[HEADROOM : HEADROOM + len(rest)] = rest
        self.octets, self._rest, self._is_given_away = octets, None, False
        self.position = HEADROOM
        self.filled = HEADROOM + len(rest)
        try:
            self._read(octets.data[: len(octets) - TAILROOM])
        except BrokenStreamError as error:
            self.fault = str(error)
            self.is_at_end = True

    def _read(self, room: memoryview) -> None:
        deadline: float | None = None
        while self.filled < len(room):
            count = self._stream.readinto(room[self.filled :])
            if not count:
                self.is_at_end = True
                return
            self.filled += count
            if self._stream.stored.is_live:
                now = time.monotonic()
                deadline = deadline or now + _LINGER_SECONDS
                if not self._stream.gives_at_once(max(0.0, deadline - now)):
                    return

    def batch(self, rows: Rows, is_last: bool) -> FrameBatch:
        """The frames of `rows`, whose numbers follow without gaps, with octets of their own.

        `is_last`: nothing else is taken from the buffer before `refill`, so that its array itself can be
        handed over.
        """
        first, last = int(rows.records[0]), int(rows.ends[-1])
        if is_last and first == HEADROOM and 2 * last > len(self.octets):
            self._rest = self.octets[self.position : self.filled].copy()
            self._is_given_away = True
            octets = self.octets[: last + TAILROOM]
        else:
            octets = np.empty(HEADROOM + last - first + TAILROOM, np.uint8)
            octets[HEADROOM:-TAILROOM] = self.octets[first:last]
        octets[:HEADROOM] = 0
        octets[-TAILROOM:] = 0
        shift = HEADROOM - first
        return FrameBatch(
            octets=octets,
            starts=rows.starts + shift,
            ends=rows.ends + shift,
            wire_lengths=rows.wire_lengths,
            times_ns=rows.times_ns,
            interfaces=rows.interfaces,
            link_types=rows.link_types,
            offsets=rows.records + self.file_offset,
            first_frame=int(rows.numbers[0]),
        )


def _allocate(capacity: int) -> U8:
    return np.empty(HEADROOM + capacity + TAILROOM, np.uint8)
