"""What happens on a capture while it is read: events, for whoever watches and cannot wait for the Report.

Everything told at the end is told before it as events, and what turns out otherwise is revised or withdrawn: the events
that stand when the reading ends are the Report's transitions and findings.
"""

from aoinspect.engine.live.events import (
    ConnectionEvent,
    Event,
    FindingEvent,
    Passage,
    RollOverEvent,
    State,
    TransitionEvent,
    VerdictEvent,
)
from aoinspect.engine.live.watch import Watch

__all__ = [
    "ConnectionEvent",
    "Event",
    "FindingEvent",
    "Passage",
    "RollOverEvent",
    "State",
    "TransitionEvent",
    "VerdictEvent",
    "Watch",
]
