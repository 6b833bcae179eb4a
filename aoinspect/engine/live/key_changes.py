"""Key transitions as they come, and which of those told before turn out otherwise.

What prompted a change may only show later: a segment that was late, a request that a MAC confirms. So the transitions
of a connection are read off its runs again, as the Report does it, whenever it has another run, and compared with what
was told. The last `REMEMBERED` of each connection can still be revised.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from aoinspect.engine.live.events import Passage, State, TransitionEvent
from aoinspect.engine.results import DIRECTIONS, EndResult
from aoinspect.engine.timeline import NO_RUN, Timeline
from aoinspect.engine.transitions import KeyTransition

REMEMBERED = 256


class KeyChanges:
    """What was told of every connection's keys. Connections are rows of the engine's columns here."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._before = array("i")
        """Run -> the run of the same connection that was opened before it, or NO_RUN."""
        self._last: dict[int, int] = {}
        """Connection -> its run that was opened last."""
        self._told: dict[int, tuple[KeyTransition, ...]] = {}

    def with_new_runs(self) -> list[int]:
        """The connections that have another run since this was asked last."""
        first = len(self._before)
        found: dict[int, None] = {}
        for run, connection in enumerate(self._timeline.connections[first:].tolist(), first):
            self._before.append(self._last.get(connection, NO_RUN))
            self._last[connection] = run
            found[connection] = None
        return list(found)

    def runs_of(self, connection: int) -> list[int]:
        """The runs of `connection`, as rows of the timeline, in the order in which they were opened."""
        runs = []
        run = self._last.get(connection, NO_RUN)
        while run != NO_RUN:
            runs.append(run)
            run = self._before[run]
        runs.reverse()
        return runs

    def compare(
        self, connection: int, number: int, ends: tuple[EndResult, EndResult], transitions: Sequence[KeyTransition]
    ) -> list[TransitionEvent]:
        """What is to be told of `transitions`, which are all of the connection's, in capture order.

        `number` is the Report's, `ends` are its a and b.
        """
        told = self._told.get(connection, ())
        forgotten_below = told[0].order if len(told) == REMEMBERED else -1
        before = {(known.capture, known.frame, known.field): known for known in told}
        events = []
        for transition in transitions:
            known = before.pop((transition.capture, transition.frame, transition.field), None)
            is_forgotten = known is None and transition.order < forgotten_below
            if transition != known and not is_forgotten:
                events.append(_event(number, ends, transition, State.NEW if known is None else State.REVISED))
        events += [_event(number, ends, known, State.WITHDRAWN) for known in before.values()]
        if transitions or told:
            self._told[connection] = tuple(transitions[-REMEMBERED:])
        return events


def _event(number: int, ends: tuple[EndResult, EndResult], transition: KeyTransition, state: State) -> TransitionEvent:
    sender = DIRECTIONS.index(transition.direction)
    passage = Passage(
        transition.capture,
        transition.frame,
        transition.time_ns,
        number,
        transition.direction,
        ends[sender],
        ends[1 - sender],
    )
    return TransitionEvent(passage, transition, state)
