"""Which rows of the table the packet list shows, and where the next one of some kind lies.

Without a filter they are all rows, and no list of them is kept. With one they are row numbers in capture order, which
grow with the table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from aoinspect.engine.filtering import Filter
from aoinspect.engine.locate import Mask
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Verdict
from aoinspect.tui.analysis import Analysis

_AT_ONCE = 1 << 20
"""Rows that are searched at once, so that a hit nearby is found without looking at ten million."""

_Chosen = npt.NDArray[np.int64] | slice


class VisibleRows:
    """The shown rows of one analysis; `chosen` None shows all. Any thread may take, and read."""

    def __init__(self, chosen: Filter | None, analysis: Analysis) -> None:
        self.chosen = chosen
        self.analysis = analysis
        self._seen = 0
        self._rows: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._seen if self.chosen is None else self._count

    @property
    def rows(self) -> Rows:
        """All rows of the table, shown or not."""
        return self.analysis.table.rows

    def take(self) -> None:
        """Takes what has come to the table since the last call. UsageError as `Filter.mask` has it."""
        with self.analysis.held():
            rows, context = self.rows, self.analysis.context
            while self._seen < len(rows.frame):
                end = min(len(rows.frame), self._seen + _AT_ONCE)
                if self.chosen is not None:
                    context.refresh()
                    part = Rows._make(column[self._seen : end] for column in rows)
                    self._append(np.flatnonzero(self.chosen.mask(part, context)) + self._seen)
                self._seen = end

    def _append(self, rows: npt.NDArray[np.int64]) -> None:
        end = self._count + len(rows)
        if end > len(self._rows):
            larger = np.empty(max(end, 4096, len(self._rows) * 3 // 2), np.int64)
            larger[: self._count] = self._rows[: self._count]
            self._rows = larger
        self._rows[self._count : end] = rows
        self._count = end

    def row_at(self, position: int) -> int:
        """The table's row of a position in the list."""
        return position if self.chosen is None else int(self._rows[position])

    def position_of(self, row: int) -> int:
        """Where a row of the table stands in the list; the nearest one behind it where it is not shown."""
        if self.chosen is None:
            return min(row, max(0, len(self) - 1))
        return min(int(np.searchsorted(self._rows[: self._count], row)), max(0, self._count - 1))

    def shows(self, row: int) -> bool:
        """Whether a row of the table is in the list."""
        position = self.position_of(row)
        return position < len(self) and self.row_at(position) == row

    def all_rows(self) -> npt.NDArray[np.int64]:
        """The shown rows of the table, in order."""
        return np.arange(self._seen, dtype=np.int64) if self.chosen is None else self._rows[: self._count]


def next_failure(visible: VisibleRows, position: int) -> int | None:
    """The first position behind `position` whose segment is not verified or is refused; from the start at the end."""
    # Rows are asked for anew each time: the list grows, and has none that are not in the table by then.
    return _next(visible, position, 1, lambda chosen: _is_failing(visible.rows, chosen))


def _is_failing(rows: Rows, chosen: _Chosen) -> Mask:
    is_failing: Mask = (rows.verdict[chosen] != Verdict.VERIFIED) | rows.is_refused[chosen]
    return is_failing


def next_match(wanted: Filter, visible: VisibleRows, position: int, step: int) -> int | None:
    """The next position from `position` on (`step` 1) or back (-1) that `wanted` selects; around the end."""
    rows, context = visible.rows, visible.analysis.context
    with visible.analysis.held():
        context.refresh()
        return _next(visible, position, step, lambda chosen: wanted.mask(_part(rows, chosen), context))


def _part(rows: Rows, chosen: _Chosen) -> Rows:
    return Rows._make(column[chosen] for column in rows)


def _next(visible: VisibleRows, position: int, step: int, test: Callable[[_Chosen], Mask]) -> int | None:
    count = len(visible)
    if not count:
        return None
    positions = (
        [(position + 1, count), (0, min(position + 1, count))]
        if step > 0
        else [(0, max(position, 0)), (max(position, 0), count)]
    )
    for first, end in positions:
        starts = range(first, end, _AT_ONCE)
        for start in starts if step > 0 else reversed(starts):
            stop = min(end, start + _AT_ONCE)
            chosen = slice(start, stop) if visible.chosen is None else visible.all_rows()[start:stop]
            hits = np.flatnonzero(test(chosen))
            if len(hits):
                return start + int(hits[0 if step > 0 else -1])
    return None
