"""Findings that concern a capture as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from aoinspect.engine.findings.model import Finding, Severity, times
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import ConnectionResult


def capture_damaged(analyzer: Analyzer, connections: list[ConnectionResult]) -> Iterator[Finding]:
    """A capture file that breaks off or is damaged."""
    for index, capture in enumerate(analyzer.captures):
        if capture.damage is not None:
            yield Finding(
                ident="capture-damaged",
                severity=Severity.WARNING,
                connection=None,
                capture=index,
                frame=None,
                message=f"{capture.path} is damaged at octet {capture.damage.offset}: {capture.damage.message}",
                evidence=f"the {capture.frames} frames before it were read",
                remedy="what follows is not part of this report: take the capture again",
                reference="",
            )


def old_option(analyzer: Analyzer, connections: list[ConnectionResult]) -> Iterator[Finding]:
    """The TCP Enhanced Authentication Option, which came before TCP-AO and is not it."""
    for index, capture in enumerate(analyzer.captures):
        if capture.old_option_segments:
            yield Finding(
                ident="old-option",
                severity=Severity.WARNING,
                connection=None,
                capture=index,
                frame=capture.first_old_option_frame,
                message=f"{times(capture.old_option_segments, 'segment')} with TCP option kind 253 or 254, as key "
                "chains of Huawei, H3C and Nokia send them without TCP-AO",
                evidence=f"first in frame {capture.first_old_option_frame}",
                remedy="configure TCP-AO on the key chain (`tcp ao`, `tcp-option-number … tcp-ao`); this option cannot "
                "talk to it",
                reference="draft-bonica-tcp-auth; RFC 5925 1",
            )


def limit_reached(analyzer: Analyzer, connections: list[ConnectionResult]) -> Iterator[Finding]:
    """The captures hold more than a run follows."""
    excess = analyzer.excess
    if not excess:
        return
    told = []
    if excess.untracked_segments:
        told.append(f"{times(excess.untracked_segments, 'segment')} of further socket pairs were not looked at")
    if excess.shared_connections:
        told.append(f"{times(excess.shared_connections, 'handshake')} were counted with earlier ones of their pairs")
    if excess.folded_runs:
        told.append(f"{times(excess.folded_runs, 'change')} of keys were counted into the run before them")
    capture, frame = excess.first_untracked or (None, None)
    yield Finding(
        ident="limit-reached",
        severity=Severity.WARNING,
        connection=None,
        capture=capture,
        frame=frame,
        message=f"more than this run follows: {'; '.join(told)}",
        evidence=f"{len(connections)} connections, {len(analyzer.timeline)} key runs",
        remedy="raise --max-connections or --max-key-runs, or choose what to read when capturing; a flood of SYNs "
        "looks like this",
        reference="",
    )


def fragments_incomplete(analyzer: Analyzer, connections: list[ConnectionResult]) -> Iterator[Finding]:
    """IP datagrams of which pieces are missing."""
    count = analyzer.totals.incomplete_datagrams
    if count:
        yield Finding(
            ident="fragments-incomplete",
            severity=Severity.NOTE,
            connection=None,
            capture=None,
            frame=None,
            message=f"{times(count, 'fragmented datagram')} of which pieces are missing",
            evidence="a TCP segment in one of them cannot be checked",
            remedy="capture where all pieces pass",
            reference="RFC 791 3.2; RFC 8200 4.5",
        )
