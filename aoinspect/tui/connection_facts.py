"""What one line says of a connection: its application, how far it came, the keys in use, where it first fails."""

from __future__ import annotations

from collections.abc import Sequence

from aoinspect.engine.marks import MarkKind
from aoinspect.engine.results import DIRECTIONS, ConnectionResult
from aoinspect.engine.verdicts import Method
from aoinspect.report.layout import printable
from dissectors.registry import Registry

APPLICATIONS = {
    179: "BGP",
    323: "RPKI-RTR",
    324: "RPKI-RTR",
    639: "MSDP",
    646: "LDP",
    1790: "BMP",
    4189: "PCEP",
    11019: "BMP",
}
"""Ports of what is protected by TCP-AO in practice. BMP has no port of IANA's; these two are what routers use."""

_BARS = "▁▂▃▄▅▆▇█"
Place = tuple[int, int]
"""Capture and frame."""


def application_of(connection: ConnectionResult, registry: Registry) -> str:
    """What runs over it, by its ports; the lower port's number where that is unknown."""
    ports = sorted((connection.a.port, connection.b.port))
    for port in ports:
        if port in APPLICATIONS:
            return APPLICATIONS[port]
    for port in ports:
        found = registry.lookup(("tcp.port", port))
        if found is not None:
            return found.name.upper()
    return str(ports[0])


def state_of(connection: ConnectionResult) -> str:
    """How far the connection came, as far as the capture shows it."""
    kinds = {(mark.direction, mark.kind) for mark in connection.marks}
    syns = [mark for mark in connection.marks if mark.kind is MarkKind.SYN]
    if any(kind is MarkKind.RST for _, kind in kinds):
        return "reset"
    finned = [direction for direction in DIRECTIONS if (direction, MarkKind.FIN) in kinds]
    if finned:
        return "closed" if len(finned) == len(DIRECTIONS) else "closing"
    if syns and sum(connection.verdicts.values()) <= sum(mark.segments for mark in syns):
        return "SYN answered" if len({mark.direction for mark in syns}) > 1 else "SYN, no answer"
    return "established"


def keys_in_use(connection: ConnectionResult) -> str:
    """The last key of each direction: its name where one verified, else its KeyID: "k4 / 104"."""
    words = []
    for direction in DIRECTIONS:
        runs = [run for run in connection.runs if run.direction == direction]
        if not runs:
            words.append("–")
        elif runs[-1].mkt is not None:
            words.append(printable(runs[-1].mkt))
        else:
            words.append("MD5" if runs[-1].method is Method.MD5 else f"id {runs[-1].key_id}")
    return " / ".join(words)


def first_failure(connection: ConnectionResult) -> Place | None:
    """Capture and frame of the first segment that is not verified."""
    marks = [(mark.first_capture, mark.first_frame) for mark in connection.marks if mark.kind.is_failure]
    return min(marks, default=None)


def sparkline(counts: Sequence[int]) -> str:
    """Counts as a line of bars, blank where there is nothing."""
    most = max(counts, default=0)
    return "".join(" " if not count else _BARS[(count * len(_BARS) - 1) // most] for count in counts)
