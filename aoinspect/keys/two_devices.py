"""Which end is whose, where two configurations are given and neither says its device's own address.

Routers mostly name the neighbour alone. Of two configurations with one session that fits, the neighbour of each is the
address of the other's device; with it, what one end signs and the other drops can be told (`ends-disagree`). Where
more than one pairing is possible nothing is assumed: `--local` says it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from aoinspect.keys.model import KeyStore, Network, Peer


def with_ends_told_apart(stores: Sequence[KeyStore]) -> list[KeyStore]:
    """The stores; where they are the configurations of two devices, with the `local` that can be no other."""
    if len(stores) != 2 or not all(store.is_configuration for store in stores):
        return list(stores)
    one, other = stores
    pairs = [
        (number, other_number)
        for number, peer in enumerate(one.peers)
        for other_number, other_peer in enumerate(other.peers)
        if _may_be_ends(peer, other_peer)
    ]
    fits, other_fits = Counter(number for number, _ in pairs), Counter(number for _, number in pairs)
    peers, other_peers = list(one.peers), list(other.peers)
    for number, other_number in pairs:
        if fits[number] == other_fits[other_number] == 1:
            peer, other_peer = peers[number], other_peers[other_number]
            peers[number] = replace(peer, local=other_peer.remote)
            other_peers[other_number] = replace(other_peer, local=peer.remote)
    return [replace(one, peers=tuple(peers)), replace(other, peers=tuple(other_peers))]


def _may_be_ends(peer: Peer, other: Peer) -> bool:
    """Whether two sessions may be one, told from either end."""
    if not (_is_host(peer.remote) and _is_host(other.remote)):
        return False
    if peer.remote == other.remote or peer.remote.version != other.remote.version:
        return False
    is_same_method = peer.mkts[:1] and other.mkts[:1] and _is_md5(peer) == _is_md5(other)
    return bool(is_same_method) and peer.local in (None, other.remote) and other.local in (None, peer.remote)


def _is_md5(peer: Peer) -> bool:
    return peer.mkts[0].algorithm.is_md5


def _is_host(network: Network | None) -> TypeGuard[Network]:
    return network is not None and network.prefixlen == network.max_prefixlen
