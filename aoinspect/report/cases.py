"""What a check came to, as every form of output reads it: cases that passed or failed, grouped by check.

A case is the smallest thing that can fail alone: one direction of one connection, one difference from a baseline, one
expectation. Objects are plain values, for they come back from other processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from aoinspect.report.model import ExitCode


class Outcome(Enum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    """The authentication is not what it should be."""
    ERROR = "error"
    """It could not be checked: a file cannot be used."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was checked."""

    name: str
    """Unique in its check: "#0 10.0.0.1:33000 > 10.0.0.2:179 (a>b)"."""
    outcome: Outcome
    kind: str = "verdict"
    """What sort of thing it is: `verdict`, `finding`, `capture`, `difference`, `expectation` or `error`."""
    message: str = ""
    """One sentence without a full stop; empty where it passed."""
    details: tuple[str, ...] = ()
    """The explanation, in lines."""
    file: str = ""
    """The file that a reader should look at."""
    line: int | None = None
    """From 1, in `file`; None where it is a capture."""
    capture: str = ""
    frame: int | None = None
    """Where in `capture` it was met first."""

    @property
    def is_failure(self) -> bool:
        return self.outcome is not Outcome.PASSED


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check came to: captures read as one run, held to one thing."""

    name: str
    """The captures as named."""
    captures: tuple[str, ...]
    keys: tuple[str, ...]
    kind: str
    """`policy`, `baseline` or `expectation`."""
    against: str
    """The baseline or the file of expectations; empty for a policy."""
    cases: tuple[Case, ...]
    verdicts: dict[str, int] = field(default_factory=dict)
    """Verdict's JSON member -> segments; empty where nothing could be read."""
    warnings: tuple[str, ...] = ()
    note: str = ""
    """Something to say beside the cases: that a baseline was written."""
    seconds: float = 0.0
    """How long it took."""
    started: str = "1970-01-01T00:00:00"
    """UTC, without an offset."""
    error_code: ExitCode = ExitCode.OK
    """USAGE or UNREADABLE where a file cannot be used."""
    is_interrupted: bool = False

    @property
    def failures(self) -> tuple[Case, ...]:
        """The cases that did not pass."""
        return tuple(case for case in self.cases if case.is_failure)

    @property
    def outcome(self) -> Outcome:
        """The worst of its cases; FAILED comes before ERROR."""
        outcomes = {case.outcome for case in self.cases}
        for outcome in (Outcome.FAILED, Outcome.ERROR):
            if outcome in outcomes:
                return outcome
        return Outcome.PASSED


def exit_code_of(results: Sequence[CheckResult]) -> ExitCode:
    """The exit status of a run of checks: what failed counts before what could not be checked."""
    if any(result.is_interrupted for result in results):
        return ExitCode.INTERRUPTED
    if any(result.outcome is Outcome.FAILED for result in results):
        return ExitCode.WRONG
    codes = {result.error_code for result in results}
    for code in (ExitCode.USAGE, ExitCode.UNREADABLE):
        if code in codes:
            return code
    return ExitCode.OK
