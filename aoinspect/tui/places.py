"""Where a frame, or a moment of a connection, stands in a table of ten million rows: found without looking at all.

Rows come in capture order, so frames ascend but for incomplete datagrams at the end, and times ascend in nearly every
capture. What is found by halves is checked, and everything is looked at where the order does not hold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64
from aoinspect.engine.connections import U64
from aoinspect.engine.table import Rows

_FIRST_REACH = 4_096


def row_of_frame(rows: Rows, frame: int) -> int | None:
    """The row of a frame, None where it has none."""
    place = int(np.searchsorted(rows.frame, np.uint64(frame)))
    if place < len(rows.frame) and int(rows.frame[place]) == frame:
        return place
    found = np.flatnonzero(rows.frame == np.uint64(frame))
    return int(found[0]) if len(found) else None


def nearest_row(rows: Rows, connection: int, positions: I64 | U64, position: int, *, is_ordered: bool) -> int | None:
    """The row of a connection whose position is nearest to `position`; the first of several, None where it has none.

    `positions` has one for each row; `is_ordered` says that they never step back.
    """
    if not is_ordered:
        own = np.flatnonzero(rows.connection == connection)
        if not len(own):
            return None
        return int(own[int(np.argmin(np.abs(positions[own].astype(np.int64) - position)))])
    place = int(np.searchsorted(positions, np.asarray(position, positions.dtype)))
    before, behind = _own_before(rows, connection, place), _own_from(rows, connection, place)
    if before is None or behind is None:
        return behind if before is None else before
    if position - int(positions[before]) > int(positions[behind]) - position:
        return behind
    # The first of those that share the position.
    first = int(np.searchsorted(positions, positions[before]))
    return _own_from(rows, connection, first)


def _own_from(rows: Rows, connection: int, place: int) -> int | None:
    """The first row of a connection from `place` on."""
    reach, count = _FIRST_REACH, len(rows.connection)
    while place < count:
        own = np.flatnonzero(rows.connection[place : place + reach] == connection)
        if len(own):
            return place + int(own[0])
        place, reach = place + reach, reach * 2
    return None


def _own_before(rows: Rows, connection: int, place: int) -> int | None:
    """The last row of a connection before `place`."""
    reach = _FIRST_REACH
    while place > 0:
        start = max(0, place - reach)
        own: npt.NDArray[np.intp] = np.flatnonzero(rows.connection[start:place] == connection)
        if len(own):
            return start + int(own[-1])
        place, reach = start, reach * 2
    return None
