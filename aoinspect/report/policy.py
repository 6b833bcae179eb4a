"""The policy check: what makes captured traffic fail where no baseline or expectation says more.

By default everything but `verified` on the socket pairs that the keys cover fails, and so does a run in which nothing
was verified: a job whose capture missed the session must not be green. `--fail-on` names other conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from aoinspect.engine.explain.model import Account
from aoinspect.engine.findings import FINDERS, Finding
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, FailureSample
from aoinspect.engine.verdicts import Verdict
from aoinspect.errors import UsageError
from aoinspect.report.cases import Case, Outcome
from aoinspect.report.layout import printable
from aoinspect.report.model import Report
from aoinspect.report.problems import expectation

VERDICTS = {verdict.word: verdict for verdict in Verdict if verdict is not Verdict.VERIFIED}
ENDS_DISAGREE = "ends-disagree"
DAMAGE = "damage"
NOTHING_VERIFIED = "nothing-verified"
NOT_COVERED = "not-covered"
SEVERITIES = {"error": ("error",), "warning": ("error", "warning"), "note": ("error", "warning", "note")}
"""Condition -> the severities of findings that meet it."""
IDENTS = frozenset(finder.ident for finder in FINDERS)

STRICT_POLICY = frozenset({*VERDICTS, ENDS_DISAGREE, DAMAGE, NOTHING_VERIFIED})
"""What fails unless --fail-on says otherwise."""
BESIDE_OTHERS = frozenset({DAMAGE})
"""What fails beside a baseline or expectations: nobody knows what the rest of the capture held."""
NO_CONDITION = "none"
OF_DIRECTIONS = frozenset({*VERDICTS, ENDS_DISAGREE})
"""Conditions that a direction of a connection meets."""
CONDITIONS = (*VERDICTS, ENDS_DISAGREE, DAMAGE, NOTHING_VERIFIED, NOT_COVERED, *SEVERITIES)
"""What --fail-on takes, beside the idents of findings."""


def parse_conditions(text: str) -> frozenset[str]:
    """The conditions that a list with commas names; UsageError for one that does not exist."""
    conditions = frozenset(word for part in text.split(",") if (word := part.strip()))
    if conditions == {NO_CONDITION}:
        return frozenset()
    if not conditions:
        raise UsageError(f"--fail-on names no condition; it takes {', '.join(CONDITIONS)}, and idents of findings")
    known = (*CONDITIONS, *IDENTS)
    for word in sorted(conditions.difference(known)):
        close = get_close_matches(word.lower().replace("_", "-"), known, 1)
        hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(CONDITIONS)}, and idents of findings"
        raise UsageError(f"--fail-on: {word!r} is no condition; {hint}")
    return conditions


@dataclass(frozen=True, slots=True)
class DirectionOutcome:
    """One direction of one connection, in counts."""

    verdicts: dict[str, int]
    """Verdict's word -> segments."""
    refused: int
    """Verified segments that the receiving end's own keys drop."""
    samples: tuple[FailureSample, ...]
    """The first segment of every verdict other than verified."""
    first_refused: tuple[int, int] | None
    """Capture and frame."""


Directions = Mapping[tuple[int, str], DirectionOutcome]
"""(connection's number, direction) -> its segments, of those that have any."""


def policy_cases(
    report: Report, directions: Directions, conditions: frozenset[str], accounts: Sequence[Account] = ()
) -> tuple[Case, ...]:
    """What fails under `conditions`; where a verdict is among them, also what does not.

    One case for each direction of each connection that the keys cover, then one for whatever else fails.
    `accounts` explain connections that fail.
    """
    return tuple(_Policy(report, directions, conditions, {one.connection: one for one in accounts}).cases())


class _Policy:
    def __init__(
        self, report: Report, directions: Directions, conditions: frozenset[str], accounts: Mapping[int, Account]
    ) -> None:
        self.report, self.directions, self.conditions, self.accounts = report, directions, conditions, accounts
        self.covered = {connection.id for connection in report.connections if connection.is_covered}
        self.disagreements: dict[int | None, list[Finding]] = {}
        for finding in report.findings:
            if finding.ident == ENDS_DISAGREE:
                self.disagreements.setdefault(finding.connection, []).append(finding)

    def cases(self) -> Iterator[Case]:
        for connection in self.report.connections:
            if connection.is_covered:
                for direction in DIRECTIONS if self.conditions & OF_DIRECTIONS else ():
                    outcome = self.directions.get((connection.id, direction))
                    if outcome is not None:
                        yield self.of_direction(connection, direction, outcome)
            elif NOT_COVERED in self.conditions:
                yield self.of_uncovered(connection)
        yield from self.of_findings()
        yield from self.of_damage()
        if NOTHING_VERIFIED in self.conditions:
            yield self.of_anything_verified()

    def of_direction(self, connection: ConnectionResult, direction: str, outcome: DirectionOutcome) -> Case:
        name = direction_name(connection, direction)
        failing = {
            word: outcome.verdicts[word] for word in VERDICTS if word in self.conditions and outcome.verdicts.get(word)
        }
        samples = [sample for sample in outcome.samples if sample.segment.verdict.word in failing]
        places = [(sample.segment.capture, sample.segment.frame) for sample in samples]
        words = [f"{count} {word}" for word, count in failing.items()]
        if outcome.refused and ENDS_DISAGREE in self.conditions:
            words.append(f"{outcome.refused} dropped by the receiving end's own keys")
            if outcome.first_refused is not None:
                places.append(outcome.first_refused)
        if not words:
            return Case(name, Outcome.PASSED, capture=self.path(connection.first_capture))
        capture, frame = min(places)
        return Case(
            name,
            Outcome.FAILED,
            message=", ".join(words),
            details=(
                *(line for sample in samples for line in self.sample_lines(sample, connection)),
                *self.refusal_lines(connection.id, outcome),
                *account_lines(self.accounts.get(connection.id)),
            ),
            file=self.path(capture),
            capture=self.path(capture),
            frame=frame,
        )

    def sample_lines(self, sample: FailureSample, connection: ConnectionResult) -> Iterator[str]:
        segment = sample.segment
        expected, remedy = expectation(segment.verdict, segment.reason, sample, connection)
        yield f"{segment.verdict.word}, first in frame {segment.frame}: {printable(expected)}"
        if remedy:
            yield f"  try: {printable(remedy)}"

    def refusal_lines(self, connection: int, outcome: DirectionOutcome) -> Iterator[str]:
        if not outcome.refused or ENDS_DISAGREE not in self.conditions:
            return
        for finding in self.disagreements.get(connection, ()):
            yield printable(f"{finding.message} ({finding.reference})")
            yield f"  try: {printable(finding.remedy)}"

    def of_uncovered(self, connection: ConnectionResult) -> Case:
        path = self.path(connection.first_capture)
        return Case(
            f"#{connection.id} {connection.a} > {connection.b}",
            Outcome.FAILED,
            message="it is signed, and no [[peer]] of the key files covers it",
            file=path,
            capture=path,
            frame=connection.first_frame,
        )

    def of_findings(self) -> Iterator[Case]:
        severities = {severity for word in self.conditions & SEVERITIES.keys() for severity in SEVERITIES[word]}
        by_id = {connection.id: connection for connection in self.report.connections}
        for number, finding in enumerate(self.report.findings):
            is_ours = finding.connection is None or finding.connection in self.covered
            # `ends-disagree` is a condition of its own, told with the direction that it is in.
            is_met = finding.ident in self.conditions - {ENDS_DISAGREE} or finding.severity.value in severities
            if is_ours and is_met:
                yield self.of_finding(number, finding, by_id)

    def of_finding(self, number: int, finding: Finding, by_id: Mapping[int, ConnectionResult]) -> Case:
        where = ""
        if finding.connection is not None:
            connection = by_id[finding.connection]
            where = f" on #{connection.id} {connection.a} > {connection.b}"
        path = self.path(finding.capture or 0)
        details = [printable(text) for text in (finding.evidence, finding.reference) if text]
        if finding.remedy:
            details.append(f"try: {printable(finding.remedy)}")
        return Case(
            f"{finding.severity.value} {number + 1}: {finding.ident}{where}",
            Outcome.FAILED,
            kind="finding",
            message=printable(finding.message),
            details=tuple(details),
            file=path,
            capture=path,
            frame=finding.frame,
        )

    def of_damage(self) -> Iterator[Case]:
        if DAMAGE not in self.conditions:
            return
        for capture in self.report.captures:
            if capture.damage is not None:
                yield Case(
                    f"{capture.path} is whole",
                    Outcome.FAILED,
                    kind="capture",
                    message=f"damaged at octet {capture.damage.offset}: {capture.damage.message}",
                    details=("what stands before it was checked",),
                    file=capture.path,
                    capture=capture.path,
                )

    def of_anything_verified(self) -> Case:
        name = "something is verified"
        verified = sum(one.verdicts["verified"] for one in self.report.connections if one.is_covered)
        if verified:
            return Case(name, Outcome.PASSED, kind="capture")
        path = self.path(0)
        return Case(
            name,
            Outcome.FAILED,
            kind="capture",
            message="no segment of the peers in the key files was verified",
            details=(self.why_nothing(),),
            file=path,
            capture=path,
        )

    def why_nothing(self) -> str:
        totals = self.report.totals
        if self.covered:
            return "their segments are in the capture; the other cases say what is wrong with them"
        if not totals.frames:
            return "the capture has no frames: was it stopped before its buffer was written (tcpdump -U)?"
        if not totals.tcp_segments:
            return f"{totals.frames} frames, and no TCP segment among them: check interface and capture filter"
        others = len(self.report.connections)
        signed = f"; {others} signed connections are between other peers" if others > 1 else ""
        if others == 1:
            signed = "; the one signed connection is between other peers"
        return f"{totals.tcp_segments} TCP segments, and none between the peers of the key files{signed}"

    def path(self, capture: int) -> str:
        return self.report.captures[capture].path if 0 <= capture < len(self.report.captures) else ""


def direction_name(connection: ConnectionResult, direction: str) -> str:
    """What a direction of a connection is called: its sender first."""
    sender, receiver = (connection.a, connection.b) if direction == DIRECTIONS[0] else (connection.b, connection.a)
    return f"#{connection.id} {sender} > {receiver}"


def account_lines(account: Account | None) -> Iterator[str]:
    """What explains a connection's failures, and what to try; nothing without an account."""
    for one in () if account is None else account.explanations:
        yield f"{one.ident} ({one.confidence.value}): {printable(one.summary)}"
        if one.changed:
            yield f"  {one.matched} of {one.tried} failing segments verify with {printable(one.changed)}"
        for remedy in (one.file_remedy, one.device_remedy):
            if remedy:
                yield from (f"  try: {line}" for line in printable_lines(remedy))


def printable_lines(text: str) -> list[str]:
    """The lines of `text`, each without what would disturb a terminal."""
    return [printable(line) for line in text.splitlines()]
