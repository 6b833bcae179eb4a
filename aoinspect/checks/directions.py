"""Verdicts by direction, counted from rows as they come.

The engine's tallies count a connection's segments; a test report has one case for each direction.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import DIRECTIONS, FailureSample
from aoinspect.engine.table import Rows
from aoinspect.engine.tallies import Sample
from aoinspect.engine.verdicts import Method, Reason, Verdict
from aoinspect.report.model import Report
from aoinspect.report.policy import DirectionOutcome, Directions

_Way = tuple[int, int]
"""Index of a connection, and the side of its socket pair that sends."""


class DirectionTally:
    """Counts rows of one analyser; rows of another start it anew."""

    def __init__(self) -> None:
        self._analyzer: Analyzer | None = None
        self._verdicts: dict[_Way, dict[Verdict, int]] = {}
        self._samples: dict[_Way, dict[Verdict, Sample]] = {}
        self._refused: dict[_Way, int] = {}
        self._first_refused: dict[_Way, tuple[int, int]] = {}

    def add(self, analyzer: Analyzer, rows: Rows) -> None:
        """Counts one batch's rows."""
        if analyzer is not self._analyzer:
            self._analyzer = analyzer
            self._verdicts, self._samples = defaultdict(lambda: defaultdict(int)), defaultdict(dict)
            self._refused, self._first_refused = defaultdict(int), {}
        if not len(rows.frame):
            return
        connections = rows.connection.astype(np.int64)
        # Which side is a may become known later: what is kept is the side.
        sides = rows.direction.astype(np.int64) ^ analyzer.connections.a_sides()[connections]
        codes = (connections * 2 + sides) * len(Verdict) + rows.verdict
        distinct, firsts, counts = np.unique(codes, return_index=True, return_counts=True)
        for code, first, count in zip(distinct.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            way, verdict = divmod(code, len(Verdict))
            key = divmod(way, 2)
            self._verdicts[key][Verdict(verdict)] += count
            if verdict != Verdict.VERIFIED:
                self._samples[key].setdefault(Verdict(verdict), _sample(rows, first, key[1]))
        for row in np.flatnonzero(rows.is_refused).tolist():
            key = (int(connections[row]), int(sides[row]))
            self._refused[key] += 1
            self._first_refused.setdefault(key, (int(rows.capture[row]), int(rows.frame[row])))

    def directions(self, report: Report) -> Directions:
        """The outcome of every direction of `report`'s connections that has segments."""
        if self._analyzer is None:
            return {}
        a_sides = self._analyzer.connections.a_sides()
        found = {}
        for connection in report.connections:
            known = {(sample.direction, sample.segment.verdict): sample for sample in connection.samples}
            for side in (0, 1):
                key = (connection.index, side)
                if key not in self._verdicts:
                    continue
                direction = DIRECTIONS[side ^ int(a_sides[connection.index])]
                samples = [
                    FailureSample(sample, direction)
                    if (direction, verdict) not in known
                    else replace(known[direction, verdict], segment=sample)
                    for verdict, sample in sorted(self._samples[key].items())
                ]
                found[connection.id, direction] = DirectionOutcome(
                    {verdict.word: count for verdict, count in sorted(self._verdicts[key].items())},
                    self._refused[key],
                    tuple(samples),
                    self._first_refused.get(key),
                )
        return found


def _sample(rows: Rows, row: int, side: int) -> Sample:
    return Sample(
        capture=int(rows.capture[row]),
        frame=int(rows.frame[row]),
        side=side,
        method=Method(int(rows.method[row])),
        key_id=int(rows.key_id[row]),
        rnext_key_id=int(rows.rnext_key_id[row]),
        mac_length=int(rows.mac_length[row]),
        flags=int(rows.flags[row]),
        verdict=Verdict(int(rows.verdict[row])),
        reason=Reason(int(rows.reason[row])),
    )
