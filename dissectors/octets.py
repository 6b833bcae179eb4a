"""Bounds-checked reads of a batch's octets at arrays of positions.

Every hop reads through these four functions and through nothing else. A read never leaves the array: a
position that lies too far behind is moved to the last place where the read fits. What is read there belongs
to another frame or to nobody, so a hop first decides by `limits` which frames are cut, and uses no value of
those. Positions are never negative.

`octets` is contiguous and at least as long as what is read at once (a batch carries 64 octets behind its last
frame).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dissectors.base import I64, U8


def u8(octets: U8, positions: I64) -> I64:
    """The octets at `positions`, as int64 of the same shape."""
    return octets[np.minimum(positions, len(octets) - 1)].astype(np.int64)


def u16(octets: U8, positions: I64) -> I64:
    """The big-endian 16-bit numbers that start at `positions`, as int64 of the same shape."""
    return _numbers(octets, positions, ">u2", 2)


def u32(octets: U8, positions: I64) -> I64:
    """The big-endian 32-bit numbers that start at `positions`, as int64 of the same shape."""
    return _numbers(octets, positions, ">u4", 4)


def fields(octets: U8, positions: I64, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """The fixed headers of layout `dtype` that start at `positions`, one structured row each, copied in one
    gather.

    The columns keep the wire's byte order and width: `.astype(np.int64)` before arithmetic that could
    overflow.
    """
    size = dtype.itemsize
    last = len(octets) - size
    # Overlapping rows of raw octets, one starting at each octet: indexing copies only what is asked for
    # (`take` on the same array would copy all of it first).
    windows = np.ndarray((last + 1,), dtype=f"V{size}", buffer=octets, strides=(1,))
    gathered: npt.NDArray[np.void] = windows[np.minimum(positions, last)].view(dtype)
    return gathered


def _numbers(octets: U8, positions: I64, form: str, size: int) -> I64:
    last = len(octets) - size
    windows = np.ndarray((last + 1,), dtype=form, buffer=octets, strides=(1,))
    numbers: I64 = windows[np.minimum(positions, last)].astype(np.int64)
    return numbers
