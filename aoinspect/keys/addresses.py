"""Addresses, prefixes and endpoints as key files and router configurations write them.

This file alone decides that IPv4-mapped IPv6 (RFC 4291 2.5.5.2) is IPv4: Linux puts IPv4 on the wire for such
sockets, and the MAC covers the pseudo-header of what is on the wire (RFC 5925 5.1).

Errors never repeat the text they are about, since it may be a secret in the wrong place; an address that has
been understood may be shown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aoinspect.keys.model import Address, Network

_V4_MAPPED_LENGTH = 96
_ENDPOINT = re.compile(r"(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<bare>[^\[\]:]*)):(?P<port>[0-9]{1,5})")


def parse_address(text: str) -> Address:
    """The address that `text` writes; IPv4-mapped IPv6 comes back as IPv4. Raises ValueError."""
    if "%" in text:
        raise ValueError("has a zone (%): leave it out, and name the interface with `interface`")
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError("is not an IP address") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=4096)
def parse_prefix(text: str) -> Network:
    """The network that an address or a prefix (`10.0.0.0/24`) writes; an address is a network of one.

    An IPv4-mapped IPv6 prefix of at least 96 bits comes back as IPv4, 96 bits shorter. Raises ValueError,
    which for host bits that are set suggests the network.
    """
    address_text, slash, length_text = text.partition("/")
    try:
        address = parse_address(address_text)
    except ValueError as error:
        suffix = " or prefix" if str(error).endswith("IP address") else ""
        raise ValueError(f"{error}{suffix}") from None
    if not slash:
        return _network(address, address.max_prefixlen)
    length_limit = 128 if ":" in address_text else 32
    if not re.fullmatch(r"[0-9]{1,3}", length_text) or int(length_text) > length_limit:
        raise ValueError(f"has no prefix length from 0 to {length_limit} after the slash")
    length = int(length_text)
    if ":" in address_text and isinstance(address, IPv4Address):
        if length < _V4_MAPPED_LENGTH:
            # A prefix this short holds more than the IPv4-mapped addresses, so it stays IPv6.
            address = IPv6Address(address_text)
        else:
            length -= _V4_MAPPED_LENGTH
    network = _network(address, length)
    if network.network_address != address:
        raise ValueError(f"has host bits set: write {network} for the prefix, or {address} for that address alone")
    return network


def _network(address: Address, length: int) -> Network:
    if isinstance(address, IPv4Address):
        return IPv4Network((address, length), strict=False)
    return IPv6Network((address, length), strict=False)


def parse_endpoint(text: str) -> tuple[Address, int]:
    """Address and port of `10.0.0.1:179` or `[fd00::1]:179`. Raises ValueError."""
    parts = _ENDPOINT.fullmatch(text)
    if parts is None:
        raise ValueError('is not ADDRESS:PORT; write it like "10.0.0.1:179" or "[fd00::1]:179"')
    address = parse_address(parts["bare"] if parts["bracketed"] is None else parts["bracketed"])
    port = int(parts["port"])
    if not 1 <= port <= 0xFFFF:
        raise ValueError("has no port from 1 to 65535")
    return address, port
