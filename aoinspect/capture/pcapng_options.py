"""How pcapng lists options, and how the few that matter here are found among them.

An option is a code and a length of two octets each and a value padded to four octets; code 0 or the block's
end ends the list (draft-ietf-opsawg-pcapng, Options).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np

from aoinspect.capture.frames import I64, U8
from aoinspect.capture.records import windows

COMMENT: Final = 1
"""opt_comment: UTF-8, in any block, any number of times."""


class Options(NamedTuple):
    """The options of one block."""

    values: dict[int, list[bytes]]
    """Option code -> its values, in order."""
    is_malformed: bool
    """The list runs out of its block; `values` has what comes before."""

    def first(self, code: int, length: int) -> bytes | None:
        """The first value of `code` that has `length` octets."""
        return next((value for value in self.values.get(code, []) if len(value) == length), None)

    def texts(self, code: int) -> tuple[str, ...]:
        """All values of `code` as text; octets that are no UTF-8 become U+FFFD."""
        return tuple(value.rstrip(b"\0").decode("utf-8", "replace") for value in self.values.get(code, []))


def read_options(octets: bytes, byte_order: str) -> Options:
    """All options that `octets`, what lies between a block's fields and its trailing length, lists."""
    values: dict[int, list[bytes]] = {}
    position = 0
    while position + 4 <= len(octets):
        code, length = struct.unpack_from(byte_order + "HH", octets, position)
        if code == 0:
            return Options(values, False)
        position += 4
        if position + length > len(octets):
            return Options(values, True)
        values.setdefault(code, []).append(octets[position : position + length])
        position += length + (-length & 3)
    return Options(values, position != len(octets))


def blocks_with_comments(octets: U8, starts: I64, ends: I64, byte_order: str) -> I64:
    """Which of n option lists (indices, int64) hold a comment or are malformed and so need `read_options`.

    List i lies at `octets[starts[i]:ends[i]]`. Every list is followed at once, an option a step: captures
    that note flags for every packet cost a few array operations, not a loop over packets.
    """
    headers = windows(octets, 4)
    header_type = np.dtype([("code", byte_order + "u2"), ("length", byte_order + "u2")])
    found: list[I64] = []
    which = np.arange(len(starts), dtype=np.int64)
    positions = starts
    while len(which):
        remaining = ends[which] - positions
        is_short = remaining < 4
        found.append(which[is_short & (remaining != 0)])
        which, positions = which[~is_short], positions[~is_short]
        fields = headers[positions].view(header_type)
        lengths = fields["length"].astype(np.int64)
        is_wanted = (fields["code"] == COMMENT) | (positions + 4 + lengths > ends[which])
        is_end = fields["code"] == 0
        found.append(which[is_wanted & ~is_end])
        goes_on = ~(is_wanted | is_end)
        which = which[goes_on]
        positions = positions[goes_on] + 4 + ((lengths[goes_on] + 3) & -4)
    return np.sort(np.concatenate(found)) if found else which


class OptionLists(NamedTuple):
    """The comments among n option lists, and what else these hold. The first four arrays have one value a comment."""

    which: I64
    """Index of the list."""
    starts: I64
    """Where the option starts: its code, its length and then the text."""
    lengths: I64
    """Octets of the text."""
    padded_lengths: I64
    """Octets of the option as a whole; up to the list's end where its padding was left out."""
    others: I64
    """For each list: options of other kinds than comments and the end; at least 1 if it runs out of its block."""

    @classmethod
    def none(cls, count: int) -> OptionLists:
        """So many lists without any option."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, nothing, nothing, others=np.zeros(count, dtype=np.int64))

    def with_lists(self, rows: I64, lists: OptionLists) -> OptionLists:
        """These, and `lists` as the lists `rows` of them."""
        others = self.others.copy()
        others[rows] = lists.others
        return OptionLists(
            np.concatenate([self.which, rows[lists.which]]),
            np.concatenate([self.starts, lists.starts]),
            np.concatenate([self.lengths, lists.lengths]),
            np.concatenate([self.padded_lengths, lists.padded_lengths]),
            others,
        )

    def comment_counts(self, count: int) -> I64:
        """How many comments each of `count` lists has."""
        return np.bincount(self.which, minlength=count)


def follow_options(octets: U8, starts: I64, ends: I64, byte_order: str) -> OptionLists:
    """What n option lists hold, all followed at once, an option a step; list i is `octets[starts[i]:ends[i]]`."""
    headers = windows(octets, 4)
    header_type = np.dtype([("code", byte_order + "u2"), ("length", byte_order + "u2")])
    others = np.zeros(len(starts), dtype=np.int64)
    found: list[tuple[I64, ...]] = []
    which = np.arange(len(starts), dtype=np.int64)
    positions = starts
    while len(which):
        remaining = ends[which] - positions
        others[which[(remaining > 0) & (remaining < 4)]] += 1
        goes_on = remaining >= 4
        which, positions, remaining = which[goes_on], positions[goes_on], remaining[goes_on]
        fields = headers[positions].view(header_type)
        codes, lengths = fields["code"], fields["length"].astype(np.int64)
        is_end, is_cut = codes == 0, 4 + lengths > remaining
        is_comment = (codes == COMMENT) & ~is_cut
        padded = np.minimum(4 + ((lengths + 3) & -4), remaining)
        found.append((which[is_comment], positions[is_comment], lengths[is_comment], padded[is_comment]))
        # What follows an end of options is nobody's, and is kept like an option.
        others[which[~is_comment & (~is_end | (remaining > 4))]] += 1
        goes_on = ~is_end & ~is_cut
        which, positions = which[goes_on], positions[goes_on] + padded[goes_on]
    if not found:
        return OptionLists.none(len(starts))
    which, positions, lengths, padded = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((positions, which))
    return OptionLists(which[order], positions[order], lengths[order], padded[order], others)
