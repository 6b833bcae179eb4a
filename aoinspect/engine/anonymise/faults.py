"""Makes MACs that fail as the captured ones did: signed with a published key under the assumption that explains them.

What explains a failing segment is a trial of the table of hypotheses: a MAC as a function of a segment and a key. The
same trial on the anonymised segment, with the key that took the real one's place, gives the MAC that the same mistake
would have made there. A segment that nothing explains gets a MAC that nobody can explain: a keyed hash of what it was,
so that repeated segments stay alike.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.engine.anonymise.addresses import AddressMap
from aoinspect.engine.anonymise.keys import Demand
from aoinspect.engine.explain.case import Case, Search, SigningKey, Subject, Trial, Unkeyed
from aoinspect.engine.explain.cases import case_of
from aoinspect.engine.explain.company import Company
from aoinspect.engine.explain.model import Assumption, Budget
from aoinspect.engine.explain.sweep import Held, sweep
from aoinspect.engine.explain.table import SWEEP, Trials
from aoinspect.engine.failures import FailingSegment, Occasion
from aoinspect.engine.pipeline import Analyzer
from aoinspect.errors import UsageError

_CHECKSUM = slice(16, 18)
_PER_CONNECTION = Budget()


class Faults:
    """What explains the failing segments of one analysis, and the MACs that fail in the same way."""

    def __init__(self, analyzer: Analyzer, budget: Budget) -> None:
        """`budget` serves all connections and is used up."""
        self._analyzer = analyzer
        self._company = Company(analyzer, ())
        self._addresses = AddressMap()
        self._run_key = os.urandom(32)
        self._mkts: Sequence[MasterKeyTuple] = ()
        self._held: dict[int, list[Held]] = {}
        self._explain(budget)

    def _explain(self, budget: Budget) -> None:
        failures, analyzer = self._analyzer.failures, self._analyzer
        for connection in range(len(analyzer.connections)):
            segments = failures.of(connection, Occasion.FAILED)
            if segments:
                share = Budget(min(_PER_CONNECTION.macs, budget.macs), min(_PER_CONNECTION.searches, budget.searches))
                left = replace(share)
                case = self._case(connection, segments)
                self._held[connection] = sweep(case, left).held
                budget.macs -= share.macs - left.macs
                budget.searches -= share.searches - left.searches

    def _case(self, connection: int, segments: Sequence[FailingSegment]) -> Case:
        analyzer = self._analyzer
        keys = analyzer.pairs.keys[int(analyzer.connections.pairs[connection])]
        return case_of(analyzer, self._company, connection, segments, analyzer.keyring, keys)

    def idents(self) -> tuple[str, ...]:
        """What explains each failing connection, in the order of the connections."""
        return tuple("+".join(held.assumption.idents) for found in self._held.values() for held in found)

    def demands(self) -> dict[int, list[Demand]]:
        """What published secrets have to make possible, by MKT."""
        demands: defaultdict[int, list[Demand]] = defaultdict(list)
        for connection, found in self._held.items():
            segments = self._analyzer.failures.of(connection, Occasion.FAILED)
            for held in found:
                key = held.assumption.key
                if key is not None:
                    places = {(one.segment.capture, one.segment.frame) for one in held.subjects}
                    chosen = next(one for one in segments if (one.capture, one.frame) in places)
                    demands[key].append(_Demand(self._case(connection, [chosen]), held.assumption))
        return demands

    def sign_with(self, mkts: Sequence[MasterKeyTuple], addresses: AddressMap) -> None:
        """The published keys, in the order of the analysis's, and the mapping; to be told before `mac` is asked."""
        self._mkts, self._addresses = mkts, addresses

    def mac(self, connection: int, old: FailingSegment, new: FailingSegment) -> tuple[bytes, str, bool]:
        """The MAC for `new`, which `old` has become; what explains it, if anything does, and whether it covers the
        checksum.

        `new` has a right checksum for a MAC of zeros, and its MAC is zero.
        """
        length = 0
        if self._held.get(connection):
            case = self._case(connection, [old])
            length = len(case.subjects[0].captured)
            for held in self._held[connection]:
                found = self._reproduced(case, new, held.assumption)
                if found is not None and len(found.mac()) >= length:
                    mac = found.mac()[:length]
                    return mac, "+".join(held.assumption.idents), _covers_checksum(found, case, new, self, held)
        return self.unexplained(old), "", False

    def unexplained(self, old: FailingSegment) -> bytes:
        """A MAC that matches under nothing; equal for equal segments. 64 octets, of which the first are to be taken."""
        content = old.source + old.destination + old.octets
        return hmac.digest(self._run_key, content, hashlib.sha512)

    def _reproduced(self, case: Case, new: FailingSegment, assumption: Assumption) -> Trial | None:
        """The trial on `new` that corresponds to the one on the case's segment that holds."""
        for function in _functions(assumption):
            for number, attempt in enumerate(_trials(function, case, assumption)):
                if attempt.assumption == assumption and _agrees(attempt):
                    return _corresponding(_trials(function, self.case_of_new(case, new), assumption), number, attempt)
        return None

    def case_of_new(self, case: Case, new: FailingSegment) -> Case:
        """The case of the one segment that has taken the other's place, under published keys."""
        subject = case.subjects[0]
        selected = tuple(replace(key, mkt=self._mkts[key.index]) for key in subject.selected)
        named = tuple(map(self._addresses.of, case.named_addresses))
        changed = Subject(new, subject.own_isn, subject.peer_isn, selected)
        return replace(case, subjects=(changed,), mkts=self._mkts, named_addresses=named)


class _Demand:
    """Whether an assumption can be made of a key with another secret."""

    def __init__(self, case: Case, assumption: Assumption) -> None:
        self._case = case
        self._assumption = assumption

    def __call__(self, secret: bytes) -> bool:
        key = self._assumption.key
        assert key is not None
        mkts = list(self._case.mkts)
        mkts[key] = replace(mkts[key], secret=secret)
        subject = self._case.subjects[0]
        selected = tuple(SigningKey(one.index, mkts[one.index], one.include_options) for one in subject.selected)
        changed = Subject(subject.segment, subject.own_isn, subject.peer_isn, selected)
        case = replace(self._case, subjects=(changed,), mkts=mkts)
        return any(
            attempt.assumption == self._assumption
            for function in _functions(self._assumption)
            for attempt in _trials(function, case, self._assumption)
        )


def _functions(assumption: Assumption) -> Iterator[Trials]:
    return (function for idents, function in SWEEP if idents == assumption.idents)


def _trials(function: Trials, case: Case, assumption: Assumption) -> Iterator[Trial]:
    """The row's trials; of a search the one with the value that was found."""
    for attempt in function(case):
        if isinstance(attempt, Unkeyed):
            continue  # Only a log tells the keys: what needs the secret was no explanation either.
        if not isinstance(attempt, Search):
            yield attempt
        elif assumption.value is not None:
            yield attempt.trial_of(assumption.value)


def _corresponding(trials: Iterator[Trial], number: int, old: Trial) -> Trial | None:
    """The trial that changes the same in the same way; where words name addresses, the one in the same place."""
    in_place = None
    for position, attempt in enumerate(trials):
        if attempt.assumption == old.assumption:
            return attempt
        if position == number and attempt.assumption.key == old.assumption.key:
            in_place = attempt
    return in_place


def _agrees(attempt: Trial) -> bool:
    captured = attempt.subject.captured
    try:
        return bool(captured) and attempt.mac()[: len(captured)] == captured
    except UsageError:
        return False


def _covers_checksum(found: Trial, case: Case, new: FailingSegment, faults: Faults, held: Held) -> bool:
    """Whether the trial's MAC is another one when the checksum is."""
    flipped = bytes(octet ^ 0xFF for octet in new.octets[_CHECKSUM])
    other = replace(new, octets=new.octets[: _CHECKSUM.start] + flipped + new.octets[_CHECKSUM.stop :])
    for function in _functions(held.assumption):
        for attempt in _trials(function, faults.case_of_new(case, other), held.assumption):
            if attempt.assumption == found.assumption:
                return attempt.mac() != found.mac()
    return False
