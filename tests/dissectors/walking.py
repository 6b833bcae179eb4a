"""Two ways from a frame's first octet to its last header, told in the same words: by hops, and by
description.

The hops run over all frames at once, grouped by key, as an engine does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dissectors.base import NOTHING, Dissector, Headers, Hop, Key
from dissectors.registry import Registry
from dissectors.tree import describe_frame

HEADROOM = TAILROOM = 64
Step = tuple[str, int, int]
"""A dissector's name, and where its header starts and its layer ends, in octets of the frame."""
FRAGMENT: Step = ("fragment", 0, 0)
MOST_LAYERS = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames laid out one behind the other, as a capture reader does it."""

    octets: np.ndarray[tuple[int], np.dtype[np.uint8]]
    headers: Headers

    @property
    def starts(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return self.headers.starts


def lay_out(frames: Sequence[bytes], wire_lengths: Sequence[int] | None = None, gap: bytes = b"") -> Batch:
    """The frames with `gap` before, between and behind them: octets that belong to no frame."""
    lengths = np.array([len(frame) for frame in frames], np.int64)
    wires = lengths if wire_lengths is None else np.maximum(np.array(wire_lengths, np.int64), lengths)
    room = (gap * (HEADROOM // len(gap) + 1))[:HEADROOM] if gap else bytes(HEADROOM)
    separator = gap if gap else b""
    octets = np.frombuffer(room + b"".join(frame + separator for frame in frames) + room, np.uint8)
    starts = HEADROOM + np.concatenate(([0], np.cumsum(lengths + len(separator))))[: len(frames)].astype(np.int64)
    return Batch(octets, Headers(octets, starts, starts + wires, starts + lengths))


def walk_by_hops(registry: Registry, batch: Batch, key: Key) -> list[list[Step]]:
    """For each frame its steps, down to the header that leads nowhere; those of cut headers are left out.

    Behind a fragment stands FRAGMENT: an engine puts it together, while the tree shows what is there.
    """
    question = batch.headers
    count = len(question.starts)
    paths: list[list[Step]] = [[] for _ in range(count)]
    groups: list[tuple[Key, np.ndarray[tuple[int], np.dtype[np.int64]], Headers]] = [(key, np.arange(count), question)]
    while groups:
        group_key, rows, headers = groups.pop()
        dissector = registry.lookup(group_key)
        if dissector is None or dissector.hop is None or not len(rows):
            continue
        assert dissector.leads_to is not None
        hop = dissector.hop(headers)
        for row, start, end, is_cut in zip(rows, headers.starts, headers.ends, hop.is_cut, strict=True):
            if not is_cut:
                base = int(batch.starts[row])
                paths[row].append((dissector.name, int(start) - base, int(end) - base))
        numbers = next_numbers(registry, dissector, hop)
        if hop.is_fragment is not None:
            for row in rows[hop.is_fragment]:
                paths[row].append(FRAGMENT)
            numbers = np.where(hop.is_fragment, NOTHING, numbers)
        numbers = np.where([len(paths[row]) >= MOST_LAYERS for row in rows], NOTHING, numbers)
        for number in np.unique(numbers[numbers != NOTHING]):
            chosen = numbers == number
            asked = Headers(headers.octets, hop.starts[chosen], hop.ends[chosen], headers.limits[chosen])
            groups.append(((dissector.leads_to, int(number)), rows[chosen], asked))
    return paths


def next_numbers(registry: Registry, dissector: Dissector, hop: Hop) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The numbers that have a dissector: the first choice, then the fallback, NOTHING for neither."""
    assert dissector.leads_to is not None
    known = np.array(sorted(registry.namespace(dissector.leads_to)) or [NOTHING], np.int64)
    fallbacks = np.full(len(hop.numbers), NOTHING, np.int64) if hop.fallbacks is None else hop.fallbacks
    fallbacks = np.where(np.isin(fallbacks, known), fallbacks, NOTHING)
    return np.where(np.isin(hop.numbers, known), hop.numbers, fallbacks)


def walk_by_description(registry: Registry, frame: bytes, key: Key, wire_length: int) -> list[Step]:
    """The frame's steps as the tree has them, without the protocol that nothing follows: no hop leads into it."""
    steps: list[Step] = []
    start, end = 0, max(wire_length, len(frame))
    dissector = registry.lookup(key)
    for layer in describe_frame(registry, frame, key, wire_length):
        assert dissector is not None
        if dissector.hop is None:
            break
        steps.append((dissector.name, start, end))
        start, end = layer.next_start, layer.next_end
        if layer.next_key is None:
            break
        dissector = registry.lookup(layer.next_key)
        if dissector is None and layer.fallback_key is not None:
            dissector = registry.lookup(layer.fallback_key)
    return steps


def assert_same_steps(by_hops: list[Step], by_description: list[Step]) -> None:
    """The tree may show more than the hops only by the header that is cut, and by what a first fragment
    holds.
    """
    if by_hops and by_hops[-1] == FRAGMENT:
        assert by_description[: len(by_hops) - 1] == by_hops[:-1]
        return
    assert by_description[: len(by_hops)] == by_hops
    assert len(by_description) <= len(by_hops) + 1
