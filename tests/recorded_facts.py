"""What is true of a recorded capture: the JSON file beside it, as types.

The hosts that made the capture wrote down their keys, ISNs and socket states, and an independent program that knew
all of them judged every frame. Nothing here is computed by the product.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class KeyChange:
    """A change of KeyID or RNextKeyID that a walk over the frames of one socket pair meets."""

    frame: int
    direction: str
    """Sender>receiver."""
    field: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class OneHostsKeys:
    """What the independent program found with the keys of one host alone; counts of AO segments."""

    mkts: frozenset[str]
    signed: int
    valid: int


@dataclass(frozen=True, slots=True)
class KnownConnection:
    """A connection that a host's sockets told of."""

    client: str
    server: str
    client_isn: int
    server_isn: int
    hosts: frozenset[str]
    vrf: str | None

    @property
    def isns(self) -> dict[str, int]:
        return {self.client: self.client_isn, self.server: self.server_isn}


@dataclass(frozen=True, slots=True)
class SocketState:
    """What the kernel said of one socket at one moment (TCP_AO_REPAIR)."""

    time_ns: int
    local: str
    remote: str
    local_isn: int
    remote_isn: int
    send_sne: int
    receive_sne: int


@dataclass(frozen=True, slots=True)
class InstalledKey:
    """An MKT on a host, with the ids as that host sees them."""

    mkt: str
    host: str
    peer: IPv4Network | IPv6Network
    send_id: int
    recv_id: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything of a facts file that the tests compare with."""

    name: str
    counts: Counter[str]
    not_valid: dict[int, str]
    """Frame -> "unsigned", or what the independent program found of a signed segment that is not right."""
    key_changes: tuple[KeyChange, ...]
    key_use: Counter[str]
    """"src->dst keyid=K rnext=R maclen=L" -> segments."""
    one_host: dict[str, OneHostsKeys]
    dropped_by_kernels: int
    """TCPAOBad and TCPAOKeyNotFound of all hosts."""
    connections: tuple[KnownConnection, ...]
    states: tuple[SocketState, ...]
    installed: tuple[InstalledKey, ...]
    addresses: dict[str, frozenset[str]]
    """Host -> its addresses."""

    @property
    def not_right(self) -> dict[int, str]:
        """`not_valid` without the unsigned ones."""
        return {frame: found for frame, found in self.not_valid.items() if found != "unsigned"}

    def hosts_of(self, address: str) -> set[str]:
        return {host for host, own in self.addresses.items() if address in own}


def plain_address(address: str) -> str:
    """An address in its shortest form, an IPv4-mapped one as IPv4."""
    value = ip_address(address)
    mapped = value.ipv4_mapped if isinstance(value, IPv6Address) else None
    return str(value if mapped is None else mapped)


def socket_text(address: str, port: int) -> str:
    """ "10.0.0.1:179" or "[fd00::1]:179"."""
    plain = plain_address(address)
    return f"[{plain}]:{port}" if ":" in plain else f"{plain}:{port}"


def bracketed(socket: str) -> str:
    """A socket as the facts write it ("fd00::1:179") in the form of `socket_text`."""
    address, _, port = socket.rpartition(":")
    return socket_text(address, int(port))


@cache
def read_facts(path: Path) -> Facts:
    """The facts in `path`."""
    told = json.loads(path.read_text())
    check = told["check"]
    counters = check["kernel_counters_sum"]
    return Facts(
        name=told["name"],
        counts=Counter(check["counts"]),
        not_valid={frame: found for frame, _, found in check["not_valid_list"]},
        key_changes=tuple(
            sorted(
                KeyChange(frame, ">".join(map(bracketed, direction.split(">"))), field, old, new)
                for frame, direction, field, old, new in check["key_changes"]
            )
        ),
        key_use=Counter({_with_brackets(use): count for use, count in check["keyid_use"].items()}),
        one_host={
            host: OneHostsKeys(frozenset(found["mkts"]), found["ao"], found["valid"])
            for host, found in check.get("with_keys_of_one_host", {}).items()
        },
        dropped_by_kernels=counters["TCPAOBad"] + counters["TCPAOKeyNotFound"],
        connections=tuple(
            KnownConnection(
                client=socket_text(*connection["client"]["addr"]),
                server=socket_text(*connection["server"]["addr"]),
                client_isn=connection["client_isn"],
                server_isn=connection["server_isn"],
                hosts=frozenset((connection["client"]["host"], connection["server"]["host"])),
                vrf=connection.get("vrf"),
            )
            for connection in told["connections"]
        ),
        states=tuple(
            SocketState(
                time_ns=round(state["t"] * 1e9),
                local=socket_text(*state["local"]),
                remote=socket_text(*state["remote"]),
                local_isn=state["repair"]["snt_isn"],
                remote_isn=state["repair"]["rcv_isn"],
                send_sne=state["repair"]["snd_sne"],
                receive_sne=state["repair"]["rcv_sne"],
            )
            for state in told["socket_states"]
            if state.get("repair") and state["remote"]
        ),
        installed=tuple(
            InstalledKey(mkt["id"], place["host"], _network(place["peer"]), place["send_id"], place["recv_id"])
            for mkt in told["mkts"]
            for place in mkt["installs"]
        ),
        addresses={
            host: frozenset(plain_address(address.split("/")[0]) for address in described["addrs"])
            for host, described in told["hosts"].items()
        },
    )


def _with_brackets(use: str) -> str:
    direction, _, ids = use.partition(" ")
    return f"{'->'.join(map(bracketed, direction.split('->')))} {ids}"


def _network(prefix: str) -> IPv4Network | IPv6Network:
    network = ip_network(prefix)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        return IPv4Network(f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}")
    return network
