"""The engine's table as a list that grows while it is shown.

The engine's own table joins its parts when it is first asked for as a whole, which a list that is looked at after every
batch cannot wait for. Here every row has its place at once: columns with room to spare, which move to larger ones
column by column. Memory that nothing was written to yet takes no place, so the room to spare costs addresses only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aoinspect.engine.table import EMPTY, Rows, Table

_FIRST_CAPACITY = 1 << 16
_GROWTH = 1.5


class ListedTable(Table):
    """The rows of a run. One thread adds, any may read: what `rows` gave stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: list[npt.NDArray[np.generic]] = [np.empty(0, column.dtype) for column in _columns_of(EMPTY)]
        self._count = 0
        self.is_in_time_order = True
        """Whether no row is earlier than the one before it."""
        self.is_in_frame_order = True

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Rows) -> None:
        if not len(rows.frame):
            return
        end = self._count + len(rows.frame)
        self.is_in_time_order &= self._goes_on("time_ns", rows.time_ns)
        self.is_in_frame_order &= self._goes_on("frame", rows.frame)
        for index, column in enumerate(_columns_of(rows)):
            if end > len(self._columns[index]):
                capacity = max(_FIRST_CAPACITY, end, int(len(self._columns[index]) * _GROWTH))
                larger = np.empty(capacity, column.dtype)
                larger[: self._count] = self._columns[index][: self._count]
                self._columns[index] = larger
            self._columns[index][self._count : end] = column
        # Told last, so that nobody reads a row before all of its columns are there.
        self._count = end

    def _goes_on(self, name: str, added: npt.NDArray[np.generic]) -> bool:
        """Whether a column stays in order with `added` behind it."""
        before = self._columns[Rows._fields.index(name)][self._count - 1 : self._count]
        joined = np.concatenate([before, added])
        return bool((joined[1:] >= joined[:-1]).all())

    @property
    def rows(self) -> Rows:
        """All rows so far, without a copy."""
        count = self._count
        return Rows._make(column[:count] for column in self._columns)

    def row(self, index: int) -> dict[str, int]:
        """One row by its columns' names, but for the MAC."""
        return {name: int(column[index]) for name, column in zip(Rows._fields[:-1], self._columns, strict=False)}


def _columns_of(rows: Rows) -> tuple[npt.NDArray[np.generic], ...]:
    return tuple(rows)
