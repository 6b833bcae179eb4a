"""The table of all findings: which function makes which ident, and under which policies it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from aoinspect.engine.findings import captures, ends, keys, lifetimes, linux, segments, selection
from aoinspect.engine.findings.model import ConnectionFinder, Finding, Policy, RunFinder, Scene, Severity
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import ConnectionResult

_ALWAYS = frozenset(Policy)
_EXPECTED = frozenset({Policy.RFC, Policy.LINUX})
_LINUX = frozenset({Policy.LINUX, Policy.RFC})


@dataclass(frozen=True, slots=True)
class Finder:
    """One row: an ident and what looks for it, on each connection or once a run."""

    ident: str
    on_connection: ConnectionFinder | None = None
    on_run: RunFinder | None = None
    policies: frozenset[Policy] = _ALWAYS


FINDERS: tuple[Finder, ...] = (
    Finder("ends-disagree", ends.ends_disagree),
    Finder("options-flag-differs-by-direction", ends.options_flag_differs_by_direction),
    Finder("mac-length-changed", ends.mac_length_changed),
    Finder("rnext-not-followed", selection.rnext_not_followed, policies=_EXPECTED),
    Finder("key-changed-unprompted", selection.key_changed_unprompted, policies=_EXPECTED),
    Finder("current-key-vanished", selection.current_key_vanished, policies=_EXPECTED),
    Finder("unknown-rnext", selection.unknown_rnext, policies=_EXPECTED),
    Finder("rnext-unused", selection.rnext_unused, policies=_EXPECTED),
    Finder("unsigned-segment", segments.unsigned_segment),
    Finder("unsigned-rst", segments.unsigned_rst),
    Finder("ao-stripped-mid-connection", segments.ao_stripped_mid_connection),
    Finder("ao-and-md5-together", segments.ao_and_md5_together),
    Finder("more-than-one-ao-option", segments.more_than_one_ao_option),
    Finder("method-changed", segments.method_changed),
    Finder("retransmission-differs", segments.retransmission_differs),
    Finder("replayed-segment", segments.replayed_segment),
    Finder("syn-unanswered", segments.syn_unanswered),
    Finder("segment-offloaded", segments.segment_offloaded),
    Finder("isn-unknown", segments.isn_unknown),
    Finder("capture-cut", segments.capture_cut),
    Finder("key-outside-lifetime", lifetimes.key_outside_lifetime),
    Finder("handover-not-seen", lifetimes.handover_not_seen),
    Finder("handover-early", lifetimes.handover_early),
    Finder("handover-late", lifetimes.handover_late),
    Finder("handover-unplanned", lifetimes.handover_unplanned),
    Finder("short-mac", keys.short_mac),
    Finder("weak-algorithm", keys.weak_algorithm),
    Finder("linux-refuses-algorithm", keys.linux_refuses_algorithm, policies=_LINUX),
    Finder("md5-in-use", keys.md5_in_use),
    Finder("same-secret-many-peers", on_run=keys.same_secret_many_peers),
    Finder("linux-isn-before-wrap", linux.linux_isn_before_wrap, policies=_LINUX),
    Finder("linux-timewait-unsigned-ack", linux.linux_timewait_unsigned_ack, policies=_LINUX),
    Finder("linux-unverifiable-rst", linux.linux_unverifiable_rst, policies=_LINUX),
    Finder("capture-damaged", on_run=captures.capture_damaged),
    Finder("limit-reached", on_run=captures.limit_reached),
    Finder("old-option", on_run=captures.old_option),
    Finder("fragments-incomplete", on_run=captures.fragments_incomplete),
)

IDENTS = tuple(finder.ident for finder in FINDERS)


def find(analyzer: Analyzer, connections: list[ConnectionResult], policy: Policy = Policy.RFC) -> list[Finding]:
    """All findings of a run under `policy`, worst first, then in the order of connections and frames."""
    severities = list(Severity)
    return sorted(
        _found(analyzer, connections, policy),
        key=lambda finding: (
            severities.index(finding.severity),
            -1 if finding.connection is None else finding.connection,
            finding.capture or 0,
            finding.frame or 0,
            finding.ident,
        ),
    )


def _found(analyzer: Analyzer, connections: list[ConnectionResult], policy: Policy) -> Iterator[Finding]:
    yield from find_on_run(analyzer, connections, policy)
    a_sides = analyzer.connections.a_sides().tolist()
    for connection in connections:
        yield from find_on_connection(Scene(analyzer, connection, a_sides[connection.index]), policy)


def find_on_run(analyzer: Analyzer, connections: list[ConnectionResult], policy: Policy) -> Iterator[Finding]:
    """The findings under `policy` that concern no connection of their own, in no particular order."""
    for finder in FINDERS:
        if finder.on_run is not None and policy in finder.policies:
            yield from finder.on_run(analyzer, connections)


def find_on_connection(scene: Scene, policy: Policy) -> Iterator[Finding]:
    """The findings on one connection under `policy`, in no particular order."""
    for on_connection in _finders_on_connections(policy):
        yield from on_connection(scene)


@cache
def _finders_on_connections(policy: Policy) -> tuple[ConnectionFinder, ...]:
    return tuple(
        finder.on_connection for finder in FINDERS if finder.on_connection is not None and policy in finder.policies
    )
