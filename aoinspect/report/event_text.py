"""Events as lines of text: when, which connection, which frame, who sent it, and what happened.

A line says no more than a person wants who reads it a day later in a log, and stands on its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text

from aoinspect.engine.findings import Severity
from aoinspect.engine.live import (
    ConnectionEvent,
    Event,
    FindingEvent,
    Passage,
    RollOverEvent,
    State,
    TransitionEvent,
    VerdictEvent,
)
from aoinspect.engine.results import EndResult
from aoinspect.engine.transitions import FIRST, PEER_RNEXT, REORDERING, KeyTransition
from aoinspect.engine.verdicts import Method, Reason, Verdict
from aoinspect.report.axis import duration_text
from aoinspect.report.layout import printable
from aoinspect.report.timeline_text import glyphs_for

_SEVERITY_MARKS = {Severity.ERROR: "x", Severity.WARNING: "!", Severity.NOTE: "i"}
_SEVERITY_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_NEUTRAL = "-"


class EventLines:
    """Makes a line of each event; remembers only the last, so as not to say the same twice."""

    def __init__(self, encoding: str, *, has_keys: bool) -> None:
        """`encoding` is the output's; without keys a signature is no more than that."""
        self._glyphs = glyphs_for(encoding)
        self._is_unicode = self._glyphs is not glyphs_for("ascii")
        self._has_keys = has_keys
        self._last: Passage | None = None
        """Of the last change of verdict, which names the segment's ids."""

    def line(self, event: Event) -> Text | None:
        """The event's line; None where the line before has told it."""
        match event:
            case ConnectionEvent():
                place = _place(event.connection, event.capture, event.frame, (event.a, event.b))
                return self._line(event.time_ns, _NEUTRAL, "", place, self._connection(event))
            case VerdictEvent():
                self._last = event.passage
                mark, style = self._verdict_mark(event)
                return self._passage(event.passage, mark, style, self._verdict(event))
            case TransitionEvent():
                if event.transition.trigger == FIRST and event.state is State.NEW and event.passage == self._last:
                    return None
                before = "" if event.state is State.NEW else f"{event.state.value}: "
                style = "yellow" if event.transition.trigger == "unprompted" else ""
                return self._passage(event.passage, _NEUTRAL, style, before + self._transition(event.transition))
            case RollOverEvent():
                return self._passage(event.passage, _NEUTRAL, "", f"SNE rolls over to {event.sne}")
            case FindingEvent():
                return self._finding(event)

    def _line(self, time_ns: int, mark: str, style: str, place: str, what: str) -> Text:
        time = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
        stamp = f"{time:%Y-%m-%dT%H:%M:%S}.{time_ns % 1_000_000_000 // 1_000:06d}Z"
        return Text.assemble((stamp, "dim"), " ", (mark, style), f" {place}", (what, style))

    def _passage(self, passage: Passage, mark: str, style: str, what: str) -> Text:
        ends = (passage.source, passage.destination)
        place = _place(passage.connection, passage.capture, passage.frame, ends)
        return self._line(passage.time_ns, mark, style, place, what)

    def _connection(self, event: ConnectionEvent) -> str:
        if event.state is State.REVISED:
            return "both ends opened it" if event.opened_by == "both" else f"{event.a} opened it"
        facts = ["new connection"]
        if event.opened_by is None:
            facts.append("its handshake was not seen")
        if self._has_keys and not event.is_covered:
            facts.append("no [[peer]] covers it")
        return ", ".join(facts)

    def _verdict_mark(self, event: VerdictEvent) -> tuple[str, str]:
        if event.verdict is Verdict.VERIFIED and not event.is_refused:
            return ("✓" if self._is_unicode else "+"), "green"
        if event.verdict is Verdict.UNVERIFIABLE or (event.verdict is Verdict.NO_KEY and not self._has_keys):
            return self._glyphs.unproved, "yellow" if self._has_keys else ""
        return self._glyphs.failed, "bold red"

    def _verdict(self, event: VerdictEvent) -> str:
        what = self._word(event.verdict)
        if event.is_refused:
            what += ", and dropped by the receiving end's own keys (ends-disagree)"
        if event.reason is not Reason.NONE:
            what += f" ({event.reason.word})"
        counts = [f"{count} {self._word(Verdict(verdict))}" for verdict, count in enumerate(event.counts) if count]
        if counts:
            what += f" after {', '.join(counts)}"
        if event.untold:
            what += f" ({event.untold} changes between them)"
        if event.method is Method.MD5:
            what += ", TCP-MD5" + ("" if event.mkt is None else f" (key {printable(event.mkt)})")
        elif event.method is Method.AO:
            what += f", KeyID {event.key_id}" + ("" if event.mkt is None else f" (key {printable(event.mkt)})")
            if event.reason is not Reason.AO_LENGTH:
                what += f", RNextKeyID {event.rnext_key_id}"
        return what

    def _word(self, verdict: Verdict) -> str:
        return "signed" if verdict is Verdict.NO_KEY and not self._has_keys else verdict.word

    def _transition(self, transition: KeyTransition) -> str:
        name = "KeyID" if transition.field == "key_id" else "RNextKeyID"
        if transition.old is None:
            return f"{name} {transition.new} is the first"
        what = f"{name} {transition.old} {self._glyphs.arrow} {transition.new}"
        if transition.trigger == PEER_RNEXT:
            what += ", as the other end asks"
            if transition.latency_ns is not None:
                latency = duration_text(transition.latency_ns)
                what += f" ({latency if self._is_unicode else latency.replace('µ', 'u')} later)"
        elif transition.trigger == REORDERING:
            what += ", late segments from before a change"
        elif transition.trigger is not None:
            what += ", without being asked"
        return what

    def _finding(self, event: FindingEvent) -> Text:
        finding = event.finding
        mark = _SEVERITY_MARKS[finding.severity]
        mark = self._glyphs.failed if finding.severity is Severity.ERROR else mark
        what = f"{finding.severity.value} {finding.ident}: {finding.message}"
        style = _SEVERITY_STYLES[finding.severity]
        if event.state is State.WITHDRAWN:
            mark, what, style = _NEUTRAL, f"withdrawn: {what}", ""
        if finding.evidence:
            what += f" ({finding.evidence})"
        place = _place(finding.connection, finding.capture or 0, finding.frame, event.ends)
        return self._line(event.time_ns, mark, style, place, printable(what))


def _place(connection: int | None, capture: int, frame: int | None, ends: tuple[EndResult, EndResult] | None) -> str:
    """ "#0 frame 12 10.0.0.1:40000 > 10.0.0.2:179: "; "frame 2:12" is in the second capture."""
    words = [] if connection is None else [f"#{connection}"]
    if frame is not None:
        words.append(f"frame {capture + 1}:{frame}" if capture else f"frame {frame}")
    if ends is not None:
        words.append(f"{ends[0]} > {ends[1]}")
    return " ".join(words) + ": " if words else ""
