"""Baselines as files: JSON in canonical order, so that one that says the same is the same, octet for octet.

`aoinspect.baseline/1` is described in docs/ci.md. A file that was edited by hand is checked member by member, and what
is wrong with it is told with its place in the document.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from aoinspect.engine.findings import Severity
from aoinspect.engine.results import DIRECTIONS
from aoinspect.engine.verdicts import Method, Verdict
from aoinspect.errors import UsageError
from aoinspect.report.structure import (
    Baseline,
    Place,
    Span,
    StructuralConnection,
    StructuralFinding,
    StructuralRun,
    StructuralTransition,
    canonical_order,
    split_peer,
)
from aoinspect.report.whole_text import write_whole_text

SCHEMA = "aoinspect.baseline/1"
MOST_OCTETS = 64 << 20

_T = TypeVar("_T")


class BaselineError(UsageError):
    """A baseline cannot be read or written."""


def load_baseline(path: str | os.PathLike[str]) -> Baseline:
    """The baseline in the file at `path`; BaselineError with file and member where it is none."""
    name = os.fspath(path)
    try:
        octets = Path(name).read_bytes()
    except OSError as error:
        hint = "; --update writes it" if isinstance(error, FileNotFoundError) else ""
        raise BaselineError(f"{name}: {error.strerror}{hint}") from None
    if len(octets) > MOST_OCTETS:
        raise BaselineError(f"{name}: larger than {MOST_OCTETS} octets; this is no baseline")
    try:
        document = json.loads(octets.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise BaselineError(f"{name}:{error.lineno}: column {error.colno}: this is no JSON; write it anew") from None
    except (ValueError, RecursionError):
        # Also integers of more digits than Python converts.
        raise BaselineError(f"{name}: this is no JSON in UTF-8; --update writes it anew") from None
    return _Reader(name).baseline(document)


def save_baseline(baseline: Baseline, path: str | os.PathLike[str]) -> bool:
    """Writes `baseline` to the file at `path`; whether that changed anything. BaselineError where it cannot."""
    target = Path(path)
    text = baseline_json(baseline)
    try:
        if target.exists() and target.read_text(encoding="utf-8", errors="replace") == text:
            return False
        write_whole_text(target, text)
    except OSError as error:
        raise BaselineError(f"{target}: cannot be written: {error.strerror}") from None
    return True


def baseline_json(baseline: Baseline) -> str:
    """The document, one line a run, transition and finding, so that a change shows as one line."""
    is_strict = baseline.is_strict
    document: dict[str, object] = {"schema": SCHEMA, "strict": is_strict}
    if baseline.frames is not None:
        document["frames"] = list(baseline.frames)
    document["connections"] = [_connection(connection, is_strict) for connection in baseline.connections]
    document["findings"] = [_finding(finding, is_strict) for finding in baseline.findings]
    return _laid_out(document, 0) + "\n"


def _laid_out(value: object, depth: int) -> str:
    """JSON with lists and objects of plain values on one line."""
    margin = " " * (depth + 1)
    if isinstance(value, dict) and not all(_is_plain(item) for item in value.values()):
        lines = [f"{margin}{json.dumps(name)}: {_laid_out(item, depth + 1)}" for name, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{' ' * depth}}}"
    if isinstance(value, list) and value and not all(_is_plain(item) for item in value):
        lines = [f"{margin}{_laid_out(item, depth + 1)}" for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{' ' * depth}]"
    return json.dumps(value, ensure_ascii=False)


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict | list)


def _connection(connection: StructuralConnection, is_strict: bool) -> dict[str, object]:
    words = [verdict.word for verdict in Verdict if verdict.word in connection.verdicts]
    counts = {word: connection.verdicts[word] for word in words}
    return {
        "peers": list(connection.peers),
        **({"vrf": list(connection.vrfs)} if connection.vrfs else {}),
        "verdicts": counts if is_strict else words,
        "runs": {direction: [_run(run, is_strict) for run in connection.runs[direction]] for direction in DIRECTIONS},
        "transitions": {
            direction: [_transition(transition, is_strict) for transition in connection.transitions[direction]]
            for direction in DIRECTIONS
        },
        "findings": [_finding(finding, is_strict) for finding in connection.findings],
    }


def _run(run: StructuralRun, is_strict: bool) -> dict[str, object]:
    told: dict[str, object] = {
        "method": run.method,
        "key_id": run.key_id,
        "rnext_key_id": run.rnext_key_id,
        "key": run.key,
    }
    if is_strict and run.span is not None:
        told |= _place("first_", run.span.first) | _place("last_", run.span.last) | {"segments": run.span.segments}
    return told


def _transition(transition: StructuralTransition, is_strict: bool) -> dict[str, object]:
    told: dict[str, object] = {
        "field": transition.field,
        "old": transition.old,
        "new": transition.new,
        "trigger": transition.trigger,
    }
    return told | _place("", transition.place) if is_strict else told


def _finding(finding: StructuralFinding, is_strict: bool) -> dict[str, object]:
    told: dict[str, object] = {"ident": finding.ident, "severity": finding.severity}
    return told | _place("", finding.place) if is_strict else told


def _place(prefix: str, place: Place | None) -> dict[str, object]:
    if place is None:
        return {}
    return {f"{prefix}frame": place.frame, **({f"{prefix}capture": place.capture} if place.capture else {})}


class _Reader:
    """Reads a document; `where` in its methods is a member's place, like connections[2].runs."""

    def __init__(self, path: str) -> None:
        self._path = path

    def wrong(self, where: str, message: str) -> BaselineError:
        return BaselineError(f"{self._path}: {where} {message}; --update writes the file anew")

    def baseline(self, document: object) -> Baseline:
        members = self.members_of(document, "the document")
        if members.get("schema") != SCHEMA:
            raise self.wrong("schema", f"is not {SCHEMA}, the only one that this release reads")
        is_strict = members.get("strict")
        if not isinstance(is_strict, bool):
            raise self.wrong("strict", "is neither true nor false")
        frames = None
        if is_strict:
            frames = tuple(self.each(members, "frames", "frames", self.count))
        connections = self.each(
            members, "connections", "connections", lambda one, where: self.connection(one, where, is_strict)
        )
        return Baseline(
            is_strict,
            tuple(sorted(connections, key=canonical_order)),
            tuple(self.each(members, "findings", "findings", self.finding)),
            frames,
        )

    def connection(self, value: object, where: str, is_strict: bool) -> StructuralConnection:
        members = self.members_of(value, where)
        peers = self.each(members, "peers", f"{where}.peers", self.peer)
        if len(peers) != 2:
            raise self.wrong(f"{where}.peers", "does not name two ends")
        vrfs = self.each(members, "vrf", f"{where}.vrf", self.text) if "vrf" in members else []
        return StructuralConnection(
            peers=(peers[0], peers[1]),
            vrfs=tuple(vrfs),
            verdicts=self.verdicts(members.get("verdicts"), f"{where}.verdicts", is_strict),
            runs=self.by_direction(members.get("runs"), f"{where}.runs", self.run),
            transitions=self.by_direction(members.get("transitions"), f"{where}.transitions", self.transition),
            findings=tuple(self.each(members, "findings", f"{where}.findings", self.finding)),
        )

    def verdicts(self, value: object, where: str, is_strict: bool) -> dict[str, int | None]:
        told: dict[str, int | None]
        if is_strict:
            told = {name: self.count(count, f"{where}.{name}") for name, count in self.members_of(value, where).items()}
        elif isinstance(value, list):
            told = {self.text(word, where): None for word in value}
        else:
            raise self.wrong(where, "is not a list")
        unknown = told.keys() - {verdict.word for verdict in Verdict}
        if unknown:
            raise self.wrong(where, f"has a verdict that does not exist: {min(unknown)!r}")
        return told

    def by_direction(self, value: object, where: str, read: Callable[[object, str], _T]) -> dict[str, tuple[_T, ...]]:
        members = self.members_of(value, where)
        return {
            direction: tuple(self.each(members, direction, f"{where}.{direction}", read)) for direction in DIRECTIONS
        }

    def run(self, value: object, where: str) -> StructuralRun:
        members = self.members_of(value, where)
        method = self.text(members.get("method"), f"{where}.method")
        if method not in (Method.AO.word, Method.MD5.word):
            raise self.wrong(f"{where}.method", "is neither ao nor md5")
        key = members.get("key")
        span = None
        if "segments" in members:
            first, last = self.place(members, where, "first_"), self.place(members, where, "last_")
            if first is None or last is None:
                raise self.wrong(where, "has segments and no first_frame or last_frame")
            span = Span(first, last, self.count(members["segments"], f"{where}.segments"))
        return StructuralRun(
            method,
            self.key_id(members.get("key_id"), f"{where}.key_id"),
            self.key_id(members.get("rnext_key_id"), f"{where}.rnext_key_id"),
            None if key is None else self.text(key, f"{where}.key"),
            span,
        )

    def transition(self, value: object, where: str) -> StructuralTransition:
        members = self.members_of(value, where)
        kind = self.text(members.get("field"), f"{where}.field")
        if kind not in ("key_id", "rnext_key_id"):
            raise self.wrong(f"{where}.field", "is neither key_id nor rnext_key_id")
        new = self.key_id(members.get("new"), f"{where}.new")
        if new is None:
            raise self.wrong(f"{where}.new", "is missing")
        trigger = members.get("trigger")
        return StructuralTransition(
            kind,
            self.key_id(members.get("old"), f"{where}.old"),
            new,
            None if trigger is None else self.text(trigger, f"{where}.trigger"),
            self.place(members, where, ""),
        )

    def finding(self, value: object, where: str) -> StructuralFinding:
        members = self.members_of(value, where)
        severity = self.text(members.get("severity"), f"{where}.severity")
        if severity not in {one.value for one in Severity}:
            raise self.wrong(f"{where}.severity", "is neither error nor warning nor note")
        return StructuralFinding(
            self.text(members.get("ident"), f"{where}.ident"), severity, self.place(members, where, "")
        )

    def place(self, members: Mapping[str, object], where: str, prefix: str) -> Place | None:
        if f"{prefix}frame" not in members:
            return None
        frame = self.count(members[f"{prefix}frame"], f"{where}.{prefix}frame")
        return Place(self.count(members.get(f"{prefix}capture", 0), f"{where}.{prefix}capture"), frame)

    def members_of(self, value: object, where: str) -> Mapping[str, object]:
        if not isinstance(value, dict):
            raise self.wrong(where, "is not an object")
        return value

    def each(self, members: Mapping[str, object], name: str, where: str, read: Callable[[object, str], _T]) -> list[_T]:
        value = members.get(name)
        if not isinstance(value, list):
            raise self.wrong(where, "is not a list")
        return [read(item, f"{where}[{index}]") for index, item in enumerate(value)]

    def text(self, value: object, where: str) -> str:
        if not isinstance(value, str):
            raise self.wrong(where, "is not text")
        return value

    def peer(self, value: object, where: str) -> str:
        peer = self.text(value, where)
        try:
            split_peer(peer)
        except ValueError:
            raise self.wrong(where, "is not an address, or an address and a port") from None
        return peer

    def count(self, value: object, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(where, "is not a whole number from 0 on")
        return value

    def key_id(self, value: object, where: str) -> int | None:
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
            raise self.wrong(where, "is not a KeyID from 0 to 255")
        return value
