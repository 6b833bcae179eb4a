"""Which connection of capture A is which of capture B, where a path may have rewritten whatever names a connection.

A MAC of 8 octets and more is as good as a name: the same MAC in both captures is the same segment. Where the path
strips or alters the signature, payloads, ISNs, addresses and times have to do. Every pair of connections that something
speaks for gets a rank, and the best pairs are taken first; each connection is taken once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aoinspect.capture.frames import I64
from aoinspect.engine.comparison.model import MatchedBy
from aoinspect.engine.comparison.pairing import LONG_MAC, TELLING_PAYLOAD
from aoinspect.engine.comparison.reading import Reading
from aoinspect.engine.connections import U64
from aoinspect.engine.locate import Mask
from aoinspect.engine.results import ConnectionResult, EndResult

RARE = 4
"""A token that more (connection, direction)s of one capture share tells nothing: every BGP KEEPALIVE is the same."""
CLOSE_NS = 2_000_000_000
"""How far apart the beginnings of one connection may be, the clocks' difference taken off."""


class Match(NamedTuple):
    """Connections (their numbers) that are the same one."""

    in_a: int
    in_b: int
    is_crossed: bool
    """The b of `in_b` is the a of `in_a`."""
    matched_by: MatchedBy


@dataclass(frozen=True, slots=True)
class _Case:
    """What speaks for one pair of connections in one orientation."""

    in_a: int
    in_b: int
    is_crossed: bool
    macs: int
    payloads: int
    equal_ends: int
    equal_isns: int
    known_isns: int
    distance_ns: int

    @property
    def matched_by(self) -> MatchedBy | None:
        """What decides; None where it is too little."""
        if self.macs:
            return MatchedBy.MACS
        if self.equal_ends == 2:
            if self.equal_isns == self.known_isns:
                return MatchedBy.ENDS_AND_ISNS if self.known_isns else MatchedBy.ENDS
            # Other ISNs between the same ends are another connection, unless the path rewrites them.
            is_likely = self.payloads or self.equal_isns or self.distance_ns <= CLOSE_NS
            return MatchedBy.ENDS if is_likely else None
        if self.payloads >= 2 or (self.payloads and self.equal_ends):
            return MatchedBy.PAYLOADS
        if self.equal_isns == 2 or (self.equal_isns and self.equal_ends):
            return MatchedBy.ISNS
        return MatchedBy.TIME if self.equal_ends and self.distance_ns <= CLOSE_NS else None

    @property
    def rank(self) -> tuple[int, ...]:
        """The larger the better."""
        return (
            self.macs,
            min(self.equal_isns, 2) + self.equal_ends,
            self.payloads,
            -self.distance_ns,
            -self.in_a,
            -self.in_b,
            not self.is_crossed,
        )


def match_connections(
    a: Reading, b: Reading, connections_a: list[ConnectionResult], connections_b: list[ConnectionResult]
) -> list[Match]:
    """The connections that both captures have, in the order of A's numbers."""
    macs = _votes(_mac_tokens(a), _mac_tokens(b))
    payloads = _votes(_payload_tokens(a), _payload_tokens(b))
    by_id_a = {connection.id: connection for connection in connections_a}
    by_id_b = {connection.id: connection for connection in connections_b}
    pairs = {(in_a, in_b) for in_a, in_b, _ in (*macs, *payloads)}
    pairs |= set(_sharing_an_end(connections_a, connections_b))
    clock_ns = _clock_difference(macs, by_id_a, by_id_b)
    cases = []
    for in_a, in_b in sorted(pairs):
        for is_crossed in (False, True):
            one, other = by_id_a[in_a], by_id_b[in_b]
            ends = (other.b, other.a) if is_crossed else (other.a, other.b)
            isns = [(x.isn, y.isn) for x, y in zip((one.a, one.b), ends, strict=True)]
            known = [(x, y) for x, y in isns if x is not None and y is not None]
            cases.append(
                _Case(
                    in_a=in_a,
                    in_b=in_b,
                    is_crossed=is_crossed,
                    macs=macs[in_a, in_b, is_crossed],
                    payloads=payloads[in_a, in_b, is_crossed],
                    equal_ends=sum(_socket(x) == _socket(y) for x, y in zip((one.a, one.b), ends, strict=True)),
                    equal_isns=sum(x == y for x, y in known),
                    known_isns=len(known),
                    distance_ns=abs(other.first_time_ns - one.first_time_ns - clock_ns),
                )
            )
    return sorted(_best(cases))


def _best(cases: list[_Case]) -> Iterator[Match]:
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    for case in sorted(cases, key=lambda case: case.rank, reverse=True):
        matched_by = case.matched_by
        if matched_by is None or case.in_a in taken_a or case.in_b in taken_b:
            continue
        taken_a.add(case.in_a)
        taken_b.add(case.in_b)
        yield Match(case.in_a, case.in_b, case.is_crossed, matched_by)


def _socket(end: EndResult) -> tuple[str, int]:
    return end.address, end.port


def _sharing_an_end(
    connections_a: Iterable[ConnectionResult], connections_b: Iterable[ConnectionResult]
) -> Iterator[tuple[int, int]]:
    """Pairs of connections with both ends the same; and with one, where few have it."""
    whole: dict[frozenset[tuple[str, int]], list[int]] = defaultdict(list)
    single: dict[tuple[str, int], list[int]] = defaultdict(list)
    for connection in connections_b:
        whole[frozenset((_socket(connection.a), _socket(connection.b)))].append(connection.id)
        for end in (connection.a, connection.b):
            single[_socket(end)].append(connection.id)
    for connection in connections_a:
        ends = frozenset((_socket(connection.a), _socket(connection.b)))
        same = whole.get(ends, [])
        for other in same:
            yield connection.id, other
        if not same:
            for socket in ends:
                candidates = single.get(socket, [])
                if len(candidates) <= _FEW:
                    for other in candidates:
                        yield connection.id, other


_FEW = 64
"""Connections of one server that are compared one by one."""


def _clock_difference(
    macs: Counter[tuple[int, int, bool]],
    by_id_a: dict[int, ConnectionResult],
    by_id_b: dict[int, ConnectionResult],
) -> int:
    """B's clock minus A's, by connections that MACs have shown to be the same; 0 where there is none."""
    differences = [by_id_b[in_b].first_time_ns - by_id_a[in_a].first_time_ns for in_a, in_b, _ in macs]
    return int(np.median(differences)) if differences else 0


# Tokens.


class _Tokens(NamedTuple):
    """What segments carry unchanged, and where it was seen: each once, in the order of tokens."""

    tokens: U64
    places: I64
    """Connection number * 2 + direction."""


def _votes(a: _Tokens, b: _Tokens) -> Counter[tuple[int, int, bool]]:
    """(connection of A, connection of B, crossed) -> rare tokens that they share."""
    starts = np.searchsorted(b.tokens, a.tokens, side="left")
    counts = np.searchsorted(b.tokens, a.tokens, side="right") - starts
    at_a = np.repeat(np.arange(len(a.tokens)), counts)
    # Within the repetitions of one token of A, the tokens of B that equal it, one after the other.
    at_b = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(len(at_a))
    places_a, places_b = a.places[at_a], b.places[at_b]
    pairs = np.stack([places_a >> 1, places_b >> 1, (places_a ^ places_b) & 1], axis=1)
    distinct, shared = np.unique(pairs, axis=0, return_counts=True)
    votes: Counter[tuple[int, int, bool]] = Counter()
    for (in_a, in_b, is_crossed), count in zip(distinct.tolist(), shared.tolist(), strict=True):
        votes[in_a, in_b, bool(is_crossed)] = count
    return votes


def _mac_tokens(reading: Reading) -> _Tokens:
    """MACs; short ones together with what they are on."""
    segments = reading.segments
    is_short = segments.mac_lengths < LONG_MAC
    company = (segments.payloads ^ (segments.flags.astype(np.uint64) & _KIND_FLAGS)) * _MIXER
    return _tokens(reading, np.where(is_short, segments.macs ^ company, segments.macs), segments.mac_lengths > 0)


def _payload_tokens(reading: Reading) -> _Tokens:
    return _tokens(reading, reading.segments.payloads, reading.segments.payload_lengths >= TELLING_PAYLOAD)


_KIND_FLAGS = np.uint64(0x17)
_MIXER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that multiplying by it modulo 2^64 loses nothing."""


def _tokens(reading: Reading, values: U64, is_telling: Mask) -> _Tokens:
    """The rare ones of `values` where they tell something."""
    rows = reading.rows
    places = rows.connection[is_telling].astype(np.int64) * 2 + rows.direction[is_telling]
    tokens = values[is_telling]
    order = np.lexsort((places, tokens))
    tokens, places = tokens[order], places[order]
    is_new = np.ones(len(tokens), dtype=np.bool_)
    is_new[1:] = (tokens[1:] != tokens[:-1]) | (places[1:] != places[:-1])
    tokens, places = tokens[is_new], places[is_new]
    _, inverse, counts = np.unique(tokens, return_inverse=True, return_counts=True)
    is_rare = counts[inverse] <= RARE
    return _Tokens(tokens[is_rare], places[is_rare])
