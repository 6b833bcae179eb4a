"""From a connection's failing segments to what explains them.

Two kinds of segments are asked about: those that fail under the key files, and those that verify under the sender's
key and are dropped by the receiving end's, where the files describe both ends. For the latter the receiving end's keys
alone are what is given, so that what differs between the ends is named in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from aoinspect.engine.explain.advice import OpenSubject, what_would_decide
from aoinspect.engine.explain.case import Case, Subject, address_words
from aoinspect.engine.explain.cases import case_of
from aoinspect.engine.explain.company import Company
from aoinspect.engine.explain.model import (
    Account,
    Budget,
    Confidence,
    Explanation,
    KeyCorrection,
)
from aoinspect.engine.explain.stacks import Facts, state_facts
from aoinspect.engine.explain.sweep import Held, Outcome, sweep
from aoinspect.engine.explain.table import BY_IDENT
from aoinspect.engine.failures import FailingSegment, Occasion
from aoinspect.engine.findings.model import Scene
from aoinspect.engine.keyring import KEY_ID_OF_MD5, Endpoint, Keyring, PairKeys
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.results import ConnectionResult
from aoinspect.engine.verdicts import IsnSource
from aoinspect.keys.model import KeyStore

VERIFY_BUDGET = Budget(macs=100_000, searches=4)
"""What `verify` spends on all explanations of a run: a second or two where nothing matches."""
EXPLAIN_BUDGET = Budget(macs=2_000_000, searches=64)
"""What `explain` spends on a run: below half a minute."""
PER_CONNECTION = Budget(macs=40_000, searches=2)
BUDGET_USED_UP = (
    "nothing was tried on it: the connections before it had used up the run's budget (aoinspect explain --connection)"
)
ON_KEYS = frozenset({"H1", "H8", "H3", "H2", "H5", "H6", "H7", "H9", "H17", "H32"})
"""What can lie between the keys of two ends, where what the sender signs is known."""


def explain_failures(
    analyzer: Analyzer, connections: Sequence[ConnectionResult], budget: Budget, *, every: bool = False
) -> list[Account]:
    """Accounts of the connections that fail, in their order; of `every` connection that has anything to be told if so.

    `budget` serves all of them and is used up. A connection that it does not reach has an account that says so.
    """
    if not analyzer.keyring.mkts:
        return []
    accounts = []
    company = Company(analyzer, connections)
    for connection in connections:
        if not every and not is_failing(connection):
            continue
        share = Budget(min(PER_CONNECTION.macs, budget.macs), min(PER_CONNECTION.searches, budget.searches))
        left = replace(share)
        account = _Accountant(analyzer, connection, left, company, None).account()
        budget.macs -= share.macs - left.macs
        budget.searches -= share.searches - left.searches
        if account.explanations or account.failing:
            accounts.append(account)
    return accounts


def is_failing(connection: ConnectionResult) -> bool:
    """Whether any segment of the connection fails or is dropped."""
    counts = connection.verdicts
    return bool(
        counts["mismatch"] or counts["no_key"] or counts["unsigned"] or counts["malformed"] or connection.refused
    )


def explain_connection(
    analyzer: Analyzer,
    connection: ConnectionResult,
    budget: Budget | None = None,
    *,
    connections: Sequence[ConnectionResult] = (),
    segments: Sequence[FailingSegment] | None = None,
) -> Account:
    """The account of one connection. `budget` is used up as far as it goes (default: PER_CONNECTION).

    `connections` are all of the run, for facts that show only beside others. `segments` are looked at in place of those
    that the run kept.
    """
    company = Company(analyzer, connections)
    return _Accountant(analyzer, connection, budget or replace(PER_CONNECTION), company, segments).account()


@dataclass(frozen=True, slots=True)
class _Swept:
    """A case and what came of it."""

    case: Case
    outcome: Outcome
    is_of_receiver: bool
    """The case's keys are the receiving end's alone."""


class _Accountant:
    """The work on one connection."""

    def __init__(
        self,
        analyzer: Analyzer,
        connection: ConnectionResult,
        budget: Budget,
        company: Company,
        segments: Sequence[FailingSegment] | None,
    ) -> None:
        self.analyzer = analyzer
        self.connection = connection
        self.budget = budget
        self.company = company
        self.chosen = segments
        self.pair = int(analyzer.connections.pairs[connection.index])
        self.ends = analyzer.pairs.ends[self.pair]
        self.scene = Scene(analyzer, connection)

    def account(self) -> Account:
        connection = self.connection
        counts = connection.verdicts
        failed = counts["mismatch"] + counts["no_key"]
        swept = [self._sweep_failed(), *self._sweep_refused()]
        main = swept[0]
        tried = sum(len(one.case.subjects) for one in swept)
        explanations = [
            self._explanation(held, one, len(one.case.subjects), connection.refused if one.is_of_receiver else failed)
            for one in swept
            for held in one.outcome.held
        ]
        explained = {place for explanation in explanations for place in explanation.frames}
        unexplained = tuple(subject for subject in main.case.subjects if _place(subject) not in explained)
        if self.chosen is None:
            facts = Facts(self.scene, main.case, unexplained, self.company, len(main.case.subjects), failed)
            stated = list(state_facts(facts))
            explained |= {place for fact in stated for place in fact.frames}
            explanations = _ordered(explanations, stated)
        places = [_place(subject) for one in swept for subject in one.case.subjects]
        open_ = tuple(sorted({place for place in places if place not in explained}))
        not_tried = _unique(name for one in swept for name in one.outcome.not_tried)
        outcome = main.outcome
        deciders = _unique(
            what_would_decide(
                self._open_subjects(main, open_),
                bool(outcome.not_tried),
                bool(outcome.unkeyed),
                has_told_isns=connection.isn_source is IsnSource.KEY_FILE,
            )
        )
        return Account(
            connection=connection.id,
            explanations=tuple(explanations),
            failing=failed + connection.refused,
            tried=tried,
            unexplained=open_,
            ruled_out=self._ruled_out(swept, explanations) if open_ else (),
            not_tried=not_tried if open_ else (),
            unkeyed=_unique(name for one in swept for name in one.outcome.unkeyed) if open_ else (),
            would_decide=deciders,
            macs=sum(one.outcome.macs for one in swept),
            note=self._note(swept, open_),
        )

    def _open_subjects(self, swept: _Swept, open_: Sequence[tuple[int, int]]) -> list[OpenSubject]:
        """The subjects that nothing explains, and whether others of the same sender and KeyID verify."""
        verified = {(run.direction, run.key_id) for run in self.connection.runs if run.verified and run.mkt is not None}
        return [
            OpenSubject(subject, (self.scene.direction_of(subject.segment.side), subject.reading.key_id) in verified)
            for subject in swept.case.subjects
            if _place(subject) in open_
        ]

    # What is asked about.

    def _sweep_failed(self) -> _Swept:
        keys = self.analyzer.pairs.keys[self.pair]
        case = self._case(self._segments(Occasion.FAILED), self.analyzer.keyring, keys)
        return _Swept(case, sweep(case, self.budget), False)

    def _sweep_refused(self) -> Iterable[_Swept]:
        segments = self._segments(Occasion.REFUSED)
        for side in (0, 1):
            of_side = [segment for segment in segments if segment.side == side]
            if not of_side:
                continue
            keyring = Keyring(_store_of(self.analyzer.keyring.store, self.ends[1 - side], self.ends[side]))
            case = self._case(of_side, keyring, keyring.for_pair(self.ends))
            yield _Swept(case, sweep(case, self.budget, ON_KEYS), True)

    def _segments(self, occasion: Occasion) -> Sequence[FailingSegment]:
        if self.chosen is not None:
            return [segment for segment in self.chosen if segment.occasion is occasion]
        return self.analyzer.failures.of(self.connection.index, occasion)

    def _case(self, segments: Sequence[FailingSegment], keyring: Keyring, keys: PairKeys | None) -> Case:
        return case_of(self.analyzer, self.company, self.connection.index, segments, keyring, keys)

    # What is said.

    def _explanation(self, held: Held, swept: _Swept, tried: int, failing: int) -> Explanation:
        assumption = held.assumption
        sides = sorted({subject.segment.side for subject in held.subjects}, key=lambda side: self._rank(side, held))
        senders = tuple(address_words(self.ends[side].address) for side in sides)
        receivers = [address_words(self.ends[1 - side].address) for side in sides]
        # Both ends are one "each end", so that sentences hold for one and for two.
        who, whom = (
            (senders[0], receivers[0]) if len(sides) == 1 else (f"each end ({' and '.join(senders)})", "the other")
        )
        words = _Words(who, whom)
        mkt = None if assumption.key is None else swept.case.mkts[assumption.key]
        key = "the key" if mkt is None else f"key {mkt.name!r} ({mkt.origin})"
        file_remedy = words.put(assumption.file_remedy).replace("{key}", key)
        device_remedy = words.put(assumption.device_remedy)
        summary = words.put(assumption.claim)
        if swept.is_of_receiver:
            # No end is known to be the one in the wrong: the key file says of each what it has.
            summary = f"the two ends differ: {summary.replace(key, f'{key} of {whom}')}"
            device_remedy = f"change either end: {device_remedy}; or on {whom}, set the key as {who} has it"
        if file_remedy and self._is_right_for(held, sides):
            file_remedy = ""
            device_remedy = words.put(
                f"{key} is right, for other segments of {{sender}} verify under it: look who else sent these in its "
                "name"
            )
        return Explanation(
            idents=assumption.idents,
            hypothesis=BY_IDENT[assumption.idents[0]],
            confidence=Confidence.PROOF,
            summary=summary,
            changed=words.put(assumption.change),
            origin=words.put(assumption.origin),
            matched=len(held.subjects),
            tried=tried,
            failing=failing,
            bits=held.bits,
            frames=tuple(sorted(map(_place, held.subjects))),
            senders=senders,
            key=None if mkt is None else mkt.name,
            key_origin=None if mkt is None else str(mkt.origin),
            file_remedy="" if swept.is_of_receiver else file_remedy,
            device_remedy=device_remedy,
            knob=assumption.knob,
            correction=None if swept.is_of_receiver else self._correction(held, sides),
        )

    def _rank(self, side: int, held: Held) -> tuple[int, int]:
        return min(_place(subject) for subject in held.subjects if subject.segment.side == side)

    def _correction(self, held: Held, sides: Sequence[int]) -> KeyCorrection | None:
        """What to write otherwise in the key file; None where these very senders' other segments say it is right."""
        key, correction = held.assumption.key, held.assumption.correction
        if correction is None or key is None or self._is_right_for(held, sides):
            return None
        sender = sides[0]
        return KeyCorrection(
            key=key,
            correction=correction,
            sender=self.ends[sender].address,
            receiver=self.ends[1 - sender].address,
            ids=(self._key_id(key, sender), self._key_id(key, 1 - sender)),
            is_key_right_elsewhere=self._is_right_elsewhere(key, sides),
        )

    def _is_right_for(self, held: Held, sides: Sequence[int]) -> bool:
        """Whether segments of these senders verify under the key as it is written."""
        if held.assumption.correction is not None and held.assumption.correction.tcp_options is not None:
            # Segments with no option but AO verify under both flags; SYNs never do, so they say which one is right.
            syns = {subject.segment.side for subject in held.subjects if subject.is_syn}
            sides = [side for side in sides if side not in syns]
        directions = {self.scene.direction_of(side) for side in sides}
        key = held.assumption.key
        return any(
            run.verified and run.mkt_index == key and run.direction in directions for run in self.connection.runs
        )

    def _is_right_elsewhere(self, key: int, sides: Sequence[int]) -> bool:
        """Whether the key as written verifies segments of other connections, or of the other end of this one."""
        directions = {self.scene.direction_of(side) for side in sides}
        own = sum(
            run.mkt_index == key and run.verified > 0 and run.direction in directions for run in self.connection.runs
        )
        return self.company.verified_runs(key) > own

    def _key_id(self, key: int, side: int) -> int | None:
        """The KeyID with which `side` signs under the key, by the key file."""
        keys = self.analyzer.pairs.keys[self.pair]
        lists = {} if keys is None else keys.lists
        return next(
            (
                key_id
                for (sender, key_id), candidates in lists.items()
                if sender == side and key_id != KEY_ID_OF_MD5 and any(one.mkt == key for one in candidates)
            ),
            None,
        )

    def _ruled_out(self, swept: Sequence[_Swept], explanations: Sequence[Explanation]) -> tuple[str, ...]:
        holding = {explanation.ident for explanation in explanations}
        missing = {name for one in swept for name in (*one.outcome.not_tried, *one.outcome.unkeyed)}
        names = _unique(name for one in swept for name in one.outcome.ruled)
        return tuple(name for name in names if name not in holding and name not in missing)

    def _note(self, swept: Sequence[_Swept], open_: Sequence[tuple[int, int]]) -> str:
        index = self.connection.index
        if index in self.analyzer.failures.unkept:
            return (
                "the run had too many failing segments to keep one of this connection: explain it alone (--connection)"
            )
        refusals = _unique(
            self.analyzer.checker.lists.candidates[candidate].refusal
            for candidate in self.analyzer.tallies.refusals.get(index, ())
        )
        if any(one.outcome.is_out_of_reach for one in swept) and open_:
            return BUDGET_USED_UP
        if refusals and any(one.is_of_receiver and not one.outcome.held for one in swept) and open_:
            differ = f"the ends' keys differ ({', '.join(refusals)})"
            if any(one.outcome.unkeyed for one in swept):
                return f"{differ}; to tell whether one is another form of the other takes the secrets"
            return f"{differ}, and neither is a known other form of the other"
        return ""


@dataclass(frozen=True, slots=True)
class _Words:
    """The two ends, as sentences name them."""

    sender: str
    receiver: str

    def put(self, text: str) -> str:
        # Key names may hold braces, so no format string.
        return text.replace("{sender}", self.sender).replace("{receiver}", self.receiver)


def _ordered(proofs: list[Explanation], facts: list[Explanation]) -> list[Explanation]:
    """Proofs by the number of segments that they explain, then facts."""
    return [*sorted(proofs, key=lambda explanation: -explanation.matched), *facts]


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _place(subject: Subject) -> tuple[int, int]:
    return subject.segment.capture, subject.segment.frame


def _store_of(store: KeyStore, receiver: Endpoint, sender: Endpoint) -> KeyStore:
    """What the files say of `receiver` alone."""
    own, other = ip_address(receiver.address), ip_address(sender.address)
    peers = tuple(
        peer for peer in store.peers if peer.local is not None and own in peer.local and other not in peer.local
    )
    return replace(store, peers=peers)
