"""pcapng's clocks against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aoinspect.capture.clock import Clock

I64_MIN, I64_MAX = -(1 << 63), (1 << 63) - 1


def exact_ns(resolution: int, offset_seconds: int, ticks: int) -> int:
    base = 2 if resolution & 0x80 else 10
    return floor((Fraction(ticks, base ** (resolution & 0x7F)) + offset_seconds) * 10**9)


def check(resolution: int, offset_seconds: int, ticks: list[int]) -> None:
    times_ns, clamped = Clock(resolution, offset_seconds).times_ns(np.array(ticks, np.uint64))
    exact = [exact_ns(resolution, offset_seconds, count) for count in ticks]
    assert times_ns.tolist() == [min(max(time, I64_MIN), I64_MAX) for time in exact]
    assert clamped == sum(not I64_MIN <= time <= I64_MAX for time in exact)


@pytest.mark.parametrize("resolution", range(256))
def test_every_resolution_is_exact(resolution: int) -> None:
    edges = [
        0,
        1,
        999_999_999,
        10**9,
        1 << 32,
        (1 << 32) - 1,
        1 << 34,
        1_700_000_000_123_456_789,
        1 << 63,
        (1 << 64) - 1,
    ]
    for offset in (0, 1, -1, 3600, -(1 << 63), (1 << 63) - 1, -9_223_372_037, 9_223_372_036):
        check(resolution, offset, edges)


@given(st.integers(0, 255), st.integers(I64_MIN, I64_MAX), st.lists(st.integers(0, (1 << 64) - 1), min_size=1))
@example(0, 0, [9_223_372_036, 9_223_372_037])
@example(9, -9_223_372_037, [145_224_191, 145_224_192])
@example(9, 9_223_372_036, [854_775_807, 854_775_808])
def test_any_clock_is_exact(resolution: int, offset_seconds: int, ticks: list[int]) -> None:
    check(resolution, offset_seconds, ticks)


@given(st.integers(0, 9), st.integers(-(10**10), 10**10), st.lists(st.integers(0, 10**19), min_size=1))
def test_clocks_near_the_borders_of_int64_are_exact(resolution: int, offset_seconds: int, ticks: list[int]) -> None:
    check(resolution, offset_seconds, ticks)


def test_no_ticks_give_no_times() -> None:
    assert Clock().times_ns(np.zeros(0, np.uint64))[0].tolist() == []
