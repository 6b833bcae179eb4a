"""The Report: everything that a run has to say, once, for every form of output to read.

It holds objects per capture, connection, key run, transition and finding; segments stay in the engine's table.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from aoinspect.engine.findings import Finding, find
from aoinspect.engine.pipeline import Analyzer, CaptureCounts
from aoinspect.engine.results import ConnectionResult, connection_results
from aoinspect.engine.verdicts import Verdict

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
    has_keys: bool
    is_interrupted: bool

    @property
    def exit_code(self) -> ExitCode:
        """The status that `aoinspect verify` ends with."""
        if self.is_interrupted:
            return ExitCode.INTERRUPTED
        if not self.has_keys:
            return ExitCode.OK
        if self.is_wrong:
            return ExitCode.WRONG
        counts = self.totals.verdicts
        is_damaged = any(capture.damage is not None for capture in self.captures)
        if is_damaged or counts["unverifiable"] or counts["no_key"] or not counts["verified"]:
            return ExitCode.UNCHECKED
        return ExitCode.OK

    @property
    def is_wrong(self) -> bool:
        """A mismatch, an unsigned or malformed segment, an unknown KeyID where keys cover the pair, or ends that disagree."""
        counts = self.totals.verdicts
        return bool(
            counts["mismatch"]
            or counts["unsigned"]
            or counts["malformed"]
            or self.totals.refused
            or any(connection.verdicts["no_key"] for connection in self.connections if connection.is_covered)
        )


def build_report(analyzer: Analyzer) -> Report:
    """The Report of everything that `analyzer` was fed."""
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
        ),
        connections=tuple(connections),
        findings=tuple(find(analyzer, connections)),
        has_keys=bool(analyzer.keyring.store.paths),
        is_interrupted=totals.is_interrupted,
    )


def iso_time(time_ns: int) -> str:
    """A time in nanoseconds since 1970 as RFC 3339 with nine digits: "2026-11-23T16:24:00.000000001Z"."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{seconds}.{nanoseconds:09d}Z"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
