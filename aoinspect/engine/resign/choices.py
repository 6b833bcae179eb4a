"""What is done to segments of one kind: same connection, direction, ids, key and verdict.

The table says under which key a segment was found right, or which keys its KeyID selects; this says what it becomes
under what is wished. KeyID and RNextKeyID are translated through the keys they name: a segment's KeyID names what its
sender signs with, its RNextKeyID what the other end is asked to sign with (RFC 5925 2.2).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from aoinspect.ao.mkt import MasterKeyTuple
from aoinspect.engine.keyring import Binding, Candidate, Endpoint
from aoinspect.engine.macs import Layout
from aoinspect.engine.pipeline import Analyzer
from aoinspect.engine.resign.signing_keys import SigningKey, SigningKeys, shown
from aoinspect.engine.resign.wishes import Faults, Left, Outcome, Wishes
from aoinspect.engine.verdicts import NO_MKT, Coverage, Method, Reason, Verdict


class Action(IntEnum):
    """What the second pass does to a segment."""

    KEEP = 0
    SIGN = 1
    STRIP = 2


class Choice(NamedTuple):
    """What is done to segments of one kind; everything behind `left` is of use only to signed ones."""

    action: Action
    outcome: Outcome
    left: Left = Left.NONE
    method: Method = Method.NONE
    mkt: int = 0
    layout: Layout = Layout.AO_INCLUDE
    key_id: int = 0
    rnext_key_id: int = 0
    mac_length: int = 0
    is_spoiled: bool = False


class SegmentKind(NamedTuple):
    """What segments that are treated alike have in common."""

    connection: int
    """Index into the engine's connections."""
    side: int
    method: Method
    key_id: int
    rnext_key_id: int
    mac_length: int
    verdict: Verdict
    reason: Reason
    mkt: int
    """NO_MKT where none verified it."""
    coverage: Coverage


_LEFT_FOR = {
    Reason.ISN_UNKNOWN: Left.ISN_UNKNOWN,
    Reason.TRUNCATED: Left.TRUNCATED,
    Reason.FRAGMENT: Left.FRAGMENT,
    Reason.OFFLOADED: Left.OFFLOADED,
    Reason.NO_SECRET: Left.NO_SECRET,
}


class Choices:
    """Chooses for one kind of segment after the other; what is missing is gathered in `mistakes`."""

    def __init__(self, analyzer: Analyzer, keys: SigningKeys, wishes: Wishes) -> None:
        self._analyzer = analyzer
        self._keys = keys
        self._wishes = wishes
        self._openers = analyzer.connections.a_sides()
        self._verified_with: dict[tuple[int, int, int, int], tuple[int, Coverage]] = {}
        """(connection, side, method, KeyID) -> MKT and coverage that held for some segment."""
        self.signed_connections: set[int] = set()
        """Connections with a signature on at least one segment."""
        self.mistakes: dict[str, None] = {}
        """What the keys lack, each once."""

    def note(self, kind: SegmentKind) -> None:
        """Learns from one kind; to be called for all kinds before the first is chosen for."""
        if kind.method is not Method.NONE:
            self.signed_connections.add(kind.connection)
        if kind.verdict is Verdict.VERIFIED:
            place = (kind.connection, kind.side, int(kind.method), kind.key_id)
            self._verified_with.setdefault(place, (kind.mkt, kind.coverage))

    def choose(self, kind: SegmentKind) -> Choice:
        """What is done to segments of this kind."""
        if self._wishes.strips:
            has_option = kind.method is not Method.NONE or kind.verdict is Verdict.MALFORMED
            return Choice(Action.STRIP, Outcome.STRIPPED) if has_option else _leave(kind)
        if kind.method is Method.NONE:
            return self._choose_for_unsigned(kind)
        if kind.verdict is Verdict.MALFORMED:
            return _leave(kind)
        if kind.method is Method.MD5 and self._wishes.converts_md5:
            return self._convert(kind)
        if kind.verdict not in (Verdict.VERIFIED, Verdict.MISMATCH):
            return _leave(kind)
        is_fault = kind.verdict is Verdict.MISMATCH
        if is_fault and self._wishes.faults is Faults.KEEP and self._wishes.new_keys is None:
            return Choice(Action.KEEP, Outcome.FAULT_KEPT)
        candidate = self._candidate(kind)
        if candidate is None:
            return Choice(Action.KEEP, Outcome.LEFT, Left.NO_SECRET)
        mkt = self._analyzer.keyring.mkts[candidate.mkt]
        if self._wishes.new_keys is None:
            layout = _layout(kind.method, candidate.include_options)
            outcome = Outcome.RE_SIGNED if is_fault else Outcome.KEPT
            action = Action.SIGN if is_fault else Action.KEEP
            ids = (kind.key_id, kind.rnext_key_id)
            return Choice(action, outcome, Left.NONE, kind.method, candidate.mkt, layout, *ids, mkt.mac_length)
        return self._choose_under_new_keys(kind, candidate, mkt)

    def signing_key_named(self, connection: int, name: str) -> SigningKey | None:
        """The TCP-AO key of that name for a connection; None where none covers it."""
        ends, opener = self._ends(connection)
        return self._keys.named(ends, opener, name, Method.AO)

    def _ends(self, connection: int) -> tuple[tuple[Endpoint, Endpoint], int]:
        pair = int(self._analyzer.connections.pairs[connection])
        return self._analyzer.pairs.ends[pair], int(self._openers[connection])

    def _choose_for_unsigned(self, kind: SegmentKind) -> Choice:
        is_free = kind.verdict is Verdict.UNSIGNED and kind.connection not in self.signed_connections
        if not (self._wishes.adds and is_free):
            return _leave(kind)
        key = self._keys.first(*self._ends(kind.connection))
        if key is None:
            return Choice(Action.KEEP, Outcome.LEFT, Left.NO_KEY)
        return self._sign_with(key, kind, Outcome.ADDED)

    def _convert(self, kind: SegmentKind) -> Choice:
        if kind.verdict is Verdict.UNVERIFIABLE and kind.reason is not Reason.NO_SECRET:
            return _leave(kind)
        ends, opener = self._ends(kind.connection)
        candidate = self._candidate(kind)
        name = None if candidate is None else self._analyzer.keyring.mkts[candidate.mkt].name
        key = None if name is None else self._keys.named(ends, opener, self._mapped(name), Method.AO)
        if key is None and name not in self._keys.names:
            key = self._keys.sole(ends, opener)
        if key is None:
            self._lack_ao_key(name, ends, opener)
            return _leave(kind)
        is_fault = kind.verdict is Verdict.MISMATCH and self._wishes.faults is Faults.KEEP
        outcome = Outcome.FAULT_KEPT if is_fault else Outcome.CONVERTED
        return self._sign_with(key, kind, outcome)._replace(is_spoiled=is_fault)

    def _mapped(self, name: str) -> str:
        return self._keys.names.get(name, name)

    def _choose_under_new_keys(self, kind: SegmentKind, candidate: Candidate, mkt: MasterKeyTuple) -> Choice:
        ends, opener = self._ends(kind.connection)
        key = self._keys.counterpart(ends, opener, mkt, kind.method, candidate.binding)
        if key is None:
            self._lack_counterpart(mkt, ends, opener)
            return _leave(kind)
        choice = self._sign_with(key, kind, Outcome.RE_SIGNED)
        if kind.method is Method.AO:
            choice = choice._replace(rnext_key_id=self._translated_rnext(kind, candidate.binding))
        if kind.verdict is Verdict.VERIFIED or self._wishes.faults is Faults.REPAIR:
            return choice
        # A MAC of another length than its key's keeps that fault: it is longer or shorter by as much as it was.
        surplus = kind.mac_length - mkt.mac_length if kind.reason is Reason.MAC_LENGTH else 0
        mac_length = max(0, key.mac_length + surplus)
        return choice._replace(outcome=Outcome.FAULT_KEPT, is_spoiled=True, mac_length=mac_length)

    def _sign_with(self, key: SigningKey, kind: SegmentKind, outcome: Outcome) -> Choice:
        """Signed with `key`, and announcing it."""
        include = kind.coverage is not Coverage.EXCLUDE if len(key.ways) > 1 else key.ways[0]
        return Choice(
            action=Action.SIGN,
            outcome=outcome,
            method=key.method,
            mkt=key.mkt,
            layout=_layout(key.method, include),
            key_id=key.key_ids[kind.side],
            rnext_key_id=key.key_ids[1 - kind.side],
            mac_length=key.mac_length,
        )

    def _translated_rnext(self, kind: SegmentKind, binding: Binding | None) -> int:
        """The new id of the key that RNextKeyID names; an id that names no key stays."""
        pair_keys = self._analyzer.pairs.keys[int(self._analyzer.connections.pairs[kind.connection])]
        named = () if pair_keys is None else pair_keys.candidates(1 - kind.side, Method.AO, kind.rnext_key_id)
        if not named:
            return kind.rnext_key_id
        ends, opener = self._ends(kind.connection)
        candidate = next((one for one in named if one.binding == binding), named[0])
        mkt = self._analyzer.keyring.mkts[candidate.mkt]
        key = self._keys.counterpart(ends, opener, mkt, Method.AO, candidate.binding)
        if key is None:
            self._lack_counterpart(mkt, ends, opener)
            return kind.rnext_key_id
        return key.key_ids[1 - kind.side]

    def _candidate(self, kind: SegmentKind) -> Candidate | None:
        """The capture's key for segments of this kind: the one that verified them, or the likeliest with a secret.

        Likeliest is the key that holds for others of the connection with this KeyID, then one with this MAC length.
        """
        pair_keys = self._analyzer.pairs.keys[int(self._analyzer.connections.pairs[kind.connection])]
        listed = () if pair_keys is None else pair_keys.candidates(kind.side, kind.method, kind.key_id)
        mkts = self._analyzer.keyring.mkts
        place = (kind.connection, kind.side, int(kind.method), kind.key_id)
        known, coverage = self._verified_with.get(place, (NO_MKT, Coverage.UNKNOWN))
        if kind.verdict is Verdict.VERIFIED:
            known, coverage = kind.mkt, kind.coverage
        include = coverage is not Coverage.EXCLUDE

        def rank(candidate: Candidate) -> tuple[bool, bool, bool]:
            return (
                candidate.mkt != known,
                mkts[candidate.mkt].mac_length != kind.mac_length,
                candidate.include_options != include,
            )

        return min((one for one in listed if mkts[one.mkt].is_keyed), key=rank, default=None)

    def _lack_counterpart(self, mkt: MasterKeyTuple, ends: tuple[Endpoint, Endpoint], opener: int) -> None:
        wanted = self._mapped(mkt.name)
        self._lack(
            f"key {mkt.name} ({mkt.origin}) has no counterpart: no key named {wanted} covers {shown(ends, opener)} "
            f"among the new ones; give it one, or say which with --map {mkt.name}=NAME"
        )

    def _lack_ao_key(self, name: str | None, ends: tuple[Endpoint, Endpoint], opener: int) -> None:
        """`name`: the TCP-MD5 key's, where one is known."""
        there = list(dict.fromkeys(key.name for key in self._keys.of_pair(ends, opener) if key.method is Method.AO))
        pair, old = shown(ends, opener), "MD5-KEY" if name is None else name
        if not there:
            why = "no TCP-AO key covers it; give one with --sign-keys, or in --keys"
        elif name in self._keys.names:
            why = (
                f"--map {old}={self._mapped(old)}, but no TCP-AO key of that name covers it ({', '.join(there)} would)"
            )
        else:
            why = f"{', '.join(there)} cover it; say which with --map {old}=AO-KEY"
        self._lack(f"TCP-MD5 between {pair}: {why}")

    def _lack(self, mistake: str) -> None:
        self.mistakes[mistake] = None


def _layout(method: Method, include_options: bool) -> Layout:
    if method is Method.MD5:
        return Layout.MD5
    return Layout.AO_INCLUDE if include_options else Layout.AO_EXCLUDE


def _leave(kind: SegmentKind) -> Choice:
    """Nothing is done, for the reason that the verdict is."""
    if kind.verdict is Verdict.VERIFIED:
        return Choice(Action.KEEP, Outcome.KEPT)
    if kind.verdict is Verdict.UNVERIFIABLE:
        return Choice(Action.KEEP, Outcome.LEFT, _LEFT_FOR[kind.reason])
    why = {Verdict.UNSIGNED: Left.UNSIGNED, Verdict.NO_KEY: Left.NO_KEY, Verdict.MALFORMED: Left.MALFORMED}
    return Choice(Action.KEEP, Outcome.LEFT, why.get(kind.verdict, Left.NO_KEY))
