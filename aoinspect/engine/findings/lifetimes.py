"""Findings on lifetimes: keys used outside them, and hand-overs planned and not seen, or seen and not planned.

What was planned is `engine.key_plan`'s. A hand-over is planned where a key's send lifetime ends, or the next one's
begins; both ends' clocks and the capturing host's are never quite equal, so that some seconds do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from aoinspect.engine.findings.model import Finding, Scene, Severity, frames_of, interval
from aoinspect.engine.key_plan import SEND, KeyPlan, KeyUse, PlannedKey, outside, uses_of
from aoinspect.engine.results import DIRECTIONS
from aoinspect.keys.lifetimes import moment_text, span_text

TOLERANCE_NS = 10_000_000_000
"""Nanoseconds by which a hand-over may miss its time: clocks differ, and keys change with the next segment."""
_QUARTER_NS = 15 * 60 * 1_000_000_000
_FARTHEST_ZONE_NS = 56 * _QUARTER_NS
"""UTC+14:00."""
_CLOCKS = "compare the clocks of both devices and of the capturing host"
_REFERENCE = "RFC 5925 3.1, 6.1; RFC 8177 2.2"


def key_outside_lifetime(scene: Scene) -> Iterator[Finding]:
    """A key was used before or after the time that the key file gives it."""
    told: set[tuple[str, int, str]] = set()
    for run in scene.connection.runs:
        if not run.verified or run.mkt_index is None or run.first_time_ns == 0:
            continue
        for plan in scene.plans(run.direction):
            key = plan.key(run.mkt_index)
            seen = (run.direction, run.mkt_index, plan.what)
            off = None if key is None or seen in told else outside(run, key)
            if key is None or off is None:
                continue
            told.add(seen)
            yield scene.finding(
                "key-outside-lifetime",
                Severity.WARNING,
                run,
                message=f"key {run.mkt!r} was used by {scene.end(run.direction).address} {off.where} its {plan.what} "
                "lifetime",
                evidence=f"KeyID {run.key_id}, {frames_of(run)}, by {interval(off.by_ns)}; "
                f"lifetime of {key.origin}; {_planned_text(plan, off.at_ns)}",
                remedy="compare the clocks and time zones of both devices and of the capturing host; a whole number "
                "of hours is a zone, not a drift",
                reference="RFC 5925 3.1, 7.1; RFC 8177 2.2",
            )


def _planned_text(plan: KeyPlan, time_ns: int) -> str:
    verb = "sent with" if plan.what == SEND else "accepted"
    names = ", ".join(repr(key.name) for key in plan.at(time_ns))
    return f"may be {verb} then: {names}" if names else f"no key may be {verb} then"


def handover_not_seen(scene: Scene) -> Iterator[Finding]:
    """The sender's lifetimes end its key's use while the connection lives, and it goes on under that key."""
    for direction, plan, uses in _planned(scene):
        use = uses[-1]
        key = plan.key(use.mkt)
        ended_ns = None if key is None else key.ended_before(use.last_ns)
        if key is None or ended_ns is None or key.span_at(use.last_ns) is not None:
            continue
        planned = [other for other in plan.at(use.last_ns) if other.mkt != use.mkt]
        if not planned or use.first_ns >= ended_ns or use.last_ns - ended_ns <= TOLERANCE_NS:
            continue
        sender = scene.end(direction)
        due = ", ".join(f"{other.name!r} (KeyID {other.key_id}, {other.origin})" for other in planned)
        yield scene.finding(
            "handover-not-seen",
            Severity.WARNING,
            use.last if use.last.first_time_ns >= ended_ns else use.first,
            message=f"{sender.address} should have changed from key {use.name!r} to {_names(planned)} at "
            f"{moment_text(ended_ns)}, and goes on with {use.name!r} for {interval(use.last_ns - ended_ns)}",
            evidence=f"key {use} until frame {use.last.last_frame}; its send lifetime is in {key.origin}; due: {due}",
            remedy=f"see that {sender.address} and its peer have the new key and a right clock; a stack that takes "
            "keys only when a session starts needs a reset",
            reference=_REFERENCE,
        )


def handover_early(scene: Scene) -> Iterator[Finding]:
    """An end changes to a key before that key's send lifetime begins."""
    yield from _each_change(scene, _early)


def handover_late(scene: Scene) -> Iterator[Finding]:
    """An end changes to a key that was planned, long after the former one's send lifetime has ended."""
    yield from _each_change(scene, _late)


def handover_unplanned(scene: Scene) -> Iterator[Finding]:
    """An end changes its key where the lifetimes plan no change to that key."""
    yield from _each_change(scene, _unplanned)


def _each_change(scene: Scene, tell: Callable[[Scene, _Change], Finding | None]) -> Iterator[Finding]:
    """What `tell` says of the changes; of several between the same two keys the first, as there may be any number."""
    told: set[tuple[str, int, int]] = set()
    for direction, plan, uses in _planned(scene):
        for old, new in pairwise(uses):
            key, next_key = plan.key(old.mkt), plan.key(new.mkt)
            seen = direction, old.mkt, new.mkt
            if key is None or next_key is None or seen in told:
                continue  # A key that the sender's own files do not have is for `ends-disagree` to tell.
            finding = tell(scene, _Change(direction, old, new, key, next_key))
            if finding is not None:
                told.add(seen)
                yield finding


def _early(scene: Scene, change: _Change) -> Finding | None:
    old, new, key = change.old, change.new, change.next_key
    begins_ns = None if key.span_at(new.first_ns) else key.begins_after(new.first_ns)
    if begins_ns is None or begins_ns - new.first_ns <= TOLERANCE_NS:
        return None
    return scene.finding(
        "handover-early",
        Severity.WARNING,
        new.first,
        message=f"{scene.end(change.direction).address} changed from key {old.name!r} to {new.name!r} "
        f"{interval(begins_ns - new.first_ns)} before that one's send lifetime begins ({moment_text(begins_ns)})",
        evidence=f"{change}; lifetime of {key.origin}",
        remedy=_remedy(begins_ns - new.first_ns, begins_ns - old.last_ns),
        reference=_REFERENCE,
    )


def _late(scene: Scene, change: _Change) -> Finding | None:
    old, new, key = change.old, change.new, change.key
    ended_ns = None if key.span_at(old.last_ns) else key.ended_before(old.last_ns)
    if ended_ns is None or old.last_ns - ended_ns <= TOLERANCE_NS or change.next_key.span_at(new.first_ns) is None:
        return None
    return scene.finding(
        "handover-late",
        Severity.WARNING,
        new.first,
        message=f"{scene.end(change.direction).address} changed from key {old.name!r} to {new.name!r} "
        f"{interval(new.first_ns - ended_ns)} after the former one's send lifetime ended ({moment_text(ended_ns)})",
        evidence=f"{change}; lifetime of {key.origin}",
        remedy=_remedy(old.last_ns - ended_ns, new.first_ns - ended_ns),
        reference=_REFERENCE,
    )


def _unplanned(scene: Scene, change: _Change) -> Finding | None:
    old, new, key, next_key = change.old, change.new, change.key, change.next_key
    current, following = key.span_at(new.first_ns), next_key.span_at(new.first_ns)
    if current is None or not (key.is_bounded or next_key.is_bounded):
        return None  # It had to leave the old key, or nothing is planned for either.
    if following is None:
        ended_ns = next_key.ended_before(new.first_ns)
        if next_key.begins_after(new.first_ns) is not None or ended_ns is None:
            return None  # `handover-early`.
        if new.first_ns - ended_ns <= TOLERANCE_NS:
            return None
        why = f"whose send lifetime had ended {interval(new.first_ns - ended_ns)} before"
    elif following[0] > current[0] or following[1] > current[1]:
        return None
    else:
        why = "and no send lifetime that begins or ends asks for it"
    sender = scene.end(change.direction)
    return scene.finding(
        "handover-unplanned",
        Severity.WARNING if following is None else Severity.NOTE,
        new.first,
        message=f"{sender.address} changed from key {old.name!r} to {new.name!r}, {why}",
        evidence=f"{change}; send lifetimes: {old.name!r} {_spans_text(key)} ({key.origin}), {new.name!r} "
        f"{_spans_text(next_key)} ({next_key.origin})",
        remedy=f"find out who changed it on {sender.address}: a person, or a stack that goes by something else than "
        "lifetimes; otherwise correct the key file's lifetimes",
        reference=_REFERENCE,
    )


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of key of a sender that has a plan of its own for both."""

    direction: str
    old: KeyUse
    new: KeyUse
    key: PlannedKey
    next_key: PlannedKey

    def __str__(self) -> str:
        old, new = self.old, self.new
        return f"key {old} until frame {old.last.last_frame}, {new} from frame {new.first.first_frame} on"


def _planned(scene: Scene) -> Iterator[tuple[str, KeyPlan, list[KeyUse]]]:
    """Each direction whose sender has a plan of its own, with the keys that it used."""
    for direction in DIRECTIONS:
        plan = next((plan for plan in scene.plans(direction) if plan.what == SEND), None)
        if plan is None:
            continue
        uses = list(uses_of(scene.runs(direction)))
        if uses and uses[0].first_ns:
            yield direction, plan, uses


def _names(keys: list[PlannedKey]) -> str:
    return " or ".join(repr(key.name) for key in keys)


def _spans_text(key: PlannedKey) -> str:
    return ", ".join(map(span_text, key.spans)) or "no time at all"


def _remedy(least_ns: int, most_ns: int) -> str:
    """What to look at, where the change missed its time by something between `least_ns` and `most_ns`."""
    quarters = zone_quarters(least_ns, most_ns)
    if quarters is None:
        return _CLOCKS
    hours, minutes = divmod(quarters * 15, 60)
    return (
        f"{hours} h{f' {minutes} min' if minutes else ''} is the difference of a time zone rather than of clocks: "
        "write lifetimes with their offset from UTC, and set the zone of the device"
    )


def zone_quarters(least_ns: int, most_ns: int) -> int | None:
    """The offset of a time zone, in quarters of an hour, that lies between two distances; None where none is likely.

    A change is seen only with the next segment: the farther apart the two distances, the less any offset says.
    """
    slack_ns = most_ns - least_ns
    if slack_ns > _QUARTER_NS // 2 or most_ns > _FARTHEST_ZONE_NS + TOLERANCE_NS:
        return None
    step_ns = _QUARTER_NS if slack_ns <= _QUARTER_NS // 10 else 4 * _QUARTER_NS
    steps = (most_ns + TOLERANCE_NS) // step_ns
    return steps * step_ns // _QUARTER_NS if steps and steps * step_ns >= least_ns - TOLERANCE_NS else None
