"""How a Report differs from its baseline: which connection, which run, transition, verdict or finding, which frame.

One change in the traffic should be told once. So a KeyID that turns up in the middle of a run is one difference and not
also two transitions, and a connection that is new is one difference, whatever there is to say about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple, TypeVar

from aoinspect.engine.results import DIRECTIONS
from aoinspect.engine.verdicts import Verdict
from aoinspect.report.baseline_file import BaselineError, baseline_json, load_baseline, save_baseline
from aoinspect.report.model import Report
from aoinspect.report.structure import (
    Baseline,
    Place,
    StructuralConnection,
    StructuralFinding,
    StructuralRun,
    StructuralTransition,
    baseline_of,
)

__all__ = [
    "Baseline",
    "BaselineError",
    "Difference",
    "baseline_json",
    "baseline_of",
    "difference",
    "difference_lines",
    "load_baseline",
    "save_baseline",
]

NOTHING = "-"
"""What stands where the one side has something and the other has not."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise than the baseline says."""

    subject: str
    """`connection`, `run`, `transition`, `verdict`, `finding` or `capture`."""
    connection: str
    """Both peers, "10.0.0.1 > 10.0.0.2:179"; empty for what concerns the whole run."""
    connection_id: int | None
    """The Report's number; None where the Report has no such connection, or for the whole run."""
    what: str
    """Which run, transition, verdict or finding: "run 2 of 10.0.0.1"."""
    capture: int
    """Index of the capture that `frame` is in."""
    frame: int | None
    """Where the Report has what was not expected; None where something is missing."""
    expected: str
    found: str

    def __str__(self) -> str:
        place = "" if self.frame is None else f" (frame {self.frame})"
        start = f"{self.connection}: " if self.connection else ""
        return f"{start}{self.what}{place}: expected {self.expected}, found {self.found}"


def difference(baseline: Baseline, report: Report) -> tuple[Difference, ...]:
    """What `report` has otherwise than `baseline`, by connections in canonical order; empty where nothing is.

    Counts and frames are compared where the baseline is strict.
    """
    found = baseline_of(report, is_strict=baseline.is_strict)
    return (
        *_of_captures(baseline, found),
        *_of_connections(baseline, found),
        *_of_findings(baseline.findings, found.findings, None, baseline.is_strict),
    )


def difference_lines(differences: Sequence[Difference], captures: Sequence[str] = ()) -> list[str]:
    """A table of `differences` in lines of text; `captures` are the names that frames go by where there are several."""
    if not differences:
        return []
    rows = [("connection", "what", "frame", "expected", "found")]
    for one in differences:
        frame = "" if one.frame is None else str(one.frame)
        if frame and len(captures) > 1:
            frame = f"{captures[one.capture]} {frame}"
        rows.append((one.connection or "(whole run)", one.what, frame, one.expected, one.found))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _of_captures(baseline: Baseline, found: Baseline) -> Iterator[Difference]:
    if baseline.frames is None or baseline.frames == found.frames:
        return
    told = [", ".join(map(str, frames or ())) or "none" for frames in (baseline.frames, found.frames)]
    yield Difference("capture", "", None, "frames of the captures", 0, None, told[0], told[1])


# Connections.


def _of_connections(baseline: Baseline, found: Baseline) -> Iterator[Difference]:
    names = list(dict.fromkeys(_group(connection) for connection in (*baseline.connections, *found.connections)))
    for name in names:
        expected_ones = [connection for connection in baseline.connections if _group(connection) == name]
        found_ones = [connection for connection in found.connections if _group(connection) == name]
        yield from _of_group(expected_ones, found_ones, baseline.is_strict)


def _group(connection: StructuralConnection) -> tuple[tuple[str, str], tuple[str, ...]]:
    return connection.peers, connection.vrfs


def _of_group(
    expected: list[StructuralConnection], found: list[StructuralConnection], is_strict: bool
) -> Iterator[Difference]:
    """The differences between connections of the same peers, each held to the one that it is most like."""
    table = [[tuple(_between(one, other, is_strict)) for other in found] for one in expected]
    open_expected, open_found = set(range(len(expected))), set(range(len(found)))
    pairs = sorted(
        ((row, column) for row in open_expected for column in open_found),
        key=lambda pair: (len(table[pair[0]][pair[1]]), pair),
    )
    chosen: dict[int, int] = {}
    for row, column in pairs:
        if row in open_expected and column in open_found:
            open_expected.remove(row)
            open_found.remove(column)
            chosen[row] = column
    for row, connection in enumerate(expected):
        if row in chosen:
            yield from table[row][chosen[row]]
        else:
            told = _summary(connection)
            yield Difference("connection", connection.title, None, "connection", 0, None, told, NOTHING)
    for column in sorted(open_found):
        connection = found[column]
        place = connection.start or Place(0, 0)
        yield Difference(
            "connection",
            connection.title,
            connection.id,
            "connection",
            place.capture,
            place.frame,
            NOTHING,
            _summary(connection),
        )


def _summary(connection: StructuralConnection) -> str:
    """The verdicts and keys of a connection, in a few words."""
    keys = dict.fromkeys(run.key for direction in DIRECTIONS for run in connection.runs[direction] if run.key)
    verdicts = ", ".join(verdict.word for verdict in Verdict if verdict.word in connection.verdicts)
    return verdicts + (f" with {', '.join(keys)}" if keys else "")


def _between(expected: StructuralConnection, found: StructuralConnection, is_strict: bool) -> Iterator[Difference]:
    yield from _of_verdicts(expected, found, is_strict)
    for direction in DIRECTIONS:
        yield from _Keys(expected, found, direction, is_strict).differences()
    yield from _of_findings(expected.findings, found.findings, found, is_strict)


def _at(
    subject: str,
    connection: StructuralConnection | None,
    what: str,
    place: Place | None,
    expected: str,
    found: str,
) -> Difference:
    title, number = ("", None) if connection is None else (connection.title, connection.id)
    capture, frame = (0, None) if place is None else (place.capture, place.frame)
    return Difference(subject, title, number, what, capture, frame, expected, found)


def _of_verdicts(expected: StructuralConnection, found: StructuralConnection, is_strict: bool) -> Iterator[Difference]:
    for verdict in Verdict:
        word = verdict.word
        before, now = expected.verdicts.get(word, 0), found.verdicts.get(word, 0)
        if not is_strict and (word in expected.verdicts) != (word in found.verdicts):
            place = found.first_failures.get(word)
            told = (f"some {word}", f"no {word}")
            one, other = told if word in expected.verdicts else told[::-1]
            yield _at("verdict", found, f"verdict {word}", place, one, f"{now} {word}" if now else other)
        elif is_strict and before != now:
            place = found.first_failures.get(word) if (now or 0) > (before or 0) else None
            yield _at("verdict", found, f"verdict {word}", place, f"{before} {word}", f"{now} {word}")


def _of_findings(
    expected: Sequence[StructuralFinding],
    found: Sequence[StructuralFinding],
    connection: StructuralConnection | None,
    is_strict: bool,
) -> Iterator[Difference]:
    def told(finding: StructuralFinding | None) -> str:
        if finding is None:
            return NOTHING
        frame = f" in frame {finding.place.frame}" if is_strict and finding.place is not None else ""
        return finding.severity + frame

    for before, now in _aligned(expected, found, lambda finding: (finding.ident, finding.severity)):
        one = now or before
        assert one is not None
        if before is None or now is None or (is_strict and before.place != now.place):
            place = None if now is None else now.place
            yield _at("finding", connection, f"finding {one.ident}", place, told(before), told(now))


# Key runs and transitions.


class _Item(NamedTuple):
    """A run that differs."""

    expected: StructuralRun | None
    found: StructuralRun | None
    number: int
    """What it goes by in its direction, from 1."""
    is_interruption: bool


_Ids = tuple[str, int | None, int | None]
"""Field, old and new id of a transition."""


class _Keys:
    """Runs and transitions of one direction, side by side."""

    def __init__(
        self, expected: StructuralConnection, found: StructuralConnection, direction: str, is_strict: bool
    ) -> None:
        self.expected, self.found, self.direction = expected, found, direction
        self.is_strict = is_strict

    def differences(self) -> Iterator[Difference]:
        """The runs that differ, and those transitions that no such run tells of."""
        before, now = self.expected.runs[self.direction], self.found.runs[self.direction]
        items, implied = _run_items(before, now)
        transitions = self._transition_items(items, implied)
        # Where a key was never gone to, or was gone to in addition, the transition is what changed; the run follows.
        for one, other, number, is_interruption in items:
            if transitions and not is_interruption and (one is None or other is None):
                continue
            place = None if other is None or other.span is None else other.span.first
            what = f"run {number} of {self._sender}"
            yield _at("run", self.found, what, place, _run_text(one), _run_text(other))
        for earlier, later in transitions:
            change = later or earlier
            assert change is not None
            what = f"transition of {change.field.replace('_', '-')} of {self._sender}"
            place = None if later is None else later.place
            yield _at("transition", self.found, what, place, _transition_text(earlier), _transition_text(later))
        if self.is_strict and not items and not transitions:
            yield from self._counts(before, now)

    @property
    def _sender(self) -> str:
        return self.found.sender(self.direction)

    def _transition_items(
        self, items: Sequence[_Item], implied: Counter[_Ids]
    ) -> list[tuple[StructuralTransition | None, StructuralTransition | None]]:
        """Transitions that differ, without those that the differing runs in `items` imply."""
        replaced = {
            item.found.span.first
            for item in items
            if item.expected is not None and item.found is not None and item.found.span is not None
        }
        after_replaced = _starts_behind(self.found.runs[self.direction], replaced)
        left = []
        for before, now in _aligned(
            self.expected.transitions[self.direction],
            self.found.transitions[self.direction],
            lambda transition: (transition.field, transition.old, transition.new, transition.trigger),
        ):
            if before is not None and now is not None:
                if before == now:
                    continue
                if before.trigger == now.trigger and now.place in replaced | after_replaced:
                    continue
            told = [(one.field, one.old, one.new) for one in (before, now) if one is not None]
            if all(implied[ids] for ids in told):
                implied.subtract(told)
                continue
            left.append((before, now))
        return left

    def _counts(self, before: Sequence[StructuralRun], now: Sequence[StructuralRun]) -> Iterator[Difference]:
        """Frames and counts of runs that are otherwise the same."""
        for number, (one, other) in enumerate(zip(before, now, strict=True), 1):
            if one.span != other.span and other.span is not None:
                what = f"run {number} of {self._sender}"
                yield _at("run", self.found, what, other.span.first, _span_text(one), _span_text(other))


def _run_items(before: Sequence[StructuralRun], now: Sequence[StructuralRun]) -> tuple[list[_Item], Counter[_Ids]]:
    """The runs that differ, and the transitions that interruptions among them imply.

    An interruption is A, X, A where there was A, or an X that no key verifies. X alone is told then.
    """
    items: list[_Item] = []
    implied: Counter[_Ids] = Counter()
    for tag, start, end, other_start, other_end in SequenceMatcher(
        None, [_hashable(run) for run in before], [_hashable(run) for run in now], autojunk=False
    ).get_opcodes():
        if tag == "equal":
            continue
        removed, added = list(before[start:end]), list(now[other_start:other_end])
        if tag != "replace":
            runs, first, last = (now, other_start, other_end) if tag == "insert" else (before, start, end)
            block = _interruption(runs, first, last)
            if block is not None:
                implied.update(_implied(runs[max(block.start - 1, 0) : block.stop + 1]))
                implied.update(_implied([*runs[max(block.start - 1, 0) : block.start], *runs[block.stop :][:1]]))
            for index in block or range(first, last):
                one, other = (None, runs[index]) if tag == "insert" else (runs[index], None)
                items.append(_Item(one, other, index + 1, block is not None))
            continue
        for offset in range(max(len(removed), len(added))):
            gone = removed[offset] if offset < len(removed) else None
            came = added[offset] if offset < len(added) else None
            items.append(_Item(gone, came, (start if came is None else other_start) + offset + 1, False))
    return items, implied


def _hashable(run: StructuralRun) -> tuple[str, int | None, int | None, str | None]:
    return run.method, run.key_id, run.rnext_key_id, run.key


def _interruption(runs: Sequence[StructuralRun], start: int, end: int) -> range | None:
    """Which of the runs `start` to `end`, which the other side lacks, interrupt the one before; None: they go on."""
    if end - start > 1 and start and runs[end - 1] == runs[start - 1]:
        return range(start, end - 1)
    if end - start > 1 and end < len(runs) and runs[start] == runs[end]:
        return range(start + 1, end)
    # What nothing verifies is no key that the sender has gone over to.
    return range(start, end) if all(run.key is None for run in runs[start:end]) else None


def _implied(runs: Sequence[StructuralRun]) -> Iterator[_Ids]:
    """The transitions between neighbours."""
    for one, other in pairwise(runs):
        if None not in (one.key_id, other.key_id) and one.key_id != other.key_id:
            yield "key_id", one.key_id, other.key_id
        if None not in (one.rnext_key_id, other.rnext_key_id) and one.rnext_key_id != other.rnext_key_id:
            yield "rnext_key_id", one.rnext_key_id, other.rnext_key_id


def _starts_behind(runs: Sequence[StructuralRun], starts: set[Place]) -> set[Place]:
    """Where the runs start that follow those that start at `starts`."""
    return {
        later.span.first
        for run, later in pairwise(runs)
        if run.span is not None and run.span.first in starts and later.span is not None
    }


def _aligned(
    before: Sequence[_T], now: Sequence[_T], identity: Callable[[_T], tuple[object, ...]]
) -> Iterable[tuple[_T | None, _T | None]]:
    """Both sequences side by side, equal items beside each other as far as their order allows."""
    matcher = SequenceMatcher(None, [identity(one) for one in before], [identity(one) for one in now], autojunk=False)
    for _, start, end, other_start, other_end in matcher.get_opcodes():
        for offset in range(max(end - start, other_end - other_start)):
            one = before[start + offset] if start + offset < end else None
            other = now[other_start + offset] if other_start + offset < other_end else None
            yield one, other


def _run_text(run: StructuralRun | None) -> str:
    if run is None:
        return NOTHING
    key = f"key {run.key}" if run.key is not None else "no key that verifies it"
    return f"TCP-MD5, {key}" if run.method == "md5" else f"KeyID {run.key_id}, RNextKeyID {run.rnext_key_id}, {key}"


def _span_text(run: StructuralRun) -> str:
    if run.span is None:
        return NOTHING
    return f"{run.span.segments} segments, frames {run.span.first.frame} to {run.span.last.frame}"


def _transition_text(transition: StructuralTransition | None) -> str:
    if transition is None:
        return NOTHING
    old = "none" if transition.old is None else str(transition.old)
    return f"{old} to {transition.new}" + (f" ({transition.trigger})" if transition.trigger else "")
