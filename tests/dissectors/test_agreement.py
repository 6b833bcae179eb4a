"""Hops and descriptions of the same octets, any octets: they agree, never fail, and never see a neighbour."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissectors.base import NOTHING, Dissector, Headers, Hop
from dissectors.registry import BUILT_IN, Registry
from tests.dissectors.frames import EXAMPLES, Example
from tests.dissectors.recorded import Recorded, corpus_files, needs_shared, read
from tests.dissectors.walking import assert_same_steps, lay_out, walk_by_description, walk_by_hops

REGISTRY = Registry(use_entry_points=False)
HOPPING = [dissector for dissector in BUILT_IN if dissector.hop is not None]
LINK_TYPES = sorted(REGISTRY.namespace("linktype"))

examples = st.sampled_from(EXAMPLES)


@st.composite
def damaged_frames(draw: st.DrawFn) -> Recorded:
    """A hand-made frame with some octets changed, cut short anywhere; or noise of any link type."""
    if draw(st.integers(0, 4)) == 0:
        return Recorded(draw(st.sampled_from(LINK_TYPES)), draw(st.binary(max_size=120)), draw(st.integers(0, 200)))
    example: Example = draw(examples)
    octets = bytearray(example.octets)
    changes = st.tuples(st.integers(0, len(octets) - 1), st.integers(0, 255))
    for position, value in draw(st.lists(changes, max_size=4)):
        octets[position] = value
    captured = draw(st.one_of(st.just(len(octets)), st.integers(0, len(octets))))
    return Recorded(example.link_type, bytes(octets[:captured]), len(octets))


def assert_same(one: Hop, other: Hop, shift: int) -> None:
    """The same answer to two questions whose positions differ by `shift`."""
    for name, left, right in zip(Hop._fields, one, other, strict=True):
        assert (left is None) == (right is None), name
        if left is not None and right is not None:
            moved = shift if name in ("starts", "ends", "destinations") else 0
            assert (np.asarray(left) + moved == np.asarray(right)).all() if moved else (left == right).all(), name


def pick(hop: Hop, index: int) -> Hop:
    """One frame's part of an answer."""
    row = slice(index, index + 1)
    return Hop(
        hop.numbers[row],
        hop.starts[row],
        hop.ends[row],
        hop.is_cut[row],
        None if hop.fallbacks is None else hop.fallbacks[row],
        None if hop.is_fragment is None else hop.is_fragment[row],
        None if hop.destinations is None else hop.destinations[row],
        None if hop.vlans is None else hop.vlans[row],
        None if hop.interface_numbers is None else hop.interface_numbers[row],
    )


@given(frames=st.lists(damaged_frames(), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_the_tree_and_the_hops_take_the_same_steps_through_any_octets(frames: list[Recorded]) -> None:
    for frame in frames:
        key = ("linktype", frame.link_type)
        batch = lay_out([frame.octets], [frame.wire_length])
        by_hops = walk_by_hops(REGISTRY, batch, key)[0]
        by_description = walk_by_description(REGISTRY, frame.octets, key, frame.wire_length)
        assert_same_steps(by_hops, by_description)


@pytest.mark.parametrize("dissector", HOPPING, ids=lambda dissector: dissector.name)
@given(
    octets=st.binary(max_size=100),
    limit=st.integers(0, 100),
    end=st.integers(0, 140),
    noise=st.binary(min_size=1, max_size=30),
)
@settings(max_examples=60, deadline=None)
def test_octets_at_or_behind_the_limit_change_no_answer(
    dissector: Dissector, octets: bytes, limit: int, end: int, noise: bytes
) -> None:
    limit = min(limit, len(octets))
    assert dissector.hop is not None
    answers = []
    for behind in (octets[limit:] + bytes(200), (noise * 300)[:300], b"\xff" * 300):
        buffer = np.frombuffer(bytes(64) + octets[:limit] + behind, np.uint8)
        starts = np.array([64], np.int64)
        answers.append(dissector.hop(Headers(buffer, starts, starts + end, starts + limit)))
    assert_same(answers[0], answers[1], 0)
    assert_same(answers[0], answers[2], 0)
    answer = answers[0]
    assert int(answer.ends[0]) <= 64 + end
    if answer.numbers[0] != NOTHING:
        assert not answer.is_cut[0]
        assert 64 <= int(answer.starts[0]) <= min(64 + limit, int(answer.ends[0]))
    if answer.destinations is not None and not answer.is_cut[0]:
        assert 64 <= int(answer.destinations[0]) <= 64 + limit - 4


@pytest.mark.parametrize("dissector", HOPPING, ids=lambda dissector: dissector.name)
@given(frames=st.lists(st.binary(max_size=90), min_size=1, max_size=8), gap=st.binary(max_size=9))
@settings(max_examples=30, deadline=None)
def test_a_batch_answers_as_its_frames_do_one_by_one(dissector: Dissector, frames: list[bytes], gap: bytes) -> None:
    assert dissector.hop is not None
    together = dissector.hop(lay_out(frames, gap=gap).headers)
    starts = lay_out(frames, gap=gap).starts
    for index, frame in enumerate(frames):
        alone = dissector.hop(lay_out([frame]).headers)
        picked = pick(together, index)
        assert_same(alone, picked, int(starts[index]) - 64)


@pytest.mark.parametrize("dissector", BUILT_IN, ids=lambda dissector: dissector.name)
@given(octets=st.binary(max_size=120), start=st.integers(0, 130), end=st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_describing_never_fails_and_stays_inside_the_frame(
    dissector: Dissector, octets: bytes, start: int, end: int
) -> None:
    layer = dissector.describe(octets, start, end)
    pending = [layer.node]
    while pending:
        field = pending.pop()
        assert field.start <= field.end
        assert field.end <= len(octets) or field.end == field.start
        pending.extend(field.children)


def test_an_empty_batch_has_an_empty_answer() -> None:
    for dissector in HOPPING:
        assert dissector.hop is not None
        hop = dissector.hop(lay_out([]).headers)
        assert len(hop.numbers) == len(hop.starts) == len(hop.ends) == len(hop.is_cut) == 0


@needs_shared
def test_the_tree_and_the_hops_take_the_same_steps_through_the_whole_corpus() -> None:
    by_link_type: dict[int, list[Recorded]] = defaultdict(list)
    for path in corpus_files():
        for frame in read(path, most=150):
            by_link_type[frame.link_type].append(frame)
    reached_tcp = 0
    for link_type, frames in by_link_type.items():
        key = ("linktype", link_type)
        if REGISTRY.lookup(key) is None:
            continue
        batch = lay_out([frame.octets for frame in frames], [frame.wire_length for frame in frames])
        for frame, by_hops in zip(frames, walk_by_hops(REGISTRY, batch, key), strict=True):
            by_description = walk_by_description(REGISTRY, frame.octets, key, frame.wire_length)
            assert_same_steps(by_hops, by_description)
            reached_tcp += bool(by_hops) and by_hops[-1][0] == "tcp"
    assert reached_tcp > 5000
