"""Plays a key change into a plan: RNextKeyID first, KeyID after (RFC 5925 6.1, 7.5.2).

At the given time the end that opened the connection announces the new key in RNextKeyID. What the other end sends
behind the first such segment is signed with the new key, and announces it in turn; and behind the first of these the
opener signs with it as well. A connection whose first segment comes later starts with the new key.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aoinspect.capture.frames import I64
from aoinspect.engine.macs import Layout
from aoinspect.engine.ordering import stable_order
from aoinspect.engine.resign.choices import Action, Choices
from aoinspect.engine.resign.plan import Plan
from aoinspect.engine.resign.signing_keys import SigningKey
from aoinspect.engine.resign.wishes import Left, Outcome, Rollover
from aoinspect.engine.verdicts import Method
from aoinspect.errors import UsageError


def play_rollovers(
    plan: Plan, choices: Choices, openers: I64, rollovers: tuple[Rollover, ...], first_time_ns: int
) -> None:
    """Changes `plan` as the rollovers say, in the order of their times.

    `openers` has the side, 0 or 1, that opened each connection of the engine. UsageError where a rollover reaches no
    segment that can be signed: no connection has a key of that name, or none lasts so long.
    """
    connections = list(_connections(plan))
    for rollover in sorted(rollovers, key=lambda one: _time_ns(one, first_time_ns)):
        has_key = has_segments = False
        for connection, rows in connections:
            key = choices.signing_key_named(connection, rollover.key)
            if key is not None:
                has_key = True
                has_segments |= _play(plan, rows, key, int(openers[connection]), _time_ns(rollover, first_time_ns))
        if not has_key:
            raise UsageError(f"--rollover {rollover.told}: no key named {rollover.key} covers a connection here")
        if not has_segments:
            raise UsageError(f"--rollover {rollover.told}: no connection with this key has a segment to sign by then")


def _time_ns(rollover: Rollover, first_time_ns: int) -> int:
    return rollover.time_ns + (first_time_ns if rollover.is_relative else 0)


def _connections(plan: Plan) -> Iterator[tuple[int, I64]]:
    """The rows of each connection that carry a TCP-AO signature in the end which can be made anew, in capture order."""
    is_signed = (plan.outcomes != Outcome.LEFT) & (plan.methods == Method.AO) & plan.contexts.has_isns
    is_signed &= ~((plan.outcomes == Outcome.FAULT_KEPT) & (plan.actions == Action.KEEP))
    rows = np.flatnonzero(is_signed)
    if not len(rows):
        return
    rows = rows[stable_order(plan.contexts.connections[rows])]
    connections = plan.contexts.connections[rows]
    borders = np.flatnonzero(np.diff(connections)) + 1
    for group in np.split(rows, borders):
        yield int(plan.contexts.connections[group[0]]), group


def _play(plan: Plan, rows: I64, key: SigningKey, opener: int, time_ns: int) -> bool:
    """The change in one connection; whether any of its segments is late enough."""
    sides = plan.contexts.sides[rows]
    is_late = plan.times_ns[rows] >= time_ns
    if not is_late.any():
        return False
    if is_late[0]:
        for side in (0, 1):
            _announce(plan, rows[sides == side], key, side)
            _sign(plan, rows[sides == side], key, side)
        return True
    order = np.arange(len(rows))
    asking = np.flatnonzero(is_late & (sides == opener))
    if not len(asking):
        return False
    _announce(plan, rows[(sides == opener) & (order >= asking[0])], key, opener)
    answering = np.flatnonzero((order > asking[0]) & (sides != opener))
    _announce(plan, rows[answering], key, 1 - opener)
    _sign(plan, rows[answering], key, 1 - opener)
    if len(answering):
        _sign(plan, rows[(sides == opener) & (order > answering[0])], key, opener)
    return True


def _announce(plan: Plan, rows: I64, key: SigningKey, side: int) -> None:
    plan.rnext_key_ids[rows] = key.key_ids[1 - side]
    _mark(plan, rows)


def _sign(plan: Plan, rows: I64, key: SigningKey, side: int) -> None:
    plan.mkts[rows] = key.mkt
    plan.key_ids[rows] = key.key_ids[side]
    plan.mac_lengths[rows] = key.mac_length
    plan.layouts[rows] = Layout.AO_INCLUDE if key.ways[0] else Layout.AO_EXCLUDE
    _mark(plan, rows)


def _mark(plan: Plan, rows: I64) -> None:
    """These are signed anew, if they were not to be already."""
    plan.outcomes[rows[plan.outcomes[rows] == Outcome.KEPT]] = Outcome.RE_SIGNED
    plan.actions[rows] = Action.SIGN
    plan.lefts[rows] = Left.NONE
