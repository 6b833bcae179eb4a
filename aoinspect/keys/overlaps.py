"""Which keys one device could not hold together, because their ids overlap where their socket pairs do.

"The IDs of MKTs MUST NOT overlap where their TCP connection identifiers overlap." -- RFC 5925 3.1

An observer's file may hold such keys all the same, since it may hold those of several times: a warning, then,
and none where lifetimes part them. `local` is the device, so keys told from the two ends of a session never
overlap each other.

Prefixes contain one another or are disjoint. So for each pair of prefixes it is enough to look up the
prefixes that contain its local one, and under each of those the remote ones that contain its remote one or
lie inside it: no pair of peers is compared that does not overlap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from aoinspect.ao.mkt import Lifetime, MasterKeyTuple
from aoinspect.keys.model import KeyWarning, Network, Peer

_Span = tuple[int, int]
"""Top-aligned address bits, the IP version's bit first, and how many count: (0, 0) holds every address."""
_ADDRESS_BITS = 129
_Pair = tuple[_Span, _Span]
"""Local and remote."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One key of one peer."""

    position: int
    """Its place in the order of all keys."""
    peer: Peer
    mkt: MasterKeyTuple


_ById = dict[tuple[str, int | None], list[_Entry]]
"""("send-id" or "recv-id", the id) -> the keys with it, in their order."""


def warn_of_overlaps(peers: Sequence[Peer]) -> list[KeyWarning]:
    """One warning per key that shares an id with an earlier key where a segment could be of either."""
    entries_by_pair = _entries_by_pair(peers)
    index = _PairIndex(entries_by_pair)
    by_id = {pair: _by_id(entries) for pair, entries in entries_by_pair.items()}
    found: dict[int, KeyWarning] = {}
    for pair, entries in entries_by_pair.items():
        for other_pair in index.overlapping(pair):
            for entry in entries:
                for which_id, other in _sharing_an_id(entry, by_id[other_pair]):
                    earlier, later = (other, entry) if other.position < entry.position else (entry, other)
                    if later.position not in found and _may_clash(earlier, later):
                        found[later.position] = _warning(which_id, earlier, later)
    return [found[position] for position in sorted(found)]


def _warning(which_id: str, earlier: _Entry, later: _Entry) -> KeyWarning:
    number = later.mkt.send_id if which_id == "send-id" else later.mkt.recv_id
    return KeyWarning(
        later.mkt.origin,
        f'key "{later.mkt.name}" has the {which_id} {number} of key "{earlier.mkt.name}" '
        f"({earlier.mkt.origin}) and may apply to the same connections, which RFC 5925 3.1 forbids on a "
        "device; each is tried, and lifetimes would part them",
    )


def _entries_by_pair(peers: Iterable[Peer]) -> dict[_Pair, list[_Entry]]:
    entries_by_pair: defaultdict[_Pair, list[_Entry]] = defaultdict(list)
    position = 0
    for peer in peers:
        entries = entries_by_pair[_span(peer.local), _span(peer.remote)]
        for mkt in peer.mkts:
            # TCP-MD5 has no ids that could overlap.
            if mkt.send_id is not None:
                entries.append(_Entry(position, peer, mkt))
                position += 1
    return entries_by_pair


def _by_id(entries: Iterable[_Entry]) -> _ById:
    grouped: _ById = {}
    for entry in entries:
        grouped.setdefault(("send-id", entry.mkt.send_id), []).append(entry)
        grouped.setdefault(("recv-id", entry.mkt.recv_id), []).append(entry)
    return grouped


def _sharing_an_id(entry: _Entry, candidates: _ById) -> Iterator[tuple[str, _Entry]]:
    """The candidates with either id of `entry`, each once; in a list that holds `entry`, those before it."""
    for other in candidates.get(("send-id", entry.mkt.send_id), ()):
        if other is entry:
            break
        yield "send-id", other
    for other in candidates.get(("recv-id", entry.mkt.recv_id), ()):
        if other is entry:
            break
        if other.mkt.send_id != entry.mkt.send_id:
            yield "recv-id", other


def _may_clash(one: _Entry, other: _Entry) -> bool:
    """Whether a segment could be under either key, given that the address prefixes overlap."""
    if not (
        _lifetimes_overlap(one.mkt.send_lifetime, other.mkt.send_lifetime)
        or _lifetimes_overlap(one.mkt.accept_lifetime, other.mkt.accept_lifetime)
    ):
        return False
    for mine, theirs in (
        (one.peer.vrf, other.peer.vrf),
        (one.peer.interface, other.peer.interface),
        (one.peer.vlan, other.peer.vlan),
    ):
        if mine is not None and theirs is not None and mine != theirs:
            return False
    return _ports_overlap(one.peer, other.peer) and not _is_same_key(one.mkt, other.mkt)


def _is_same_key(mkt: MasterKeyTuple, other: MasterKeyTuple) -> bool:
    return (
        (mkt.send_id, mkt.recv_id, mkt.secret, mkt.logged, mkt.mac_length, mkt.tcp_options)
        == (other.send_id, other.recv_id, other.secret, other.logged, other.mac_length, other.tcp_options)
    ) and mkt.algorithm.computes_as(other.algorithm)


def _ports_overlap(peer: Peer, other: Peer) -> bool:
    """Whether some pair of ports satisfies both peers."""
    local_ports = {port for port in (peer.local_port, other.local_port) if port is not None}
    remote_ports = {port for port in (peer.remote_port, other.remote_port) if port is not None}
    if len(local_ports) > 1 or len(remote_ports) > 1:
        return False
    local_port = next(iter(local_ports), None)
    remote_port = next(iter(remote_ports), None)
    either_side = {port for port in (peer.port, other.port) if port is not None}
    if len(either_side) > 1:
        # Two services: a connection from the port of one to the port of the other is no real case.
        return False
    missing = either_side - {local_port, remote_port}
    return not missing or local_port is None or remote_port is None


def _lifetimes_overlap(mine: Lifetime | None, theirs: Lifetime | None) -> bool:
    if mine is None or theirs is None:
        return True
    return _begins_before_end(mine, theirs) and _begins_before_end(theirs, mine)


def _begins_before_end(first: Lifetime, second: Lifetime) -> bool:
    return first.from_ns is None or second.until_ns is None or first.from_ns < second.until_ns


class _PairIndex:
    """Finds, for a pair of prefixes, the pairs whose local and remote prefixes both overlap its own."""

    def __init__(self, pairs: Iterable[_Pair]) -> None:
        remotes_by_local: defaultdict[_Span, list[_Span]] = defaultdict(list)
        for local, remote in pairs:
            remotes_by_local[local].append(remote)
        self.remotes_by_local = {local: sorted(remotes) for local, remotes in remotes_by_local.items()}
        self.sets_by_local = {local: set(remotes) for local, remotes in remotes_by_local.items()}
        self.local_lengths = sorted({length for _, length in remotes_by_local})
        self.remote_lengths = sorted({length for remotes in self.sets_by_local.values() for _, length in remotes})

    def overlapping(self, pair: _Pair) -> Iterator[_Pair]:
        """The pairs whose local prefix contains or is `pair`'s and whose remote prefix overlaps `pair`'s."""
        local, remote = pair
        for outer_local in _containing(local, self.local_lengths):
            remotes = self.sets_by_local.get(outer_local)
            if remotes is None:
                continue
            for outer_remote in _containing(remote, self.remote_lengths):
                if outer_remote in remotes:
                    yield outer_local, outer_remote
            for inner_remote in _inside(remote, self.remotes_by_local[outer_local]):
                yield outer_local, inner_remote


def _span(network: Network | None) -> _Span:
    if network is None:
        return 0, 0
    bits = int(network.network_address) << (_ADDRESS_BITS - 1 - network.max_prefixlen)
    version_bit = 0 if isinstance(network, IPv4Network) else 1 << (_ADDRESS_BITS - 1)
    return version_bit | bits, network.prefixlen + 1


def _containing(span: _Span, lengths: Iterable[int]) -> Iterator[_Span]:
    """The spans of these lengths that hold `span`, itself included."""
    bits, own_length = span
    for length in lengths:
        if length > own_length:
            return
        dropped = _ADDRESS_BITS - length
        yield bits >> dropped << dropped, length


def _inside(span: _Span, ordered: Sequence[_Span]) -> Iterator[_Span]:
    """Those of the ordered spans that lie in `span` and are smaller."""
    bits, length = span
    end = bits + (1 << (_ADDRESS_BITS - length))
    for position in range(bisect_left(ordered, (bits, length + 1)), len(ordered)):
        inner = ordered[position]
        if inner[0] >= end:
            return
        if inner[1] > length:
            yield inner
