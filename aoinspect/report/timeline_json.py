"""The timeline as JSON (`aoinspect.timeline/1`): lanes, spans and marks with frames, times, and positions.

Scripts read this: members are added, and never change or go. docs/timeline.md describes them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from aoinspect.engine.marks import Mark
from aoinspect.engine.results import EndResult, KeyRun
from aoinspect.keys.lifetimes import ALWAYS
from aoinspect.report.lanes import Lane, LaneWhat, Picture, PlacedMark, PlacedTransition, Span
from aoinspect.report.model import Report, iso_time
from aoinspect.report.planned import PlannedRow, planned_rows

SCHEMA = "aoinspect.timeline/1"

JsonObject = dict[str, object]


def timeline_json(pictures: Sequence[Picture], report: Report) -> str:
    """The timelines as indented JSON text."""
    return json.dumps(timeline_object(pictures, report), indent=1, ensure_ascii=False)


def timeline_object(pictures: Sequence[Picture], report: Report) -> JsonObject:
    """The timelines as plain dictionaries and lists, ready for `json.dumps`."""
    several = len(report.captures) > 1
    return {
        "schema": SCHEMA,
        "captures": [{"path": capture.path, "frames": capture.frames} for capture in report.captures],
        "connections_total": len(report.connections),
        "connections": [_connection(picture, several) for picture in pictures],
    }


def _connection(picture: Picture, several: bool) -> JsonObject:
    connection, axis = picture.connection, picture.axis
    return {
        "id": connection.id,
        "a": _end(connection.a),
        "b": _end(connection.b),
        "opened_by": connection.opened_by,
        **_extent(connection.first_capture, connection.first_frame, connection.first_time_ns, "first", several),
        **_extent(connection.last_capture, connection.last_frame, connection.last_time_ns, "last", several),
        "verdicts": connection.verdicts,
        "axis": {
            "unit": axis.unit.value,
            "first": axis.whole.first,
            "last": axis.whole.last,
            "origin_ns": axis.origin_ns,
        },
        "lanes": [_lane(lane, several) for lane in picture.lanes],
        "transitions": [_transition(placed, several) for placed in picture.transitions],
        "planned": [_planned(row, several) for row in planned_rows(connection)],
    }


def _end(end: EndResult) -> JsonObject:
    return {"address": end.address, "port": end.port, "isn": end.isn}


def _extent(capture: int, frame: int, time_ns: int, which: str, several: bool) -> JsonObject:
    return {
        f"{which}_frame": frame,
        **({f"{which}_capture": capture} if several else {}),
        f"{which}_time": iso_time(time_ns),
    }


def _both(first: KeyRun | Mark, last: KeyRun | Mark, several: bool) -> JsonObject:
    return {
        **_extent(first.first_capture, first.first_frame, first.first_time_ns, "first", several),
        **_extent(last.last_capture, last.last_frame, last.last_time_ns, "last", several),
    }


def _lane(lane: Lane, several: bool) -> JsonObject:
    if lane.what in (LaneWhat.EVENTS, LaneWhat.FAILURES):
        return {
            "direction": lane.direction,
            "what": lane.what.value,
            "kind": None if lane.kind is None else lane.kind.word,
            "marks": [_mark(placed, several) for placed in lane.marks],
        }
    return {
        "direction": lane.direction,
        "what": lane.what.value,
        "method": lane.spans[0].runs[0].method.word,
        "key_id": lane.key_id,
        "mkts": list(lane.mkts),
        "spans": [_span(span, several) for span in lane.spans],
    }


def _span(span: Span, several: bool) -> JsonObject:
    return {
        **_both(span.runs[0], span.runs[-1], several),
        "start": span.start,
        "end": span.end,
        "segments": span.segments,
        "verdicts": span.verdicts,
    }


def _mark(placed: PlacedMark, several: bool) -> JsonObject:
    mark = placed.mark
    return {
        "kind": mark.kind.word,
        **_both(mark, mark, several),
        "start": placed.start,
        "end": placed.end,
        "segments": mark.segments,
        "stretches": mark.stretches,
    }


def _transition(placed: PlacedTransition, several: bool) -> JsonObject:
    transition = placed.transition
    return {
        "frame": transition.frame,
        **({"capture": transition.capture} if several else {}),
        "time": iso_time(transition.time_ns),
        "position": placed.position,
        "direction": transition.direction,
        "field": transition.field,
        "old": transition.old,
        "new": transition.new,
        "trigger": transition.trigger,
        "latency_ns": transition.latency_ns,
        "requested_at": placed.requested_at,
    }


def _planned(row: PlannedRow, several: bool) -> JsonObject:
    key = row.key
    return {
        "direction": row.direction,
        "what": row.what,
        "mkt": key.name,
        "key_id": key.key_id,
        "lifetimes": [{"from": _bound(from_ns), "until": _bound(until_ns)} for from_ns, until_ns in key.spans],
        "path": key.origin.path,
        "line": key.origin.line,
        "standing": row.standing.value,
        "by_ns": row.by_ns,
        "used": _both(row.runs[0], row.runs[-1], several) if row.runs else None,
    }


def _bound(time_ns: int) -> str | None:
    return None if time_ns in ALWAYS else iso_time(time_ns)
