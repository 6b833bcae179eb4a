"""Which address becomes which."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aoinspect.engine.anonymise.addresses import UNSPECIFIED, AddressMap, is_public_knowledge

KEYS = st.binary(min_size=32, max_size=32)


def shared_bits(first: bytes, second: bytes) -> int:
    difference = int.from_bytes(first, "big") ^ int.from_bytes(second, "big")
    return len(first) * 8 - difference.bit_length()


@given(key=KEYS, data=st.data(), width=st.sampled_from([4, 16]))
def test_addresses_share_as_many_leading_bits_as_before(key: bytes, data: st.DataObject, width: int) -> None:
    first = data.draw(st.binary(min_size=width, max_size=width))
    assume(first != UNSPECIFIED)
    keeps = data.draw(st.integers(0, width * 8 - 1))
    flipped = int.from_bytes(first, "big") ^ data.draw(st.integers(0, (1 << (width * 8 - keeps)) - 1))
    second = flipped.to_bytes(width, "big")
    assume(second != UNSPECIFIED)
    mapping = AddressMap(key)
    assert shared_bits(mapping.of(first), mapping.of(second)) == shared_bits(first, second)


@given(key=KEYS, address=st.ip_addresses(), length=st.integers(0, 32))
def test_a_prefix_becomes_the_prefix_of_what_its_addresses_become(key: bytes, address: object, length: int) -> None:
    network = ip_network((address, length), strict=False)  # type: ignore[arg-type]
    assume(address.packed != UNSPECIFIED or length in (0, 32))  # type: ignore[attr-defined]
    mapping = AddressMap(key)
    assert mapping.address(address) in mapping.network(network)  # type: ignore[arg-type]
    assert mapping.network(network).prefixlen == length


@pytest.mark.parametrize(
    "text", ["224.0.0.5", "255.255.255.255", "240.1.2.3", "0.0.0.0", "::", "::1", "ff02::1", "ff02::5", "ff01::1"]
)
def test_what_tells_nothing_of_a_site_is_kept(text: str) -> None:
    assert str(AddressMap().address(ip_address(text))) == text
    assert is_public_knowledge(ip_address(text).packed)


@given(key=KEYS, address=st.ip_addresses())
def test_kinds_of_addresses_stay(key: bytes, address: object) -> None:
    now = AddressMap(key).address(address)  # type: ignore[arg-type]
    for text in ("224.0.0.0/4", "240.0.0.0/4", "2000::/3", "fc00::/7", "fe80::/64", "ff00::/8", "ff02::1:ff00:0/104"):
        network = ip_network(text)
        if network.version == now.version:
            assert (now in network) == (address in network)


def test_the_two_families_have_nothing_in_common() -> None:
    mapping = AddressMap(bytes(32))
    narrow = [mapping.of(bytes([octet, 0, 0, 1])) for octet in range(128)]
    wide = [mapping.of(bytes([octet, 0, 0, 1]) + bytes(12)) for octet in range(0x20, 0x40)]
    assert all(one[:4] not in narrow for one in wide)


def test_every_run_has_another_mapping() -> None:
    addresses = [ip_address(f"198.51.100.{octet}").packed for octet in range(64)]
    assert [*map(AddressMap().of, addresses)] != [*map(AddressMap().of, addresses)]


def test_many_addresses_at_once_become_what_each_does_alone() -> None:
    source = np.frombuffer(bytes(range(256)) * 2, dtype=np.uint8).copy()
    octets = np.zeros_like(source)
    at = np.array([0, 40, 40 + 256, 100], dtype=np.int64)
    key = bytes(range(32))
    AddressMap(key).rewrite(octets, source, at, 4)
    for position in at.tolist():
        assert octets[position : position + 4].tobytes() == AddressMap(key).of(
            source[position : position + 4].tobytes()
        )
    assert np.count_nonzero(octets) <= 12 + 4
