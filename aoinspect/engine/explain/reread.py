"""One segment that a person names, as `failures` would have kept it."""

from __future__ import annotations

import numpy as np

from aoinspect.engine.failures import FailingSegment, Occasion
from aoinspect.engine.keyring import Endpoint
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.single_frame import SegmentPlace
from aoinspect.engine.verdicts import Method, Reason, Verdict


def failing_segment(analyzer: Analyzer, row: int, place: SegmentPlace, time_ns: int) -> FailingSegment | None:
    """The segment of the table's row `row`, which lies at `place`; None where it does not fail.

    The analyser must have been made with `keep_table`.
    """
    assert analyzer.table is not None
    rows = analyzer.table.rows
    verdict = Verdict(int(rows.verdict[row]))
    is_failing = verdict in (Verdict.MISMATCH, Verdict.NO_KEY) and rows.method[row] != Method.NONE
    if not is_failing and not rows.is_refused[row]:
        return None
    index = int(np.flatnonzero(analyzer.tallies.column("number") == int(rows.connection[row]))[0])
    ends = analyzer.pairs.ends[int(analyzer.connections.pairs[index])]
    width = place.address_length
    fixed_end = place.source_start + width * 2
    return FailingSegment(
        capture=int(rows.capture[row]),
        frame=int(rows.frame[row]),
        time_ns=time_ns,
        side=ends.index(Endpoint(place.source, place.source_port)),
        source=place.source,
        destination=place.destination,
        ip_destination=place.octets[place.source_start + width : fixed_end],
        extension_length=max(place.start - fixed_end, 0),
        octets=place.segment,
        declared_length=place.declared_length,
        is_partial=place.is_partial,
        sne=int(rows.sne[row]) if rows.has_sne[row] else None,
        verdict=verdict,
        reason=Reason(int(rows.reason[row])),
        occasion=Occasion.FAILED if is_failing else Occasion.REFUSED,
    )
