"""A connection's failing segments as a case: what the analysis and the key files know of them, gathered once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aoinspect.engine.explain.case import Case, Subject, selected_keys
from aoinspect.engine.explain.company import Company
from aoinspect.engine.failures import FailingSegment
from aoinspect.engine.keyring import Candidate, Endpoint, Keyring, PairKeys
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.second_opinion import read_header
from aoinspect.engine.verdicts import IsnSource, Method


def case_of(
    analyzer: Analyzer,
    company: Company,
    connection: int,
    segments: Sequence[FailingSegment],
    keyring: Keyring,
    keys: PairKeys | None,
) -> Case:
    """The case of `segments` of a connection (its index in the engine) under the keys of `keyring`.

    `company` is the run's. `keys` are those of its socket pair there; None where no key covers it.
    """
    sources = analyzer.connections.isn_sources
    return Case(
        subjects=tuple(_subject(analyzer, connection, segment, keyring, keys) for segment in segments),
        mkts=keyring.mkts,
        pair_keys=keys,
        other_isns=_other_isns(analyzer, company, connection),
        named_addresses=company.named_addresses,
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


def _other_isns(analyzer: Analyzer, company: Company, connection: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """By side, the ISNs of the socket pair's other connections and of [[connection]] entries."""
    connections = analyzer.connections
    ends = analyzer.pairs.ends[int(connections.pairs[connection])]
    found: tuple[dict[int, None], dict[int, None]] = ({}, {})
    siblings = np.array(company.siblings(connection), dtype=np.int64)
    for side in (0, 1):
        isns = connections.isns[siblings, side][connections.has_isn[siblings, side]]
        found[side].update(dict.fromkeys(isns.tolist()))
    for known in company.told(ends):
        side = ends.index(Endpoint(known.local[0].packed, known.local[1]))
        found[side][known.local_isn] = None
        found[1 - side][known.remote_isn] = None
    return tuple(found[0]), tuple(found[1])
