"""Which end's configuration is written: one device of a store, and the other end of its sessions.

The other end has the ids crossed, the addresses and ports exchanged, and accepts when this end sends. What this end
says only of itself (its VRF, the interface or VLAN that it was captured on) is not the other end's, and is left out.
"""

from __future__ import annotations

from dataclasses import replace

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.errors import KeyFileError
from aoinspect.keys.addresses import parse_prefix
from aoinspect.keys.model import KeyStore, Network, Peer


def one_device(store: KeyStore, local: Network | None) -> KeyStore:
    """`store` without the peers of other devices than `local`; key chains that only these use are left out too.

    Without `local`, a store that tells a session from both of its ends is a KeyFileError: a device's configuration
    is wanted, and there are two devices.
    """
    if local is None:
        both = next((peer for peer in store.peers if any(_are_two_ends(peer, other) for other in store.peers)), None)
        if both is not None:
            raise KeyFileError(
                f"{both.origin}: the keys describe both ends of a session ({both.local} and {both.remote}): "
                "name the device whose configuration is wanted with --local ADDR"
            )
        return store
    peers = tuple(peer for peer in store.peers if peer.local is None or _overlap(peer.local, local))
    if store.peers and not peers:
        known = ", ".join(sorted({str(peer.local) for peer in store.peers}))
        raise KeyFileError(f"{store.peers[0].origin}: no peer has the local address {local}; there are: {known}")
    others = {peer.keychain for peer in store.peers} - {peer.keychain for peer in peers}
    return replace(store, peers=peers, keychains=tuple(chain for chain in store.keychains if chain.name not in others))


def peers_half(store: KeyStore) -> KeyStore:
    """What the other ends of all sessions have to say."""
    return replace(
        store,
        peers=tuple(_crossed_peer(peer) for peer in store.peers),
        keychains=tuple(replace(chain, mkts=tuple(map(crossed, chain.mkts))) for chain in store.keychains),
        connections=tuple(
            replace(
                known,
                local=known.remote,
                remote=known.local,
                local_isn=known.remote_isn,
                remote_isn=known.local_isn,
                local_sne=known.remote_sne,
                remote_sne=known.local_sne,
            )
            for known in store.connections
        ),
    )


def crossed(mkt: MasterKeyTuple) -> MasterKeyTuple:
    """The key as the other end has it; a label made of the ids is made anew."""
    is_plain = mkt.name == f"{mkt.send_id}/{mkt.recv_id}"
    return replace(
        mkt,
        name=f"{mkt.recv_id}/{mkt.send_id}" if is_plain else mkt.name,
        send_id=mkt.recv_id,
        recv_id=mkt.send_id,
        send_lifetime=mkt.accept_lifetime,
        accept_lifetime=mkt.send_lifetime,
    )


def _crossed_peer(peer: Peer) -> Peer:
    return replace(
        peer,
        local=peer.remote,
        remote=peer.local,
        local_port=peer.remote_port,
        remote_port=peer.local_port,
        mkts=tuple(map(crossed, peer.mkts)),
        vrf=None,
        interface=None,
        vlan=None,
    )


def _are_two_ends(peer: Peer, other: Peer) -> bool:
    if peer.local is None or other.local is None or peer.remote is None or other.remote is None:
        return False
    return _overlap(peer.local, other.remote) and _overlap(peer.remote, other.local)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(parse_prefix(str(other)))
