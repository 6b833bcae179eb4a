"""The search: every assumption on every failing segment, within a budget, and the fewest that explain the most.

A MAC of 96 bits that agrees is proof. Shorter ones add up over different segments under one and the same assumption;
an assumption that stays below `PROOF_BITS` counts for nothing. Several assumptions may hold for a segment (with no
option but padding, "options excluded" and "padding left out" give the same octets), so the one that explains the most
segments is taken, then the one that explains the most of the rest. Of equals the earlier in the table is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from aoinspect.engine.explain.case import Case, Search, Subject, Trial, Unkeyed
from aoinspect.engine.explain.model import PROOF_BITS, Assumption, Budget
from aoinspect.engine.explain.path import MSS_VALUES
from aoinspect.engine.explain.table import SWEEP, Trials
from aoinspect.errors import UsageError

_OF_MD5_ALONE = frozenset({"H32"})
_OF_BOTH_METHODS = frozenset({"H2", "H17"})
"""All others are of TCP-AO alone."""


@dataclass(frozen=True, slots=True)
class Held:
    """An assumption that holds, and for which segments."""

    assumption: Assumption
    subjects: tuple[Subject, ...]
    bits: int


@dataclass(slots=True)
class Outcome:
    """What a sweep came to."""

    held: list[Held] = field(default_factory=list)
    """The one that explains the most segments first."""
    ruled: list[str] = field(default_factory=list)
    """Idents (or combinations) of which everything was tried, and something could be."""
    not_tried: list[str] = field(default_factory=list)
    """Those for which the budget did not suffice."""
    unkeyed: list[str] = field(default_factory=list)
    """Those of which something takes a master key, or a traffic key that the log does not hold."""
    macs: int = 0
    is_out_of_reach: bool = False
    """The budget was used up before: nothing at all was tried."""


def sweep(case: Case, budget: Budget, among: frozenset[str] | None = None) -> Outcome:
    """Tries the whole table on `case`, or only `among`; stops where one assumption explains every segment."""
    outcome = Outcome()
    matches: dict[Assumption, list[Subject]] = {}
    case = replace(case, subjects=tuple(subject for subject in case.subjects if subject.is_provable))
    if not case.subjects:
        return outcome
    if not budget.macs and not (budget.searches and any(subject.is_ao for subject in case.subjects)):
        # Making trials that nothing is left for would cost a run of very many connections more than its budget.
        outcome.is_out_of_reach = True
        outcome.not_tried = _unreached(case, among)
        return outcome
    for idents, function in SWEEP:
        if among is not None and not among.issuperset(idents):
            continue
        macs_before = outcome.macs
        name = "+".join(idents)
        is_complete = _run(name, function, case, budget, matches, outcome)
        listed = outcome.ruled if is_complete else outcome.not_tried
        if name not in listed and (outcome.macs > macs_before or not is_complete):
            listed.append(name)
        if _explains_all(matches, case):
            break
    outcome.ruled = [name for name in outcome.ruled if name not in {*outcome.not_tried, *outcome.unkeyed}]
    outcome.held = _fewest(matches)
    return outcome


def _unreached(case: Case, among: frozenset[str] | None) -> list[str]:
    """What might have been tried on segments signed as these are."""
    is_md5 = any(not subject.is_ao for subject in case.subjects)
    is_ao = any(subject.is_ao for subject in case.subjects)
    names = dict.fromkeys("+".join(idents) for idents, _ in SWEEP if among is None or among.issuperset(idents))
    return [name for name in names if (is_md5 if name in _OF_MD5_ALONE else is_ao or name in _OF_BOTH_METHODS)]


def _run(
    name: str,
    function: Trials,
    case: Case,
    budget: Budget,
    matches: dict[Assumption, list[Subject]],
    outcome: Outcome,
) -> bool:
    """Runs one row of the table; whether the budget sufficed for all of it."""
    is_complete = True
    for attempt in function(case):
        if isinstance(attempt, Unkeyed):
            if name not in outcome.unkeyed:
                outcome.unkeyed.append(name)
            continue
        if isinstance(attempt, Search):
            if not budget.take_search():
                is_complete = False
                continue
            outcome.macs += MSS_VALUES
            found = list(attempt.find())
        else:
            if not budget.take(1):
                return False
            outcome.macs += 1
            found = [attempt.assumption] if _agrees(attempt) else []
        for assumption in found:
            subjects = matches.setdefault(assumption, [])
            if attempt.subject not in subjects:
                subjects.append(attempt.subject)
    return is_complete


def _agrees(attempt: Trial) -> bool:
    captured = attempt.subject.captured
    try:
        return attempt.mac()[: len(captured)] == captured
    except UsageError:
        return False  # An algorithm whose package is not installed: it cannot be told from one that does not match.


def _bits(subjects: list[Subject]) -> int:
    """Bits that agree; the same segment seen twice tells nothing new."""
    distinct = {(subject.segment.source, subject.segment.octets): len(subject.captured) for subject in subjects}
    return 8 * sum(distinct.values())


def _explains_all(matches: dict[Assumption, list[Subject]], case: Case) -> bool:
    return any(len(subjects) == len(case.subjects) and _bits(subjects) >= PROOF_BITS for subjects in matches.values())


def _fewest(matches: dict[Assumption, list[Subject]]) -> list[Held]:
    """A cover of the explained segments, greedily."""
    remaining = {assumption: subjects for assumption, subjects in matches.items() if _bits(subjects) >= PROOF_BITS}
    held: list[Held] = []
    explained: set[int] = set()
    while True:
        best: Assumption | None = None
        best_count = 0
        for assumption, subjects in remaining.items():
            count = sum(id(subject) not in explained for subject in subjects)
            if count > best_count:
                best, best_count = assumption, count
        if best is None:
            return held
        subjects = remaining.pop(best)
        fresh = [subject for subject in subjects if id(subject) not in explained]
        held.append(Held(best, tuple(fresh), _bits(subjects)))
        explained.update(id(subject) for subject in fresh)
