"""What a system's configuration will say: sessions and key chains, and whether the system can say it at all.

This file decides that nothing is lost on the way. A system's `Abilities` tell what its configuration can express;
whatever it cannot is an error that names it, with the place that it was read from, and all such errors come at once.
Only labels change: a name that the system does not take is made one that it takes.

A peer without a port is written as a BGP session: a router's configuration speaks of these, and not of ports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, Origin, TcpOptions
from aoinspect.errors import KeyFileError
from aoinspect.keys.importers.model import BGP_PORT
from aoinspect.keys.model import KeyChain, KeyStore, Network, Peer
from aoinspect.keys.same_keys import usual_algorithm

SECOND_NS = 1_000_000_000
LONGEST_LINUX_SECRET = 80
"""Octets, of TCP-AO (TCP_AO_MAXKEYLEN) and of TCP-MD5 (TCP_MD5SIG_MAXKEYLEN)."""
_LONGEST_NAME = 48


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a system's configuration can express."""

    title: str
    algorithms: Mapping[str, str]
    """Name of an algorithm -> how the system writes it, with that algorithm's usual MAC length."""
    flags: frozenset[TcpOptions]
    has_lifetimes: bool = False
    has_ranges: bool = True
    """Whether a session may be with a prefix."""
    has_ports: bool = False
    names_local: bool = True
    """Whether a session names this end's address."""
    has_sessions: bool = True
    is_flag_of_session: bool = False
    """Whether all keys of a session have one flag."""
    has_unique_ids: bool = False
    """Whether no two keys of a key chain may have one SendID, or one ReceiveID."""
    longest_secret: int | None = None
    """Octets; None where it is not known."""
    name_pattern: str = r"[A-Za-z0-9_.-]"
    """One character of a name."""


@dataclass(frozen=True, slots=True)
class Session:
    """What one neighbour's configuration says."""

    local: Network | None
    remote: Network | None
    port: int | None
    local_port: int | None
    remote_port: int | None
    vrf: str | None
    mkts: tuple[MasterKeyTuple, ...]
    chain: str
    """Name of the key chain that holds these MKTs."""
    origin: Origin

    @property
    def is_range(self) -> bool:
        return self.remote is not None and self.remote.prefixlen < self.remote.max_prefixlen

    @property
    def is_link_local(self) -> bool:
        """Whether the neighbour is one link-local address, which many systems take only with its interface."""
        return self.remote is not None and self.remote.version == 6 and not self.is_range and self.remote.is_link_local

    @property
    def is_md5(self) -> bool:
        return self.mkts[0].algorithm.is_md5

    @property
    def remote_text(self) -> str:
        return address_text(self.remote)

    @property
    def flag(self) -> TcpOptions:
        return self.mkts[0].tcp_options


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be written."""

    sessions: tuple[Session, ...]
    chains: tuple[KeyChain, ...]
    """Of TCP-AO, each once, by unique names."""


@dataclass(slots=True)
class _Problems:
    title: str
    lines: list[str] = field(default_factory=list)

    def add(self, origin: Origin, message: str) -> None:
        line = f"{origin}: {self.title} cannot express {message}"
        if line not in self.lines:
            self.lines.append(line)


def address_text(network: Network | None) -> str:
    """An address alone, and a prefix with its length."""
    if network is None:
        return "any"
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def plan(store: KeyStore, abilities: Abilities) -> Plan:
    """The sessions and key chains of `store`; KeyFileError with all that the system cannot express."""
    problems = _Problems(abilities.title)
    merged = _merged(store.peers)
    if abilities.has_ports:
        merged = _with_both_ways(merged, problems)
    for peer in merged:
        _check_peer(peer, abilities, problems)
        for mkt in peer.mkts:
            _check_key(mkt, abilities, problems)
    names = _Names(abilities.name_pattern)
    sessions, chains = [], {}
    for peer in merged:
        identity = tuple(map(_without_label, peer.mkts))
        if identity not in chains:
            wish = peer.keychain or f"peer-{address_text(peer.remote)}"
            chains[identity] = KeyChain(names.name(wish), peer.mkts, peer.origin)
        chain = chains[identity]
        sessions.append(
            Session(
                *(peer.local, peer.remote, peer.port, peer.local_port, peer.remote_port, peer.vrf),
                mkts=chain.mkts,
                chain=chain.name,
                origin=peer.origin,
            )
        )
    for unused in store.keychains:
        identity = tuple(map(_without_label, unused.mkts))
        is_part = any(set(identity) <= set(known) for known in chains)
        if unused.mkts and not is_part:
            for mkt in unused.mkts:
                _check_key(mkt, abilities, problems)
            chains[identity] = KeyChain(names.name(unused.name), unused.mkts, unused.origin)
    if problems.lines:
        raise KeyFileError("\n".join(problems.lines))
    with_ids = [chain for chain in chains.values() if not chain.mkts[0].algorithm.is_md5 or not abilities.has_sessions]
    return Plan(tuple(sessions) if abilities.has_sessions else (), tuple(with_ids))


def refuse(title: str, found: Sequence[tuple[Origin, str]]) -> None:
    """KeyFileError with what only the system's own writer can find; nothing where nothing was found."""
    problems = _Problems(title)
    for origin, message in found:
        problems.add(origin, message)
    if problems.lines:
        raise KeyFileError("\n".join(problems.lines))


class _Names:
    """Names that the system takes, each once. They begin with a letter, which every system takes."""

    def __init__(self, pattern: str) -> None:
        self.refused = re.compile(rf"(?!{pattern})[\s\S]")
        self.given: set[str] = set()

    def name(self, wish: str) -> str:
        base = self.refused.sub("_", wish)[:_LONGEST_NAME]
        if not base[:1].isalpha():
            base = f"K{base}"
        name, number = base, 1
        while name in self.given:
            number += 1
            name = f"{base}_{number}"
        self.given.add(name)
        return name


def _without_label(mkt: MasterKeyTuple) -> MasterKeyTuple:
    return replace(mkt, name="", origin=Origin("", 0), algorithm=usual_algorithm(mkt))


def _merged(peers: Sequence[Peer]) -> list[Peer]:
    """The peers, those of equal socket pairs made one with the keys of all."""
    merged: dict[Peer, Peer] = {}
    for peer in peers:
        scope = replace(peer, mkts=(), keychain=None, origin=Origin("", 0), interface=None, vlan=None)
        known = merged.get(scope)
        if known is None:
            merged[scope] = peer
            continue
        seen = {_without_label(mkt) for mkt in known.mkts}
        added = tuple(mkt for mkt in peer.mkts if _without_label(mkt) not in seen)
        merged[scope] = replace(known, mkts=(*known.mkts, *added))
    return [peer for peer in merged.values() if peer.mkts]


def _with_both_ways(peers: Sequence[Peer], problems: _Problems) -> list[Peer]:
    """Peers that are the two ways of opening one session as one peer with both ports; see `importers.ports`."""
    found: list[Peer] = []
    waiting: dict[tuple[object, ...], Peer] = {}
    for peer in peers:
        if (peer.local_port is None) == (peer.remote_port is None):
            found.append(peer)
            continue
        scope = (peer.local, peer.remote, peer.port, peer.vrf, frozenset(map(_without_label, peer.mkts)))
        other = waiting.get(scope)
        if other is None or (other.local_port is None) == (peer.local_port is None):
            waiting[scope] = peer
        else:
            del waiting[scope]
            ports = (other.local_port or peer.local_port, other.remote_port or peer.remote_port)
            found.append(replace(other, local_port=ports[0], remote_port=ports[1]))
    for peer in waiting.values():
        problems.add(peer.origin, "a session that only one end may open: say `port`, or the port of either end")
    return found


def _check_peer(peer: Peer, abilities: Abilities, problems: _Problems) -> None:
    if not abilities.has_sessions:
        return
    if peer.remote is None:
        problems.add(peer.origin, "a peer without a remote address")
    elif peer.remote.prefixlen < peer.remote.max_prefixlen and not abilities.has_ranges:
        problems.add(peer.origin, f"a peer with the prefix {peer.remote}: name its addresses")
    if abilities.names_local and peer.local is not None and peer.local.prefixlen < peer.local.max_prefixlen:
        problems.add(peer.origin, f"the prefix {peer.local} as the local address: name one address")
    ports = (peer.port, peer.local_port, peer.remote_port)
    if not abilities.has_ports and any(port not in (None, BGP_PORT) for port in ports):
        problems.add(peer.origin, "sessions of another port than BGP's 179")
    kinds = {mkt.algorithm.is_md5 for mkt in peer.mkts}
    if len(kinds) > 1:
        problems.add(peer.origin, "TCP-AO and TCP-MD5 for one peer")
    elif kinds == {True} and len(peer.mkts) > 1:
        problems.add(peer.origin, "several TCP-MD5 passwords for one peer")
    if abilities.has_unique_ids:
        for told, ids in (
            ("SendID", [mkt.send_id for mkt in peer.mkts]),
            ("ReceiveID", [mkt.recv_id for mkt in peer.mkts]),
        ):
            if len(set(ids)) < len(ids):
                problems.add(peer.origin, f"several keys of one peer with the same {told}")
    if abilities.is_flag_of_session and len({mkt.tcp_options for mkt in peer.mkts}) > 1:
        problems.add(peer.origin, "keys of one peer that differ in tcp-options")


def _check_key(mkt: MasterKeyTuple, abilities: Abilities, problems: _Problems) -> None:
    called = f'in the key "{mkt.name}"'
    if mkt.secret is None:
        problems.add(mkt.origin, f"a missing secret, {called}: fill it in")
    elif abilities.longest_secret is not None and len(mkt.secret) > abilities.longest_secret:
        problems.add(mkt.origin, f"a secret of more than {abilities.longest_secret} octets, {called}")
    if mkt.algorithm.is_md5:
        if mkt.send_lifetime is not None or mkt.accept_lifetime is not None:
            problems.add(mkt.origin, f"the lifetime of a TCP-MD5 password, {called}")
        return
    usual = usual_algorithm(mkt)
    if usual.name not in abilities.algorithms:
        problems.add(mkt.origin, f"the algorithm {usual.name}, {called}")
    elif mkt.mac_length != usual.mac_length:
        problems.add(mkt.origin, f"a MAC of {mkt.mac_length} octets for {usual.name}, {called}")
    if mkt.tcp_options not in abilities.flags:
        problems.add(mkt.origin, f'tcp-options = "{mkt.tcp_options.value}", {called}')
    if not abilities.has_lifetimes and (mkt.send_lifetime is not None or mkt.accept_lifetime is not None):
        problems.add(mkt.origin, f"lifetimes, {called}")


def written_algorithm(mkt: MasterKeyTuple, abilities: Abilities) -> str:
    """How the system writes the algorithm of a key that has passed the check."""
    return abilities.algorithms[usual_algorithm(mkt).name]


def plain_text(secret: bytes) -> str | None:
    """The secret as text of visible ASCII characters without blanks, or None where it is no such text."""
    text = secret.decode("latin-1")
    return text if re.fullmatch(r"[!-~]+", text) else None


def secret_of(mkt: MasterKeyTuple) -> bytes:
    """The secret of a key that has passed the check."""
    assert mkt.secret is not None
    return mkt.secret


def is_in_seconds(lifetime: Lifetime | None) -> bool:
    """Whether both ends of the lifetime are whole seconds of the years 1970 to 9999."""
    ends = () if lifetime is None else (lifetime.from_ns, lifetime.until_ns)
    return all(end is None or (end % SECOND_NS == 0 and 0 <= end < _YEAR_10000_NS) for end in ends)


_YEAR_10000_NS = 253_402_300_800 * SECOND_NS
