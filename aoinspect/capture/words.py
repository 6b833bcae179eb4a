"""Octets put together from stretches of others, all at once: how a batch of blocks is written with others in between.

Everything in pcapng is whole 32-bit words, so these are what is counted and copied.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8
from aoinspect.capture.records import windows

WORD: Final = 4
"""Octets."""

_WIDE: Final = 16
"""Words that are copied at once where so many follow one another."""


class Words(NamedTuple):
    """Stretches of 32-bit words, one after the other."""

    starts: I64
    """Octets from the front of what they are taken from; no alignment is needed."""
    counts: I64


def joined_words(octets: U8, words: Words) -> U8:
    """The stretches `words` of `octets` in one array."""
    places = WORD * (np.cumsum(words.counts) - words.counts)
    joined = np.empty(WORD * int(words.counts.sum()), dtype=np.uint8)
    # Most of a long stretch in wide pieces: an index for each word costs more than the word.
    wide = words.counts // _WIDE
    _copy(octets, words.starts, joined, places, wide, WORD * _WIDE)
    done = WORD * _WIDE * wide
    _copy(octets, words.starts + done, joined, places + done, words.counts - _WIDE * wide, WORD)
    return joined


def _copy(source: U8, starts: I64, target: U8, places: I64, counts: I64, width: int) -> None:
    """Copies `counts` pieces of `width` octets each, that follow one another from `starts` on, to `places`."""
    ends = np.cumsum(counts)
    steps = width * np.arange(int(ends[-1]) if len(ends) else 0)
    if not len(steps):
        return
    before = width * (ends - counts)
    read_at = np.repeat(starts - before, counts) + steps
    windows(target, width)[np.repeat(places - before, counts) + steps] = windows(source, width)[read_at]
