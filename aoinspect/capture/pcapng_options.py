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
