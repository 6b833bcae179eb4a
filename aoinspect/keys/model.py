"""Whose keys apply to whom: key chains, peers, and connections whose ISNs are known from elsewhere.

Every source of keys (our TOML, router configurations) becomes these types; the engine knows no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from aoinspect.ao.mkt import MasterKeyTuple, Origin

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class KeyChain:
    """Named MKTs; `send_id` and `recv_id` are as the peer entry's `local` end sees them."""

    name: str
    mkts: tuple[MasterKeyTuple, ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Peer:
    """One `[[peer]]`: the socket pairs that a key chain covers. IPv4-mapped IPv6 prefixes are IPv4 here."""

    local: Network | None
    """None: any address."""
    remote: Network | None
    mkts: tuple[MasterKeyTuple, ...]
    keychain: str | None
    """Name of the key chain; None where the peer holds keys of its own."""
    origin: Origin
    port: int | None = None
    """A port on either side; None: any."""
    local_port: int | None = None
    remote_port: int | None = None
    vrf: str | None = None
    interface: str | None = None
    """Interface name, or its number in decimal as cooked captures have it."""
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class KnownConnection:
    """One `[[connection]]`: the ISNs, and SNEs of the first segment seen from each end, of a connection."""

    local: tuple[Address, int]
    """Address and port."""
    remote: tuple[Address, int]
    local_isn: int
    remote_isn: int
    local_sne: int | None
    """None: 0, or 1 where the first segment's sequence number lies below the ISN."""
    remote_sne: int | None
    origin: Origin
    is_recovered: bool = False
    """Found by a search over the capture and not told by a file."""


@dataclass(frozen=True, slots=True)
class KeyWarning:
    """Something in a key file that is allowed and probably wrong."""

    origin: Origin
    message: str


@dataclass(frozen=True, slots=True)
class KeyStore:
    """All that was read from the key files of one run."""

    peers: tuple[Peer, ...] = ()
    keychains: tuple[KeyChain, ...] = ()
    connections: tuple[KnownConnection, ...] = ()
    warnings: tuple[KeyWarning, ...] = ()
    paths: tuple[str, ...] = ()
    offered: tuple[KnownConnection, ...] = ()
    """Connections whose handshake another capture holds: a traffic-key log tells their ISNs. They are tried where a
    handshake is missing, and count for nothing until a MAC confirms them."""
    is_configuration: bool = False
    """Read from the configuration of one device, which all its peers have as their `local` end."""
