"""Which MKTs may have signed a segment: by socket pair, the end that sent it, and its KeyID (RFC 5925 3.1, 7.4).

Key files describe keys as one end sees them; a capture has no "local" end. This module turns the one into the other:
a KeyID from `local` to `remote` is the key's send-id, the other way its recv-id. Equal MKTs are one, also when each end
tells it with the ids crossed. What comes out is, for a pair, an end and a KeyID, the list of keys to try, in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from aoinspect.ao.mkt import MasterKeyTuple, TcpOptions
from aoinspect.engine.verdicts import Method
from aoinspect.keys.model import KeyStore, Network, Peer

KEY_ID_OF_MD5 = 256
"""Stands where a KeyID would: TCP-MD5 has none."""


class Endpoint(NamedTuple):
    """An address of 4 or 16 octets and a port."""

    address: bytes
    port: int


@dataclass(frozen=True, slots=True)
class Binding:
    """What ties a key to a VRF in captures that tell interface or VLAN."""

    interface: str | None
    vlan: int | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One key that may have signed a segment of a given pair, end and KeyID."""

    mkt: int
    """Index into `Keyring.mkts`."""
    include_options: bool
    binding: Binding | None
    is_refused: bool
    """The key file describes the receiving end too, and there no key accepts what this one signs."""
    refusal: str = ""
    """Why, in a few words, without the secret: "another secret"."""


class _Match(NamedTuple):
    """A peer entry that covers a socket pair: `local_side` is the side (0 or 1) that is its `local`."""

    peer: int
    local_side: int


class PairKeys:
    """The keys of one socket pair; shared by all pairs that the same peer entries cover in the same way."""

    def __init__(
        self,
        identity: int,
        lists: dict[tuple[int, int], tuple[Candidate, ...]],
        vrfs: frozenset[str],
        send_ids: dict[int, frozenset[int]],
    ) -> None:
        self.identity = identity
        self.lists = lists
        """(side that sent, KeyID or KEY_ID_OF_MD5) -> candidates, longest prefix first."""
        self.vrfs = vrfs
        self.send_ids = send_ids
        """Side -> the KeyIDs that it can sign with by its own description; no entry for an end that has none."""

    def candidates(self, side: int, method: int, key_id: int) -> tuple[Candidate, ...]:
        return self.lists.get((side, key_id if method == Method.AO else KEY_ID_OF_MD5), ())


class Keyring:
    """All keys of a run, and which of them cover a socket pair."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self.mkts: list[MasterKeyTuple] = []
        self._mkt_of_identity: dict[object, int] = {}
        self._mkts_of_peer = [tuple(self._unify(mkt) for mkt in peer.mkts) for peer in store.peers]
        self._by_shape: dict[tuple[int, int, int], dict[tuple[int, int], list[int]]] = {}
        """(address octets, local prefix length, remote prefix length) -> masked addresses -> peer entries."""
        for index, peer in enumerate(store.peers):
            self._file_peer(index, peer)
        self._pair_keys: dict[tuple[_Match, ...], PairKeys | None] = {}
        self.has_logged_keys = any(mkt.logged is not None for mkt in self.mkts)
        """Some traffic keys are told by a log, which need not hold those of every connection."""
        self.has_lifetimes = any(mkt.send_lifetime or mkt.accept_lifetime for peer in store.peers for mkt in peer.mkts)
        """Some key of some peer is bounded in time."""
        self.has_bindings = any(peer.interface is not None or peer.vlan is not None for peer in store.peers)

    def _unify(self, mkt: MasterKeyTuple) -> int:
        ids = () if mkt.send_id is None or mkt.recv_id is None else tuple(sorted((mkt.send_id, mkt.recv_id)))
        gap = None if mkt.is_keyed else (mkt.name, mkt.origin)
        identity = (mkt.algorithm.name, mkt.secret, mkt.logged, mkt.mac_length, mkt.tcp_options, ids, gap)
        index = self._mkt_of_identity.get(identity)
        if index is None:
            index = self._mkt_of_identity[identity] = len(self.mkts)
            self.mkts.append(mkt)
        return index

    def _file_peer(self, index: int, peer: Peer) -> None:
        widths = {_width(peer.local), _width(peer.remote)} - {None} or {4, 16}
        for width in widths:
            local_length, local_address = _prefix(peer.local)
            remote_length, remote_address = _prefix(peer.remote)
            shape = (int(width or 0), local_length, remote_length)
            entries = self._by_shape.setdefault(shape, defaultdict(list))
            entries[local_address, remote_address].append(index)

    @property
    def shapes(self) -> Iterable[tuple[tuple[int, int, int], Iterable[tuple[tuple[int, int], list[int]]]]]:
        """For `pairs`: what a vectorised test of coverage has to know."""
        return ((shape, entries.items()) for shape, entries in self._by_shape.items())

    def for_pair(self, ends: tuple[Endpoint, Endpoint]) -> PairKeys | None:
        """The keys of the socket pair of `ends` (side 0, side 1); None where no peer entry covers it."""
        matches = tuple(self._matches(ends))
        if matches not in self._pair_keys:
            self._pair_keys[matches] = self._combine(matches) if matches else None
        return self._pair_keys[matches]

    def peers_of(self, ends: tuple[Endpoint, Endpoint]) -> tuple[int, ...]:
        """The peer entries that cover the socket pair, by their index in the store; ascending."""
        return tuple(sorted({match.peer for match in self._matches(ends)}))

    def index_of(self, peer: int, position: int) -> int:
        """The index into `mkts` of the key at `position` of a peer entry."""
        return self._mkts_of_peer[peer][position]

    def described(self, ends: tuple[Endpoint, Endpoint]) -> Iterator[tuple[int, int, int, MasterKeyTuple]]:
        """All that the key files say of a socket pair's keys: (peer entry, side that is its `local`, MKT, as told).

        The same MKT comes once for every entry that tells it, with the lifetimes told there.
        """
        for match in self._matches(ends):
            told = self.store.peers[match.peer].mkts
            for mkt, index in zip(told, self._mkts_of_peer[match.peer], strict=True):
                yield match.peer, match.local_side, index, mkt

    def _matches(self, ends: tuple[Endpoint, Endpoint]) -> list[_Match]:
        found: list[tuple[int, _Match]] = []
        width = len(ends[0].address)
        numbers = [int.from_bytes(end.address, "big") for end in ends]
        for (shape_width, local_length, remote_length), entries in self._by_shape.items():
            if shape_width != width:
                continue
            for side in (0, 1):
                masked = (
                    numbers[side] >> (width * 8 - local_length) if local_length else 0,
                    numbers[1 - side] >> (width * 8 - remote_length) if remote_length else 0,
                )
                for index in entries.get(masked, ()):
                    if _ports_match(self.store.peers[index], ends[side].port, ends[1 - side].port):
                        found.append((local_length + remote_length, _Match(index, side)))
        found.sort(key=lambda item: (-item[0], item[1]))
        return [match for _, match in found]

    def _combine(self, matches: tuple[_Match, ...]) -> PairKeys:
        """The candidate lists of a pair that `matches` cover."""
        sides_of_peer: dict[int, set[int]] = defaultdict(set)
        for match in matches:
            sides_of_peer[match.peer].add(match.local_side)
        listed: dict[tuple[int, int], dict[tuple[int, bool, Binding | None], None]] = defaultdict(dict)
        accepted: dict[tuple[int, int], list[int]] = defaultdict(list)
        described: set[tuple[int, Method]] = set()
        send_ids: dict[int, set[int]] = defaultdict(set)
        vrfs: set[str] = set()
        for match in matches:
            peer = self.store.peers[match.peer]
            binding = None
            if peer.interface is not None or peer.vlan is not None:
                binding = Binding(peer.interface, peer.vlan)
            if peer.vrf is not None:
                vrfs.add(peer.vrf)
            for mkt, index in zip(peer.mkts, self._mkts_of_peer[match.peer], strict=True):
                is_ao = mkt.send_id is not None and mkt.recv_id is not None
                for sender in (0, 1):
                    key_id = KEY_ID_OF_MD5
                    if mkt.send_id is not None and mkt.recv_id is not None:
                        key_id = mkt.send_id if sender == match.local_side else mkt.recv_id
                    for include in _coverages(mkt):
                        listed[sender, key_id].setdefault((index, include, binding))
                    if sender != match.local_side or len(sides_of_peer[match.peer]) == 2:
                        accepted[sender, key_id].append(index)
                if len(sides_of_peer[match.peer]) == 1 and peer.local is not None:
                    described.add((match.local_side, Method.AO if is_ao else Method.MD5))
                    if mkt.send_id is not None:
                        send_ids[match.local_side].add(mkt.send_id)
        lists: dict[tuple[int, int], tuple[Candidate, ...]] = {}
        for (sender, key_id), keys in listed.items():
            method = Method.MD5 if key_id == KEY_ID_OF_MD5 else Method.AO
            is_described = (1 - sender, method) in described
            lists[sender, key_id] = tuple(
                Candidate(index, include, binding, *self._refusal(index, include, accepted[sender, key_id]))
                if is_described
                else Candidate(index, include, binding, is_refused=False)
                for index, include, binding in keys
            )
        return PairKeys(
            len(self._pair_keys), lists, frozenset(vrfs), {side: frozenset(ids) for side, ids in send_ids.items()}
        )

    def _refusal(self, index: int, include: bool, receiver_keys: list[int]) -> tuple[bool, str]:
        """Whether the receiving end, which has `receiver_keys` under this KeyID, drops what `index` signs, and why."""
        signer = self.mkts[index]
        reason = "no key with this KeyID"
        for other_index in receiver_keys:
            other = self.mkts[other_index]
            has_equal_secret = other_index == index or other.has_secret_of(signer)
            if has_equal_secret is None or not (other.is_keyed and signer.is_keyed):
                return False, ""
            if not other.algorithm.computes_as(signer.algorithm):
                reason = f"algorithm {other.algorithm.name} where the sender has {signer.algorithm.name}"
            elif other.mac_length != signer.mac_length:
                reason = f"MAC length {other.mac_length} where the sender has {signer.mac_length}"
            elif not has_equal_secret:
                reason = "another secret"
            elif include not in _coverages(other):
                ways = ("excluded", "included")
                reason = f"TCP options {ways[not include]} where the sender has them {ways[include]}"
            else:
                return False, ""
        return True, reason


def _coverages(mkt: MasterKeyTuple) -> tuple[bool, ...]:
    if mkt.tcp_options is TcpOptions.AUTO:
        return (True, False)
    return (mkt.tcp_options is TcpOptions.INCLUDE,)


def _width(network: Network | None) -> int | None:
    return None if network is None else network.max_prefixlen // 8


def _prefix(network: Network | None) -> tuple[int, int]:
    """Prefix length, and the address's leading bits as a number."""
    if network is None or network.prefixlen == 0:
        return 0, 0
    return network.prefixlen, int(network.network_address) >> (network.max_prefixlen - network.prefixlen)


def _ports_match(peer: Peer, local_port: int, remote_port: int) -> bool:
    return (
        (peer.port is None or peer.port in (local_port, remote_port))
        and (peer.local_port is None or peer.local_port == local_port)
        and (peer.remote_port is None or peer.remote_port == remote_port)
    )
