"""What a TCP-MD5 signature covers (RFC 2385 2.0)."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoinspect.ao.md5 import md5_digest, md5_input
from tests.ao.vectors import read_vectors

V4 = (bytes((192, 168, 56, 20)), bytes((192, 168, 56, 40)))
V6 = (bytes(15) + b"\x01", bytes(15) + b"\x02")


def segment(options: bytes, payload: bytes = b"") -> bytes:
    fixed = bytearray(range(1, 21))
    fixed[12] = (20 + len(options)) // 4 << 4
    return bytes(fixed) + options + payload


class TestWhatIsCovered:
    """1. the TCP pseudo-header (in the order: source IP address, destination IP address, zero-padded protocol
    number, and segment length) 2. the TCP header, excluding options, and assuming a checksum of zero 3. the
    TCP segment data (if any) 4. an independently-specified key or password -- RFC 2385 2.0"""

    def test_ipv4(self) -> None:
        octets = segment(bytes.fromhex("1312") + bytes(16) + b"\x01\x01", b"data")
        header = octets[:16] + bytes(2) + octets[18:20]
        assert md5_input(*V4, octets) == V4[0] + V4[1] + b"\x00\x06\x00\x2c" + header + b"data"

    def test_ipv6_takes_the_pseudo_header_of_rfc_8200(self) -> None:
        octets = segment(b"", b"data")
        header = octets[:16] + bytes(2) + octets[18:20]
        assert md5_input(*V6, octets) == V6[0] + V6[1] + bytes.fromhex("0000001800000006") + header + b"data"

    def test_a_published_message_is_rebuilt_from_its_segment(self) -> None:
        """The second vector's pseudo-header says 52 octets: 32 of options are counted, and not covered."""
        message = bytes.fromhex(str(read_vectors("tcp-md5.json")[1]["message_hex"]))
        sent = message[12:28] + b"\xbe\xef" + message[30:] + bytes(32)
        assert len(sent) == 52
        assert md5_input(message[0:4], message[4:8], sent) == message

    @given(st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20), st.binary(max_size=9))
    def test_options_are_never_covered(self, options: bytes, others: bytes, payload: bytes) -> None:
        assert md5_input(*V4, segment(options, payload)) == md5_input(*V4, segment(others, payload))

    @given(st.binary(max_size=80), st.binary(max_size=200))
    def test_the_password_comes_last(self, password: bytes, message: bytes) -> None:
        assert md5_digest(password, message) == hashlib.md5(message + password).digest()


@pytest.mark.parametrize("length", [0, 19, 20, 39])
def test_a_segment_shorter_than_its_header_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="octets"):
        md5_input(*V4, segment(bytes(20))[:length])
