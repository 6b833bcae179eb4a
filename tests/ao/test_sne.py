"""Sequence number extension (RFC 5925 6.2 with erratum 5672, RFC 9187)."""

from __future__ import annotations

from functools import reduce

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.sne import POSITION_SPACE, extend, sne_of, unwrap
from tests.ao.vectors import read_vectors

VECTORS = [(int(str(vector["sne"])), int(str(vector["seq"]))) for vector in read_vectors("rfc9187-sne.json")]
HALF = 1 << 31

seqs_in_any_order = st.lists(st.integers(0, 0xFFFFFFFF), max_size=30)


def array(seqs: list[int]) -> npt.NDArray[np.uint32]:
    return np.array(seqs, dtype=np.uint32)


class TestRfc9187Section6:
    """The following numbers are used to validate SNE variants and are shown in the order they legitimately
    could be received. -- RFC 9187 6"""

    def test_all_pairs_are_there(self) -> None:
        assert len(VECTORS) == 29

    @pytest.mark.parametrize(
        "index",
        range(len(VECTORS)),
        ids=lambda index: f"RFC 9187 6 pair {index + 1}: {VECTORS[index][1]:08x}",
    )
    def test_each_number_extends_the_one_before(self, index: int) -> None:
        sne, seq = VECTORS[index]
        before = VECTORS[index - 1] if index else (0, 0)
        assert extend(before[0] << 32 | before[1], seq) == sne << 32 | seq

    def test_each_number_extends_the_highest_seen(self) -> None:
        """The function includes persistent local state that tracks the largest currently received SNE and
        seqno combination. -- RFC 9187 2"""
        highest = 0
        for sne, seq in VECTORS:
            position = extend(highest, seq)
            assert (sne_of(position), position & 0xFFFFFFFF) == (sne, seq)
            highest = max(highest, position)

    def test_all_at_once(self) -> None:
        positions = unwrap(0, array([seq for _, seq in VECTORS]))
        assert [int(position) for position in positions] == [sne << 32 | seq for sne, seq in VECTORS]


class TestExtend:
    """TCP-AO emulates a 64-bit sequence number space by inferring when to increment the high-order 32-bit
    portion (the SNE) based on transitions in the low-order portion (the TCP sequence number).
    -- RFC 5925 6.2"""

    @given(st.integers(0, POSITION_SPACE - 1), st.integers(1 - HALF, HALF))
    def test_any_position_within_half_the_space_is_found_again(self, reference: int, distance: int) -> None:
        position = reference + distance
        found = extend(reference, position & 0xFFFFFFFF, before_zero=True)
        assert found == position % POSITION_SPACE

    def test_0x7fff_is_not_the_middle(self) -> None:
        """Erratum 5672: RFC 5925's pseudocode would take a step back from 0x00018000 to 0x10 for a wrap."""
        assert extend(0x18000, 0x10) == 0x10
        assert extend(1 << 32 | 0x10, 0x18000) == 1 << 32 | 0x18000

    def test_the_octet_after_the_last_has_sne_1(self) -> None:
        assert extend(0xFFFFFFFF, 0) == 1 << 32

    def test_a_retransmission_from_before_the_wrap_keeps_its_sne(self) -> None:
        assert extend(1 << 32 | 100, 0xFFFFFF00) == 0xFFFFFF00

    @pytest.mark.parametrize("reference, expected", [(0, HALF), (1 << 32, 1 << 32 | HALF), (HALF, 1 << 32)])
    def test_exactly_half_the_space_away_is_ahead(self, reference: int, expected: int) -> None:
        assert extend(reference, expected & 0xFFFFFFFF) == expected
        assert unwrap(reference, array([expected & 0xFFFFFFFF])).tolist() == [expected]

    def test_nothing_lies_before_sne_0(self) -> None:
        """Both initialized as zero when a connection begins. -- RFC 5925 6.2"""
        assert extend(5, 0xFFFFFFF0) == 0xFFFFFFF0
        assert sne_of(extend(5, 0xFFFFFFF0)) == 0

    def test_the_sne_itself_wraps(self) -> None:
        last = POSITION_SPACE - 1
        assert extend(last, 7) == 7
        assert extend(7, 0xFFFFFFFF, before_zero=True) == last
        assert sne_of(last) == 0xFFFFFFFF

    @pytest.mark.parametrize("reference, seq", [(-1, 0), (POSITION_SPACE, 0), (0, -1), (0, 1 << 32)])
    def test_numbers_of_another_size_are_refused(self, reference: int, seq: int) -> None:
        with pytest.raises(ValueError, match="bits"):
            extend(reference, seq)


class TestUnwrap:
    @given(st.integers(0, POSITION_SPACE - 1), seqs_in_any_order)
    def test_it_is_extend_applied_along_the_array(self, reference: int, seqs: list[int]) -> None:
        expected: list[int] = []
        for seq in seqs:
            reference_before = expected[-1] if expected else reference
            expected.append(extend(reference_before, seq, before_zero=True))
        assert [int(position) for position in unwrap(reference, array(seqs), before_zero=True)] == expected

    @given(st.integers(1 << 40, POSITION_SPACE - (1 << 40)), seqs_in_any_order)
    def test_the_floor_at_zero_matters_only_near_it(self, reference: int, seqs: list[int]) -> None:
        positions = unwrap(reference, array(seqs))
        assert positions.tolist() == unwrap(reference, array(seqs), before_zero=True).tolist()
        assert reduce(extend, seqs, reference) == (positions[-1] if seqs else reference)

    @given(st.integers(0, 1 << 33), seqs_in_any_order)
    def test_the_low_half_is_always_the_sequence_number(self, reference: int, seqs: list[int]) -> None:
        positions = unwrap(reference, array(seqs))
        assert (positions & np.uint64(0xFFFFFFFF)).tolist() == seqs
        assert positions.dtype == np.uint64

    @given(st.integers(0, POSITION_SPACE - 1), seqs_in_any_order, st.integers(0, 30))
    def test_it_may_be_cut_anywhere(self, reference: int, seqs: list[int], cut: int) -> None:
        whole = unwrap(reference, array(seqs), before_zero=True).tolist()
        first = unwrap(reference, array(seqs[:cut]), before_zero=True).tolist()
        rest = unwrap([reference, *first][-1], array(seqs[cut:]), before_zero=True).tolist()
        assert first + rest == whole

    def test_any_number_of_wraps(self) -> None:
        step = 0x40000000
        positions = np.arange(100, dtype=np.uint64) * np.uint64(step)
        assert unwrap(0, positions.astype(np.uint32)).tolist() == positions.tolist()

    def test_a_stray_segment_from_before_the_start_draws_no_other_after_it(self) -> None:
        """Without the rule the segments after the stray one would all have SNE 1."""
        assert unwrap(5, array([10, 0xFFFFFFF0, 0xFFFFFFFF, 20])).tolist() == [10, 0xFFFFFFF0, 0xFFFFFFFF, 20]

    def test_the_array_is_left_as_it_was(self) -> None:
        seqs = array([1, 0xFFFFFFFF, 2])
        unwrap(0, seqs)
        assert seqs.tolist() == [1, 0xFFFFFFFF, 2]

    def test_no_segments_have_no_positions(self) -> None:
        assert unwrap(3, array([])).tolist() == []

    def test_a_reference_of_another_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="64 bits"):
            unwrap(POSITION_SPACE, array([1]))
