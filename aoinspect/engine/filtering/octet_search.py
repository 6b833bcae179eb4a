"""Strings of octets found in lines of equal width, for all lines at once.

The first octet rules out nearly every line, and the others are looked at only where all before them agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aoinspect.capture.frames import U8
from aoinspect.engine.locate import Mask

Lengths = npt.NDArray[np.integer]


def equals_octets(lines: U8, lengths: Lengths, wanted: bytes) -> Mask:
    """Whether the first `lengths` octets of each line (shape (n, width)) are `wanted`, no more and no fewer."""
    held = np.asarray(lengths == len(wanted), dtype=np.bool_)
    if len(wanted) > lines.shape[1]:
        return np.zeros(len(lines), dtype=np.bool_)
    return _agrees(lines, 0, wanted, held)


def contains_octets(lines: U8, lengths: Lengths, wanted: bytes) -> Mask:
    """Whether `wanted` stands anywhere among the first `lengths` octets of each line."""
    found = np.zeros(len(lines), dtype=np.bool_)
    for start in range(lines.shape[1] - len(wanted) + 1):
        is_open = ~found & np.asarray(lengths >= start + len(wanted), dtype=np.bool_)
        found |= _agrees(lines, start, wanted, is_open)
    return found


def _agrees(lines: U8, start: int, wanted: bytes, is_open: Mask) -> Mask:
    """Of the lines that are open, those with `wanted` at `start`."""
    if not wanted:
        return is_open
    held = np.asarray(is_open & (lines[:, start] == wanted[0]), dtype=np.bool_)
    rows = np.flatnonzero(held)
    kept = rows
    for offset, octet in enumerate(wanted[1:], start + 1):
        kept = kept[lines[kept, offset] == octet]
    held[rows] = False
    held[kept] = True
    return held
