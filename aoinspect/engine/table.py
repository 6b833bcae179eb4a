"""The table: one row per segment that is signed or belongs to a protected connection, in capture order.

Everything that a face shows is read off these columns, or off the octets found again through `offset`. The columns,
their dtypes and their meaning are stated here and nowhere else; a row takes 70 octets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import I64, U8, U16, U32
from aoinspect.engine.connections import U64
from aoinspect.engine.locate import Mask


class Rows(NamedTuple):
    """Columns of one length, one value a segment."""

    frame: U64
    """Wireshark's frame number, from 1 in each capture."""
    capture: U16
    """Index into the run's captures."""
    offset: U64
    """Where the record's octets start in the (uncompressed) file; for a reassembled segment the last piece's."""
    time_ns: I64
    """Capture time in nanoseconds since 1970 (UTC)."""
    connection: U32
    """Index into the connections."""
    direction: U8
    """0 is a>b, 1 is b>a."""
    seq: U32
    ack: U32
    flags: U16
    """The 12 bits of `tcp.flags`."""
    payload_length: U32
    method: U8
    """A `Method`."""
    key_id: U8
    rnext_key_id: U8
    mac_length: U8
    sne: U32
    """Sequence number extension; 0 where `has_sne` is False."""
    mkt: U16
    """Index into the MKTs; NO_MKT where none verified the segment."""
    verdict: U8
    """A `Verdict`."""
    reason: U8
    """A `Reason`."""
    coverage: U8
    """A `Coverage`: which TCP options the verified MAC covers."""
    has_sne: Mask
    is_refused: Mask
    """Verified under a key that the receiving end, which the key file describes too, does not have."""
    mac: npt.NDArray[np.void]
    """The first 16 octets of the captured MAC, zero behind it; longer ones are read from the file."""

    def select(self, rows: npt.NDArray[np.intp] | Mask) -> Rows:
        """The same for some rows."""
        return Rows._make(column[rows] for column in self)


_DTYPES: dict[str, npt.DTypeLike] = {
    "frame": np.uint64,
    "capture": np.uint16,
    "offset": np.uint64,
    "time_ns": np.int64,
    "connection": np.uint32,
    "direction": np.uint8,
    "seq": np.uint32,
    "ack": np.uint32,
    "flags": np.uint16,
    "payload_length": np.uint32,
    "method": np.uint8,
    "key_id": np.uint8,
    "rnext_key_id": np.uint8,
    "mac_length": np.uint8,
    "sne": np.uint32,
    "mkt": np.uint16,
    "verdict": np.uint8,
    "reason": np.uint8,
    "coverage": np.uint8,
    "has_sne": np.bool_,
    "is_refused": np.bool_,
    "mac": "V16",
}

EMPTY = Rows(**{name: np.zeros(0, dtype=dtype) for name, dtype in _DTYPES.items()})


def octets_per_row() -> int:
    """What one row of the table takes."""
    return sum(np.dtype(dtype).itemsize for dtype in _DTYPES.values())


class Table:
    """The rows of a run, batch by batch; joined when they are first asked for as a whole."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []

    def __len__(self) -> int:
        return sum(len(part.frame) for part in self._parts)

    def add(self, rows: Rows) -> None:
        if len(rows.frame):
            self._parts.append(rows)

    @property
    def rows(self) -> Rows:
        """All rows so far."""
        if not self._parts:
            return EMPTY
        if len(self._parts) > 1:
            joined = []
            # Column by column, and each part's is dropped before the next is joined, so that memory is not doubled.
            columns = [list(part) for part in self._parts]
            self._parts = []
            for index in range(len(Rows._fields)):
                joined.append(np.concatenate([part[index] for part in columns]))
                for part in columns:
                    part[index] = EMPTY[index]
            self._parts = [Rows(*joined)]
        return self._parts[0]


def sort_by_frame(rows: Rows) -> npt.NDArray[np.intp]:
    """The order of capture and frame, for rows that were added late (incomplete fragments)."""
    return np.lexsort((rows.frame, rows.capture))
