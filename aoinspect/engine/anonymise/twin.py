"""The octets that take a batch's place: zeros, but for what is copied or written by name.

Nothing of a frame survives because it was overlooked: a header that nobody copies, an option that nobody knows, what
stands behind a packet in its frame, all of that is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aoinspect.capture.frames import I64, U8, FrameBatch
from aoinspect.capture.records import inside
from aoinspect.engine.anonymise.addresses import AddressMap
from aoinspect.engine.macs import windows

_FEW_LENGTHS = 16
"""Stretches of so few different lengths are copied length by length, which does not go over the whole batch."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A batch, and the octets that are going to stand in place of its own, at the same positions."""

    batch: FrameBatch
    octets: U8
    addresses: AddressMap
    ports: I64
    """What each port becomes, by its number."""

    @classmethod
    def of(cls, batch: FrameBatch, addresses: AddressMap, ports: I64) -> Twin:
        """The twin of a batch of which nothing is kept yet."""
        return cls(batch, np.zeros_like(batch.octets), addresses, ports)

    def copy(self, at: I64, size: int) -> None:
        """Copies `size` octets at each of the positions."""
        windows(self.octets, size)[at] = windows(self.batch.octets, size)[at]

    def copy_ranges(self, starts: I64, ends: I64) -> None:
        """Copies stretches of any lengths that do not overlap; one that ends before it starts is empty."""
        lengths = ends - starts
        distinct = np.unique(lengths[lengths > 0]).tolist()
        if len(distinct) > _FEW_LENGTHS:
            np.copyto(self.octets, self.batch.octets, where=inside(len(self.octets), starts, ends))
            return
        for length in distinct:
            self.copy(starts[lengths == length], length)

    def copy_addresses(self, at: I64, width: int) -> None:
        """Writes what the addresses of `width` octets at each of the positions become."""
        self.addresses.rewrite(self.octets, self.batch.octets, at, width)

    def copy_ports(self, at: I64) -> None:
        """Writes what the ports at each of the positions become."""
        source = self.batch.octets
        self.put_16(at, self.ports[source[at].astype(np.int64) << 8 | source[at + 1]])

    def put_16(self, at: I64, numbers: I64) -> None:
        """Writes 16-bit numbers."""
        self.octets[at] = (numbers >> 8).astype(np.uint8)
        self.octets[at + 1] = (numbers & 0xFF).astype(np.uint8)
