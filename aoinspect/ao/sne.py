"""Which sequence number extension belongs to a sequence number (RFC 5925 6.2, RFC 9187).

A position is the 64-bit number `sne << 32 | seq`. The RFCs keep a flag and a high-water mark to say when a
sequence number has wrapped; both amount to one rule: of all positions with that sequence number, the right
one is nearest to where the direction is known to be. TCP never has more than half the sequence space under
way, so there is no doubt. (RFC 5925's pseudocode compares with 0x7fff; erratum 5672 makes that 0x7fffffff,
the middle of the space.)

SNE is a 32-bit counter and wraps itself, so positions are counted modulo 2^64. Position 0 is a floor all the
same: a stray segment before the start of a connection has SNE 0, not 0xffffffff. Only where a connection is
known to have been running before its SNE wrapped does a position before 0 exist, and the caller says so with
`before_zero`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

SEQUENCE_SPACE = 1 << 32
HALF_SPACE = 1 << 31
POSITION_SPACE = 1 << 64


def sne_of(position: int) -> int:
    """The 32-bit SNE of a position."""
    return (position >> 32) & (SEQUENCE_SPACE - 1)


def extend(reference: int, seq: int, *, before_zero: bool = False) -> int:
    """The position with sequence number `seq` that is nearest to the position `reference` (RFC 5925 6.2).

    Exactly half the sequence space away counts as ahead. The result is never before position 0 unless
    `before_zero` says that the SNE has wrapped; then it lies at SNE 0xffffffff. Raises ValueError for numbers
    of another size.
    """
    _check(reference)
    if not 0 <= seq < SEQUENCE_SPACE:
        raise ValueError(f"a sequence number has 32 bits, {seq} does not")
    step = (seq - reference) % SEQUENCE_SPACE
    if step > HALF_SPACE:
        step -= SEQUENCE_SPACE
    position = reference + step
    if position < 0 and not before_zero:
        return seq
    return position % POSITION_SPACE


def unwrap(reference: int, seqs: U32, *, before_zero: bool = False) -> U64:
    """The positions of sequence numbers in order, each nearest to the one before, the first to `reference`.

    `seqs` is uint32 of shape (n,), the result uint64 of shape (n,). Equals `extend` applied along the array,
    except that an element before position 0 (which gets SNE 0, see `extend`) does not draw the later ones
    after it.
    """
    _check(reference)
    references = np.empty_like(seqs)
    references[:1] = reference % SEQUENCE_SPACE
    references[1:] = seqs[:-1]
    steps = (seqs - references).astype(np.int64)
    steps[steps > HALF_SPACE] -= SEQUENCE_SPACE
    travelled = np.cumsum(steps)
    positions = travelled.astype(np.uint64) + np.uint64(reference)
    if not before_zero and reference < len(seqs) * HALF_SPACE:
        is_before_zero = travelled < -reference
        positions[is_before_zero] = seqs[is_before_zero]
    return positions


def _check(reference: int) -> None:
    if not 0 <= reference < POSITION_SPACE:
        raise ValueError(f"a position has 64 bits, {reference} does not")
