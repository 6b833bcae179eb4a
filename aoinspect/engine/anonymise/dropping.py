"""Takes the payloads out of a batch's segments: the octets go, the lengths around them follow.

Sequence numbers stay what they were, so that retransmissions, wraps and the SNE are as they were; to a reader of the
capture the payload is missing, as if it had been sent in segments that were not captured.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aoinspect.capture.frames import I64, FrameBatch
from aoinspect.capture.records import inside
from aoinspect.engine.locate import Mask
from aoinspect.engine.resign.envelopes import FIRST_ETHERTYPE, WITHOUT_LENGTH, Headers
from aoinspect.engine.resign.moving import LENGTH_AT, TYPE_AT, grow_envelopes
from aoinspect.engine.segments import Segments
from dissectors.octets import u16


def without_payloads(
    batch: FrameBatch, trail: list[Headers], segments: Segments, indices: I64, rows: I64
) -> FrameBatch:
    """`batch` without the payloads of `rows` of its segments, which lie in its frames `indices`.

    A frame with a header whose length cannot simply follow keeps its payload, which is zeros by then.
    """
    packets = segments.packets
    rows = rows[_can_follow(batch, trail)[indices[rows]]]
    starts = packets.starts[rows] + segments.header_lengths[rows]
    ends = packets.ends[rows]
    chosen = starts < ends
    rows, starts, ends = rows[chosen], starts[chosen], ends[chosen]
    if not len(rows):
        return batch
    is_dropped = inside(len(batch.octets), starts, ends)
    dropped_before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(is_dropped)])

    def moved(positions: I64) -> I64:
        return positions - dropped_before[np.minimum(positions, len(batch.octets))]  # type: ignore[no-any-return]

    octets = batch.octets[~is_dropped]
    shrunk: I64 = np.zeros(len(batch), dtype=np.int64)
    shrunk[indices[rows]] = ends - starts
    grow_envelopes(octets, [headers._replace(starts=moved(headers.starts)) for headers in trail], -shrunk)
    return replace(
        batch,
        octets=octets,
        starts=moved(batch.starts),
        ends=moved(batch.ends),
        wire_lengths=batch.wire_lengths - shrunk,
    )


def _can_follow(batch: FrameBatch, trail: list[Headers]) -> Mask:
    """Which frames have nothing around their segment but lengths that can simply shrink."""
    can_follow = np.ones(len(batch), dtype=np.bool_)
    for headers in trail:
        if headers.name in TYPE_AT:
            is_known = u16(batch.octets, headers.starts + TYPE_AT[headers.name]) >= FIRST_ETHERTYPE
        else:
            is_known = np.full(len(headers.indices), headers.name in LENGTH_AT or headers.name in WITHOUT_LENGTH)
        can_follow[headers.indices[~is_known]] = False
    return can_follow
