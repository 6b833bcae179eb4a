"""The key file with what explanations correct in it, as TOML.

Everything that the given files say is carried over, whatever system wrote them. A correction replaces a key in its
place if the key as written verifies nothing; if it does, the sender gets a [[peer]] of its own, so that what was right
stays so. Nothing here prints: the text holds secrets, and the command writes it to a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple
from aoinspect.engine.explain.model import Explanation, KeyCorrection
from aoinspect.keys.isn_sources import connection_entry
from aoinspect.keys.model import KeyStore, Network, Peer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CorrectedKeys:
    """Key files as one, corrected."""

    store: KeyStore
    corrected: int
    """Corrections that were made."""
    gaps: tuple[MasterKeyTuple, ...]
    """Keys without their secret: a key file cannot hold them."""


def correct_keys(store: KeyStore, mkts: Sequence[MasterKeyTuple], explanations: Iterable[Explanation]) -> CorrectedKeys:
    """`store` with the corrections of `explanations`; `mkts` are the keyring's, which corrections count in.

    Of several that would change one key in its place the first is made.
    """
    replaced: dict[object, KeyCorrection] = {}
    """Identity of a key -> what changes in it."""
    added: dict[tuple[bytes, bytes, MasterKeyTuple], KeyCorrection] = {}
    for explanation in explanations:
        wanted = explanation.correction
        if wanted is None:
            continue
        if wanted.is_key_right_elsewhere or wanted.correction.key_id is not None:
            added.setdefault((wanted.sender, wanted.receiver, _as_sender_has_it(mkts, wanted)), wanted)
        else:
            replaced.setdefault(_identity(mkts[wanted.key]), wanted)
    peers = [replace(peer, mkts=tuple(_put(mkt, replaced) for mkt in peer.mkts)) for peer in store.peers]
    chains = [replace(chain, mkts=tuple(_put(mkt, replaced) for mkt in chain.mkts)) for chain in store.keychains]
    peers += [_peer_of(sender, receiver, mkt) for sender, receiver, mkt in added]
    gaps = {mkt: None for peer in store.peers for mkt in peer.mkts if mkt.secret is None}
    return CorrectedKeys(
        replace(store, peers=tuple(peers), keychains=tuple(chains)), len(replaced) + len(added), tuple(gaps)
    )


def key_file_text(corrected: CorrectedKeys) -> str:
    """The key file that says what `corrected` holds. It holds secrets."""
    store = corrected.store
    lines = ["version = 1"]
    lines += [
        f"# Key {_quoted(mkt.name)} of {_quoted(str(mkt.origin))} is left out: its secret is not known."
        for mkt in corrected.gaps
    ]
    chains = {chain.name: chain for chain in store.keychains}
    used = {peer.keychain for peer in store.peers if peer.keychain in chains}
    for name, chain in chains.items():
        mkts = [mkt for mkt in chain.mkts if mkt.secret is not None]
        if name in used and mkts:
            lines += ["", "[[keychain]]", f"name = {_quoted(name)}"]
            for mkt in mkts:
                lines += _key_lines(mkt, "keychain")
    for peer in store.peers:
        lines += _peer_lines(peer, chains[peer.keychain].mkts if peer.keychain in chains else None)
    entries = [connection_entry(known) for known in store.connections]
    return "\n".join(["\n".join(lines) + "\n", *entries])


def _changed(mkt: MasterKeyTuple, wanted: KeyCorrection) -> MasterKeyTuple:
    correction = wanted.correction
    algorithm = correction.algorithm or mkt.algorithm
    return replace(
        mkt,
        secret=mkt.secret if correction.secret is None else correction.secret,
        algorithm=algorithm,
        mac_length=mkt.mac_length if correction.mac_length is None else correction.mac_length,
        tcp_options=correction.tcp_options or mkt.tcp_options,
        send_id=mkt.recv_id if correction.swaps_ids else mkt.send_id,
        recv_id=mkt.send_id if correction.swaps_ids else mkt.recv_id,
    )


def _as_sender_has_it(mkts: Sequence[MasterKeyTuple], wanted: KeyCorrection) -> MasterKeyTuple:
    """The corrected key with the ids as its sender sees them."""
    mkt = _changed(mkts[wanted.key], wanted)
    if mkt.send_id is None:
        return mkt
    own, peer = wanted.ids if not wanted.correction.swaps_ids else wanted.ids[::-1]
    if wanted.correction.key_id is not None:
        own, peer = wanted.correction.key_id, wanted.correction.rnext_key_id
    return replace(mkt, send_id=mkt.send_id if own is None else own, recv_id=mkt.recv_id if peer is None else peer)


def _put(mkt: MasterKeyTuple, replaced: dict[object, KeyCorrection]) -> MasterKeyTuple:
    """What takes the place of `mkt`."""
    wanted = replaced.get(_identity(mkt))
    return mkt if wanted is None else _changed(mkt, wanted)


def _identity(mkt: MasterKeyTuple) -> object:
    """What makes a key the same, whichever end tells it."""
    ids = () if mkt.send_id is None or mkt.recv_id is None else tuple(sorted((mkt.send_id, mkt.recv_id)))
    return mkt.algorithm.name, mkt.secret, mkt.logged, mkt.mac_length, mkt.tcp_options, ids


def _peer_of(sender: bytes, receiver: bytes, mkt: MasterKeyTuple) -> Peer:
    return Peer(
        local=ip_network(ip_address(sender)),
        remote=ip_network(ip_address(receiver)),
        mkts=(mkt,),
        keychain=None,
        origin=mkt.origin,
    )


# As text.


def _peer_lines(peer: Peer, chain: tuple[MasterKeyTuple, ...] | None) -> Iterator[str]:
    mkts = [mkt for mkt in peer.mkts if mkt.secret is not None]
    if not mkts:
        return
    yield ""
    yield "[[peer]]"
    for name, network in (("local", peer.local), ("remote", peer.remote)):
        if network is not None:
            yield f"{name} = {_quoted(_network(network))}"
    for name, value in (
        ("port", peer.port),
        ("local-port", peer.local_port),
        ("remote-port", peer.remote_port),
        ("vlan", peer.vlan),
    ):
        if value is not None:
            yield f"{name} = {value}"
    for name, text in (("vrf", peer.vrf), ("interface", peer.interface)):
        if text is not None:
            yield f"{name} = {_quoted(text)}"
    if peer.keychain is not None and chain == peer.mkts:
        yield f"keychain = {_quoted(peer.keychain)}"
        return
    for mkt in mkts:
        yield from _key_lines(mkt, "peer")


def _key_lines(mkt: MasterKeyTuple, owner: str) -> Iterator[str]:
    assert mkt.secret is not None
    yield ""
    yield f"  [[{owner}.key]]"
    yield f"  name = {_quoted(mkt.name)}"
    yield f"  algorithm = {_quoted(mkt.algorithm.name)}"
    yield f'  secret-hex = "{mkt.secret.hex()}"'
    if mkt.send_id is not None:
        yield f"  send-id = {mkt.send_id}"
        yield f"  recv-id = {mkt.recv_id}"
        yield f"  mac-length = {mkt.mac_length}"
        yield f'  tcp-options = "{mkt.tcp_options.value}"'
    for name, lifetime in (("send-lifetime", mkt.send_lifetime), ("accept-lifetime", mkt.accept_lifetime)):
        if lifetime is not None:
            yield f"  {name} = {{ {', '.join(_moments(lifetime))} }}"


def _moments(lifetime: Lifetime) -> Iterator[str]:
    for name, time_ns in (("from", lifetime.from_ns), ("until", lifetime.until_ns)):
        if time_ns is not None:
            moment = _EPOCH + timedelta(microseconds=time_ns // 1_000)
            yield f"{name} = {moment.isoformat().replace('+00:00', 'Z')}"


def _network(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = "".join(
        f"\\U{ord(character):08x}" if not character.isprintable() else character
        for character in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'
