"""The Report: everything that a run has to say, once, for every form of output to read.

It holds objects per capture, connection, key run, transition and finding; segments stay in the engine's table. What a
run's outcome means for the exit status is decided here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from aoinspect.engine.findings import Finding, Policy, find
from aoinspect.engine.pipeline import Analyzer, CaptureCounts
from aoinspect.engine.results import ConnectionResult, connection_results
from aoinspect.engine.verdicts import Verdict

if TYPE_CHECKING:
    from aoinspect.engine.explain import Account
    from aoinspect.engine.recovery import Recovery

SCHEMA = "aoinspect.report/1"


class ExitCode(IntEnum):
    """What the command line's exit status means."""

    OK = 0
    """At least one segment is verified and nothing is wrong; without keys, the capture was read."""
    WRONG = 1
    USAGE = 2
    UNREADABLE = 3
    UNCHECKED = 4
    """Nothing is wrong, but something could not be checked."""
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class ReportTotals:
    """Counts over all captures."""

    frames: int
    tcp_segments: int
    ao_segments: int
    md5_segments: int
    verdicts: dict[str, int]
    """By the verdict's JSON member, all six."""
    refused: int
    """Verified segments that the receiving end's own keys drop (`ends-disagree`)."""
    incomplete_datagrams: int
    untracked: int
    """Segments of socket pairs beyond the limit of a run."""
    duplicates: int | None
    """Copies of segments that were left out; None where copies were not looked for."""

    @property
    def protected_segments(self) -> int:
        return sum(self.verdicts.values())


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run."""

    captures: tuple[CaptureCounts, ...]
    totals: ReportTotals
    connections: tuple[ConnectionResult, ...]
    findings: tuple[Finding, ...]
    explanations: tuple[Account, ...]
    """What explains the failures, one account per failing connection, within a budget for the run."""
    recovery: Recovery | None
    """The search for missing ISNs; None where there was none to do."""
    key_files: tuple[str, ...]
    """As they were named."""
    is_interrupted: bool
    is_filtered: bool = False
    """Only the segments that a filter chose are counted."""

    @property
    def has_keys(self) -> bool:
        return bool(self.key_files)

    @property
    def unread_captures(self) -> tuple[CaptureCounts, ...]:
        """Captures that are damaged before their first frame."""
        return tuple(capture for capture in self.captures if capture.damage is not None and not capture.frames)

    @property
    def exit_code(self) -> ExitCode:
        """The status that `aoinspect verify` ends with."""
        if self.is_interrupted:
            return ExitCode.INTERRUPTED
        if self.has_keys and self.is_wrong:
            return ExitCode.WRONG
        if self.unread_captures:
            return ExitCode.UNREADABLE
        if not self.has_keys:
            return ExitCode.OK
        counts = self.totals.verdicts
        is_damaged = any(capture.damage is not None for capture in self.captures)
        is_incomplete = is_damaged or self.totals.untracked > 0
        if is_incomplete or counts["unverifiable"] or counts["no_key"] or not counts["verified"]:
            return ExitCode.UNCHECKED
        return ExitCode.OK

    @property
    def is_wrong(self) -> bool:
        """A mismatch, an unsigned or malformed segment, an unknown KeyID where keys cover the pair, or ends that
        disagree.
        """
        return any(map(is_failing, self.connections))

    def standing(self, connection: ConnectionResult) -> bool | None:
        """True: all verified; False: something is wrong; None: something could not be checked."""
        if not self.has_keys:
            return None
        if is_failing(connection):
            return False
        counts = connection.verdicts
        return None if counts["unverifiable"] or counts["no_key"] or not counts["verified"] else True


def is_failing(connection: ConnectionResult) -> bool:
    """Whether something is wrong on `connection`, as far as keys are known."""
    counts = connection.verdicts
    return bool(
        counts["mismatch"]
        or counts["unsigned"]
        or counts["malformed"]
        or (counts["no_key"] and connection.is_covered)
        or connection.refused
    )


def build_report(analyzer: Analyzer, policy: Policy = Policy.RFC, recovery: Recovery | None = None) -> Report:
    """The Report of everything that `analyzer` was fed; `policy` says whose expectations the findings hold it to.

    `recovery` is the search for ISNs that came before, if there was one.
    """
    connections = connection_results(analyzer)
    totals = analyzer.totals
    return Report(
        captures=tuple(analyzer.captures),
        totals=ReportTotals(
            frames=totals.frames,
            tcp_segments=totals.tcp_segments,
            ao_segments=totals.ao_segments,
            md5_segments=totals.md5_segments,
            verdicts={verdict.member: int(totals.verdicts[verdict]) for verdict in Verdict},
            refused=totals.refused,
            incomplete_datagrams=totals.incomplete_datagrams,
            untracked=analyzer.excess.untracked_segments,
            duplicates=None if analyzer.duplicates is None else analyzer.duplicates.count,
        ),
        connections=tuple(connections),
        findings=tuple(find(analyzer, connections, policy)),
        explanations=_explanations(analyzer, connections),
        recovery=recovery,
        key_files=analyzer.keyring.store.paths,
        is_interrupted=totals.is_interrupted,
        is_filtered=analyzer.choose_rows is not None,
    )


def _explanations(analyzer: Analyzer, connections: list[ConnectionResult]) -> tuple[Account, ...]:
    totals = analyzer.totals
    is_failing = totals.refused or totals.verdicts[Verdict.MISMATCH] or totals.verdicts[Verdict.NO_KEY]
    if not is_failing or not analyzer.keyring.mkts:
        return ()
    # Loaded only where something fails: a sound capture has no use for it.
    from aoinspect.engine.explain import explain_failures
    from aoinspect.engine.explain.account import VERIFY_BUDGET

    return tuple(explain_failures(analyzer, connections, replace(VERIFY_BUDGET)))


def iso_time(time_ns: int) -> str:
    """A time in nanoseconds since 1970 (int64) as RFC 3339 with nine digits: "2026-11-23T16:24:00.000000001Z"."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return f"{_iso_second(seconds)}.{nanoseconds:09d}Z"


@lru_cache
def _iso_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
