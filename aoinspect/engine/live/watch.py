"""When what is looked for: verdicts and keys with every batch, findings as often as the reading can afford.

A connection with something new on it is queued, and looked at whole: its transitions and findings as the Report would
have them now. While frames keep coming that takes a fifth of the time; when nothing comes, it is done at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from aoinspect.engine.connections import I8
from aoinspect.engine.findings import Finding, Policy, Scene, find_on_connection, find_on_run
from aoinspect.engine.live.events import Event, event_order, time_order
from aoinspect.engine.live.key_changes import KeyChanges
from aoinspect.engine.live.standing import RUN, StandingFindings
from aoinspect.engine.live.verdict_changes import VerdictChanges
from aoinspect.engine.ordering import distinct
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import ConnectionResult, connection_result, end_result, runs_in_order, transitions_of
from aoinspect.engine.table import Rows
from aoinspect.engine.verdicts import Verdict

SLICE_SECONDS = 0.05
"""For so long connections are looked at before frames are read again."""
_REST = 4.0
"""Times as long frames are read before connections are looked at again."""
_CHEAP_SECONDS = 0.001
"""A connection whose keys took longer to look at (it has changed them some hundred times) is looked at less often."""
_COSTLY_REST = 20.0
_OVERDUE_SECONDS = 1.0


class Watch:
    """The events of a run. Feed the analyzer, hand the rows of each batch to `take`, and tell what comes back."""

    def __init__(
        self, analyzer: Analyzer, policy: Policy = Policy.RFC, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`analyzer` makes rows; `clock` gives seconds."""
        self._analyzer = analyzer
        self._policy = policy
        self._clock = clock
        self._verdicts = VerdictChanges(analyzer)
        self._keys = KeyChanges(analyzer.timeline)
        self._findings = StandingFindings()
        self._urgent: dict[int, None] = {}
        """Connections to look at, in the order in which something new came on them."""
        self._others: dict[int, None] = {}
        """The same for those that only go on as they did."""
        self._run_facts: object = None
        self._arrived = clock()
        self._findings_due = 0.0
        self._keys_due: dict[int, float] = {}
        """Connection whose keys are costly to look at -> when that may be done again."""

    @property
    def untold_findings(self) -> int:
        """Findings of the Report that were not told, since one connection has too many; known when it is finished."""
        return self._findings.untold

    def take(self, rows: Rows) -> list[Event]:
        """The events that the batch with these rows brings, in capture order; call it for empty ones too."""
        self._arrived = self._clock()
        events = self._verdicts.take(rows)
        a_sides = self._analyzer.connections.a_sides()
        for connection in self._keys.with_new_runs():
            events += self._key_changes(connection, a_sides)
            self._urgent[connection] = None
        indices = self._analyzer.tallies.indices
        odd = rows.connection[rows.verdict != Verdict.VERIFIED]
        for queue, numbers in ((self._urgent, odd), (self._others, rows.connection)):
            if len(numbers):
                queue.update(dict.fromkeys(indices[number] for number in distinct(numbers).tolist()))
        if self._verdicts.has_overdue:
            events += self._verdicts.overdue(self._now_ns())
        if self._arrived >= self._findings_due:
            events += self._look()
        has_several = len(rows.frame) > 0 and rows.capture.min() != rows.capture.max()
        return sorted(events, key=time_order if has_several else event_order)

    def idle(self) -> tuple[list[Event], float | None]:
        """What can be told now that nothing comes, and after how many seconds to ask again; None: there is no need."""
        events = self._verdicts.overdue(self._now_ns()) if self._verdicts.has_overdue else []
        events += self._look()
        if self._urgent or self._others:
            return sorted(events, key=event_order), 0.0
        pauses = [_OVERDUE_SECONDS] if self._verdicts.has_overdue else []
        if self._findings.next_due_ns is not None:
            pauses.append(max(0.0, (self._findings.next_due_ns - self._now_ns()) / 1e9))
        return sorted(events, key=event_order), min(pauses, default=None)

    def finish(self, connections: Sequence[ConnectionResult], findings: Iterable[Finding]) -> list[Event]:
        """What is still to be told once nothing will come any more; these are the Report's."""
        events = self._verdicts.overdue(None)
        found: dict[int, list[Finding]] = {}
        indices = self._analyzer.tallies.indices
        for finding in findings:
            index = RUN if finding.connection is None else indices[finding.connection]
            found.setdefault(index, []).append(finding)
        now_ns = self._now_ns()
        told: list[Event] = [
            *self._findings.compare(RUN, found.get(RUN, ()), None, now_ns, is_final=True),
        ]
        for connection in connections:
            index, ends = connection.index, (connection.a, connection.b)
            events += self._keys.compare(index, connection.id, ends, connection.transitions)
            if index in found or index in self._findings.connections:
                told += self._findings.compare(
                    index, found.get(index, ()), ends, now_ns, is_final=True, number=connection.id
                )
        return sorted(events, key=event_order) + told

    def _now_ns(self) -> int:
        """Where the capture is by now, if its clock goes on as ours does."""
        captures = self._analyzer.captures
        last_ns = captures[-1].last_time_ns if captures else 0
        return last_ns + int((self._clock() - self._arrived) * 1e9)

    def _key_changes(self, connection: int, a_sides: I8) -> list[Event]:
        """The transitions of a connection that has another run, unless that was costly a moment ago."""
        started = self._clock()
        if started < self._keys_due.get(connection, 0.0):
            return []
        analyzer, a_side = self._analyzer, int(a_sides[connection])
        runs = runs_in_order(analyzer, self._keys.runs_of(connection), a_side)
        pair = analyzer.pairs.ends[int(analyzer.connections.pairs[connection])]
        a, b = (end_result(pair[side], analyzer, connection, side) for side in (a_side, 1 - a_side))
        number = int(analyzer.tallies.column("number")[connection])
        events = self._keys.compare(connection, number, (a, b), transitions_of(runs))
        self._note_cost(connection, started)
        return list(events)

    def _note_cost(self, connection: int, started: float) -> None:
        ended = self._clock()
        if ended - started > _CHEAP_SECONDS:
            self._keys_due[connection] = ended + _COSTLY_REST * (ended - started)
        else:
            self._keys_due.pop(connection, None)

    # Findings.

    def _look(self) -> list[Event]:
        """Looks at queued connections for a while."""
        started = self._clock()
        events = self._look_at_run()
        for connection in self._findings.due(self._now_ns()):
            if connection != RUN:
                self._urgent[connection] = None
        a_sides = self._analyzer.connections.a_sides() if self._urgent or self._others else np.zeros(0, dtype=np.int8)
        while (queue := self._urgent or self._others) and self._clock() - started < SLICE_SECONDS:
            connection = next(iter(queue))
            self._urgent.pop(connection, None)
            self._others.pop(connection, None)
            events += self._look_at(connection, a_sides)
        ended = self._clock()
        self._findings_due = ended + _REST * (ended - started)
        return events

    def _look_at_run(self) -> list[Event]:
        analyzer = self._analyzer
        facts = [
            analyzer.totals.incomplete_datagrams > 0,
            *((capture.damage is not None, capture.old_option_segments > 0) for capture in analyzer.captures),
        ]
        if facts == self._run_facts:
            return []
        self._run_facts = facts
        found = find_on_run(analyzer, [], self._policy)
        return list(self._findings.compare(RUN, found, None, self._now_ns()))

    def _look_at(self, connection: int, a_sides: I8) -> list[Event]:
        analyzer = self._analyzer
        number, a_side = int(analyzer.tallies.column("number")[connection]), int(a_sides[connection])
        started = self._clock()
        result = connection_result(analyzer, connection, number, a_side, self._keys.runs_of(connection))
        ends = (result.a, result.b)
        events: list[Event] = [*self._keys.compare(connection, number, ends, result.transitions)]
        found = find_on_connection(Scene(analyzer, result, a_side), self._policy)
        events += self._findings.compare(connection, found, ends, self._now_ns(), number=number)
        self._note_cost(connection, started)
        return events
