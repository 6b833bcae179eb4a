"""Findings on the keys of both ends: the key file describes both, and they do not fit."""

from __future__ import annotations

from collections.abc import Iterator

from aoinspect.engine.findings.model import Finding, Scene, Severity, times
from aoinspect.engine.observations import Kind


def ends_disagree(scene: Scene) -> Iterator[Finding]:
    """The receiving end drops what the sending end signs, by its own keys."""
    analyzer, connection = scene.analyzer, scene.connection
    if not connection.refused:
        return
    keys = analyzer.pairs.keys[int(analyzer.connections.pairs[connection.index])]
    assert keys is not None
    for candidate_index, (capture, frame) in analyzer.tallies.refusals.get(connection.index, {}).items():
        candidate = analyzer.checker.lists.candidates[candidate_index]
        mkt = analyzer.keyring.mkts[candidate.mkt]
        side = next(
            side for (side, _), candidates in keys.lists.items() if any(candidate is listed for listed in candidates)
        )
        direction = scene.direction_of(side)
        sender, receiver = scene.end(direction), scene.peer(direction)
        yield scene.finding(
            "ends-disagree",
            Severity.ERROR,
            (capture, frame),
            message=f"{receiver.address} drops what {sender.address} signs with key {mkt.name!r}: {candidate.refusal}",
            evidence=f"the two ends differ: the segment follows {sender.address} ({mkt.origin}), and no key of "
            f"{receiver.address} accepts it",
            # The same words for both directions: they are one problem.
            remedy=f"change either end, {' or '.join(sorted((receiver.address, sender.address)))}: both keys must be "
            "equal, with the ids crossed",
            reference="RFC 5925 3.1",
        )


def options_flag_differs_by_direction(scene: Scene) -> Iterator[Finding]:
    """One MKT covers TCP options one way and not the other, or both ways in one direction."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for run in scene.connection.runs:
        if run.mkt is None or run.tcp_options not in ("include", "exclude", "both"):
            continue
        for flag in ("include", "exclude") if run.tcp_options == "both" else (run.tcp_options,):
            place = (run.first_capture, run.first_frame)
            found.setdefault(run.mkt, {}).setdefault(f"{run.direction} {flag}", place)
    for mkt, flags in found.items():
        if len({flag.split()[1] for flag in flags}) < 2:
            continue
        told = "; ".join(f"{scene.end(flag.split()[0]).address} {flag.split()[1]}s them" for flag in sorted(flags))
        yield scene.finding(
            "options-flag-differs-by-direction",
            Severity.WARNING,
            max(flags.values()),
            message=f"key {mkt!r} covers TCP options in some segments and not in others",
            evidence=told,
            remedy="an MKT has one TCP option flag: set it alike on both ends",
            reference="RFC 5925 3.1",
        )


def mac_length_changed(scene: Scene) -> Iterator[Finding]:
    """Segments of one KeyID carry MACs of another length than their key's."""
    for side, seen in scene.analyzer.observations.of(scene.connection.index, Kind.MAC_LENGTH):
        direction = scene.direction_of(side)
        if not any(run.verified for run in scene.runs(direction)):
            continue
        yield scene.finding(
            "mac-length-changed",
            Severity.ERROR,
            seen,
            message=f"{scene.end(direction).address} sends MACs of another length than the key's",
            evidence=f"{times(seen.count, 'segment')} with another MAC length, beside verified ones",
            remedy="the MAC length belongs to the MKT and must not change; a receiver drops these segments",
            reference="RFC 5925 3.1, 7.5 (2c)",
        )
