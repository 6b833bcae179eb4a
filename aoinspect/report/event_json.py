"""Events as objects of JSON Lines, and the summary that ends them. docs/report.md describes the members."""

from __future__ import annotations

from collections import Counter

from aoinspect.engine.live import (
    ConnectionEvent,
    Event,
    FindingEvent,
    Passage,
    RollOverEvent,
    TransitionEvent,
    VerdictEvent,
)
from aoinspect.engine.verdicts import VERDICT_MEMBERS, Method, Reason
from aoinspect.report.json_form import (
    JsonObject,
    capture_object,
    end_object,
    finding_object,
    totals_object,
    transition_object,
)
from aoinspect.report.model import SCHEMA, Report, iso_time


def event_object(event: Event, *, names_captures: bool = False) -> JsonObject:
    """One event; its capture is named if asked for, and where it is not the first."""
    match event:
        case ConnectionEvent():
            return {
                "type": "connection",
                "state": event.state.value,
                **_frame(event.capture, event.frame, names_captures),
                "time": iso_time(event.time_ns),
                "connection": event.connection,
                "a": end_object(event.a),
                "b": end_object(event.b),
                "opened_by": event.opened_by,
                "covered": event.is_covered,
            }
        case VerdictEvent():
            return _verdict(event, names_captures)
        case TransitionEvent():
            return {
                "type": "transition",
                "state": event.state.value,
                **_passage(event.passage, names_captures),
                **transition_object(event.transition, names_captures or event.passage.capture > 0),
            }
        case RollOverEvent():
            return {"type": "sne", **_passage(event.passage, names_captures), "sne": event.sne}
        case FindingEvent():
            a, b = event.ends or (None, None)
            return {
                "type": "finding",
                "state": event.state.value,
                "time": iso_time(event.time_ns),
                "a": None if a is None else end_object(a),
                "b": None if b is None else end_object(b),
                **finding_object(event.finding, names_captures or bool(event.finding.capture)),
            }


def _frame(capture: int, frame: int, names_captures: bool) -> JsonObject:
    return {"frame": frame, **({"capture": capture} if names_captures or capture else {})}


def _passage(passage: Passage, names_captures: bool) -> JsonObject:
    return {
        **_frame(passage.capture, passage.frame, names_captures),
        "time": iso_time(passage.time_ns),
        "connection": passage.connection,
        "direction": passage.direction,
        "src": str(passage.source),
        "dst": str(passage.destination),
    }


def _verdict(event: VerdictEvent, names_captures: bool) -> JsonObject:
    is_ao = event.method is Method.AO
    return {
        "type": "verdict",
        **_passage(event.passage, names_captures),
        "previous": None if event.previous is None else event.previous.word,
        "verdict": event.verdict.word,
        "reason": None if event.reason is Reason.NONE else event.reason.word,
        **({"ends_disagree": True} if event.is_refused else {}),
        "method": event.method.word,
        "key_id": event.key_id if is_ao else None,
        # An option of 2 or 3 octets ends before it.
        "rnext_key_id": event.rnext_key_id if is_ao and event.reason is not Reason.AO_LENGTH else None,
        "mkt": event.mkt,
        "counts": dict(zip(VERDICT_MEMBERS, event.counts, strict=True)),
        "untold": event.untold,
    }


def summary_object(report: Report, *, untold_findings: int = 0) -> JsonObject:
    """The last object: counts, and what the run's exit status is. What happened was told before."""
    standings = Counter(report.standing(connection) for connection in report.connections)
    return {
        "type": "summary",
        "schema": SCHEMA,
        "keys": list(report.key_files),
        "interrupted": report.is_interrupted,
        "captures": [capture_object(capture) for capture in report.captures],
        "totals": totals_object(report.totals),
        "connections": len(report.connections),
        "failing": standings[False],
        "findings": dict(sorted(Counter(finding.ident for finding in report.findings).items())),
        "untold_findings": untold_findings,
        "exit_status": int(report.exit_code),
    }
