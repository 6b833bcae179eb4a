"""Plan against use: each key that lifetimes plan for a direction of a connection, and what became of it there.

Every form of the timeline reads these rows; what was planned is `engine.key_plan`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from aoinspect.engine.findings.model import interval
from aoinspect.engine.key_plan import Deviation, KeyPlan, PlannedKey, outside
from aoinspect.engine.results import ConnectionResult, KeyRun
from aoinspect.keys.lifetimes import span_text


class Standing(Enum):
    """What became of a planned key."""

    AS_PLANNED = "as planned"
    BEFORE = "before"
    """Used before its time."""
    AFTER = "after"
    UNUSED = "not used"
    """Its time and the connection's meet, and nothing was verified under it."""
    NOT_DUE = "not due"
    """Its time and the connection's do not meet, and it was not used."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One key of one plan."""

    direction: str
    what: str
    """`send` by the sender's lifetimes, `accept` by the receiver's."""
    key: PlannedKey
    runs: tuple[KeyRun, ...]
    """Of this direction, verified under the key, in capture order."""
    standing: Standing
    by_ns: int | None
    """How far its use lies outside, at the farthest; None where it does not."""

    @property
    def times(self) -> str:
        """The times that it is planned for: "from 2026-10-01T00:00:00Z", "always"."""
        return ", ".join(map(span_text, self.key.spans)) or "never"

    @property
    def outcome(self) -> str:
        """The standing in words, with how far: "as planned", "used until 2 h after"."""
        if self.by_ns is None:
            return self.standing.value
        verb = "used from" if self.standing is Standing.BEFORE else "used until"
        return f"{verb} {interval(self.by_ns)} {self.standing.value}"


def planned_rows(connection: ConnectionResult) -> Iterator[PlannedRow]:
    """The rows of one connection, in the order of its plans; none where no lifetime bounds a key of it."""
    for direction, plan in connection.plans:
        for key in sorted(plan.keys, key=lambda key: key.spans):
            yield _row(connection, direction, plan, key)


def _row(connection: ConnectionResult, direction: str, plan: KeyPlan, key: PlannedKey) -> PlannedRow:
    runs = tuple(
        run for run in connection.runs if run.direction == direction and run.mkt_index == key.mkt and run.verified
    )
    deviations = [deviation for run in runs if (deviation := outside(run, key)) is not None]
    if deviations:
        worst: Deviation = max(deviations, key=lambda deviation: deviation.by_ns)
        return PlannedRow(direction, plan.what, key, runs, Standing(worst.where), worst.by_ns)
    if runs:
        return PlannedRow(direction, plan.what, key, runs, Standing.AS_PLANNED, None)
    is_due = any(
        from_ns <= connection.last_time_ns and connection.first_time_ns < until_ns for from_ns, until_ns in key.spans
    )
    return PlannedRow(direction, plan.what, key, runs, Standing.UNUSED if is_due else Standing.NOT_DUE, None)
