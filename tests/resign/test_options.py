"""Options keep their order and octets when a signature is replaced, added or taken out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.option import KIND_AO, KIND_MD5, walk_options
from aoinspect.engine.resign.options import replace_signature, without_signatures

NOP = b"\x01"
MSS, SACK_PERMITTED, WINDOW_SCALE = b"\x02\x04\x05\xb4", b"\x04\x02", b"\x03\x03\x08"
TIMESTAMPS = b"\x08\x0a" + bytes(range(65, 73))
MD5 = bytes([19, 18]) + bytes(16)


def ao(mac_length: int, key_id: int = 1) -> bytes:
    return bytes([29, 4 + mac_length, key_id, 2]) + bytes([0xAB]) * mac_length


def header(options: bytes) -> bytes:
    assert len(options) % 4 == 0
    return bytes(12) + bytes([(20 + len(options)) // 4 << 4, 0x10]) + bytes(6) + options


def real_options(octets: bytes) -> list[bytes]:
    """The options that are neither padding nor signatures."""
    whole = header(octets)
    return [
        whole[option.start : option.end]
        for option in walk_options(whole)
        if option.kind not in (0, 1, KIND_AO, KIND_MD5)
    ]


class TestReplacing:
    @pytest.mark.parametrize(
        ("before", "signature", "after"),
        [
            # The same length: nothing moves, wherever the padding stands.
            ([ao(10), NOP * 2, MSS], ao(10, 9), [ao(10, 9), NOP * 2, MSS]),
            ([NOP * 2, ao(10), MSS], ao(10, 9), [NOP * 2, ao(10, 9), MSS]),
            # Another length: padding as long as it has to be, behind the option, as Linux has it.
            ([ao(10), NOP * 2, MSS], ao(12), [ao(12), MSS]),
            ([ao(12), MSS], ao(10), [ao(10), NOP * 2, MSS]),
            ([MSS, NOP, WINDOW_SCALE, ao(12)], ao(13), [MSS, NOP, WINDOW_SCALE, ao(13), NOP * 3]),
            # Linux 7.2 pads a RST's option with zeros.
            ([ao(10), b"\0\0"], ao(16), [ao(16)]),
            ([ao(12), MSS, b"\0" * 4], ao(11), [ao(11), NOP, MSS, b"\0" * 4]),
            # TCP-MD5 is padded in front, and the AO option takes the whole of its place.
            ([NOP * 2, MD5, NOP * 2, TIMESTAMPS], ao(12), [ao(12), NOP * 2, TIMESTAMPS]),
            ([NOP * 2, MD5], ao(14), [NOP * 2, ao(14)]),
            # Options that are packed tightly stay so.
            ([ao(11), SACK_PERMITTED, WINDOW_SCALE], ao(8), [ao(8), SACK_PERMITTED, WINDOW_SCALE, NOP * 3]),
            # What is too long gives up padding at the end before it gives up.
            ([MSS, ao(16), TIMESTAMPS, NOP * 2], ao(19), [MSS, ao(19), NOP, TIMESTAMPS, NOP * 2]),
            ([ao(15), WINDOW_SCALE, TIMESTAMPS, NOP * 4], ao(20), [ao(20), WINDOW_SCALE, TIMESTAMPS, NOP * 3]),
        ],
    )
    def test_the_new_signature_stands_in_the_place_of_the_old_one(
        self, before: Sequence[bytes], signature: bytes, after: Sequence[bytes]
    ) -> None:
        assert replace_signature(header(b"".join(before)), signature) == b"".join(after)

    def test_an_added_signature_stands_first(self) -> None:
        assert replace_signature(header(NOP * 2 + TIMESTAMPS), ao(10)) == ao(10) + NOP * 2 + NOP * 2 + TIMESTAMPS
        assert replace_signature(header(b""), ao(12)) == ao(12)

    def test_what_does_not_fit_is_longer_than_a_header(self) -> None:
        whole = replace_signature(header(MSS + NOP * 2 + TIMESTAMPS + SACK_PERMITTED + NOP * 2), ao(20))
        assert len(whole) == 44
        assert whole.endswith(SACK_PERMITTED + NOP * 2)


class TestTakingOut:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ([ao(12)], []),
            ([ao(10), NOP * 2, MSS], [MSS]),
            ([NOP * 2, MD5, MSS], [MSS]),
            ([MSS, ao(16), NOP * 2, TIMESTAMPS], [MSS, NOP * 2, TIMESTAMPS]),
            ([ao(4), MSS, ao(4), MD5, NOP * 2], [MSS]),
            ([ao(11), SACK_PERMITTED, WINDOW_SCALE], [SACK_PERMITTED, WINDOW_SCALE, NOP * 3]),
            ([MSS, NOP * 2, SACK_PERMITTED], [MSS, NOP * 2, SACK_PERMITTED]),
        ],
    )
    def test_its_padding_goes_with_it(self, before: Sequence[bytes], after: Sequence[bytes]) -> None:
        assert without_signatures(header(b"".join(before))) == b"".join(after)

    def test_a_list_that_breaks_off_is_not_touched(self) -> None:
        assert without_signatures(header(ao(12) + b"\x08\x0a\x00\x00")) is None


OTHERS = st.lists(
    st.sampled_from([MSS, SACK_PERMITTED, WINDOW_SCALE, NOP, NOP * 2, TIMESTAMPS, b"\xfe\x05abc"]), max_size=4
)


@given(before=OTHERS, behind=OTHERS, old=st.integers(0, 16), new=st.integers(0, 20))
def test_whatever_stands_around_it_stays(before: list[bytes], behind: list[bytes], old: int, new: int) -> None:
    options = b"".join([*before, ao(old), *behind])
    options += NOP * (-len(options) % 4)
    if len(options) > 40:
        return
    replaced = replace_signature(header(options), ao(new))
    assert len(replaced) % 4 == 0
    if len(replaced) <= 40:
        assert real_options(replaced) == real_options(options)
        assert next(option for option in walk_options(header(replaced)) if option.kind == KIND_AO).problem is None
        assert ao(new) in replaced
    stripped = without_signatures(header(options))
    assert stripped is not None
    assert real_options(stripped) == real_options(options)
    assert replace_signature(header(options), ao(old)) == options
