"""What a field's values are while a filter is evaluated: an array, and what it has one entry for.

Few of a filter's fields differ from row to row. An address belongs to one direction of a connection and a key's name
to an MKT: those are compared once each, and only the outcome is spread over the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from aoinspect.engine.connections import U64
from aoinspect.engine.locate import Mask


class Domain(Enum):
    """What one entry of a column stands for."""

    ROWS = auto()
    """A row of the table."""
    FLOWS = auto()
    """One direction of a connection: entry `connection * 2 + direction`."""
    KEYS = auto()
    """An MKT; the last entry stands for rows that none verified."""


@dataclass(frozen=True, slots=True)
class Column:
    """The values that a field has: one an entry of the domain."""

    values: npt.NDArray[np.generic]
    """Shape (n,); (n, width) for octets."""
    domain: Domain = Domain.ROWS
    present: Mask | None = None
    """Where the field exists; None: everywhere."""
    highs: U64 | None = None
    """The upper 64 bits of IPv6 addresses."""
    lengths: npt.NDArray[np.integer] | None = None
    """How many octets of each line of `values` are the field's."""

    def spread(self, entries: npt.NDArray[np.intp]) -> Column:
        """The same for rows whose values are those of `entries`."""
        return Column(
            self.values[entries],
            Domain.ROWS,
            None if self.present is None else self.present[entries],
            None if self.highs is None else self.highs[entries],
            None if self.lengths is None else self.lengths[entries],
        )
