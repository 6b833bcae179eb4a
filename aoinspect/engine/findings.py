"""What is worth telling beside the verdicts: one function a finding, all in one table.

A finding has a stable ident, a severity, a place, what was seen, the clause that it rests on, and what to do. The
verdicts never depend on any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import DIRECTIONS, ConnectionResult
from aoinspect.engine.verdicts import Method


class Severity(Enum):
    """How much a finding matters, worst first."""

    ERROR = "error"
    """Authentication fails or will fail."""
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `connection` and `frame` are None where it concerns the whole run."""

    ident: str
    severity: Severity
    connection: int | None
    capture: int | None
    frame: int | None
    message: str
    evidence: str
    remedy: str
    reference: str


Finder = Callable[[Analyzer, list[ConnectionResult]], Iterator[Finding]]


def find(analyzer: Analyzer, connections: list[ConnectionResult]) -> list[Finding]:
    """All findings of a run, worst first, then in the order of connections and frames."""
    severities = list(Severity)
    found = [finding for finder in FINDERS for finding in finder(analyzer, connections)]
    return sorted(
        found,
        key=lambda finding: (
            severities.index(finding.severity),
            -1 if finding.connection is None else finding.connection,
            finding.capture or 0,
            finding.frame or 0,
            finding.ident,
        ),
    )


def ends_disagree(analyzer: Analyzer, connections: list[ConnectionResult]) -> Iterator[Finding]:
    """The key file describes both ends, and the receiving end drops what the sending end signs."""
    by_index = {connection.index: connection for connection in connections}
    for (index, candidate_index), (capture, frame) in analyzer.refusals.items():
        connection = by_index.get(index)
        if connection is None:
            continue
        candidate = analyzer.checker.lists.candidates[candidate_index]
        mkt = analyzer.keyring.mkts[candidate.mkt]
        pair = int(analyzer.connections.pairs[index])
        sender_side = next(
            side
            for (side, _), candidates in _lists(analyzer, pair)
            if any(candidate is other for other in candidates)
        )
        a_side = int(analyzer.connections.a_sides()[index])
        direction = DIRECTIONS[sender_side ^ a_side]
        sender, receiver = (
            (connection.a, connection.b) if direction == "a>b" else (connection.b, connection.a)
        )
        method = "TCP-MD5" if mkt.send_id is None else "TCP-AO"
        yield Finding(
            ident="ends-disagree",
            severity=Severity.ERROR,
            connection=connection.id,
            capture=capture,
            frame=frame,
            message=f"{receiver.address} drops what {sender.address} signs with key {mkt.name!r}: {candidate.refusal}",
            evidence=f"verified under the {method} key of {mkt.origin}; no key of {receiver.address} accepts it",
            remedy=f"make the key of {receiver.address} equal to that of {sender.address}, with the ids crossed",
            reference="RFC 5925 3.1",
        )


def _lists(analyzer: Analyzer, pair: int) -> Iterator[tuple[tuple[int, int], tuple[object, ...]]]:
    keys = analyzer.pairs.keys[pair]
    if keys is not None:
        yield from keys.lists.items()


FINDERS: tuple[Finder, ...] = (ends_disagree,)

__all__ = ["FINDERS", "Finding", "Method", "Severity", "find"]
