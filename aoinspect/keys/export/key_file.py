"""Our own key file (TOML), which can say all that a store holds.

A secret is written as text where it is such, and in hexadecimal otherwise; a gap is written with its reason, in the
place where the secret is to be filled in. Lifetimes are TOML dates and times, or RFC 3339 strings where they need
more digits than TOML's. Names of key chains are unique in a file, so one that is there already gets a number.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple, TcpOptions
from aoinspect.errors import KeyFileError
from aoinspect.keys.isn_sources import connection_entry
from aoinspect.keys.model import KeyStore, Peer

_SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHERE = re.compile(r"(?:: fill in the secret)? \((?:line |[^()]*:)[0-9]+\)\Z")
"""What a gap's message tells of the file that it was read from."""


def write_key_file(store: KeyStore) -> str:
    """The text of a key file that says what `store` does. KeyFileError for a time that no calendar has."""
    chains = _Chains()
    peers = [_peer_lines(peer, chains) for peer in store.peers]
    for chain in store.keychains:
        if chain.mkts and not chains.has_all(chain.mkts):
            chains.name(chain.name, chain.mkts)
    blocks = [["version = 1"]]
    for name, mkts in chains.written.items():
        lines = ["[[keychain]]", f"name = {_text(name)}"]
        for mkt in mkts:
            lines += ["", "  [[keychain.key]]", *("  " + line for line in _key_lines(mkt))]
        blocks.append(lines)
    blocks += peers
    blocks += [connection_entry(known).rstrip("\n").splitlines() for known in store.connections]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


class _Chains:
    """The key chains of the file, by their names in it."""

    def __init__(self) -> None:
        self.written: dict[str, tuple[MasterKeyTuple, ...]] = {}

    def name(self, wish: str, mkts: tuple[MasterKeyTuple, ...]) -> str:
        """The name in the file of the key chain with these keys; it is added where it is not there."""
        wish = wish if wish.strip() and wish.isprintable() else "keychain"
        name, number = wish, 1
        while name in self.written and self.written[name] != mkts:
            number += 1
            name = f"{wish}-{number}"
        self.written[name] = mkts
        return name

    def has_all(self, mkts: tuple[MasterKeyTuple, ...]) -> bool:
        return any(set(mkts) <= set(known) for known in self.written.values())


def _peer_lines(peer: Peer, chains: _Chains) -> list[str]:
    lines = ["[[peer]]"]
    for name, network in (("local", peer.local), ("remote", peer.remote)):
        if network is not None:
            is_address = network.prefixlen == network.max_prefixlen
            lines.append(f'{name} = "{network.network_address if is_address else network}"')
    for name, number in (
        ("port", peer.port),
        ("local-port", peer.local_port),
        ("remote-port", peer.remote_port),
        ("vlan", peer.vlan),
    ):
        if number is not None:
            lines.append(f"{name} = {number}")
    for name, label in (("vrf", peer.vrf), ("interface", peer.interface)):
        if label is not None:
            lines.append(f"{name} = {_text(label)}")
    if peer.keychain is not None:
        lines.append(f"keychain = {_text(chains.name(peer.keychain, peer.mkts))}")
        return lines
    for mkt in peer.mkts:
        lines += ["", "  [[peer.key]]", *("  " + line for line in _key_lines(mkt))]
    return lines


def _key_lines(mkt: MasterKeyTuple) -> list[str]:
    is_md5 = mkt.algorithm.is_md5
    lines = []
    if mkt.name != ("tcp-md5" if is_md5 else f"{mkt.send_id}/{mkt.recv_id}"):
        lines.append(f"name = {_text(mkt.name)}")
    if not is_md5:
        lines += [f"send-id = {mkt.send_id}", f"recv-id = {mkt.recv_id}"]
    lines.append(f'algorithm = "{mkt.algorithm.name}"')
    lines.append(_secret_line(mkt))
    if mkt.mac_length != mkt.algorithm.mac_length:
        lines.append(f"mac-length = {mkt.mac_length}")
    if not is_md5 and mkt.tcp_options is not TcpOptions.INCLUDE:
        lines.append(f'tcp-options = "{mkt.tcp_options.value}"')
    for name, lifetime in (("send-lifetime", mkt.send_lifetime), ("accept-lifetime", mkt.accept_lifetime)):
        ends = [] if lifetime is None else _ends(mkt, lifetime)
        if ends:
            lines.append(f"{name} = {{ {', '.join(ends)} }}")
    return lines


def _secret_line(mkt: MasterKeyTuple) -> str:
    if mkt.secret is None:
        return f"gap = {_text(reason_of_gap(mkt))}"
    try:
        text = mkt.secret.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return f"secret = {_text(text)}" if text.isprintable() and text else f'secret-hex = "{mkt.secret.hex()}"'


def reason_of_gap(mkt: MasterKeyTuple) -> str:
    """Why a key has no secret, without the place in the file that it was read from."""
    return _WHERE.sub("", mkt.gap or "the secret is not here")


def _ends(mkt: MasterKeyTuple, lifetime: Lifetime) -> list[str]:
    ends = (("from", lifetime.from_ns), ("until", lifetime.until_ns))
    return [f"{name} = {_moment(mkt, time_ns)}" for name, time_ns in ends if time_ns is not None]


def _moment(mkt: MasterKeyTuple, time_ns: int) -> str:
    seconds, fraction = divmod(time_ns, _SECOND_NS)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        raise KeyFileError(f'{mkt.origin}: a lifetime of the key "{mkt.name}" is in no year from 1 to 9999') from None
    return f'"{text}.{fraction:09d}Z"' if fraction else f"{text}Z"


def _text(text: str) -> str:
    """A basic string; what is printable needs no other escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
