"""Findings on segments: unsigned, stripped, doubly signed, not checkable, unanswered."""

from __future__ import annotations

from collections.abc import Iterator

from aoinspect.engine.findings.model import Finding, Scene, Severity, frames_of, times
from aoinspect.engine.observations import Kind, Occurrences
from aoinspect.engine.results import DIRECTIONS
from aoinspect.engine.verdicts import Method

STRIPPED_LEAST = 2
"""Unsigned segments behind the last signed one from which on it looks like stripping and not like one stray."""


_LINUX_COUNTERS = {
    Method.AO: "TCPAOBad, TCPAOKeyNotFound and TCPAORequired",
    Method.MD5: "TCPMD5Failure, TCPMD5NotFound and TCPMD5Unexpected",
}
"""What counts the SYNs that a listener drops, by how they are signed."""


def _was_signed(scene: Scene) -> bool:
    return any(run.segments for run in scene.connection.runs)


def _is_stripped(scene: Scene, side: int) -> bool:
    count = scene.analyzer.observations.unsigned_at_end.get(scene.connection.index * 2 + side, 0)
    return count >= STRIPPED_LEAST and any(run.verified for run in scene.runs(scene.direction_of(side)))


def _observed(scene: Scene, kind: Kind) -> Iterator[tuple[str, int, Occurrences]]:
    for side, seen in scene.analyzer.observations.of(scene.connection.index, kind):
        yield scene.direction_of(side), side, seen


def unsigned_segment(scene: Scene) -> Iterator[Finding]:
    """Segments without AO or MD5 on a protected connection."""
    for direction, side, seen in _observed(scene, Kind.UNSIGNED):
        if _is_stripped(scene, side):
            continue
        sender = scene.end(direction)
        if _was_signed(scene):
            remedy = f"a spoofed segment, or a stack that lost the key: look at the TTL and at {sender.address}"
        else:
            remedy = (
                f"give {sender.address} a key for this peer, or name the port in [[peer]] if it is another application"
            )
        yield scene.finding(
            "unsigned-segment",
            Severity.ERROR,
            seen,
            message=f"{times(seen.count, 'unsigned segment')} from {sender.address}; the receiver drops "
            + ("it" if seen.count == 1 else "them"),
            evidence=frames_of(seen),
            remedy=remedy,
            reference="RFC 5925 7.5 (1)",
        )


def unsigned_rst(scene: Scene) -> Iterator[Finding]:
    """A RST without AO: a spoof, or a stack that has no key (any more)."""
    for direction, _, seen in _observed(scene, Kind.UNSIGNED_RST):
        sender = scene.end(direction)
        yield scene.finding(
            "unsigned-rst",
            Severity.WARNING,
            seen,
            message=f"{times(seen.count, 'unsigned RST')} from {sender.address}; a TCP-AO receiver ignores it",
            evidence=frames_of(seen),
            remedy=f"a spoof if {sender.address} has the key; otherwise its TCP knows neither key nor connection "
            "(rebooted, or no such listener): the other end keeps waiting",
            reference="RFC 5925 7.7",
        )


def ao_stripped_mid_connection(scene: Scene) -> Iterator[Finding]:
    """A direction that was signed goes on unsigned to its end."""
    for direction, side, seen in _observed(scene, Kind.UNSIGNED):
        if not _is_stripped(scene, side):
            continue
        count = scene.analyzer.observations.unsigned_at_end[scene.connection.index * 2 + side]
        sender = scene.end(direction)
        yield scene.finding(
            "ao-stripped-mid-connection",
            Severity.ERROR,
            seen,
            message=f"from some point on nothing from {sender.address} is signed",
            evidence=f"{times(count, 'unsigned segment')} behind its last signed one, until frame {seen.last_frame}",
            remedy="a middlebox that removes TCP options, or a stack that lost the key: capture on both sides",
            reference="RFC 5925 7.5 (1), 9.7",
        )


def ao_and_md5_together(scene: Scene) -> Iterator[Finding]:
    """Both options in one segment."""
    for direction, _, seen in _observed(scene, Kind.AO_AND_MD5):
        yield scene.finding(
            "ao-and-md5-together",
            Severity.ERROR,
            seen,
            message=f"{times(seen.count, 'segment')} from {scene.end(direction).address} with AO and MD5 options",
            evidence=f"first in frame {seen.first_frame}",
            remedy="configure one of both for this peer",
            reference="RFC 5925 2.2",
        )


def more_than_one_ao_option(scene: Scene) -> Iterator[Finding]:
    """Two AO options in one segment."""
    for direction, _, seen in _observed(scene, Kind.TWO_AO):
        yield scene.finding(
            "more-than-one-ao-option",
            Severity.ERROR,
            seen,
            message=f"{times(seen.count, 'segment')} from {scene.end(direction).address} with more than one AO option",
            evidence=f"first in frame {seen.first_frame}",
            remedy="no stack sends this: an attack, or a middlebox",
            reference="RFC 5925 2.2",
        )


def method_changed(scene: Scene) -> Iterator[Finding]:
    """TCP-MD5 and TCP-AO on one live connection."""
    runs = [run for direction in DIRECTIONS for run in scene.runs(direction, verified_only=True)]
    methods = {run.method for run in runs}
    if {Method.AO, Method.MD5} <= methods:
        first = min(runs, key=lambda run: run.order).method
        change = min((run for run in runs if run.method is not first), key=lambda run: run.order)
        yield scene.finding(
            "method-changed",
            Severity.WARNING,
            change,
            message=f"the connection changes from {first.name} to {change.method.name} while it is alive",
            evidence=f"first in frame {change.first_frame}, from {scene.end(change.direction).address}",
            remedy="TCP-MD5 can be replaced by TCP-AO between connections, never within one: restart the session",
            reference="RFC 5925 1.1, 8",
        )


def syn_unanswered(scene: Scene) -> Iterator[Finding]:
    """A signed SYN that nobody answers. Where its sender goes on, it was answered: one direction alone is captured."""
    connection = scene.connection
    if connection.opened_by != "a" or connection.b.isn is not None:
        return
    syns = [seen for direction, _, seen in _observed(scene, Kind.SYN) if direction == DIRECTIONS[0]]
    runs = scene.runs(DIRECTIONS[0])
    if not syns or not runs or syns[0].count < sum(connection.verdicts.values()):
        return
    run = runs[0]
    client, server = connection.a, connection.b
    reason = (
        f"it did not arrive, or {server.address} has no listener, no room in its backlog, or no key for this SYN (a "
        "signed SYN is never refused aloud)"
    )
    remedy = f"look at the counters {_LINUX_COUNTERS[run.method]} of {server.address} (nstat -az, if it is Linux)"
    if connection.refused:
        reason = f"{server.address} drops it: see ends-disagree"
        remedy = "make both ends' keys equal, with the ids crossed"
    elif connection.verdicts["mismatch"]:
        reason = "its MAC does not match, so the listener drops it"
        remedy = "compare the keys, and look for rewriting on the path (NAT, MSS)"
    elif (
        run.rnext_key_id is not None and connection.is_covered and not scene.knows_key(DIRECTIONS[1], run.rnext_key_id)
    ):
        reason = (
            f"its RNextKeyID {run.rnext_key_id} is the SendID of no key of {server.address}: Linux sends nothing then"
        )
        remedy = f"make the receive id on {client.address} equal to the send id on {server.address}"
    yield scene.finding(
        "syn-unanswered",
        Severity.ERROR,
        syns[0],
        message=f"{times(syns[0].count, 'signed SYN')} from {client} to {server}, and no answer: {reason}",
        evidence=f"{frames_of(syns[0])}; nothing came from {server.address}",
        remedy=remedy,
        reference="RFC 2385 2.0" if run.method is Method.MD5 else "RFC 5925 7.5, 7.7",
    )


def segment_offloaded(scene: Scene) -> Iterator[Finding]:
    """Segments larger than the peer's MSS that cannot be checked."""
    for direction, _, seen in _observed(scene, Kind.OFFLOADED):
        yield scene.finding(
            "segment-offloaded",
            Severity.NOTE,
            seen,
            message=f"{times(seen.count, 'segment')} from {scene.end(direction).address} larger than the peer's MSS: "
            "captured before segmentation or after coalescing",
            evidence=f"first in frame {seen.first_frame}",
            remedy="capture on the wire, or switch tso, gso, gro and lro off on the capturing host (ethtool -K)",
            reference="RFC 5925 5.1",
        )


def isn_unknown(scene: Scene) -> Iterator[Finding]:
    """Segments that cannot be checked because the handshake is missing."""
    seen_by_side = list(_observed(scene, Kind.ISN_UNKNOWN))
    if seen_by_side:
        count = sum(seen.count for _, _, seen in seen_by_side)
        yield scene.finding(
            "isn-unknown",
            Severity.NOTE,
            seen_by_side[0][2],
            message=f"{times(count, 'segment')} cannot be checked: the handshake is not in the capture",
            evidence="the MAC depends on both ISNs (RFC 5925 5.2)",
            remedy="add a [[connection]] with the ISNs that the router shows, or capture from the start",
            reference="RFC 5925 5.2",
        )


def capture_cut(scene: Scene) -> Iterator[Finding]:
    """Segments of which the snap length cut something that the MAC covers."""
    for direction, _, seen in _observed(scene, Kind.TRUNCATED):
        yield scene.finding(
            "capture-cut",
            Severity.NOTE,
            seen,
            message=f"{times(seen.count, 'segment')} from {scene.end(direction).address} cut by the snap length",
            evidence=f"first in frame {seen.first_frame}",
            remedy="capture whole packets (tcpdump -s 0)",
            reference="RFC 5925 5.1",
        )


def retransmission_differs(scene: Scene) -> Iterator[Finding]:
    """The same sequence numbers, other octets, both verified."""
    differing = scene.analyzer.repeats.differing.get(scene.connection.index)
    if not differing:
        return
    for side in (0, 1):
        of_side = [item for item in differing if item.side == side]
        if of_side:
            sender = scene.end(scene.direction_of(side))
            yield scene.finding(
                "retransmission-differs",
                Severity.WARNING,
                (of_side[0].capture, of_side[0].frame),
                message=f"{sender.address} sent other octets under sequence numbers that it had used before",
                evidence=f"{times(len(of_side), 'segment')}; {of_side[0].detail}; both MACs are right",
                remedy="a fault of the sender's TCP, or somebody who has its key",
                reference="RFC 9293 3.8.1",
            )


def replayed_segment(scene: Scene) -> Iterator[Finding]:
    """A verified segment again, long after it was acknowledged."""
    for side in (0, 1):
        key = (scene.connection.index, side)
        found = scene.analyzer.repeats.replayed.get(key)
        if found:
            sender = scene.end(scene.direction_of(side))
            yield scene.finding(
                "replayed-segment",
                Severity.NOTE,
                (found[0].capture, found[0].frame),
                message=f"{times(scene.analyzer.repeats.replayed_counts[key], 'old segment')} of {sender.address} came "
                "again, long after the other end had acknowledged it",
                evidence=f"frame {found[0].frame}: {found[0].detail}; a MAC cannot tell old from new",
                remedy="TCP drops it; look where it came from if retransmission does not explain it",
                reference="RFC 5925 6.2, 9.8",
            )
