"""Which keys an end should have used at each moment, by the lifetimes of the key files, against those it used.

A key file plans for one end: what it may send with (send lifetimes), and what it accepts (accept lifetimes). So what
one end sends has two plans, the sender's own and the receiver's. Where several lifetimes cover a moment, every key of
theirs is planned for it: which of them an end prefers is the stack's affair, and only a use outside all is a deviation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aoinspect.ao.mkt import Origin
from aoinspect.engine.keyring import Endpoint, Keyring
from aoinspect.engine.transitions import KeyRun
from aoinspect.keys.lifetimes import ALWAYS, Span, span

SEND = "send"
ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class PlannedKey:
    """One key of a plan, with the times that it is planned for."""

    mkt: int
    """Index into `Keyring.mkts`."""
    name: str
    key_id: int | None
    """As the segments carry it; None for TCP-MD5."""
    spans: tuple[Span, ...]
    """In order and apart from each other; `ALWAYS` alone where no lifetime bounds the key."""
    origin: Origin

    @property
    def is_bounded(self) -> bool:
        return self.spans != (ALWAYS,)

    def span_at(self, time_ns: int) -> Span | None:
        """The span that holds a moment; None where the key is not planned for it."""
        return next((told for told in self.spans if told[0] <= time_ns < told[1]), None)

    def begins_after(self, time_ns: int) -> int | None:
        """When the key is planned for next, for a moment at which it is not."""
        return next((from_ns for from_ns, _ in self.spans if from_ns > time_ns), None)

    def ended_before(self, time_ns: int) -> int | None:
        """When the key was planned for last, for a moment at which it is not."""
        return next((until_ns for _, until_ns in reversed(self.spans) if until_ns <= time_ns), None)


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What one end's key files plan for the segments of one direction."""

    what: str
    """`send`: the sender's own plan; `accept`: the receiver's."""
    keys: tuple[PlannedKey, ...]
    """Those without lifetimes are planned for always."""

    def key(self, mkt: int) -> PlannedKey | None:
        return next((key for key in self.keys if key.mkt == mkt), None)

    def at(self, time_ns: int) -> tuple[PlannedKey, ...]:
        """The keys that are planned for a moment."""
        return tuple(key for key in self.keys if key.span_at(time_ns) is not None)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A stretch of one direction's verified segments under one key."""

    mkt: int
    name: str
    key_id: int | None
    first: KeyRun
    last: KeyRun

    @property
    def first_ns(self) -> int:
        return self.first.first_time_ns

    @property
    def last_ns(self) -> int:
        return self.last.last_time_ns

    def __str__(self) -> str:
        return f"{self.name!r}" + ("" if self.key_id is None else f" (KeyID {self.key_id})")


def plans_of(
    keyring: Keyring, ends: tuple[Endpoint, Endpoint], sender: int, used: frozenset[int] = frozenset()
) -> tuple[KeyPlan, ...]:
    """The plans for what `sender` (0 or 1) sends: its own, then the receiver's; none where no lifetime bounds any key.

    `used` are the keys that the connection was seen to use: only the VRFs that have one of them count.
    """
    if not keyring.has_lifetimes:
        return ()
    entries = list(keyring.described(ends))
    sides: dict[int, set[int]] = {}
    for peer, local_side, _, _ in entries:
        sides.setdefault(peer, set()).add(local_side)
    vrfs = {keyring.store.peers[peer].vrf for peer, _, index, _ in entries if index in used}
    spans: dict[str, dict[int, list[Span]]] = {SEND: {}, ACCEPT: {}}
    first: dict[tuple[str, int], PlannedKey] = {}
    for peer, local_side, index, told in entries:
        if vrfs and keyring.store.peers[peer].vrf not in vrfs:
            continue
        is_sender = local_side == sender
        what = SEND if is_sender else ACCEPT
        lifetimes = [told.send_lifetime if is_sender else told.accept_lifetime]
        if len(sides[peer]) == 2:
            # Either end may be the entry's `local`: what one of both lifetimes allows is no deviation.
            lifetimes = [told.send_lifetime, told.accept_lifetime]
        spans[what].setdefault(index, []).extend(map(span, lifetimes))
        key_id = told.send_id if is_sender else told.recv_id
        first.setdefault((what, index), PlannedKey(index, told.name, key_id, (ALWAYS,), told.origin))
    plans = []
    for what, of_keys in spans.items():
        keys = tuple(
            PlannedKey(index, key.name, key.key_id, _joined(told), key.origin)
            for index, told in of_keys.items()
            for key in (first[what, index],)
        )
        if any(key.is_bounded for key in keys):
            plans.append(KeyPlan(what, keys))
    return tuple(plans)


@dataclass(frozen=True, slots=True)
class Deviation:
    """How a run misses the time that its key is planned for."""

    where: str
    """`before` or `after` it."""
    by_ns: int
    """How far its farthest segment is from it."""
    at_ns: int
    """When that segment came."""


def outside(run: KeyRun, key: PlannedKey) -> Deviation | None:
    """How `run` misses the times of its key; None where it does not, or the capture has no times."""
    if run.first_time_ns == 0:
        return None
    current = key.span_at(run.first_time_ns)
    if current is None and (begins_ns := key.begins_after(run.first_time_ns)) is not None:
        return Deviation("before", begins_ns - run.first_time_ns, run.first_time_ns)
    if key.span_at(run.last_time_ns) is None and (ended_ns := key.ended_before(run.last_time_ns)) is not None:
        return Deviation("after", run.last_time_ns - ended_ns, run.last_time_ns)
    return None


def uses_of(runs: Sequence[KeyRun]) -> Iterator[KeyUse]:
    """The keys that one direction was verified under, one after the other; `runs` in capture order.

    What was sent before a change and comes after it (RFC 5925 6.1, "backing up") is no use of its own.
    """
    met: set[int] = set()
    current: KeyUse | None = None
    for run in runs:
        if run.mkt_index is None or not run.verified or run.mkt is None:
            continue
        if current is not None and run.mkt_index == current.mkt:
            current = KeyUse(current.mkt, current.name, current.key_id, current.first, run)
            continue
        if run.mkt_index in met and (run.is_behind or run.starts_with_older_ack):
            continue
        if current is not None:
            yield current
        met.add(run.mkt_index)
        current = KeyUse(run.mkt_index, run.mkt, run.key_id, run, run)
    if current is not None:
        yield current


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """The same time as spans in order and apart from each other."""
    joined: list[Span] = []
    for from_ns, until_ns in sorted(spans):
        if joined and from_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until_ns))
        elif from_ns < until_ns:
            joined.append((from_ns, until_ns))
    return tuple(joined)
