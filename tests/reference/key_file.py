"""What a key file says, read with tomllib alone (docs/key-file.md), and which of its keys a segment may be under.

Files that the product refuses are not meant to come here: nothing is validated.
"""

from __future__ import annotations

import base64
import dataclasses
import tomllib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from tests import reference_signer
from tests.reference_signer import TCP_MD5, Key

ALIASES = {
    "hmac(sha1)": "hmac-sha-1-96",
    "hmac-sha1-96": "hmac-sha-1-96",
    "cmac(aes128)": "aes-128-cmac-96",
    "aes-cmac-96": "aes-128-cmac-96",
    "hmac(sha256)": "hmac-sha-256-96",
    "md5": TCP_MD5,
}
Network = IPv4Network | IPv6Network
Socket = tuple[bytes, int]
"""An address of 4 or 16 octets, and a port."""


@dataclass(frozen=True)
class Mkt:
    """One master key tuple as the `local` end of its peer sees it."""

    name: str
    send_id: int | None
    recv_id: int | None
    algorithm: str
    secret: bytes | None
    mac_length: int
    tcp_options: str

    @property
    def identity(self) -> object:
        """Equal for what is one key, told by whichever end."""
        ids = () if self.send_id is None or self.recv_id is None else tuple(sorted((self.send_id, self.recv_id)))
        gap = self.name if self.secret is None else None
        return self.algorithm, self.secret, self.mac_length, self.tcp_options, ids, gap

    @property
    def coverages(self) -> tuple[bool, ...]:
        """Whether the other TCP options are covered, in the order in which it is tried."""
        return (True, False) if self.tcp_options == "auto" else (self.tcp_options == "include",)

    def signer(self, *, include_options: bool) -> Key:
        """The same as the signer of the tests knows it."""
        assert self.secret is not None
        return Key(
            name=self.name,
            algorithm=self.algorithm,
            secret=self.secret,
            mac_length=self.mac_length,
            include_options=include_options,
        )


@dataclass(frozen=True)
class Peer:
    """One `[[peer]]`."""

    local: Network | None
    remote: Network | None
    port: int | None
    local_port: int | None
    remote_port: int | None
    interface: str | None
    vlan: int | None
    mkts: tuple[Mkt, ...]

    def covers(self, local: Socket, remote: Socket) -> bool:
        return (
            _is_in(local[0], self.local)
            and _is_in(remote[0], self.remote)
            and self.port in (None, local[1], remote[1])
            and self.local_port in (None, local[1])
            and self.remote_port in (None, remote[1])
        )

    @property
    def prefix_length(self) -> int:
        return sum(network.prefixlen for network in (self.local, self.remote) if network is not None)

    def may_be(self, vlan: int | None, interfaces: tuple[str | None, int | None]) -> bool:
        """Whether VLAN and interface (name, and number of a cooked header) leave this entry possible."""
        if self.vlan is not None and vlan is not None and vlan != self.vlan:
            return False
        if self.interface is None:
            return True
        name, cooked = interfaces
        told = [] if name is None else [name]
        if cooked is not None and self.interface.isdecimal():
            told.append(str(cooked))
        return not told or self.interface in told


@dataclass(frozen=True)
class Known:
    """One `[[connection]]`."""

    local: Socket
    remote: Socket
    local_isn: int
    remote_isn: int
    local_sne: int | None
    remote_sne: int | None


@dataclass(frozen=True)
class KeyFile:
    """Everything that matters of a key file."""

    peers: tuple[Peer, ...] = ()
    known: tuple[Known, ...] = ()

    def matches(self, ends: tuple[Socket, Socket]) -> list[tuple[Peer, int]]:
        """The peers that cover a socket pair, longest prefix first, each with its `local` end's index."""
        found = [(peer, side) for peer in self.peers for side in (0, 1) if peer.covers(ends[side], ends[1 - side])]
        return sorted(found, key=lambda match: -match[0].prefix_length)


def read_key_file(text: str) -> KeyFile:
    """The keys of a TOML text."""
    document = tomllib.loads(text)
    chains = {chain["name"]: chain["key"] for chain in document.get("keychain", [])}
    names: dict[object, str] = {}
    peers = []
    for told in document.get("peer", []):
        mkts = []
        for key in told["key"] if "key" in told else chains[told["keychain"]]:
            mkt = _mkt(key)
            # What is told twice goes by the name that stands first.
            mkts.append(dataclasses.replace(mkt, name=names.setdefault(mkt.identity, mkt.name)))
        interface = told.get("interface")
        peers.append(
            Peer(
                _network(told.get("local")),
                _network(told.get("remote")),
                told.get("port"),
                told.get("local-port"),
                told.get("remote-port"),
                None if interface is None else str(interface),
                told.get("vlan"),
                tuple(mkts),
            )
        )
    known = tuple(
        Known(
            _socket(told["local"]),
            _socket(told["remote"]),
            told["local-isn"],
            told["remote-isn"],
            told.get("local-sne"),
            told.get("remote-sne"),
        )
        for told in document.get("connection", [])
    )
    return KeyFile(tuple(peers), tuple(dict.fromkeys(known)))


def _mkt(told: dict[str, Any]) -> Mkt:
    name = told["algorithm"].lower()
    algorithm = ALIASES.get(name, name)
    send_id, recv_id = told.get("send-id"), told.get("recv-id")
    is_md5 = algorithm == TCP_MD5
    usual = 16 if is_md5 else reference_signer.MAC_LENGTHS.get(algorithm, 12)
    return Mkt(
        told.get("name", "tcp-md5" if is_md5 else f"{send_id}/{recv_id}"),
        send_id,
        recv_id,
        algorithm,
        _secret(told),
        told.get("mac-length", usual),
        "exclude" if is_md5 else told.get("tcp-options", "include"),
    )


def _secret(told: dict[str, Any]) -> bytes | None:
    if "gap" in told:
        return None
    if "secret-hex" in told:
        return bytes.fromhex(told["secret-hex"].replace(":", " "))
    if "secret-base64" in told:
        return base64.b64decode(told["secret-base64"])
    return str(told["secret"]).encode()


def _network(text: str | None) -> Network | None:
    if text is None:
        return None
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def _socket(text: str) -> Socket:
    address, _, port = text.rpartition(":")
    value = ip_address(address.strip("[]"))
    mapped = value.ipv4_mapped if isinstance(value, IPv6Address) else None
    return (mapped or value).packed, int(port)


def _is_in(address: bytes, network: Network | None) -> bool:
    if network is None:
        return True
    value = IPv4Address(address) if len(address) == 4 else IPv6Address(address)
    return value.version == network.version and value in network


def signed(
    mkt: Mkt,
    source: Socket,
    destination: Socket,
    isns: tuple[int, int],
    sne: int,
    segment: bytes,
    *,
    include_options: bool,
) -> bytes:
    """The whole MAC of a segment under a key, with the ISNs of its sender and its receiver (RFC 5925 5.1, 5.2)."""
    key = mkt.signer(include_options=include_options)
    addresses = str(ip_address(source[0])), str(ip_address(destination[0]))
    if mkt.algorithm == TCP_MD5:
        return reference_signer.md5_digest(key.secret, *addresses, segment)
    context = reference_signer.kdf_context(*addresses, source[1], destination[1], *isns)
    message = reference_signer.mac_input(sne, *addresses, segment, include_options)
    if mkt.algorithm == "cmac(aes)":
        # Linux's: the master key is an AES key as it is, of any of AES's lengths.
        traffic_key = reference_signer.cmac_aes128(key.secret, b"\x01TCP-AO" + context + (128).to_bytes(2, "big"))
        return reference_signer.cmac_aes128(traffic_key, message)
    return reference_signer.mac(key, reference_signer.traffic_key(key, context), message)
