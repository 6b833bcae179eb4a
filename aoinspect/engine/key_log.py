"""Which traffic keys a capture takes: what a traffic-key log holds of it.

A log is to give this capture the verdicts that the master keys give it, segment by segment. So it says of peers and
MKTs all that the key files say of the capture's socket pairs, and of traffic keys those that some segment was checked
under: SYN and OTHER of each end (RFC 5925 5.2) for the MKTs that its KeyID selects (of another MAC length too, since a
length that differs can be explained), with the ISNs that were known when the verdict was given and those that were
known in the end. Guesses that no MAC confirmed are nobody's and stay out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import numpy as np

from aoinspect.ao.mkt import LoggedKeys, MasterKeyTuple
from aoinspect.ao.traffic_keys import find_traffic_key
from aoinspect.engine.keyring import KEY_ID_OF_MD5
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.segments import ACK, SYN
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import IsnSource, Method, Verdict
from aoinspect.keys.export.key_file import reason_of_gap
from aoinspect.keys.model import Address, KnownConnection, Peer
from aoinspect.keys.traffic_key_log import RECOVERED, TOLD, LoggedConnection, LoggedTrafficKey, TrafficKeyLog

_MASK = 0xFFFFFFFF
NO_PASSWORD = "a TCP-MD5 password signs as it is, so no log can hold anything in its place"

_Wanted = tuple[int, int, int, int | None]
"""MKT, sending side, sender's ISN, receiver's ISN (None: a SYN's)."""
_KINDS = np.dtype(
    [
        ("connection", np.uint32),
        ("direction", np.uint8),
        ("key_id", np.uint8),
        ("flags", np.uint16),
        ("seq", np.uint32),
        ("ack", np.uint32),
    ]
)


class KeyLogger:
    """Watches an analysis batch by batch (`note`), and tells the log of it in the end (`log`)."""

    def __init__(self, analyzer: Analyzer) -> None:
        """`analyzer` must make rows."""
        self._analyzer = analyzer
        self._wanted: dict[int, dict[_Wanted, None]] = {}
        """By connection, in the order of need."""
        self._used: dict[int, dict[tuple[int, int], None]] = {}
        """By connection: MKT and sending side of segments other than SYNs."""

    def note(self, rows: Rows) -> None:
        """Takes the rows of the batch that the analyser was fed last."""
        is_checked = (rows.method == Method.AO) & (rows.verdict != Verdict.MALFORMED) & (rows.verdict != Verdict.NO_KEY)
        chosen = np.flatnonzero(is_checked)
        kinds = np.zeros(len(chosen), dtype=_KINDS)
        is_syn = (rows.flags[chosen] & SYN) != 0
        for name in ("connection", "direction", "key_id"):
            kinds[name] = getattr(rows, name)[chosen]
        kinds["flags"] = rows.flags[chosen] & (SYN | ACK) * is_syn
        for name in ("seq", "ack"):
            kinds[name] = np.where(is_syn, getattr(rows, name)[chosen], 0)
        a_sides, indices = self._analyzer.connections.a_sides(), self._indices()
        for number, direction, *kind in np.unique(kinds).tolist():
            self._note_kind(indices[number], direction ^ int(a_sides[indices[number]]), *kind)

    def _note_kind(self, index: int, side: int, key_id: int, flags: int, seq: int, ack: int) -> None:
        """Takes what `side` of connection `index` sends under one KeyID, as one kind."""
        analyzer = self._analyzer
        keys = analyzer.pairs.keys[int(analyzer.connections.pairs[index])]
        listed = () if keys is None else keys.candidates(side, Method.AO, key_id)
        wanted = self._wanted.setdefault(index, {})
        for candidate in listed:
            if flags & SYN:
                wanted[candidate.mkt, side, seq, (ack - 1) & _MASK if flags & ACK else None] = None
            if flags != SYN:
                self._used.setdefault(index, {})[candidate.mkt, side] = None
                wanted.update(dict.fromkeys(self._others(index, candidate.mkt, side)))

    def _indices(self) -> dict[int, int]:
        """The engine's connection of each number of the Report."""
        numbers = self._analyzer.tallies.column("number")
        numbered = np.flatnonzero(numbers >= 0)
        return dict(zip(numbers[numbered].tolist(), numbered.tolist(), strict=True))

    def _others(self, index: int, mkt: int, side: int) -> Iterator[_Wanted]:
        """The key of all segments but SYNs, with the ISNs as they are known now."""
        connections = self._analyzer.connections
        if connections.has_isn[index].all():
            yield mkt, side, int(connections.isns[index, side]), int(connections.isns[index, 1 - side])

    def log(self, *, holds_all: bool = False) -> TrafficKeyLog:
        """The log of everything that was noted.

        `holds_all` adds, for every connection, the traffic keys of all MKTs of its socket pair, used or not.
        """
        numbers = self._numbers()
        connections: dict[LoggedConnection, tuple[LoggedTrafficKey, ...]] = {}
        for connection in self._connections(numbers, holds_all):
            # Several of one socket pair whose ISNs are not known cannot be told apart.
            bare = replace(connection, keys=())
            connections[bare] = (*connections.get(bare, ()), *connection.keys)
        return TrafficKeyLog(
            tuple(self._peers(numbers)), tuple(replace(bare, keys=keys) for bare, keys in connections.items())
        )

    # Peers and MKTs.

    def _shown_peers(self) -> list[int]:
        """The peer entries that cover some socket pair of the capture."""
        analyzer = self._analyzer
        return sorted({peer for ends in analyzer.pairs.ends for peer in analyzer.keyring.peers_of(ends)})

    def _numbers(self) -> dict[int, LoggedKeys]:
        """For each MKT of these entries that is not a gap, its number in the log, and that of its secret."""
        keyring = self._analyzer.keyring
        numbers: dict[int, LoggedKeys] = {}
        secrets: dict[object, int] = {}
        for peer in self._shown_peers():
            for position in range(len(keyring.store.peers[peer].mkts)):
                index = keyring.index_of(peer, position)
                mkt = keyring.mkts[index]
                if mkt.algorithm.is_md5 or not mkt.is_keyed or index in numbers:
                    continue
                told = mkt.logged
                secret = mkt.secret if told is None else (told.path, told.secret_number)
                number = secrets.setdefault(secret, len(secrets) + 1)
                numbers[index] = LoggedKeys("", len(numbers) + 1, number, {})
        return numbers

    def _peers(self, numbers: dict[int, LoggedKeys]) -> Iterator[Peer]:
        keyring = self._analyzer.keyring
        for peer in self._shown_peers():
            entry = keyring.store.peers[peer]
            mkts = [
                self._without_secret(told, keyring.index_of(peer, position), numbers)
                for position, told in enumerate(entry.mkts)
            ]
            yield replace(entry, mkts=tuple(mkts), keychain=None)

    def _without_secret(self, told: MasterKeyTuple, index: int, numbers: dict[int, LoggedKeys]) -> MasterKeyTuple:
        logged = numbers.get(index)
        gap = NO_PASSWORD if told.algorithm.is_md5 else reason_of_gap(told)
        # Equal MKTs are one, and outputs call it by its first name.
        name = self._analyzer.keyring.mkts[index].name
        return replace(told, name=name, secret=None, logged=logged, gap=gap if logged is None else None)

    # Connections.

    def _connections(self, numbers: dict[int, LoggedKeys], holds_all: bool) -> Iterator[LoggedConnection]:
        analyzer = self._analyzer
        entries = analyzer.keyring.store.connections
        keys_of_entry: dict[int, tuple[tuple[LoggedTrafficKey, ...], bool]] = {}
        others = []
        told_before: set[tuple[int, bytes]] = set()
        for _, index in sorted(self._indices().items()):
            connection = self._connection(index, numbers, holds_all, told_before)
            entry = int(analyzer.connections.known_entries[index])
            if entry >= 0 and analyzer.connections.isn_sources[index] == IsnSource.KEY_FILE:
                keys_of_entry[entry] = connection.keys, connection.ends[0] == entries[entry].local
            else:
                others.append(connection)
        pairs = {frozenset(_sockets(ends)) for ends in map(self._ends, range(len(analyzer.pairs.ends)))}
        # All entries that a key file has for these socket pairs, in its order: each of them counts for verdicts.
        for position, known in enumerate(entries):
            if frozenset((known.local, known.remote)) in pairs:
                yield _told(known, *keys_of_entry.get(position, ((), True)))
        yield from others

    def _ends(self, pair: int) -> tuple[tuple[Address, int], tuple[Address, int]]:
        first, second = self._analyzer.pairs.ends[pair]
        return (ip_address(first.address), first.port), (ip_address(second.address), second.port)

    def _connection(
        self, index: int, numbers: dict[int, LoggedKeys], holds_all: bool, told_before: set[tuple[int, bytes]]
    ) -> LoggedConnection:
        connections = self._analyzer.connections
        a_side = int(connections.a_sides()[index])
        ends = self._ends(int(connections.pairs[index]))
        wanted = dict(self._wanted.get(index, {}))
        for mkt, side in self._used.get(index, {}):
            wanted.update(dict.fromkeys(self._others(index, mkt, side)))
        if holds_all:
            wanted.update(dict.fromkeys(self._all_of(index)))
        keys = []
        for mkt, side, source_isn, destination_isn in wanted:
            if mkt not in numbers:
                continue
            known = LoggedTrafficKey(numbers[mkt].number, side ^ a_side, source_isn, destination_isn, b"")
            context = known.context(ends if a_side == 0 else ends[::-1])
            traffic_key = find_traffic_key(self._analyzer.keyring.mkts[mkt], context)
            # What another connection of the same ISNs tells already is not told twice.
            if traffic_key is not None and (mkt, context) not in told_before:
                told_before.add((mkt, context))
                keys.append(replace(known, key=traffic_key))
        keys.sort(key=lambda one: (one.mkt, one.sender, one.destination_isn is not None))
        isns = [int(connections.isns[index, side]) if connections.has_isn[index, side] else None for side in (0, 1)]
        source = IsnSource(int(connections.isn_sources[index]))
        return LoggedConnection(
            ends=ends if a_side == 0 else ends[::-1],
            isns=(isns[a_side], isns[1 - a_side]),
            snes=(None, None),
            isn_word=source.word,
            keys=tuple(keys),
        )

    def _all_of(self, index: int) -> Iterator[_Wanted]:
        """All four traffic keys of each MKT of the socket pair, as far as the ISNs are known."""
        connections = self._analyzer.connections
        keys = self._analyzer.pairs.keys[int(connections.pairs[index])]
        for (side, key_id), candidates in () if keys is None else keys.lists.items():
            for candidate in candidates if key_id != KEY_ID_OF_MD5 else ():
                if connections.has_isn[index, side]:
                    yield candidate.mkt, side, int(connections.isns[index, side]), None
                yield from self._others(index, candidate.mkt, side)


def _told(known: KnownConnection, keys: tuple[LoggedTrafficKey, ...], is_forward: bool) -> LoggedConnection:
    """A `[[connection]]` with the traffic keys of its segments; not `is_forward`: their senders are its other ends."""
    return LoggedConnection(
        ends=(known.local, known.remote),
        isns=(known.local_isn, known.remote_isn),
        snes=(known.local_sne, known.remote_sne),
        isn_word=RECOVERED if known.is_recovered else TOLD,
        keys=tuple(one if is_forward else replace(one, sender=1 - one.sender) for one in keys),
    )


def _sockets(ends: tuple[tuple[Address, int], tuple[Address, int]]) -> tuple[tuple[Address, int], ...]:
    return ends
