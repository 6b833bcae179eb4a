"""A comparison of two captures as JSON (`aoinspect.comparison/1`).

Scripts read this: members are added, and never change or go. docs/compare.md describes them. Whatever there is of each
capture is a list of two: that of A, then that of B.
"""

from __future__ import annotations

import json

from aoinspect.engine.comparison.model import (
    CaptureOf,
    Comparison,
    ConnectionComparison,
    ConnectionOf,
    DirectionComparison,
    FieldChange,
    UnpairedSegment,
    VerdictPair,
)
from aoinspect.engine.results import EndResult
from aoinspect.engine.verdicts import Reason
from aoinspect.report.json_form import JsonObject, flag_letters

SCHEMA = "aoinspect.comparison/1"


def comparison_json(comparison: Comparison) -> str:
    """The comparison as indented JSON text."""
    return json.dumps(comparison_object(comparison), indent=1, ensure_ascii=False)


def comparison_object(comparison: Comparison) -> JsonObject:
    """The comparison as plain dictionaries and lists, ready for `json.dumps`."""
    return {
        "schema": SCHEMA,
        "captures": [_capture(comparison.a), _capture(comparison.b)],
        "connections": [_compared(connection) for connection in comparison.connections],
        "only": [[_connection(connection) for connection in only] for only in (comparison.only_a, comparison.only_b)],
    }


def _capture(capture: CaptureOf) -> JsonObject:
    return {
        "path": capture.path,
        "frames": capture.frames,
        "segments": capture.segments,
        "unread": capture.unread,
    }


def _compared(connection: ConnectionComparison) -> JsonObject:
    conclusion = connection.conclusion
    return {
        "in": [_connection(connection.in_a), _connection(connection.in_b)],
        "matched_by": connection.matched_by.value,
        "options_covered": connection.options_covered,
        "conclusion": {
            "outcome": conclusion.outcome.value,
            "summary": conclusion.summary,
            "details": list(conclusion.details),
            "remedies": list(conclusion.remedies),
        },
        "directions": [_direction(direction) for direction in connection.directions],
    }


def _connection(connection: ConnectionOf) -> JsonObject:
    return {
        "id": connection.id,
        "a": _end(connection.a),
        "b": _end(connection.b),
        "segments": connection.segments,
    }


def _end(end: EndResult) -> JsonObject:
    return {"address": end.address, "port": end.port, "isn": end.isn}


def _direction(direction: DirectionComparison) -> JsonObject:
    return {
        "direction": direction.direction,
        "senders": [_end(direction.sender_a), _end(direction.sender_b)],
        "flow": direction.flow.value,
        "pairs": direction.pairs,
        "only": [direction.only_a, direction.only_b],
        "fates": [
            {"fate": fate.value, "capture": _capture_index(capture), "segments": segments}
            for fate, capture, segments in direction.fates
        ],
        "unpaired": [_unpaired(segment) for segment in direction.unpaired],
        "clock_difference_ns": direction.clock_difference_ns,
        "verdicts": [_verdicts(pair) for pair in direction.verdicts],
        "changes": [_change(change) for change in direction.changes],
    }


def _capture_index(name: str) -> int:
    return 0 if name == "A" else 1


def _unpaired(segment: UnpairedSegment) -> JsonObject:
    return {
        "capture": _capture_index(segment.capture),
        "frame": segment.frame,
        "fate": segment.fate.value,
        "flags": flag_letters(segment.flags),
        "seq": segment.seq,
        "payload_length": segment.payload_length,
        "verdict": segment.verdict.word,
    }


def _verdicts(pair: VerdictPair) -> JsonObject:
    return {
        "verdicts": [pair.verdict_a.word, pair.verdict_b.word],
        "reasons": [None if reason is Reason.NONE else reason.word for reason in (pair.reason_a, pair.reason_b)],
        "segments": pair.segments,
        "first_frames": list(pair.first_frames),
    }


def _change(change: FieldChange) -> JsonObject:
    return {
        "field": change.field.value,
        "how": change.how.value,
        "option": change.option,
        "segments": change.segments,
        "offset": change.offset,
        "values": [{"values": [value.value_a, value.value_b], "segments": value.segments} for value in change.values],
        "different_values": change.different_values,
        "first_frames": list(change.first_frames),
        "covered": change.is_covered,
        "verified": {
            "both": change.verified_in_both,
            "only": [change.verified_in_a, change.verified_in_b],
        },
    }
