"""A Report without what may vary from one recording of a scenario to the next.

Here alone is decided what that is. What stays: who talks to whom, the key runs of each direction in their order, the
verdicts that are there, transitions and findings. What goes: times, latencies, ISNs, MACs, ephemeral ports, and where
it is not strict also frames and counts. Nothing that stays is a secret or computed from one.

Connections have no order of their own, since two that run at the same time may be met either way round; an end is told
from the other by who opened, or where nobody knows by the port.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from aoinspect.engine.findings import Finding
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, EndResult, KeyRun, KeyTransition
from aoinspect.engine.verdicts import Verdict
from aoinspect.report.model import Report

SYSTEM_PORTS = range(1, 1024)
"""RFC 6335 6: ports that no stack picks for a client by itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the captures something was met."""

    capture: int
    """Index into the run's captures."""
    frame: int


@dataclass(frozen=True, slots=True)
class Span:
    """How far a key run goes; kept only where a baseline is strict."""

    first: Place
    last: Place
    segments: int


@dataclass(frozen=True, slots=True)
class StructuralRun:
    """A key run by what it is signed with. Two are equal if that is the same."""

    method: str
    key_id: int | None
    rnext_key_id: int | None
    key: str | None
    """Name of the key that verified it; None where none did."""
    span: Span | None = dataclasses.field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StructuralTransition:
    """A change of KeyID or RNextKeyID. Two are equal if ids and trigger are the same."""

    field: str
    old: int | None
    new: int
    trigger: str | None
    place: Place | None = dataclasses.field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StructuralFinding:
    """A finding by its name."""

    ident: str
    severity: str
    place: Place | None = dataclasses.field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StructuralConnection:
    """One protected connection."""

    peers: tuple[str, str]
    """Both ends, a first: the address, and the port where it is not an ephemeral one."""
    vrfs: tuple[str, ...]
    verdicts: dict[str, int | None]
    """Verdict's word -> segments, of those that are there; None where the baseline does not say how many."""
    runs: dict[str, tuple[StructuralRun, ...]]
    """By direction."""
    transitions: dict[str, tuple[StructuralTransition, ...]]
    """By direction."""
    findings: tuple[StructuralFinding, ...]
    id: int | None = dataclasses.field(default=None, compare=False)
    """Number in the Report; None in a baseline that was read from a file."""
    first_failures: dict[str, Place] = dataclasses.field(default_factory=dict, compare=False)
    """Verdict's word -> its first segment, for verdicts other than `verified`."""
    start: Place | None = dataclasses.field(default=None, compare=False)

    @property
    def title(self) -> str:
        vrfs = f" ({', '.join(self.vrfs)})" if self.vrfs else ""
        return f"{self.peers[0]} > {self.peers[1]}{vrfs}"

    def sender(self, direction: str) -> str:
        """The peer that sends in `direction`."""
        return self.peers[DIRECTIONS.index(direction)]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a Report is held to."""

    is_strict: bool
    connections: tuple[StructuralConnection, ...]
    """In canonical order."""
    findings: tuple[StructuralFinding, ...]
    """Those of the run as a whole, in canonical order."""
    frames: tuple[int, ...] | None = None
    """Frames of each capture, where it is strict."""


def baseline_of(report: Report, *, is_strict: bool = False) -> Baseline:
    """The structure of `report`. Frames and counts are in it either way; only a strict baseline keeps them in a file.

    Connections stand in canonical order: by peers, VRF, then contents.
    """
    by_connection: dict[int | None, list[Finding]] = {}
    for finding in report.findings:
        by_connection.setdefault(finding.connection, []).append(finding)
    connections = [
        _connection(connection, by_connection.get(connection.id, []), is_strict) for connection in report.connections
    ]
    return Baseline(
        is_strict=is_strict,
        connections=tuple(sorted(connections, key=canonical_order)),
        findings=_findings(by_connection.get(None, []), is_strict),
        frames=tuple(capture.frames for capture in report.captures) if is_strict else None,
    )


def canonical_order(connection: StructuralConnection) -> tuple[object, ...]:
    """What connections are sorted by; it does not depend on the order in which they were met."""
    peers = tuple(_peer_order(peer) for peer in connection.peers)
    # Text, since None and a KeyID cannot be compared; without places, which differ between recordings.
    runs = tuple(
        f"{direction} {run.method} {run.key_id} {run.rnext_key_id} {run.key}"
        for direction in DIRECTIONS
        for run in connection.runs[direction]
    )
    rest = (tuple(sorted(connection.verdicts)), tuple((one.ident, one.severity) for one in connection.findings))
    return peers, connection.vrfs, runs, rest


def _peer_order(peer: str) -> tuple[int, bytes, int]:
    address, port = split_peer(peer)
    parsed = ip_address(address)
    return parsed.version, parsed.packed, port or 0


def split_peer(peer: str) -> tuple[str, int | None]:
    """Address and port of "10.0.0.1", "10.0.0.1:179", "fd00::1", "[fd00::1]:179". ValueError where it is none."""
    if peer.startswith("["):
        address, bracket, port = peer[1:].partition("]:")
        if not bracket:
            raise ValueError("is not [ADDRESS]:PORT")
    elif peer.count(":") == 1:
        address, _, port = peer.partition(":")
    else:
        address, port = peer, ""
    number = None
    if port:
        if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 0xFFFF):
            raise ValueError("has no port from 1 to 65535")
        number = int(port)
    return str(ip_address(address)), number


def _kept_ports(connection: ConnectionResult) -> tuple[bool, bool]:
    """Whether the port of a, and that of b, is the same in every recording."""
    are_system = tuple(end.port in SYSTEM_PORTS for end in (connection.a, connection.b))
    if any(are_system):
        return are_system[0], are_system[1]
    if connection.opened_by == "a":
        return False, True
    return connection.a.port < connection.b.port, connection.b.port <= connection.a.port


def _connection(connection: ConnectionResult, findings: Sequence[Finding], is_strict: bool) -> StructuralConnection:
    keeps = _kept_ports(connection)
    peers = tuple(_peer(end, keep) for end, keep in zip((connection.a, connection.b), keeps, strict=True))
    # Who sent first is chance where nobody is known to have opened: the end with the kept port is b then.
    is_swapped = connection.opened_by != "a" and (
        keeps == (True, False) or (keeps[0] == keeps[1] and _peer_order(peers[0]) > _peer_order(peers[1]))
    )
    own_directions = DIRECTIONS[::-1] if is_swapped else DIRECTIONS
    verdicts = {
        verdict.word: connection.verdicts[verdict.member] for verdict in Verdict if connection.verdicts[verdict.member]
    }
    return StructuralConnection(
        peers=(peers[1], peers[0]) if is_swapped else (peers[0], peers[1]),
        vrfs=tuple(sorted(connection.vrfs)),
        verdicts=dict(verdicts),
        runs={
            direction: _runs([run for run in connection.runs if run.direction == own], is_strict)
            for direction, own in zip(DIRECTIONS, own_directions, strict=True)
        },
        transitions={
            direction: tuple(
                _transition(transition) for transition in connection.transitions if transition.direction == own
            )
            for direction, own in zip(DIRECTIONS, own_directions, strict=True)
        },
        findings=_findings(findings, is_strict),
        id=connection.id,
        first_failures={
            sample.segment.verdict.word: Place(sample.segment.capture, sample.segment.frame)
            for sample in connection.samples
        },
        start=Place(connection.first_capture, connection.first_frame),
    )


def _peer(end: EndResult, keeps_port: bool) -> str:
    return str(end) if keeps_port else end.address


def _runs(runs: Sequence[KeyRun], is_strict: bool) -> tuple[StructuralRun, ...]:
    """One a run; where it is not strict, neighbours that are signed alike are one."""
    found: list[StructuralRun] = []
    for run in sorted(runs, key=lambda run: run.order):
        span = Span(Place(run.first_capture, run.first_frame), Place(run.last_capture, run.last_frame), run.segments)
        structural = StructuralRun(run.method.word, run.key_id, run.rnext_key_id, run.mkt, span)
        if is_strict or not found or found[-1] != structural:
            found.append(structural)
    return tuple(found)


def _transition(transition: KeyTransition) -> StructuralTransition:
    place = Place(transition.capture, transition.frame)
    return StructuralTransition(transition.field, transition.old, transition.new, transition.trigger, place)


def _findings(findings: Sequence[Finding], is_strict: bool) -> tuple[StructuralFinding, ...]:
    """In canonical order; where it is not strict, one of each name and severity, with its first place."""
    found = [
        StructuralFinding(
            finding.ident,
            finding.severity.value,
            None if finding.frame is None else Place(finding.capture or 0, finding.frame),
        )
        for finding in findings
    ]
    if not is_strict:
        found = list({(one.ident, one.severity): one for one in reversed(found)}.values())
    return tuple(sorted(found, key=lambda one: (one.ident, one.severity, _order_of_place(one.place))))


def _order_of_place(place: Place | None) -> tuple[int, int]:
    return (-1, 0) if place is None else (place.capture, place.frame)
