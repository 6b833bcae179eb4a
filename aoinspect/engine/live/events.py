"""The kinds of events. Each is one line of output, and exists only until that is printed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from aoinspect.engine.findings.model import Finding
from aoinspect.engine.results import EndResult
from aoinspect.engine.transitions import KeyTransition
from aoinspect.engine.verdicts import Method, Reason, Verdict


class State(Enum):
    """How an event stands to what was told before."""

    NEW = "new"
    REVISED = "revised"
    """It takes the place of the one that was told of the same frame (and field)."""
    WITHDRAWN = "withdrawn"
    """What was told does not hold any more."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A segment: where it was captured, and which way it went."""

    capture: int
    frame: int
    time_ns: int
    connection: int
    """The Report's number."""
    direction: str
    source: EndResult
    destination: EndResult


@dataclass(frozen=True, slots=True)
class ConnectionEvent:
    """The first segment of a protected connection; or, REVISED, it turns out who opened it."""

    capture: int
    frame: int
    time_ns: int
    connection: int
    a: EndResult
    b: EndResult
    opened_by: str | None
    """As the Report has it, and known by then."""
    is_covered: bool
    """A peer entry covers the socket pair."""
    state: State


@dataclass(frozen=True, slots=True)
class VerdictEvent:
    """A direction's segments begin to have another verdict."""

    passage: Passage
    """The first segment with it."""
    previous: Verdict | None
    """What was told of the direction last; None where this is its first segment."""
    verdict: Verdict
    reason: Reason
    is_refused: bool
    """Verified, and the receiving end's own keys drop it."""
    method: Method
    key_id: int
    rnext_key_id: int
    mkt: str | None
    counts: tuple[int, ...]
    """Segments of the direction, by verdict, since it was told of last, until this is told."""
    untold: int
    """Changes among those that were not told, since there were too many of them."""


@dataclass(frozen=True, slots=True)
class TransitionEvent:
    """A change of KeyID or RNextKeyID."""

    passage: Passage
    transition: KeyTransition
    state: State


@dataclass(frozen=True, slots=True)
class RollOverEvent:
    """The first segment of a direction under a higher sequence number extension (RFC 5925 6.2)."""

    passage: Passage
    sne: int


@dataclass(frozen=True, slots=True)
class FindingEvent:
    """A finding holds; or, WITHDRAWN, it does not any more."""

    finding: Finding
    time_ns: int
    """Where the capture was when that was seen."""
    ends: tuple[EndResult, EndResult] | None
    """a and b of its connection; None where it is about the whole run."""
    state: State


Event = ConnectionEvent | VerdictEvent | TransitionEvent | RollOverEvent | FindingEvent


def time_order(event: Event) -> tuple[int, int, int, int]:
    """The same where a batch is of several captures, whose frames lie between each other."""
    place = event.passage if isinstance(event, VerdictEvent | TransitionEvent | RollOverEvent) else event
    return (1 << 62 if isinstance(event, FindingEvent) else place.time_ns), *event_order(event)


def event_order(event: Event) -> tuple[int, int, int]:
    """Sorts the events of a batch as they happened; findings follow what they rest on."""
    if isinstance(event, FindingEvent):
        return 1 << 62, 0, 0
    place = event if isinstance(event, ConnectionEvent) else event.passage
    kinds = (ConnectionEvent, VerdictEvent, TransitionEvent, RollOverEvent)
    return place.capture, place.frame, kinds.index(type(event))
