"""Checking MACs as a pure function of octets, positions and traffic keys: what another process can be asked to do.

A task names everything that it needs and nothing else: no connection, no key file, no state. It pickles, so that any
`concurrent.futures.Executor` can run it. Its octets and columns travel as a `Shipment`: in memory that the processes of
one machine share, or within the task itself.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt

from aoinspect.ao.algorithms import KeyedMac, find_algorithm
from aoinspect.capture.frames import U32
from aoinspect.engine.locate import Mask
from aoinspect.engine.macs import Layout, MacInputs, MacPlaces

Array = npt.NDArray[np.generic]

KEYED_LIMIT = 8_192
"""Keyed MACs that a worker remembers."""

_ALIGNMENT = 64
_MAPPED_LIMIT = 64
"""Shared blocks that a worker keeps mapped; a run has a few."""


@dataclass(frozen=True, slots=True, eq=False)
class Inline:
    """Arrays that travel within the task, to a machine that shares no memory."""

    arrays: tuple[Array, ...] = field(repr=False)

    def open(self) -> tuple[Array, ...]:
        """The arrays."""
        return self.arrays


@dataclass(frozen=True, slots=True)
class Shared:
    """Arrays in a block of memory that processes of this machine map."""

    path: str
    """Where the block can be opened."""
    number: int
    """Tells blocks apart that had the same path at different times."""
    size: int
    """Octets of the block."""
    use: int
    """Tells apart what the block has held."""
    entries: tuple[tuple[str, int, int], ...]
    """dtype, first octet and number of items of each array."""

    def open(self) -> tuple[Array, ...]:
        """The arrays, to be read only. OSError where the block cannot be mapped."""
        block = _mapped(self.path, self.number, self.size)
        return tuple(
            np.frombuffer(block, dtype=dtype, count=count, offset=offset) for dtype, offset, count in self.entries
        )


Shipment = Inline | Shared

_blocks: OrderedDict[tuple[str, int], mmap.mmap] = OrderedDict()


def _mapped(path: str, number: int, size: int) -> mmap.mmap:
    """The block at `path`, mapped once a process."""
    block = _blocks.get((path, number))
    if block is None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            block = _blocks[path, number] = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        while len(_blocks) > _MAPPED_LIMIT:
            # Arrays that still look at a block keep it alive.
            _blocks.popitem(last=False)
    _blocks.move_to_end((path, number))
    return block


def sizes_of(arrays: Sequence[Array]) -> tuple[tuple[tuple[str, int, int], ...], int]:
    """Where `arrays` lie in a block that holds them all, and how many octets that takes."""
    entries, at = [], 0
    for array in arrays:
        entries.append((array.dtype.str, at, array.size))
        at += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    return tuple(entries), max(at, 1)


@dataclass(frozen=True, slots=True)
class MacTask:
    """Some rows of a shipment, and the traffic keys under which their MACs are computed."""

    shipment: Shipment
    """The columns of `MacPlaces` in their order, then the SNEs; all but the octets have one value a row."""
    start: int
    end: int
    """Rows of the shipment, `end` exclusive."""
    layout: Layout
    keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    """Name of the algorithm and traffic key, one for each stretch of rows."""
    counts: tuple[int, ...]
    """Rows of each stretch."""


def ship(places: MacPlaces, snes: U32) -> tuple[Array, ...]:
    """The arrays of a shipment; positions take 32 bits."""
    positions = (column.astype(np.int32) if column.dtype == np.int64 else column for column in places[1:])
    return (places.octets, *positions, snes)


def run(task: MacTask) -> Mask:
    """Whether the captured MAC of each row of `task` matches."""
    inputs, snes = _inputs(task.shipment)
    keyed = [_keyed(*key) for key in task.keys]
    rows = np.arange(task.start, task.end)
    return inputs.match(task.layout, rows, snes[task.start : task.end], keyed, task.counts)


@lru_cache(maxsize=2)
def _inputs(shipment: Shipment) -> tuple[MacInputs, U32]:
    """A shipment's MAC inputs and SNEs; those of the last two are kept, for their other tasks."""
    octets, *columns, snes = shipment.open()
    widened = (column.astype(np.int64) if column.dtype == np.int32 else column for column in columns)
    return MacInputs(MacPlaces._make((octets, *widened))), cast(U32, snes)


def forget() -> None:
    """Lets go of the memory of the last shipments."""
    _inputs.cache_clear()
    _blocks.clear()


@lru_cache(maxsize=KEYED_LIMIT)
def _keyed(algorithm: str, traffic_key: bytes) -> KeyedMac:
    return find_algorithm(algorithm).keyed_mac(traffic_key)
