"""Which findings were told and still stand.

A finding is told once. Some rest on what has not come (`AWAITING`): they are told when they have held for `HOLD_NS` of
the capture's time, or at its end. What ceases to hold is withdrawn after as long, so that nothing flutters.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable

from aoinspect.engine.findings.model import Finding, Severity
from aoinspect.engine.live.events import FindingEvent, State
from aoinspect.engine.results import EndResult

HOLD_NS = 5_000_000_000
FINDINGS_PER_CONNECTION = 64
"""Findings of one connection that are told; the Report has the others."""

AWAITING = frozenset({"syn-unanswered", "rnext-unused", "current-key-vanished", "ao-stripped-mid-connection"})
"""Idents of findings that the next segments may refute."""

RUN = -1
"""Stands for the connection of findings that are about the whole run."""

_Key = tuple[str, str, int | None, int | None, int]
"""Ident, severity, capture, frame, and how many before it are equal in all of these."""


class StandingFindings:
    """What was told of every connection. Connections are rows of the engine's columns here."""

    def __init__(self) -> None:
        self.untold = 0
        """Findings that hold and were not told, since their connection has too many."""
        self._told: dict[int, dict[_Key, int | None]] = {}
        """Connection -> what was told -> since when it does not hold; None: it does."""
        self._held: dict[int, dict[_Key, int]] = {}
        """Connection -> what holds and is not told yet -> since when."""
        self._due: list[tuple[int, int]] = []
        """A heap of when to look again, and at which connection: one entry a connection."""
        self._is_due: set[int] = set()

    def compare(
        self,
        connection: int,
        found: Iterable[Finding],
        ends: tuple[EndResult, EndResult] | None,
        now_ns: int,
        *,
        is_final: bool = False,
        number: int | None = None,
    ) -> list[FindingEvent]:
        """What is to be told, now that these findings hold of `connection`, which the Report numbers `number`.

        `is_final`: nothing will come any more.
        """
        told = self._told.get(connection, {})
        held = self._held.pop(connection, {})
        seen: set[_Key] = set()
        still_held: dict[_Key, int] = {}
        events = []
        for key, finding in _keyed(found):
            seen.add(key)
            if key in told:
                told[key] = None
                continue
            since_ns = min(held.get(key, now_ns), now_ns)
            if finding.ident in AWAITING and not is_final and now_ns - since_ns < HOLD_NS:
                still_held[key] = since_ns
            elif len(told) < FINDINGS_PER_CONNECTION:
                told[key] = None
                events.append(FindingEvent(finding, now_ns, ends, State.NEW))
            elif is_final:
                self.untold += 1
        gone = [key for key in told if key not in seen]
        for key in gone:
            missing_ns = told[key]
            since_ns = now_ns if missing_ns is None else min(missing_ns, now_ns)
            told[key] = since_ns
            if is_final or now_ns - since_ns >= HOLD_NS:
                del told[key]
                events.append(FindingEvent(_withdrawn(key, number), now_ns, ends, State.WITHDRAWN))
        self._keep(connection, told, still_held)
        return events

    def _keep(self, connection: int, told: dict[_Key, int | None], held: dict[_Key, int]) -> None:
        if told:
            self._told[connection] = told
        else:
            self._told.pop(connection, None)
        if held:
            self._held[connection] = held
        waiting = [*held.values(), *(since_ns for since_ns in told.values() if since_ns is not None)]
        if waiting and connection not in self._is_due:
            self._is_due.add(connection)
            heapq.heappush(self._due, (min(waiting) + HOLD_NS, connection))

    @property
    def next_due_ns(self) -> int | None:
        """When to look at a connection again though nothing came on it."""
        return self._due[0][0] if self._due else None

    def due(self, now_ns: int) -> list[int]:
        """The connections that are to be looked at again by `now_ns`; each is told once."""
        connections = []
        while self._due and self._due[0][0] <= now_ns:
            connections.append(heapq.heappop(self._due)[1])
            self._is_due.remove(connections[-1])
        return connections

    @property
    def connections(self) -> set[int]:
        """The connections of which anything was told, or is held."""
        return self._told.keys() | self._held.keys()


def _keyed(found: Iterable[Finding]) -> Iterable[tuple[_Key, Finding]]:
    counts: Counter[tuple[str, str, int | None, int | None]] = Counter()
    for finding in found:
        place = (finding.ident, finding.severity.value, finding.capture, finding.frame)
        yield (*place, counts[place]), finding
        counts[place] += 1


def _withdrawn(key: _Key, number: int | None) -> Finding:
    ident, severity, capture, frame, _ = key
    return Finding(ident, Severity(severity), number, capture, frame, "it does not hold any more", "", "", "")
