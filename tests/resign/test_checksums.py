"""Sums of many stretches agree with the plain sum of each (RFC 1071)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.engine.resign.checksums import MODULUS, checksum_of, sum_of, sums
from tests.packets import internet_checksum


@given(octets=st.binary(min_size=4, max_size=300), data=st.data())
def test_many_sums_are_what_each_is_alone(octets: bytes, data: st.DataObject) -> None:
    places = st.integers(0, len(octets))
    stretches = data.draw(st.lists(st.tuples(places, places).map(sorted), max_size=8))
    batch = np.frombuffer(octets + bytes(64), dtype=np.uint8)
    starts = np.array([start for start, _ in stretches], dtype=np.int64)
    ends = np.array([end for _, end in stretches], dtype=np.int64)
    found = sums(batch, starts, ends).tolist()
    for (start, end), total in zip(stretches, found, strict=True):
        plain = MODULUS - internet_checksum(octets[start:end])
        assert total == plain % MODULUS == sum_of(octets[start:end])


@given(st.binary(max_size=64))
def test_a_checksum_makes_the_sum_come_out_right(octets: bytes) -> None:
    padded = octets + bytes(len(octets) % 2)
    assert checksum_of(octets) == internet_checksum(octets) % MODULUS
    # Zeros alone sum to the other zero.
    assert internet_checksum(padded + checksum_of(octets).to_bytes(2, "big")) == (0 if any(octets) else 0xFFFF)
