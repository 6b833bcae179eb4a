"""Walking a TCP header's options, and the AO option itself (RFC 5925 2.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.option import KIND_AO, AoOption, TcpOption, locate_ao, walk_options

KEY_IDS = st.integers(0, 255)


def header(options: bytes, data_offset: int | None = None) -> bytes:
    """A TCP header of zeros with these options; the data offset fits them unless given."""
    words = (20 + len(options)) // 4 if data_offset is None else data_offset
    return bytes(12) + bytes((words << 4,)) + bytes(7) + options


class TestWalking:
    def test_options_follow_one_another_without_gaps(self) -> None:
        octets = bytes.fromhex("020405b4 01 1d 04 3d54 0000 00".replace(" ", ""))
        assert walk_options(header(octets)) == [
            TcpOption(2, 20, 24),
            TcpOption(1, 24, 25),
            TcpOption(29, 25, 29),
            TcpOption(0, 29, 32),
        ]

    def test_the_end_option_takes_everything_after_it(self) -> None:
        assert walk_options(header(bytes.fromhex("00001d0401020000"))) == [TcpOption(0, 20, 28)]

    def test_a_header_without_options_has_none(self) -> None:
        assert walk_options(header(b"")) == []

    def test_payload_is_not_read_as_options(self) -> None:
        assert walk_options(header(b"\x1d\x04\x01\x02" * 2, data_offset=6)) == [TcpOption(29, 20, 24)]

    @pytest.mark.parametrize(
        "options, problem",
        [
            ("1d000102", "length 0 is below 2"),
            ("1d010102", "length 1 is below 2"),
            ("1d050102", "length 5 reaches past the header"),
            ("1dff0102", "length 255 reaches past the header"),
            ("0101011d", "no length octet"),
        ],
    )
    def test_a_length_that_makes_no_sense_is_a_problem(self, options: str, problem: str) -> None:
        last = walk_options(header(bytes.fromhex(options)))[-1]
        assert (last.kind, last.end, last.problem) == (29, 24, problem)

    def test_a_cut_capture_is_told_from_a_broken_header(self) -> None:
        whole = header(bytes.fromhex("1d10 0102 0000 0000 0000 0000 0000 0000".replace(" ", "")))
        assert walk_options(whole[:30])[-1].problem == "length 16 reaches past the captured octets"

    @pytest.mark.parametrize("data_offset", range(5))
    def test_a_data_offset_below_5_leaves_no_room(self, data_offset: int) -> None:
        assert walk_options(header(b"\x1d\x04\x01\x02", data_offset)) == []

    @given(st.binary(max_size=80))
    def test_any_octets_are_walked_to_their_end(self, octets: bytes) -> None:
        options = walk_options(octets)
        at = 20
        for option in options:
            assert option.start == at < option.end
            at = option.end
        assert all(option.problem is None for option in options[:-1])
        if len(octets) >= 20:
            assert at == max(20, min(len(octets), (octets[12] >> 4) * 4))
        else:
            assert options == []


class TestOneAoOptionPerSegment:
    """A single TCP segment MUST NOT have more than one TCP-AO in its options sequence. -- RFC 5925 2.2"""

    AO = "1d040102"

    def test_the_only_one_is_found(self) -> None:
        assert locate_ao(header(bytes.fromhex("020405b4" + self.AO))) == TcpOption(29, 24, 28)

    def test_two_are_refused(self) -> None:
        with pytest.raises(ValueError, match="has 2"):
            locate_ao(header(bytes.fromhex(self.AO * 2)))

    def test_none_is_refused(self) -> None:
        with pytest.raises(ValueError, match="has 0"):
            locate_ao(header(bytes.fromhex("020405b4")))


class TestLength:
    """The Length value MUST be greater than or equal to 4. [...] The Length value MUST be consistent with the
    TCP header length. -- RFC 5925 2.2"""

    @pytest.mark.parametrize("length", [2, 3])
    def test_below_4_is_refused(self, length: int) -> None:
        with pytest.raises(ValueError, match="shorter than 4"):
            locate_ao(header(bytes((29, length, 1, 2, 1, 1, 1, 1))))
        with pytest.raises(ValueError, match="at least 4"):
            AoOption.parse(bytes((29, length, 1, 2))[:length])

    def test_past_the_header_is_refused(self) -> None:
        with pytest.raises(ValueError, match="reaches past the header"):
            locate_ao(header(bytes((29, 6, 1, 2))))

    def test_4_is_an_option_without_mac(self) -> None:
        """Values of 4 and other small values [...] are not specifically prohibited. -- RFC 5925 2.2"""
        assert AoOption.parse(b"\x1d\x04\x3d\x54") == AoOption(61, 84, b"")

    def test_octets_of_another_number_are_refused(self) -> None:
        with pytest.raises(ValueError, match="length is 5"):
            AoOption.parse(b"\x1d\x05\x3d\x54")

    def test_another_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match="kind 29, not 19"):
            AoOption.parse(b"\x13\x04\x3d\x54")


class TestIds:
    """MKT IDs MUST support any value, 0-255 inclusive. There are no reserved ID values. -- RFC 5925 3.1"""

    @given(KEY_IDS, KEY_IDS, st.binary(max_size=36))
    def test_what_is_packed_is_parsed(self, key_id: int, rnext_key_id: int, mac: bytes) -> None:
        option = AoOption(key_id, rnext_key_id, mac)
        packed = option.pack()
        assert packed[:4] == bytes((KIND_AO, len(packed), key_id, rnext_key_id))
        assert AoOption.parse(packed) == option

    @pytest.mark.parametrize("key_id", [-1, 256])
    def test_no_other_value_is_an_id(self, key_id: int) -> None:
        with pytest.raises(ValueError, match=f"KeyID is 0..255, not {key_id}"):
            AoOption(key_id, 0)
        with pytest.raises(ValueError, match=f"RNextKeyID is 0..255, not {key_id}"):
            AoOption(0, key_id)

    def test_a_mac_that_fits_no_header_is_refused(self) -> None:
        with pytest.raises(ValueError, match="37 octets"):
            AoOption(1, 2, bytes(37))

    @given(st.binary(max_size=50))
    def test_any_octets_are_parsed_or_refused(self, octets: bytes) -> None:
        try:
            assert AoOption.parse(octets).pack() == octets
        except ValueError:
            assert not (4 <= len(octets) <= 40 and octets[0] == KIND_AO and octets[1] == len(octets))
