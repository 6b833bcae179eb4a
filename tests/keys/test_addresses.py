"""Addresses, prefixes and endpoints of key files."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from aoinspect.keys.addresses import parse_endpoint, parse_prefix


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.1", "10.0.0.1/32"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.0/120", "10.0.0.0/24"),
        ("::ffff:a00:1/128", "10.0.0.1/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_prefixes_are_read_and_ipv4_mapped_ones_are_ipv4(text: str, network: str) -> None:
    assert parse_prefix(text) == ip_network(network)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("10.0.0.5/24", "write 10.0.0.0/24 for the prefix, or 10.0.0.5 for that address"),
        ("::ffff:10.0.0.5/120", "write 10.0.0.0/24 for the prefix, or 10.0.0.5 for that address"),
        ("2001:db8::5/64", "write 2001:db8::/64 for the prefix, or 2001:db8::5 for that address"),
    ],
)
def test_host_bits_in_a_prefix_are_an_error_that_suggests_the_network(text: str, suggestion: str) -> None:
    with pytest.raises(ValueError, match=suggestion):
        parse_prefix(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "router1",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/255.0.0.0",
        "::/129",
        "fe80::1%eth0",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        " 10.0.0.1",
        "010.0.0.1",
    ],
)
def test_what_is_no_address_is_an_error_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_prefix(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("10.0.0.1:179", "10.0.0.1", 179),
        ("[fd00::1]:65535", "fd00::1", 65535),
        ("[::ffff:10.0.0.1]:1", "10.0.0.1", 1),
    ],
)
def test_endpoints_are_address_and_port(text: str, address: str, port: int) -> None:
    assert parse_endpoint(text) == (ip_address(address), port)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1",
        "fd00::1",
        "fd00::1:179",
        "10.0.0.1:0",
        "10.0.0.1:65536",
        "[fd00::1]",
        "x:1",
        ":179",
        "[]:1",
    ],
)
def test_what_is_no_endpoint_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"IP address|ADDRESS:PORT|port"):
        parse_endpoint(text)
