"""Which octets a TCP-AO MAC covers (RFC 5925 5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.algorithms import find_algorithm
from aoinspect.ao.mac_input import MacInputPart, mac_input, pseudo_header, segment_mac, split_mac_input
from aoinspect.ao.option import AoOption
from tests.ao.vectors import RFC9235, SignedPacket, make_mkt

V4 = (bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)))
V6 = (bytes(15) + b"\x01", bytes(15) + b"\x02")
AO = AoOption(61, 84, b"\xaa" * 12).pack()

whole_options = st.lists(
    st.one_of(
        st.just(b"\x01"),
        st.builds(
            lambda kind, body: bytes((kind, len(body) + 2)) + body,
            st.sampled_from((2, 3, 4, 5, 8, 19, 172, 253)),
            st.binary(max_size=8),
        ),
    ),
    max_size=4,
).map(b"".join)
"""Sound options other than AO, of at most 40 octets."""


def segment(before: bytes = b"", after: bytes = b"", payload: bytes = b"", ao: bytes = AO) -> bytes:
    """A segment with every header octet set to something, and `ao` between other options."""
    options = before + ao + after
    options += b"\x01" * (-len(options) % 4)
    fixed = bytearray(range(1, 21))
    fixed[12] = (20 + len(options)) // 4 << 4
    return bytes(fixed) + options + payload


def parts_of(octets: bytes, include_options: bool = True) -> list[str]:
    return [part.label for part in split_mac_input(4, octets, include_options)]


class TestPseudoHeader:
    """The IP pseudoheader is exactly as used for the TCP checksum in either IPv4 or IPv6. -- RFC 5925 5.1"""

    def test_ipv4(self) -> None:
        assert pseudo_header(*V4, 56).hex() == "0a0000010a00000200060038"

    def test_ipv6(self) -> None:
        assert pseudo_header(*V6, 0x12345) == V6[0] + V6[1] + bytes.fromhex("0001234500000006")

    @pytest.mark.parametrize("tcp_length", [-1, 0x10000])
    def test_a_length_that_ipv4_cannot_hold_is_refused(self, tcp_length: int) -> None:
        with pytest.raises(ValueError, match=f"{tcp_length} octets"):
            pseudo_header(*V4, tcp_length)

    @pytest.mark.parametrize("addresses", [(V4[0], V6[1]), (b"", b""), (bytes(5), bytes(5))])
    def test_mixed_or_odd_addresses_are_refused(self, addresses: tuple[bytes, bytes]) -> None:
        with pytest.raises(ValueError, match="4 or 16 octets"):
            pseudo_header(*addresses, 20)


class TestWhatIsCovered:
    """The TCP header, by default including options, and where the TCP checksum and TCP-AO MAC fields are set
    to zero. -- RFC 5925 5.1"""

    def test_everything_but_checksum_and_mac_is_there_as_sent(self) -> None:
        octets = segment(b"\x02\x04\x05\xb4", b"\x01\x01", b"payload")
        covered = mac_input(7, *V4, octets, include_options=True)
        expected = bytearray(octets)
        expected[16:18] = bytes(2)
        expected[28:40] = bytes(12)
        assert covered == bytes.fromhex("00000007") + pseudo_header(*V4, len(octets)) + expected

    def test_the_sne_comes_first_in_network_order(self) -> None:
        assert mac_input(0x01020304, *V4, segment(), include_options=True)[:4] == b"\x01\x02\x03\x04"

    @pytest.mark.parametrize("sne", [-1, 1 << 32])
    def test_an_sne_of_more_than_32_bits_is_refused(self, sne: int) -> None:
        with pytest.raises(ValueError, match="32 bits"):
            mac_input(sne, *V4, segment(), include_options=True)

    @given(st.integers(0, 7), st.integers(0, 255), st.booleans())
    def test_checksum_and_mac_do_not_matter(self, at: int, value: int, include_options: bool) -> None:
        octets = bytearray(segment(payload=b"x"))
        plain = mac_input(0, *V4, bytes(octets), include_options)
        octets[(16, 17, 24, 25, 26, 30, 34, 35)[at]] = value
        assert mac_input(0, *V4, bytes(octets), include_options) == plain

    @pytest.mark.parametrize("include_options", [True, False])
    def test_every_other_bit_of_header_ao_option_and_payload_matters(self, include_options: bool) -> None:
        octets = segment(payload=b"xyz")
        plain = mac_input(0, *V4, octets, include_options)
        uncovered = {16, 17, *range(24, 36)}
        # Kind, length and data offset say where the parts lie: changed, they make another segment.
        # The data offset's octet holds Accurate ECN's bit and three reserved ones besides.
        structure = {20, 21}
        for at in set(range(len(octets))) - uncovered - structure:
            for bit in range(4 if at == 12 else 8):
                changed = bytearray(octets)
                changed[at] ^= 1 << bit
                assert mac_input(0, *V4, bytes(changed), include_options) != plain


class TestOptionsExcluded:
    """When TCP options are not included, all TCP options except for TCP-AO are omitted from MAC processing.
    Again, the TCP-AO MAC field is zeroed for the MAC processing. -- RFC 5925 5.1"""

    def test_header_ao_option_and_payload_remain(self) -> None:
        octets = segment(b"\x02\x04\x05\xb4", b"\x01\x01", b"payload")
        covered = mac_input(0, *V4, octets, include_options=False)
        header = bytearray(octets[:20])
        header[16:18] = bytes(2)
        assert covered[16:] == header + AO[:4] + bytes(12) + b"payload"

    def test_data_offset_and_length_stay_as_sent(self) -> None:
        octets = segment(b"\x01" * 8, payload=b"payload")
        covered = mac_input(0, *V4, octets, include_options=False)
        assert int.from_bytes(covered[14:16], "big") == len(octets)
        assert covered[16 + 12] == octets[12]

    @given(whole_options, whole_options, st.binary(max_size=20))
    def test_what_the_other_options_say_does_not_matter(self, before: bytes, after: bytes, payload: bytes) -> None:
        ao = AO[:4] if len(before + after) > 24 else AO
        ao = bytes((29, len(ao))) + ao[2:]
        if len(before + ao + after) > 40:
            before = after = b""
        signed = segment(before, after, payload, ao)
        other = segment(b"\x01" * len(before), b"\x01" * len(after), payload, ao)
        assert mac_input(1, *V4, signed, False) == mac_input(1, *V4, other, False)
        if signed != other:
            assert mac_input(1, *V4, signed, True) != mac_input(1, *V4, other, True)

    @given(st.binary(max_size=20))
    def test_a_segment_with_nothing_but_ao_cannot_tell(self, payload: bytes) -> None:
        octets = segment(payload=payload)
        assert mac_input(0, *V6, octets, True) == mac_input(0, *V6, octets, False)


class TestParts:
    def test_each_part_is_named(self) -> None:
        octets = segment(b"\x02\x04\x05\xb4", b"\x01\x01\x01\x01", b"payload")
        assert split_mac_input(4, octets, include_options=True) == (
            MacInputPart("SNE", 0, 4),
            MacInputPart("pseudo-header", 4, 16),
            MacInputPart("TCP header", 16, 32, 0),
            MacInputPart("checksum, zeroed", 32, 34, 16, is_zeroed=True),
            MacInputPart("urgent pointer", 34, 36, 18),
            MacInputPart("options before TCP-AO", 36, 40, 20),
            MacInputPart("TCP-AO", 40, 44, 24),
            MacInputPart("MAC, zeroed", 44, 56, 28, is_zeroed=True),
            MacInputPart("options after TCP-AO", 56, 60, 40),
            MacInputPart("payload", 60, 67, 44),
        )

    def test_excluded_options_and_empty_parts_are_left_out(self) -> None:
        octets = segment(b"\x02\x04\x05\xb4", b"\x01\x01\x01\x01")
        everything, without_options = parts_of(octets), parts_of(octets, include_options=False)
        assert set(everything) - set(without_options) == {"options before TCP-AO", "options after TCP-AO"}
        assert "payload" not in everything

    @pytest.mark.parametrize("packet", RFC9235, ids=lambda packet: packet.title)
    def test_the_parts_of_a_vector_make_up_its_mac_input(self, packet: SignedPacket) -> None:
        expected = packet.octets("mac_input_hex")
        parts = split_mac_input(len(packet.source), packet.segment, packet.includes_options)
        assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])]
        assert parts[-1].end == len(expected)
        for part in parts:
            octets = expected[part.start : part.end]
            if part.is_zeroed:
                assert octets == bytes(len(octets))
            elif part.segment_start is not None:
                assert octets == packet.segment[part.segment_start :][: len(octets)]


class TestBrokenSegments:
    @pytest.mark.parametrize("length", range(20))
    def test_less_than_a_header_is_refused(self, length: int) -> None:
        with pytest.raises(ValueError, match="at least 20 octets"):
            mac_input(0, *V4, segment()[:length], include_options=True)

    @pytest.mark.parametrize("length", range(20, 36))
    def test_a_header_that_is_not_all_there_is_refused(self, length: int) -> None:
        with pytest.raises(ValueError, match="36 octets of header"):
            mac_input(0, *V4, segment()[:length], include_options=True)

    @given(st.binary(max_size=90), st.booleans())
    def test_any_octets_are_covered_or_refused(self, octets: bytes, include_options: bool) -> None:
        try:
            covered = mac_input(0, *V4, octets, include_options)
        except ValueError:
            return
        assert 16 + 20 < len(covered) <= 16 + len(octets)


@pytest.mark.parametrize("mac_length", [1, 4, 12, 20])
def test_a_mac_is_the_first_octets_of_the_digest(mac_length: int) -> None:
    """The MAC output is then truncated to 96 bits. -- RFC 5926 3.2; Linux takes other lengths."""
    algorithm = find_algorithm("hmac-sha-1-96")
    whole = segment_mac(make_mkt(algorithm, b"k", mac_length=20), b"traffic key", b"message")
    assert (
        segment_mac(make_mkt(algorithm, b"k", mac_length=mac_length), b"traffic key", b"message") == whole[:mac_length]
    )
    assert len(whole) == 20
