"""What the rest of a run says of one connection: its neighbours, and what the key files tell of its ends.

Everything that would mean a look at all connections, key runs or peers is gathered here, once for a run, so that each
of a hundred thousand failing connections costs the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from aoinspect.engine.keyring import Endpoint
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import DIRECTIONS, ConnectionResult
from aoinspect.engine.verdicts import Method, Verdict
from aoinspect.keys.model import KnownConnection

NAMED_ADDRESSES = 64
"""Addresses of the key files that are tried for a NAT."""
SIBLINGS = 64
"""Connections of the same socket pair, the nearest before and behind, whose ISNs are looked at."""

_Ends = frozenset[str]
_KeyUse = tuple[_Ends, tuple[str, ...], str, int | None]
"""Both addresses, VRFs, and whose KeyID."""


@dataclass(slots=True)
class SoundConnections:
    """Connections whose both directions verify and that have no failure, in the order of their ids."""

    first_time_ns: int
    """When the earliest began."""
    openers: set[str | None] = field(default_factory=set)
    """Addresses that opened them; None where that is not known."""
    connections: list[ConnectionResult] = field(default_factory=list)
    _latest: list[int] = field(default_factory=list)
    """The latest beginning so far, for each of `connections`."""

    def add(self, connection: ConnectionResult) -> None:
        began = connection.first_time_ns
        self.first_time_ns = min(self.first_time_ns, began)
        self.openers.add(connection.a.address if connection.opened_by == "a" else None)
        self.connections.append(connection)
        self._latest.append(max(began, self._latest[-1]) if self._latest else began)

    def first_after(self, time_ns: int) -> ConnectionResult | None:
        """The first, by its id, that began later."""
        position = bisect_right(self._latest, time_ns)
        return self.connections[position] if position < len(self.connections) else None


class Company:
    """One run's connections as neighbours of each other. `connections` are those of the Report, by their ids."""

    def __init__(self, analyzer: Analyzer, connections: Sequence[ConnectionResult]) -> None:
        self._analyzer = analyzer
        self._connections = connections

    def sound_beside(self, connection: ConnectionResult) -> list[SoundConnections]:
        """Sound connections between the same addresses that have a KeyID in common with `connection`, by KeyID."""
        if not self._sound:
            return []
        return [self._sound[use] for use in _key_uses(connection) if use in self._sound]

    @cached_property
    def _sound(self) -> dict[_KeyUse, SoundConnections]:
        found: dict[_KeyUse, SoundConnections] = {}
        for connection in self._connections:
            if _is_sound(connection):
                for use in _key_uses(connection):
                    found.setdefault(use, SoundConnections(connection.first_time_ns)).add(connection)
        return found

    def verified_runs(self, key: int) -> int:
        """Key runs of the whole run in which this key verified something."""
        return self._verified_runs.get(key, 0)

    @cached_property
    def _verified_runs(self) -> dict[int, int]:
        timeline = self._analyzer.timeline
        verified = np.asarray(timeline.mkts)[np.asarray(timeline.verdicts)[:, Verdict.VERIFIED] > 0]
        keys, counts = np.unique(verified, return_counts=True)
        return dict(zip(keys.tolist(), counts.tolist(), strict=True))

    def siblings(self, connection: int) -> list[int]:
        """Rows of the socket pair's other connections, nearest first; SIBLINGS of them at most."""
        rows = self._rows_of_pair[int(self._analyzer.connections.pairs[connection])]
        own = bisect_right(rows, connection)
        near = rows[max(own - 1 - SIBLINGS // 2, 0) : own + SIBLINGS // 2]
        return sorted((row for row in near if row != connection), key=lambda row: abs(row - connection))

    @cached_property
    def _rows_of_pair(self) -> dict[int, list[int]]:
        rows: dict[int, list[int]] = defaultdict(list)
        for row, pair in enumerate(self._analyzer.connections.pairs.tolist()):
            rows[pair].append(row)
        return rows

    def told(self, ends: tuple[Endpoint, Endpoint]) -> Sequence[KnownConnection]:
        """The [[connection]] entries of a socket pair."""
        return self._told.get(frozenset(ends), ())

    @cached_property
    def _told(self) -> dict[frozenset[Endpoint], list[KnownConnection]]:
        found: dict[frozenset[Endpoint], list[KnownConnection]] = defaultdict(list)
        for known in self._analyzer.keyring.store.connections:
            ends = (Endpoint(known.local[0].packed, known.local[1]), Endpoint(known.remote[0].packed, known.remote[1]))
            found[frozenset(ends)].append(known)
        return found

    @cached_property
    def named_addresses(self) -> tuple[bytes, ...]:
        """Single addresses of peers and of [[connection]] entries: the first NAMED_ADDRESSES."""
        store = self._analyzer.keyring.store
        networks = [network for peer in store.peers for network in (peer.local, peer.remote) if network is not None]
        single = [network.network_address for network in networks if network.prefixlen == network.max_prefixlen]
        known = [end[0] for connection in store.connections for end in (connection.local, connection.remote)]
        return tuple(dict.fromkeys(address.packed for address in [*single, *known]))[:NAMED_ADDRESSES]


def _is_sound(connection: ConnectionResult) -> bool:
    counts = connection.verdicts
    if counts["mismatch"] or counts["no_key"] or connection.refused or not counts["verified"]:
        return False
    return len({run.direction for run in connection.runs if run.verified}) == len(DIRECTIONS)


def _key_uses(connection: ConnectionResult) -> set[_KeyUse]:
    addresses = {DIRECTIONS[0]: connection.a.address, DIRECTIONS[1]: connection.b.address}
    ends = frozenset(addresses.values())
    return {
        (ends, connection.vrfs, addresses[run.direction], run.key_id)
        for run in connection.runs
        if run.method is Method.AO
    }
