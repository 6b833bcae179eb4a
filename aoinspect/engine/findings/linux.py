"""Findings that are Linux's own, seen on Linux 6.18 and 7.2."""

from __future__ import annotations

from collections.abc import Iterator

from aoinspect.engine.findings.model import Finding, Scene, Severity, times
from aoinspect.engine.observations import Kind
from aoinspect.engine.results import DIRECTIONS

ISN_BEFORE_WRAP = 0xFFFFFFFF


def linux_isn_before_wrap(scene: Scene) -> Iterator[Finding]:
    """An ISN of 0xffffffff: Linux signs right and expects wrong."""
    connection = scene.connection
    for direction in DIRECTIONS:
        sender, receiver = scene.end(direction), scene.peer(direction)
        runs = [run for run in scene.runs(direction) if run.verified]
        if sender.isn != ISN_BEFORE_WRAP or not runs or connection.b.isn is None:
            continue
        yield scene.finding(
            "linux-isn-before-wrap",
            Severity.WARNING,
            runs[0],
            message=f"the ISN of {sender.address} is 0xffffffff: if {receiver.address} is Linux, it drops everything "
            "behind the handshake",
            evidence="every octet behind this SYN has SNE 1; Linux starts the receiving side with SNE 0",
            remedy="let the connection time out and come up again with another ISN; the MACs are right",
            reference="RFC 5925 6.2",
        )


def linux_timewait_unsigned_ack(scene: Scene) -> Iterator[Finding]:
    """An unsigned ACK out of TIME_WAIT."""
    for side, seen in scene.analyzer.observations.of(scene.connection.index, Kind.UNSIGNED_AFTER_CLOSE):
        sender = scene.end(scene.direction_of(side))
        yield scene.finding(
            "linux-timewait-unsigned-ack",
            Severity.NOTE,
            seen,
            message=f"{times(seen.count, 'unsigned ACK')} from {sender.address} behind the connection's end",
            evidence="both FINs had been seen; Linux answers so from TIME_WAIT to an unsigned segment, or to one whose "
            "RNextKeyID names no key",
            remedy="harmless by itself: look at what it answers",
            reference="RFC 5925 7.5",
        )


def linux_unverifiable_rst(scene: Scene) -> Iterator[Finding]:
    """A RST signed with ISNs or keys that no peer can know."""
    for side, seen in scene.analyzer.observations.of(scene.connection.index, Kind.FAILED_RST):
        direction = scene.direction_of(side)
        if not any(run.verified for run in scene.connection.runs):
            continue
        sender = scene.end(direction)
        yield scene.finding(
            "linux-unverifiable-rst",
            Severity.NOTE,
            seen,
            message=f"{times(seen.count, 'RST')} from {sender.address} whose MAC does not match, on a connection whose "
            "other segments do",
            evidence="Linux signs the RST of a listener or of SYN_SENT with the other direction's key or odd ISNs; a "
            "spoofed RST looks alike",
            remedy="the receiver ignores it; if it is the sender's own, the connection ends by a timeout",
            reference="RFC 5925 7.7",
        )
