"""What `expect.toml` asks of captures, and what a Report says to it: one case an expectation.

Expectations are structural: verdict counts, sequences of KeyIDs, transitions, findings. Where a capture says nothing
about verdicts, it is held to what the policy check asks: at least one segment verified, and nothing else.
`expectation_file` reads the files; docs/ci.md describes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from aoinspect.engine.explain.model import Account
from aoinspect.engine.findings import Finding
from aoinspect.engine.results import DIRECTIONS, ConnectionResult, EndResult, KeyTransition
from aoinspect.engine.verdicts import Method, Verdict
from aoinspect.keys.model import Network
from aoinspect.report.cases import Case, Outcome
from aoinspect.report.layout import printable
from aoinspect.report.model import Report
from aoinspect.report.policy import account_lines

ENDS = ("local", "remote")
ANY_FINDING = "*"


@dataclass(frozen=True, slots=True)
class Range:
    """How many there may be."""

    lowest: int
    highest: int | None
    """None: any number from `lowest` on."""

    def __contains__(self, count: int) -> bool:
        return count >= self.lowest and (self.highest is None or count <= self.highest)

    def __str__(self) -> str:
        if self.highest == self.lowest:
            return str(self.lowest)
        return f"{self.lowest} or more" if self.highest is None else f"{self.lowest} to {self.highest}"


NONE = Range(0, 0)
SOME = Range(1, None)
VERIFIED_ONLY: Mapping[Verdict, Range] = {}
"""Counts where a file says nothing of verdicts."""


@dataclass(frozen=True, slots=True)
class ExpectedTransition:
    """A change of KeyID or RNextKeyID that must be there."""

    line: int
    sender: str
    """`local` or `remote`."""
    field: str
    """`key_id` or `rnext_key_id`."""
    old: int | None
    """None: whatever it was."""
    new: int
    trigger: str | None
    """None: whatever prompted it."""
    max_latency_ns: int | None

    def matches(self, transition: KeyTransition, direction: str) -> bool:
        """Whether `transition` is this one, late or not."""
        return (
            transition.direction == direction
            and transition.field == self.field
            and transition.new == self.new
            and self.old in (None, transition.old)
            and self.trigger in (None, transition.trigger)
        )

    def __str__(self) -> str:
        old = "" if self.old is None else f"{self.old} "
        trigger = f" ({self.trigger})" if self.trigger else ""
        return f"{self.field.replace('_', '-')} {old}to {self.new}{trigger} from {self.sender}"


@dataclass(frozen=True, slots=True)
class ExpectedFindings:
    """Findings by ident."""

    line: int
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    """`*`: any that is not required."""


@dataclass(frozen=True, slots=True)
class ExpectedEnd:
    """Which end of a connection is meant."""

    network: Network | None
    """None: any address."""
    port: int | None

    def matches(self, end: EndResult) -> bool:
        if self.port is not None and self.port != end.port:
            return False
        if self.network is None:
            return True
        address = ip_address(end.address)
        return address.version == self.network.version and ip_network(address).subnet_of(self.network)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ExpectedConnection:
    """One `[[capture.connection]]`: what holds of every connection that it matches."""

    line: int
    name: str
    local: ExpectedEnd
    remote: ExpectedEnd
    count: Range
    method: Method | None
    verdicts: Mapping[Verdict, Range] | None
    """None: nothing is said. Verdicts that are not named must not be there; `verified` must."""
    sequences: Mapping[tuple[str, str], tuple[int, ...]]
    """(field, end that sends) -> KeyIDs in their order."""
    sequence_lines: Mapping[tuple[str, str], int]
    transitions: tuple[ExpectedTransition, ...]
    findings: ExpectedFindings

    def orientation(self, connection: ConnectionResult) -> Mapping[str, str] | None:
        """End -> direction in which it sends; None where the connection is another."""
        if self.local.matches(connection.a) and self.remote.matches(connection.b):
            return dict(zip(ENDS, DIRECTIONS, strict=True))
        if self.local.matches(connection.b) and self.remote.matches(connection.a):
            return dict(zip(ENDS, DIRECTIONS[::-1], strict=True))
        return None


@dataclass(frozen=True, slots=True)
class ExpectedCapture:
    """One `[[capture]]`."""

    line: int
    name: str
    paths: tuple[str, ...]
    """From where the command runs."""
    keys: tuple[str, ...]
    """Empty: those that the command line names."""
    where: str | None
    """A filter."""
    policy: str
    verdicts: Mapping[Verdict, Range] | None
    findings: ExpectedFindings
    connections: tuple[ExpectedConnection, ...]


@dataclass(frozen=True, slots=True)
class Expectations:
    """One file."""

    path: str
    captures: tuple[ExpectedCapture, ...]


def expectation_cases(
    expected: ExpectedCapture, report: Report, path: str, accounts: Sequence[Account] = ()
) -> tuple[Case, ...]:
    """One case for each thing that `expected`, of the file at `path`, says of `report`.

    `accounts` explain connections that fail.
    """
    return tuple(_Held(expected, report, path, {one.connection: one for one in accounts}).cases())


class _Held:
    """One report that is held to one `[[capture]]`."""

    def __init__(self, expected: ExpectedCapture, report: Report, path: str, accounts: Mapping[int, Account]) -> None:
        self.expected, self.report, self.path, self.accounts = expected, report, path, accounts

    def cases(self) -> Iterator[Case]:
        expected = self.expected
        verdicts = expected.verdicts
        if verdicts is None and not expected.connections:
            verdicts = VERIFIED_ONLY
        if verdicts is not None:
            yield self.of_verdicts("verdicts", verdicts, self.report.connections, expected.line)
        yield from self.of_findings("", expected.findings, self.report.findings)
        for index, connection in enumerate(expected.connections, 1):
            yield from self.of_connection(connection, connection.name or f"connection {index}")

    def of_connection(self, expected: ExpectedConnection, name: str) -> Iterator[Case]:
        met = [
            (connection, orientation)
            for connection in self.report.connections
            if (orientation := expected.orientation(connection)) is not None
        ]
        is_right = len(met) in expected.count
        wanted = f"expected {expected.count} connections, found {len(met)}"
        there = tuple(f"#{one.id} {one.a} > {one.b}" for one in self.report.connections) or ("none is protected",)
        yield self.case(f"{name}: count", is_right, expected.line, wanted, ("connections in the capture:", *there))
        connections = [connection for connection, _ in met]
        verdicts = expected.verdicts
        if verdicts is None and self.expected.verdicts is None:
            verdicts = VERIFIED_ONLY
        if verdicts is not None and met:
            yield self.of_verdicts(f"{name}: verdicts", verdicts, connections, expected.line)
        if expected.method is not None and met:
            yield self.of_method(name, expected.method, connections, expected.line)
        for (field, end), ids in expected.sequences.items():
            line = expected.sequence_lines[field, end]
            label = f"{name}: {field.replace('_', '-')}s from {end}"
            yield self.of_sequence(label, field, end, ids, met, line)
        for connection, orientation in met:
            suffix = f" on #{connection.id}" if len(met) > 1 else ""
            yield from self.of_transitions(f"{name}{suffix}", expected.transitions, connection, orientation)
        numbers = {connection.id for connection in connections}
        own = [finding for finding in self.report.findings if finding.connection in numbers]
        yield from self.of_findings(f"{name}: ", expected.findings, own)

    def of_verdicts(
        self, name: str, verdicts: Mapping[Verdict, Range], connections: Sequence[ConnectionResult], line: int
    ) -> Case:
        wrong: list[str] = []
        details: list[str] = []
        frames: list[tuple[int, int]] = []
        for verdict in Verdict:
            count = sum(connection.verdicts[verdict.member] for connection in connections)
            allowed = verdicts.get(verdict, SOME if verdict is Verdict.VERIFIED else NONE)
            if count in allowed:
                continue
            wrong.append(f"expected {allowed} {verdict.word}, found {count}")
            for connection in connections:
                for sample in connection.samples:
                    if sample.segment.verdict is verdict:
                        frames.append((sample.segment.capture, sample.segment.frame))
                        details.append(
                            f"#{connection.id} {connection.a} > {connection.b}: the first {verdict.word} "
                            f"is frame {sample.segment.frame}"
                        )
        for connection in connections if wrong else ():
            details.extend(account_lines(self.accounts.get(connection.id)))
        return self.case(name, not wrong, line, "; ".join(wrong), tuple(details), min(frames, default=None))

    def of_method(self, name: str, method: Method, connections: Sequence[ConnectionResult], line: int) -> Case:
        others = [run for connection in connections for run in connection.runs if run.method is not method]
        has_any = any(connection.runs for connection in connections)
        found = others[0].method.word if others else "no signed segment"
        place = others[0].start if others else None
        wanted = f"expected {method.word}, found {found}"
        return self.case(f"{name}: method", has_any and not others, line, wanted, (), place)

    def of_sequence(
        self,
        name: str,
        field: str,
        end: str,
        ids: tuple[int, ...],
        met: Sequence[tuple[ConnectionResult, Mapping[str, str]]],
        line: int,
    ) -> Case:
        for connection, orientation in met:
            found = id_sequence(connection, orientation[end], field)
            if tuple(key_id for key_id, _ in found) != ids:
                first = next(
                    (place for (key_id, place), wanted in zip(found, ids, strict=False) if key_id != wanted), None
                )
                if first is None and len(found) > len(ids):
                    first = found[len(ids)][1]
                told = f"expected {_ids_text(ids)}, found {_ids_text([key_id for key_id, _ in found])}"
                where = (f"#{connection.id} {connection.a} > {connection.b}",)
                return self.case(name, False, line, told, where, first)
        return self.case(name, bool(met), line, f"expected {_ids_text(ids)}, and there is no such connection")

    def of_transitions(
        self,
        name: str,
        wanted: Sequence[ExpectedTransition],
        connection: ConnectionResult,
        orientation: Mapping[str, str],
    ) -> Iterator[Case]:
        """The transitions must be there in their order, each direction for itself; others may stand between them."""
        left = {direction: list(connection.transitions) for direction in DIRECTIONS}
        for one in wanted:
            direction = orientation[one.sender]
            rest = left[direction]
            position = next((at for at, found in enumerate(rest) if one.matches(found, direction)), None)
            label = f"{name}: {one}"
            if position is None:
                seen = [
                    f"{found.field.replace('_', '-')} {'none' if found.old is None else found.old} to {found.new}"
                    f"{f' ({found.trigger})' if found.trigger else ''} in frame {found.frame}"
                    for found in connection.transitions
                    if found.direction == direction
                ]
                details = ("transitions of this end:", *seen) if seen else ("this end has no transitions",)
                yield self.case(
                    label, False, one.line, "this transition is not in the capture, or out of order", details
                )
                continue
            found = rest[position]
            left[direction] = rest[position + 1 :]
            yield self.of_latency(label, one, found)

    def of_latency(self, name: str, wanted: ExpectedTransition, found: KeyTransition) -> Case:
        if wanted.max_latency_ns is None:
            return self.case(name, True, wanted.line)
        limit = f"at most {_duration(wanted.max_latency_ns)}"
        if found.latency_ns is None:
            told = f"expected {limit} after the request, and nobody had asked for this key"
        else:
            told = f"expected {limit} after the request, found {_duration(found.latency_ns)}"
        is_right = found.latency_ns is not None and found.latency_ns <= wanted.max_latency_ns
        return self.case(name, is_right, wanted.line, told, (), (found.capture, found.frame))

    def of_findings(self, prefix: str, wanted: ExpectedFindings, found: Sequence[Finding]) -> Iterator[Case]:
        idents = {finding.ident for finding in found}
        for ident in wanted.required:
            yield self.case(
                f"{prefix}finding {ident}",
                ident in idents,
                wanted.line,
                "expected this finding, and it is not there",
                ("findings: " + (", ".join(sorted(idents)) or "none"),),
            )
        for ident in wanted.forbidden:
            met = [
                finding
                for finding in found
                if finding.ident == ident or (ident == ANY_FINDING and finding.ident not in wanted.required)
            ]
            frames = [(finding.capture or 0, finding.frame) for finding in met if finding.frame is not None]
            label = "no other finding" if ident == ANY_FINDING else f"no finding {ident}"
            told = ", ".join(dict.fromkeys(finding.ident for finding in met))
            details = tuple(printable(f"{finding.ident}: {finding.message}") for finding in met)
            yield self.case(
                f"{prefix}{label}", not met, wanted.line, f"found {told}", details, min(frames, default=None)
            )

    def case(
        self,
        name: str,
        is_right: bool,
        line: int,
        message: str = "",
        details: tuple[str, ...] = (),
        place: tuple[int, int] | None = None,
    ) -> Case:
        if is_right:
            return Case(name, Outcome.PASSED, kind="expectation", file=self.path, line=line)
        capture, frame = (0, None) if place is None else place
        path = self.report.captures[capture].path
        return Case(name, Outcome.FAILED, "expectation", message, details, self.path, line, path, frame)


def id_sequence(connection: ConnectionResult, direction: str, field: str) -> list[tuple[int, tuple[int, int]]]:
    """The ids that a direction goes through, each with capture and frame where it begins; repeats are one."""
    found: list[tuple[int, tuple[int, int]]] = []
    for run in connection.runs:
        key_id = run.key_id if field == "key_id" else run.rnext_key_id
        if run.direction == direction and key_id is not None and (not found or found[-1][0] != key_id):
            found.append((key_id, run.start))
    return found


def _ids_text(ids: Sequence[int]) -> str:
    return " > ".join(map(str, ids)) or "none"


def _duration(nanoseconds: int) -> str:
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1_000_000:g} ms"
    return f"{nanoseconds / 1_000_000_000:g} s"
