"""A connection's failing segments as a case: what the analysis and the key files know of them, gathered once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aoinspect.engine.explain.case import Case, Subject, selected_keys
from aoinspect.engine.failures import FailingSegment
from aoinspect.engine.keyring import Candidate, Endpoint, Keyring, PairKeys
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.second_opinion import read_header
from aoinspect.engine.verdicts import IsnSource, Method
from aoinspect.keys.model import KeyStore

NAMED_ADDRESSES = 64
"""Addresses of the key files that are tried for a NAT."""


def case_of(
    analyzer: Analyzer, connection: int, segments: Sequence[FailingSegment], keyring: Keyring, keys: PairKeys | None
) -> Case:
    """The case of `segments` of a connection (its index in the engine) under the keys of `keyring`.

    `keys` are those of its socket pair there; None where no key covers it.
    """
    sources = analyzer.connections.isn_sources
    return Case(
        subjects=tuple(_subject(analyzer, connection, segment, keyring, keys) for segment in segments),
        mkts=keyring.mkts,
        pair_keys=keys,
        other_isns=_other_isns(analyzer, connection),
        named_addresses=_named_addresses(analyzer.keyring.store),
        is_midway=sources[connection] != IsnSource.HANDSHAKE,
    )


def _subject(
    analyzer: Analyzer, connection: int, segment: FailingSegment, keyring: Keyring, keys: PairKeys | None
) -> Subject:
    reading = read_header(segment.octets, segment.declared_length, is_partial=segment.is_partial)
    candidates: tuple[Candidate, ...] = ()
    if keys is not None and reading.method is not Method.NONE:
        candidates = keys.candidates(segment.side, reading.method, reading.key_id or 0)
    own, peer = _isn(analyzer, connection, segment.side), _isn(analyzer, connection, 1 - segment.side)
    return Subject(segment, own, peer, selected_keys(keyring.mkts, candidates))


def _isn(analyzer: Analyzer, connection: int, side: int) -> int | None:
    connections = analyzer.connections
    return int(connections.isns[connection, side]) if connections.has_isn[connection, side] else None


def _other_isns(analyzer: Analyzer, connection: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """By side, the ISNs of the socket pair's other connections and of [[connection]] entries."""
    connections = analyzer.connections
    pair = int(connections.pairs[connection])
    ends = analyzer.pairs.ends[pair]
    found: tuple[dict[int, None], dict[int, None]] = ({}, {})
    for sibling in np.flatnonzero(connections.pairs == pair).tolist():
        for side in (0, 1):
            if sibling != connection and connections.has_isn[sibling, side]:
                found[side][int(connections.isns[sibling, side])] = None
    for known in analyzer.keyring.store.connections:
        local = Endpoint(known.local[0].packed, known.local[1])
        remote = Endpoint(known.remote[0].packed, known.remote[1])
        if {local, remote} == set(ends):
            side = ends.index(local)
            found[side][known.local_isn] = None
            found[1 - side][known.remote_isn] = None
    return tuple(found[0]), tuple(found[1])


def _named_addresses(store: KeyStore) -> tuple[bytes, ...]:
    """Single addresses of peers and of [[connection]] entries."""
    networks = [network for peer in store.peers for network in (peer.local, peer.remote) if network is not None]
    single = [network.network_address for network in networks if network.prefixlen == network.max_prefixlen]
    known = [end[0] for connection in store.connections for end in (connection.local, connection.remote)]
    return tuple(dict.fromkeys(address.packed for address in [*single, *known]))[:NAMED_ADDRESSES]
