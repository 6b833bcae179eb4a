"""A map from 64-bit keys to row numbers, whose look-ups take whole arrays.

Open addressing with linear probing over two plain arrays: a look-up is a few gathers for the whole batch, whatever
the number of entries. Keys are hashes or packed codes; `mix` makes hashes of several columns. The seed is drawn per
process, so that nobody can craft addresses that collide; the chance that two keys share a hash is about 2**-45 among
a thousand entries and 2**-25 among a million.
"""

from __future__ import annotations

import secrets

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]

ABSENT = -1

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xFF51AFD7ED558CCD)
_SECOND = np.uint64(0xC4CEB9FE1A85EC53)
_SEED = np.uint64(secrets.randbits(64))
_SHIFT = np.uint64(33)


def mix(*columns: U64) -> U64:
    """One 64-bit hash a row of the given uint64 columns (MurmurHash3's finalizer between them); never 0."""
    value = np.full(columns[0].shape, _SEED, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            value ^= column
            value *= _FIRST
            value ^= value >> _SHIFT
            value *= _SECOND
            value ^= value >> _SHIFT
    value[value == 0] = 1
    return value


class HashIndex:
    """uint64 key -> int32 value. The key 0 stands for an empty slot and is never stored."""

    def __init__(self) -> None:
        self._bits = 8
        self._keys: U64 = np.zeros(1 << self._bits, dtype=np.uint64)
        self._values: I32 = np.full(1 << self._bits, ABSENT, dtype=np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def _slots(self, keys: U64) -> npt.NDArray[np.int64]:
        with np.errstate(over="ignore"):
            return ((keys * _GOLDEN) >> np.uint64(64 - self._bits)).astype(np.int64)

    def lookup(self, keys: U64) -> I32:
        """The values of `keys` (shape (n,)), ABSENT where a key is not stored."""
        slots = self._slots(keys)
        found = self._keys[slots]
        values = self._values[slots]
        is_open = (found != keys) & (found != 0)
        if not is_open.any():
            return np.where(found == keys, values, np.int32(ABSENT))
        values[found == 0] = ABSENT
        rows = np.flatnonzero(is_open)
        at = slots[rows]
        last = len(self._keys) - 1
        while len(rows):
            at = (at + 1) & last
            found = self._keys[at]
            is_hit = found == keys[rows]
            values[rows[is_hit]] = self._values[at[is_hit]]
            is_empty = found == 0
            values[rows[is_empty & ~is_hit]] = ABSENT
            is_open = ~is_hit & ~is_empty
            rows, at = rows[is_open], at[is_open]
        return values

    def insert(self, key: int, value: int) -> None:
        """Stores one key that is not stored yet. Not for batches of rows: once per pair, peer or key list."""
        if (self._count + 1) * 3 > len(self._keys):
            self._grow()
        self._place(key, value)
        self._count += 1

    def _place(self, key: int, value: int) -> None:
        last = len(self._keys) - 1
        slot = ((key * int(_GOLDEN)) & 0xFFFFFFFFFFFFFFFF) >> (64 - self._bits)
        while self._keys[slot] != 0:
            slot = (slot + 1) & last
        self._keys[slot] = key
        self._values[slot] = value

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._bits += 2
        self._keys = np.zeros(1 << self._bits, dtype=np.uint64)
        self._values = np.full(1 << self._bits, ABSENT, dtype=np.int32)
        stored = np.flatnonzero(keys)
        for key, value in zip(keys[stored].tolist(), values[stored].tolist(), strict=True):
            self._place(key, value)
