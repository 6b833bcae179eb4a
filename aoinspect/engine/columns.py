"""Arrays that grow row by row: the storage of everything that exists once per connection or once per key run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt


class Columns:
    """Named arrays of one common length; `add` appends a row of defaults and tells its number.

    Columns are views of a larger allocation that doubles when it is full: hold on to `Columns`, never to an array.
    """

    def __init__(self, defaults: Mapping[str, tuple[npt.DTypeLike, object, tuple[int, ...]]]) -> None:
        """`defaults` maps a name to dtype, value and shape of one row's entry."""
        self._defaults = defaults
        self._capacity = 64
        self._count = 0
        self._arrays = {
            name: np.full((self._capacity, *shape), value, dtype=dtype)
            for name, (dtype, value, shape) in defaults.items()
        }

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: str) -> npt.NDArray[np.generic]:
        return self._arrays[name][: self._count]

    def add(self, count: int = 1) -> int:
        """Appends `count` rows; the number of the first."""
        first = self._count
        self._count += count
        if self._count > self._capacity:
            capacity = max(self._capacity * 2, self._count)
            for name, (dtype, value, shape) in self._defaults.items():
                grown = np.full((capacity, *shape), value, dtype=dtype)
                grown[:first] = self._arrays[name][:first]
                self._arrays[name] = grown
            self._capacity = capacity
        return first
