"""What a traffic key is derived from (RFC 5925 5.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.algorithms import TCP_MD5, find_algorithm
from aoinspect.ao.traffic_keys import derive_traffic_key, kdf_context
from tests.ao.vectors import RFC9235, SignedPacket, make_mkt

V4 = (bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)))
V6 = (bytes(15) + b"\x01", bytes(15) + b"\x02")
SHA1 = find_algorithm("hmac-sha-1-96")


class TestContext:
    """The context used as input to the KDF combines the TCP socket pair with the endpoint Initial Sequence
    Numbers (ISNs) of a connection. -- RFC 5925 5.2, figures 7 and 8"""

    def test_ipv4(self) -> None:
        context = kdf_context(*V4, 0x1234, 179, 0x01020304, 0xFFFFFFFF)
        assert context.hex() == "0a0000010a000002123400b301020304ffffffff"

    def test_ipv6(self) -> None:
        assert kdf_context(*V6, 1, 2, 3, 4) == V6[0] + V6[1] + bytes.fromhex("000100020000000300000004")

    @given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
    def test_the_two_directions_mirror_each_other(self, port: int, other_port: int, isn: int, other_isn: int) -> None:
        """Traffic keys are directional. -- RFC 5925 5.2"""
        forth = kdf_context(*V4, port, other_port, isn, other_isn)
        back = kdf_context(V4[1], V4[0], other_port, port, other_isn, isn)
        assert forth != back
        assert (back[4:8], back[0:4], back[10:12], back[8:10], back[16:20], back[12:16]) == (
            *(forth[0:4], forth[4:8], forth[8:10], forth[10:12], forth[12:16], forth[16:20]),
        )

    @pytest.mark.parametrize("numbers", [(-1, 0, 0, 0), (0, 0x10000, 0, 0), (0, 0, 1 << 32, 0), (0, 0, 0, -1)], ids=str)
    def test_numbers_that_do_not_fit_are_refused(self, numbers: tuple[int, int, int, int]) -> None:
        with pytest.raises(ValueError, match="16 bits"):
            kdf_context(*V4, *numbers)

    @pytest.mark.parametrize("addresses", [(V4[0], V6[1]), (bytes(8), bytes(8))])
    def test_mixed_or_odd_addresses_are_refused(self, addresses: tuple[bytes, bytes]) -> None:
        with pytest.raises(ValueError, match="4 or 16 octets"):
            kdf_context(*addresses, 1, 2, 3, 4)


@pytest.mark.parametrize(
    "syn",
    [packet for packet in RFC9235 if packet.expected["title"] == "SYN"],
    ids=lambda packet: packet.title,
)
def test_a_syn_is_signed_with_a_destination_isn_of_zero(syn: SignedPacket) -> None:
    """TCP-AO SYN segments (SYN set, no ACK set) MUST use a destination ISN of zero (whether sent or
    received); all other segments use the known ISN pair. -- RFC 5925 5.2"""
    assert syn.segment[13] & 0x12 == 0x02
    with_zero = kdf_context(syn.source, syn.destination, *syn.ports, syn.source_isn, 0)
    assert derive_traffic_key(syn.mkt, with_zero) == syn.octets("traffic_key_hex")


class TestDerivation:
    @pytest.mark.parametrize("length", [0, 19, 21, 43, 45])
    def test_a_context_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(ValueError, match=f"20 or 44 octets, not {length}"):
            derive_traffic_key(make_mkt(SHA1, b"secret"), bytes(length))

    def test_a_key_without_secret_says_where_and_why(self) -> None:
        gap = replace(make_mkt(SHA1, None), gap="Cisco type 6 cannot be read")
        with pytest.raises(ValueError, match=r"keys\.toml:3.*no secret: Cisco type 6 cannot be read"):
            derive_traffic_key(gap, bytes(20))

    def test_a_tcp_md5_key_signs_with_the_password(self) -> None:
        assert derive_traffic_key(make_mkt(TCP_MD5, b"password"), bytes(20)) == b"password"
